//! Sessions driven by scripts of segments.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::decode::{Tcp, TcpOptions};
use crate::types::Direction::{ToClient, ToServer};
use crate::types::{Direction, Timestamp};
use crate::verdict::{ExceptionPolicy, Reason};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const S: u8 = Tcp::SYN;
const A: u8 = Tcp::ACK;
const SA: u8 = Tcp::SYN | Tcp::ACK;
const PA: u8 = Tcp::PSH | Tcp::ACK;
const FA: u8 = Tcp::FIN | Tcp::ACK;
const R: u8 = Tcp::RST;
const RA: u8 = Tcp::RST | Tcp::ACK;

/// Two ends, the session between them, and what a reader took from it.
struct Wire {
    config: StreamConfig,
    memory: Memory,
    session: Session,
    clock: u64,
    window: u16,
    options: TcpOptions,
    /// Option bytes of the headers.
    raw_options: Vec<u8>,
    /// Bytes read of each direction; a gap of `n` bytes is written `[n]`.
    read: [Vec<u8>; 2],
    position: [u64; 2],
}

impl Wire {
    fn new(config: StreamConfig) -> Wire {
        let session = Session::new(&config, SERVER, CLIENT);
        Wire {
            config,
            memory: Memory::default(),
            session,
            clock: 1_000_000_000,
            window: 8192,
            options: TcpOptions::default(),
            raw_options: Vec::new(),
            read: Default::default(),
            position: [0; 2],
        }
    }

    /// A client at sequence number 1000 and a server at 5000, and their handshake.
    fn open(config: StreamConfig) -> Wire {
        let mut wire = Wire::new(config);
        wire.send(ToServer, S, 1000, 0, b"");
        wire.send(ToClient, SA, 5000, 1001, b"");
        wire.send(ToServer, A, 1001, 5001, b"");
        assert_eq!(wire.session.state(), State::Established);
        wire
    }

    fn send(&mut self, dir: Direction, flags: u8, seq: u32, ack: u32, data: &[u8]) -> Handled {
        let mut header = etherparse::TcpHeader::new(40_000, 80, seq, self.window);
        header.acknowledgment_number = ack;
        header.syn = flags & Tcp::SYN != 0;
        header.ack = flags & Tcp::ACK != 0;
        header.fin = flags & Tcp::FIN != 0;
        header.rst = flags & Tcp::RST != 0;
        header.psh = flags & Tcp::PSH != 0;
        header.urg = flags & Tcp::URG != 0;
        if header.urg {
            header.urgent_pointer = data.len() as u16;
        }
        header.set_options_raw(&self.raw_options).unwrap();
        let bytes = header.to_bytes();
        let tcp = Tcp::new(&bytes, self.options, true).unwrap();
        self.clock += 1_000_000;
        let timestamp = Timestamp(self.clock);
        let segment = Segment { tcp: &tcp, payload: data, dir, timestamp };
        let handled = self.session.segment(&segment, &self.config, &mut self.memory);
        self.take();
        handled
    }

    fn take(&mut self) {
        for dir in Direction::BOTH {
            let i = dir.index();
            loop {
                match self.session.readable(dir, self.position[i]) {
                    Readable::Nothing => break,
                    Readable::Gap(len) => {
                        self.read[i].extend_from_slice(format!("[{len}]").as_bytes());
                        self.position[i] += len;
                    }
                    Readable::Bytes(bytes) => {
                        self.read[i].extend_from_slice(bytes);
                        self.position[i] += bytes.len() as u64;
                    }
                }
            }
            self.session.release(dir, self.position[i], &mut self.memory);
        }
    }

    fn text(&self, dir: Direction) -> String {
        String::from_utf8_lossy(&self.read[dir.index()]).into_owned()
    }

    /// Ends the flow; all memory must come back.
    fn end(mut self) -> [String; 2] {
        self.session.finish();
        self.take();
        self.session.close(&mut self.memory);
        assert_eq!(self.memory, Memory::default());
        [self.text(ToServer), self.text(ToClient)]
    }
}

fn names(handled: &Handled) -> Vec<&'static str> {
    handled.events.iter().map(StreamEvent::name).collect()
}

fn inline() -> StreamConfig {
    StreamConfig { inline: true, ..StreamConfig::default() }
}

/// One step: direction, flags, seq, ack, data, state after it, events.
type Step = (Direction, u8, u32, u32, &'static [u8], State, &'static [&'static str]);

fn check(config: StreamConfig, what: &str, steps: &[Step]) {
    let mut wire = Wire::new(config);
    for (i, (dir, flags, seq, ack, data, state, events)) in steps.iter().enumerate() {
        let handled = wire.send(*dir, *flags, *seq, *ack, data);
        assert_eq!(wire.session.state(), *state, "{what}: state after step {i}");
        assert_eq!(names(&handled), *events, "{what}: events of step {i}");
    }
    wire.end();
}

const HANDSHAKE: [Step; 3] = [
    (ToServer, S, 1000, 0, b"", State::SynSent, &[]),
    (ToClient, SA, 5000, 1001, b"", State::SynRecv, &[]),
    (ToServer, A, 1001, 5001, b"", State::Established, &[]),
];

fn after_handshake(what: &str, steps: &[Step]) {
    let all: Vec<Step> = HANDSHAKE.iter().chain(steps).copied().collect();
    check(StreamConfig::default(), what, &all);
}

#[test]
fn sessions_close_in_every_order() {
    use State::*;
    after_handshake(
        "client first",
        &[
            (ToServer, FA, 1001, 5001, b"", CloseWait, &[]),
            (ToClient, A, 5001, 1002, b"", CloseWait, &[]),
            (ToClient, FA, 5001, 1002, b"", LastAck, &[]),
            (ToServer, A, 1002, 5002, b"", Closed, &[]),
        ],
    );
    after_handshake(
        "server first",
        &[
            (ToClient, FA, 5001, 1001, b"", FinWait1, &[]),
            (ToServer, A, 1001, 5002, b"", FinWait2, &[]),
            (ToServer, FA, 1001, 5002, b"", TimeWait, &[]),
            (ToClient, A, 5002, 1002, b"", Closed, &[]),
        ],
    );
    after_handshake(
        "server first, both in one",
        &[
            (ToClient, FA, 5001, 1001, b"", FinWait1, &[]),
            (ToServer, FA, 1001, 5002, b"", TimeWait, &[]),
            (ToClient, A, 5002, 1002, b"", Closed, &[]),
        ],
    );
    after_handshake("reset", &[(ToServer, R, 1001, 0, b"", Closed, &[])]);
    after_handshake("reset with ack", &[(ToClient, RA, 5001, 1001, b"", Closed, &[])]);
}

#[test]
fn handshakes_that_are_odd() {
    use State::*;
    let plain = StreamConfig::default;
    check(
        plain(),
        "split handshake",
        &[
            (ToServer, S, 1000, 0, b"", SynSent, &[]),
            (ToClient, S, 5000, 0, b"", SynSent, &[]),
            (ToServer, SA, 1000, 5001, b"", SynRecv, &[]),
            (ToClient, A, 5001, 1001, b"", Established, &[]),
        ],
    );
    check(
        plain(),
        "split handshake, wrong",
        &[
            (ToServer, S, 1000, 0, b"", SynSent, &[]),
            (ToClient, S, 5000, 0, b"", SynSent, &[]),
            (ToServer, SA, 1000, 5002, b"", SynSent, &["4whs_synack_with_wrong_ack"]),
            (ToServer, SA, 1001, 5001, b"", SynSent, &["4whs_synack_with_wrong_syn"]),
        ],
    );
    check(
        plain(),
        "SYN/ACK for something else",
        &[
            (ToServer, S, 1000, 0, b"", SynSent, &[]),
            (ToClient, SA, 5000, 1006, b"", SynSent, &["3whs_synack_with_wrong_ack"]),
            (ToServer, SA, 1000, 5001, b"", SynSent, &["3whs_synack_in_wrong_direction"]),
            (ToClient, SA, 5000, 1001, b"", SynRecv, &[]),
            (ToServer, SA, 1001, 5001, b"", SynRecv, &["3whs_synack_toserver_on_syn_recv"]),
            (ToClient, SA, 5000, 1002, b"", SynRecv, &["3whs_synack_resend_with_different_ack"]),
            (ToServer, S, 2000, 0, b"", SynRecv, &["3whs_syn_resend_diff_seq_on_syn_recv"]),
            (ToClient, S, 6000, 0, b"", SynRecv, &["3whs_syn_toclient_on_syn_recv"]),
            (ToServer, A, 901, 5001, b"", SynRecv, &["3whs_wrong_seq_wrong_ack"]),
            (ToServer, A, 1001, 5000, b"", SynRecv, &["3whs_right_seq_wrong_ack_evasion"]),
            (ToServer, A, 1001, 5001, b"", Established, &[]),
        ],
    );
    check(
        plain(),
        "refused",
        &[(ToServer, S, 1000, 0, b"", SynSent, &[]), (ToClient, RA, 0, 1001, b"", Closed, &[])],
    );
    check(
        plain(),
        "the client's acknowledgement was lost",
        &[
            (ToServer, S, 1000, 0, b"", SynSent, &[]),
            (ToClient, SA, 5000, 1001, b"", SynRecv, &[]),
            (ToClient, PA, 5001, 1001, b"220 hello", Established, &[]),
        ],
    );
    check(
        inline(),
        "data before the client's acknowledgement",
        &[
            (ToServer, S, 1000, 0, b"", SynSent, &[]),
            (ToClient, SA, 5000, 1001, b"", SynRecv, &[]),
            (ToClient, PA, 5001, 1001, b"220 hello", SynRecv, &["3whs_ack_data_inject"]),
        ],
    );
}

#[test]
fn of_competing_handshakes_the_one_that_is_answered_counts() {
    let mut wire = Wire::new(StreamConfig::default());
    wire.send(ToServer, S, 1000, 0, b"");
    for (i, isn) in [5000, 7000, 7100, 7200, 7300, 7400, 7500].into_iter().enumerate() {
        let handled = wire.send(ToClient, SA, isn, 1001, b"");
        assert_eq!(handled.events.has(StreamEvent::Whs3SynackFlood), i == 6, "{isn}");
    }
    wire.send(ToServer, A, 1001, 7001, b"");
    wire.send(ToClient, PA, 7001, 1001, b"hello");
    assert_eq!(wire.session.state(), State::Established);
    assert_eq!(wire.end()[1], "hello");
    let mut wire = Wire::new(StreamConfig::default());
    wire.send(ToServer, S, 1000, 0, b"");
    wire.send(ToServer, S, 2000, 0, b"");
    wire.send(ToClient, SA, 5000, 2001, b"");
    wire.send(ToServer, A, 2001, 5001, b"");
    wire.send(ToServer, PA, 2001, 5001, b"hello");
    assert_eq!(wire.end()[0], "hello");
}

#[test]
fn segments_that_make_no_sense() {
    use State::*;
    after_handshake(
        "established",
        &[
            (ToServer, PA, 1001, 5001, b"hello", Established, &[]),
            (ToClient, A, 5001, 1006, b"", Established, &[]),
            (ToClient, A, 5001, 60_000, b"", Established, &["est_invalid_ack", "pkt_invalid_ack"]),
            (ToServer, PA, 30_000, 5001, b"far", Established, &["est_packet_out_of_window"]),
            (ToServer, FA, 1001, 5001, b"", Established, &["fin_out_of_window"]),
            (ToServer, PA, 1001, 5001, b"hell", Established, &["pkt_spurious_retransmission"]),
            (ToServer, S, 1000, 0, b"", Established, &["est_syn_resend"]),
            (ToServer, S, 2000, 0, b"", Established, &["est_syn_resend_diff_seq"]),
            (ToClient, S, 5000, 0, b"", Established, &["est_syn_toclient"]),
            (ToServer, SA, 1000, 5001, b"", Established, &["est_synack_toserver"]),
            (ToClient, RA, 5001, 60_000, b"", Established, &["pkt_invalid_ack", "rst_invalid_ack"]),
            (ToServer, R, 900, 0, b"", Established, &[]),
            (ToServer, S | Tcp::FIN, 1006, 0, b"", Established, &["fin_syn"]),
            (ToServer, 0, 1006, 7, b"", Established, &["pkt_broken_ack"]),
        ],
    );
    check(
        StreamConfig::default(),
        "no session",
        &[
            (ToServer, R, 1, 0, b"", None, &["rst_but_no_session"]),
            (ToServer, FA, 1, 1, b"", None, &["fin_but_no_session"]),
            (ToServer, PA, 1, 1, b"data", None, &[]),
            (ToClient, SA, 1, 1, b"", None, &[]),
        ],
    );
}

#[test]
fn a_port_is_used_again() {
    let mut wire = Wire::open(StreamConfig::default());
    wire.send(ToServer, R, 1001, 0, b"");
    assert!(!wire.send(ToServer, S, 1000, 0, b"").new_session, "the old SYN");
    assert!(wire.send(ToServer, S, 9000, 0, b"").new_session);
    let mut wire = Wire::open(StreamConfig::default());
    wire.send(ToClient, FA, 5001, 1001, b"");
    let handled = wire.send(ToServer, S, 9000, 0, b"");
    assert_eq!((handled.new_session, names(&handled)), (false, vec!["shutdown_syn_resend"]));
}

#[test]
fn an_end_that_holds_an_older_connection_is_told_so() {
    let mut wire = Wire::new(inline());
    wire.send(ToServer, S, 9000, 0, b"");
    let challenge = wire.send(ToClient, A, 5001, 1020, b"");
    assert_eq!((challenge.valid, challenge.verdict), (true, None));
    let reset = wire.send(ToServer, R, 1020, 0, b"");
    assert_eq!((reset.valid, reset.verdict), (true, None));
    assert_eq!(wire.session.state(), State::SynSent);
    wire.send(ToServer, S, 9000, 0, b"");
    wire.send(ToClient, SA, 7000, 9001, b"");
    wire.send(ToServer, A, 9001, 7001, b"");
    wire.send(ToServer, PA, 9001, 7001, b"hello");
    assert_eq!(wire.session.state(), State::Established);
    assert_eq!(wire.end()[0], "hello");
}

#[test]
fn behind_a_dropped_connection_nothing_goes_on_before_there_is_a_new_one() {
    let mut old = Wire::open(inline());
    let syn = |wire: &mut Wire, dir, seq, flags| {
        let mut header = etherparse::TcpHeader::new(40_000, 80, seq, 8192);
        header.syn = flags & Tcp::SYN != 0;
        header.ack = flags & Tcp::ACK != 0;
        let bytes = header.to_bytes();
        let tcp = Tcp::new(&bytes, TcpOptions::default(), true).expect("a header");
        wire.session.reopens(&tcp, dir)
    };
    assert_eq!(syn(&mut old, ToServer, 1000, S), None, "its own SYN");
    assert_eq!(syn(&mut old, ToServer, 9000, SA), None, "no SYN alone");
    assert_eq!(syn(&mut old, ToServer, 9000, S), Some(1000));
    let mut wire = Wire::new(inline());
    wire.session.follows_dropped(1000);
    assert!(wire.send(ToServer, S, 9000, 0, b"").valid);
    let refused = |wire: &mut Wire, (dir, flags, seq, ack, data): (Direction, u8, u32, u32, &[u8])| {
        let handled = wire.send(dir, flags, seq, ack, data);
        assert_eq!((handled.valid, handled.verdict), (false, Some(Reason::FlowDrop)), "{flags} {seq} {ack}");
        assert_eq!(wire.session.state(), State::SynSent);
    };
    let old: [(Direction, u8, u32, u32, &[u8]); 10] = [
        (ToServer, S, 1000, 0, b""),
        (ToServer, PA, 1001, 5001, b"attack"),
        (ToServer, PA, 9001, 5001, b"attack"),
        (ToServer, FA, 1001, 5001, b"attack"),
        (ToServer, SA, 1000, 5001, b"attack"),
        (ToServer, A, 1001, 5001, b""),
        (ToServer, R, 1001, 0, b""),
        (ToServer, 0, 1001, 0, b"attack"),
        (ToClient, PA, 5001, 1001, b"answer"),
        (ToClient, S, 5000, 0, b""),
    ];
    old.into_iter().for_each(|segment| refused(&mut wire, segment));
    assert!(wire.send(ToClient, A, 5001, 1020, b"").valid, "it holds the old one");
    old.into_iter().for_each(|segment| refused(&mut wire, segment));
    assert!(!wire.send(ToClient, SA, 7000, 1001, b"").valid, "an answer to the old SYN");
    assert_eq!(wire.session.state(), State::SynSent);
    assert!(wire.send(ToServer, R, 1020, 0, b"").valid, "the old one is over");
    assert!(wire.send(ToServer, S, 9000, 0, b"").valid);
    wire.send(ToClient, SA, 7000, 9001, b"");
    wire.send(ToServer, PA, 9001, 7001, b"hello");
    assert_eq!(wire.end()[0], "hello");
}

#[test]
fn a_signed_reset_is_doubted_when_its_sender_goes_on() {
    for (options, outlived) in [
        (&[19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0][..], true),
        (&[1, 29, 4, 166, 40, 0, 0, 0], true),
        (&[2, 4, 5, 180], false),
        (&[2, 0, 19, 18], false),
        (&[], false),
    ] {
        let mut wire = Wire::open(StreamConfig::default());
        wire.raw_options = options.to_vec();
        wire.send(ToServer, RA, 1001, 5001, b"");
        assert!(wire.session.is_closed());
        wire.raw_options.clear();
        let handled = wire.send(ToServer, PA, 1001, 5001, b"GET /");
        assert_eq!(handled.events.has(StreamEvent::SuspectedRstInject), outlived);
        wire.send(ToClient, A, 5001, 1006, b"");
        assert_eq!(wire.text(ToServer), if outlived { "GET /" } else { "" });
        wire.end();
    }
}

#[test]
fn bytes_are_read_when_their_receiver_has_them() {
    let mut wire = Wire::open(StreamConfig::default());
    wire.send(ToServer, PA, 1001, 5001, b"GET ");
    wire.send(ToServer, PA, 1005, 5001, b"/");
    assert_eq!(wire.text(ToServer), "");
    wire.send(ToClient, A, 5001, 1005, b"");
    assert_eq!(wire.text(ToServer), "GET ");
    wire.send(ToClient, PA, 5001, 1006, b"200");
    assert_eq!((wire.text(ToServer), wire.text(ToClient)), ("GET /".into(), String::new()));
    assert_eq!((wire.session.seen(ToServer), wire.session.seen(ToClient)), (6, 4));
    wire.send(ToServer, RA, 1006, 5004, b"");
    assert!(wire.session.is_ended(ToServer) && wire.session.is_ended(ToClient));
    assert_eq!(wire.end(), ["GET /", "200"]);
}

#[test]
fn a_session_goes_on_when_segments_of_it_were_not_shown_to_us() {
    for missed in [false, true] {
        let mut wire = Wire::open(inline());
        wire.send(ToServer, PA, 1001, 5001, b"seen");
        wire.memory.missed += u64::from(missed);
        let answer = wire.send(ToClient, A, 5001, 1005 + 20_000, b"");
        let more = wire.send(ToServer, PA, 1005 + 20_000, 5001, b"more");
        assert_eq!((answer.verdict.is_none(), more.verdict.is_none()), (missed, missed));
        wire.send(ToClient, A, 5001, 1009 + 20_000, b"");
        assert_eq!(wire.text(ToServer), if missed { "seen[20000]more" } else { "seen" });
        // megabytes further on, before anything acknowledges them
        let far = 1009 + 20_000 + 5_000_000;
        assert_eq!(wire.send(ToServer, PA, far, 5001, b"far").verdict.is_none(), missed);
        assert_eq!(wire.send(ToClient, A, 5001, far + 3, b"").verdict.is_none(), missed);
        assert_eq!(wire.send(ToServer, PA, far + 3, 5001, b"on").verdict.is_none(), missed);
        // one that begins now was seen from its beginning
        wire.session = Session::new(&wire.config, SERVER, CLIENT);
        wire.send(ToServer, S, 1000, 0, b"");
        wire.send(ToClient, SA, 5000, 1001, b"");
        wire.send(ToServer, A, 1001, 5001, b"");
        assert!(wire.send(ToClient, A, 5001, 21_005, b"").verdict.is_some());
    }
}

#[test]
fn inline_bytes_are_read_at_once_and_stay_what_they_were() {
    let mut wire = Wire::open(inline());
    wire.send(ToServer, PA, 1001, 5001, b"GET /");
    assert_eq!(wire.text(ToServer), "GET /");
    let same = wire.send(ToServer, PA, 1001, 5001, b"GET /");
    assert_eq!((same.verdict, names(&same)), (None, vec![]));
    let more = wire.send(ToServer, PA, 1003, 5001, b"T /index");
    assert_eq!((more.verdict, wire.text(ToServer).as_str()), (None, "GET /index"));
    let other = wire.send(ToServer, PA, 1001, 5001, b"PUT /");
    assert_eq!(other.verdict, Some(Reason::StreamReassembly));
    assert_eq!(names(&other), ["reassembly_overlap_different_data"]);
    let partly = wire.send(ToServer, PA, 1009, 5001, b"EX.html");
    assert_eq!(partly.verdict, Some(Reason::StreamReassembly));
    wire.send(ToServer, PA, 1020, 5001, b"later");
    let waiting = wire.send(ToServer, PA, 1018, 5001, b"..LATER");
    assert_eq!(waiting.verdict, Some(Reason::StreamReassembly), "what waits was let through, too");
    let invalid = wire.send(ToServer, PA, 60_000, 5001, b"far");
    assert_eq!(invalid.verdict, Some(Reason::StreamError));
    assert_eq!(wire.end()[0], "GET /index[9]later");
}

#[test]
fn a_session_that_is_over_keeps_next_to_nothing() {
    let mut wire = Wire::open(StreamConfig { inline: true, ..StreamConfig::default() });
    wire.window = u16::MAX;
    wire.send(ToClient, A, 5001, 1001, b"");
    for nth in 0..1000u32 {
        // the receiver answers late: what was not acknowledged is kept, to be held against what comes again
        wire.send(ToServer, A, 1001 + nth * 1000, 5001, &[b'x'; 1000]);
        if nth > 60 {
            wire.send(ToClient, A, 5001, 1001 + (nth - 60) * 1000, b"");
        }
    }
    let held = wire.memory.reassembly_used;
    assert!(held >= 60_000, "{held}");
    wire.send(ToServer, FA, 1_001_001, 5001, b"");
    wire.send(ToClient, FA, 5001, 1_001_002, b"");
    wire.session.shrink(&mut wire.memory);
    wire.send(ToServer, A, 1_001_002, 5002, b"");
    assert!(matches!(wire.session.state(), State::TimeWait | State::Closed));
    wire.session.shrink(&mut wire.memory);
    assert!(wire.memory.reassembly_used < 1000, "{}", wire.memory.reassembly_used);
    assert_eq!(wire.read[0].len(), 1_000_000);
}

#[test]
fn what_was_lost_is_a_gap() {
    let mut wire = Wire::open(StreamConfig::default());
    wire.send(ToServer, PA, 1006, 5001, b"world");
    wire.send(ToClient, A, 5001, 1003, b"");
    assert_eq!(wire.text(ToServer), "", "the hole may still be filled");
    let handled = wire.send(ToClient, A, 5001, 1011, b"");
    assert_eq!(names(&handled), ["reassembly_seq_gap"]);
    assert_eq!(wire.text(ToServer), "[5]world");
    assert!(wire.session.has_gap(ToServer));
    wire.send(ToServer, PA, 1001, 5001, b"hello");
    wire.send(ToServer, PA, 1020, 5001, b"end");
    assert_eq!(wire.end()[0], "[5]world[9]end");
}

#[test]
fn depth_ends_reassembly() {
    let mut wire = Wire::open(StreamConfig { depth: 8, ..StreamConfig::default() });
    assert_eq!(names(&wire.send(ToServer, PA, 1001, 5001, b"01234567")), [""; 0]);
    assert!(!wire.session.depth_reached(ToServer));
    assert_eq!(names(&wire.send(ToServer, PA, 1009, 5001, b"89")), ["reassembly_depth_reached"]);
    assert!(wire.session.depth_reached(ToServer));
    assert_eq!(names(&wire.send(ToServer, PA, 1011, 5001, b"ab")), [""; 0]);
    wire.send(ToClient, A, 5001, 1013, b"");
    assert_eq!(wire.end()[0], "01234567");
}

#[test]
fn limits_of_memory_are_exceptions() {
    let config =
        StreamConfig { memcap: 1, memcap_policy: ExceptionPolicy::DropFlow, ..StreamConfig::default() };
    let mut wire = Wire::new(config);
    let handled = wire.send(ToServer, S, 1000, 0, b"");
    assert_eq!(handled.exception, Some((ExceptionPolicy::DropFlow, Reason::StreamMemcap)));
    assert_eq!(wire.session.state(), State::None);
    let config = StreamConfig {
        reassembly_memcap: 100,
        reassembly_memcap_policy: ExceptionPolicy::PassPacket,
        ..StreamConfig::default()
    };
    let mut wire = Wire::open(config);
    let handled = wire.send(ToServer, PA, 1001, 5001, &[b'x'; 200]);
    assert_eq!(handled.exception, Some((ExceptionPolicy::PassPacket, Reason::StreamReassembly)));
    assert_eq!((names(&handled), handled.in_stream), (vec!["reassembly_insert_memcap"], false));
    wire.end();
}

#[test]
fn sessions_are_picked_up_in_the_middle() {
    let config = || StreamConfig { midstream: true, ..StreamConfig::default() };
    let mut wire = Wire::new(config());
    let handled = wire.send(ToServer, PA, 77, 99, b"in the ");
    assert!(handled.picked_up && handled.in_stream && !handled.swap && wire.session.midstream());
    wire.send(ToClient, PA, 99, 84, b"yes");
    wire.send(ToServer, PA, 84, 102, b"middle");
    assert_eq!(wire.end(), ["in the middle", "yes"]);
    let mut wire = Wire::new(config());
    let handled = wire.send(ToServer, SA, 5000, 1001, b"");
    assert!(handled.swap && wire.session.state() == State::SynRecv);
    wire.send(ToServer, A, 1001, 5001, b"");
    assert_eq!(wire.session.state(), State::Established);
    wire.send(ToServer, PA, 1001, 5001, b"ask");
    wire.send(ToClient, PA, 5001, 1004, b"answer");
    assert_eq!(wire.end(), ["ask", "answer"]);
    let mut wire = Wire::new(StreamConfig::default());
    let handled = wire.send(ToServer, PA, 77, 99, b"in the ");
    assert_eq!(handled.exception, Some((ExceptionPolicy::Ignore, Reason::StreamMidstream)));
    assert!(!handled.in_stream);
}

#[test]
fn one_side_is_enough_when_allowed() {
    let mut wire = Wire::new(StreamConfig { async_oneside: true, ..StreamConfig::default() });
    wire.send(ToServer, S, 1000, 0, b"");
    wire.send(ToServer, A, 1001, 5001, b"");
    wire.send(ToServer, PA, 1001, 5001, b"one ");
    wire.send(ToServer, PA, 1005, 5101, b"side");
    assert!(wire.session.is_oneside());
    assert_eq!(wire.text(ToServer), "one side");
    wire.end();
}

#[test]
fn data_may_come_with_the_syn() {
    let mut wire = Wire::new(StreamConfig::default());
    wire.options.fast_open = Some(8);
    assert!(wire.send(ToServer, S, 1000, 0, b"GET ").in_stream);
    wire.options.fast_open = None;
    wire.send(ToClient, SA, 5000, 1005, b"");
    wire.send(ToServer, PA, 1005, 5001, b"/");
    wire.send(ToClient, A, 5001, 1006, b"");
    assert_eq!(wire.end()[0], "GET /");
    let mut wire = Wire::new(StreamConfig::default());
    wire.options.fast_open = Some(8);
    wire.send(ToServer, S, 1000, 0, b"ignored");
    wire.options.fast_open = None;
    let handled = wire.send(ToClient, SA, 5000, 1001, b"");
    assert_eq!(names(&handled), ["3whs_synack_tfo_data_ignored"]);
    wire.send(ToServer, A, 1001, 5001, b"");
    wire.send(ToServer, PA, 1001, 5001, b"GET /");
    assert_eq!(wire.end()[0], "GET /");
}

#[test]
fn timestamps_that_go_back_are_invalid() {
    let mut wire = Wire::new(StreamConfig::default());
    wire.options.timestamps = Some((100, 0));
    wire.send(ToServer, S, 1000, 0, b"");
    wire.options.timestamps = Some((900, 100));
    wire.send(ToClient, SA, 5000, 1001, b"");
    wire.options.timestamps = Some((101, 900));
    wire.send(ToServer, A, 1001, 5001, b"");
    wire.options.timestamps = Some((50, 900));
    let handled = wire.send(ToServer, PA, 1001, 5001, b"evil");
    assert_eq!((names(&handled), handled.valid), (vec!["pkt_invalid_timestamp"], false));
    wire.options.timestamps = Some((102, 900));
    assert!(wire.send(ToServer, PA, 1001, 5001, b"good").in_stream);
    assert_eq!(wire.end()[0], "good");
}

#[test]
fn urgent_bytes_follow_the_policy() {
    for (policy, expected) in [
        (UrgentPolicy::Inline, "abXcd"),
        (UrgentPolicy::Oob, "abcd"),
        (UrgentPolicy::Gap, "ab[1]cd"),
        (UrgentPolicy::Drop, "[3]cd"),
    ] {
        let mut wire = Wire::open(StreamConfig { urgent: policy, ..StreamConfig::default() });
        wire.send(ToServer, PA | Tcp::URG, 1001, 5001, b"abX");
        wire.send(ToServer, PA, 1004, 5001, b"cd");
        assert_eq!(wire.end()[0], expected, "{policy:?}");
    }
}

#[test]
fn a_byte_out_of_band_is_so_when_it_is_sent_again_too() {
    let mut wire = Wire::open(StreamConfig { urgent: UrgentPolicy::Oob, ..StreamConfig::default() });
    wire.send(ToServer, PA | Tcp::URG, 1001, 5001, b"abX");
    wire.send(ToServer, PA | Tcp::URG, 1001, 5001, b"abX");
    wire.send(ToServer, PA, 1001, 5001, b"abXcd");
    wire.send(ToServer, PA, 1006, 5001, b"ef");
    wire.send(ToServer, PA | Tcp::URG, 1008, 5001, b"Y");
    wire.send(ToServer, PA, 1009, 5001, b"g");
    assert_eq!(wire.end()[0], "abcdefg");
}

#[test]
fn resets_are_believed_as_their_receiver_does() {
    for (policy, seqs) in [
        (OsPolicy::Bsd, &[1011][..]),
        (OsPolicy::Linux, &[1001, 1005, 1011, 1012, 9194]),
        (OsPolicy::Hpux11, &[1011, 1012, 9194, 20_000]),
    ] {
        for seq in [900, 1000, 1001, 1005, 1011, 1012, 9194, 20_000] {
            let mut config = StreamConfig::default();
            config.host_policies.add("192.0.2.2/32".parse().unwrap(), policy);
            let mut wire = Wire::open(config);
            wire.send(ToServer, PA, 1001, 5001, b"0123456789");
            wire.send(ToServer, R, seq, 0, b"");
            assert_eq!(wire.session.is_closed(), seqs.contains(&seq), "{policy:?} {seq}");
        }
    }
}

/// An old segment at 10..20 and a new one in nine relations to it; what comes before and after is dots.
#[test]
fn overlaps_are_resolved_as_the_receiver_does() {
    use OsPolicy::*;
    let relations = [(8, 15), (8, 20), (8, 22), (10, 15), (10, 20), (10, 22), (12, 15), (12, 20), (12, 22)];
    // By policy, which of the nine the new segment wins.
    let wins: &[(&[OsPolicy], [u8; 9])] = &[
        (&[Bsd, BsdRight, Hpux10, Irix, MacOs, Windows, Windows2k3], *b"NNNOOOOOO"),
        (&[Linux], *b"NNNOONOOO"),
        (&[OldLinux], *b"NNNONNOOO"),
        (&[Solaris, OldSolaris, Hpux11], *b"ONNONNOON"),
        (&[Vista, First], *b"OOOOOOOOO"),
        (&[Last], *b"NNNNNNNNN"),
    ];
    for (policies, winners) in wins {
        for (policy, ((start, end), winner)) in
            policies.iter().flat_map(|policy| std::iter::repeat(policy).zip(relations.iter().zip(winners)))
        {
            let mut config = StreamConfig::default();
            config.host_policies.add("192.0.2.2/32".parse().unwrap(), *policy);
            let mut wire = Wire::open(config);
            wire.send(ToServer, PA, 1001 + 10, 5001, &[b'O'; 10]);
            wire.send(ToServer, PA, 1001 + start, 5001, &vec![b'N'; (end - start) as usize]);
            wire.send(ToServer, PA, 1001, 5001, &[b'.'; 8]);
            if *start > 8 {
                wire.send(ToServer, PA, 1001 + 8, 5001, b"..");
            }
            let mut expected = [b'.'; 22];
            expected[10..20].fill(b'O');
            for (i, byte) in expected.iter_mut().enumerate() {
                let in_new = (*start..*end).contains(&(i as u32));
                if in_new && (*byte == b'.' || *winner == b'N') {
                    *byte = b'N';
                }
            }
            let len = (*end).max(20) as usize;
            let expected = String::from_utf8_lossy(&expected[..len]).into_owned();
            assert_eq!(wire.end()[0], expected, "{policy:?} {start}..{end}");
        }
    }
}

#[test]
fn sequence_numbers_wrap_anywhere() {
    let data = b"The quick brown fox jumps over the lazy dog";
    for inline in [false, true] {
        for before in 0..=data.len() as u32 + 1 {
            let isn = 0u32.wrapping_sub(before);
            let mut wire = Wire::new(StreamConfig { inline, ..StreamConfig::default() });
            wire.send(ToServer, S, isn, 0, b"");
            wire.send(ToClient, SA, u32::MAX, isn.wrapping_add(1), b"");
            wire.send(ToServer, A, isn.wrapping_add(1), 0, b"");
            let seq = |at: usize| isn.wrapping_add(1 + at as u32);
            for at in [10, 0, 20, 15, 5, 25, 40, 35, 30] {
                let end = (at + 5).min(data.len());
                assert!(wire.send(ToServer, PA, seq(at), 0, &data[at..end]).in_stream);
            }
            wire.send(ToClient, A, 0, seq(data.len()), b"");
            assert_eq!(wire.read[0], data, "{before} bytes before the wrap");
            wire.end();
        }
    }
}

#[test]
fn long_streams_pass_the_wrap_again_and_again() {
    let mut wire = Wire::open(StreamConfig { depth: 0, ..StreamConfig::default() });
    wire.window = 65_535;
    wire.send(ToClient, A, 5001, 1001, b"");
    let block = vec![7; 60_000];
    let mut seq = 1001u32;
    for _ in 0..150_000 {
        assert!(wire.send(ToServer, PA, seq, 5001, &block).in_stream);
        seq = seq.wrapping_add(60_000);
        wire.send(ToClient, A, 5001, seq, b"");
        wire.read[0].clear();
    }
    assert_eq!(wire.position[0], 150_000 * 60_000);
    assert!(wire.memory.reassembly_used < 1 << 20);
    wire.end();
}

/// Deterministic noise (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

#[test]
fn cutting_shuffling_and_repeating_change_nothing() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..400 {
        let data: Vec<u8> = (0..1 + noise.below(4000)).map(|_| noise.next() as u8).collect();
        let isn = if round % 3 == 0 { 0u32.wrapping_sub(noise.below(5000) as u32) } else { 1000 };
        let policy = OsPolicy::NAMES[round % OsPolicy::NAMES.len()].1;
        let mut config = StreamConfig { inline: round % 2 == 0, ..StreamConfig::default() };
        config.host_policies.add("0.0.0.0/0".parse().unwrap(), policy);
        let mut wire = Wire::new(config);
        wire.send(ToServer, S, isn, 0, b"");
        wire.send(ToClient, SA, 5000, isn.wrapping_add(1), b"");
        wire.send(ToServer, A, isn.wrapping_add(1), 5001, b"");
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < data.len() {
            let len = (1 + noise.below(300) as usize).min(data.len() - at);
            cuts.push((at, at + len));
            if noise.below(4) == 0 {
                let from = at.saturating_sub(noise.below(200) as usize);
                cuts.push((from, at + len));
            }
            at += len;
        }
        for i in (1..cuts.len()).rev() {
            // Near neighbours change places, sometimes far ones do.
            let reach = if noise.below(10) == 0 { i as u64 + 1 } else { 4 };
            cuts.swap(i, i - noise.below(reach.min(i as u64 + 1)) as usize);
        }
        for (from, to) in &cuts {
            let handled =
                wire.send(ToServer, PA, isn.wrapping_add(1 + *from as u32), 5001, &data[*from..*to]);
            assert!(!handled.events.has(StreamEvent::ReassemblyOverlapDifferentData));
            if noise.below(5) == 0 {
                let ack = isn.wrapping_add(1 + wire.session.sides[0].segments.tail() as u32);
                wire.send(ToClient, A, 5001, ack, b"");
            }
        }
        wire.session.finish();
        wire.take();
        assert_eq!(wire.read[0], data, "round {round}");
        wire.end();
    }
}

#[test]
fn garbage_never_panics_and_stays_within_memory() {
    for seed in 1..=60u64 {
        let mut noise = Noise(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let cap = 64 * 1024;
        let config = StreamConfig {
            inline: seed % 2 == 0,
            midstream: seed % 3 == 0,
            async_oneside: seed % 5 == 0,
            depth: if seed % 7 == 0 { 500 } else { 0 },
            reassembly_memcap: cap,
            segments_max: 64,
            urgent: [UrgentPolicy::Inline, UrgentPolicy::Oob, UrgentPolicy::Gap, UrgentPolicy::Drop]
                [seed as usize % 4],
            ..StreamConfig::default()
        };
        let mut wire = Wire::new(config);
        let mut bases = [1000u32, 5000];
        if seed % 4 != 0 {
            wire.send(ToServer, S, 1000, 0, b"");
            wire.send(ToClient, SA, 5000, 1001, b"");
            wire.send(ToServer, A, 1001, 5001, b"");
        }
        for _ in 0..1500 {
            let dir = Direction::BOTH[noise.below(2) as usize];
            let flags = match noise.below(10) {
                0 => noise.next() as u8,
                1 => FA,
                2 if noise.below(20) == 0 => RA,
                _ => PA,
            };
            let jitter = |noise: &mut Noise| match noise.below(8) {
                0 => noise.next() as u32,
                1 => (noise.below(20_000) as u32).wrapping_sub(10_000),
                2 => (noise.below(8) as u32).wrapping_sub(4),
                _ => noise.below(600) as u32,
            };
            let seq = bases[dir.index()].wrapping_add(jitter(&mut noise));
            let ack = bases[dir.opposite().index()].wrapping_add(jitter(&mut noise));
            let data: Vec<u8> = (0..noise.below(700)).map(|_| noise.next() as u8).collect();
            wire.window = noise.next() as u16;
            wire.raw_options = (0..noise.below(11) * 4).map(|_| noise.below(40) as u8).collect();
            wire.options.timestamps =
                (noise.below(4) == 0).then(|| (noise.next() as u32, noise.next() as u32));
            wire.options.sack_blocks = noise.below(2) as u8;
            wire.send(dir, flags, seq, ack, &data);
            if noise.below(3) == 0 {
                bases[dir.index()] = bases[dir.index()].wrapping_add(noise.below(700) as u32);
            }
            assert!(wire.memory.reassembly_used <= cap, "seed {seed}");
            wire.read = Default::default();
        }
        wire.end();
    }
}
