//! The `rdp` object of EVE.

use super::message::{Answer, Core, Message};
use super::names;
use crate::app::RecordEnds;
use crate::json::JsonWriter;
use crate::protocols::single::Record;
use crate::protocols::values::Values;
use crate::types::Direction;

/// A message with its number in the flow, from 1.
#[derive(Debug)]
pub(super) struct RdpRecord {
    pub(super) count: u64,
    /// `None` for what is no message but carries an event.
    pub(super) message: Option<Message>,
}

impl Record for RdpRecord {
    fn logs(&self) -> bool {
        self.message.is_some()
    }

    fn ends(&self, _dir: Direction) -> RecordEnds {
        RecordEnds::Packet
    }

    fn log(&self, _values: &Values, out: &mut JsonWriter) {
        out.open_object("rdp");
        out.number("tx_id", self.count);
        if let Some(message) = &self.message {
            members(message, out);
        }
        out.close();
    }

    fn memory(&self) -> usize {
        match &self.message {
            Some(Message::ConnectRequest(client)) => {
                let channels = client.channels.iter().flatten().map(|name| name.len() + 24).sum::<usize>();
                channels + 512
            }
            Some(Message::TlsHandshake(serials)) => serials.iter().map(|serial| serial.len() + 24).sum(),
            Some(Message::InitialRequest(request)) => request.cookie.as_ref().map_or(0, Vec::len),
            _ => 0,
        }
    }
}

fn texts(key: &'static str, list: impl Iterator<Item = &'static str>, out: &mut JsonWriter) {
    out.open_array(key);
    list.for_each(|text| out.element_text(text));
    out.close_array();
}

fn members(message: &Message, out: &mut JsonWriter) {
    match message {
        Message::InitialRequest(request) => {
            out.text("event_type", "initial_request");
            if let Some(cookie) = &request.cookie {
                out.bytes("cookie", cookie);
            }
            if request.flags != 0 {
                let named = [
                    (1, "restricted_admin_mode_required"),
                    (2, "redirected_authentication_mode_required"),
                    (8, "correlation_info_present"),
                ];
                texts("flags", set(request.flags.into(), &named), out);
            }
        }
        Message::InitialResponse(answer) => {
            out.text("event_type", "initial_response");
            match answer {
                Answer::Silent => {}
                Answer::Failure(code) => {
                    out.number("error_code", *code);
                    out.text("reason", numbered(names::FAILURES, *code).unwrap_or("unknown"));
                }
                Answer::Protocol { flags, protocol } => {
                    let named = [
                        (1, "extended_client_data"),
                        (2, "dynvc_gfx"),
                        (8, "restricted_admin"),
                        (16, "redirected_authentication"),
                    ];
                    if *flags != 0 {
                        texts("server_supports", set((*flags).into(), &named), out);
                    }
                    out.text("protocol", protocol);
                }
            }
        }
        Message::ConnectRequest(client) => {
            out.text("event_type", "connect_request");
            if let Some(found) = &client.core {
                out.open_object("client");
                core(found, out);
                out.close();
            }
            if let Some(channels) = &client.channels {
                out.open_array("channels");
                channels.iter().for_each(|name| out.element(name));
                out.close_array();
            }
        }
        Message::ConnectResponse => out.text("event_type", "connect_response"),
        Message::TlsHandshake(serials) => {
            out.text("event_type", "tls_handshake");
            out.open_array("x509_serials");
            serials.iter().for_each(|serial| out.element_text(serial));
            out.close_array();
        }
    }
}

fn set(bits: u16, named: &[(u16, &'static str)]) -> impl Iterator<Item = &'static str> {
    named.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| *name)
}

/// The name of a number that counts from 1.
fn numbered(names: &[&'static str], number: u32) -> Option<&'static str> {
    names.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

fn core(core: &Core, out: &mut JsonWriter) {
    out.text("version", names::version(core.version));
    out.number("desktop_width", core.size.0);
    out.number("desktop_height", core.size.1);
    if let Some(depth) = core.color_depth {
        out.number("color_depth", depth);
    }
    out.text("keyboard_layout", names::layout(core.layout));
    out.text("build", names::build(core.build));
    if !core.name.is_empty() {
        out.text("client_name", &core.name);
    }
    if let Some(kind) = numbered(names::KEYBOARDS, core.keyboard.0) {
        out.text("keyboard_type", kind);
    }
    if core.keyboard.1 != 0 {
        out.number("keyboard_subtype", core.keyboard.1);
    }
    if core.function_keys != 0 {
        out.number("function_keys", core.function_keys);
    }
    if let Some(product) = core.product {
        out.number("product_id", product);
    }
    if let Some(serial) = core.serial.filter(|serial| *serial != 0) {
        out.number("serial_number", serial);
    }
    if let Some(bits) = core.capabilities {
        texts("capabilities", set(bits, names::CAPABILITIES), out);
    }
    if !core.id.is_empty() {
        out.text("id", &core.id);
    }
    if let Some(kind) = core.connection.and_then(|kind| numbered(names::CONNECTIONS, kind.into())) {
        out.text("connection_hint", kind);
    }
}
