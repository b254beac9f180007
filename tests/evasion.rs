//! Published ways to get past an inspector, as packets sent raw through a live pair, and through the host hook: what the receiver's
//! own kernel hands to its application decides whether an attack got through, and whatever it makes of the packets, the inspector must
//! have made the same.
//!
//! Each technique runs twice through `mamparo run --inline`: with `--dry-run`, when everything is handed on, to see what the
//! receiver makes of it, and in earnest. Then nothing that holds the attack may arrive, and where it would have arrived there is an
//! alert. `MAMPARO_EVASION_TABLE=FILE` writes the tables: of the pair to `FILE.pair`, of the host hook to `FILE.host`.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::Read as _;
use std::net::TcpListener;
use std::time::Duration;

use mamparo::capture::LinkType;
use mamparo::types::Timestamp;
use mamparo::verdict::Verdict;

use crate::support::TempDir;
use crate::support::binary::events;
use crate::support::engine::{Make, Packet, frame, rules};
use crate::support::netns::{Namespace, address, missing};
use crate::support::raw::Raw;
use crate::support::running::Running;

const ATTACK: &[u8] = b"GET /lab-attack HTTP/1.0\r\n\r\n";
const NEEDLE: &[u8] = b"lab-attack";
const RULE: &str = "drop tcp any any -> any 9000:9999 (msg:\"evasion\"; content:\"lab-attack\"; sid:1;)\n";

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;

/// What stands in a segment beside its data; what is not said is right.
#[derive(Clone, Default)]
struct How {
    flags: Option<u8>,
    /// Added to the acknowledgement number.
    ack: u32,
    bad_checksum: bool,
    bad_ip_checksum: bool,
    hops: Option<u8>,
    urgent: u16,
    options: Vec<u8>,
    ip_options: Vec<u8>,
    /// Headers between IPv6 and TCP: the number of each, and it without its first byte, which says what follows.
    headers: Vec<(u8, Vec<u8>)>,
    /// Subtracted from the time stamp.
    old: u32,
    window: Option<u16>,
}

/// One end of a connection that is made of raw packets.
struct Attacker {
    raw: Raw,
    v6: bool,
    port: u16,
    to_port: u16,
    server: [u8; 6],
    /// Sequence number of the first byte of data.
    first: u32,
    ack: u32,
    stamp: u32,
    echo: u32,
    id: u16,
}

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
const FROM: [u8; 4] = [10, 76, 0, 99];
const TO: [u8; 4] = [10, 76, 0, 2];
const FROM6: [u8; 16] = [0xfd, 0x76, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99];
const TO6: [u8; 16] = [0xfd, 0x76, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

impl Attacker {
    /// Connects; time stamps are agreed on.
    fn connect(raw: Raw, v6: bool, server: [u8; 6], port: u16, to_port: u16) -> Attacker {
        let mut attacker = Attacker {
            raw,
            v6,
            port,
            to_port,
            server,
            first: 1000,
            ack: 0,
            stamp: 1_000_000,
            echo: 0,
            id: 1,
        };
        // fragments are told apart by it, and no two connections may have the same
        attacker.id = to_port.wrapping_mul(64);
        let syn = How { flags: Some(SYN), ..How::default() };
        attacker.send(u32::MAX, b"", &syn);
        attacker.accepted();
        attacker.send(0, b"", &How::default());
        attacker
    }

    /// Takes the answer to a SYN.
    fn accepted(&mut self) {
        for _ in 0..200 {
            let frame = self.raw.receive(Duration::from_secs(2)).expect("an answer to the SYN");
            let tcp = match frame.get(12..) {
                Some([8, 0, ip @ ..]) if !self.v6 => ip.get(20..).filter(|_| ip[9] == 6),
                Some([0x86, 0xdd, ip @ ..]) if self.v6 => ip.get(40..).filter(|_| ip[6] == 6),
                _ => None,
            };
            let Some(tcp) = tcp.filter(|tcp| tcp.len() >= 20) else { continue };
            if tcp[2..4] != self.port.to_be_bytes() || tcp[13] & (SYN | ACK) != SYN | ACK {
                continue;
            }
            self.ack = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]).wrapping_add(1);
            let mut options = &tcp[20..usize::from(tcp[12] >> 4) * 4];
            while let [kind, rest @ ..] = options {
                options = match (*kind, rest) {
                    (1, _) => rest,
                    (8, [10, a, b, c, d, ..]) => {
                        self.echo = u32::from_be_bytes([*a, *b, *c, *d]);
                        &[]
                    }
                    (_, [len, ..]) if *len >= 2 => options.get(usize::from(*len)..).unwrap_or_default(),
                    _ => &[],
                };
            }
            return;
        }
        panic!("no answer to the SYN");
    }

    /// The IP packet of a segment, `at` bytes behind the first byte of data.
    fn packet(&mut self, at: u32, data: &[u8], how: &How) -> Vec<u8> {
        let flags = how.flags.unwrap_or(ACK | PSH);
        self.stamp += 1;
        let mut options = vec![1, 1, 8, 10];
        options.extend(self.stamp.wrapping_sub(how.old).to_be_bytes());
        options.extend(self.echo.to_be_bytes());
        options.extend(&how.options);
        options.resize(options.len().next_multiple_of(4), 0);
        let mut tcp = Vec::new();
        tcp.extend(self.port.to_be_bytes());
        tcp.extend(self.to_port.to_be_bytes());
        tcp.extend(self.first.wrapping_add(at).to_be_bytes());
        tcp.extend(if flags & ACK != 0 { self.ack.wrapping_add(how.ack) } else { 0 }.to_be_bytes());
        tcp.extend([((20 + options.len()) as u8 / 4) << 4, flags]);
        tcp.extend(how.window.unwrap_or(65_000).to_be_bytes());
        tcp.extend([0, 0]);
        tcp.extend(how.urgent.to_be_bytes());
        tcp.extend(options);
        tcp.extend(data);
        let mut pseudo = if self.v6 { [FROM6, TO6].concat() } else { [FROM, TO].concat() };
        pseudo.extend([0, 6]);
        pseudo.extend((tcp.len() as u16).to_be_bytes());
        pseudo.extend(&tcp);
        let sum = checksum(&pseudo) ^ if how.bad_checksum { 0x5555 } else { 0 };
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.id += 1;
        if self.v6 { ip6(&how.headers, &tcp, how) } else { ip(self.id, 0, &tcp, how) }
    }

    fn send(&mut self, at: u32, data: &[u8], how: &How) {
        let packet = self.packet(at, data, how);
        self.put(&packet);
    }

    fn put(&self, packet: &[u8]) {
        let kind = if self.v6 { [0x86, 0xdd] } else { [8, 0] };
        self.raw.send(&[&self.server[..], &OWN, &kind, packet].concat());
    }

    /// The attack with tags of VLAN 0, which only tell a priority: a receiver takes it as if they were not there.
    fn tagged(&mut self, kinds: &[u16]) {
        let packet = self.packet(0, ATTACK, &How::default());
        let mut frame = [&self.server[..], &OWN].concat();
        for kind in kinds {
            frame.extend(kind.to_be_bytes());
            frame.extend([0x60, 0]);
        }
        frame.extend([8, 0]);
        frame.extend(packet);
        self.raw.send(&frame);
    }

    /// A SYN in the middle of the connection, `at` bytes behind the first byte of data, once what was said before has been dropped, and
    /// time for the answer.
    fn opens_again(&mut self, at: u32) {
        std::thread::sleep(Duration::from_millis(30));
        self.send(at, b"", &flags(SYN));
        std::thread::sleep(Duration::from_millis(30));
    }

    /// Good data, in order.
    fn say(&mut self, at: u32, data: &[u8]) {
        self.send(at, data, &How::default());
    }

    /// The segment with the attack as fragments: each from where to where, in this order, with its own bytes or others.
    fn fragments(&mut self, pieces: &[(usize, usize, bool)]) {
        let whole = self.packet(0, ATTACK, &How::default());
        let body = whole.get(if self.v6 { 40 } else { 20 }..).expect("a segment");
        let id = self.id;
        for (from, to, own) in pieces {
            let to = (*to).min(body.len());
            let more = to < body.len();
            let mut piece = body[*from..to].to_vec();
            if !own {
                piece.fill(b'x');
            }
            let fragment = match self.v6 {
                true => ip6(&[(44, fragment6(id, *from as u16 | u16::from(more)))], &piece, &How::default()),
                false => ip(id, (u16::from(more) << 13) | (from / 8) as u16, &piece, &How::default()),
            };
            self.put(&fragment);
        }
    }
}

/// An IPv4 packet.
fn ip(id: u16, fragment: u16, body: &[u8], how: &How) -> Vec<u8> {
    let mut options = how.ip_options.clone();
    options.resize(options.len().next_multiple_of(4), 0);
    let header_len = 20 + options.len();
    let mut header = vec![0x40 | (header_len / 4) as u8, 0];
    header.extend(((header_len + body.len()) as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([how.hops.unwrap_or(64), 6, 0, 0]);
    header.extend(FROM);
    header.extend(TO);
    header.extend(options);
    let sum = checksum(&header) ^ if how.bad_ip_checksum { 0x1111 } else { 0 };
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(body);
    header
}

/// An IPv6 packet with those headers.
fn ip6(headers: &[(u8, Vec<u8>)], body: &[u8], how: &How) -> Vec<u8> {
    let mut inside = Vec::new();
    for (nth, (_, header)) in headers.iter().enumerate() {
        inside.push(headers.get(nth + 1).map_or(6, |(number, _)| *number));
        inside.extend(header);
    }
    inside.extend(body);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((inside.len() as u16).to_be_bytes());
    packet.extend([headers.first().map_or(6, |(number, _)| *number), how.hops.unwrap_or(64)]);
    packet.extend(FROM6);
    packet.extend(TO6);
    packet.extend(inside);
    packet
}

/// A fragment header without its first byte.
fn fragment6(id: u16, place: u16) -> Vec<u8> {
    let mut header = vec![0];
    header.extend(place.to_be_bytes());
    header.extend([0, 0]);
    header.extend(id.to_be_bytes());
    header
}

/// The attack behind those headers.
fn behind(attacker: &mut Attacker, headers: &[(u8, Vec<u8>)]) {
    attacker.send(0, ATTACK, &How { headers: headers.to_vec(), ..How::default() });
}

/// Options that say nothing, as a header without its first byte: eight bytes of padding.
fn padding() -> Vec<u8> {
    vec![0, 1, 4, 0, 0, 0, 0]
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

type Technique = (&'static str, fn(&mut Attacker));

/// Fills what the attack takes with something else.
fn decoy() -> Vec<u8> {
    vec![b'x'; ATTACK.len()]
}

fn flags(flags: u8) -> How {
    How { flags: Some(flags), ..How::default() }
}

/// A decoy that the receiver should not take, then the attack in its place.
fn insertion(attacker: &mut Attacker, how: &How) {
    attacker.send(0, &decoy(), how);
    attacker.say(0, ATTACK);
}

static TECHNIQUES: &[Technique] = &[
    ("plain", |a| a.say(0, ATTACK)),
    ("segments of one byte", |a| ATTACK.iter().enumerate().for_each(|(at, byte)| a.say(at as u32, &[*byte]))),
    ("segments in reverse order", |a| {
        ATTACK.chunks(3).enumerate().rev().for_each(|(nth, part)| a.say(nth as u32 * 3, part));
    }),
    ("segments twice", |a| {
        for (nth, part) in ATTACK.chunks(5).enumerate() {
            a.say(nth as u32 * 5, part);
            a.say(nth as u32 * 5, part);
        }
    }),
    ("old data again with other bytes", |a| {
        a.say(0, &ATTACK[..10]);
        a.say(0, &decoy()[..10]);
        a.say(10, &ATTACK[10..]);
    }),
    ("old data again, and new data behind it", |a| {
        a.say(0, &ATTACK[..10]);
        a.say(0, &[&decoy()[..10], &ATTACK[10..]].concat());
    }),
    ("another SYN once the attack is dropped, then the attack again", |a| {
        a.say(0, ATTACK);
        a.opens_again(0x1234_5678);
        a.say(0, ATTACK);
        a.send(0, ATTACK, &flags(FIN | ACK | PSH));
    }),
    ("another SYN once the rest is dropped, then the rest again", |a| {
        a.say(0, &ATTACK[..9]);
        a.say(9, &ATTACK[9..]);
        a.opens_again(0x1234_5678);
        a.say(9, &ATTACK[9..]);
        a.send(9, &ATTACK[9..], &flags(FIN | ACK | PSH));
        a.send(9, &ATTACK[9..], &flags(URG | ACK));
        a.send(0, b"", &flags(RST));
        a.say(9, &ATTACK[9..]);
    }),
    ("another SYN that the rest follows in sequence", |a| {
        a.say(0, &ATTACK[..9]);
        a.say(9, &ATTACK[9..]);
        a.opens_again(8);
        a.say(9, &ATTACK[9..]);
    }),
    ("several SYNs once the rest is dropped", |a| {
        a.say(0, &ATTACK[..9]);
        a.say(9, &ATTACK[9..]);
        for at in [0x1234_5678, u32::MAX, 8, 0x7654_3210] {
            a.opens_again(at);
            a.say(9, &ATTACK[9..]);
        }
    }),
    ("a gap, other bytes behind it, all filled by one segment", |a| {
        a.say(8, &decoy()[8..14]);
        a.say(0, ATTACK);
    }),
    ("a gap, the attack behind it, all filled by one segment of other bytes", |a| {
        a.say(5, &ATTACK[5..]);
        a.say(0, &[&ATTACK[..5], &decoy()[5..12]].concat());
    }),
    ("queued segments that overlap to the left", |a| {
        a.say(12, &ATTACK[12..]);
        a.say(8, &[&ATTACK[8..12], &decoy()[12..18]].concat());
        a.say(0, &ATTACK[..8]);
    }),
    ("queued segments that overlap to the right", |a| {
        a.say(6, &ATTACK[6..12]);
        a.say(9, &[&decoy()[9..12], &ATTACK[12..]].concat());
        a.say(0, &ATTACK[..6]);
    }),
    ("a queued segment within another one", |a| {
        a.say(8, &decoy()[8..11]);
        a.say(6, &ATTACK[6..20]);
        a.say(20, &ATTACK[20..]);
        a.say(0, &ATTACK[..6]);
    }),
    ("a queued segment around another one", |a| {
        a.say(6, &ATTACK[6..20]);
        a.say(8, &decoy()[8..11]);
        a.say(20, &ATTACK[20..]);
        a.say(0, &ATTACK[..6]);
    }),
    ("decoy with a bad TCP checksum", |a| insertion(a, &How { bad_checksum: true, ..How::default() })),
    ("decoy with a bad IP checksum", |a| insertion(a, &How { bad_ip_checksum: true, ..How::default() })),
    ("decoy with few hops left", |a| insertion(a, &How { hops: Some(1), ..How::default() })),
    ("decoy without ACK", |a| insertion(a, &flags(PSH))),
    ("decoy without any flag", |a| insertion(a, &flags(0))),
    ("decoy with SYN", |a| insertion(a, &flags(SYN))),
    ("decoy with SYN and ACK", |a| insertion(a, &flags(SYN | ACK))),
    ("decoy with SYN and FIN", |a| insertion(a, &flags(SYN | FIN))),
    ("decoy that acknowledges what was not sent", |a| insertion(a, &How { ack: 100_000, ..How::default() })),
    ("decoy that acknowledges what is long past", |a| {
        insertion(a, &How { ack: 0x9000_0000, ..How::default() })
    }),
    ("decoy with an old time stamp", |a| {
        a.say(0, b"a");
        a.send(1, &decoy()[1..], &How { old: 500_000, ..How::default() });
        a.first = a.first.wrapping_add(1);
        a.say(0, ATTACK);
    }),
    ("decoy with an MD5 signature", |a| {
        insertion(a, &How { options: [&[19, 18][..], &[7; 16]].concat(), ..How::default() });
    }),
    ("decoy with a source route", |a| {
        insertion(a, &How { ip_options: vec![0x83, 7, 4, 10, 76, 0, 77], ..How::default() });
    }),
    ("decoy beyond the window", |a| {
        a.say(50_000_000, &decoy());
        a.say(0, ATTACK);
    }),
    ("decoy before the window", |a| {
        a.say(0, b"a");
        a.say(0u32.wrapping_sub(20), &decoy()[..20]);
        a.say(1, ATTACK);
    }),
    ("RST with a bad checksum", |a| {
        a.send(0, b"", &How { flags: Some(RST), bad_checksum: true, ..How::default() });
        a.say(0, ATTACK);
    }),
    ("RST beyond the window", |a| {
        a.send(50_000_000, b"", &flags(RST));
        a.say(0, ATTACK);
    }),
    ("RST within the window, but not at its beginning", |a| {
        a.send(100, b"", &flags(RST));
        a.say(0, ATTACK);
    }),
    ("RST and ACK within the window, with data", |a| {
        a.send(100, b"reset", &flags(RST | ACK));
        a.say(0, ATTACK);
    }),
    ("RST that hits", |a| {
        a.say(0, &ATTACK[..10]);
        a.send(10, b"", &flags(RST));
        a.say(10, &ATTACK[10..]);
    }),
    ("FIN beyond the window", |a| {
        a.send(50_000_000, b"", &flags(FIN | ACK));
        a.say(0, ATTACK);
    }),
    ("FIN ahead of data", |a| {
        a.send(ATTACK.len() as u32, b"", &flags(FIN | ACK));
        a.say(0, ATTACK);
    }),
    ("FIN with a bad checksum", |a| {
        a.send(0, b"", &How { flags: Some(FIN | ACK), bad_checksum: true, ..How::default() });
        a.say(0, ATTACK);
    }),
    ("FIN with the first half, the rest behind it", |a| {
        a.send(0, &ATTACK[..10], &flags(FIN | ACK));
        a.say(10, &ATTACK[10..]);
    }),
    ("SYN within the connection", |a| {
        a.say(0, &ATTACK[..10]);
        a.send(10, b"", &flags(SYN));
        a.say(10, &ATTACK[10..]);
    }),
    ("SYN of another beginning within the connection", |a| {
        a.say(0, &ATTACK[..10]);
        a.send(900_000_000, b"", &flags(SYN));
        a.say(10, &ATTACK[10..]);
    }),
    ("an urgent byte within", |a| {
        a.send(
            0,
            &[&ATTACK[..8], b"u", &ATTACK[8..]].concat(),
            &How { flags: Some(ACK | URG), urgent: 9, ..How::default() },
        );
    }),
    ("an urgent byte in the segment behind", |a| {
        a.send(0, &ATTACK[..8], &How { flags: Some(ACK | URG), urgent: 9, ..How::default() });
        a.say(8, &[b"u", &ATTACK[8..]].concat());
    }),
    ("an urgent byte first, by a pointer of nothing", |a| {
        a.say(0, &ATTACK[..8]);
        a.send(
            8,
            &[b"u", &ATTACK[8..]].concat(),
            &How { flags: Some(ACK | URG), urgent: 0, ..How::default() },
        );
    }),
    ("an urgent byte, and everything again without the flag", |a| {
        let urgent = [&ATTACK[..8], b"u", &ATTACK[8..12]].concat();
        a.send(0, &urgent, &How { flags: Some(ACK | URG), urgent: 9, ..How::default() });
        a.say(0, &[&ATTACK[..8], b"u", &ATTACK[8..]].concat());
    }),
    ("an urgent pointer without the flag", |a| {
        a.send(0, ATTACK, &How { urgent: 9, ..How::default() });
    }),
    ("an urgent byte that is part of it", |a| {
        a.send(0, ATTACK, &How { flags: Some(ACK | URG), urgent: 9, ..How::default() });
    }),
    ("a window of nothing", |a| {
        a.send(0, ATTACK, &How { window: Some(0), ..How::default() });
    }),
    ("data with FIN", |a| a.send(0, ATTACK, &flags(FIN | ACK | PSH))),
    ("a tag of VLAN 0", |a| a.tagged(&[0x8100])),
    ("a tag of VLAN 0 of the outer kind", |a| a.tagged(&[0x88a8])),
    ("two tags of VLAN 0", |a| a.tagged(&[0x8100, 0x8100])),
    ("three tags of VLAN 0", |a| a.tagged(&[0x88a8, 0x8100, 0x8100])),
    ("eight tags of VLAN 0", |a| a.tagged(&[0x8100; 8])),
    ("fragments", |a| a.fragments(&[(0, 40, true), (40, 48, true), (48, 999, true)])),
    ("fragments of eight bytes", |a| {
        let pieces: Vec<_> =
            (0..8).map(|nth| (nth * 8, if nth == 7 { 999 } else { nth * 8 + 8 }, true)).collect();
        a.fragments(&pieces);
    }),
    ("fragments in reverse order", |a| a.fragments(&[(48, 999, true), (40, 48, true), (0, 40, true)])),
    ("fragments twice", |a| a.fragments(&[(0, 40, true), (0, 40, true), (40, 999, true)])),
    ("a fragment with other bytes first", |a| {
        a.fragments(&[(0, 32, true), (32, 48, false), (32, 48, true), (48, 999, true)]);
    }),
    ("a fragment with other bytes behind", |a| {
        a.fragments(&[(0, 32, true), (32, 48, true), (32, 48, false), (48, 999, true)]);
    }),
    ("fragments that overlap in part", |a| {
        a.fragments(&[(0, 40, true), (32, 56, false), (40, 999, true), (40, 999, true)]);
    }),
    ("a last fragment in two lengths", |a| {
        a.fragments(&[(40, 48, true), (0, 40, true), (40, 999, true)]);
    }),
];

/// What IPv6 adds.
static TECHNIQUES6: &[Technique] = &[
    ("IPv6: plain", |a| a.say(0, ATTACK)),
    ("IPv6: segments in reverse order", |a| {
        ATTACK.chunks(3).enumerate().rev().for_each(|(nth, part)| a.say(nth as u32 * 3, part));
    }),
    ("IPv6: hop-by-hop options", |a| behind(a, &[(0, padding())])),
    ("IPv6: destination options, often", |a| behind(a, &vec![(60, padding()); 5])),
    ("IPv6: hop-by-hop and destination options", |a| behind(a, &[(0, padding()), (60, padding())])),
    ("IPv6: hop-by-hop options that are not first", |a| behind(a, &[(60, padding()), (0, padding())])),
    ("IPv6: a route with nothing left to do", |a| behind(a, &[(43, vec![0, 0, 0, 0, 0, 0, 0])])),
    ("IPv6: decoy with a route to go", |a| {
        let headers = vec![(43, [&[2, 0, 1, 0, 0, 0, 0][..], &FROM6].concat())];
        insertion(a, &How { headers, ..How::default() });
    }),
    ("IPv6: decoy with an option that is to be refused", |a| {
        let headers = vec![(60, vec![0, 0xfe, 4, 0, 0, 0, 0])];
        insertion(a, &How { headers, ..How::default() });
    }),
    ("IPv6: decoy with a bad TCP checksum", |a| insertion(a, &How { bad_checksum: true, ..How::default() })),
    ("IPv6: a fragment that is whole", |a| {
        let fragment = fragment6(a.id, 0);
        behind(a, &[(44, fragment)]);
    }),
    ("IPv6: options before a fragment that is whole", |a| {
        let fragment = fragment6(a.id, 0);
        behind(a, &[(60, padding()), (44, fragment)]);
    }),
    ("IPv6: fragments", |a| a.fragments(&[(0, 40, true), (40, 48, true), (48, 999, true)])),
    ("IPv6: fragments of eight bytes", |a| {
        let pieces: Vec<_> =
            (0..8).map(|nth| (nth * 8, if nth == 7 { 999 } else { nth * 8 + 8 }, true)).collect();
        a.fragments(&pieces);
    }),
    ("IPv6: fragments in reverse order", |a| {
        a.fragments(&[(48, 999, true), (40, 48, true), (0, 40, true)]);
    }),
    ("IPv6: fragments twice", |a| a.fragments(&[(0, 40, true), (0, 40, true), (40, 999, true)])),
    ("IPv6: a fragment with other bytes first", |a| {
        a.fragments(&[(0, 32, true), (32, 48, false), (32, 48, true), (48, 999, true)]);
    }),
    ("IPv6: a fragment with other bytes behind", |a| {
        a.fragments(&[(0, 32, true), (32, 48, true), (32, 48, false), (48, 999, true)]);
    }),
    ("IPv6: fragments that overlap in part", |a| {
        a.fragments(&[(0, 40, true), (32, 56, false), (40, 999, true), (40, 999, true)]);
    }),
];

/// Those of both families.
fn techniques() -> impl Iterator<Item = (bool, &'static Technique)> {
    let v4 = TECHNIQUES.iter().map(|technique| (false, technique));
    v4.chain(TECHNIQUES6.iter().map(|technique| (true, technique)))
}

/// Where the inspector stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pair,
    Host,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Pair => "pair",
            Mode::Host => "host",
        }
    }

    pub(crate) fn arguments(self) -> &'static str {
        match self {
            Mode::Pair => "--inline pair a0=b0 --workers 1",
            Mode::Host => "--inline host --workers 1 --set inline.br-netfilter=set",
        }
    }
}

/// Two ends, and a node between them: with a bridge, or with nothing but the inspector.
pub(crate) struct Wire {
    pub(crate) node: Namespace,
    pub(crate) one: Namespace,
    pub(crate) two: Namespace,
}

impl Wire {
    /// `None`, told as a skip, where that cannot be.
    pub(crate) fn new(mode: Mode, test: &str) -> Option<Wire> {
        if mode == Mode::Host && !std::path::Path::new("/proc/sys/net/bridge").exists() {
            crate::support::skip(test, "this kernel has no br_netfilter");
            return None;
        }
        let [node, one, two] = ["node", "one", "two"].map(Namespace::new);
        if mode == Mode::Host {
            node.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0");
            node.ip("link set br0 up");
        }
        for (number, name, end) in [(1, "a0", &one), (2, "b0", &two)] {
            node.ip(&format!("link add {name} type veth peer name eth0 netns {}", end.name));
            if mode == Mode::Host {
                node.ip(&format!("link set {name} master br0"));
            }
            node.ip(&format!("link set {name} up"));
            end.ip(&format!("link set eth0 address 02:00:00:00:00:0{number}"));
            end.ip("link set eth0 up");
            end.ip(&format!("addr add 10.76.0.{number}/24 dev eth0"));
            end.ip(&format!("addr add fd76::{number}/64 dev eth0 nodad"));
        }
        two.ip("neigh add 10.76.0.99 lladdr 02:00:00:00:00:99 dev eth0");
        two.ip("neigh add fd76::99 lladdr 02:00:00:00:00:99 dev eth0");
        Some(Wire { node, one, two })
    }
}

/// Writes a table where it is asked for.
pub(crate) fn table(what: &str, text: &str) {
    if let Some(file) = std::env::var_os("MAMPARO_EVASION_TABLE") {
        let mut name = file;
        name.push(format!(".{what}"));
        std::fs::write(name, text).expect("the table");
    }
}

/// What the receiver's application gets, technique by technique.
fn run(one: &Namespace, two: &Namespace, server: [u8; 6], first_port: u16) -> Vec<Vec<u8>> {
    let listeners: Vec<TcpListener> = two.within(move || {
        let bind = |(nth, (v6, _)): (usize, (bool, &Technique))| {
            let host = if v6 { "[fd76::2]" } else { "10.76.0.2" };
            TcpListener::bind(address(&format!("{host}:{}", usize::from(first_port) + nth))).expect("a port")
        };
        techniques().enumerate().map(bind).collect()
    });
    let servers: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a client");
                stream.set_read_timeout(Some(Duration::from_millis(1200))).expect("a timeout");
                let (mut arrived, mut room) = (Vec::new(), [0; 4096]);
                while let Ok(len @ 1..) = stream.read(&mut room) {
                    arrived.extend_from_slice(&room[..len]);
                }
                arrived
            })
        })
        .collect();
    let clients: Vec<_> = techniques()
        .enumerate()
        .map(|(nth, (v6, technique))| {
            one.thread(move || {
                let raw = Raw::open("eth0");
                let to_port = first_port + nth as u16;
                let port = 30_000 + nth as u16 + first_port % 1000;
                let mut attacker = Attacker::connect(raw, v6, server, port, to_port);
                std::thread::sleep(Duration::from_millis(20));
                technique.1(&mut attacker);
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("it is sent"));
    servers.into_iter().map(|server| server.join().expect("it ends")).collect()
}

fn holds(arrived: &[u8]) -> bool {
    arrived.windows(NEEDLE.len()).any(|window| window == NEEDLE)
}

#[test]
fn what_the_receiver_accepts_is_what_was_inspected() {
    through(Mode::Pair, "what_the_receiver_accepts_is_what_was_inspected");
}

#[test]
fn what_the_receiver_accepts_is_what_the_host_hook_inspected() {
    through(Mode::Host, "what_the_receiver_accepts_is_what_the_host_hook_inspected");
}

fn through(mode: Mode, test: &str) {
    if missing(test) {
        return;
    }
    let Some(Wire { node, one, two }) = Wire::new(mode, test) else { return };
    let server = [2, 0, 0, 0, 0, 2];
    let folder = TempDir::new(&format!("evasion-{}", mode.name()));
    // what the receiver makes of it when everything is handed on
    let control = Running::start(&node, folder.path(), RULE, &format!("{} --dry-run", mode.arguments()));
    let without = run(&one, &two, server, 9000);
    control.end();
    let _ = std::fs::remove_file(folder.path().join("eve.json"));
    let running = Running::start(&node, folder.path(), RULE, mode.arguments());
    let with = run(&one, &two, server, 9500);
    running.end();
    let events = events(&folder.path().join("eve.json"));
    let mut wrong = Vec::new();
    let mut rows = String::new();
    for (nth, ((_, (name, _)), (without, with))) in techniques().zip(without.iter().zip(&with)).enumerate() {
        let detected = events
            .iter()
            .any(|event| event["event_type"] == "alert" && event["dest_port"] == 9500 + nth as u64);
        let (reaches, arrived) = (holds(without), holds(with));
        let word = |is: bool| if is { "yes" } else { "no" };
        // what contradicts bytes that were handed on is dropped, and nothing of an attack is left to be seen
        let contradicts = events.iter().any(|event| {
            event["event_type"] == "drop"
                && event["dest_port"] == 9500 + nth as u64
                && event["drop"]["reason"] != "rules"
        });
        // what nobody can look into does not go on
        let hidden = name.contains("tags of VLAN 0") && !detected;
        let seen = match (contradicts && !detected, hidden) {
            (true, _) => "contradiction",
            (_, true) => "not to be looked into",
            _ => word(detected),
        };
        rows += &format!("| {name} | {} | {seen} | {} |\n", word(reaches), word(!arrived));
        if arrived || (reaches && !detected && !contradicts && !hidden) {
            wrong.push(format!(
                "{name}: without us {:?}, with us {:?}, detected: {detected}",
                String::from_utf8_lossy(without),
                String::from_utf8_lossy(with)
            ));
        }
    }
    table(mode.name(), &rows);
    assert!(holds(&without[0]), "the plain attack arrives without us: {rows}");
    assert!(wrong.is_empty(), "{}\n{rows}", wrong.join("\n"));
}

/// Waiting is no way to have a dropped connection forgotten that another SYN stands before.
#[test]
fn a_dropped_connection_is_not_forgotten_behind_a_syn_without_an_answer() {
    let engine = Make {
        sources: rules("drop tcp any any -> any 9000 (msg:\"evasion\"; content:\"lab-attack\"; sid:1;)\n"),
        set: &[("stream.midstream", "true")],
        inline: true,
        ..Make::default()
    }
    .engine();
    let mut worker = engine.worker();
    let mut nth = 0;
    let mut send = |seconds: u64, to_server: bool, flags: u8, [seq, ack]: [u32; 2], data: &[u8]| {
        let ([from, to], [port, to_port]) =
            if to_server { ([FROM, TO], [30_000, 9000]) } else { ([TO, FROM], [9000, 30_000]) };
        let mut builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(from, to, 64)
            .tcp(port, to_port, seq, 64_000);
        builder = if flags & SYN != 0 { builder.syn() } else { builder };
        builder = if flags & ACK != 0 { builder.ack(ack) } else { builder };
        let mut bytes = Vec::new();
        builder.write(&mut bytes, data).expect("memory");
        nth += 1;
        let timestamp = Timestamp::new(1_700_000_000 + seconds, 0);
        worker.frame(&frame(&Packet { timestamp, link: LinkType(1), bytes }, nth))
    };
    assert_eq!(send(0, true, SYN, [1000, 0], b""), Verdict::Forward);
    assert_eq!(send(0, false, SYN | ACK, [5000, 1001], b""), Verdict::Forward);
    assert_eq!(send(0, true, ACK, [1001, 5001], b"GET /lab"), Verdict::Forward);
    assert!(matches!(send(0, true, ACK, [1009, 5001], b"-attack"), Verdict::Drop(_)));
    assert_eq!(send(1, true, SYN, [900_000, 0], b""), Verdict::Forward);
    // longer than a connection without an answer is kept elsewhere, and not as long as a dropped one
    for seconds in [2, 100, 400] {
        let rest = send(seconds, true, ACK, [1009, 5001], b"-attack");
        assert!(matches!(rest, Verdict::Drop(_)), "after {seconds} seconds: {rest:?}");
    }
}
