//! What rules find, and what becomes of the packet and its flow.

use std::sync::PoisonError;

use super::{Fate, Findings, Lane, TAGGED_HOSTS_MAX};
use crate::app::Transaction;
use crate::decode::{Packet, change};
use crate::detect::evaluate::replacements;
use crate::detect::host::{Candidate, Judgement};
use crate::detect::{Class, Inspection, Match};
use crate::engine::collector::AlertFacts;
use crate::engine::records::{AlertEvent, icmp_of, transcript};
use crate::flow::inspected::{MarkedFiles, StoreMark};
use crate::flow::{Flow, FlowAction, Tagged};
use crate::output::eve::VerdictAction;
use crate::rules::Action;
use crate::types::{Direction, Timestamp};
use crate::verdict::{Reason, Verdict};

impl Lane {
    /// Detection, what spans flows, actions and alerts.
    pub(super) fn detect(
        &mut self,
        packet: &Packet<'_>,
        mut flow: Option<&mut Box<Flow>>,
        dir: Direction,
        findings: &Findings,
        ending: bool,
    ) -> Verdict {
        let first = match &mut flow {
            Some(flow) => !std::mem::replace(&mut flow.inspected.addresses[dir.index()], true),
            None => true,
        };
        let before = flow.as_ref().map_or(0, |flow| flow.inspected.stream[dir.index()]);
        let inspection = Inspection {
            packet,
            dir,
            stream_events: findings.stream_events,
            layer_events: &findings.layer_events,
            in_stream: findings.in_stream,
            first,
            ending,
            recognised: findings.recognised,
            opening: findings.opening,
        };
        if self.detector.packet(&inspection, flow.as_deref_mut().map(|flow| &mut **flow)).is_empty() {
            if let Some(reason) = findings.verdict.reason() {
                self.dropped(packet, dir, flow.map(|flow| &mut **flow), reason, None);
            }
            return findings.verdict;
        }
        let matches = self.detector.take_matches();
        let verdict = self.act(packet, flow, dir, &matches, (before, findings.verdict));
        self.detector.give_back(matches);
        verdict
    }

    /// Acts on matches in their order, on top of what the stages before say of the packet.
    fn act(
        &mut self,
        packet: &Packet<'_>,
        mut flow: Option<&mut Box<Flow>>,
        dir: Direction,
        matches: &[Match],
        (stream_before, before): (u64, Verdict),
    ) -> Verdict {
        let rules = self.detector.rules().clone();
        let mut verdict = before;
        let mut passed = false;
        let mut alerts: Vec<(Match, bool, bool)> = Vec::new();
        let mut dropper = None;
        for found in matches {
            let rule = &rules.rules[found.rule as usize];
            let (judged, judgement) = self.judge(found, rule, packet, flow.as_deref().map(|f| &**f));
            let (action, reason) = match judgement {
                Judgement::NoMatch => continue,
                Judgement::Rated(action) => (action, Reason::Threshold),
                Judgement::Alert | Judgement::Silent => (rule.action, Reason::Rules),
            };
            let whole_flow = is_about_flow(rule, found);
            let verdict_of_rule = match action {
                Action::Drop if self.config.inline => Verdict::Drop(reason),
                Action::Reject(kind) => Verdict::Reject(reason, kind.into()),
                Action::Pass | Action::Drop | Action::Alert | Action::Config => Verdict::Forward,
            };
            let blocked = verdict_of_rule.drops();
            if blocked && !verdict.drops() {
                dropper = Some(found.rule);
            }
            verdict = verdict.stricter(verdict_of_rule);
            if let (Some(flow), true) = (&mut flow, whole_flow) {
                match action {
                    Action::Pass if !verdict.drops() => flow.action = FlowAction::Pass,
                    // beside the way of packets nothing is held up, but as nothing more would come of such a flow inline,
                    // nothing more is looked for here
                    Action::Drop | Action::Reject(_) => flow.action = FlowAction::Drop(reason),
                    _ => {}
                }
            }
            if rule.bypass
                && let Some(flow) = &mut flow
            {
                flow.bypassed = true;
            }
            if self.changeable.0 && rule.packet_payload && !found.stream && action != Action::Pass {
                replacements(rule, packet.payload, self.config.detect.recursion_max, &mut self.edits);
            }
            if action == Action::Pass {
                passed = !verdict.drops();
                if passed && rule.alert && !rule.noalert && alerts.len() < self.config.detect.alerts_max {
                    alerts.push((*found, false, judged));
                }
                break;
            }
            if let (true, Some(id), Some(flow)) = (rule.unlogged, found.tx, &mut flow) {
                let recorded = flow.inspected.recorded(id);
                flow.inspected
                    .set_recorded(id, crate::flow::inspected::Recorded { logged: true, ..recorded });
            }
            if let Some(flow) = &mut flow {
                self.mark(rule, found, dir, flow);
            }
            if !rule.noalert && judgement != Judgement::Silent && action != Action::Config {
                if alerts.len() < self.config.detect.alerts_max {
                    alerts.push((*found, blocked, judged));
                } else {
                    self.counters.alerts_overflow += 1;
                }
            }
        }
        if !self.edits.is_empty() {
            // what rules and streams look at stays as it came
            if !verdict.drops()
                && let Some(frame) = change(packet, &self.edits, self.changeable.1)
            {
                self.changed = frame;
            }
            self.edits.clear();
        }
        // what is judged elsewhere is noted there
        if let (Some(flow), true) = (&mut flow, alerts.iter().any(|(_, _, judged)| *judged)) {
            flow.alerted = true;
        }
        if self.recorder.config.alert.is_some_and(|fields| fields.tagged) {
            let mut tags = alerts.iter().map(|(found, ..)| &rules.rules[found.rule as usize].tags);
            for &tag in tags.find(|tags| !tags.is_empty()).into_iter().flatten() {
                let Some(flow) = &mut flow else { break };
                // the packet that matched is the first of them
                let begins = tag_begins(tag, packet.timestamp);
                let begins = begins.after(packet.bytes.len(), packet.timestamp).unwrap_or(Tagged::Packets(0));
                let host = match tag.host {
                    None => None,
                    Some(Direction::ToServer) => packet.source_ip(),
                    Some(Direction::ToClient) => packet.destination_ip(),
                };
                match host {
                    Some(host)
                        if self.tagged_hosts.contains_key(&host)
                            || self.tagged_hosts.len() < TAGGED_HOSTS_MAX =>
                    {
                        self.tagged_hosts.insert(host, begins);
                    }
                    Some(_) => {}
                    None => flow.tagged = Some(begins),
                }
            }
        }
        for (found, blocked, judged) in alerts {
            let rule = &rules.rules[found.rule as usize];
            let fate = Fate { blocked, passed, judged, verdict };
            self.alert(packet, flow.as_deref().map(|flow| &**flow), dir, rule, found, fate, stream_before);
        }
        if !self.config.inline {
            // beside the way of packets the ends are told all the same
            if let Verdict::Reject(_, to) = verdict {
                self.reply(packet, to);
            }
            return Verdict::Forward;
        }
        if let Some(reason) = verdict.reason() {
            let because = dropper.map(|id| (&*rules.rules[id as usize], true));
            self.dropped(packet, dir, flow.map(|flow| &mut **flow), reason, because);
        }
        verdict
    }

    fn judge(
        &mut self,
        found: &Match,
        rule: &crate::detect::Rule,
        packet: &Packet<'_>,
        flow: Option<&Flow>,
    ) -> (bool, Judgement) {
        match &mut self.hosts {
            Some(hosts) => match candidate(found, packet, flow) {
                Some(candidate) => {
                    let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
                    (true, hosts.judge(rule, &candidate))
                }
                None => (true, Judgement::Alert),
            },
            None => (false, Judgement::Alert),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one alert and all that is told of it")]
    fn alert(
        &mut self,
        packet: &Packet<'_>,
        flow: Option<&Flow>,
        dir: Direction,
        rule: &crate::detect::Rule,
        found: Match,
        fate: Fate,
        stream_before: u64,
    ) {
        self.counters.alerts += 1;
        let transactions = flow.and_then(|flow| flow.app.transactions());
        let tx: Option<&dyn Transaction> = found.tx.and_then(|id| {
            let transactions = transactions?;
            (0..transactions.count()).filter_map(|nth| transactions.at(nth)).find(|tx| tx.id() == id)
        });
        let wanted = self.recorder.config.alert.filter(|fields| fields.payload || fields.payload_printable);
        // what a transaction says stands in the stream too
        let in_stream = found.stream || (found.tx.is_some() && packet.tcp().is_some());
        let stream = in_stream.then(|| flow?.session.as_ref()).flatten().map(|session| {
            let max = wanted.map_or(0, |fields| fields.payload_max);
            transcript(session, dir, stream_before.max(session.released_to(dir)), u64::MAX, max)
        });
        // bytes of a stream are most likely of the transaction that came last
        let guessed = transactions
            .filter(|_| tx.is_none() && found.stream && found.frame.is_none())
            .and_then(|transactions| {
                let all = (0..transactions.count()).rev().filter_map(|nth| transactions.at(nth));
                all.into_iter().find(|tx| tx.concerns(dir) && tx.progress(dir) > 0)
            });
        let (tx, tx_guessed) = (tx.or(guessed), guessed.is_some());
        let event = AlertEvent {
            rule,
            packet,
            dir,
            flow,
            tx,
            tx_guessed,
            frame: found.frame.and_then(|id| flow?.app.frames().by_id(dir, id)),
            stream: stream.as_deref(),
            blocked: fate.blocked,
            otherwise: match (fate.passed, self.config.inline) {
                (true, _) => VerdictAction::Pass,
                (false, true) => VerdictAction::Alert,
                (false, false) => VerdictAction::Tap,
            },
            verdict: fate.verdict,
        };
        let facts = AlertFacts {
            candidate: candidate(&found, packet, flow).unwrap_or(Candidate {
                rule: found.rule,
                timestamp: packet.timestamp,
                source: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
                destination: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
                flow: 0,
                tx: found.tx,
                ports: None,
            }),
            judged: fate.judged,
            ends: flow.map(|flow| (flow.client, flow.server)).or(packet.ends()),
            packet_ends: packet.ends(),
            proto: packet.proto(),
            icmp: icmp_of(packet),
            app_proto: flow.and_then(|flow| flow.app.shown()).map(|id| self.protocols.name(id)),
            dropped: fate.blocked,
        };
        let line = self.recorder.alert(&event, &self.protocols).unwrap_or_default();
        self.batch.push(self.number, line, Some(facts));
    }

    /// Counts and records a packet that does not go on.
    pub(super) fn dropped(
        &mut self,
        packet: &Packet<'_>,
        dir: Direction,
        mut flow: Option<&mut Flow>,
        reason: Reason,
        because: Option<(&crate::detect::Rule, bool)>,
    ) {
        self.counters.dropped += 1;
        let Some(every) = self.recorder.config.drop else { return };
        if let Some(flow) = &mut flow {
            let told = std::mem::replace(&mut flow.drop_recorded[dir.index()], true);
            if told && !every {
                return;
            }
        }
        let line = self.recorder.drop(packet, dir, flow.as_deref(), reason, because);
        self.batch.push(self.number, line, None);
    }

    /// Notes the files that a match wants to have stored.
    fn mark(&self, rule: &crate::detect::Rule, found: &Match, dir: Direction, flow: &mut Flow) {
        use crate::detect::rule::{FileDirection, FileScope};
        let (Some(store), Some(tx), true) = (rule.file_store, found.tx, self.config.file_store.is_some())
        else {
            return;
        };
        let toward = match store.dir {
            Some(FileDirection::Matched) => Some(dir),
            Some(FileDirection::Is(dir)) => Some(dir),
            None => None,
        };
        let matched = flow.inspected.tx(tx)[dir.index()].files_from(found.rule).checked_sub(1);
        let one = matched.and_then(|nth| u16::try_from(nth).ok());
        let files = match (store.scope, store.dir, one) {
            (FileScope::File, Some(FileDirection::Matched), Some(nth)) => MarkedFiles::One(tx, nth),
            (FileScope::File | FileScope::Transaction, ..) => MarkedFiles::Transaction(tx),
            (FileScope::Flow, ..) => MarkedFiles::From(tx),
        };
        flow.inspected.mark(StoreMark { dir: toward, files, sid: rule.meta.sid });
    }
}

/// Whether what a rule does holds for the whole flow of the packet: when it matched on more than the packet.
fn is_about_flow(rule: &crate::detect::Rule, found: &Match) -> bool {
    if let Some(scope) = rule.scope {
        return scope == crate::rules::Scope::Flow;
    }
    match found.class {
        Class::Tx | Class::Frame | Class::Address | Class::Detection => true,
        Class::Stream | Class::PacketStream => found.stream,
        // a rule that is nothing but its head
        Class::Packet => rule.flow.is_none() && rule.parts.is_empty() && rule.packet_tests.is_empty(),
        Class::Event => false,
    }
}

/// What a `tag` asks for, from now on.
fn tag_begins(tag: crate::detect::rule::Tag, now: Timestamp) -> Tagged {
    use crate::detect::rule::TagMetric;
    match tag.metric {
        TagMetric::Packets => Tagged::Packets(tag.count),
        TagMetric::Bytes => Tagged::Bytes(u64::from(tag.count)),
        TagMetric::Seconds => {
            Tagged::Until(Timestamp(now.0.saturating_add(u64::from(tag.count) * 1_000_000_000)))
        }
    }
}

/// What hosts are judged by.
fn candidate(found: &Match, packet: &Packet<'_>, flow: Option<&Flow>) -> Option<Candidate> {
    let Match { rule, tx, .. } = *found;
    Some(Candidate {
        rule,
        timestamp: packet.timestamp,
        source: packet.source_ip()?,
        destination: packet.destination_ip()?,
        flow: flow.map_or(0, |flow| flow.id.0),
        tx,
        ports: packet.ports(),
    })
}
