//! Whole messages, made here byte by byte.

use super::DNS;
use super::slots;
use crate::app::{DONE, Input, ParseError, Parser, Protocol, Settings, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [1, flags].into_iter().chain(counts).flat_map(u16::to_be_bytes).collect()
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = text
        .split('.')
        .filter(|label| !label.is_empty())
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}

fn question(text: &str, rrtype: u16) -> Vec<u8> {
    [&name(text)[..], &rrtype.to_be_bytes(), &[0, 1]].concat()
}

/// Owned by the first question's name.
fn record(rrtype: u16, data: &[u8]) -> Vec<u8> {
    [&[0xc0, 12][..], &rrtype.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &(data.len() as u16).to_be_bytes(), data]
        .concat()
}

fn query() -> Vec<u8> {
    [header(0x0100, [1, 0, 0, 0]), question("www.example.com", 1)].concat()
}

fn response() -> Vec<u8> {
    [
        header(0x8180, [1, 2, 1, 1]),
        question("www.example.com", 1),
        record(5, b"\x03cdn\xc0\x10"),
        record(1, &[192, 0, 2, 1]),
        record(2, &name("ns.example.net")),
        record(28, &[0; 16]),
    ]
    .concat()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn parser(transport: Proto, settings: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(settings).ok());
    DNS.factory(&settings).parser(transport, 40_000, 53)
}

fn give(parser: &mut dyn Parser, dir: Direction, bytes: &[u8]) -> Result<usize, ParseError> {
    Ok(parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) })?.consumed)
}

/// Gives a stream in pieces, keeping what was not taken and waiting for what is needed.
fn stream(parser: &mut dyn Parser, dir: Direction, bytes: &[u8], piece: usize) -> Result<(), ParseError> {
    let (mut pending, mut needs) = (Vec::new(), 0);
    for piece in bytes.chunks(piece) {
        pending.extend_from_slice(piece);
        if pending.len() >= needs {
            let parsed = parser.parse(Input { dir, bytes: &pending, eof: false, timestamp: Timestamp(0) })?;
            pending.drain(..parsed.consumed);
            needs = parsed.needs;
        }
    }
    Ok(())
}

fn each(parser: &dyn Parser) -> Vec<&dyn Transaction> {
    let transactions = parser.transactions();
    (0..transactions.count()).filter_map(|nth| transactions.at(nth)).collect()
}

fn records(parser: &dyn Parser) -> Vec<String> {
    each(parser)
        .into_iter()
        .flat_map(|tx| (0..tx.records()).map(move |nth| written(|out| tx.log_record(nth, out))))
        .collect()
}

fn written(write: impl Fn(&mut JsonWriter)) -> String {
    let mut out = JsonWriter::new();
    write(&mut out);
    String::from_utf8(out.take()).unwrap()
}

#[track_caller]
fn check(dir: Direction, message: &[u8], expected: &[&str]) {
    let mut parser = parser(Proto::UDP, "");
    assert_eq!(give(&mut *parser, dir, message), Ok(message.len()));
    assert_eq!(records(&*parser), expected);
}

#[test]
fn requests_make_a_record_a_question() {
    check(
        ToServer,
        &query(),
        &[
            r#""dns":{"version":2,"type":"query","id":1,"rrname":"www.example.com","rrtype":"A","tx_id":0,"opcode":0}"#,
        ],
    );
    check(
        ToServer,
        &[header(0x0140, [2, 0, 0, 0]), question("", 65), question("b.c", 32)].concat(),
        &[
            r#""dns":{"version":2,"type":"query","id":1,"rrname":"","rrtype":"HTTPS","tx_id":0,"z":true,"opcode":0}"#,
            r#""dns":{"version":2,"type":"query","id":1,"rrname":"b.c","rrtype":"32","tx_id":0,"z":true,"opcode":0}"#,
        ],
    );
}

#[test]
fn responses_make_one_record() {
    check(
        ToClient,
        &response(),
        &[concat!(
            r#""dns":{"version":2,"type":"answer","id":1,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"#,
            r#""rrname":"www.example.com","rrtype":"A","rcode":"NOERROR","answers":["#,
            r#"{"rrname":"www.example.com","rrtype":"CNAME","ttl":60,"rdata":"cdn.example.com"},"#,
            r#"{"rrname":"www.example.com","rrtype":"A","ttl":60,"rdata":"192.0.2.1"}],"#,
            r#""grouped":{"CNAME":["cdn.example.com"],"A":["192.0.2.1"]},"#,
            r#""authorities":[{"rrname":"www.example.com","rrtype":"NS","ttl":60,"rdata":"ns.example.net"}]}"#
        )],
    );
    check(ToClient, &header(0x8183, [0; 4]), &[]);
}

#[test]
fn every_kind_of_data_is_written() {
    for (rrtype, data, expected) in [
        (1, &[1, 2, 3][..], r#""rrtype":"A","ttl":60,"rdata":""}],"grouped":{"A":[""]}"#),
        (
            28,
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
            r#""rdata":"2001:0db8:0000:0000:0000:0000:0000:0009"}"#,
        ),
        (15, b"\0\x0a\x02mx\0", r#""rdata":"mx"}],"grouped":{"MX":["mx"]}"#),
        (
            16,
            b"\x02ab\0\x01\xff",
            r#""rdata":"ab"},{"rrname":"a","rrtype":"TXT","ttl":60,"rdata":""},{"rrname":"a","rrtype":"TXT","ttl":60,"rdata":"\\xff"}],"grouped":{"TXT":["ab","","\\xff"]}"#,
        ),
        (10, b"null", r#""rdata":"null"}],"grouped":{"NULL":["null"]}"#),
        (
            6,
            b"\x01m\0\x01r\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
            r#""soa":{"mname":"m","rname":"r","serial":1,"refresh":2,"retry":3,"expire":4,"minimum":5}}"#,
        ),
        (
            33,
            b"\0\x01\0\x02\0\x35\x03srv\0",
            r#""srv":{"priority":1,"weight":2,"port":53,"name":"srv"}}],"grouped":{"SRV":[{"#,
        ),
        (44, b"\x01\x02\xab\xcd", r#""sshfp":{"fingerprint":"ab:cd","algo":1,"type":2}}"#),
        (65, b"\0\x01\0", r#""rrtype":"HTTPS","ttl":60}],"grouped":{}"#),
        (257, b"\0\x05issue", r#""rrtype":"257","ttl":60}],"grouped":{}"#),
    ] {
        let message = [header(0x8180, [1, 1, 0, 0]), question("a", 255), record(rrtype, data)].concat();
        let mut parser = parser(Proto::UDP, "");
        give(&mut *parser, ToClient, &message).unwrap();
        let written = records(&*parser).concat();
        assert!(written.contains(expected), "{written}\nwithout {expected}");
    }
}

#[test]
fn broken_messages_are_passed_over() {
    let whole = response();
    let additionals = whole.len() - 28;
    for end in 0..whole.len() {
        let mut parser = parser(Proto::UDP, "");
        give(&mut *parser, ToClient, &whole[..end]).unwrap();
        // Only the additional section may be missing.
        assert_eq!(parser.transactions().count(), usize::from(end >= additionals), "{end}");
    }
    for data in [
        (15, &b"\0"[..]),
        (16, b""),
        (16, b"\x05ab"),
        (5, b"\xc1\xff"),
        (6, b"\0\0\0"),
        (33, b"\0\x01"),
        (44, b"\0"),
        (2, b"\x01a"),
    ] {
        check(
            ToClient,
            &[header(0x8180, [1, 1, 0, 0]), question("a", 1), record(data.0, data.1)].concat(),
            &[],
        );
    }
    check(ToServer, &response(), &[]);
    check(ToServer, b"", &[]);
}

#[test]
fn buffers_and_numbers_are_answered() {
    let mut parser = parser(Proto::UDP, "");
    give(
        &mut *parser,
        ToServer,
        &[header(0x2100, [2, 0, 0, 0]), question("a.b", 1), question("c", 28)].concat(),
    )
    .unwrap();
    give(&mut *parser, ToClient, &response()).unwrap();
    let transactions = each(&*parser);
    let texts = |tx: &dyn Transaction, slot: Slot| -> Vec<String> {
        (0..)
            .map_while(|nth| tx.bytes(slot, nth).map(|text| String::from_utf8_lossy(text).into_owned()))
            .collect()
    };
    let numbers = |tx: &dyn Transaction, slot: Slot| -> Vec<u64> {
        (0..).map_while(|nth| tx.number(slot, nth)).collect()
    };
    let (request, answer) = (transactions[0], transactions[1]);
    assert_eq!((request.id(), answer.id()), (0, 1));
    assert_eq!(texts(request, slots::QUERY), ["a.b", "c"]);
    assert_eq!(texts(answer, slots::QUERY), [""; 0]);
    assert_eq!(texts(answer, slots::QUERIES_RRNAME), ["www.example.com"]);
    assert_eq!(texts(answer, slots::ANSWERS_RRNAME), ["www.example.com"; 2]);
    assert_eq!(texts(answer, slots::AUTHORITIES_RRNAME), ["www.example.com"]);
    assert_eq!(texts(answer, slots::ADDITIONALS_RRNAME), ["www.example.com"]);
    assert_eq!(
        texts(answer, slots::RESPONSE_RRNAME),
        [
            "www.example.com",
            "www.example.com",
            "cdn.example.com",
            "www.example.com",
            "www.example.com",
            "ns.example.net",
            "www.example.com"
        ]
    );
    assert_eq!(texts(request, slots::RESPONSE_RRNAME), [""; 0]);
    assert_eq!((numbers(request, slots::OPCODE), numbers(request, slots::RCODE)), (vec![4], vec![]));
    assert_eq!((numbers(answer, slots::OPCODE), numbers(answer, slots::RCODE)), (vec![0], vec![0]));
    assert_eq!(
        (numbers(request, slots::RRTYPE), numbers(answer, slots::RRTYPE)),
        (vec![1, 28], vec![1, 5, 1])
    );
    for (tx, dir) in [(request, ToServer), (answer, ToClient)] {
        assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE));
        assert!(tx.concerns(dir) && !tx.concerns(dir.opposite()));
    }
}

#[test]
fn alerts_show_the_message_without_its_answers() {
    let mut parser = parser(Proto::UDP, "");
    for (dir, message) in [(ToServer, query()), (ToClient, response()), (ToServer, header(0x4800, [0; 4]))] {
        give(&mut *parser, dir, &message).unwrap();
    }
    let alerts: Vec<String> =
        each(&*parser).into_iter().map(|tx| written(|out| tx.log_in_alert(out))).collect();
    assert_eq!(
        alerts,
        [
            r#""dns":{"version":2,"query":[{"type":"query","id":1,"rrname":"www.example.com","rrtype":"A","tx_id":0,"opcode":0}]}"#,
            concat!(
                r#""dns":{"version":2,"answer":{"version":2,"type":"answer","id":1,"flags":"8180","qr":true,"rd":true,"ra":true,"#,
                r#""opcode":0,"rrname":"www.example.com","rrtype":"A","rcode":"NOERROR","#,
                r#""authorities":[{"rrname":"www.example.com","rrtype":"NS","ttl":60,"rdata":"ns.example.net"}]}}"#
            ),
            r#""dns":{"version":2}"#,
        ]
    );
}

#[test]
fn what_is_wrong_is_named() {
    let long: String = vec!["x".repeat(60); 20].join(".");
    for (message, expected) in [
        (query(), &[][..]),
        ([header(0x0140, [1, 0, 0, 0]), question("a", 1)].concat(), &["z_flag_set"]),
        ([header(0x3800, [1, 0, 0, 0]), question("a", 1)].concat(), &["invalid_opcode"]),
        ([header(0x0100, [1, 0, 0, 0]), question(&long, 1)].concat(), &["name_too_long"]),
        (
            [header(0x0100, [1, 0, 0, 0]), b"\x01b\xc0\x12\0\x01\xc0\x12".to_vec()].concat(),
            &["infinite_loop"],
        ),
        (
            [header(0x0100, [1, 0, 0, 0]), b"\x01b\xc0\x0c\0\x01\0\x01".to_vec()].concat(),
            &["name_too_long", "too_many_labels"],
        ),
    ] {
        let mut parser = parser(Proto::UDP, "");
        give(&mut *parser, ToServer, &message).unwrap();
        let events: Vec<&str> = each(&*parser)[0]
            .events()
            .iter()
            .map(|&(dir, event)| (assert_eq!(dir, ToServer), event).1)
            .collect();
        assert_eq!(events, expected);
        assert!(events.iter().all(|event| DNS.events().contains(event)));
    }
}

#[test]
fn settings_choose_the_records() {
    for (settings, requests, responses) in [
        ("{}", 1, 1),
        ("{eve: {requests: no}}", 0, 1),
        ("{eve: {responses: no}}", 1, 0),
        ("{eve: {types: [mx]}}", 0, 0),
        ("{eve: {types: [mx, a]}}", 1, 1),
    ] {
        let mut parser = parser(Proto::UDP, settings);
        give(&mut *parser, ToServer, &query()).unwrap();
        give(&mut *parser, ToClient, &response()).unwrap();
        let counts: Vec<usize> = each(&*parser).iter().map(|tx| tx.records()).collect();
        assert_eq!(counts, [requests, responses], "{settings}");
    }
    for (settings, answers, grouped) in
        [("{eve: {formats: [detailed]}}", true, false), ("{eve: {formats: [grouped]}}", false, true)]
    {
        let mut parser = parser(Proto::UDP, settings);
        give(&mut *parser, ToClient, &response()).unwrap();
        let record = records(&*parser).concat();
        assert_eq!((record.contains("\"answers\""), record.contains("\"grouped\"")), (answers, grouped));
    }
}

#[test]
fn streams_may_be_cut_anywhere() {
    let to_server = [framed(&query()), framed(b""), framed(&query())].concat();
    let to_client = [framed(&response()), framed(&response())].concat();
    let mut whole = parser(Proto::TCP, "");
    stream(&mut *whole, ToServer, &to_server, usize::MAX).unwrap();
    stream(&mut *whole, ToClient, &to_client, usize::MAX).unwrap();
    assert_eq!(whole.transactions().count(), 4);
    for piece in 1..to_client.len() {
        let mut cut = parser(Proto::TCP, "");
        stream(&mut *cut, ToServer, &to_server, piece).unwrap();
        stream(&mut *cut, ToClient, &to_client, piece).unwrap();
        assert_eq!(records(&*cut), records(&*whole), "pieces of {piece}");
    }
}

#[test]
fn a_stream_outlives_some_broken_messages_and_gaps() {
    let mut parser = parser(Proto::TCP, "");
    let broken = [framed(b"\x01\x02\x03"), framed(&query())].concat();
    stream(&mut *parser, ToServer, &broken, 7).unwrap();
    assert_eq!(parser.transactions().count(), 1);
    parser.gap(ToServer, 5).unwrap();
    stream(
        &mut *parser,
        ToServer,
        &[&b"the rest of a message"[..], &framed(&query()), &framed(&query())].concat(),
        5,
    )
    .unwrap();
    assert_eq!(parser.transactions().count(), 3);
    assert!(stream(&mut *parser, ToServer, &framed(b"\x01").repeat(100), usize::MAX).is_err());
}

#[test]
fn memory_is_bounded_whatever_compression_says() {
    // 65,535 bytes of questions that all repeat a name of 1025 bytes from its second label on.
    let long = name(&vec!["x".repeat(60); 16].join("."));
    let count = (65_535 - 12 - long.len() - 4) / 6;
    let mut message = [header(0x0100, [count as u16 + 1, 0, 0, 0]), long, vec![0, 1, 0, 1]].concat();
    for nth in 0..count {
        message.extend_from_slice(&[0xc0, if nth % 2 == 0 { 12 } else { 12 + 61 }, 0, 1, 0, 1]);
    }
    let mut parser = parser(Proto::UDP, "");
    give(&mut *parser, ToServer, &message).unwrap();
    assert_eq!(each(&*parser)[0].number(slots::RRTYPE, count), Some(1));
    assert!(parser.memory() < 12 << 20, "{}", parser.memory());
}

#[test]
fn mutations_never_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for round in 0..6000 {
        let dir = if round % 3 == 0 { ToServer } else { ToClient };
        let mut bytes = if dir == ToServer { query() } else { response() };
        for _ in 0..1 + random(5) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] = 0xc0,
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random(256) as u8),
            }
        }
        for port in [53, 4000] {
            DNS.probe(Proto::UDP, dir, port, &bytes);
            DNS.probe(Proto::TCP, dir, port, &bytes);
        }
        let mut datagrams = parser(Proto::UDP, "");
        give(&mut *datagrams, dir, &bytes).unwrap();
        let mut segments = parser(Proto::TCP, "");
        let _ = stream(&mut *segments, dir, &[framed(&bytes), bytes.clone()].concat(), 1 + random(99));
        segments.gap(dir, 1).unwrap();
        let _ = stream(&mut *segments, dir, &bytes, 1 + random(99));
        for parser in [datagrams, segments] {
            for tx in each(&*parser) {
                let _: serde_json::Value =
                    serde_json::from_str(&format!("{{{}}}", written(|out| tx.log_in_alert(out)))).unwrap();
            }
            for record in records(&*parser) {
                let _: serde_json::Value = serde_json::from_str(&format!("{{{record}}}")).unwrap();
            }
        }
    }
}
