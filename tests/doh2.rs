//! DNS over HTTP/2: what the flow is called, and whose rules look at it.

use super::mail::conversation;
use super::support::engine::{Make, rules};
use serde_json::Value;

const RULES: &str = r#"
alert dns any any -> any any (msg:"dns"; dns.query; content:"evil.example"; sid:1;)
alert doh2 any any -> any any (msg:"doh2"; flow:to_client; dns.answers.rrname; content:"evil.example"; sid:2;)
alert http any any -> any any (msg:"both"; http.uri; content:"/dns-query"; dns.query; content:"evil"; sid:3;)
alert http2 any any -> any any (msg:"http2"; http.method; content:"POST"; sid:4;)
alert tcp any any -> any any (msg:"any"; dns.rrtype:TXT; flow:to_server; sid:5;)
alert tcp any any -> any any (msg:"called"; app-layer-protocol:doh2; sid:6;)
alert dns any any -> any any (msg:"all of dns"; content:"needle"; sid:7;)
alert doh2 any any -> any any (msg:"all of it"; content:"needle"; sid:8;)
"#;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, (payload.len() >> 8) as u8, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn headers(stream: u8, end: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    let block: Vec<u8> =
        headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect();
    frame(1, if end { 5 } else { 4 }, stream, &block)
}

const KIND: (&str, &str) = ("content-type", "application/dns-message");
const QUERY: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04evil\x07example\0\0\x10\0\x01";
const ANSWER: &[u8] =
    b"\0\x07\x81\x80\0\x01\0\x01\0\0\0\0\x04evil\x07example\0\0\x10\0\x01\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x05\x04text";

fn run(kind: (&str, &str), set: &[(&str, &str)]) -> (Vec<u32>, Vec<Value>) {
    let ask = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        headers(1, false, &[(":method", "POST"), (":path", "/dns-query"), ("needle", "x"), kind]),
        frame(0, 1, 1, QUERY),
    ]
    .concat();
    let answer =
        [frame(4, 0, 0, &[]), headers(1, false, &[(":status", "200"), kind]), frame(0, 1, 1, ANSWER)]
            .concat();
    let packets = conversation(8053, &[(true, &ask), (false, &answer)]);
    let engine = Make { sources: rules(RULES), set, ..Make::default() }.engine();
    let outcome = engine.run(&packets);
    let mut sids: Vec<u32> = outcome.alerts.iter().map(|(sid, _)| *sid).collect();
    sids.sort_unstable();
    sids.dedup();
    (sids, outcome.lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

fn of<'r>(records: &'r [Value], event_type: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["event_type"] == event_type).collect()
}

#[test]
fn names_asked_over_http2_are_dns_and_http() {
    let (sids, records) = run(KIND, &[]);
    assert_eq!(sids, [1, 2, 3, 4, 5, 6, 7, 8]);
    let flow = of(&records, "flow")[0];
    assert_eq!((&flow["app_proto"], &flow["app_proto_tc"]), (&"doh2".into(), &Value::Null));
    let names: Vec<_> = of(&records, "dns").iter().map(|record| record["dns"]["type"].clone()).collect();
    assert_eq!(names, ["query", "answer"]);
    assert!(of(&records, "http").iter().any(|record| record["http"]["url"] == "/dns-query"));
    let alert =
        *of(&records, "alert").iter().find(|alert| alert["alert"]["signature_id"] == 1).expect("an alert");
    assert_eq!(
        (&alert["app_proto"], &alert["dns"]["query"][0]["rrname"]),
        (&"doh2".into(), &"evil.example".into())
    );
    assert_eq!(alert["http"]["http_method"], "POST");
}

#[test]
fn other_http2_is_not() {
    let (sids, records) = run(("content-type", "text/plain"), &[]);
    assert_eq!(sids, [4], "rules of dns and of doh2 are not about it");
    assert_eq!(of(&records, "flow")[0]["app_proto"], "http2");
    assert!(of(&records, "dns").is_empty());
}
