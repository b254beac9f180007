//! `alert{…}`, and what stands beside it in an alert: the flow so far, payload and packet, the verdict.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::JsonWriter;
use crate::output::event::{FullIp, has_ports};
use crate::types::{Endpoint, Proto, Timestamp};
use crate::verdict::{RejectTo, Verdict};

/// What a rule says of itself, and what was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertRecord<'a> {
    /// The packet was dropped or rejected by this rule (`blocked`), else `allowed`.
    pub blocked: bool,
    /// Generator.
    pub gid: u32,
    /// The rule's `sid`.
    pub signature_id: u32,
    /// Its revision.
    pub rev: u32,
    /// Its `msg`.
    pub signature: &'a str,
    /// The description of its `classtype`.
    pub category: &'a str,
    /// 1 (worst) ..=255.
    pub severity: u8,
    /// Who attacks and who is attacked, of a rule with `target`: ends of this packet.
    pub source_target: Option<(Endpoint, Endpoint)>,
    /// Its `reference`s, with their prefix filled in.
    pub references: &'a [String],
    /// Its `metadata` as [`rule_metadata`] made it, once, at load.
    pub metadata: Option<&'a [u8]>,
    /// Its text, when wanted.
    pub rule: Option<&'a str>,
}

/// Writes `"alert":{…}`. `proto` decides whether ports are written for source and target.
pub fn write_alert(alert: &AlertRecord<'_>, proto: Option<Proto>, out: &mut JsonWriter) {
    out.open_object("alert");
    out.text("action", if alert.blocked { "blocked" } else { "allowed" });
    out.number("gid", alert.gid);
    out.number("signature_id", alert.signature_id);
    out.number("rev", alert.rev);
    out.text("signature", alert.signature);
    out.text("category", alert.category);
    out.number("severity", alert.severity);
    if let Some((source, target)) = alert.source_target {
        for (key, end) in [("source", source), ("target", target)] {
            out.open_object(key);
            out.ascii("ip", &FullIp(end.ip).text());
            if proto.is_some_and(has_ports) {
                out.number("port", end.port);
            }
            out.close();
        }
    }
    if !alert.references.is_empty() {
        out.open_array("references");
        for reference in alert.references {
            out.element_text(reference);
        }
        out.close_array();
    }
    if let Some(metadata) = alert.metadata {
        out.raw("metadata", metadata);
    }
    if let Some(rule) = alert.rule {
        out.text("rule", rule);
    }
    out.close();
}

/// A rule's metadata as the JSON object that EVE has: keys sorted, every value an array, the last written first.
/// `None` when there is none.
pub fn rule_metadata<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Vec<u8>> {
    let mut pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    if pairs.is_empty() {
        return None;
    }
    pairs.reverse();
    pairs.sort_by_key(|(key, _)| *key);
    let mut out = JsonWriter::new();
    out.open();
    for same_key in pairs.chunk_by(|a, b| a.0 == b.0) {
        out.named(same_key[0].0);
        out.open_list();
        for (_, value) in same_key {
            out.element_text(value);
        }
        out.close_array();
    }
    out.close();
    Some(out.take())
}

/// The flow as an alert tells of it: counted up to this packet.
#[derive(Clone, Copy, Debug)]
pub struct FlowInAlert {
    /// Packets, to server and to client.
    pub packets: [u64; 2],
    /// Bytes of frames, to server and to client.
    pub bytes: [u64; 2],
    /// First packet.
    pub start: Timestamp,
    /// Who opened it.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Protocol above IP: ports are written where it has them.
    pub proto: Proto,
}

/// Writes `"flow":{…}` of an alert.
pub fn write_flow_in_alert(flow: &FlowInAlert, out: &mut JsonWriter) {
    out.open_object("flow");
    out.number("pkts_toserver", flow.packets[0]);
    out.number("pkts_toclient", flow.packets[1]);
    out.number("bytes_toserver", flow.bytes[0]);
    out.number("bytes_toclient", flow.bytes[1]);
    out.ascii("start", &flow.start.text());
    out.ascii("src_ip", &FullIp(flow.client.ip).text());
    out.ascii("dest_ip", &FullIp(flow.server.ip).text());
    if has_ports(flow.proto) {
        out.number("src_port", flow.client.port);
        out.number("dest_port", flow.server.port);
    }
    out.close();
}

/// What was inspected, when the configuration wants it in alerts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payload<'a> {
    /// The bytes; as base64 under `payload`.
    pub base64: Option<&'a [u8]>,
    /// The same for people: what does not print is a dot.
    pub printable: Option<&'a [u8]>,
    /// They are of the stream, not of the packet alone. Written with either.
    pub stream: bool,
    /// The whole frame, base64, with its link type.
    pub packet: Option<(&'a [u8], u16)>,
}

/// Writes `payload`, `payload_printable`, `stream`, `packet` and `packet_info`.
pub fn write_payload(payload: &Payload<'_>, out: &mut JsonWriter) {
    if let Some(bytes) = payload.base64 {
        out.text("payload", &STANDARD.encode(bytes));
    }
    if let Some(bytes) = payload.printable {
        out.text("payload_printable", &printable(bytes));
    }
    if payload.base64.is_some() || payload.printable.is_some() {
        out.number("stream", u8::from(payload.stream));
    }
    if let Some((frame, link)) = payload.packet {
        out.text("packet", &STANDARD.encode(frame));
        out.open_object("packet_info");
        out.number("linktype", link);
        out.close();
    }
}

/// Bytes for people: what is neither printable ASCII nor a line end is a dot.
pub fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'\n' | b'\r' | 0x20..=0x7e => char::from(byte),
            _ => '.',
        })
        .collect()
}

/// What `verdict.action` says of a packet that went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictAction {
    /// Rules alerted.
    Alert,
    /// A rule let it pass.
    Pass,
    /// Rules alerted, and no packet is held up: of one that is rejected only the ends are told.
    Tap,
}

/// Writes `"verdict":{…}`: what became of the packet. `otherwise` is for one that was not dropped; `tcp` decides how
/// rejected ends are told.
pub fn write_verdict(verdict: Verdict, otherwise: VerdictAction, tcp: bool, out: &mut JsonWriter) {
    out.open_object("verdict");
    match verdict {
        Verdict::Forward | Verdict::Bypass => {
            out.text("action", if otherwise == VerdictAction::Pass { "pass" } else { "alert" });
        }
        Verdict::Drop(_) => out.text("action", "drop"),
        Verdict::Reject(_, to) => {
            out.text("action", if otherwise == VerdictAction::Tap { "alert" } else { "drop" });
            out.text(
                "reject-target",
                match to {
                    // the source of the packet that matched is told: the client, of a request
                    RejectTo::Source => "to_client",
                    RejectTo::Destination => "to_server",
                    RejectTo::Both => "both",
                },
            );
            out.open_array("reject");
            out.element_text(if tcp { "tcp-reset" } else { "icmp-prohib" });
            out.close_array();
        }
    }
    out.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    fn check(write: impl FnOnce(&mut JsonWriter), expected: &str) {
        let mut out = JsonWriter::new();
        out.open();
        write(&mut out);
        out.close();
        assert_eq!(std::str::from_utf8(out.as_bytes()).unwrap(), expected);
    }

    fn end(ip: &str, port: u16) -> Endpoint {
        Endpoint { ip: ip.parse().unwrap(), port }
    }

    #[test]
    fn an_alert_has_the_peers_shape() {
        let metadata = rule_metadata([
            ("mitre_tactic_id", "TA0002"),
            ("mitre_technique_id", "T1059"),
            ("a", "b"),
            ("a", "ç"),
        ]);
        check(
            |out| {
                write_alert(
                    &AlertRecord {
                        gid: 1,
                        signature_id: 2,
                        rev: 3,
                        signature: "h\"q\" ü",
                        category: "A Network Trojan was detected",
                        severity: 1,
                        source_target: Some((end("10.0.0.2", 80), end("10.0.0.1", 54422))),
                        metadata: metadata.as_deref(),
                        ..AlertRecord::default()
                    },
                    Some(Proto::TCP),
                    out,
                );
            },
            r#"{"alert":{"action":"allowed","gid":1,"signature_id":2,"rev":3,"signature":"h\"q\" ü","category":"A Network Trojan was detected","severity":1,"source":{"ip":"10.0.0.2","port":80},"target":{"ip":"10.0.0.1","port":54422},"metadata":{"a":["ç","b"],"mitre_tactic_id":["TA0002"],"mitre_technique_id":["T1059"]}}}"#,
        );
        assert_eq!(rule_metadata([]), None);
    }

    #[test]
    fn the_flow_of_an_alert_has_ports_where_the_protocol_has() {
        let mut flow = FlowInAlert {
            packets: [3, 1],
            bytes: [263, 62],
            start: Timestamp::new(1_468_449_727, 11_401_000),
            client: end("10.16.1.11", 54186),
            server: end("82.165.177.154", 80),
            proto: Proto::TCP,
        };
        check(
            |out| write_flow_in_alert(&flow, out),
            r#"{"flow":{"pkts_toserver":3,"pkts_toclient":1,"bytes_toserver":263,"bytes_toclient":62,"start":"2016-07-13T22:42:07.011401+0000","src_ip":"10.16.1.11","dest_ip":"82.165.177.154","src_port":54186,"dest_port":80}}"#,
        );
        flow.proto = Proto::ICMP;
        let mut out = JsonWriter::new();
        write_flow_in_alert(&flow, &mut out);
        assert!(!String::from_utf8_lossy(out.as_bytes()).contains("src_port"));
    }

    #[test]
    fn payload_and_packet_are_encoded() {
        check(
            |out| {
                write_payload(
                    &Payload {
                        base64: Some(b"GET\0"),
                        printable: Some(b"GET\0\r\n\"\xff"),
                        stream: true,
                        packet: Some((b"\x01\x02", 1)),
                    },
                    out,
                );
            },
            r#"{"payload":"R0VUAA==","payload_printable":"GET.\r\n\".","stream":1,"packet":"AQI=","packet_info":{"linktype":1}}"#,
        );
        check(|out| write_payload(&Payload::default(), out), "{}");
    }

    #[test]
    fn a_verdict_tells_whom_a_reject_reaches() {
        for (verdict, expected) in [
            (Verdict::Forward, r#"{"verdict":{"action":"alert"}}"#),
            (Verdict::Drop(Reason::Rules), r#"{"verdict":{"action":"drop"}}"#),
            (
                Verdict::Reject(Reason::Rules, RejectTo::Source),
                r#"{"verdict":{"action":"drop","reject-target":"to_client","reject":["tcp-reset"]}}"#,
            ),
        ] {
            check(|out| write_verdict(verdict, VerdictAction::Alert, true, out), expected);
        }
        check(
            |out| write_verdict(Verdict::Forward, VerdictAction::Pass, true, out),
            r#"{"verdict":{"action":"pass"}}"#,
        );
    }
}
