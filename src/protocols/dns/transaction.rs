//! A DNS transaction: one message, request or response.

use super::log::{self, Wanted};
use super::message::{Data, Message, Record};
use super::name::Name;
use super::slots;
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// One message. A request and its response are two transactions.
#[derive(Debug)]
pub(super) struct DnsTx {
    id: u64,
    pub(super) dir: Direction,
    pub(super) message: Message,
    events: Vec<(Direction, &'static str)>,
    wanted: Wanted,
}

impl DnsTx {
    /// Around a message that went in that direction: requests to the server, responses to the client.
    pub(super) fn new(id: u64, dir: Direction, message: Message, wanted: Wanted) -> Self {
        let odd = message.names.odd;
        let found = [
            (message.header.z(), "z_flag_set"),
            (message.header.opcode() >= 7, "invalid_opcode"),
            (odd.truncated, "name_too_long"),
            (odd.infinite_loop, "infinite_loop"),
            (odd.too_many_labels, "too_many_labels"),
        ];
        let events = found.into_iter().filter(|(seen, _)| *seen).map(|(_, name)| (dir, name)).collect();
        DnsTx { id, dir, message, events, wanted }
    }

    fn is_request(&self) -> bool {
        self.dir == Direction::ToServer
    }

    fn text(&self, name: Option<Name>) -> Option<&[u8]> {
        Some(self.message.names.text(name?))
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.message.memory()
    }
}

impl Transaction for DnsTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let message = &self.message;
        let owner = |records: &[Record]| records.get(nth).map(|record| record.name);
        self.text(match slot {
            slots::QUERY if self.is_request() => message.questions.get(nth).map(|question| question.name),
            slots::QUERIES_RRNAME => message.questions.get(nth).map(|question| question.name),
            slots::ANSWERS_RRNAME => owner(&message.answers),
            slots::AUTHORITIES_RRNAME => owner(&message.authorities),
            slots::ADDITIONALS_RRNAME => owner(&message.additionals),
            slots::RESPONSE_RRNAME if !self.is_request() => response_name(message, nth),
            _ => None,
        })
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        let message = &self.message;
        match slot {
            slots::OPCODE if nth == 0 => Some(message.header.opcode().into()),
            slots::RCODE if nth == 0 && !self.is_request() => Some(message.header.rcode().into()),
            slots::RRTYPE => {
                let asked = message.questions.len();
                let rrtype = match message.questions.get(nth) {
                    Some(question) => question.rrtype,
                    None => message.answers.get(nth - asked)?.rrtype,
                };
                Some(rrtype.0.into())
            }
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn logs(&self) -> bool {
        self.records() > 0
    }

    fn records(&self) -> usize {
        match self.dir {
            Direction::ToServer if self.wanted.requests => {
                self.message.questions.iter().filter(|question| self.wanted.wants(question.rrtype)).count()
            }
            // A response to nothing tells nothing; further questions of one that has many are not repeated.
            Direction::ToClient if self.wanted.responses => usize::from(
                self.message.questions.first().is_some_and(|question| self.wanted.wants(question.rrtype)),
            ),
            _ => 0,
        }
    }

    fn record_has_id(&self) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        self.log_record(0, out);
    }

    fn log_record(&self, nth: usize, out: &mut JsonWriter) {
        out.open_object("dns");
        out.number("version", 2u8);
        match self.dir {
            Direction::ToServer => {
                let mut questions =
                    self.message.questions.iter().filter(|question| self.wanted.wants(question.rrtype));
                if let Some(question) = questions.nth(nth) {
                    log::query(&self.message, question, self.id, out);
                }
            }
            Direction::ToClient => {
                log::answer_head(&self.message, out);
                log::answers(&self.message, &self.wanted, out);
                log::authorities(&self.message, out);
            }
        }
        out.close();
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        out.open_object("dns");
        out.number("version", 2u8);
        if !self.message.questions.is_empty() {
            match self.dir {
                Direction::ToServer => {
                    out.open_array("query");
                    for question in &self.message.questions {
                        out.open();
                        log::query(&self.message, question, self.id, out);
                        out.close();
                    }
                    out.close_array();
                }
                Direction::ToClient => {
                    out.open_object("answer");
                    out.number("version", 2u8);
                    log::answer_head(&self.message, out);
                    log::authorities(&self.message, out);
                    out.close();
                }
            }
        }
        out.close();
    }
}

/// The `nth` of all names of a response, in the order of the message, owners before the names in their data.
pub(super) fn response_name(message: &Message, nth: usize) -> Option<Name> {
    let records = [&message.answers, &message.authorities, &message.additionals];
    let in_records = records.into_iter().flatten().flat_map(|record| {
        let inner = match record.data {
            Data::Name(name) => [Some(name), None],
            Data::Soa { mname, rname, .. } => [Some(mname), Some(rname)],
            Data::Srv { target, .. } => [Some(target), None],
            _ => [None, None],
        };
        std::iter::once(record.name).chain(inner.into_iter().flatten())
    });
    message.questions.iter().map(|question| question.name).chain(in_records).nth(nth)
}
