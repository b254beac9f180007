//! What every EVE record shares: the header, the application's name, the tunnel, the end.
//!
//! The order of the keys is the peer's (Suricata 7), so that lines can be compared by eye:
//! header, record, `tunnel`, transaction, `files`, `app_proto`, `direction`, `flow`, payload, `verdict`, `pcap_filename`.

use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::decode::{Origin, TunnelKind};
use crate::json::{JsonWriter, hex};
use crate::types::{Direction, Endpoint, Proto, Timestamp};

/// The start of a record. What is `None` or empty is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventHeader<'a> {
    /// Time of the packet, or of the flow's end.
    pub timestamp: Timestamp,
    /// The flow.
    pub flow_id: Option<u64>,
    /// The flow that announced this one (an FTP control connection).
    pub parent_id: Option<u64>,
    /// 1-based number of the frame; a tunnelled or defragmented packet has none of its own.
    pub pcap_cnt: Option<u64>,
    /// Interface, when live.
    pub in_iface: Option<&'a str>,
    /// `alert`, `flow`, `dns`, …
    pub event_type: &'a str,
    /// VLAN identifiers, outermost first.
    pub vlan: &'a [u16],
    /// Source. Its port is written for TCP, UDP and SCTP only.
    pub src: Option<Endpoint>,
    /// Destination.
    pub dest: Option<Endpoint>,
    /// Protocol above IP.
    pub proto: Option<Proto>,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    /// ICMP type and code of the answer, in flow records.
    pub icmp_response: Option<(u8, u8)>,
    /// How the packet came to be: [`pkt_src`].
    pub pkt_src: Option<&'a str>,
    /// Flow variables as a JSON object: `{"flowbits":["seen"]}`.
    pub metadata: Option<&'a [u8]>,
    /// `traffic`: what flow bits named `traffic/…` say, as a JSON value.
    pub traffic: Option<&'a [u8]>,
    /// Link addresses, destination first.
    pub ethernet: Option<[[u8; 6]; 2]>,
    /// [`super::community_id()`]. In `flow` records it comes after the flow: see [`super::eve::write_flow_event`].
    pub community_id: Option<&'a str>,
    /// The transaction.
    pub tx_id: Option<u64>,
    /// The transaction was not matched, only the latest one at that time.
    pub tx_guessed: bool,
}

/// Writes `{` and the header.
pub fn write_header(header: &EventHeader<'_>, out: &mut JsonWriter) {
    out.open();
    out.ascii("timestamp", &header.timestamp.text());
    for (key, value) in
        [("flow_id", header.flow_id), ("parent_id", header.parent_id), ("pcap_cnt", header.pcap_cnt)]
    {
        if let Some(value) = value {
            out.number(key, value);
        }
    }
    if let Some(name) = header.in_iface {
        out.text("in_iface", name);
    }
    out.text("event_type", header.event_type);
    if !header.vlan.is_empty() {
        out.open_array("vlan");
        for id in header.vlan {
            out.element_number(*id);
        }
        out.close_array();
    }
    let ports = header.proto.is_some_and(has_ports);
    for (ip, port, end) in [("src_ip", "src_port", header.src), ("dest_ip", "dest_port", header.dest)] {
        let Some(end) = end else { continue };
        out.ascii(ip, &FullIp(end.ip).text());
        if ports {
            out.number(port, end.port);
        }
    }
    if let Some(proto) = header.proto {
        match proto.name() {
            Some(name) => out.ascii("proto", name.as_bytes()),
            None => out.plain("proto", proto),
        }
    }
    if let Some((kind, code)) = header.icmp {
        out.number("icmp_type", kind);
        out.number("icmp_code", code);
    }
    if let Some((kind, code)) = header.icmp_response {
        out.number("response_icmp_type", kind);
        out.number("response_icmp_code", code);
    }
    if let Some(text) = header.pkt_src {
        out.text("pkt_src", text);
    }
    if let Some([destination, source]) = header.ethernet {
        out.open_object("ether");
        for (key, mac) in [("src_mac", source), ("dest_mac", destination)] {
            out.plain(key, Mac(mac));
        }
        out.close();
    }
    if let Some(traffic) = header.traffic {
        out.raw("traffic", traffic);
    }
    if let Some(metadata) = header.metadata {
        out.raw("metadata", metadata);
    }
    if let Some(id) = header.community_id {
        out.text("community_id", id);
    }
    if let Some(id) = header.tx_id {
        out.number("tx_id", id);
        if header.tx_guessed {
            out.flag("tx_guessed", true);
        }
    }
}

/// A link address, as EVE has it.
#[derive(Clone, Copy, Debug)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// Writes the end of a record: the capture it came from, if any, and `}`.
pub fn close_event(pcap_filename: Option<&str>, out: &mut JsonWriter) {
    if let Some(name) = pcap_filename {
        out.text("pcap_filename", name);
    }
    out.close();
}

/// Whether EVE writes ports for this protocol.
pub fn has_ports(proto: Proto) -> bool {
    matches!(proto, Proto::TCP | Proto::UDP | Proto::SCTP)
}

/// The application protocol of a flow: one name, or several when its directions disagree or it changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct AppProto<'a> {
    /// The flow's. `None`: not known yet, nothing is written. `failed`: looked for and not found.
    pub name: Option<&'a str>,
    /// What the client's bytes said, when it is another.
    pub to_server: Option<&'a str>,
    /// What the server's bytes said, when it is another.
    pub to_client: Option<&'a str>,
    /// What it was before the flow changed to another.
    pub original: Option<&'a str>,
    /// What was announced for it.
    pub expected: Option<&'a str>,
}

/// Writes `app_proto` and its companions.
pub fn write_app_proto(app: &AppProto<'_>, out: &mut JsonWriter) {
    for (key, value) in [
        ("app_proto", app.name),
        ("app_proto_ts", app.to_server),
        ("app_proto_tc", app.to_client),
        ("app_proto_orig", app.original),
        ("app_proto_expected", app.expected),
    ] {
        if let Some(value) = value {
            out.text(key, value);
        }
    }
}

/// Writes `direction`.
pub fn write_direction(direction: Direction, out: &mut JsonWriter) {
    out.text("direction", direction.name());
}

/// The packet that carried this one.
#[derive(Clone, Copy, Debug)]
pub struct TunnelInfo<'a> {
    /// Its source; port 0 where it has none.
    pub src: Endpoint,
    /// Its destination.
    pub dest: Endpoint,
    /// Its protocol.
    pub proto: Proto,
    /// Tunnels around the inner packet; 0 for one put together from fragments.
    pub depth: u8,
    /// Number of its frame.
    pub pcap_cnt: Option<u64>,
    /// How it came to be itself.
    pub pkt_src: &'a str,
}

/// Writes `"tunnel":{…}`.
pub fn write_tunnel(tunnel: &TunnelInfo<'_>, out: &mut JsonWriter) {
    out.open_object("tunnel");
    out.ascii("src_ip", &FullIp(tunnel.src.ip).text());
    out.number("src_port", tunnel.src.port);
    out.ascii("dest_ip", &FullIp(tunnel.dest.ip).text());
    out.number("dest_port", tunnel.dest.port);
    out.plain("proto", tunnel.proto);
    out.number("depth", tunnel.depth);
    if let Some(number) = tunnel.pcap_cnt {
        out.number("pcap_cnt", number);
    }
    out.text("pkt_src", tunnel.pkt_src);
    out.close();
}

/// EVE's text for how a packet came to be.
pub const fn pkt_src(origin: Origin) -> &'static str {
    match origin {
        Origin::Wire => "wire/pcap",
        Origin::Defragmented => "defrag",
        Origin::StreamEnd => "stream (flow timeout)",
        Origin::Tunnel(kind) => match kind {
            // named for what carries it, as the peer does: ERSPAN comes over GRE
            TunnelKind::Gre | TunnelKind::Erspan => "gre tunnel",
            TunnelKind::Vxlan => "vxlan encapsulation",
            TunnelKind::Geneve => "geneve encapsulation",
            TunnelKind::Teredo => "teredo tunnel",
            TunnelKind::Ipv4InIpv4 | TunnelKind::Ipv6InIpv4 => "ipv4 tunnel",
            TunnelKind::Ipv4InIpv6 | TunnelKind::Ipv6InIpv6 => "ipv6 tunnel",
        },
    }
}

/// An address as EVE writes it: all eight groups of IPv6 in full (`fe80:0000:…:0001`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullIp(pub IpAddr);

impl FullIp {
    /// The text.
    pub fn text(self) -> SmallVec<[u8; 40]> {
        // in one piece: there are two in each event
        let (mut text, mut len) = ([0; 40], 0);
        match self.0 {
            IpAddr::V4(ip) => {
                let mut put = |byte: u8| {
                    text[len] = byte;
                    len += 1;
                };
                for octet in ip.octets() {
                    if octet >= 100 {
                        put(b'0' + octet / 100);
                    }
                    if octet >= 10 {
                        put(b'0' + octet / 10 % 10);
                    }
                    put(b'0' + octet % 10);
                    put(b'.');
                }
            }
            IpAddr::V6(ip) => {
                for (place, pair) in text.chunks_exact_mut(5).zip(ip.octets().chunks_exact(2)) {
                    let [[a, b], [c, d]] = [hex(pair[0]), hex(pair[1])];
                    place.copy_from_slice(&[a, b, c, d, b':']);
                }
                len = text.len();
            }
        }
        SmallVec::from_buf_and_len(text, len - 1)
    }
}

impl fmt::Display for FullIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_in_full() {
        for (ip, text) in [
            ("0.0.0.0", "0.0.0.0"),
            ("9.10.99.100", "9.10.99.100"),
            ("255.255.255.255", "255.255.255.255"),
            ("::", "0000:0000:0000:0000:0000:0000:0000:0000"),
            ("fe80::1:a0", "fe80:0000:0000:0000:0000:0000:0001:00a0"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(FullIp(ip.parse().expect("an address")).to_string(), text);
        }
    }

    fn end(ip: &str, port: u16) -> Option<Endpoint> {
        Some(Endpoint { ip: ip.parse().unwrap(), port })
    }

    fn check(header: &EventHeader<'_>, expected: &str) {
        let mut out = JsonWriter::new();
        write_header(header, &mut out);
        close_event(None, &mut out);
        assert_eq!(std::str::from_utf8(out.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn tcp_has_ports_and_the_order_is_the_peers() {
        check(
            &EventHeader {
                timestamp: Timestamp::new(1_585_234_926, 31_551_000),
                flow_id: Some(1_820_727_534_299_066),
                parent_id: Some(7),
                pcap_cnt: Some(7),
                in_iface: Some("eth0"),
                event_type: "alert",
                vlan: &[201, 200],
                src: end("192.168.1.100", 35820),
                dest: end("192.168.1.210", 80),
                proto: Some(Proto::TCP),
                pkt_src: Some(pkt_src(Origin::Wire)),
                metadata: Some(br#"{"flowbits":["foo"]}"#),
                community_id: Some("1:IbkEKtrwJbtmceEg8bauUrUCBgU="),
                tx_id: Some(0),
                tx_guessed: true,
                ..EventHeader::default()
            },
            r#"{"timestamp":"2020-03-26T15:02:06.031551+0000","flow_id":1820727534299066,"parent_id":7,"pcap_cnt":7,"in_iface":"eth0","event_type":"alert","vlan":[201,200],"src_ip":"192.168.1.100","src_port":35820,"dest_ip":"192.168.1.210","dest_port":80,"proto":"TCP","pkt_src":"wire/pcap","metadata":{"flowbits":["foo"]},"community_id":"1:IbkEKtrwJbtmceEg8bauUrUCBgU=","tx_id":0,"tx_guessed":true}"#,
        );
    }

    #[test]
    fn icmp_has_type_and_code_and_ipv6_is_written_in_full() {
        check(
            &EventHeader {
                event_type: "flow",
                src: end("2001:bef::2", 1),
                dest: end("ff02::1", 1),
                proto: Some(Proto::ICMPV6),
                icmp: Some((128, 0)),
                icmp_response: Some((129, 0)),
                ..EventHeader::default()
            },
            r#"{"timestamp":"1970-01-01T00:00:00.000000+0000","event_type":"flow","src_ip":"2001:0bef:0000:0000:0000:0000:0000:0002","dest_ip":"ff02:0000:0000:0000:0000:0000:0000:0001","proto":"IPv6-ICMP","icmp_type":128,"icmp_code":0,"response_icmp_type":129,"response_icmp_code":0}"#,
        );
    }

    #[test]
    fn a_packet_without_ip_has_only_the_time() {
        check(
            &EventHeader { event_type: "anomaly", pcap_cnt: Some(3), ..EventHeader::default() },
            r#"{"timestamp":"1970-01-01T00:00:00.000000+0000","pcap_cnt":3,"event_type":"anomaly"}"#,
        );
    }

    #[test]
    fn a_tunnel_always_has_ports() {
        let mut out = JsonWriter::new();
        out.open();
        write_tunnel(
            &TunnelInfo {
                src: end("109.105.228.253", 0).unwrap(),
                dest: end("10.177.98.84", 0).unwrap(),
                proto: Proto::GRE,
                depth: 1,
                pcap_cnt: Some(1),
                pkt_src: "wire/pcap",
            },
            &mut out,
        );
        close_event(Some("a.pcap"), &mut out);
        assert_eq!(
            std::str::from_utf8(out.as_bytes()).unwrap(),
            r#"{"tunnel":{"src_ip":"109.105.228.253","src_port":0,"dest_ip":"10.177.98.84","dest_port":0,"proto":"GRE","depth":1,"pcap_cnt":1,"pkt_src":"wire/pcap"},"pcap_filename":"a.pcap"}"#
        );
    }
}
