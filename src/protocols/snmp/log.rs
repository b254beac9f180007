//! The `snmp` object of EVE.

use super::message::Message;
use super::slots;
use crate::json::JsonWriter;

/// RFC 3416 section 3, by number.
const KINDS: [&str; 9] = [
    "get_request",
    "get_next_request",
    "response",
    "set_request",
    "trap_v1",
    "get_bulk_request",
    "inform_request",
    "trap_v2",
    "report",
];

/// RFC 1157 section 4.1.1, by number; the later ones are shown as numbers.
const ERRORS: [&str; 6] = ["NoError", "TooBig", "NoSuchName", "BadValue", "ReadOnly", "GenErr"];

/// RFC 1157 section 4.1.6, by number.
const TRAPS: [&str; 7] = [
    "coldStart",
    "warmStart",
    "linkDown",
    "linkUp",
    "authenticationFailure",
    "egpNeighborLoss",
    "enterpriseSpecific",
];

/// One message.
pub(super) fn message(message: &Message, out: &mut JsonWriter) {
    let named = |names: &[&'static str], number: i64| {
        usize::try_from(number).ok().and_then(|at| names.get(at).copied())
    };
    out.open_object("snmp");
    out.number("version", message.version);
    let Some(kind) = message.kind else {
        out.text("pdu_type", "encrypted");
        out.close();
        return;
    };
    out.text("pdu_type", named(&KINDS, kind.into()).unwrap_or("unknown"));
    if message.error != 0 {
        match named(&ERRORS, message.error) {
            Some(name) => out.text("error", name),
            None => out.plain("error", format_args!("ErrorStatus({})", message.error)),
        }
    }
    if let Some(trap) = &message.trap {
        match named(&TRAPS, trap.kind) {
            Some(name) => out.text("trap_type", name),
            None => out.plain("trap_type", format_args!("TrapType({})", trap.kind)),
        }
        out.text("trap_oid", &trap.enterprise);
        out.plain("trap_address", std::net::Ipv4Addr::from(trap.address));
    }
    if message.values.text(slots::VARIABLE, 0).is_some() {
        out.open_array("vars");
        message.values.all(slots::VARIABLE).for_each(|name| out.element(name));
        out.close_array();
    }
    for (key, slot) in [("community", slots::COMMUNITY), ("usm", slots::USM)] {
        if let Some(text) = message.values.text(slot, 0) {
            out.bytes(key, text);
        }
    }
    out.close();
}
