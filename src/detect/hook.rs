//! Hooks in a rule's head (`http1:request_line`, `tcp:flow_start`): where in its protocol a rule is looked at.
//!
//! The hook of an application protocol is a step of a transaction: the rule matches no earlier, and only in that direction.

use super::keyword::RuleBuilder;
use super::rule::{PacketTest, PacketView, RuleProtocol, TxTest};
use crate::app::{DONE, ProtocolId, Transaction};
use crate::rules::{RuleError, Spanned, did_you_mean};
use crate::types::Direction;

/// A hook as a protocol declares it: its name, the direction, and the progress from which rules are looked at.
pub type Hook = (&'static str, Direction, u8);

/// Hooks that every application protocol has.
const GENERAL: &[Hook] = &[
    ("request_started", Direction::ToServer, 1),
    ("request_complete", Direction::ToServer, DONE),
    ("response_started", Direction::ToClient, 1),
    ("response_complete", Direction::ToClient, DONE),
];

/// Hooks of packets.
const OF_PACKETS: &[&str] = &["all", "flow_start", "pre_flow", "pre_stream"];

#[derive(Debug)]
struct AtStep {
    dir: Direction,
    progress: u8,
}

impl TxTest for AtStep {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        dir == self.dir && tx.progress(dir) >= self.progress
    }

    fn progress(&self, _: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == self.dir).then_some(self.progress)
    }
}

/// The first packet of a flow.
#[derive(Debug)]
struct FlowStart;

impl PacketTest for FlowStart {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.flow.is_some_and(|flow| flow.sides.iter().map(|side| side.packets).sum::<u64>() == 1)
    }
}

/// Adds what the hook means to the rule.
pub(super) fn compile(hook: &Spanned<&str>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let RuleProtocol::App(id) = rule.protocol else { return of_packets(hook, rule) };
    let own = rule.registry.protocols()[usize::from(id.0)].hooks();
    let known = || own.iter().chain(GENERAL);
    let Some(&(_, dir, progress)) = known().find(|(name, ..)| *name == hook.node) else {
        return Err(unknown(hook, &known().map(|(name, ..)| *name).collect::<Vec<_>>()));
    };
    rule.tx_tests.push(Box::new(AtStep { dir, progress }));
    let mut flow = rule.flow.unwrap_or_default();
    flow.dir = flow.dir.or(Some(dir));
    rule.flow = Some(flow);
    Ok(())
}

fn of_packets(hook: &Spanned<&str>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    match hook.node {
        "all" => Ok(()),
        "flow_start" => {
            rule.packet_tests.push(Box::new(FlowStart));
            Ok(())
        }
        "pre_flow" | "pre_stream" => {
            Err(RuleError::new(hook.span.clone(), format!("the hook '{}' is not supported yet", hook.node))
                .hint("rules are looked at when the packet has its flow: all, flow_start")
                .unsupported())
        }
        _ => Err(unknown(hook, OF_PACKETS)),
    }
}

fn unknown(hook: &Spanned<&str>, known: &[&'static str]) -> RuleError {
    let error = RuleError::new(hook.span.clone(), format!("no hook '{}' in this protocol", hook.node));
    match did_you_mean(hook.node, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("one of {}", known.join(", "))),
    }
}
