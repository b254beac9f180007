//! The `mqtt` object of EVE.

use super::message::{Body, Connect, Message, Property};
use super::transaction::MqttTx;
use crate::json::JsonWriter;

/// Of messages, by number.
const KINDS: [&str; 16] = [
    "unassigned",
    "connect",
    "connack",
    "publish",
    "puback",
    "pubrec",
    "pubrel",
    "pubcomp",
    "subscribe",
    "suback",
    "unsubscribe",
    "unsuback",
    "pingreq",
    "pingresp",
    "disconnect",
    "auth",
];

/// One member for each message of the exchange.
pub(super) fn exchange(tx: &MqttTx, out: &mut JsonWriter) {
    out.open_object("mqtt");
    for message in &tx.messages {
        let Some(name) = KINDS.get(usize::from(message.kind)) else { continue };
        out.open_object(name);
        body(message, tx.options.passwords, out);
        out.close();
    }
    out.close();
}

fn body(message: &Message, passwords: bool, out: &mut JsonWriter) {
    out.number("qos", message.qos());
    out.flag("retain", message.flags & 1 != 0);
    out.flag("dup", message.flags & 8 != 0);
    match &message.body {
        Body::Connect(message) => connect(message, passwords, out),
        Body::Connack { present, code, properties: list } => {
            out.flag("session_present", *present);
            out.number("return_code", *code);
            properties(list, out);
        }
        Body::Publish { topic, id, message, properties: list } => {
            out.bytes("topic", topic);
            if let Some(id) = id {
                out.number("message_id", *id);
            }
            out.bytes("message", message);
            properties(list, out);
        }
        Body::Acknowledge { id, code, properties: list } => {
            out.number("message_id", *id);
            if let Some(code) = code {
                out.number("reason_code", *code);
            }
            properties(list, out);
        }
        Body::Subscribe { id, topics, properties: list } => {
            out.number("message_id", *id);
            out.open_array("topics");
            for (topic, qos) in topics {
                out.open();
                out.bytes("topic", topic);
                out.number("qos", *qos);
                out.close();
            }
            out.close_array();
            properties(list, out);
        }
        Body::Suback { id, codes } => {
            out.number("message_id", *id);
            numbers("qos_granted", codes, out);
        }
        Body::Unsubscribe { id, topics, properties: list } => {
            out.number("message_id", *id);
            out.open_array("topics");
            topics.iter().for_each(|topic| out.element(topic));
            out.close_array();
            properties(list, out);
        }
        Body::Unsuback { id, codes } => {
            out.number("message_id", *id);
            if let Some(codes) = codes {
                numbers("reason_codes", codes, out);
            }
        }
        Body::Ping => {}
        Body::Reason { code, properties: list } => {
            if let Some(code) = code {
                out.number("reason_code", *code);
            }
            properties(list, out);
        }
        Body::Skipped(len) => {
            out.flag("truncated", true);
            out.number("skipped_length", *len as u64);
        }
    }
}

fn connect(connect: &Connect, passwords: bool, out: &mut JsonWriter) {
    out.bytes("protocol_string", &connect.name);
    out.number("protocol_version", connect.version);
    out.bytes("client_id", &connect.client);
    out.open_object("flags");
    for (name, bit) in [
        ("username", 0x80),
        ("password", 0x40),
        ("will_retain", 0x20),
        ("will", 0x04),
        ("clean_session", 0x02),
    ] {
        out.flag(name, connect.flags & bit != 0);
    }
    out.close();
    if let Some(username) = &connect.username {
        out.bytes("username", username);
    }
    if let Some(password) = connect.password.as_ref().filter(|_| passwords) {
        out.bytes("password", password);
    }
    if let Some((topic, message, list)) = &connect.will {
        out.open_object("will");
        out.bytes("topic", topic);
        out.bytes("message", message);
        properties(list, out);
        out.close();
    }
    properties(&connect.properties, out);
}

fn numbers(key: &'static str, numbers: &[u8], out: &mut JsonWriter) {
    out.open_array(key);
    numbers.iter().for_each(|number| out.element_number(*number));
    out.close_array();
}

fn properties(list: &[Property], out: &mut JsonWriter) {
    if list.is_empty() {
        return;
    }
    out.open_object("properties");
    for property in list {
        match property {
            Property::Number(name, number) => out.number(name, *number),
            Property::Text(name, text) => out.bytes(name, text),
            Property::Pair(name, value) => {
                out.named(&String::from_utf8_lossy(name));
                out.element(value);
            }
        }
    }
    out.close();
}
