//! `flow` and `netflow` records: written once, when a flow ends, of both directions or of each by itself.

use crate::json::{JsonWriter, hex};
use crate::output::event::{AppProto, Mac, write_app_proto};
use crate::types::Timestamp;

/// A flow at its end. The header comes before (ends, protocol, ICMP types; no `community_id` there).
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowRecord<'a> {
    /// Application protocol.
    pub app: AppProto<'a>,
    /// Packets, to server and to client.
    pub packets: [u64; 2],
    /// Bytes of frames, to server and to client.
    pub bytes: [u64; 2],
    /// First packet.
    pub start: Timestamp,
    /// Last packet.
    pub end: Timestamp,
    /// The table was short of memory when it ended.
    pub emergency: bool,
    /// `new`, `established`, `closed`, `bypassed`.
    pub state: &'a str,
    /// `timeout`, `forced`, `shutdown`, `tcp_reuse`.
    pub reason: &'a str,
    /// Some rule alerted in it.
    pub alerted: bool,
    /// `drop` or `pass`, when the whole flow was.
    pub action: Option<&'a str>,
    /// Exception policies that were applied: (target, policy), such as (`stream_midstream`, `ignore`).
    pub exception_policies: &'a [(&'a str, &'a str)],
    /// Link addresses of client and server, where they are wanted.
    pub macs: [&'a [[u8; 6]]; 2],
    /// As in the header of other records; in this one it comes after the flow.
    pub community_id: Option<&'a str>,
    /// What TCP says of it.
    pub tcp: Option<TcpRecord<'a>>,
}

/// One direction of a flow at its end. The header comes before, as for [`FlowRecord`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NetflowRecord<'a> {
    /// Application protocol, as this direction has it.
    pub app: &'a str,
    /// Packets.
    pub packets: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// First packet of the flow.
    pub start: Timestamp,
    /// Last packet of the flow.
    pub end: Timestamp,
    /// Lowest and highest TTL.
    pub ttl: Option<(u8, u8)>,
    /// All TCP flags seen; `None` for what is not TCP.
    pub tcp_flags: Option<u8>,
    /// Link addresses of sender and receiver, where they are wanted.
    pub macs: [&'a [[u8; 6]]; 2],
    /// As for [`FlowRecord`].
    pub community_id: Option<&'a str>,
}

/// The TCP part.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpRecord<'a> {
    /// All flags seen, to server and to client.
    pub flags: [u8; 2],
    /// State of the session, its highest number of stream regions in both directions, and whether bytes were lost in
    /// them; `None` when no session was made.
    pub session: Option<TcpSessionRecord<'a>>,
}

/// What the stream engine says.
#[derive(Clone, Copy, Debug)]
pub struct TcpSessionRecord<'a> {
    /// `syn_sent`, `established`, `closed`, …
    pub state: &'a str,
    /// Bytes were lost, to server and to client.
    pub gap: [bool; 2],
    /// Highest number of separate pieces held at once, to server and to client; 1 without loss.
    pub regions_max: [u32; 2],
}

/// Flag bits in the order that EVE lists them.
const FLAGS: [(&str, u8); 8] = [
    ("syn", 0x02),
    ("fin", 0x01),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ecn", 0x40),
    ("cwr", 0x80),
];

/// Writes `app_proto…`, `"flow":{…}`, `community_id` and `"tcp":{…}`.
pub fn write_flow_event(flow: &FlowRecord<'_>, out: &mut JsonWriter) {
    write_app_proto(&flow.app, out);
    out.open_object("flow");
    out.number("pkts_toserver", flow.packets[0]);
    out.number("pkts_toclient", flow.packets[1]);
    out.number("bytes_toserver", flow.bytes[0]);
    out.number("bytes_toclient", flow.bytes[1]);
    out.ascii("start", &flow.start.text());
    out.ascii("end", &flow.end.text());
    // whole seconds of both, as the peer has it: 0.9 to 1.1 is an age of 1
    out.number("age", flow.end.seconds().saturating_sub(flow.start.seconds()));
    if flow.emergency {
        out.flag("emergency", true);
    }
    out.text("state", flow.state);
    out.text("reason", flow.reason);
    out.flag("alerted", flow.alerted);
    if let Some(action) = flow.action {
        out.text("action", action);
    }
    if !flow.exception_policies.is_empty() {
        out.open_array("exception_policy");
        for (target, policy) in flow.exception_policies {
            out.open();
            out.text("target", target);
            out.text("policy", policy);
            out.close();
        }
        out.close_array();
    }
    out.close();
    write_macs(flow.macs, out);
    if let Some(id) = flow.community_id {
        out.text("community_id", id);
    }
    if let Some(tcp) = &flow.tcp {
        write_tcp(tcp, out);
    }
}

/// Writes `app_proto`, `"netflow":{…}`, `"tcp":{…}`, `ether` and `community_id`.
pub fn write_netflow_event(flow: &NetflowRecord<'_>, out: &mut JsonWriter) {
    out.text("app_proto", flow.app);
    out.open_object("netflow");
    out.number("pkts", flow.packets);
    out.number("bytes", flow.bytes);
    out.ascii("start", &flow.start.text());
    out.ascii("end", &flow.end.text());
    out.number("age", flow.end.seconds().saturating_sub(flow.start.seconds()));
    if let Some((low, high)) = flow.ttl {
        out.number("min_ttl", low);
        out.number("max_ttl", high);
    }
    out.close();
    if let Some(flags) = flow.tcp_flags {
        out.open_object("tcp");
        out.ascii("tcp_flags", &hex(flags));
        write_flags(flags, out);
        out.close();
    }
    write_macs(flow.macs, out);
    if let Some(id) = flow.community_id {
        out.text("community_id", id);
    }
}

fn write_macs([senders, receivers]: [&[[u8; 6]]; 2], out: &mut JsonWriter) {
    if senders.is_empty() && receivers.is_empty() {
        return;
    }
    out.open_object("ether");
    for (key, macs) in [("dest_macs", receivers), ("src_macs", senders)] {
        out.open_array(key);
        for mac in macs {
            out.element(format!("{}", Mac(*mac)).as_bytes());
        }
        out.close_array();
    }
    out.close();
}

fn write_flags(flags: u8, out: &mut JsonWriter) {
    for (name, bit) in FLAGS {
        if flags & bit != 0 {
            out.flag(name, true);
        }
    }
}

fn write_tcp(tcp: &TcpRecord<'_>, out: &mut JsonWriter) {
    let all = tcp.flags[0] | tcp.flags[1];
    out.open_object("tcp");
    for (key, flags) in [("tcp_flags", all), ("tcp_flags_ts", tcp.flags[0]), ("tcp_flags_tc", tcp.flags[1])] {
        out.ascii(key, &hex(flags));
    }
    write_flags(all, out);
    if let Some(session) = &tcp.session {
        out.text("state", session.state);
        for (key, gap) in [("ts_gap", session.gap[0]), ("tc_gap", session.gap[1])] {
            if gap {
                out.flag(key, true);
            }
        }
        out.number("ts_max_regions", session.regions_max[0]);
        out.number("tc_max_regions", session.regions_max[1]);
    }
    out.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flow: &FlowRecord<'_>, expected: &str) {
        let mut out = JsonWriter::new();
        out.open();
        write_flow_event(flow, &mut out);
        out.close();
        assert_eq!(std::str::from_utf8(out.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn one_direction() {
        let mut out = JsonWriter::new();
        out.open();
        let record = NetflowRecord {
            app: "dns",
            packets: 2,
            bytes: 180,
            ttl: Some((63, 64)),
            tcp_flags: Some(0x12),
            macs: [&[[2, 0, 0, 0, 0, 1]], &[]],
            ..NetflowRecord::default()
        };
        write_netflow_event(&record, &mut out);
        out.close();
        let text = std::str::from_utf8(out.as_bytes()).unwrap();
        assert!(text.starts_with(r#"{"app_proto":"dns","netflow":{"pkts":2,"bytes":180,"start":"#), "{text}");
        assert!(
            text.ends_with(r#""age":0,"min_ttl":63,"max_ttl":64},"tcp":{"tcp_flags":"12","syn":true,"ack":true},"ether":{"dest_macs":[],"src_macs":["02:00:00:00:00:01"]}}"#),
            "{text}"
        );
    }

    #[test]
    fn a_tcp_flow_has_the_peers_shape() {
        check(
            &FlowRecord {
                app: AppProto { name: Some("ftp"), to_client: Some("failed"), ..AppProto::default() },
                packets: [21, 16],
                bytes: [1300, 3086],
                start: Timestamp::new(1_592_057_339, 8_602_000),
                end: Timestamp::new(1_592_057_357, 425_307_000),
                state: "closed",
                reason: "shutdown",
                action: Some("drop"),
                community_id: Some("1:DmB96eNQKKG5NSqyByOB/S42yxs="),
                tcp: Some(TcpRecord {
                    flags: [0x1b, 0x5b],
                    session: Some(TcpSessionRecord {
                        state: "closed",
                        gap: [false, true],
                        regions_max: [1, 2],
                    }),
                }),
                ..FlowRecord::default()
            },
            r#"{"app_proto":"ftp","app_proto_tc":"failed","flow":{"pkts_toserver":21,"pkts_toclient":16,"bytes_toserver":1300,"bytes_toclient":3086,"start":"2020-06-13T14:08:59.008602+0000","end":"2020-06-13T14:09:17.425307+0000","age":18,"state":"closed","reason":"shutdown","alerted":false,"action":"drop"},"community_id":"1:DmB96eNQKKG5NSqyByOB/S42yxs=","tcp":{"tcp_flags":"5b","tcp_flags_ts":"1b","tcp_flags_tc":"5b","syn":true,"fin":true,"psh":true,"ack":true,"ecn":true,"state":"closed","tc_gap":true,"ts_max_regions":1,"tc_max_regions":2}}"#,
        );
    }

    #[test]
    fn a_flow_without_a_session_has_flags_only() {
        check(
            &FlowRecord {
                start: Timestamp::new(1, 900_000_000),
                end: Timestamp::new(2, 100_000_000),
                state: "new",
                reason: "timeout",
                alerted: true,
                exception_policies: &[("stream_midstream", "ignore")],
                tcp: Some(TcpRecord::default()),
                ..FlowRecord::default()
            },
            r#"{"flow":{"pkts_toserver":0,"pkts_toclient":0,"bytes_toserver":0,"bytes_toclient":0,"start":"1970-01-01T00:00:01.900000+0000","end":"1970-01-01T00:00:02.100000+0000","age":1,"state":"new","reason":"timeout","alerted":true,"exception_policy":[{"target":"stream_midstream","policy":"ignore"}]},"tcp":{"tcp_flags":"00","tcp_flags_ts":"00","tcp_flags_tc":"00"}}"#,
        );
    }
}
