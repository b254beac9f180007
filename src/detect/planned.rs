//! Protocols that the rule language knows and this engine has no parser for yet: their rules are refused by that reason, not as
//! misspelt. A protocol that gets a parser leaves this list (a test of `protocols` holds the two apart).

/// Their names in rules' heads and in `app-layer-event`, and what their keywords begin with.
pub const WITHOUT_PARSER: &[&str] = &[
    "bittorrent-dht",
    "cip",
    "dnp3",
    "doh2",
    "enip",
    "ftp",
    "ftp-data",
    "ike",
    "ikev1",
    "ikev2",
    "imap",
    "ldap",
    "mdns",
    "modbus",
    "mysql",
    "nfs",
    "ntp",
    "pop3",
    "rdp",
    "ssh",
    "tftp",
    "websocket",
];

/// The protocol without a parser that a word of a head or of an event names.
pub fn protocol_without_parser(name: &str) -> Option<&'static str> {
    WITHOUT_PARSER.iter().find(|known| name.eq_ignore_ascii_case(known)).copied()
}

/// The protocol without a parser that a keyword belongs to: `dnp3_func`, `ssh_proto`.
pub fn keyword_without_parser(name: &str) -> Option<&'static str> {
    /// Keywords whose names do not begin with that of their protocol.
    const OTHERS: &[(&str, &str)] = &[("ftpbounce", "ftp"), ("ftpdata", "ftp-data")];
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
            ("dnp3", Some("dnp3")),
            ("NFS", Some("nfs")),
            ("ftp-data", Some("ftp-data")),
            ("htpp", None),
            ("smbx", None),
        ] {
            assert_eq!(protocol_without_parser(name), expected, "{name}");
        }
        for (name, expected) in [
            ("dnp3_func", Some("dnp3")),
            ("ike.init_spi", Some("ike")),
            ("ftpdata_command", Some("ftp-data")),
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
