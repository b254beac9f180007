//! The protocols, one folder each: recognition, parser, transactions, buffers, EVE record.
//!
//! A protocol knows nothing of flows or outputs; it answers through [`crate::app`]'s traits, and gives detection a table of
//! its buffers. To add one: a folder here, and one line in [`ALL`].

mod assembly;
mod ber;
pub mod bittorrent_dht;
pub mod dcerpc;
pub mod dhcp;
pub mod dnp3;
pub mod dns;
pub mod doh2;
pub mod enip;
pub mod ftp;
pub mod ftp_data;
mod hello;
pub mod http;
pub mod http2;
pub mod ike;
pub mod imap;
mod json;
pub mod krb5;
pub mod ldap;
mod lines;
pub mod llmnr;
pub mod mdns;
mod mime;
pub mod modbus;
pub mod mqtt;
pub mod nbns;
pub mod nfs;
pub mod ntp;
pub mod pgsql;
pub mod pop3;
pub mod quic;
pub mod radius;
pub mod rdp;
mod reader;
pub mod rfb;
pub mod rsync;
mod single;
pub mod sip;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod socks;
pub mod ssh;
pub mod stratum;
pub mod syslog;
pub mod telnet;
#[cfg(test)]
mod testing;
pub mod tftp;
pub mod tls;
mod values;
pub mod websocket;
pub mod x11;

// the data tier of container platforms
pub mod amqp;
pub mod cassandra;
mod exchange;
pub mod kafka;
pub mod memcached;
pub mod mongodb;
pub mod mysql;
pub mod redis;
mod views;

use crate::detect::ProtocolEntry;

/// Every protocol, in the order in which they are asked whether bytes are theirs.
pub static ALL: &[ProtocolEntry] = &[
    http::ENTRY,
    http2::ENTRY,
    websocket::ENTRY,
    tls::ENTRY,
    ssh::ENTRY,
    smtp::ENTRY,
    // before FTP, which begins with the same words
    pop3::ENTRY,
    imap::ENTRY,
    ftp::ENTRY,
    ftp_data::ENTRY,
    // its version 5 begins as DCERPC does
    cassandra::ENTRY,
    smb::ENTRY,
    dcerpc::ENTRY,
    dns::ENTRY,
    doh2::ENTRY,
    mdns::ENTRY,
    llmnr::ENTRY,
    quic::ENTRY,
    sip::ENTRY,
    krb5::ENTRY,
    ldap::ENTRY,
    ike::ENTRY,
    rdp::ENTRY,
    rfb::ENTRY,
    dhcp::ENTRY,
    pgsql::ENTRY,
    snmp::ENTRY,
    mqtt::ENTRY,
    // the data tier of container platforms
    redis::ENTRY,
    mysql::ENTRY,
    memcached::ENTRY,
    mongodb::ENTRY,
    kafka::ENTRY,
    amqp::ENTRY,
    nfs::ENTRY,
    tftp::ENTRY,
    ntp::ENTRY,
    bittorrent_dht::ENTRY,
    modbus::ENTRY,
    dnp3::ENTRY,
    enip::ENTRY,
    nbns::ENTRY,
    radius::ENTRY,
    syslog::ENTRY,
    rsync::ENTRY,
    x11::ENTRY,
    stratum::ENTRY,
    // its greeting is three bytes
    socks::ENTRY,
    // known by its port alone
    telnet::ENTRY,
];

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
