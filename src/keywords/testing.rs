//! What the tests of keywords share: a registry with a small protocol, rules from option text, packets and views.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{ALL, PACKET_BUFFERS, number};
use crate::app::{
    File, Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Slot, Transaction,
    Transactions,
};
use crate::decode::{Icmp, Ipv4, Ipv6, Net, Packet, Tcp, TcpOptions, Transport, Udp};
use crate::detect::inspect::ops::{Op, View};
use crate::detect::rule::{PacketView, RuleProtocol};
use crate::detect::{
    BufferSpec, Environment, Kind, Names, NumberSpec, Place, ProtocolEntry, Registry, RuleBuilder, Tables,
    Word,
};
use crate::json::JsonWriter;
use crate::rules::{OptionAst, RuleError, Spanned, parse_rule};
use crate::stream::StreamEvents;
use crate::types::{Direction, IfaceId, Proto, Timestamp};

/// Pseudo random numbers, the same in every run.
pub(super) struct Xorshift(u64);

impl Xorshift {
    pub(super) fn new(seed: u64) -> Self {
        Xorshift(seed * 2 + 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Less than `n`; 0 of 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }
}

/// Cuts the seed at every offset and changes bytes of it at random.
pub(super) fn mutate(seed: &[u8], rounds: usize, mut each: impl FnMut(&[u8])) {
    (0..seed.len()).for_each(|at| each(&seed[..at]));
    let mut random = Xorshift::new(9);
    for _ in 0..rounds {
        let mut bytes = seed.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        each(&bytes);
    }
}

struct Http;

impl Protocol for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _: Proto, _: Direction, _: u16, _: &[u8]) -> Probe {
        Probe::No
    }

    fn events(&self) -> &'static [&'static str] {
        &["odd", "even"]
    }

    fn frames(&self) -> &'static [&'static str] {
        &["request", "response", "body.part"]
    }

    fn factory(&self, _: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Http)
    }
}

impl ParserFactory for Http {
    fn parser(&self, _: Proto, _: u16, _: u16) -> Box<dyn Parser> {
        Box::new(Silent(crate::app::TxList::<TestTx>::default()))
    }
}

struct Silent(crate::app::TxList<TestTx>);

impl Parser for Silent {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, _: Direction, _: u64) -> Result<(), ParseError> {
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.0
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.0
    }
}

/// A transaction with what a test puts in.
#[derive(Default)]
pub(super) struct TestTx {
    pub(super) events: Vec<(Direction, &'static str)>,
    /// Sent by the server.
    pub(super) files: Vec<File>,
    /// By slot.
    pub(super) numbers: Vec<Vec<u64>>,
}

impl Transaction for TestTx {
    fn id(&self) -> u64 {
        0
    }

    fn progress(&self, _: Direction) -> u8 {
        0
    }

    fn bytes(&self, _: Slot, _: usize) -> Option<&[u8]> {
        None
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        self.numbers.get(usize::from(slot.0))?.get(nth).copied()
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn files(&self, dir: Direction) -> &[File] {
        if dir == Direction::ToClient { &self.files } else { &[] }
    }

    fn log(&self, _: &mut JsonWriter) {}
}

const fn place(slot: u16, kind: Kind) -> Place {
    Place { dir: Direction::ToServer, slot: Slot(slot), progress: 3, kind }
}

const fn buffer(name: &'static str, modifier: Option<&'static str>, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier, help: "A buffer.", places, check: None }
}

const fn number(
    name: &'static str,
    places: &'static [Place],
    names: &'static [(&'static str, u64)],
) -> NumberSpec {
    NumberSpec { name, aliases: &[], help: "A number.", places, names }
}

static ENTRIES: &[ProtocolEntry] = &[ProtocolEntry {
    protocol: &Http,
    buffers: &[
        buffer("http.uri", Some("http_uri"), &[place(10, Kind::Bytes)]),
        buffer("http.host", None, &[place(11, Kind::Bytes)]),
    ],
    numbers: &[
        number("test.one", &[place(0, Kind::Bytes)], &[]),
        number("test.many", &[place(1, Kind::Multi)], &[("A", 1), ("AAAA", 28), ("MX", 15)]),
        number("test.none", &[place(2, Kind::Multi)], &[]),
    ],
    keywords: &[],
}];

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::new(ALL, PACKET_BUFFERS, ENTRIES))
}

fn classes() -> &'static HashMap<String, (String, u8)> {
    static CLASSES: OnceLock<HashMap<String, (String, u8)>> = OnceLock::new();
    CLASSES.get_or_init(|| {
        HashMap::from([("trojan-activity".to_owned(), ("A Network Trojan was detected".to_owned(), 1))])
    })
}

/// Applies options to a rule, as the compiler does.
pub(super) fn apply(rule: &mut RuleBuilder<'_>, options: &str) -> Result<(), RuleError> {
    let text = format!("alert ip any any -> any any ({options})");
    let ast = match parse_rule(&text) {
        Ok(ast) => ast,
        Err(mut errors) => return Err(errors.remove(0)),
    };
    for option in &ast.options {
        let result = match registry().find(option.name.node) {
            Some(Word::Keyword(keyword)) => keyword.compile(option, rule),
            Some(Word::Sticky(id)) => {
                rule.select(id);
                Ok(())
            }
            Some(Word::Modifier(id)) => {
                assert!(rule.move_last_to(id));
                Ok(())
            }
            Some(Word::Number(id)) => number::compile_number(id, option, rule),
            None => panic!("no keyword {}", option.name.node),
        };
        if let Err(error) = &result {
            assert!(text.get(error.span.clone()).is_some(), "{options}: {error:?}");
            return result;
        }
    }
    Ok(())
}

/// Compiles options and looks at the rule.
pub(super) fn with<R>(
    options: &str,
    look: impl FnOnce(Result<&mut RuleBuilder<'static>, RuleError>) -> R,
) -> R {
    let names: &'static mut Names = Box::leak(Box::default());
    with_builder(names, options, look)
}

/// One list of digests, whatever its length.
struct Lists;

impl crate::detect::RuleFiles for Lists {
    fn read(&self, name: &str) -> std::io::Result<Vec<u8>> {
        match name {
            "bad.md5" => Ok(b"# bad\n900150983cd24fb0d6963f7d28e17f72  abc.txt\r\n\n".to_vec()),
            "broken.md5" => Ok(b"900150983cd24fb0d6963f7d28e17f72\nnonsense\n".to_vec()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        }
    }
}

/// The same with names that other rules know.
pub(super) fn with_names<R>(
    options: &str,
    names: &mut Names,
    look: impl FnOnce(Result<&mut RuleBuilder<'_>, RuleError>) -> R,
) -> R {
    with_builder(names, options, look)
}

fn with_builder<'r, R>(
    names: &'r mut Names,
    options: &str,
    look: impl FnOnce(Result<&mut RuleBuilder<'r>, RuleError>) -> R,
) -> R {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| Environment {
        classes: classes(),
        files: &Lists,
        pcre_limits: (0, 0),
        features: &[],
        version: (8, 0, 1),
        tables: Box::leak(Box::default()),
    });
    let mut rule = RuleBuilder::new(registry(), names, environment, RuleProtocol::Ip(None));
    match apply(&mut rule, options) {
        Ok(()) => look(Ok(&mut rule)),
        Err(error) => look(Err(error)),
    }
}

/// One keyword with any value at all, with a literal and a variable before it. Mistakes point into the option.
pub(super) fn compile_value(keyword: &str, value: &str) {
    let Some(Word::Keyword(keyword)) = registry().find(keyword) else { panic!() };
    for before in ["", "content:\"abcdef\"; byte_extract:1,0,v;", "http.uri;"] {
        with(before, |rule| {
            let name = keyword.name();
            let text = format!("{name}:{value}");
            let option = OptionAst {
                name: Spanned { node: name, span: 0..name.len() },
                value: (!value.is_empty()).then(|| Spanned { node: value, span: name.len() + 1..text.len() }),
            };
            if let Err(error) = keyword.compile(&option, rule.unwrap()) {
                assert!(text.get(error.span.clone()).is_some(), "{text}: {error:?}");
            }
        });
    }
}

pub(super) fn check_loads(table: &[&str]) {
    for text in table {
        with(text, |rule| {
            if let Err(error) = rule {
                panic!("{text}: {error:?}");
            }
        });
    }
}

pub(super) fn check_errors(table: &[(&str, &str)]) {
    for (text, message) in table {
        with(text, |rule| match rule {
            Ok(_) => panic!("{text} loads"),
            Err(error) => assert_eq!(error.message, *message, "{text}"),
        });
    }
}

/// Where the bytes of a view lie in the whole.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) from_start: bool,
    pub(super) to_end: bool,
}

impl Default for Frame {
    fn default() -> Self {
        Frame { offset: 0, from_start: true, to_end: true }
    }
}

/// Whether the last operation of some options holds, and where it leaves the place.
pub(super) fn holds(options: &str, bytes: &[u8], at: usize) -> (bool, usize) {
    holds_in(options, bytes, at, Frame::default())
}

pub(super) fn holds_in(options: &str, bytes: &[u8], at: usize, frame: Frame) -> (bool, usize) {
    with(options, |rule| {
        let rule = rule.unwrap_or_else(|error| panic!("{options}: {error:?}"));
        let Some(Op::Test(test)) = rule.parts.last().and_then(|part| part.ops.last()) else {
            panic!("{options}")
        };
        let mut vars = vec![0; usize::from(rule.var_count())];
        let mut decoded = Vec::new();
        let Frame { offset, from_start, to_end } = frame;
        let mut view = View {
            bytes,
            at,
            offset,
            from_start,
            to_end,
            little: true,
            vars: &mut vars,
            decoded: &mut decoded,
        };
        let held = test.test(&mut view);
        (held, view.at)
    })
}

/// Identity and result of a transform.
pub(super) fn transformed(options: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    with(&format!("http.uri; {options}"), |rule| {
        let rule = rule.unwrap_or_else(|error| panic!("{options}: {error:?}"));
        let [transform] = rule.parts[0].transforms.as_slice() else { panic!("{options}") };
        let mut out = Vec::new();
        transform.apply(bytes, &mut out);
        (transform.identity(), out)
    })
}

fn tests_hold(options: &str, packet: &Packet<'_>) -> bool {
    with(options, |rule| {
        let rule = rule.unwrap_or_else(|error| panic!("{options}: {error:?}"));
        assert!(!rule.packet_tests.is_empty(), "{options}");
        rule_holds(rule, packet)
    })
}

fn rule_holds(rule: &RuleBuilder<'_>, packet: &Packet<'_>) -> bool {
    let view = PacketView {
        packet,
        flow: None,
        dir: Direction::ToServer,
        stream_events: StreamEvents::default(),
        layer_events: &[],
        first: true,
    };
    rule.packet_tests.iter().all(|test| test.test(&view))
}

/// 10.0.0.1 to 10.0.0.2, with a good checksum.
fn ipv4_header(proto: u8, options: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 40, 0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    header[0] = 0x40 | (5 + options.len() / 4) as u8;
    header.extend(options);
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn packet_over<'a>(header: &'a [u8], transport: Transport<'a>, payload: &'a [u8]) -> Packet<'a> {
    let mut packet = Packet::new(1, Timestamp::default(), IfaceId::default(), header);
    packet.net = Net::V4(Ipv4::new(header).unwrap());
    packet.transport = transport;
    packet.payload = payload;
    packet.find_ends();
    packet
}

/// Whether packet tests hold for a UDP packet with these options of IPv4.
pub(super) fn packet_test(options: &str, proto: u8, ip_options: &[u8], payload: &[u8]) -> bool {
    let header = ipv4_header(proto, ip_options);
    let udp = [0; 8];
    tests_hold(options, &packet_over(&header, Transport::Udp(Udp::new(&udp, true).unwrap()), payload))
}

/// Whether they hold for a changed IPv4 header.
pub(super) fn ipv4_test(options: &str, change: impl FnOnce(&mut [u8])) -> bool {
    let mut header = ipv4_header(17, &[]);
    change(&mut header);
    let udp = [0; 8];
    tests_hold(options, &packet_over(&header, Transport::Udp(Udp::new(&udp, true).unwrap()), b"x"))
}

/// Whether they hold for a plain IPv4 header, with these tables.
pub(super) fn ipv4_test_with(options: &str, tables: &'static Tables) -> bool {
    let environment = Environment {
        classes: classes(),
        pcre_limits: (0, 0),
        features: &[],
        version: (8, 0, 1),
        tables,
        files: &Lists,
    };
    let mut names = Names::default();
    let mut rule = RuleBuilder::new(registry(), &mut names, &environment, RuleProtocol::Ip(None));
    apply(&mut rule, options).unwrap_or_else(|error| panic!("{options}: {error:?}"));
    let header = ipv4_header(17, &[]);
    let udp = [0; 8];
    rule_holds(&rule, &packet_over(&header, Transport::Udp(Udp::new(&udp, true).unwrap()), b"x"))
}

/// Whether they hold for a TCP header.
pub(super) fn tcp_test(options: &str, change: impl FnOnce(&mut [u8]), tcp_options: TcpOptions) -> bool {
    let header = ipv4_header(6, &[]);
    let mut tcp = [0; 20];
    tcp[12] = 0x50;
    change(&mut tcp);
    tests_hold(
        options,
        &packet_over(&header, Transport::Tcp(Tcp::new(&tcp, tcp_options, true).unwrap()), b""),
    )
}

/// Whether they hold for an ICMP message.
pub(super) fn icmp_test(options: &str, v6: bool, message: &[u8]) -> bool {
    let header = ipv4_header(1, &[]);
    let icmp = Icmp::new(message, true).unwrap();
    let mut packet = packet_over(&header, Transport::Icmp4(icmp), b"");
    let six = [0; 40];
    if v6 {
        packet.net = Net::V6(Ipv6::new(&six, &[], Proto::ICMPV6, None));
        packet.transport = Transport::Icmp6(icmp);
        packet.find_ends();
    }
    tests_hold(options, &packet)
}
