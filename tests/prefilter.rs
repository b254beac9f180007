//! A prefilter changes no alert: made-up rules over made-up traffic, cut anywhere, with each of them.

use etherparse::PacketBuilder;
use mamparo::capture::LinkType;
use mamparo::detect::prefilter::{Automaton, Build, Everything, Naive, WindowFilter};
use mamparo::types::Timestamp;

use super::support::Random;
use super::support::engine::{Make, Packet, rules};

/// Few bytes, so that literals nearly match everywhere: letters in both cases, what folding touches, zeros and high bytes.
const ALPHABET: &[u8] = b"abABxX@`[{ \x00\x00\x80\xc1\xe1\xff";

fn bytes(random: &mut Random, longest: usize) -> Vec<u8> {
    (0..1 + random.below(longest)).map(|_| ALPHABET[random.below(ALPHABET.len())]).collect()
}

/// As a rule writes them.
fn written(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("|{byte:02x}|")).collect()
}

/// One rule, and a text that it may match.
fn rule(random: &mut Random, sid: usize) -> (String, Vec<u8>) {
    let (mut options, mut text) = (String::new(), Vec::new());
    let buffer = random.below(5);
    match buffer {
        0 => options.push_str("http.uri; "),
        // looked at with each request, for what is in the payload beside
        1 => options.push_str(["urilen:>0; ", "http.uri; content:!\"never\"; pkt_data; "][random.below(2)]),
        _ => {}
    }
    for nth in 0..1 + random.below(3) {
        let longest = [3, 8, 40][random.below(3)];
        let literal = bytes(random, longest);
        let negated = nth > 0 && random.below(6) == 0;
        let sign = if negated { "!" } else { "" };
        options.push_str(&format!("content:{sign}\"{}\"; ", written(&literal)));
        if random.below(3) == 0 {
            options.push_str("nocase; ");
        }
        let len = literal.len();
        match random.below(8) {
            0 if nth == 0 => options.push_str("startswith; "),
            1 => options.push_str(&format!("depth:{}; ", len + random.below(30))),
            2 => options.push_str(&format!("offset:{}; depth:{}; ", random.below(20), len + random.below(4))),
            3 if nth > 0 => options.push_str(&format!("distance:{}; ", random.below(4))),
            4 if nth > 0 => options.push_str(&format!("within:{}; ", len + random.below(20))),
            5 if !negated => options.push_str("fast_pattern; "),
            _ => {}
        }
        if options.matches("fast_pattern").count() > 1 {
            options = options.replacen("fast_pattern; ", "", 1);
        }
        if !negated {
            text.extend(literal);
            text.extend((0..random.below(3)).map(|_| b'.'));
        }
    }
    let head = match buffer {
        0 | 1 => "http any any -> any any",
        2 => "udp any any -> any any",
        3 => "tcp any any -> any [80,8080]",
        _ => "tcp any any -> any any",
    };
    let flow = if random.below(3) == 0 { "flow:to_server; " } else { "" };
    (format!("alert {head} (msg:\"made up\"; {flow}{options}sid:{};)\n", sid + 1), text)
}

/// Noise with texts of rules in it, some of them spoilt.
fn payload(random: &mut Random, texts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..1 + random.below(12) {
        let mut text = texts[random.below(texts.len())].clone();
        if random.below(3) == 0 {
            text.make_ascii_uppercase();
        }
        if random.below(4) == 0 {
            let at = random.below(text.len());
            text[at] ^= 1 << random.below(8);
        }
        if random.below(3) > 0 {
            out.extend(bytes(random, 30));
        }
        out.extend(text);
    }
    out
}

fn packet(nth: usize, bytes: Vec<u8>) -> Packet {
    Packet { timestamp: Timestamp::new(1_700_000_000 + nth as u64, 0), link: LinkType::ETHERNET, bytes }
}

/// A connection from port 40,000 to another.
struct Connection {
    port: u16,
    seq: [u32; 2],
    packets: Vec<Vec<u8>>,
}

impl Connection {
    /// After the handshake.
    fn open(port: u16) -> Self {
        let mut connection = Connection { port, seq: [1000, 5000], packets: Vec::new() };
        connection.segment(0, 2, b"");
        connection.segment(1, 18, b"");
        connection.segment(0, 16, b"");
        connection
    }

    /// From the client (0) or the server (1).
    fn segment(&mut self, side: usize, flags: u8, payload: &[u8]) {
        let (from, to) = [(1u8, 2u8), (2, 1)][side];
        let port = |end: u8| if end == 1 { 40_000 } else { self.port };
        let mut tcp = PacketBuilder::ethernet2([from; 6], [to; 6])
            .ipv4([10, 0, 0, from], [10, 0, 0, to], 64)
            .tcp(port(from), port(to), self.seq[side], 60_000);
        if flags & 1 != 0 {
            tcp = tcp.fin();
        }
        if flags & 2 != 0 {
            tcp = tcp.syn();
        }
        if flags != 2 {
            tcp = tcp.ack(self.seq[1 - side]);
        }
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, payload).expect("a packet");
        self.seq[side] = self.seq[side].wrapping_add(payload.len() as u32 + u32::from(flags & 3 != 0));
        self.packets.push(bytes);
    }

    /// A segment and its acknowledgement.
    fn say(&mut self, side: usize, piece: &[u8]) {
        self.segment(side, 24, piece);
        self.segment(1 - side, 16, b"");
    }

    /// Both say goodbye.
    fn close(mut self) -> Vec<Vec<u8>> {
        self.segment(0, 17, b"");
        self.segment(1, 17, b"");
        self.packets
    }
}

/// A conversation over TCP in random segments, and one datagram a piece of it.
fn traffic(random: &mut Random, texts: &[Vec<u8>]) -> Vec<Packet> {
    let mut connection = Connection::open(80);
    let mut request = Vec::new();
    if random.below(2) == 0 {
        request.extend(b"GET /");
        request.extend(payload(random, texts).into_iter().filter(|byte| !b" \r\n\0".contains(byte)));
        request.extend(b" HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    request.extend(payload(random, texts));
    let answer = payload(random, texts);
    for (side, data) in [(0, &request), (1, &answer)] {
        let mut rest = &data[..];
        while !rest.is_empty() {
            let most = [4, 60, 1400][random.below(3)];
            let (piece, left) = rest.split_at((1 + random.below(most)).min(rest.len()));
            connection.say(side, piece);
            rest = left;
        }
    }
    let mut out = connection.close();
    for piece in request.chunks(300) {
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(40_000, 9999)
            .write(&mut bytes, piece)
            .expect("a packet");
        out.push(bytes);
    }
    out.into_iter().enumerate().map(|(nth, bytes)| packet(nth, bytes)).collect()
}

/// A rule alone in its set: nothing else makes the window of the stream reach back.
#[test]
fn a_literal_over_the_border_of_two_inspections_is_seen() {
    for literal in ["wxyz", "ab", "rather long!"] {
        for ports in ["any", "2323", "[2000:9000]"] {
            let text =
                format!("alert tcp any any -> any {ports} (msg:\"b\"; content:\"{literal}\"; sid:1;)\n");
            let engine =
                Make { sources: rules(&text), prefilter: WindowFilter::build, ..Make::default() }.engine();
            for cut in 0..=literal.len() {
                let mut data = vec![b'.'; 3000 - cut];
                data.extend(literal.as_bytes());
                data.resize(8000, b'.');
                let mut connection = Connection::open(2323);
                data.chunks(1000).for_each(|piece| connection.say(0, piece));
                // 2,560 bytes that are new make an inspection: the third piece ends the first
                let packets: Vec<_> = connection
                    .close()
                    .into_iter()
                    .enumerate()
                    .map(|(nth, bytes)| packet(nth, bytes))
                    .collect();
                assert_eq!(engine.run(&packets).alerts.len(), 1, "{literal} to {ports}, {cut} before");
            }
        }
    }
}

/// Rules that are looked at with each request, for what is in the payload beside: it is searched once for all of them.
#[test]
fn what_rules_on_requests_want_in_the_payload_is_seen_wherever_it_is_cut() {
    let text = "alert http any any -> any any (msg:\"a\"; urilen:>0; content:\"curl/7.88\"; sid:1;)\n\
                alert http any any -> any any (msg:\"b\"; http.uri; content:!\"never\"; pkt_data; content:\"AGENT: CURL\"; nocase; sid:2;)\n\
                alert http any any -> any any (msg:\"c\"; urilen:>0; content:\"curl/7.89\"; sid:3;)\n\
                alert http any any -> any any (msg:\"d\"; urilen:>0; content:\"GET /index\"; startswith; content:\"x-last: end\"; sid:4;)\n\
                alert http any any -> any any (msg:\"e\"; urilen:>0; content:\"Agent: CURL\"; sid:5;)\n";
    let request = b"GET /index HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.88\r\nx-last: end\r\n\r\n";
    for prefilter in [WindowFilter::build as Build, Automaton::build, Everything::build] {
        let engine = Make { sources: rules(text), prefilter, ..Make::default() }.engine();
        for cut in 0..request.len() {
            let mut connection = Connection::open(80);
            let (front, back) = request.split_at(cut);
            for piece in [front, back].into_iter().filter(|piece| !piece.is_empty()) {
                connection.say(0, piece);
            }
            connection.say(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            let packets: Vec<_> =
                connection.close().into_iter().enumerate().map(|(nth, bytes)| packet(nth, bytes)).collect();
            let mut sids: Vec<u32> = engine.run(&packets).alerts.iter().map(|(sid, _)| *sid).collect();
            sids.sort_unstable();
            assert_eq!(sids, [1, 2, 4], "cut at {cut}");
        }
    }
}

/// Many rules for each way make sets of their own: whatever groups of addresses these ask for, and however the groups lie to each
/// other, a rule is met on its way and on no other.
#[test]
fn rules_are_met_on_the_way_that_they_ask_for() {
    // the words of a rule, and whether an address is meant
    type End = (&'static str, fn([u8; 4]) -> bool);
    const ANY: End = ("any", |_| true);
    const HOME: End = ("10.0.0.0/8", |ip| ip[0] == 10);
    const OUTSIDE: End = ("!10.0.0.0/8", |ip| ip[0] != 10);
    const PART: End = ("10.1.0.0/16", |ip| ip[0] == 10 && ip[1] == 1);
    const TWO: End = ("[10.1.0.0/16,192.0.2.0/24]", |ip| ip[..2] == [10, 1] || ip[..3] == [192, 0, 2]);
    let ends = [ANY, HOME, OUTSIDE, PART, TWO];
    let mut asked = Vec::new();
    for (nth, from) in ends.iter().enumerate() {
        for (other, to) in ends.iter().enumerate() {
            // some ways are asked for by too few for a set of their own
            let many = if (nth + other) % 3 == 0 { 3 } else { 20 };
            asked.extend((0..many).map(|_| (*from, *to, false)));
            asked.push((*from, *to, true));
        }
    }
    let mut text = String::new();
    for (sid, ((from, _), (to, _), both)) in asked.iter().enumerate() {
        let arrow = if *both { "<>" } else { "->" };
        // short and long literals, and rules without one
        let options = match sid % 3 {
            0 => format!("content:\"w{sid:04}\";"),
            1 => format!("content:\"a rather long literal {sid:04}\";"),
            _ => "dsize:>10;".to_owned(),
        };
        text.push_str(&format!(
            "alert udp {from} any {arrow} {to} any (msg:\"w\"; {options} sid:{};)\n",
            sid + 1
        ));
    }
    let payload: String =
        (0..asked.len()).map(|sid| format!("w{sid:04} a rather long literal {sid:04} ")).collect();
    let addresses = [[10, 0, 0, 1], [10, 1, 0, 1], [192, 0, 2, 1], [203, 0, 113, 1]];
    for prefilter in [WindowFilter::build as Build, Everything::build] {
        let make = Make {
            sources: rules(&text),
            prefilter,
            set: &[("packet-alert-max", "1000")],
            ..Make::default()
        };
        let engine = make.engine();
        for from in addresses {
            for to in addresses.into_iter().filter(|to| *to != from) {
                let mut bytes = Vec::new();
                PacketBuilder::ethernet2([1; 6], [2; 6])
                    .ipv4(from, to, 64)
                    .udp(40_000, 9999)
                    .write(&mut bytes, payload.as_bytes())
                    .expect("a packet");
                let mut found: Vec<u32> =
                    engine.run(&[packet(0, bytes)]).alerts.iter().map(|(sid, _)| *sid).collect();
                found.sort_unstable();
                let goes = |(source, target, both): &(End, End, bool)| {
                    source.1(from) && target.1(to) || *both && source.1(to) && target.1(from)
                };
                let expected: Vec<u32> =
                    (1..).zip(&asked).filter(|(_, rule)| goes(rule)).map(|(sid, _)| sid).collect();
                assert_eq!(found, expected, "{from:?} to {to:?}");
            }
        }
    }
}

/// An expression in front of a literal that it needs not: the literal must be there all the same, and not at one place only.
#[test]
fn an_expression_in_front_waits_for_the_literal() {
    for (options, payload, expected) in [
        ("pcre:\"/a+b/\"; content:\"tail\";", "xx aab yy tail", true),
        ("pcre:\"/a+b/\"; content:\"tail\";", "tail xx aab", true),
        ("pcre:\"/a+b/\"; content:\"tail\"; distance:0;", "tail xx aab", false),
        ("pcre:\"/a+b/\"; content:\"TAIL\"; nocase;", "aab tail", true),
        ("pcre:\"/a+b/\"; content:\"tail\";", "xx aab yy", false),
        ("pcre:\"/a+b/\"; content:!\"tail\";", "xx aab yy", true),
        ("pcre:\"/a+b/\"; content:!\"tail\"; content:\"yy\";", "xx aab yy", true),
    ] {
        let text = format!("alert udp any any -> any any (msg:\"e\"; {options} sid:1;)\n");
        let engine =
            Make { sources: rules(&text), prefilter: WindowFilter::build, ..Make::default() }.engine();
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(40_000, 9999)
            .write(&mut bytes, payload.as_bytes())
            .expect("a packet");
        let alerts = engine.run(&[packet(0, bytes)]).alerts.len();
        assert_eq!(alerts == 1, expected, "{options} on {payload}");
    }
}

/// `MAMPARO_ROUNDS` for more than every run does.
#[test]
fn alerts_are_the_same_with_each_prefilter_and_without() {
    let rounds = std::env::var("MAMPARO_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    // sets of rules that are met together are searched in one pass at once, never, or from the third time on
    let kinds: [(&str, Build, u32); 6] = [
        ("off", Everything::build, u32::MAX),
        ("naive", Naive::build, 1),
        ("automaton", Automaton::build, 3),
        ("windows", WindowFilter::build, u32::MAX),
        ("windows, merged", WindowFilter::build, 1),
        ("windows, portable", WindowFilter::build_portable, 3),
    ];
    let mut seen = 0;
    for round in 0..rounds {
        let mut random = Random::new(round + 1);
        let (made, texts): (Vec<_>, Vec<_>) =
            (0..20 + random.below(60)).map(|sid| rule(&mut random, sid)).unzip();
        let conversations: Vec<_> = (0..6).map(|_| traffic(&mut random, &texts)).collect();
        for inline in [false, true] {
            let engines = kinds.map(|(name, prefilter, merge_after)| {
                let sources = rules(&made.concat());
                let make = Make { sources, prefilter, inline, merge_after, ..Make::default() };
                (name, make.engine())
            });
            for packets in &conversations {
                let [(_, off), others @ ..] = &engines;
                let expected = off.run(packets).lines;
                seen += expected.iter().filter(|line| line.contains("\"event_type\":\"alert\"")).count();
                for (name, engine) in others {
                    let found = engine.run(packets).lines;
                    let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
                    assert!(
                        found == expected,
                        "round {round}, {name}, inline {inline}: {} records and {} without; {differs:#?}",
                        found.len(),
                        expected.len()
                    );
                }
            }
        }
    }
    assert!(seen as u64 > rounds * 50, "{seen} alerts were compared");
}
