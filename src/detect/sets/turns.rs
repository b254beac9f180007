//! Several workers, one order: who changes a set that all share, or asks it, waits until every packet before its own has
//! been inspected.
//!
//! Each worker tells how far it is, with one plain store a packet. Only a rule that asks a set which some rule changes ever
//! waits. So such rules answer as with one worker, for any number of them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Looks at the others before sleeping.
const SPINS: usize = 200;

/// How long a sleep lasts when nobody wakes: a waker may look just before the sleeper is counted.
const NAP: Duration = Duration::from_micros(500);

/// How far each worker is. A line of the processor's cache each, so that telling it disturbs nobody.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(AtomicU64);

/// The order of all workers of a run.
#[derive(Debug)]
pub struct Turns {
    places: Box<[Place]>,
    sleepers: AtomicUsize,
    gate: Mutex<()>,
    moved: Condvar,
}

thread_local! {
    /// The seat of this thread's worker.
    static HERE: RefCell<Option<(Arc<Turns>, usize)>> = const { RefCell::new(None) };
}

impl Turns {
    /// For so many workers, all at the beginning.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Turns {
            places: (0..workers).map(|_| Place::default()).collect(),
            sleepers: AtomicUsize::new(0),
            gate: Mutex::new(()),
            moved: Condvar::new(),
        })
    }

    /// This thread is worker `nth` from now on, until the seat is dropped: then nobody waits for it any more.
    pub fn seat(self: &Arc<Self>, nth: usize) -> Seat {
        HERE.set(Some((self.clone(), nth)));
        Seat { turns: self.clone(), nth }
    }

    fn tell(&self, nth: usize, number: u64) {
        if let Some(place) = self.places.get(nth) {
            place.0.store(number, Ordering::Release);
        }
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            self.moved.notify_all();
        }
    }

    fn is_first(&self, nth: usize) -> bool {
        let number = |place: &Place| place.0.load(Ordering::Acquire);
        let Some(own) = self.places.get(nth).map(number) else { return true };
        self.places.iter().enumerate().all(|(other, place)| other == nth || number(place) >= own)
    }

    fn wait(&self, nth: usize) {
        for _ in 0..SPINS {
            if self.is_first(nth) {
                return;
            }
            std::hint::spin_loop();
        }
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_first(nth) {
            gate = self.moved.wait_timeout(gate, NAP).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(gate);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker's place in the order.
#[derive(Debug)]
pub struct Seat {
    turns: Arc<Turns>,
    nth: usize,
}

impl Seat {
    /// Everything before packet `number` has been inspected by this worker.
    pub fn reached(&self, number: u64) {
        self.turns.tell(self.nth, number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        HERE.set(None);
        self.turns.tell(self.nth, u64::MAX);
    }
}

/// Waits until every packet before this thread's has been inspected; a thread without a seat does not.
pub(super) fn wait() {
    HERE.with_borrow(|here| {
        if let Some((turns, nth)) = here {
            turns.wait(*nth);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_all_workers_come_in_order() {
        const PACKETS: u64 = 6000;
        for workers in [1, 2, 5] {
            let turns = Turns::new(workers);
            let seen = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for nth in 0..workers {
                    let (turns, seen) = (&turns, &seen);
                    scope.spawn(move || {
                        let seat = turns.seat(nth);
                        for number in (1..=PACKETS).filter(|n| n * 7919 % 31 % workers as u64 == nth as u64) {
                            seat.reached(number);
                            // not every packet meets such a rule
                            if number % 3 != 0 {
                                wait();
                                seen.lock().unwrap().push(number);
                            }
                        }
                    });
                }
            });
            let expected: Vec<u64> = (1..=PACKETS).filter(|n| n % 3 != 0).collect();
            assert_eq!(seen.into_inner().unwrap(), expected, "{workers}");
        }
    }

    #[test]
    fn nobody_waits_for_a_worker_that_is_gone() {
        let turns = Turns::new(2);
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _seat = turns.seat(0);
                    panic!("on purpose");
                })
                .join()
                .is_err()
        });
        assert!(panicked);
        let seat = turns.seat(1);
        seat.reached(10);
        wait();
    }
}
