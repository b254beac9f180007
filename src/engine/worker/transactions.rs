//! What is recorded of events, transactions and files.

use super::{Findings, Lane};
use crate::app::{DONE, File, FileState, Transaction};
use crate::decode::Packet;
use crate::engine::records;
use crate::flow::{Flow, FlowAction};
use crate::output::eve::{Anomaly, FileNote};
use crate::types::Direction;

impl Lane {
    /// Records of what is odd about a packet.
    pub(super) fn anomalies(&mut self, packet: &Packet<'_>, flow: Option<&Flow>, findings: &Findings) {
        if packet.events.is_empty() && findings.stream_events.is_empty() && findings.layer_events.is_empty() {
            return;
        }
        for event in findings.stream_events.iter() {
            *self.counters.stream_events.entry(event.name()).or_default() += 1;
        }
        let Some(types) = self.recorder.config.anomaly else { return };
        if types.decode {
            for event in packet.events.iter() {
                let line = self.recorder.anomaly(packet, flow, None, &Anomaly::Decode(event.name()));
                self.batch.push(self.number, line, None);
            }
        }
        if types.stream {
            for event in findings.stream_events.iter() {
                let line = self.recorder.anomaly(packet, flow, None, &Anomaly::Stream(event.name()));
                self.batch.push(self.number, line, None);
            }
        }
        if types.app_layer {
            let app_proto = flow.and_then(|flow| flow.app.protocol()).map(|id| self.protocols.name(id));
            for event in &findings.layer_events {
                let event = event.to_ascii_uppercase();
                let anomaly = Anomaly::App { app_proto, event: &event, layer: "proto_detect" };
                let line = self.recorder.anomaly(packet, flow, None, &anomaly);
                self.batch.push(self.number, line, None);
            }
        }
    }

    /// Records what transactions have become, and removes those that are done and inspected. `dir` is the packet's direction,
    /// `None` when nothing more will come of these transactions.
    pub(super) fn transactions(&mut self, packet: &Packet<'_>, flow: &mut Box<Flow>, dir: Option<Direction>) {
        let ending = dir.is_none();
        if !ending && !flow.inspected.unrecorded {
            return;
        }
        let Some(id) = flow.app.parser_protocol() else { return };
        let name = self.protocols.name(id);
        let (event_type, logger) = (self.protocols.event_type(id), self.protocols.logger(id));
        let Some(transactions) = flow.app.transactions() else { return };
        // nothing more comes of a direction whose depth is reached: on a long connection what waits for it would grow
        let cut = Direction::BOTH.map(|dir| {
            self.config.live && flow.session.as_ref().is_some_and(|session| session.depth_reached(dir))
        });
        let mut pending = flow.inspected.has_marks();
        let mut done: smallvec::SmallVec<[u64; 4]> = smallvec::SmallVec::new();
        let mut marks: smallvec::SmallVec<[(u64, crate::flow::inspected::Recorded); 4]> =
            smallvec::SmallVec::new();
        for nth in 0..transactions.count() {
            let Some(tx) = transactions.at(nth) else { continue };
            let before = flow.inspected.recorded(tx.id());
            let mut recorded = before;
            let finished = Direction::BOTH.map(|dir| {
                tx.progress(dir) == DONE || !tx.concerns(dir) || flow.app.gave_up(dir) || cut[dir.index()]
            });
            self.tx_events(packet, flow, name, tx, &mut recorded);
            for side in Direction::BOTH {
                // files are told of with a packet of the side that sent them
                if dir.is_none_or(|dir| dir == side) {
                    self.files(packet, flow, tx, side, &mut recorded, ending);
                }
                pending |= tx.files(side).len() > usize::from(recorded.files[side.index()]);
            }
            if (finished == [true; 2] || ending || tx.is_told_early()) && !recorded.logged {
                recorded.logged = true;
                *self.counters.transactions.entry(name).or_default() += 1;
                for nth in 0..tx.records() {
                    let other = tx.record_type(nth);
                    let logger = other.unwrap_or(logger);
                    if self.recorder.config.transactions.iter().any(|wanted| wanted == logger) {
                        let line =
                            self.recorder.transaction(packet, flow, tx, nth, other.unwrap_or(event_type));
                        self.batch.push(self.number, line, None);
                    }
                }
            }
            let inspected = |dir: &Direction| {
                !tx.concerns(*dir)
                    // what came whole before the parser failed, or was raised with the failure, is still to be inspected
                    || (flow.app.gave_up(*dir)
                        && tx.progress(*dir) != DONE
                        && !flow.inspected.moved[dir.index()])
                    || flow.inspected.is_done(tx.id(), *dir)
                    || (cut[dir.index()] && !flow.inspected.moved[dir.index()])
                    || flow.action != FlowAction::None
            };
            if finished == [true; 2] && recorded.logged && Direction::BOTH.iter().all(inspected) {
                for side in Direction::BOTH {
                    self.files(packet, flow, tx, side, &mut recorded, true);
                }
                done.push(tx.id());
            } else if recorded != before {
                marks.push((tx.id(), recorded));
            }
        }
        for (id, recorded) in marks {
            flow.inspected.set_recorded(id, recorded);
        }
        let depth = self.config.file_store.as_ref().and_then(|store| store.depth);
        if let (Some(depth), Some(session)) = (depth, &mut flow.session) {
            let carries = |dir| {
                let all = flow.app.transactions().into_iter().flat_map(|transactions| {
                    (0..transactions.count()).filter_map(|nth| transactions.at(nth))
                });
                all.into_iter().any(|tx| !tx.files(dir).is_empty())
            };
            for dir in Direction::BOTH {
                if carries(dir) {
                    session.deepen(dir, depth);
                }
            }
        }
        // nothing changes until something moves, is inspected or is judged
        flow.inspected.unrecorded = !ending && pending;
        for id in done {
            flow.inspected.forget(id);
            if let Some(transactions) = flow.app.transactions_mut() {
                transactions.remove(id);
            }
        }
    }

    fn tx_events(
        &mut self,
        packet: &Packet<'_>,
        flow: &Flow,
        name: &'static str,
        tx: &dyn Transaction,
        recorded: &mut crate::flow::inspected::Recorded,
    ) {
        let events = tx.events();
        let from = usize::from(recorded.events).min(events.len());
        recorded.events = u16::try_from(events.len()).unwrap_or(u16::MAX);
        if !self.recorder.config.anomaly.is_some_and(|types| types.app_layer) {
            return;
        }
        let capitals = flow.app.parser_protocol().is_some_and(|id| self.protocols.events_in_capitals(id));
        for (_, event) in &events[from..] {
            let event = if capitals { event.to_ascii_uppercase() } else { (*event).to_owned() };
            let anomaly = Anomaly::App { app_proto: Some(name), event: &event, layer: "proto_parser" };
            let line = self.recorder.anomaly(packet, Some(flow), Some(tx.id()), &anomaly);
            self.batch.push(self.number, line, None);
        }
    }

    pub(super) fn files(
        &mut self,
        packet: &Packet<'_>,
        flow: &Flow,
        tx: &dyn Transaction,
        dir: Direction,
        recorded: &mut crate::flow::inspected::Recorded,
        ending: bool,
    ) {
        // what rules want of a file is known once they were asked
        let asked = !flow.inspected.moved[dir.index()]
            || flow.action != FlowAction::None
            || flow.no_payload
            || flow.bypassed;
        if !asked && !ending {
            return;
        }
        for (nth, file) in tx.files(dir).iter().enumerate() {
            if file.state == FileState::Opened && !ending {
                break;
            }
            let told = nth < usize::from(recorded.files[dir.index()]);
            let bit = 1u128.checked_shl(nth as u32).unwrap_or(0);
            let tried = recorded.stored[dir.index()] & bit != 0;
            let mut note = FileNote::default();
            if let Some(store) = &self.config.file_store
                && !tried
            {
                note = records::note(Some(flow), tx.id(), dir, nth, true);
                note.storing |= store.force;
            }
            if told && !note.storing {
                continue;
            }
            if std::mem::take(&mut note.storing) {
                recorded.stored[dir.index()] |= bit;
                note.stored = self.store(file);
            }
            if !told {
                recorded.files[dir.index()] = u16::try_from(nth + 1).unwrap_or(u16::MAX);
            }
            let record = self.recorder.config.files && !told;
            if record || note.stored.is_some() {
                let line = self.recorder.file(packet, flow, dir, tx, (file, &note), &self.protocols);
                if let (Some(id), Some(sha256), Some(store)) =
                    (note.stored, &file.sha256, &self.config.file_store)
                {
                    store.store.info(sha256, packet.timestamp.0 / 1_000_000_000, id, line);
                }
                if record {
                    self.batch.push(self.number, line, None);
                }
            }
        }
    }

    /// Stores a file; its number when it is there now: one more for each, in the order they are stored. What cannot be stored is counted.
    pub(super) fn store(&mut self, file: &File) -> Option<u64> {
        let store = self.config.file_store.as_ref()?;
        let (Some(content), Some(sha256)) = (&file.content, &file.sha256) else {
            self.counters.files_unstorable += 1;
            return None;
        };
        store.store.store(sha256, content.bytes()).then(|| store.store.number())
    }
}
