//! The `ike` object of EVE.

use super::message::{Attributes, Message};
use super::{names, slots};
use crate::json::JsonWriter;
use crate::protocols::reader::hex;
use crate::protocols::single::Record;
use crate::protocols::values::Values;
use crate::types::Direction;

impl Record for Message {
    fn log(&self, values: &Values, out: &mut JsonWriter) {
        write(self, values, self.extended, out);
    }

    fn log_in_alert(&self, values: &Values, out: &mut JsonWriter) {
        write(self, values, true, out);
    }

    fn memory(&self) -> usize {
        let proposals = self.proposals.iter().map(|all| 24 + all.capacity() * size_of::<(usize, u64)>());
        self.payloads.capacity()
            + self.notifies.capacity() * 2
            + proposals.sum::<usize>()
            + self.shared.memory()
    }
}

fn write(message: &Message, values: &Values, extended: bool, out: &mut JsonWriter) {
    let is_v1 = message.major == 1;
    out.open_object("ike");
    out.number("version_major", message.major);
    out.number("version_minor", message.minor);
    for (key, slot) in [("init_spi", slots::INIT_SPI), ("resp_spi", slots::RESP_SPI)] {
        out.bytes(key, values.text(slot, 0).unwrap_or_default());
    }
    out.number("message_id", message.id);
    out.number("exchange_type", message.exchange);
    if is_v1 {
        if let Some(name) = names::exchange_v1(message.exchange).filter(|_| extended) {
            out.text("exchange_type_verbose", name);
        }
        attributes_v1(&message.shared.chosen, out);
    } else {
        out.text("role", if message.is_initiator { "initiator" } else { "responder" });
        // of one kind the last is told, in the order of EVE, and what is not chosen is none
        let kinds = [
            (names::ALG_ENC, 11),
            (names::ALG_AUTH, 0),
            (names::ALG_PRF, 0),
            (names::ALG_DH, 0),
            (names::ALG_ESN, 0),
        ];
        for (kind, none) in kinds.iter().filter(|_| !message.is_initiator && message.shared.has_chosen) {
            let chosen = message.shared.chosen.iter().rev().find(|(known, _)| known == kind);
            let value = chosen.map_or(*none, |(_, value)| *value);
            out.text(names::ATTRIBUTES[*kind].0, &names::value_v2(*kind, value));
        }
    }
    out.open_array("payload");
    let mut told = Vec::new();
    for kind in &message.payloads {
        if is_v1 {
            if let Some(name) = names::payload_v1(*kind).filter(|_| !told.contains(kind)) {
                out.element_text(name);
                told.push(*kind);
            }
        } else {
            out.element_text(&names::payload_v2(*kind));
        }
    }
    out.close_array();
    if is_v1 {
        v1(message, values, out);
    } else {
        out.open_object("ikev2");
        out.number("errors", message.notifies.iter().filter(|kind| **kind < 16384).count() as u64);
        if !message.notifies.is_empty() {
            out.open_array("notify");
            message.notifies.iter().for_each(|kind| out.element_text(&names::notify(*kind)));
            out.close_array();
        }
        out.close();
    }
    out.close();
}

fn v1(message: &Message, values: &Values, out: &mut JsonWriter) {
    let shared = &message.shared;
    out.open_object("ikev1");
    if let Some(doi) = shared.doi {
        out.number("doi", doi);
    }
    out.flag("encrypted_payloads", message.is_encrypted);
    if !message.is_encrypted {
        for (key, dir) in [("client", Direction::ToServer), ("server", Direction::ToClient)] {
            out.open_object(key);
            for (key, length, text) in [
                ("key_exchange_payload", "key_exchange_payload_length", &shared.key_exchange[dir.index()]),
                ("nonce_payload", "nonce_payload_length", &shared.nonce[dir.index()]),
            ] {
                if !text.is_empty() {
                    out.text(key, &hex(text));
                    out.number(length, text.len() as u64);
                }
            }
            if dir == Direction::ToServer && !message.proposals.is_empty() {
                out.open_array("proposals");
                for proposal in &message.proposals {
                    out.open();
                    attributes_v1(proposal, out);
                    out.close();
                }
                out.close_array();
            }
            out.close();
        }
        if values.text(slots::VENDOR, 0).is_some() {
            out.open_array("vendor_ids");
            values.all(slots::VENDOR).for_each(|vendor| out.element(vendor));
            out.close_array();
        }
    }
    out.close();
}

fn attributes_v1(attributes: &Attributes, out: &mut JsonWriter) {
    let mut told = Vec::new();
    for (kind, value) in attributes {
        let Some((name, _)) = names::ATTRIBUTES.get(*kind).filter(|_| !told.contains(kind)) else { continue };
        told.push(*kind);
        out.text(name, names::value_v1(*kind, *value));
        out.named(&format!("{name}_raw"));
        out.element_number(*value);
    }
}
