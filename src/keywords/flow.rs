//! The flow, its stream and its protocol: `flow`, `stream_size`, `app-layer-protocol`, … Events are in [`super::events`].

use super::row::{Row, choice, plain, row};
use crate::app::ProtocolId;
use crate::detect::RuleBuilder;
use crate::detect::compile::not_supported;
use crate::detect::planned::protocol_without_parser;
use crate::detect::rule::{FlowTest, PacketTest, PacketView, RuleProtocol};
use crate::flow::Flow;
use crate::rules::number::{IntTest, unsigned};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

pub(super) static FLOW: Row = row("flow", "Direction and state of the flow.", flow);
pub(super) static STREAM_SIZE: Row =
    row("stream_size", "Bytes that a side of the TCP stream sent, by its sequence numbers.", stream_size);
pub(super) static FLOW_AGE: Row = row("flow.age", "Seconds since the flow's first packet.", flow_age);
pub(super) static FLOW_PKTS: Row = row("flow.pkts", "Packets of the flow, by direction.", flow_pkts);
pub(super) static FLOW_BYTES: Row =
    row("flow.bytes", "Bytes of the flow, headers included, by direction.", flow_bytes);
pub(super) static FLOW_PKTS_TOSERVER: Row =
    row("flow.pkts_toserver", "Packets that the client sent.", |o, r| {
        side(o, r, Count::Packets, Side::Client)
    });
pub(super) static FLOW_PKTS_TOCLIENT: Row =
    row("flow.pkts_toclient", "Packets that the server sent.", |o, r| {
        side(o, r, Count::Packets, Side::Server)
    });
pub(super) static FLOW_BYTES_TOSERVER: Row =
    row("flow.bytes_toserver", "Bytes that the client sent.", |o, r| side(o, r, Count::Bytes, Side::Client));
pub(super) static FLOW_BYTES_TOCLIENT: Row =
    row("flow.bytes_toclient", "Bytes that the server sent.", |o, r| side(o, r, Count::Bytes, Side::Server));
pub(super) static APP_LAYER_PROTOCOL: Row =
    row("app-layer-protocol", "What protocol the flow was recognised as.", app_layer_protocol);

fn flow(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let mut flow = rule.flow.unwrap_or_default();
    for word in split_commas(&value)? {
        set_flow(&mut flow, &word)?;
    }
    rule.flow = Some(flow);
    Ok(())
}

fn set_flow(flow: &mut FlowTest, word: &Piece<'_>) -> Result<(), RuleError> {
    let lower = word.node.to_ascii_lowercase();
    let clash = |other: &str| {
        word.error(format!("{lower} and {other} contradict or repeat each other")).hint("keep one")
    };
    match lower.as_str() {
        "to_server" | "from_client" | "to_client" | "from_server" => {
            if flow.dir.is_some() {
                return Err(clash("the direction before it"));
            }
            let to_server = matches!(lower.as_str(), "to_server" | "from_client");
            flow.dir = Some(if to_server { Direction::ToServer } else { Direction::ToClient });
        }
        "established" | "not_established" => {
            if flow.established.is_some() || flow.stateless {
                return Err(clash("the state before it"));
            }
            flow.established = Some(lower == "established");
        }
        "stateless" => {
            if flow.established.is_some() || flow.stateless {
                return Err(clash("the state before it"));
            }
            flow.stateless = true;
        }
        "only_stream" | "no_stream" => {
            if flow.only_stream || flow.no_stream {
                return Err(clash("only_stream or no_stream before it"));
            }
            flow.only_stream = lower == "only_stream";
            flow.no_stream = !flow.only_stream;
        }
        "only_frag" | "no_frag" => {
            if flow.fragments.is_some() {
                return Err(clash("only_frag or no_frag before it"));
            }
            flow.fragments = Some(lower == "only_frag");
        }
        _ => {
            let error = word.error("not an option of flow");
            return Err(match crate::rules::did_you_mean(&lower, FLOW_WORDS.iter().copied()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("one of {}", FLOW_WORDS.join(", "))),
            });
        }
    }
    Ok(())
}

const FLOW_WORDS: &[&str] = &[
    "to_server",
    "to_client",
    "from_server",
    "from_client",
    "established",
    "not_established",
    "stateless",
    "only_stream",
    "no_stream",
    "only_frag",
    "no_frag",
];

/// Whose count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
    Both,
    Either,
}

impl Side {
    /// Asks the question of one side, of both, or of either.
    fn holds(self, test: impl Fn(Direction) -> bool) -> bool {
        let (client, server) = (Direction::ToServer, Direction::ToClient);
        match self {
            Side::Client => test(client),
            Side::Server => test(server),
            Side::Both => test(client) && test(server),
            Side::Either => test(client) || test(server),
        }
    }
}

#[derive(Debug)]
struct StreamSize(Side, IntTest<u32>);

impl PacketTest for StreamSize {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let session = view.flow.and_then(|flow| flow.session.as_ref());
        session.is_some_and(|session| self.0.holds(|dir| self.1.matches(session.seen(dir))))
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

fn stream_size(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [side, operator, number] = parts.as_slice() else {
        return Err(value.error("stream_size has three values").hint("write stream_size:client,>,500;"));
    };
    let sides =
        [("client", Side::Client), ("server", Side::Server), ("both", Side::Both), ("either", Side::Either)];
    let side = choice(side, "a side", &sides)?;
    let number = unsigned(number, u64::from(u32::MAX))? as u32;
    let test = match operator.node {
        "=" => IntTest::Eq(number),
        "!=" => IntTest::Ne(number),
        "<" => IntTest::Lt(number),
        "<=" => IntTest::Le(number),
        ">" => IntTest::Gt(number),
        ">=" => IntTest::Ge(number),
        _ => return Err(operator.error("not an operator").hint("one of < <= > >= = !=")),
    };
    rule.packet_tests.push(Box::new(StreamSize(side, test)));
    Ok(())
}

/// What is counted of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Packets,
    Bytes,
}

#[derive(Debug)]
struct FlowCount(Count, Side, IntTest<u64>);

impl PacketTest for FlowCount {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let Some(flow) = view.flow else { return false };
        self.1.holds(|dir| {
            let side = flow.sides[dir.index()];
            self.2.matches(if self.0 == Count::Packets { side.packets } else { side.bytes })
        })
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

fn side(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    count: Count,
    side: Side,
) -> Result<(), RuleError> {
    let test = IntTest::parse(&plain(option)?)?;
    rule.packet_tests.push(Box::new(FlowCount(count, side, test)));
    Ok(())
}

fn flow_pkts(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    flow_count(option, rule, Count::Packets)
}

fn flow_bytes(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    flow_count(option, rule, Count::Bytes)
}

fn flow_count(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>, count: Count) -> Result<(), RuleError> {
    let value = plain(option)?;
    let name = option.name.node;
    let Some((side, number)) = value.split_at_first(",") else {
        return Err(value
            .error(format!("{name} has two values"))
            .hint(format!("write {name}:toserver,>100;")));
    };
    let sides = [
        ("toserver", Side::Client),
        ("toclient", Side::Server),
        ("both", Side::Both),
        ("either", Side::Either),
    ];
    let side = choice(&side, "a direction", &sides)?;
    rule.packet_tests.push(Box::new(FlowCount(count, side, IntTest::parse(&number)?)));
    Ok(())
}

#[derive(Debug)]
struct FlowAge(IntTest<u32>);

impl PacketTest for FlowAge {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.flow.is_some_and(|flow| self.0.matches(view.packet.timestamp.seconds_since(flow.first)))
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

fn flow_age(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let test = IntTest::parse(&plain(option)?)?;
    rule.packet_tests.push(Box::new(FlowAge(test)));
    Ok(())
}

/// Which recognition `app-layer-protocol` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// That of the packet's direction.
    Packet,
    Side(Direction),
    Either,
    /// After all changes of protocol.
    Final,
    /// Before the first of them.
    Original,
}

#[derive(Debug)]
struct AppLayerProtocol {
    /// `None` for `failed`.
    wanted: Option<ProtocolId>,
    /// One that carries the same messages (`http`: HTTP/2 too).
    also: Option<ProtocolId>,
    negated: bool,
    which: Which,
}

impl AppLayerProtocol {
    fn means(&self, spoken: Option<ProtocolId>) -> bool {
        spoken == self.wanted || (spoken.is_some() && spoken == self.also)
    }

    /// What is to be compared; `None` while it is open.
    fn is(&self, flow: &Flow, dir: Direction) -> Option<bool> {
        let app = &flow.app;
        let shown = app.shown().filter(|shown| app.protocol() != Some(*shown));
        let of = |dir| {
            let carried = || app.side(dir) == app.protocol() && shown.is_some() && self.means(shown);
            app.is_side_decided(dir).then(|| self.means(app.side(dir)) || carried())
        };
        match self.which {
            Which::Packet => of(dir),
            Which::Side(dir) => of(dir),
            Which::Either => match Direction::BOTH.map(of) {
                [None, None] => None,
                sides => Some(sides.contains(&Some(true))),
            },
            Which::Final | Which::Original if !app.is_decided() => None,
            // what is carried is what it is, and so is what carries it
            Which::Final => Some(self.means(app.protocol()) || self.means(app.shown())),
            Which::Original => Some(self.means(app.original().or(app.protocol()))),
        }
    }
}

impl PacketTest for AppLayerProtocol {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.flow.and_then(|flow| self.is(flow, view.dir)).is_some_and(|is| is != self.negated)
    }

    fn is_detection(&self) -> bool {
        true
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

fn app_layer_protocol(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let (name, mode) = match parts.as_slice() {
        [name] => (name, None),
        [name, mode] => (name, Some(mode)),
        _ => {
            return Err(value
                .error("not a protocol")
                .hint("write app-layer-protocol:tls; or app-layer-protocol:!tls;"));
        }
    };
    let negated = name.node.starts_with('!');
    let name = name.strip("!").unwrap_or_else(|| name.clone());
    let wanted = match name.node {
        "failed" => None,
        known => Some(rule.registry.protocol_named(known).ok_or_else(|| {
            if let Some(planned) = protocol_without_parser(known) {
                return not_supported(name.span.clone(), "protocol", planned);
            }
            let names = rule.registry.protocols().iter().map(|p| p.name()).collect::<Vec<_>>();
            let error =
                name.error(format!("no protocol \"{}\" here", known.chars().take(40).collect::<String>()));
            match crate::rules::did_you_mean(known, names.iter().copied()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("one of {}, failed", names.join(", "))),
            }
        })?),
    };
    let which = match mode {
        None => Which::Packet,
        Some(mode) => {
            let modes = [
                ("to_server", Which::Side(Direction::ToServer)),
                ("to_client", Which::Side(Direction::ToClient)),
                ("either", Which::Either),
                ("final", Which::Final),
                ("original", Which::Original),
            ];
            choice(mode, "a recognition", &modes)?
        }
    };
    if let RuleProtocol::App(_) | RuleProtocol::Either(..) = rule.protocol {
        return Err(option
            .name
            .error("the rule's head names the protocol already")
            .hint("write alert tcp … for this"));
    }
    let positive = !negated && wanted.is_some();
    if rule.has("app-layer-protocol:") || (positive && rule.has("app-layer-protocol:!")) {
        return Err(option
            .name
            .error("this rule asks for another protocol already")
            .hint("several must all be negated"));
    }
    rule.once(if positive { "app-layer-protocol:" } else { "app-layer-protocol:!" });
    let family = rule.registry.protocols().iter().position(|p| p.family() == Some(name.node));
    let also = family.map(|at| ProtocolId(at as u8));
    rule.packet_tests.push(Box::new(AppLayerProtocol { wanted, also, negated, which }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, with};
    use super::*;

    #[test]
    fn flow_options_add_up() {
        let dir = Some(Direction::ToServer);
        for (text, expected) in [
            ("flow:to_server,established;", FlowTest { dir, established: Some(true), ..FlowTest::default() }),
            (
                "flow:from_client; flow: Not_Established ;",
                FlowTest { dir, established: Some(false), ..FlowTest::default() },
            ),
            (
                "flow:stateless,only_stream;",
                FlowTest { stateless: true, only_stream: true, ..FlowTest::default() },
            ),
            (
                "flow:no_stream,no_frag;",
                FlowTest { no_stream: true, fragments: Some(false), ..FlowTest::default() },
            ),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().flow, Some(expected), "{text}"));
        }
    }

    #[test]
    fn sides_are_asked() {
        let by = |dir: Direction| dir == Direction::ToServer;
        let answers = [Side::Client, Side::Server, Side::Both, Side::Either].map(|side| side.holds(by));
        assert_eq!(answers, [true, false, false, true]);
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "stream_size:server, < , 500;",
            "stream_size:either,!=,500;",
            "flow.age:>5;",
            "flow.pkts:toserver,>3;",
            "flow.pkts_toclient:3;",
            "flow.bytes:either,1000-2000;",
            "app-layer-protocol:!http; app-layer-protocol:!failed;",
            "app-layer-protocol:http,original;",
            "app-layer-protocol:failed;",
        ]);
        check_errors(&[
            (
                "flow:to_server,to_client;",
                "to_client and the direction before it contradict or repeat each other",
            ),
            (
                "flow:established,stateless;",
                "stateless and the state before it contradict or repeat each other",
            ),
            (
                "flow:only_stream,no_stream;",
                "no_stream and only_stream or no_stream before it contradict or repeat each other",
            ),
            (
                "flow:only_frag,no_frag;",
                "no_frag and only_frag or no_frag before it contradict or repeat each other",
            ),
            ("flow:foo;", "not an option of flow"),
            ("flow;", "flow needs a value"),
            ("flow:established,,to_server;", "nothing stands at this side of the comma"),
            ("stream_size:foo,=,500;", "\"foo\" is not a side"),
            ("stream_size:server,==,1;", "not an operator"),
            ("stream_size:server,>,-1;", "\"-1\" is not a number"),
            ("flow.pkts:3;", "flow.pkts has two values"),
            ("app-layer-protocol:foo;", "no protocol \"foo\" here"),
            (
                "app-layer-protocol:http; app-layer-protocol:!http;",
                "this rule asks for another protocol already",
            ),
            (
                "app-layer-protocol:!http; app-layer-protocol:http;",
                "this rule asks for another protocol already",
            ),
            ("app-layer-protocol:http,sideways;", "\"sideways\" is not a recognition"),
        ]);
    }
}
