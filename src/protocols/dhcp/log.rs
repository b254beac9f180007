//! The `dhcp` object of EVE.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::message::{Message, code};
use crate::json::JsonWriter;

/// RFC 2132 section 9.6, by number.
const TYPES: [&str; 9] =
    ["unknown", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"];

/// Options that clients ask for, by EVE's names; others are not shown.
const PARAMETERS: &[(u8, &str)] = &[
    (1, "subnet_mask"),
    (3, "router"),
    (6, "dns_server"),
    (15, "domain"),
    (35, "arp_timeout"),
    (42, "ntp_server"),
    (66, "tftp_server_name"),
    (150, "tftp_server_ip"),
];

/// One message; without `extended` who got what.
pub(super) fn message(message: &Message, extended: bool, out: &mut JsonWriter) {
    let [client, yours, next, relay] = message.addresses.map(Ipv4Addr::from);
    let reply = message.op == 2;
    out.open_object("dhcp");
    out.text(
        "type",
        match message.op {
            1 => "request",
            2 => "reply",
            _ => "<unknown>",
        },
    );
    out.number("id", message.id);
    out.text("client_mac", &hex(&message.client));
    out.plain("assigned_ip", yours);
    if extended {
        out.plain("client_ip", client);
        if reply {
            out.plain("relay_ip", relay);
            out.plain("next_server_ip", next);
        }
    }
    for (code, value) in &message.options {
        option(*code, value, extended, out);
    }
    out.close();
}

fn option(code: u8, value: &[u8], extended: bool, out: &mut JsonWriter) {
    let addresses = || value.as_chunks::<4>().0.iter().map(|bytes| Ipv4Addr::from(*bytes));
    let number = || value.try_into().map(u32::from_be_bytes).unwrap_or_default();
    match code {
        code::TYPE => {
            let kind = value.first().and_then(|kind| TYPES.get(usize::from(*kind)));
            out.text("dhcp_type", kind.unwrap_or(&TYPES[0]));
        }
        code::HOSTNAME => out.bytes("hostname", value),
        _ if !extended => {}
        code::CLIENT_ID => out.text("client_id", &hex(value.get(1..).unwrap_or_default())),
        code::REQUESTED_IP => addresses().for_each(|address| out.plain("requested_ip", address)),
        code::SUBNET_MASK => addresses().for_each(|address| out.plain("subnet_mask", address)),
        code::LEASE_TIME => out.number("lease_time", number()),
        code::RENEWAL_TIME => out.number("renewal_time", number()),
        code::REBINDING_TIME => out.number("rebinding_time", number()),
        code::VENDOR => out.bytes("vendor_class_identifier", value),
        code::ROUTERS | code::DNS_SERVERS => {
            out.open_array(if code == code::ROUTERS { "routers" } else { "dns_servers" });
            addresses().for_each(|address| out.element_text(&address.to_string()));
            out.close_array();
        }
        code::PARAMETERS => {
            out.open_array("params");
            for wanted in value {
                if let Some((_, name)) = PARAMETERS.iter().find(|(known, _)| known == wanted) {
                    out.element_text(name);
                }
            }
            out.close_array();
        }
        _ => {}
    }
}

/// `00:11:22`
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for byte in bytes {
        if !text.is_empty() {
            text.push(':');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}
