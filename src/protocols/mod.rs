//! The protocols, one folder each: recognition, parser, transactions, buffers, EVE record.
//!
//! A protocol knows nothing of flows or outputs; it answers through [`crate::app`]'s traits, and gives detection a table of
//! its buffers. To add one: a folder here, and one line in [`ALL`].

pub mod dns;
pub mod ftp;
pub mod ftp_data;
pub mod http;
pub mod ssh;
pub mod tls;

use crate::detect::ProtocolEntry;

/// Every protocol, in the order in which they are asked whether bytes are theirs.
pub static ALL: &[ProtocolEntry] =
    &[http::ENTRY, tls::ENTRY, ssh::ENTRY, ftp::ENTRY, ftp_data::ENTRY, dns::ENTRY];

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::detect::planned::protocol_without_parser;

    #[test]
    fn no_protocol_here_is_told_to_be_missing() {
        for entry in ALL {
            for name in std::iter::once(&entry.protocol.name()).chain(entry.protocol.aliases()) {
                assert_eq!(protocol_without_parser(name), None, "{name}");
            }
        }
    }
}
