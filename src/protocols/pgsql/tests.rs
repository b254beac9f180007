//! Whole sessions, made here byte by byte.

use super::parser::KEPT_MAX;
use super::{ENTRY, PGSQL, slots};
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn start(code: u32, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), &code.to_be_bytes()[..], body].concat()
}

fn authentication(code: u32, body: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], body].concat())
}

fn session() -> Vec<u8> {
    start(3 << 16, b"user\0u\0database\0d\0\0")
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn welcome() -> Vec<u8> {
    [
        authentication(0, b""),
        message(b'S', b"DateStyle\0ISO\0"),
        message(b'S', b"server_version\x0013\0"),
        message(b'K', &[0, 0, 0, 5, 0, 0, 0, 6]),
        ready(),
    ]
    .concat()
}

fn rows() -> Vec<u8> {
    [
        message(b'T', &[&[0, 1][..], b"c\0", &[0; 18]].concat()),
        message(b'D', b"\0\x01\0\0\0\x01\x35"),
        message(b'D', b"\0\x01\xff\xff\xff\xff"),
        message(b'C', b"SELECT 2\0"),
        ready(),
    ]
    .concat()
}

fn error() -> Vec<u8> {
    message(b'E', b"SERROR\0VERROR\0C42601\0Mbad\0Zunknown\0P1\0\0")
}

fn talk(settings: &str) -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 5432, settings)
}

#[test]
fn a_session_is_read() {
    let query = message(b'Q', b"select 1\0");
    let mut talk = talk("{}");
    for (dir, bytes) in [
        (ToServer, session()),
        (ToClient, welcome()),
        (ToServer, query.clone()),
        (ToClient, rows()),
        (ToServer, query),
        (ToClient, error()),
    ] {
        talk.say(dir, &bytes).unwrap();
    }
    let first = talk.each()[0];
    assert_eq!(
        (first.bytes(slots::USER, 0), first.bytes(slots::DATABASE, 0)),
        (Some(&b"u"[..]), Some(&b"d"[..]))
    );
    let last = talk.each().pop().unwrap();
    assert_eq!((last.progress(ToServer), last.progress(ToClient)), (DONE, 0));
    assert_eq!(last.bytes(slots::QUERY, 0), Some(&b"select 1"[..]));
    talk.say(ToClient, &ready()).unwrap();
    talk.say(ToServer, &message(b'X', b"")).unwrap();
    assert!(talk.each().iter().all(|tx| tx.progress(ToClient) == DONE));
    assert_eq!(
        talk.records(),
        [
            concat!(
                r#""pgsql":{"tx_id":1,"request":{"protocol_version":"3.0","startup_parameters":{"user":"u","#,
                r#""optional_parameters":[{"database":"d"}]}},"response":{"message":"authentication_ok","#,
                r#""parameter_status":[{"date_style":"ISO"},{"server_version":"13"}],"process_id":5,"secret_key":6}}"#
            ),
            concat!(
                r#""pgsql":{"tx_id":2,"request":{"simple_query":"select 1"},"response":{"field_count":1,"#,
                r#""data_rows":2,"data_size":1,"command_completed":"SELECT 2"}}"#
            ),
            concat!(
                r#""pgsql":{"tx_id":3,"request":{"simple_query":"select 1"},"response":{"severity_localizable":"ERROR","#,
                r#""severity_non_localizable":"ERROR","code":"42601","message":"bad","position":"1"}}"#
            ),
            r#""pgsql":{"tx_id":4,"request":{"message":"termination_message"}}"#,
        ]
    );
}

fn parse(name: &str, query: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{query}\0\0\0").as_bytes())
}

fn bind(name: &str) -> Vec<u8> {
    [message(b'B', format!("\0{name}\0\0\0\0\0\0\0").as_bytes()), message(b'E', b"\0\0\0\0\0")].concat()
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

#[test]
fn extended_queries_are_read() {
    let done = [message(b'1', b""), message(b'2', b""), rows()].concat();
    let talk = || {
        let mut talk = talk("{}");
        talk.say(ToServer, &session()).unwrap();
        talk.say(ToClient, &welcome()).unwrap();
        talk
    };
    let queries = |talk: &Talk| -> Vec<Vec<String>> {
        let text = |tx: &dyn crate::app::Transaction| {
            let all = (0..4).map_while(|nth| tx.bytes(slots::QUERY, nth));
            all.map(|query| String::from_utf8_lossy(query).into_owned()).collect()
        };
        talk.each().into_iter().skip(1).map(text).collect()
    };
    // parsed and bound; bound by its name alone; several at once
    let mut one = talk();
    one.say(ToServer, &[parse("s", "select $1"), message(b'D', b"Ss\0")].concat()).unwrap();
    assert_eq!(one.each()[1].progress(ToServer), 0);
    one.say(ToServer, &[bind("s"), sync()].concat()).unwrap();
    assert_eq!((one.each()[1].progress(ToServer), one.each()[1].progress(ToClient)), (DONE, 0));
    one.say(ToClient, &done).unwrap();
    assert_eq!(one.each()[1].progress(ToClient), DONE);
    one.say(ToServer, &[bind("s"), sync()].concat()).unwrap();
    one.say(ToClient, &rows()).unwrap();
    one.say(
        ToServer,
        &[parse("", "begin"), parse("t", "drop"), bind("t"), parse("", "late"), bind(""), sync()].concat(),
    )
    .unwrap();
    one.say(ToClient, &done).unwrap();
    assert_eq!(queries(&one), [vec!["select $1"], vec!["select $1"], vec!["begin", "drop"], vec!["late"]]);
    assert!(one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
    assert!(
        one.records()[1]
            .contains(r#""request":{"extended_queries":["select $1"]},"response":{"field_count":1"#)
    );
    // an error is followed by the server's being ready, and a bare Sync has an answer of its own
    let mut two = talk();
    two.say(ToServer, &[sync(), parse("", "bad"), sync()].concat()).unwrap();
    two.say(ToServer, &message(b'Q', b"select 1\0")).unwrap();
    two.say(ToClient, &[ready(), error()].concat()).unwrap();
    assert_eq!(two.each()[1].progress(ToClient), 0);
    two.say(ToClient, &ready()).unwrap();
    assert_eq!(two.each()[1].progress(ToClient), DONE);
    two.say(ToClient, &rows()).unwrap();
    assert!(two.records()[2].contains(r#""simple_query":"select 1"},"response":{"field_count":1"#));
}

#[test]
fn extended_queries_are_bounded() {
    let mut talk = talk("{max-tx: 4}");
    talk.say(ToServer, &session()).unwrap();
    talk.say(ToClient, &welcome()).unwrap();
    for nth in 0..400 {
        let name = format!("{nth}");
        talk.say(ToServer, &[parse(&name, &"x".repeat(9000)), bind(&name)].concat()).unwrap();
        talk.say(ToServer, &sync()).unwrap();
    }
    assert!(talk.each().len() <= 4);
    assert!(talk.memory() < 300 << 10, "{}", talk.memory());
}

#[test]
fn the_user_may_stand_anywhere() {
    let parameters = b"datestyle\0ISO\0user\0u\0database\0d\0\0";
    let mut talk = talk("{}");
    talk.say(ToServer, &start(3 << 16, parameters)).unwrap();
    assert!(
        talk.records()[0]
            .contains(r#"{"user":"u","optional_parameters":[{"datestyle":"ISO"},{"database":"d"}]}"#)
    );
    assert_eq!(PGSQL.probe(Proto::TCP, ToServer, 5432, &start(3 << 16, parameters)), Probe::Yes);
    assert_eq!(PGSQL.probe(Proto::TCP, ToServer, 5432, &start(3 << 16, b"a\0user\0\0")), Probe::No);
}

#[test]
fn each_way_to_authenticate() {
    let sasl = [&b"SCRAM-SHA-256\0\0\0\0\x03"[..], b"abc"].concat();
    for (asked, answer, expected) in [
        (authentication(3, b""), message(b'p', b"secret\0"), r#""request":{"password":"secret"}"#),
        (authentication(5, b"salt"), message(b'p', b"md5abc\0"), r#""request":{"password":"md5abc"}"#),
        (
            authentication(10, b"SCRAM-SHA-256\0\0"),
            message(b'p', &sasl),
            r#""request":{"sasl_authentication_mechanism":"scram_SHA256","sasl_param":"abc"}"#,
        ),
        (authentication(11, b"x"), message(b'p', b"resp"), r#""request":{"sasl_response":"resp"}"#),
        (authentication(9, b""), message(b'p', b"token"), r#""request":{}"#),
    ] {
        let mut talk = talk("{eve: {passwords: yes}}");
        for (dir, bytes) in
            [(ToServer, session()), (ToClient, asked), (ToServer, answer), (ToClient, welcome())]
        {
            talk.say(dir, &bytes).unwrap();
        }
        let records = talk.records();
        assert_eq!(records.len(), 2);
        assert!(records[0].contains(r#","response":{""#), "{}", records[0]);
        assert!(records[1].contains(expected), "{}", records[1]);
        assert!(records[1].contains(r#""message":"authentication_ok""#), "{}", records[1]);
        assert!(talk.each().iter().all(|tx| tx.progress(ToClient) == DONE));
    }
    let mut talk = talk("{}");
    talk.say(ToServer, &session()).unwrap();
    talk.say(ToClient, &authentication(3, b"")).unwrap();
    talk.say(ToServer, &message(b'p', b"secret\0")).unwrap();
    assert_eq!(talk.records()[1], r#""pgsql":{"tx_id":2,"request":{}}"#);
}

#[test]
fn encryption_may_be_asked_for() {
    let ssl = start(80_877_103, b"");
    let mut refused = talk("{}");
    for (dir, bytes) in
        [(ToServer, &ssl[..]), (ToClient, b"N"), (ToServer, &session()), (ToClient, &welcome())]
    {
        refused.say(dir, bytes).unwrap();
    }
    let records = refused.records();
    assert_eq!(records.len(), 2);
    assert_eq!(
        records[0],
        r#""pgsql":{"tx_id":1,"request":{"message":"SSL Request"},"response":{"ssl_accepted":false}}"#
    );
    let mut accepted = talk("{}");
    accepted.say(ToServer, &ssl).unwrap();
    accepted.say(ToClient, b"S").unwrap();
    assert_eq!(accepted.change, Some(Change::Probe));
    assert!(accepted.records()[0].contains(r#""ssl_accepted":true"#));
    let mut gss = talk("{}");
    gss.say(ToServer, &start(80_877_104, b"")).unwrap();
    gss.say(ToClient, b"G").unwrap();
    assert!(gss.opaque);
    let mut cancel = talk("{}");
    cancel.say(ToServer, &start(80_877_102, &[0, 0, 0, 7, 0, 0, 0, 9])).unwrap();
    assert_eq!(
        cancel.records(),
        [r#""pgsql":{"tx_id":1,"request":{"message":"cancel_request","process_id":7,"secret_key":9}}"#]
    );
    // a server that is too old, or full
    let mut failed = talk("{}");
    failed.say(ToServer, &session()).unwrap();
    failed.say(ToClient, &error()).unwrap();
    assert_eq!(failed.each()[0].progress(ToClient), DONE);
}

#[test]
fn answers_go_to_the_oldest_request() {
    let mut talk = talk("{}");
    let queries = [message(b'Q', b"select 1\0"), message(b'Q', b"select 2\0")].concat();
    talk.say(ToServer, &queries).unwrap();
    talk.say(ToClient, &rows()).unwrap();
    let progress: Vec<u8> = talk.each().iter().map(|tx| tx.progress(ToClient)).collect();
    assert_eq!(progress, [DONE, 0]);
    // extended queries and COPY make no transactions
    for kind in *b"PBEDSHdcf" {
        talk.say(ToServer, &message(kind, b"x")).unwrap();
    }
    talk.say(ToClient, &[message(b'N', b"SNOTICE\0\0"), message(b'1', b""), message(b'A', b"")].concat())
        .unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn streams_may_be_cut_anywhere() {
    let (session, welcome, rows) = (session(), welcome(), rows());
    let queries =
        [message(b'Q', b"select 1\0"), message(b'P', b"p\0"), message(b'Q', b"select 2\0")].concat();
    check_pieces(
        &ENTRY,
        5432,
        "{}",
        &[
            (ToServer, &session),
            (ToClient, &welcome),
            (ToServer, &queries),
            (ToClient, &rows),
            (ToClient, &error()),
        ],
    );
}

#[test]
fn what_is_wrong_is_named() {
    let mut wrong = talk("{}");
    wrong.say(ToServer, &session()).unwrap();
    assert!(wrong.say(ToServer, b"Q\0\0\0\x02").is_err());
    assert!(wrong.say(ToClient, b"\x01abcd").is_err());
    assert_eq!(wrong.events(), ["malformed_request", "malformed_response"]);
    let mut many = talk("{max-tx: 3}");
    for _ in 0..9 {
        many.say(ToServer, &message(b'Q', b"x\0")).unwrap();
    }
    assert_eq!((many.each().len(), many.events()), (3, vec!["too_many_transactions"]));
    for _ in 0..9 {
        many.say(ToClient, &ready()).unwrap();
    }
    many.forget_done();
    many.say(ToServer, &message(b'Q', b"x\0")).unwrap();
    assert_eq!(many.each().len(), 1);
}

#[test]
fn only_its_port_is_looked_at() {
    for (dir, bytes, expected) in [
        (ToServer, &session()[..], Probe::Yes),
        (ToServer, &session()[..9], Probe::More),
        (ToServer, &start(80_877_103, b""), Probe::Yes),
        (ToServer, &start(3 << 16, b"database\0d\0\0"), Probe::No),
        (ToServer, &start(9 << 16, b""), Probe::No),
        (ToServer, b"\0\0\x7f\xff\0\x03\0\0", Probe::No),
        (ToServer, &message(b'Q', b"x\0"), Probe::Yes),
        (ToServer, b"GET / HTTP/1.1", Probe::No),
        (ToServer, b"\x16\x03\x01", Probe::No),
        (ToServer, b"", Probe::More),
        (ToClient, b"N", Probe::Yes),
        (ToClient, &ready(), Probe::Yes),
        (ToClient, b"SSH-2.0-x", Probe::No),
        (ToClient, b"\0\0\0\x08", Probe::No),
    ] {
        assert_eq!(PGSQL.probe(Proto::TCP, dir, 5432, bytes), expected, "{}", bytes.escape_ascii());
        assert_eq!(PGSQL.probe(Proto::TCP, dir, 5433, bytes), Probe::No);
    }
}

#[test]
fn long_messages_are_kept_in_part() {
    let mut talk = talk("{}");
    talk.say(ToServer, &message(b'Q', &vec![b'x'; 3 * KEPT_MAX])).unwrap();
    talk.say(ToServer, &message(b'Q', b"after\0")).unwrap();
    talk.say(ToClient, &message(b'D', &[&[0, 1, 0, 1, 0, 0][..], &vec![0; 65_536]].concat())).unwrap();
    assert_eq!(talk.each()[0].bytes(slots::QUERY, 0).map(<[u8]>::len), Some(KEPT_MAX));
    assert_eq!(talk.each()[1].bytes(slots::QUERY, 0), Some(&b"after"[..]));
    assert!(talk.records()[0].contains(r#""data_rows":1,"data_size":65536"#));
    // lost within what is skipped, and elsewhere
    talk.say(ToServer, &message(b'Q', &vec![b'x'; 2 * KEPT_MAX])[..KEPT_MAX + 5]).unwrap();
    talk.gap(ToServer, KEPT_MAX as u64).unwrap();
    talk.say(ToServer, &message(b'Q', b"found\0")).unwrap();
    assert_eq!(talk.each().len(), 4);
    talk.gap(ToServer, 1).unwrap();
    talk.say(ToServer, &message(b'Q', b"lost\0")).unwrap();
    assert_eq!(talk.each().len(), 4);
    let parameters = message(b'S', b"a\0b\0").repeat(10_000);
    talk.say(ToClient, &parameters).unwrap();
    assert!(talk.memory() < 4 * KEPT_MAX, "{}", talk.memory());
}

#[test]
fn mutations_never_panic() {
    let turns = [
        (ToServer, start(80_877_103, b"")),
        (ToClient, b"N".to_vec()),
        (ToServer, session()),
        (ToClient, authentication(10, b"SCRAM-SHA-256\0\0")),
        (ToServer, message(b'p', b"SCRAM-SHA-256\0\0\0\0\x03abc")),
        (ToClient, welcome()),
        (ToServer, message(b'Q', b"select 1\0")),
        (ToClient, rows()),
        (ToServer, message(b'Q', b"selec\0")),
        (ToClient, [error(), ready()].concat()),
    ];
    let turns: Vec<(Direction, &[u8])> = turns.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_mutations(&ENTRY, Proto::TCP, 5432, &turns);
}
