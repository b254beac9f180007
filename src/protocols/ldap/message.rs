//! Messages: what is asked for, and what is answered, RFC 4511 section 4.

use super::names::{OPERATIONS, RESULTS, named};
use super::slots::*;
use super::{filter, parser};
use crate::json::JsonWriter;
use crate::protocols::ber::{self, Malformed, OCTETS, Reader, SEQUENCE};
use crate::protocols::values::Values;

const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0a;
const SET: u8 = 0x31;

/// Bytes of a text, and texts of a list, in a record.
const SHOWN_MAX: usize = 1024;
const LIST_MAX: usize = 32;

/// Operations by their number.
pub(super) mod operation {
    pub(in super::super) const BIND: u8 = 0;
    pub(in super::super) const UNBIND: u8 = 2;
    pub(in super::super) const SEARCH: u8 = 3;
    pub(in super::super) const ENTRY: u8 = 4;
    pub(in super::super) const MODIFY: u8 = 6;
    pub(in super::super) const ADD: u8 = 8;
    pub(in super::super) const DELETE: u8 = 10;
    pub(in super::super) const RENAME: u8 = 12;
    pub(in super::super) const COMPARE: u8 = 14;
    pub(in super::super) const ABANDON: u8 = 16;
    pub(in super::super) const REFERENCE: u8 = 19;
    pub(in super::super) const EXTENDED: u8 = 23;
    pub(in super::super) const EXTENDED_RESPONSE: u8 = 24;
    pub(in super::super) const INTERMEDIATE: u8 = 25;
}

/// Of a whole message: its number, its operation and what the operation says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) id: u64,
    pub(super) operation: u8,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Out of what is in the sequence around it.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let mut reader = Reader::new(bytes);
        let id = u64::try_from(reader.integer()?).map_err(|_| Malformed)?;
        let (tag, body) = reader.any()?;
        let operation = tag & 0x1f;
        if tag & 0xc0 != 0x40 || named(OPERATIONS, operation.into()).is_none() {
            return Err(Malformed);
        }
        Ok(Message { id, operation, body })
    }

    /// Whether it is the client's to say.
    pub(super) fn is_request(&self) -> bool {
        use operation::*;
        matches!(
            self.operation,
            BIND | UNBIND | SEARCH | MODIFY | ADD | DELETE | RENAME | COMPARE | ABANDON | EXTENDED
        )
    }

    /// Whether others with the same number may follow it.
    pub(super) fn is_partial(&self) -> bool {
        use operation::*;
        matches!(self.operation, ENTRY | REFERENCE | INTERMEDIATE)
    }

    /// A bind by SASL: what follows it may be signed or sealed.
    pub(super) fn is_sasl(&self) -> bool {
        let bind = || {
            let mut body = Reader::new(self.body);
            body.integer().ok()?;
            body.expect(OCTETS).ok()?;
            Some(body.peek()? == 0xa3)
        };
        self.operation == operation::BIND && bind() == Some(true)
    }

    /// A request to begin TLS.
    pub(super) fn is_start_tls(&self) -> bool {
        self.operation == operation::EXTENDED
            && Reader::new(self.body).expect(0x80).is_ok_and(|name| name == b"1.3.6.1.4.1.1466.20037")
    }

    /// An extended answer that agrees.
    pub(super) fn agrees(&self) -> bool {
        self.operation == operation::EXTENDED_RESPONSE
            && Reader::new(self.body).expect(ENUMERATED).is_ok_and(|code| code == [0])
    }

    fn begin(&self, out: &mut JsonWriter) {
        let name = named(OPERATIONS, self.operation.into()).unwrap_or_default();
        out.number("message_id", self.id);
        out.text("operation", name);
        out.open_object(name);
    }

    /// What it asks for, in `values` as far as it can be read.
    pub(super) fn request(&self, values: &mut Values) -> Result<(), Malformed> {
        values.push_number(REQUEST_OPERATION, self.operation);
        let mut out = JsonWriter::new();
        self.begin(&mut out);
        let read = self.asked(values, &mut out);
        out.close();
        values.push(SHOWN_REQUEST, &out.take());
        read
    }

    fn asked(&self, values: &mut Values, out: &mut JsonWriter) -> Result<(), Malformed> {
        use operation::*;
        let mut body = Reader::new(self.body);
        match self.operation {
            BIND => {
                out.number("version", body.integer()?);
                name("name", body.expect(OCTETS)?, REQUEST_DN, values, out);
                let (tag, credentials) = body.any()?;
                if tag == 0xa3 {
                    out.open_object("sasl");
                    let mechanism = Reader::new(credentials).expect(OCTETS);
                    if let Ok(mechanism) = mechanism {
                        out.bytes("mechanism", shown(mechanism));
                    }
                    out.close();
                    mechanism?;
                }
            }
            SEARCH => {
                name("base_object", body.expect(OCTETS)?, REQUEST_DN, values, out);
                out.number("scope", ber::integer(body.expect(ENUMERATED)?)?);
                out.number("deref_alias", ber::integer(body.expect(ENUMERATED)?)?);
                out.number("size_limit", body.integer()?);
                out.number("time_limit", body.integer()?);
                out.flag("types_only", body.expect(BOOLEAN)?.first().is_some_and(|flag| *flag != 0));
                let text = filter::written(&mut body)?;
                values.push(REQUEST_FILTER, &text);
                out.bytes("filter", shown(&text));
                let mut attributes = body.enter(SEQUENCE)?;
                let mut names = Vec::new();
                while !attributes.is_empty() {
                    let attribute = attributes.expect(OCTETS)?;
                    values.push(REQUEST_ATTRIBUTE, attribute);
                    names.push(attribute);
                }
                out.open_array("attributes");
                for attribute in names.into_iter().take(LIST_MAX) {
                    out.open();
                    out.bytes("name", shown(attribute));
                    out.close();
                }
                out.close_array();
            }
            MODIFY => {
                name("object", body.expect(OCTETS)?, REQUEST_DN, values, out);
                let mut changes = body.enter(SEQUENCE)?;
                let (mut shown_changes, mut failed) = (0, None);
                out.open_array("changes");
                while !changes.is_empty() && failed.is_none() {
                    let mut read = || {
                        let mut change = changes.enter(SEQUENCE)?;
                        let kind = ber::integer(change.expect(ENUMERATED)?)?;
                        let mut modified = change.enter(SEQUENCE)?;
                        Ok((kind, modified.expect(OCTETS)?))
                    };
                    match read() {
                        Ok((kind, attribute)) => {
                            values.push(REQUEST_ATTRIBUTE, attribute);
                            shown_changes += 1;
                            if shown_changes <= LIST_MAX {
                                out.open();
                                match usize::try_from(kind)
                                    .ok()
                                    .and_then(|at| ["add", "delete", "replace"].get(at))
                                {
                                    Some(kind) => out.text("operation", kind),
                                    None => out.number("operation", kind),
                                }
                                out.bytes("modification_type", shown(attribute));
                                out.close();
                            }
                        }
                        Err(Malformed) => failed = Some(Malformed),
                    }
                }
                out.close_array();
                return failed.map_or(Ok(()), Err);
            }
            ADD => {
                name("entry", body.expect(OCTETS)?, REQUEST_DN, values, out);
                attributes(body.enter(SEQUENCE)?, REQUEST_ATTRIBUTE, None, values, out)?;
            }
            // the name itself, without a tag of its own
            DELETE => name("dn", self.body, REQUEST_DN, values, out),
            RENAME => {
                name("entry", body.expect(OCTETS)?, REQUEST_DN, values, out);
                out.bytes("new_rdn", shown(body.expect(OCTETS)?));
                out.flag("delete_old_rdn", body.expect(BOOLEAN)?.first().is_some_and(|flag| *flag != 0));
                if let Some(superior) = body.optional(0x80)? {
                    out.bytes("new_superior", shown(superior));
                }
            }
            COMPARE => {
                name("entry", body.expect(OCTETS)?, REQUEST_DN, values, out);
                let mut asserted = body.enter(SEQUENCE)?;
                let attribute = asserted.expect(OCTETS)?;
                values.push(REQUEST_ATTRIBUTE, attribute);
                out.bytes("attribute_description", shown(attribute));
            }
            ABANDON => out.number("message_id", ber::integer(self.body)?),
            EXTENDED => {
                let oid = body.expect(0x80)?;
                values.push(REQUEST_NAME, oid);
                out.bytes("name", shown(oid));
            }
            _ => {}
        }
        Ok(())
    }

    /// What it answers.
    pub(super) fn response(&self, values: &mut Values) -> Result<(), Malformed> {
        values.push_number(RESPONSES_OPERATION, self.operation);
        if values.memory() >= parser::KEPT_MAX {
            return Ok(());
        }
        let mut out = JsonWriter::new();
        self.begin(&mut out);
        let read = self.answered(values, &mut out);
        out.close();
        values.push(SHOWN_RESPONSE, &out.take());
        read
    }

    fn answered(&self, values: &mut Values, out: &mut JsonWriter) -> Result<(), Malformed> {
        use operation::*;
        let mut body = Reader::new(self.body);
        match self.operation {
            ENTRY => {
                name("base_object", body.expect(OCTETS)?, RESPONSES_DN, values, out);
                attributes(body.enter(SEQUENCE)?, RESPONSES_ATTRIBUTE, Some(RESPONSES_VALUE), values, out)?;
            }
            REFERENCE => {
                while !body.is_empty() {
                    values.push(RESPONSES_VALUE, body.expect(OCTETS)?);
                }
            }
            INTERMEDIATE => {
                if let Some(oid) = body.optional(0x80)? {
                    out.bytes("name", shown(oid));
                }
            }
            _ => {
                let code = ber::integer(body.expect(ENUMERATED)?)?;
                values.push_number(RESPONSES_RESULT, code.cast_unsigned());
                match named(RESULTS, code.cast_unsigned()) {
                    Some(result) => out.text("result_code", result),
                    None => out.number("result_code", code),
                }
                name("matched_dn", body.expect(OCTETS)?, RESPONSES_DN, values, out);
                let message = body.expect(OCTETS)?;
                values.push(RESPONSES_MESSAGE, message);
                out.bytes("message", shown(message));
                // where else to ask
                if let Some(referral) = body.optional(0xa3)? {
                    let mut referral = Reader::new(referral);
                    while !referral.is_empty() {
                        values.push(RESPONSES_VALUE, referral.expect(OCTETS)?);
                    }
                }
                if self.operation == EXTENDED_RESPONSE
                    && let Some(oid) = body.optional(0x8a)?
                {
                    out.bytes("name", shown(oid));
                }
            }
        }
        Ok(())
    }
}

fn shown(text: &[u8]) -> &[u8] {
    text.get(..SHOWN_MAX).unwrap_or(text)
}

fn name(key: &'static str, text: &[u8], slot: crate::app::Slot, values: &mut Values, out: &mut JsonWriter) {
    values.push(slot, text);
    out.bytes(key, shown(text));
}

/// PartialAttributeList: each with its values.
fn attributes(
    mut list: Reader<'_>,
    slot: crate::app::Slot,
    value_slot: Option<crate::app::Slot>,
    values: &mut Values,
    out: &mut JsonWriter,
) -> Result<(), Malformed> {
    let mut found = Vec::new();
    let mut read = || {
        while !list.is_empty() {
            let mut attribute = list.enter(SEQUENCE)?;
            let kind = attribute.expect(OCTETS)?;
            values.push(slot, kind);
            let mut inside = attribute.enter(SET)?;
            if found.len() < LIST_MAX {
                found.push((kind, inside));
            }
            while let (Some(slot), false) = (value_slot, inside.is_empty()) {
                values.push(slot, inside.expect(OCTETS)?);
            }
        }
        Ok(())
    };
    let whole = read();
    out.open_array("attributes");
    for (kind, mut inside) in found {
        out.open();
        out.bytes("type", shown(kind));
        out.open_array("values");
        let mut left = LIST_MAX;
        while let (1.., Ok(value)) = (left, inside.expect(OCTETS)) {
            left -= 1;
            out.element(shown(value));
        }
        out.close_array();
        out.close();
    }
    out.close_array();
    whole
}
