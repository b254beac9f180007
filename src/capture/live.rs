//! What live backends are told and give back: one [`LiveCapture`] for each worker, and one [`Hook`] for what was put into the
//! kernel.
//!
//! A backend is a row of [`super::BACKENDS`]; `mamparo run` finds it by its mode.

use std::cell::{Ref, RefCell};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Capture;
use crate::types::{IfaceId, Timestamp};

/// A source of live frames that one worker owns. Made by one thread, used by another.
///
/// A worker calls, again and again: [`LiveCapture::wait`], then [`Capture::poll`] until that answers 0. `poll` never blocks; 0
/// means that there is nothing now. Verdicts are carried out when `poll` returns at the latest.
pub trait LiveCapture: Capture + Send {
    /// Waits until there are frames, `timeout` at most. An interruption by a signal is no error.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// What the kernel counted since this was opened.
    fn statistics(&mut self) -> Statistics;

    /// A number that changes when frames may have gone on that were not shown to us, however many: those who follow conversations
    /// must not take what they lack for a fault of the ends.
    fn missed(&mut self) -> u64 {
        0
    }

    /// Sends a packet of our own the way it belongs. False where that is up to the host, by its routes.
    fn reply(&mut self, reply: &Reply) -> io::Result<bool> {
        let _ = reply;
        Ok(false)
    }

    /// No more frames are wanted: those that the kernel holds already are still handed out by `poll`; the hook is gone by then.
    fn stop(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What goes on in the place of a frame: filled in by who judges the frame ([`super::Frame::changed`]), emptied by the capture before
/// each.
///
/// The contract: when the verdict lets the frame go on and something is in here, these bytes go on instead. They are the whole
/// frame, as long as it was, headers that say how to forward it unchanged, and each checksum covers what it should: none is left to
/// hardware. Frames that were not shown whole, or that nothing is done to (a dry run, a tap, a file), have no such place.
#[derive(Debug, Default)]
pub struct Changed(RefCell<Vec<u8>>);

impl Changed {
    /// These bytes are to go on.
    pub fn put(&self, bytes: &[u8]) {
        let mut place = self.0.borrow_mut();
        place.clear();
        place.extend_from_slice(bytes);
    }

    /// Another frame follows.
    pub(super) fn begin(&self) {
        self.0.borrow_mut().clear();
    }

    /// What is to go on, if it is as long as that.
    pub(super) fn take(&self, len: usize) -> Option<Ref<'_, [u8]>> {
        let bytes = Ref::map(self.0.borrow(), Vec::as_slice);
        (!bytes.is_empty() && bytes.len() == len).then_some(bytes)
    }
}

/// A packet that tells an end of a rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where the rejected packet came in.
    pub iface: IfaceId,
    /// It goes back to the sender of that; otherwise it goes the same way.
    pub back: bool,
    /// What stands before it on Ethernet; empty when the rejected packet had no such header.
    pub link: Vec<u8>,
    /// It, from the IP header on.
    pub packet: Vec<u8>,
}

/// What is known of frames before a worker sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames handed to us.
    pub received: u64,
    /// Frames that the kernel could not hand to us for want of room.
    pub dropped: u64,
    /// Frames of which the kernel showed only the beginning.
    pub truncated: u64,
    /// Frames that were seen on another interface already.
    pub duplicates: u64,
    /// Frames of hardware that nothing here can look into.
    pub unsupported: u64,
    /// Frames that could not be handed on: too long for the other interface, or that had no room.
    pub unsent: u64,
    /// Times at which the kernel said that it had no room.
    pub overruns: u64,
    /// Packets that left a container and were in none of its queues, of those that were looked at from outside.
    pub unqueued: u64,
}

impl Statistics {
    /// Adds another capture's.
    pub fn add(&mut self, other: Statistics) {
        self.received += other.received;
        self.dropped += other.dropped;
        self.truncated += other.truncated;
        self.duplicates += other.duplicates;
        self.unsupported += other.unsupported;
        self.unsent += other.unsent;
        self.overruns += other.overruns;
        self.unqueued += other.unqueued;
    }
}

/// What was put into the kernel so that frames come to us.
pub trait Hook: Send {
    /// Takes it away, all of it. May be called again.
    fn remove(&mut self) -> io::Result<()>;

    /// Whether it is there as it was put in. (Putting it in again is no way to be sure: packets that wait for a verdict are lost when
    /// the kernel takes out the chain that they came by.)
    fn stands(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    /// What is so once it is away, for the log.
    fn gone(&self) -> &'static str {
        "forwarded packets do not come to us any more: our rules were removed from the kernel"
    }
}

/// What happens to traffic while nobody looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fail {
    /// It goes on.
    #[default]
    Open,
    /// It stops.
    Closed,
}

impl Fail {
    /// As the command line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Fail::Open => "open",
            Fail::Closed => "closed",
        }
    }
}

/// How queued packets that may go on do so (`nfq.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Onward {
    /// They are accepted, and meet what the kernel has behind our hook.
    #[default]
    Accept,
    /// They are marked and go through the hook again, which knows them by their mark.
    Repeat {
        /// The mark, within the mask.
        mark: u32,
        /// Which bits of a packet's mark it is.
        mask: u32,
    },
    /// They go to another queue, which another program reads.
    Route(u16),
}

/// What a backend is told.
#[derive(Clone, Debug, Default)]
pub struct LiveOptions {
    /// Workers, and captures wanted, 1..
    pub workers: usize,
    /// What was named behind the mode: interfaces, a pair.
    pub names: Vec<String>,
    /// While we are away.
    pub fail: Fail,
    /// Nothing is dropped, whatever the verdict.
    pub dry_run: bool,
    /// Number of the first queue.
    pub queue: u16,
    /// Frames that a queue of the kernel may hold.
    pub queue_max: u32,
    /// Bytes that the kernel may hold for one capture.
    pub buffer: usize,
    /// Verdicts given together at most.
    pub batch: usize,
    /// How flows are marked that the kernel forwards without us: mark and mask. `None`: nothing is bypassed.
    pub bypass: Option<(u32, u32)>,
    /// How queued packets go on.
    pub onward: Onward,
    /// Whether settings of the kernel may be changed where bridged traffic would not come by (br_netfilter).
    pub set_bridge: bool,
    /// How frames are copied to us (tap).
    pub tap: super::tap::TapOptions,
    /// Who is told what happens while it runs.
    pub say: Say,
    /// Where interfaces get their numbers.
    pub interfaces: Arc<Interfaces>,
}

/// Tells the operator.
#[derive(Clone)]
pub struct Say(pub Arc<dyn Fn(&str) + Send + Sync>);

impl Say {
    /// A line for the log.
    pub(super) fn line(&self, line: &str) {
        (self.0)(line);
    }
}

/// Nobody listens.
impl Default for Say {
    fn default() -> Self {
        Say(Arc::new(|_| {}))
    }
}

impl std::fmt::Debug for Say {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Say")
    }
}

/// What a backend has opened.
pub struct Opened {
    /// One for each worker; fewer where there are fewer to be had.
    pub captures: Vec<Box<dyn LiveCapture>>,
    /// Puts what is needed into the kernel, once workers are ready.
    pub attach: Attach,
}

/// Puts a hook into the kernel; the lines are for the log.
pub type Attach = Box<dyn FnOnce() -> Result<(Option<Box<dyn Hook>>, Vec<String>), String> + Send>;

/// A way to live traffic.
pub struct Backend {
    /// Its name behind `--inline` or `--tap`.
    pub name: &'static str,
    /// It stands in the way of traffic: verdicts are carried out.
    pub inline: bool,
    /// Opens it. An error names the remedy.
    pub open: fn(&LiveOptions) -> Result<Opened, String>,
}

/// Names of interfaces by the numbers that frames carry. Grows with the interfaces ever seen, up to 65,535.
#[derive(Debug, Default)]
pub struct Interfaces(Mutex<Vec<Box<str>>>);

impl Interfaces {
    /// The number of that name, given when it is new. What is beyond the last number shares it.
    pub fn id(&self, name: &str) -> IfaceId {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = match names.iter().position(|known| &**known == name) {
            Some(at) => at,
            None if names.len() < usize::from(u16::MAX) => {
                names.push(name.into());
                names.len() - 1
            }
            None => names.len(),
        };
        IfaceId(at as u16)
    }

    /// The name of that number.
    pub fn name(&self, id: IfaceId) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(usize::from(id.0)).map(|name| name.to_string())
    }
}

/// The clock of capture: nanoseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "live time is the arrival of the frame; no stage reads it elsewhere"
)]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs(), since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_keeps_its_number() {
        let interfaces = Interfaces::default();
        let (a, b) = (interfaces.id("veth1"), interfaces.id("br0"));
        assert_ne!(a, b);
        assert_eq!(interfaces.id("veth1"), a);
        assert_eq!(interfaces.name(b).as_deref(), Some("br0"));
        assert_eq!(interfaces.name(IfaceId(9)), None);
    }
}
