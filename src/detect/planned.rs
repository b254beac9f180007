//! Protocols that the rule language knows and this engine has no parser for yet: their rules are refused by that reason, not as
//! misspelt. A protocol that gets a parser leaves this list (a test of `protocols` holds the two apart).

/// Their names in rules' heads and in `app-layer-event`, and what their keywords begin with.
pub const WITHOUT_PARSER: &[&str] = &[];

/// The protocol without a parser that a word of a head or of an event names.
pub fn protocol_without_parser(name: &str) -> Option<&'static str> {
    WITHOUT_PARSER.iter().find(|known| name.eq_ignore_ascii_case(known)).copied()
}

/// The protocol without a parser that a keyword belongs to: `dnp3_func`, `ike.init_spi`.
pub fn keyword_without_parser(name: &str) -> Option<&'static str> {
    protocol_without_parser(name.split(['.', '_']).next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_assigned() {
        for name in ["doh2", "ftp", "htpp", "smbx"] {
            assert_eq!(protocol_without_parser(name), None, "{name}");
        }
        for name in ["doh2_x", "ssh_proto", "contnet"] {
            assert_eq!(keyword_without_parser(name), None, "{name}");
        }
    }

    #[test]
    fn names_stand_once_in_order() {
        assert!(WITHOUT_PARSER.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
