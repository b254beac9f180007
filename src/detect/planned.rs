//! Protocols that the rule language knows and this engine has no parser for yet: their rules are refused by that reason, not as
//! misspelt. A protocol that gets a parser leaves this list (a test of `protocols` holds the two apart).

/// Their names in rules' heads and in `app-layer-event`, and what their keywords begin with.
pub const WITHOUT_PARSER: &[&str] = &[
    "bittorrent-dht",
    "cip",
    "dcerpc",
    "dhcp",
    "dnp3",
    "doh2",
    "enip",
    "http2",
    "ike",
    "ikev1",
    "ikev2",
    "imap",
    "krb5",
    "ldap",
    "mdns",
    "modbus",
    "mqtt",
    "mysql",
    "nfs",
    "ntp",
    "pgsql",
    "pop3",
    "quic",
    "rdp",
    "rfb",
    "sip",
    "smb",
    "smtp",
    "snmp",
    "telnet",
    "tftp",
    "vnc",
    "websocket",
];

/// The protocol without a parser that a word of a head or of an event names.
pub fn protocol_without_parser(name: &str) -> Option<&'static str> {
    WITHOUT_PARSER.iter().find(|known| name.eq_ignore_ascii_case(known)).copied()
}

/// The protocol without a parser that a keyword belongs to: `smb.share`, `ssh_proto`, `dce_iface`.
pub fn keyword_without_parser(name: &str) -> Option<&'static str> {
    /// Keywords whose names do not begin with that of their protocol.
    const OTHERS: &[(&str, &str)] =
        &[("dce_iface", "dcerpc"), ("dce_opnum", "dcerpc"), ("dce_stub_data", "dcerpc"), ("email", "smtp")];
    let stem = name.split(['.', '_']).next().unwrap_or(name);
    let other = OTHERS.iter().find(|(keyword, _)| *keyword == name || *keyword == stem);
    other.map(|(_, protocol)| *protocol).or_else(|| protocol_without_parser(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_assigned() {
        for (name, expected) in [
            ("smb", Some("smb")),
            ("SMTP", Some("smtp")),
            ("nfs", Some("nfs")),
            ("htpp", None),
            ("smbx", None),
        ] {
            assert_eq!(protocol_without_parser(name), expected, "{name}");
        }
        for (name, expected) in [
            ("smb.share", Some("smb")),
            ("krb5_err_code", Some("krb5")),
            ("dce_stub_data", Some("dcerpc")),
            ("email.from", Some("smtp")),
            ("contnet", None),
        ] {
            assert_eq!(keyword_without_parser(name), expected, "{name}");
        }
    }

    #[test]
    fn names_stand_once_in_order() {
        assert!(WITHOUT_PARSER.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
