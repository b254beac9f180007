//! One rule on what it looks at.

use std::sync::Arc;

use super::{Inspection, Scratch, State, Window};
use crate::detect::buffer::{BufferId, Origin};
use crate::detect::inspect::ops::{Op, Transform, View};
use crate::detect::inspect::{self, finds, inspect};
use crate::detect::rule::{Absent, PacketView, Part, Rule};
use crate::detect::ruleset::RuleSet;
use crate::flow::{Flow, Vars};

impl State {
    /// Protocol, addresses, ports, flow and packet tests of a rule.
    #[inline]
    pub(super) fn head_holds(
        &self,
        set: &RuleSet,
        id: u32,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
    ) -> bool {
        let (head, rule) = (&set.heads[id as usize], &set.rules[id as usize]);
        head.holds(rule, &self.facts, &set.tables, inspection.packet, flow)
            && (!head.has_tests() || packet_tests_hold(rule, inspection, flow))
    }

    /// Payload parts and flow variables of a rule whose head holds.
    pub(super) fn holds(
        &mut self,
        set: &RuleSet,
        rule: &Rule,
        inspection: &Inspection<'_>,
        flow: Option<&Flow>,
        vars: &Vars,
        payload: Option<Window<'_>>,
    ) -> bool {
        // a look at a bit is cheaper than one at bytes, and nothing between changes the bits
        if !rule.var_tests.is_empty()
            && (flow.is_none() || !rule.var_tests.iter().all(|test| test.test(vars)))
        {
            return false;
        }
        self.clear_vars(rule);
        self.scratch.little = true;
        for part in &rule.parts {
            let held = match &set.registry.buffer(part.buffer).origin {
                Origin::Payload | Origin::Frame(..) => match payload {
                    Some(window) => self.part_holds(part, window),
                    None => false,
                },
                Origin::Packet(bytes) => match bytes(inspection.packet) {
                    Some(bytes) => self.part_holds(
                        part,
                        Window { bytes, offset: 0, fresh: 0, to_end: true, is_stream: false },
                    ),
                    None => part.absent.is_some(),
                },
                Origin::Derived => self.derived_holds(part),
                Origin::App(_) => false,
            };
            if !held {
                return false;
            }
        }
        true
    }

    pub(super) fn clear_vars(&mut self, rule: &Rule) {
        self.scratch.vars.clear();
        self.scratch.vars.resize(usize::from(rule.vars), 0);
        self.scratch.decoded.clear();
    }

    /// The operations of a part on its bytes, transforms first.
    pub(super) fn part_holds(&mut self, part: &Part, window: Window<'_>) -> bool {
        if part.absent == Some(Absent::Only) {
            return false;
        }
        if window.is_stream && window.fresh > 0 {
            // the new bytes on their own first: places are counted from where they begin, as the reference engine does, and as
            // the packets' own payloads are
            let bytes = window.bytes.get(window.fresh..).unwrap_or_default();
            let (vars, decoded) = (self.scratch.vars.clone(), self.scratch.decoded.clone());
            let hint = self.scratch.hint;
            self.scratch.hint = hint.wrapping_sub(window.fresh);
            let held = self.part_holds(part, Window { bytes, offset: 0, fresh: 0, ..window });
            self.scratch.hint = hint;
            if held {
                return true;
            }
            if !finds(&part.ops) {
                return false;
            }
            (self.scratch.vars, self.scratch.decoded) = (vars, decoded);
        }
        let Scratch { vars, decoded, transformed, little, hint, .. } = &mut self.scratch;
        let [one, two] = transformed;
        let bytes = apply(&part.transforms, window.bytes, one, two);
        let mut view = View {
            bytes,
            at: 0,
            offset: if part.transforms.is_empty() { window.offset } else { 0 },
            from_start: window.offset == 0,
            to_end: window.to_end,
            little: *little,
            vars,
            decoded,
        };
        let fresh = if part.transforms.is_empty() { window.fresh } else { 0 };
        inspect(&part.ops, &mut view, fresh, *hint, self.config.recursion_max)
    }

    /// A part on what `base64_decode` made.
    pub(super) fn derived_holds(&mut self, part: &Part) -> bool {
        let decoded = std::mem::take(&mut self.scratch.decoded);
        let held = self.part_holds(
            part,
            Window { bytes: &decoded, offset: 0, fresh: 0, to_end: true, is_stream: false },
        );
        self.scratch.decoded = decoded;
        held
    }
}

/// The tests of a rule that its head's bits do not tell.
fn packet_tests_hold(rule: &Rule, inspection: &Inspection<'_>, flow: Option<&Flow>) -> bool {
    let view = PacketView {
        packet: inspection.packet,
        flow,
        dir: inspection.dir,
        stream_events: inspection.stream_events,
        layer_events: inspection.layer_events,
        first: inspection.first,
    };
    rule.packet_tests.iter().all(|test| test.test(&view))
}

/// The bytes after all transforms, in one of two buffers that are used in turn; the bytes themselves when there is none.
pub(super) fn apply<'b>(
    transforms: &[Arc<dyn Transform>],
    bytes: &'b [u8],
    one: &'b mut Vec<u8>,
    two: &'b mut Vec<u8>,
) -> &'b [u8] {
    let Some((first, rest)) = transforms.split_first() else { return bytes };
    one.clear();
    first.apply(bytes, one);
    for transform in rest {
        two.clear();
        transform.apply(one, two);
        std::mem::swap(one, two);
    }
    one
}

/// What a rule that matched on a packet puts into the place of literals of its payload (`replace`).
pub fn replacements(rule: &Rule, payload: &[u8], recursion_max: u32, edits: &mut Vec<(usize, Vec<u8>)>) {
    let replaces = |op: &Op| matches!(op, Op::Content(content) if content.replace.is_some());
    let mut vars = vec![0; usize::from(rule.vars)];
    let mut decoded = Vec::new();
    for part in &rule.parts {
        if part.buffer != BufferId::PAYLOAD || !part.transforms.is_empty() || !part.ops.iter().any(replaces) {
            continue;
        }
        let mut view = View {
            bytes: payload,
            at: 0,
            offset: 0,
            from_start: true,
            to_end: true,
            little: true,
            vars: &mut vars,
            decoded: &mut decoded,
        };
        let found = inspect::replacements(&part.ops, &mut view, recursion_max);
        edits.extend(found.into_iter().map(|(at, new)| (at, new.to_vec())));
    }
}
