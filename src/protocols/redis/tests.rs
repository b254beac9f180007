//! Whole talks, in the bytes of the documentation and of captures.

use super::parser::{ARGUMENTS_MAX, INLINE_MAX, KEPT_MAX};
use super::{ENTRY, REDIS, slots};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 6379, "{}")
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    out
}

/// A pipeline, RESP3, errors, several kinds of answers.
const TURNS: &[(Direction, &[u8])] = &[
    (ToServer, b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"),
    (ToClient, b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"),
    (ToServer, b"*3\r\n$3\r\nset\r\n$1\r\na\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$3\r\ndir\r\n"),
    (ToClient, b"+OK\r\n$5\r\nhello\r\n*2\r\n$3\r\ndir\r\n$4\r\n/tmp\r\n"),
    (ToServer, b"PING\r\nget missing\r\n*1\r\n$3\r\nFOO\r\n"),
    (ToClient, b">2\r\n+invalidate\r\n*0\r\n+PONG\r\n$-1\r\n-ERR unknown command 'FOO'\r\n"),
    (ToServer, b"*1\r\n$6\r\nDBSIZE\r\n*1\r\n$4\r\nKEYS\r\n"),
    (ToClient, b":7\r\n|1\r\n+ttl\r\n:3600\r\n*2\r\n*1\r\n:1\r\n_\r\n"),
];

#[test]
fn a_talk_is_read() {
    let mut talk = talk();
    talk.all(TURNS).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""redis":{"request":{"command":"HELLO","argument_count":1},"response":{"type":"map","elements":4}}"#,
            r#""redis":{"request":{"command":"SET","keys":["a"],"argument_count":2},"response":{"type":"status","status":"OK"}}"#,
            r#""redis":{"request":{"command":"GET","keys":["a"],"argument_count":1},"response":{"type":"text"}}"#,
            concat!(
                r#""redis":{"request":{"command":"CONFIG GET","arguments":["dir"],"argument_count":2},"#,
                r#""response":{"type":"array","elements":2}}"#
            ),
            r#""redis":{"request":{"command":"PING","argument_count":0},"response":{"type":"status","status":"PONG"}}"#,
            r#""redis":{"request":{"command":"GET","keys":["missing"],"argument_count":1},"response":{"type":"null"}}"#,
            concat!(
                r#""redis":{"request":{"command":"FOO","argument_count":0},"#,
                r#""response":{"type":"error","error":"ERR unknown command 'FOO'"}}"#
            ),
            r#""redis":{"request":{"command":"DBSIZE","argument_count":0},"response":{"type":"integer","status":"7"}}"#,
            r#""redis":{"request":{"command":"KEYS","argument_count":0}}"#,
        ]
    );
    let each = talk.each();
    assert!(each.iter().all(|tx| tx.progress(ToClient) == DONE));
    assert_eq!(each[1].bytes(slots::ARGUMENT, 1), Some(&b"hello"[..]));
    assert_eq!(each[2].bytes(slots::RESPONSE, 0), Some(&b"hello"[..]));
    assert_eq!(
        (each[3].bytes(slots::ARGUMENT, 0), each[3].bytes(slots::ARGUMENT, 1)),
        (Some(&b"dir"[..]), None)
    );
    assert_eq!(each[3].bytes(slots::RESPONSE, 1), Some(&b"/tmp"[..]));
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 6379, "{}", TURNS);
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 6379, TURNS);
}

#[test]
fn secrets_are_not_recorded() {
    let mut talk = talk();
    for words in [
        &["AUTH", "u", "hunter2"][..],
        &["config", "set", "requirepass", "hunter2"],
        &["ACL", "SETUSER", "x", ">hunter2"],
    ] {
        talk.say(ToServer, &command(words)).unwrap();
    }
    let records = talk.records().join("\n");
    assert!(!records.contains("hunter2") && records.contains("CONFIG SET"), "{records}");
}

#[test]
fn channels_and_replicas_end_the_pairing() {
    let mut one = talk();
    one.say(ToServer, &command(&["SUBSCRIBE", "news"])).unwrap();
    one.say(
        ToClient,
        b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n",
    )
    .unwrap();
    one.say(ToServer, &command(&["PING"])).unwrap();
    assert!(one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
    let mut other = talk();
    other.say(ToServer, &command(&["PSYNC", "?", "-1"])).unwrap();
    other.say(ToClient, b"\n+FULLRESYNC aaaa 1\r\n$5\r\nREDIS").unwrap();
    assert!(other.opaque);
    assert_eq!(other.each()[0].progress(ToClient), DONE);
}

#[test]
fn what_is_too_long_is_cut_or_refused() {
    let value = vec![b'v'; 2 * KEPT_MAX];
    let mut cut = talk();
    cut.say(ToServer, format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n${}\r\n", value.len()).as_bytes()).unwrap();
    cut.say(ToServer, &value).unwrap();
    cut.say(ToServer, b"\r\n").unwrap();
    cut.say(ToServer, &command(&["PING"])).unwrap();
    assert_eq!(cut.each().len(), 2);
    assert_eq!(cut.events(), ["argument_cut"]);
    assert_eq!(cut.each()[0].bytes(slots::ARGUMENT, 1).unwrap().len(), KEPT_MAX - 4);
    // many arguments
    let mut many = talk();
    let words: Vec<&str> =
        std::iter::once("DEL").chain(std::iter::repeat_n("k", 5 * ARGUMENTS_MAX)).collect();
    many.say(ToServer, &command(&words)).unwrap();
    assert!(many.each().len() == 1 && many.memory() < 256 << 10, "{}", many.memory());
    for (dir, bytes, event) in [
        (ToServer, vec![b'a'; INLINE_MAX], "inline_too_long"),
        (ToServer, b"*1\r\n:1\r\n".to_vec(), "malformed_request"),
        (ToServer, b"*1048577\r\n".to_vec(), "malformed_request"),
        (ToServer, b"*1\r\n$1\r\nabc".to_vec(), "malformed_request"),
        (ToClient, b"nonsense\r\n".to_vec(), "malformed_response"),
        (ToClient, b"$600000000\r\n".to_vec(), "malformed_response"),
    ] {
        let mut talk = talk();
        assert!(talk.say(dir, &bytes).is_err(), "{event}");
        assert_eq!(talk.events(), [event]);
    }
    // an answer of more elements than there are numbers
    let mut deep = talk();
    deep.say(ToServer, &command(&["KEYS", "*"])).unwrap();
    for _ in 0..200 {
        deep.say(ToClient, b"*4000000000\r\n").unwrap();
    }
    assert_eq!(deep.each()[0].progress(ToClient), 0);
}

#[test]
fn a_hole_is_stood() {
    let mut one = talk();
    one.say(ToServer, &command(&["GET", "a"])).unwrap();
    one.say(ToClient, b"$40000\r\nabc").unwrap();
    one.gap(ToClient, 30_000).unwrap();
    one.say(ToServer, &command(&["GET", "b"])).unwrap();
    one.say(ToClient, b"x\r\n+OK\r\n").unwrap();
    assert!(one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    for (dir, port, bytes, expected) in [
        (ToServer, 7000, &b"*1\r\n$4\r\nPING\r\n"[..], Probe::Yes),
        (ToServer, 7000, b"*1\r\n$", Probe::More),
        (ToServer, 7000, b"*1\r\n+", Probe::No),
        (ToServer, 7000, b"*a", Probe::No),
        (ToServer, 7000, b"PING\r\n", Probe::No),
        (ToServer, 6379, b"PING\r\n", Probe::Yes),
        (ToServer, 6379, b"inf", Probe::More),
        (ToServer, 6379, b"EHLO x\r\n", Probe::No),
        (ToServer, 6379, b"\x16\x03\x01", Probe::No),
        (ToClient, 7000, b"+PONG\r\n", Probe::Yes),
        (ToClient, 7000, b"+OK POP3 ready\r\n", Probe::No),
        (ToClient, 7000, b"$5\r\nhello", Probe::Yes),
        (ToClient, 7000, b":12\r\n", Probe::Yes),
        (ToClient, 7000, b"-ERR no\r\n", Probe::Yes),
        (ToClient, 7000, b"-e", Probe::No),
        (ToClient, 7000, b"+hello\r\n", Probe::No),
        (ToClient, 6379, b":1\r\n", Probe::Yes),
        (ToClient, 6379, b"220 x\r\n", Probe::No),
    ] {
        assert_eq!(
            REDIS.probe(Proto::TCP, dir, port, bytes),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}
