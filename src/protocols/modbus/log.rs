//! The `modbus` object of EVE.

use super::function::{self, access, category};
use super::message::{Content, Message, Write, flaw};
use super::transaction::ModbusTx;
use crate::json::JsonWriter;

/// One transaction.
pub(super) fn object(tx: &ModbusTx, out: &mut JsonWriter) {
    out.open_object("modbus");
    out.number("id", tx.count());
    for (key, message) in [("request", &tx.request), ("response", &tx.response)] {
        if let Some(message) = message {
            out.open_object(key);
            members(message, out);
            out.close();
        }
    }
    out.close();
}

fn flags(bits: u8, names: &[(u8, &str)]) -> String {
    let set: Vec<&str> =
        names.iter().filter(|(mask, _)| bits & mask == *mask).map(|(_, name)| *name).collect();
    if set.is_empty() { "NONE".to_owned() } else { set.join(" | ") }
}

fn members(message: &Message, out: &mut JsonWriter) {
    let function = message.raw & 0x7f;
    let is_exception = message.raw & 0x80 != 0;
    out.number("transaction_id", message.transaction);
    out.number("protocol_id", 0);
    out.number("unit_id", message.unit);
    out.number("function_raw", message.raw);
    out.text("function_code", function::known(function).map_or("Unknown", |(name, _)| name));
    out.text(
        "access_type",
        &flags(
            message.access,
            &[
                (access::READ, "READ"),
                (access::WRITE, "WRITE"),
                (access::DISCRETES, "DISCRETES"),
                (access::COILS, "COILS"),
                (access::INPUT, "INPUT"),
                (access::HOLDING, "HOLDING"),
                (access::SINGLE, "SINGLE"),
                (access::MULTIPLE, "MULTIPLE"),
                (access::WRITE | access::SINGLE, "WRITE_SINGLE"),
                (access::WRITE | access::MULTIPLE, "WRITE_MULTIPLE"),
            ],
        ),
    );
    // an exception to a diagnostic does not say which
    let category = if is_exception && matches!(function, 8 | 43) { 0 } else { message.category };
    out.text(
        "category",
        &flags(
            category,
            &[
                (category::PUBLIC_ASSIGNED, "PUBLIC_ASSIGNED"),
                (category::PUBLIC_UNASSIGNED, "PUBLIC_UNASSIGNED"),
                (category::USER_DEFINED, "USER_DEFINED"),
                (category::RESERVED, "RESERVED"),
            ],
        ),
    );
    out.text(
        "error_flags",
        &flags(
            message.flaws,
            &[
                (flaw::DATA_VALUE, "DATA_VALUE"),
                (flaw::DATA_LENGTH, "DATA_LENGTH"),
                (flaw::EXC_CODE, "EXC_CODE"),
                (flaw::FUNC_CODE, "FUNC_CODE"),
            ],
        ),
    );
    content(&message.content, out);
}

fn content(content: &Content, out: &mut JsonWriter) {
    let named =
        |key: &'static str, raw: u16, name: Option<&str>, data: Option<&[u8]>, out: &mut JsonWriter| {
            out.open_object(key);
            out.number("raw", raw);
            out.text("code", name.unwrap_or(if key == "diagnostic" { "Reserved" } else { "Unknown" }));
            if let Some(data) = data {
                out.bytes("data", data);
            }
            out.close();
        };
    match content {
        Content::Exception(code) => named("exception", (*code).into(), function::exception(*code), None, out),
        Content::Diagnostic(number, data) => {
            named("diagnostic", *number, function::diagnostic(*number), Some(data), out);
        }
        Content::Interface(kind, data) => {
            named("mei", (*kind).into(), function::interface(*kind), Some(data), out);
        }
        Content::Access { read, write } => {
            if let Some((address, quantity)) = read {
                out.open_object("read");
                out.number("address", *address);
                out.number("quantity", *quantity);
                out.close();
            }
            if let Some(write) = write {
                out.open_object("write");
                out.number("address", write.address());
                match write {
                    Write::One { value, .. } => out.number("data", *value),
                    Write::Many { quantity, data, .. } => {
                        out.number("quantity", *quantity);
                        out.bytes("data", data);
                    }
                    Write::Mask { and, or, .. } => {
                        out.number("and_mask", *and);
                        out.number("or_mask", *or);
                    }
                }
                out.close();
            }
        }
        Content::Values(data) => {
            out.open_object("read");
            out.bytes("data", data);
            out.close();
        }
        Content::Bytes(data) => out.bytes("data", data),
    }
}
