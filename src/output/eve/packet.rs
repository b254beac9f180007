//! `drop{…}` and `anomaly{…}`: records of one packet.

use crate::decode::{Net, Packet, Tcp, Transport};
use crate::json::JsonWriter;
use crate::verdict::Reason;

/// A dropped packet.
#[derive(Clone, Copy, Debug)]
pub struct DropRecord {
    /// What its IP header says.
    pub ip: Option<IpFields>,
    /// What its transport says.
    pub transport: TransportFields,
    /// Why.
    pub reason: &'static str,
}

/// The fields of an IP header that `drop` records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpFields {
    /// IPv4.
    V4 {
        /// Total length.
        len: u16,
        /// Type of service.
        tos: u8,
        /// Time to live.
        ttl: u8,
        /// Identification.
        id: u16,
    },
    /// IPv6.
    V6 {
        /// Payload length.
        len: u16,
        /// Traffic class.
        class: u8,
        /// Hop limit.
        hops: u8,
        /// Flow label.
        label: u32,
    },
}

/// The fields of a transport header that `drop` records have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportFields {
    /// None of these.
    #[default]
    None,
    /// TCP.
    Tcp {
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// Window, unscaled.
        window: u16,
        /// The eight flag bits.
        flags: u8,
        /// The four reserved bits.
        reserved: u8,
        /// Urgent pointer.
        urgent: u16,
    },
    /// UDP: its length field.
    Udp(u16),
    /// ICMP for IPv4: identifier and sequence number, 0 for a type without.
    Icmp4(u16, u16),
}

impl DropRecord {
    /// Of a packet.
    pub fn of(packet: &Packet<'_>, reason: Reason) -> Self {
        let ip = match &packet.net {
            Net::V4(ip) => {
                Some(IpFields::V4 { len: ip.total_len(), tos: ip.tos(), ttl: ip.ttl(), id: ip.id() })
            }
            Net::V6(ip) => {
                let [_, b, c, d, ..] = *ip.header();
                Some(IpFields::V6 {
                    len: ip.payload_len(),
                    class: ip.traffic_class(),
                    hops: ip.hop_limit(),
                    label: u32::from_be_bytes([0, b & 15, c, d]),
                })
            }
            Net::None | Net::Arp(_) => None,
        };
        let transport = match &packet.transport {
            Transport::Tcp(tcp) => TransportFields::Tcp {
                seq: tcp.seq(),
                ack: tcp.ack(),
                window: tcp.window(),
                flags: tcp.flags(),
                reserved: tcp.header().get(12).copied().unwrap_or(0) & 15,
                urgent: tcp.urgent_pointer(),
            },
            Transport::Udp(udp) => {
                let header = udp.header();
                TransportFields::Udp(u16::from_be_bytes([header[4], header[5]]))
            }
            // echo, timestamp, information, address mask: the types that have an identifier (RFC 792, RFC 950)
            Transport::Icmp4(icmp) if matches!(icmp.kind(), 0 | 8 | 13..=18) => {
                TransportFields::Icmp4(icmp.id().unwrap_or(0), icmp.seq().unwrap_or(0))
            }
            Transport::Icmp4(_) => TransportFields::Icmp4(0, 0),
            Transport::None | Transport::Icmp6(_) | Transport::Sctp(_) => TransportFields::None,
        };
        DropRecord { ip, transport, reason: reason.name() }
    }
}

/// Writes `"drop":{…}`.
pub fn write_drop(drop: &DropRecord, out: &mut JsonWriter) {
    out.open_object("drop");
    match drop.ip {
        Some(IpFields::V4 { len, tos, ttl, id }) => {
            out.number("len", len);
            out.number("tos", tos);
            out.number("ttl", ttl);
            out.number("ipid", id);
        }
        Some(IpFields::V6 { len, class, hops, label }) => {
            out.number("len", len);
            out.number("tc", class);
            out.number("hoplimit", hops);
            out.number("flowlbl", label);
        }
        None => {}
    }
    match drop.transport {
        TransportFields::Tcp { seq, ack, window, flags, reserved, urgent } => {
            out.number("tcpseq", seq);
            out.number("tcpack", ack);
            out.number("tcpwin", window);
            for (name, bit) in [
                ("syn", Tcp::SYN),
                ("ack", Tcp::ACK),
                ("psh", Tcp::PSH),
                ("rst", Tcp::RST),
                ("urg", Tcp::URG),
                ("fin", Tcp::FIN),
            ] {
                out.flag(name, flags & bit != 0);
            }
            out.number("tcpres", reserved);
            out.number("tcpurgp", urgent);
        }
        TransportFields::Udp(len) => out.number("udplen", len),
        TransportFields::Icmp4(id, seq) => {
            out.number("icmp_id", id);
            out.number("icmp_seq", seq);
        }
        TransportFields::None => {}
    }
    out.text("reason", drop.reason);
    out.close();
}

/// Something that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly<'a> {
    /// A decoder event, named as in rules: `ipv4.pkt_too_small`.
    Decode(&'a str),
    /// A stream event, named as in rules: `pkt_invalid_ack`.
    Stream(&'a str),
    /// An event of a protocol.
    App {
        /// The protocol, when known.
        app_proto: Option<&'a str>,
        /// Its event, as in rules without the protocol's name in front.
        event: &'a str,
        /// `proto_parser`, `proto_detect` or `parser`.
        layer: &'a str,
    },
}

/// Writes `"anomaly":{…}`.
pub fn write_anomaly(anomaly: &Anomaly<'_>, out: &mut JsonWriter) {
    out.open_object("anomaly");
    match anomaly {
        Anomaly::Decode(event) => {
            out.text("type", "decode");
            out.plain("event", format_args!("decoder.{event}"));
        }
        Anomaly::Stream(event) => {
            out.text("type", "stream");
            out.plain("event", format_args!("stream.{event}"));
        }
        Anomaly::App { app_proto, event, layer } => {
            if let Some(name) = app_proto {
                out.text("app_proto", name);
            }
            out.text("type", "applayer");
            out.text("event", event);
            out.text("layer", layer);
        }
    }
    out.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Ipv4, TcpOptions, Udp};

    fn check(write: impl FnOnce(&mut JsonWriter), expected: &str) {
        let mut out = JsonWriter::new();
        out.open();
        write(&mut out);
        out.close();
        assert_eq!(std::str::from_utf8(out.as_bytes()).unwrap(), expected);
    }

    fn packet<'a>(net: Net<'a>, transport: Transport<'a>) -> Packet<'a> {
        let mut packet =
            Packet::new(1, crate::types::Timestamp::default(), crate::types::IfaceId::default(), &[]);
        (packet.net, packet.transport) = (net, transport);
        packet
    }

    #[test]
    fn a_dropped_tcp_packet_has_the_peers_shape() {
        let mut ip = [0u8; 20];
        ip[..10].copy_from_slice(&[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6]);
        let mut tcp = [0u8; 20];
        tcp[..16].copy_from_slice(&[3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x5f, 0xff, 0, 100]);
        tcp[19] = 7;
        let packet = packet(
            Net::V4(Ipv4::new(&ip).unwrap()),
            Transport::Tcp(Tcp::new(&tcp, TcpOptions::default(), true).unwrap()),
        );
        check(
            |out| write_drop(&DropRecord::of(&packet, Reason::Rules), out),
            r#"{"drop":{"len":40,"tos":0,"ttl":64,"ipid":1,"tcpseq":1,"tcpack":2,"tcpwin":100,"syn":true,"ack":true,"psh":true,"rst":true,"urg":true,"fin":true,"tcpres":15,"tcpurgp":7,"reason":"rules"}}"#,
        );
    }

    #[test]
    fn a_dropped_udp_packet_over_ipv6_has_the_peers_shape() {
        let mut ip = [0u8; 40];
        ip[..8].copy_from_slice(&[0x6e, 0x0a, 0x94, 0xe5, 0, 14, 17, 255]);
        let packet = packet(
            Net::V6(crate::decode::Ipv6::new(&ip, &[], crate::types::Proto::UDP, None)),
            Transport::Udp(Udp::new(&[0, 5, 0, 6, 0, 14, 0, 0], true).unwrap()),
        );
        check(
            |out| write_drop(&DropRecord::of(&packet, Reason::FlowDrop), out),
            r#"{"drop":{"len":14,"tc":224,"hoplimit":255,"flowlbl":693477,"udplen":14,"reason":"flow drop"}}"#,
        );
    }

    #[test]
    fn icmp_types_without_an_identifier_have_zero() {
        for (kind, expected) in [
            (8, r#"{"drop":{"icmp_id":77,"icmp_seq":88,"reason":"rules"}}"#),
            (3, r#"{"drop":{"icmp_id":0,"icmp_seq":0,"reason":"rules"}}"#),
        ] {
            let message = [kind, 0, 0, 0, 0, 77, 0, 88];
            let packet =
                packet(Net::None, Transport::Icmp4(crate::decode::Icmp::new(&message, true).unwrap()));
            check(|out| write_drop(&DropRecord::of(&packet, Reason::Rules), out), expected);
        }
    }

    #[test]
    fn anomalies_name_their_layer() {
        for (anomaly, expected) in [
            (
                Anomaly::Decode("tcp.pkt_too_small"),
                r#"{"anomaly":{"type":"decode","event":"decoder.tcp.pkt_too_small"}}"#,
            ),
            (
                Anomaly::Stream("fin_but_no_session"),
                r#"{"anomaly":{"type":"stream","event":"stream.fin_but_no_session"}}"#,
            ),
            (
                Anomaly::App {
                    app_proto: Some("ftp"),
                    event: "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION",
                    layer: "proto_detect",
                },
                r#"{"anomaly":{"app_proto":"ftp","type":"applayer","event":"APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION","layer":"proto_detect"}}"#,
            ),
        ] {
            check(|out| write_anomaly(&anomaly, out), expected);
        }
    }
}
