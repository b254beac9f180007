//! What went wrong: `decode-event`, `stream-event`, `engine-event`, `app-layer-event`.

use super::row::{Row, plain, row};
use crate::app::{DONE, ProtocolId, Transaction};
use crate::decode::DecodeEvent;
use crate::detect::RuleBuilder;
use crate::detect::compile::not_supported;
use crate::detect::planned::protocol_without_parser;
use crate::detect::rule::{PacketTest, PacketView, RuleProtocol, TxTest};
use crate::flow::app_layer::layer_events;
use crate::rules::value::Piece;
use crate::rules::{OptionAst, RuleError, did_you_mean};
use crate::stream::StreamEvent;
use crate::types::Direction;

pub(super) static DECODE_EVENT: Row =
    row("decode-event", "Something was wrong with the packet.", decode_event);
pub(super) static STREAM_EVENT: Row =
    row("stream-event", "Something was wrong with the TCP segment.", stream_event);
pub(super) static ENGINE_EVENT: Row =
    row("engine-event", "The same with stream. or decoder. before its name.", engine_event);
pub(super) static APP_LAYER_EVENT: Row = row(
    "app-layer-event",
    "Something was wrong with a transaction or with the recognition of the protocol.",
    app_layer_event,
);

#[derive(Debug)]
struct Decode(DecodeEvent);

impl PacketTest for Decode {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.packet.events.has(self.0)
    }

    fn is_event(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Stream(StreamEvent);

impl PacketTest for Stream {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.stream_events.has(self.0)
    }

    fn is_event(&self) -> bool {
        true
    }
}

/// An event of the flow's recognition.
#[derive(Debug)]
struct Layer(&'static str);

impl PacketTest for Layer {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.layer_events.contains(&self.0)
    }
}

/// An event of a transaction of that protocol.
#[derive(Debug)]
struct Tx(ProtocolId, &'static str);

impl TxTest for Tx {
    fn test(&self, tx: &dyn Transaction, _: Direction) -> bool {
        // events are the transaction's: whichever side raised one, rules on both sides see it
        tx.events().iter().any(|(_, name)| *name == self.1)
    }

    fn progress(&self, protocol: ProtocolId, _: Direction) -> Option<u8> {
        (protocol == self.0).then_some(DONE)
    }
}

/// An event that nothing raises.
#[derive(Debug)]
struct Never;

impl TxTest for Never {
    fn test(&self, _: &dyn Transaction, _: Direction) -> bool {
        false
    }

    fn progress(&self, _: ProtocolId, _: Direction) -> Option<u8> {
        None
    }
}

fn no_event<'n>(piece: &Piece<'_>, what: &str, names: impl Iterator<Item = &'n str>) -> RuleError {
    let error = piece.error(format!("no {what} \"{}\"", piece.node.chars().take(80).collect::<String>()));
    match did_you_mean(piece.node, names) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

fn decode_event(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    add_decode(&plain(option)?, rule)
}

fn add_decode(name: &Piece<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let Some(event) = DecodeEvent::from_name(name.node) else {
        return Err(no_event(name, "decoder event", DecodeEvent::ALL.iter().map(|e| e.name())));
    };
    rule.packet_tests.push(Box::new(Decode(event)));
    Ok(())
}

fn stream_event(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    add_stream(&plain(option)?, rule)
}

fn add_stream(name: &Piece<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let Some(event) = StreamEvent::from_name(name.node) else {
        return Err(no_event(name, "stream event", StreamEvent::ALL.iter().map(|e| e.name())));
    };
    rule.packet_tests.push(Box::new(Stream(event)));
    Ok(())
}

fn engine_event(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let name = plain(option)?;
    match (name.strip("stream."), name.strip("decoder.")) {
        (Some(name), _) => add_stream(&name, rule),
        (None, Some(name)) => add_decode(&name, rule),
        (None, None) => Err(name
            .error("not an event of the engine")
            .hint("write engine-event:stream.NAME; or decoder.NAME")),
    }
}

const LAYER_EVENTS: &[&str] = &[
    layer_events::MISMATCH,
    layer_events::WRONG_DIRECTION,
    layer_events::ONE_DIRECTION,
    layer_events::SKIPPED,
    layer_events::NO_TLS,
    layer_events::CHANGE_FAILED,
];

fn app_layer_event(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let Some((protocol, event)) = value.split_at_first(".") else {
        let Some(event) = LAYER_EVENTS.iter().find(|known| **known == value.node) else {
            return Err(no_event(&value, "event of recognition", LAYER_EVENTS.iter().copied())
                .hint("write app-layer-event:PROTOCOL.EVENT;"));
        };
        rule.packet_tests.push(Box::new(Layer(event)));
        return Ok(());
    };
    let registry = rule.registry;
    if let Some(name) = protocol_without_parser(protocol.node) {
        return Err(not_supported(protocol.span.clone(), "protocol", name));
    }
    let Some(id) = registry.protocol_named(protocol.node) else {
        return Err(no_event(&protocol, "protocol", registry.protocols().iter().map(|p| p.name())));
    };
    let Some(known) = registry.protocols().get(usize::from(id.0)) else { return Ok(()) };
    match rule.protocol {
        head @ (RuleProtocol::App(_) | RuleProtocol::Either(..)) if !head.is_app(id) => {
            return Err(protocol.error("the rule's head names another protocol"));
        }
        _ => rule.protocol = RuleProtocol::App(id),
    }
    match known.events().iter().find(|name| **name == event.node) {
        Some(name) => rule.tx_tests.push(Box::new(Tx(id, name))),
        None => {
            // events come and go with versions: rules for other versions load, and do nothing
            let what = format!("event of {}", known.name());
            let mut warning = no_event(&event, &what, known.events().iter().copied());
            warning.message.push_str("; the rule never matches");
            rule.warnings.push(warning);
            rule.tx_tests.push(Box::new(Never));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestTx, check_errors, check_loads, packet_test, with};
    use super::*;

    #[test]
    fn events_are_found() {
        assert!(!packet_test("decode-event:ipv4.pkt_too_small;", 17, &[], b"x"));
        with("app-layer-event:http.odd;", |rule| {
            let rule = rule.unwrap();
            let RuleProtocol::App(http) = rule.protocol else { panic!() };
            let test = &rule.tx_tests[0];
            let tx = TestTx { events: vec![(Direction::ToServer, "odd")], ..TestTx::default() };
            assert!(test.test(&tx, Direction::ToServer));
            assert!(test.test(&tx, Direction::ToClient));
            assert!(!test.test(&TestTx::default(), Direction::ToServer));
            assert_eq!(test.progress(http, Direction::ToServer), Some(DONE));
            assert_eq!(test.progress(ProtocolId(200), Direction::ToServer), None);
        });
    }

    #[test]
    fn an_event_of_another_version_is_a_warning() {
        with("app-layer-event:http.ood;", |rule| {
            let rule = rule.unwrap();
            assert_eq!(rule.warnings[0].message, "no event of http \"ood\"; the rule never matches");
            let tx = TestTx { events: vec![(Direction::ToServer, "ood")], ..TestTx::default() };
            assert!(!rule.tx_tests[0].test(&tx, Direction::ToServer));
        });
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "decode-event:ipv4.pkt_too_small;",
            "engine-event:decoder.ipv4.pkt_too_small;",
            "app-layer-event:applayer_mismatch_protocol_both_directions;",
        ]);
        check_errors(&[
            ("decode-event:ipv4.foo;", "no decoder event \"ipv4.foo\""),
            ("stream-event:foo;", "no stream event \"foo\""),
            ("engine-event:foo;", "not an event of the engine"),
            ("app-layer-event:applayer_foo;", "no event of recognition \"applayer_foo\""),
            ("app-layer-event:foo.bar;", "no protocol \"foo\""),
        ]);
    }
}
