//! Mail through the whole engine: who speaks first, what is inspected when, and what follows STARTTLS.

use etherparse::PacketBuilder;
use mamparo::capture::LinkType;
use mamparo::types::Timestamp;
use serde_json::Value;

use super::support::engine::{Engine, Make, Packet, rules};

/// Whether the client speaks, and what.
pub(crate) type Turn<'t> = (bool, &'t [u8]);

const RULES: &str = r#"
alert smtp any any -> any any (msg:"file"; flow:established,to_server; file.data; content:"attached bytes"; sid:1;)
alert smtp any any -> any any (msg:"name"; flow:established,to_server; file.name; content:"att.bin"; sid:2;)
alert smtp any any -> any any (msg:"sender"; smtp.mail_from; content:"<a@b.c>"; bsize:7; sid:3;)
alert smtp any any -> any any (msg:"second recipient"; smtp.rcpt_to; content:"<g@h>"; sid:4;)
alert smtp any any -> any any (msg:"subject"; email.subject; content:"hello"; sid:5;)
alert smtp any any -> any any (msg:"welcome"; app-layer-event:smtp.no_server_welcome_message; sid:6;)
alert smtp any any -> any any (msg:"raw"; flow:established,to_server; content:"RCPT TO"; sid:7;)
alert smtp any any -> any any (msg:"helo"; smtp.helo; content:"me.example"; sid:8;)
alert tcp any any -> any any (msg:"no tls"; app-layer-event:applayer_no_tls_after_starttls; sid:9;)
alert tcp any any -> any any (msg:"unexpected"; app-layer-event:applayer_unexpected_protocol; sid:10;)
alert smtp any any -> any any (msg:"url"; email.url; content:"evil.example/"; sid:11;)
alert smtp any any -> any any (msg:"reply"; flow:to_client; app-layer-event:smtp.invalid_reply; sid:12;)
"#;

const GREETING: [Turn<'static>; 3] =
    [(false, b"220 mx ESMTP\r\n"), (true, b"EHLO me.example\r\n"), (false, b"250-mx\r\n250 STARTTLS\r\n")];

/// A connection with a handshake and an end, each turn acknowledged by the other side.
pub(crate) fn conversation(port: u16, turns: &[Turn<'_>]) -> Vec<Packet> {
    const CLIENT: [u8; 4] = [10, 0, 0, 1];
    const SERVER: [u8; 4] = [10, 0, 0, 2];
    let mut packets = Vec::new();
    let mut seq = [1000u32, 5000];
    let mut send = |client: bool, seq: &mut [u32; 2], flags: &str, payload: &[u8]| {
        let (own, other) = if client { (0, 1) } else { (1, 0) };
        let (from, to) = if client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (from_port, to_port) = if client { (40_000, port) } else { (port, 40_000) };
        let mut step = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(from, to, 64)
            .tcp(from_port, to_port, seq[own], 65_000);
        if flags.contains('S') {
            step = step.syn();
        }
        if flags.contains('F') {
            step = step.fin();
        }
        if flags.contains('A') {
            step = step.ack(seq[other]);
        }
        let mut bytes = Vec::new();
        step.write(&mut bytes, payload).expect("a packet is written");
        seq[own] += payload.len() as u32 + u32::from(flags.contains(['S', 'F']));
        let timestamp = Timestamp::new(1_700_000_000, packets.len() as u32 * 1_000_000);
        packets.push(Packet { timestamp, link: LinkType(1), bytes });
    };
    send(true, &mut seq, "S", b"");
    send(false, &mut seq, "SA", b"");
    send(true, &mut seq, "A", b"");
    for (client, bytes) in turns {
        for piece in bytes.chunks(1400) {
            send(*client, &mut seq, "A", piece);
            send(!*client, &mut seq, "A", b"");
        }
    }
    send(true, &mut seq, "FA", b"");
    send(false, &mut seq, "FA", b"");
    send(true, &mut seq, "A", b"");
    packets
}

struct Seen {
    sids: Vec<u32>,
    records: Vec<Value>,
}

impl Seen {
    fn of(&self, event_type: &str) -> Vec<&Value> {
        self.records.iter().filter(|record| record["event_type"] == event_type).collect()
    }
}

fn run(turns: &[Turn<'_>], inline: bool) -> Seen {
    see(RULES, &conversation(25, turns), inline)
}

fn see(text: &str, packets: &[Packet], inline: bool) -> Seen {
    let engine: Engine = Make { sources: rules(text), inline, ..Make::default() }.engine();
    let outcome = engine.run(packets);
    let mut sids: Vec<u32> = outcome.alerts.iter().map(|(sid, _)| *sid).collect();
    sids.sort_unstable();
    let records = outcome.lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    Seen { sids, records }
}

#[test]
fn a_mail_is_inspected_and_recorded() {
    let message: &[u8] = b"From: a\r\nSubject: hello\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\n\
        see http://evil.example/x\r\n--B\r\nContent-Type: x/y; name=att.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        YXR0YWNoZWQg\r\nYnl0ZXM=\r\n--B--\r\n.\r\n";
    let mut turns = GREETING.to_vec();
    turns.extend([
        (true, &b"MAIL FROM:<a@b.c>\r\n"[..]),
        (false, b"250 ok\r\n"),
        (true, b"RCPT TO:<d@e.f>\r\nRCPT TO:<g@h>\r\n"),
        (false, b"250 ok\r\n250 ok\r\n"),
        (true, b"DATA\r\n"),
        (false, b"354 go\r\n"),
        (true, message),
        (false, b"250 ok\r\n"),
        (true, b"QUIT\r\n"),
        (false, b"221 bye\r\n"),
    ]);
    let seen = run(&turns, false);
    // the name is the later transaction's, too; the raw stream is inspected once
    assert_eq!(seen.sids, [1, 2, 3, 4, 5, 7, 8, 8, 11]);
    let mails = seen.of("smtp");
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0]["smtp"]["rcpt_to"][1], "<g@h>");
    assert_eq!(mails[0]["email"]["attachment"][0], "att.bin");
    assert_eq!(mails[1]["smtp"]["helo"], "me.example");
    let files = seen.of("fileinfo");
    assert_eq!(files.len(), 1);
    assert_eq!(
        (&files[0]["fileinfo"]["size"], &files[0]["fileinfo"]["state"]),
        (&14.into(), &"CLOSED".into())
    );
    assert_eq!(files[0]["email"]["status"], "PARSE_DONE");
    let flows = seen.of("flow");
    assert_eq!((&flows[0]["app_proto"], &flows[0]["app_proto_tc"]), (&"smtp".into(), &"failed".into()));
    // in the way of packets the raw stream is looked at with each of them
    let mut inline = run(&turns, true).sids;
    inline.dedup();
    assert_eq!(inline, [1, 2, 3, 4, 5, 7, 8, 11]);
}

#[test]
fn the_servers_welcome_comes_first() {
    assert!(!run(&GREETING, false).sids.contains(&6));
    assert!(!run(&GREETING, true).sids.contains(&6));
    assert!(run(&GREETING[1..], false).sids.contains(&6), "and it is missed when it does not come");
}

#[test]
fn what_follows_starttls_is_told() {
    let mut turns = GREETING.to_vec();
    turns.extend([(true, &b"STARTTLS\r\n"[..]), (false, b"220 go\r\n")]);
    let hello =
        [&b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03"[..], &[7; 32], b"\0\0\x02\x00\x2f\x01\0\0\0"]
            .concat();
    let with = |rest: &[Turn<'_>]| run(&[&turns[..], rest].concat(), false);
    let kept = with(&[(true, &hello), (false, b"\x15\x03\x01\x00\x02\x02\x28")]);
    assert_eq!(kept.sids, [8], "{:?}", kept.sids);
    let flow = kept.of("flow")[0];
    assert_eq!((&flow["app_proto"], &flow["app_proto_orig"]), (&"tls".into(), &"smtp".into()));
    assert_eq!(kept.of("smtp").len(), 1);
    assert_eq!(with(&[]).sids, [8, 9, 10], "nothing came");
    let other =
        with(&[(true, b"GET / HTTP/1.0\r\n\r\n"), (false, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")]);
    assert_eq!(other.sids, [8, 9, 10]);
    let flow = other.of("flow")[0];
    assert_eq!((&flow["app_proto"], &flow["app_proto_expected"]), (&"http".into(), &"tls".into()));
    assert_eq!((other.of("smtp").len(), other.of("http").len()), (1, 1));
}

#[test]
fn what_is_given_up_is_still_told_of() {
    let mut turns = GREETING.to_vec();
    turns.extend([
        (true, &b"NOOP\r\n"[..]),
        (false, b"<html>\r\n"),
        (true, b"NOOP\r\n"),
        (false, b"250 ok\r\n"),
    ]);
    let seen = run(&turns, false);
    assert!(seen.sids.contains(&12), "{:?}", seen.sids);
    assert_eq!(seen.of("smtp").len(), 1);
}

const FETCHED: &str = r#"
alert pop3 any any -> any any (msg:"file"; flow:to_client; file.data; content:"attached bytes"; sid:1;)
alert imap any any -> any any (msg:"file"; flow:to_client; file.data; content:"attached bytes"; sid:2;)
alert tcp any any -> any any (msg:"name"; file.name; content:"att.bin"; sid:3;)
alert tcp any any -> any any (msg:"subject"; email.subject; content:"hello"; sid:4;)
alert imap any any -> any any (msg:"added"; flow:to_server; file.data; content:"attached bytes"; sid:5;)
"#;

const MESSAGE: &str = "From: a\r\nSubject: hello\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\n\
    text\r\n--B\r\nContent-Type: x/y; name=att.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    YXR0YWNoZWQg\r\nYnl0ZXM=\r\n--B--\r\n";

#[test]
fn messages_that_are_fetched_have_files() {
    let turns = |answer: &str| {
        conversation(
            110,
            &[
                (false, b"+OK POP3 ready\r\n"),
                (true, b"USER ann\r\n"),
                (false, b"+OK\r\n"),
                (true, b"RETR 1\r\n"),
                (false, answer.as_bytes()),
                (true, b"QUIT\r\n"),
                (false, b"+OK bye\r\n"),
            ],
        )
    };
    for inline in [false, true] {
        let seen = see(FETCHED, &turns(&format!("+OK\r\n{MESSAGE}.\r\n")), inline);
        assert_eq!(seen.sids, [1, 3, 4], "inline {inline}");
        let file = seen.of("fileinfo")[0];
        assert_eq!((&file["fileinfo"]["state"], &file["app_proto"]), (&"CLOSED".into(), &"pop3".into()));
        assert_eq!((&file["src_port"], &file["email"]["attachment"][0]), (&110.into(), &"att.bin".into()));
        let mail = *seen.of("pop3").iter().find(|record| record["email"].is_object()).expect("a message");
        assert_eq!(
            (&mail["email"]["from"], &mail["pop3"]["request"]["command"]),
            (&"a".into(), &"RETR".into())
        );
    }
}

#[test]
fn a_hole_in_a_message_costs_no_more_than_the_message() {
    let filler = "filler of forty-eight bytes, with its line end\r\n".repeat(1000);
    let message = format!("{MESSAGE}{filler}");
    let head = format!("* 1 FETCH (BODY[] {{{}}}\r\n", message.len());
    let packets = conversation(
        143,
        &[
            (false, b"* OK IMAP4rev1 ready\r\n"),
            (true, b"a1 FETCH 1 BODY[]\r\n"),
            (false, format!("{head}{message})\r\na1 OK done\r\n").as_bytes()),
            (true, b"a2 NOOP\r\n"),
            (false, b"a2 OK nothing\r\n"),
            (true, format!("a3 APPEND Sent {{{}}}\r\n{message}\r\n", message.len()).as_bytes()),
            (false, b"a3 OK added\r\n"),
        ],
    );
    let whole = see(FETCHED, &packets, false);
    assert_eq!(whole.sids, [2, 3, 3, 4, 4, 5]);
    let states = |seen: &Seen| -> Vec<Value> {
        seen.of("fileinfo").iter().map(|file| file["fileinfo"]["state"].clone()).collect()
    };
    assert_eq!(states(&whole), ["CLOSED", "CLOSED"]);
    let answers = |seen: &Seen| -> Vec<Value> {
        seen.of("imap").iter().map(|record| record["imap"]["response"]["text"].clone()).collect()
    };
    assert_eq!(answers(&whole), ["IMAP4rev1 ready", "done", "nothing", "added"]);
    // a piece of the filler, and in the midst of the attachment's headers
    let mut lost = packets.clone();
    let piece = lost.iter().rposition(|packet| packet.bytes.len() > 1400).expect("a full packet");
    lost.remove(piece - 4);
    let seen = see(FETCHED, &lost, false);
    assert_eq!(answers(&seen), answers(&whole), "what follows the message is read");
    let mut first = packets;
    let piece = first.iter().position(|packet| packet.bytes.len() > 1400).expect("a full packet");
    first.remove(piece + 2);
    let seen = see(FETCHED, &first, false);
    assert_eq!(answers(&seen), answers(&whole));
}
