//! The members of the `dns` object of EVE, version 2.

use std::fmt;
use std::net::Ipv4Addr;

use super::codes::{RCode, RrType};
use super::message::{Data, Message, Question, Record};
use super::name::Name;
use crate::app::Settings;
use crate::json::JsonWriter;

/// Which messages make records and how, from the settings under `eve`.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// `requests`: requests make records.
    pub(super) requests: bool,
    /// `responses`: responses make records.
    pub(super) responses: bool,
    /// `formats` has `detailed`: answers one by one.
    detailed: bool,
    /// `formats` has `grouped`: answers by type.
    grouped: bool,
    /// `types`: lower-case names of record types; all when absent.
    types: Option<std::sync::Arc<[String]>>,
}

impl Wanted {
    /// Read once.
    pub(super) fn new(settings: &Settings) -> Self {
        let formats = settings.list("eve.formats");
        let format = |name: &str| {
            formats.as_ref().is_none_or(|list| list.iter().any(|f| f.eq_ignore_ascii_case(name)))
        };
        Wanted {
            requests: settings.flag("eve.requests").unwrap_or(true),
            responses: settings.flag("eve.responses").unwrap_or(true),
            detailed: format("detailed"),
            grouped: format("grouped"),
            types: settings
                .list("eve.types")
                .filter(|list| !list.is_empty())
                .map(|list| list.iter().map(|name| name.to_ascii_lowercase()).collect()),
        }
    }

    /// Messages about that type make records.
    pub(super) fn wants(&self, rrtype: RrType) -> bool {
        match &self.types {
            None => true,
            Some(types) => {
                rrtype.name().is_some_and(|name| types.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
            }
        }
    }
}

/// A question of a request.
pub(super) fn query(message: &Message, question: &Question, tx_id: u64, out: &mut JsonWriter) {
    out.text("type", "query");
    out.number("id", message.header.id);
    name("rrname", "rrname_truncated", message, question.name, out);
    out.plain("rrtype", question.rrtype);
    out.number("tx_id", tx_id);
    if message.header.z() {
        out.flag("z", true);
    }
    out.number("opcode", message.header.opcode());
}

/// A response, up to its records.
pub(super) fn answer_head(message: &Message, out: &mut JsonWriter) {
    out.text("type", "answer");
    header(message, out);
    if let Some(question) = message.questions.first() {
        name("rrname", "rrname_truncated", message, question.name, out);
        out.plain("rrtype", question.rrtype);
    }
    rcode(message, out);
}

/// Number, flags and operation.
pub(super) fn header(message: &Message, out: &mut JsonWriter) {
    let header = message.header;
    out.number("id", header.id);
    out.plain("flags", format_args!("{:x}", header.flags));
    for (bit, key) in [(15, "qr"), (10, "aa"), (9, "tc"), (8, "rd"), (7, "ra"), (6, "z")] {
        if header.flags >> bit & 1 == 1 {
            out.flag(key, true);
        }
    }
    out.number("opcode", header.opcode());
}

/// `rcode`
pub(super) fn rcode(message: &Message, out: &mut JsonWriter) {
    out.plain("rcode", RCode(message.header.rcode()));
}

/// `queries`: names and types alone.
pub(super) fn queries(message: &Message, out: &mut JsonWriter) {
    if message.questions.is_empty() {
        return;
    }
    out.open_array("queries");
    for question in &message.questions {
        out.open();
        name("rrname", "rrname_truncated", message, question.name, out);
        out.plain("rrtype", question.rrtype);
        out.close();
    }
    out.close_array();
}

/// `answers` and `grouped`.
pub(super) fn answers(message: &Message, wanted: &Wanted, out: &mut JsonWriter) {
    if message.answers.is_empty() {
        return;
    }
    if wanted.detailed {
        records("answers", message, &message.answers, out);
    }
    if !wanted.grouped {
        return;
    }
    out.open_object("grouped");
    let mut seen: smallvec::SmallVec<[RrType; 8]> = smallvec::SmallVec::new();
    for record in &message.answers {
        if matches!(record.data, Data::Other) || seen.contains(&record.rrtype) {
            continue;
        }
        seen.push(record.rrtype);
        let Some(key) = record.rrtype.name() else { continue };
        out.open_array(key);
        for one in message.answers.iter().filter(|one| one.rrtype == record.rrtype) {
            element(message, one, out);
        }
        out.close_array();
    }
    out.close();
}

/// `authorities`.
pub(super) fn authorities(message: &Message, out: &mut JsonWriter) {
    if !message.authorities.is_empty() {
        records("authorities", message, &message.authorities, out);
    }
}

/// Records of a section.
pub(super) fn records(key: &'static str, message: &Message, records: &[Record], out: &mut JsonWriter) {
    out.open_array(key);
    for record in records {
        out.open();
        name("rrname", "rrname_truncated", message, record.name, out);
        out.plain("rrtype", record.rrtype);
        out.number("ttl", record.ttl);
        match record.data {
            Data::V4(address) => out.plain("rdata", Ipv4Addr::from(address)),
            Data::V6(address) => out.plain("rdata", Groups(address)),
            Data::NoAddress => out.text("rdata", ""),
            Data::Name(target) => name("rdata", "rdata_truncated", message, target, out),
            Data::Text(text) => out.bytes("rdata", message.names.text(text)),
            Data::Soa { .. } | Data::Srv { .. } | Data::Sshfp { .. } => {
                out.open_object(match record.rrtype {
                    RrType::SOA => "soa",
                    RrType::SRV => "srv",
                    _ => "sshfp",
                });
                members(message, record, out);
                out.close();
            }
            Data::Other => {}
        }
        out.close();
    }
    out.close_array();
}

/// A record's data as an array element.
fn element(message: &Message, record: &Record, out: &mut JsonWriter) {
    match record.data {
        Data::V4(address) => out.element(Ipv4Addr::from(address).to_string().as_bytes()),
        Data::V6(address) => out.element(Groups(address).to_string().as_bytes()),
        Data::NoAddress => out.element(b""),
        Data::Name(text) | Data::Text(text) => out.element(message.names.text(text)),
        Data::Soa { .. } | Data::Srv { .. } | Data::Sshfp { .. } => {
            out.open();
            members(message, record, out);
            out.close();
        }
        Data::Other => {}
    }
}

fn members(message: &Message, record: &Record, out: &mut JsonWriter) {
    match record.data {
        Data::Soa { mname, rname, serial, refresh, retry, expire, minimum } => {
            name("mname", "mname_truncated", message, mname, out);
            name("rname", "rname_truncated", message, rname, out);
            for (key, value) in [
                ("serial", serial),
                ("refresh", refresh),
                ("retry", retry),
                ("expire", expire),
                ("minimum", minimum),
            ] {
                out.number(key, value);
            }
        }
        Data::Srv { priority, weight, port, target } => {
            out.number("priority", priority);
            out.number("weight", weight);
            out.number("port", port);
            name("name", "name_truncated", message, target, out);
        }
        Data::Sshfp { algorithm, kind, fingerprint } => {
            out.plain("fingerprint", Colons(message.names.text(fingerprint)));
            out.number("algo", algorithm);
            out.number("type", kind);
        }
        _ => {}
    }
}

fn name(key: &'static str, truncated: &'static str, message: &Message, name: Name, out: &mut JsonWriter) {
    out.bytes(key, message.names.text(name));
    if name.truncated {
        out.flag(truncated, true);
    }
}

/// An IPv6 address in eight groups of four digits.
struct Groups([u8; 16]);

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pair) in self.0.chunks(2).enumerate() {
            if at > 0 {
                f.write_str(":")?;
            }
            for byte in pair {
                write!(f, "{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Bytes in hexadecimal with colons between.
struct Colons<'a>(&'a [u8]);

impl fmt::Display for Colons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if at > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}
