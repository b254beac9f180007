//! A DCERPC transaction: one call.

use super::call::{self, Call, Kind};
use super::{pdu, slots};
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// One call of an association or conversation.
#[derive(Debug)]
pub(super) struct DcerpcTx {
    id: u64,
    pub(super) call: Call,
    /// Version of the protocol; `None` over datagrams, which make no records.
    pub(super) version: Option<(u8, u8)>,
    /// What a datagram belongs to: activity and sequence.
    pub(super) activity: ([u8; 16], u32),
    wants_stream: bool,
}

impl DcerpcTx {
    pub(super) fn new(id: u64, call: Call, version: Option<(u8, u8)>, wants_stream: bool) -> Self {
        DcerpcTx { id, call, version, activity: ([0; 16], 0), wants_stream }
    }
}

impl Transaction for DcerpcTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        if self.call.done[dir.index()] { DONE } else { slots::BEGUN }
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        self.call.bytes(slot, nth)
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        self.call.number(slot, nth)
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn ends_stream_chunk(&self, _: Direction) -> bool {
        self.wants_stream
    }

    fn is_little_endian(&self, dir: Direction) -> bool {
        self.call.little[dir.index()]
    }

    fn logs(&self) -> bool {
        self.version.is_some()
    }

    fn record_has_id(&self) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        let call = &self.call;
        out.open_object("dcerpc");
        match call.request {
            Some(kind) if kind != pdu::REQUEST || call.fragments[0] > 0 => {
                out.plain("request", Kind(kind));
                if kind == pdu::BIND {
                    let answer = |interface: &call::Interface, out: &mut JsonWriter| {
                        out.number("ack_result", interface.answer.map_or(0, |(result, _)| result));
                    };
                    call::log_interfaces(&call.interfaces, answer, out);
                }
                if kind == pdu::REQUEST {
                    out.open_object("req");
                    out.number("opnum", call.opnum);
                    call::log_stub(call, 0, out);
                    out.close();
                }
            }
            _ => out.text("request", "REQUEST_LOST"),
        }
        match call.response {
            Some(kind) if kind != pdu::RESPONSE || call.fragments[1] > 0 => {
                out.plain("response", Kind(kind));
                if kind == pdu::RESPONSE {
                    out.open_object("res");
                    call::log_stub(call, 1, out);
                    out.close();
                }
            }
            _ => out.text("response", "UNREPLIED"),
        }
        match self.version {
            Some((major, minor)) => {
                out.number("call_id", call.id);
                out.plain("rpc_version", format_args!("{major}.{minor}"));
            }
            None => {
                out.plain("activityuuid", call::Uuid(&self.activity.0));
                out.number("seqnum", self.activity.1);
                out.text("rpc_version", "4.0");
            }
        }
        out.close();
    }
}
