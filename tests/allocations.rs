//! No allocation per packet of a known flow, counted by the allocator itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use etherparse::PacketBuilder;
use mamparo::capture::LinkType;
use mamparo::types::Timestamp;

use super::support::engine::{Make, Packet, frame};

/// The system's allocator, counting what each thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "the trait is unsafe; every call is handed on as it is")]
// SAFETY: all calls go to the system's allocator with the arguments they came with; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-(layout.size() as i64));
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps to the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(more: i64) {
    // a thread that is ending has no counter any more
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
    hold(more);
}

fn hold(more: i64) {
    let _ = HELD.try_with(|held| held.set(held.get() + more));
}

/// Bytes that this thread has asked for and not given back; less where it gave back what others had asked for.
pub(super) fn held() -> i64 {
    HELD.with(Cell::get)
}

const CLIENT: [u8; 4] = [10, 77, 0, 30];
const SERVER: [u8; 4] = [10, 77, 0, 10];

/// Frames of one flow, a millisecond apart.
#[derive(Default)]
struct Flow(Vec<Packet>);

impl Flow {
    fn push(&mut self, bytes: Vec<u8>) {
        let timestamp = Timestamp::new(1_700_000_000, self.0.len() as u32 * 1_000_000);
        self.0.push(Packet { timestamp, link: LinkType(1), bytes });
    }

    fn tcp(&mut self, to_server: bool, flags: &str, seq: u32, ack: u32, payload: &[u8]) {
        let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (source, destination) = if to_server { (40_000, 9999) } else { (9999, 40_000) };
        let mut builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, 64).tcp(source, destination, seq, 64_000);
        if flags.contains('S') {
            builder = builder.syn();
        }
        if flags.contains('A') {
            builder = builder.ack(ack);
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).expect("memory");
        self.push(bytes);
    }

    fn udp(&mut self, to_server: bool, payload: &[u8]) {
        let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (source, destination) = if to_server { (40_000, 9998) } else { (9998, 40_000) };
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, 64).udp(source, destination);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).expect("memory");
        self.push(bytes);
    }
}

/// A session of TCP that carries what no protocol here knows, both ways, each segment acknowledged.
fn session(rounds: u32) -> Vec<Packet> {
    let mut flow = Flow::default();
    let (mut client, mut server) = (1000u32, 5000u32);
    flow.tcp(true, "S", client, 0, b"");
    client += 1;
    flow.tcp(false, "SA", server, client, b"");
    server += 1;
    flow.tcp(true, "A", client, server, b"");
    let payload: Vec<u8> = (0..1200u32).map(|nth| (nth * 7 % 251) as u8 | 0x80).collect();
    for _ in 0..rounds {
        flow.tcp(true, "A", client, server, &payload);
        client += payload.len() as u32;
        flow.tcp(false, "A", server, client, &payload[..300]);
        server += 300;
        flow.tcp(true, "A", client, server, b"");
    }
    flow.0
}

fn datagrams(rounds: u32) -> Vec<Packet> {
    let mut flow = Flow::default();
    for _ in 0..rounds {
        flow.udp(true, &[0xee; 700]);
        flow.udp(false, &[0xdd; 90]);
    }
    flow.0
}

/// Allocations over the second half of the packets.
fn asked_in_second_half(packets: &[Packet]) -> (u64, u64) {
    let engine = Make::default().engine();
    let mut worker = engine.worker();
    let half = packets.len() / 2;
    let mut before = 0;
    for (nth, packet) in packets.iter().enumerate() {
        if nth == half {
            before = ASKED.with(Cell::get);
        }
        worker.frame(&frame(packet, nth as u64 + 1));
    }
    let asked = ASKED.with(Cell::get) - before;
    assert_eq!(worker.flow_count(), 1);
    assert_eq!(worker.counters().alerts, 0, "plain traffic");
    (asked, (packets.len() - half) as u64)
}

#[test]
fn segments_of_a_known_session_ask_for_no_memory() {
    let (asked, packets) = asked_in_second_half(&session(1000));
    assert_eq!(asked, 0, "over {packets} packets");
}

#[test]
fn datagrams_of_a_known_flow_ask_for_no_memory() {
    let (asked, packets) = asked_in_second_half(&datagrams(1000));
    assert_eq!(asked, 0, "over {packets} packets");
}

#[test]
fn the_allocator_counts() {
    let before = ASKED.with(Cell::get);
    let boxed = std::hint::black_box(Box::new([0u8; 100]));
    assert_eq!(ASKED.with(Cell::get), before + 1);
    drop(boxed);
}
