//! Whole connections: what the parser makes of them, however the bytes are cut.

use std::collections::BTreeMap;

use super::keywords::BUFFERS;
use super::slots as slot;
use super::*;
use crate::app::{Change, DONE, Input, ParseError, Parsed, Transaction};
use crate::detect::Kind;
use crate::json::JsonWriter;
use crate::types::Direction::{self, ToClient, ToServer};
use crate::types::Timestamp;

/// What one side sends, in turn.
type Turn<'a> = (Direction, &'a [u8]);

/// All buffers of a connection: keyword and direction to what each transaction has there.
type Buffers = BTreeMap<(u64, &'static str, &'static str), Vec<Vec<u8>>>;

struct Seen {
    buffers: Buffers,
    events: Vec<(u64, &'static str)>,
    files: Vec<(u64, Direction, String, u64, &'static str)>,
    records: Vec<String>,
    change: Option<Change>,
    error: Option<ParseError>,
    count: usize,
}

fn parser(yaml: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(yaml).ok());
    Http.factory(&settings).parser(Proto::TCP, 40000, 80)
}

fn collect(parser: &dyn Parser, seen: &mut Seen) {
    let list = parser.transactions();
    seen.count = list.count();
    for nth in 0..list.count() {
        let tx = list.at(nth).unwrap();
        collect_tx(tx, seen);
    }
}

fn collect_tx(tx: &dyn Transaction, seen: &mut Seen) {
    for (spec, place) in BUFFERS.iter().flat_map(|spec| spec.places.iter().map(move |place| (spec, place))) {
        let mut values = Vec::new();
        for nth in 0..64 {
            let value = match place.kind {
                Kind::Bytes | Kind::Multi => tx.bytes(place.slot, nth).map(<[u8]>::to_vec),
                Kind::Body => tx.body(place.slot, nth).map(|body| body.bytes.to_vec()),
            };
            match value {
                Some(value) => values.push(value),
                None => break,
            }
        }
        if !values.is_empty() {
            seen.buffers.insert((tx.id(), place.dir.name(), spec.name), values);
        }
    }
    seen.events.extend(tx.events().iter().map(|(_, name)| (tx.id(), *name)));
    for dir in Direction::BOTH {
        for file in tx.files(dir) {
            let name = file.name.escape_ascii().to_string();
            seen.files.push((tx.id(), dir, name, file.size, file.state.name()));
        }
    }
    let mut json = JsonWriter::new();
    json.open();
    tx.log(&mut json);
    json.close();
    seen.records.push(String::from_utf8_lossy(json.as_bytes()).into_owned());
}

/// Feeds a connection, each turn cut into pieces of `step` bytes, and closes it.
fn feed(parser: &mut dyn Parser, turns: &[Turn<'_>], step: usize) -> Seen {
    let mut seen = Seen {
        buffers: Buffers::new(),
        events: Vec::new(),
        files: Vec::new(),
        records: Vec::new(),
        change: None,
        error: None,
        count: 0,
    };
    let mut dead = [false; 2];
    let mut give = |parser: &mut dyn Parser, dir: Direction, bytes: &[u8], eof: bool| {
        if dead[dir.index()] {
            return;
        }
        match parser.parse(Input { dir, bytes, eof, timestamp: Timestamp(0) }) {
            Ok(parsed) => {
                assert!(parsed.consumed <= bytes.len());
                seen.change = seen.change.or(parsed.change);
            }
            Err(error) => {
                dead[dir.index()] = true;
                seen.error = Some(error);
            }
        }
    };
    for (dir, bytes) in turns {
        for piece in bytes.chunks(step.max(1)) {
            give(parser, *dir, piece, false);
        }
    }
    for dir in Direction::BOTH {
        give(parser, dir, b"", true);
    }
    collect(parser, &mut seen);
    seen
}

fn run(turns: &[Turn<'_>]) -> Seen {
    feed(&mut *parser(""), turns, usize::MAX)
}

fn one(seen: &Seen, tx: u64, dir: Direction, keyword: &'static str) -> Option<String> {
    let values = seen.buffers.get(&(tx, dir.name(), keyword))?;
    Some(values.iter().map(|value| value.escape_ascii().to_string()).collect::<Vec<_>>().join(" | "))
}

fn check(turns: &[Turn<'_>], expected: &[(u64, Direction, &'static str, &str)]) -> Seen {
    let seen = run(turns);
    for (tx, dir, keyword, value) in expected {
        let got = one(&seen, *tx, *dir, keyword).unwrap_or_default();
        assert_eq!(got, *value, "{keyword} {} of {tx}", dir.name());
    }
    seen
}

const OK: Turn<'_> = (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
const GET: Turn<'_> = (ToServer, b"GET /f HTTP/1.1\r\nHost: a\r\n\r\n");

/// A connection with much of what can be in one.
const RICH: &[Turn<'_>] = &[
    (
        ToServer,
        b"GET /a/../b?c=%41#d HTTP/1.1\r\nHost: ExAmple.com:8080\r\nUser-Agent: x\r\nCookie: a=b\r\nX-A: 1\r\nX-a: 2\r\n\
          Accept: */*\r\nAccept-Encoding: gzip\r\nFold: a\r\n b\r\nReferer: http://r/\r\n\r\n\
          POST /up HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XX\r\nTransfer-Encoding: chunked\r\n\r\n\
          4e\r\n--XX\r\nContent-Disposition: form-data; name=f; filename=\"a.txt\"\r\n\r\nfirst half, \r\n\
          15\r\nsecond half\r\n--XX--\r\n\r\n0\r\nTrailer: t\r\n\r\n\
          HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        ToClient,
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK fine\r\nTransfer-Encoding: chunked\r\nSet-Cookie: x=y\r\n\
          Set-Cookie: z\r\nServer: ng\r\nContent-Type: text/html; charset=x\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n\
          HTTP/1.1 404 Not Found\nContent-Length: 4\n\ngone\
          HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    ),
    (ToServer, b"PUT /d/p.txt HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"),
    (ToClient, b"HTTP/1.0 302 Found\rLocation: /x\r\rold style"),
];

#[test]
fn every_buffer_of_a_rich_connection() {
    let seen = check(
        RICH,
        &[
            (0, ToServer, "http.method", "GET"),
            (0, ToServer, "http.uri", "/b?c=A#d"),
            (0, ToServer, "http.uri.raw", "/a/../b?c=%41#d"),
            (0, ToServer, "http.protocol", "HTTP/1.1"),
            (0, ToServer, "http.request_line", "GET /a/../b?c=%41#d HTTP/1.1"),
            (0, ToServer, "http.host", "example.com"),
            (0, ToServer, "http.host.raw", "ExAmple.com:8080"),
            (0, ToServer, "http.cookie", "a=b"),
            (0, ToServer, "http.user_agent", "x"),
            (0, ToServer, "http.accept", "*/*"),
            (0, ToServer, "http.accept_enc", "gzip"),
            (0, ToServer, "http.referer", "http://r/"),
            (
                0,
                ToServer,
                "http.header",
                "Host: ExAmple.com:8080\\r\\nUser-Agent: x\\r\\nX-A: 1, 2\\r\\nAccept: */*\\r\\nAccept-Encoding: gzip\\r\\n\
                 Fold: a b\\r\\nReferer: http://r/\\r\\n",
            ),
            (
                0,
                ToServer,
                "http.header_names",
                "\\r\\nHost\\r\\nUser-Agent\\r\\nCookie\\r\\nX-A\\r\\nAccept\\r\\nAccept-Encoding\\r\\nFold\\r\\nReferer\\r\\n\\r\\n",
            ),
            (0, ToServer, "http.request_body", ""),
            (0, ToClient, "http.protocol", "HTTP/1.1"),
            (0, ToClient, "http.response_line", "HTTP/1.1 200 OK fine"),
            (0, ToClient, "http.stat_code", "200"),
            (0, ToClient, "http.stat_msg", "OK fine"),
            (0, ToClient, "http.cookie", "x=y, z"),
            (0, ToClient, "http.server", "ng"),
            (0, ToClient, "http.content_type", "text/html; charset=x"),
            (0, ToClient, "file.data", "hello"),
            (0, ToClient, "file.name", "/b"),
            (
                0,
                ToClient,
                "http.response_header",
                "Transfer-Encoding: chunked | Set-Cookie: x=y, z | Server: ng | Content-Type: text/html; charset=x | T: v",
            ),
            (1, ToServer, "http.method", "POST"),
            (1, ToServer, "file.data", "first half, second half"),
            (1, ToServer, "file.name", "a.txt"),
            (
                1,
                ToServer,
                "http.start",
                "POST /up HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: multipart/form-data; boundary=XX\\r\\n\
                 Transfer-Encoding: chunked\\r\\nTrailer: t\\r\\n\\r\\n",
            ),
            (1, ToClient, "http.stat_code", "404"),
            (1, ToClient, "file.data", "gone"),
            (2, ToServer, "http.method", "HEAD"),
            (2, ToClient, "file.data", ""),
            (3, ToServer, "file.data", "abc"),
            (3, ToServer, "file.name", "/d/p.txt"),
            (3, ToClient, "http.location", "/x"),
            (3, ToClient, "file.data", "old style"),
        ],
    );
    assert_eq!(seen.count, 4);
    assert_eq!(seen.events, [(0, "response_chunk_extension")], "and nothing else is wrong with it");
    assert_eq!(
        seen.records[0],
        r#"{"http":{"hostname":"example.com","http_port":8080,"url":"/a/../b?c=%41#d","http_user_agent":"x","http_content_type":"text/html","http_refer":"http://r/","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":20}}"#
    );
    assert!(seen.records[3].contains(r#""status":302,"redirect":"/x","length":9"#), "{}", seen.records[3]);
}

#[test]
fn cutting_changes_nothing() {
    let whole = run(RICH);
    for step in 1..60 {
        let cut = feed(&mut *parser(""), RICH, step);
        assert_eq!(cut.buffers, whole.buffers, "cut at {step}");
        assert_eq!(cut.records, whole.records, "cut at {step}");
        assert_eq!(cut.files, whole.files, "cut at {step}");
    }
    // every single place for one cut
    for (turn, (dir, bytes)) in RICH.iter().enumerate() {
        for at in 1..bytes.len() {
            let (front, back) = bytes.split_at(at);
            let mut turns = RICH.to_vec();
            turns.splice(turn..=turn, [(*dir, front), (*dir, back)]);
            assert_eq!(run(&turns).buffers, whole.buffers, "turn {turn} at {at}");
        }
    }
}

#[test]
fn bodies_in_disguise_are_seen() {
    use std::io::Write as _;
    let mut enc = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    enc.write_all(b"EVIL").unwrap();
    let gzip = enc.finish().unwrap();
    let respond = |head: &str, body: &[u8]| [head.as_bytes(), body].concat();
    for (what, response) in [
        (
            "nul in names",
            respond(
                "HTTP/1.1 200 ok\r\nTransfer\0-encoding:chun\0ked\r\n\r\n",
                b"2\r\nEV\r\n2\r\nIL\r\n0\r\n\r\n",
            ),
        ),
        (
            "name folded",
            respond("HTTP/1.1 200 ok\r\nTransfer-Encoding\r\n : chunked\r\n\r\n", b"4\r\nEVIL\r\n0\r\n\r\n"),
        ),
        (
            "lf cr",
            respond(
                "HTTP/1.1 200 ok\n\rTransfer-Encoding: chunked\n\rA: b\r\n\r\n",
                b"4\r\nEVIL\r\n0\r\n\r\n",
            ),
        ),
        ("blank line", respond("HTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\nA: b\n\t\n\n", &gzip)),
        ("odd line ends", respond("HTTP/1.1 200 ok\r\nA: b\r\n\r \nContent-Encoding: gzip\r\n\r\n", &gzip)),
        ("wrong label", respond("HTTP/1.1 200 ok\r\nContent-Encoding: deflate\r\n\r\n", &gzip)),
        ("junk before", respond("\r\n\r\nHTTP/1.1 200 ok\r\n\r\n", b"EVIL")),
        (
            "old version",
            respond("HTTP/1.0 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nEVIL\r\n0\r\n\r\n"),
        ),
        (
            "no final chunk",
            respond("HTTP/1.1 200 ok\r\nTransfer-Encoding: x-chunked-y\r\n\r\n", b"2\r\nEV\r\n2\r\nIL"),
        ),
        ("not chunked", respond("HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n", b"EVIL")),
        ("body beyond its length", respond("HTTP/1.1 200 ok\r\nContent-Length: 2\r\n\r\n", b"EVIL")),
        ("no status line", b"EVIL stuff\r\n".to_vec()),
    ] {
        let seen = run(&[GET, (ToClient, &response)]);
        let data = one(&seen, 0, ToClient, "file.data").unwrap_or_default();
        assert!(data.starts_with("EVIL"), "{what}: {data}");
    }
}

#[test]
fn events_are_told() {
    let request = |text: &'static str| run(&[(ToServer, text.as_bytes()), OK]).events;
    let response = |text: &'static str| run(&[GET, (ToClient, text.as_bytes())]).events;
    for (events, name) in [
        (request("GET / HTTP/1.1\r\nHost: a\r\nx\r\n\r\n"), "request_field_missing_colon"),
        (request("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"), "request_header_invalid"),
        (request(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "request_line_leading_whitespace"),
        (request("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), "method_delim_non_compliant"),
        (request("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"), "uri_delim_non_compliant"),
        (request("GET / HTTP/1.1\r\nA: b\r\n\r\n"), "missing_host_header"),
        (request("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), "host_header_ambiguous"),
        (request("GET / HTTP/1.1\r\nHost: a..b\r\n\r\n"), "request_header_host_invalid"),
        (request("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Foo x\r\n\r\n"), "request_auth_unrecognized"),
        (
            request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\nabc"),
            "invalid_transfer_encoding_value_in_request",
        ),
        (
            request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\nabc"),
            "invalid_content_length_field_in_request",
        ),
        (
            request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na"),
            "duplicate_content_length_field_in_request",
        ),
        (
            request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            "invalid_request_chunk_len",
        ),
        (request("GET / HTTP/1.1\r\nHost: a\r\n\r\nabc\r\n"), "request_body_unexpected"),
        (response("HTTP/1.1 abc OK\r\n\r\n"), "response_invalid_status"),
        (response("HTTP/7.1 200 OK\r\n\r\n"), "response_invalid_protocol"),
        (response("HTTP/1.1 200 OK\r\nx\r\n\r\n"), "response_field_missing_colon"),
        (response("HTTP/1.1 200 OK\r\nA: b\r\n C: d\r\n\r\n"), "invalid_response_field_folding"),
        (
            response("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
            "invalid_content_length_field_in_response",
        ),
        (response("HTTP/1.1 206 OK\r\nContent-Range: x\r\n\r\n"), "range_invalid"),
        (response("HTTP/1.1 200 OK\r\nContent-Encoding: foo\r\n\r\nx"), "abnormal_ce_header"),
        (
            response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "response_chunked_old_proto",
        ),
        (
            response("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n"),
            "100_continue_already_seen",
        ),
        (run(&[OK]).events, "unable_to_match_response_to_request"),
    ] {
        assert_eq!(events, [(0, name)]);
        assert!(events::ALL.contains(&name));
    }
}

#[test]
fn connections_that_change() {
    let tunnel = run(&[
        (ToServer, b"CONNECT x.y:443 HTTP/1.1\r\nHost: x.y\r\n\r\n"),
        (ToClient, b"HTTP/1.1 200 OK\r\n\r\n"),
    ]);
    assert_eq!(tunnel.change, Some(Change::Probe));
    assert!(tunnel.records[0].contains(r#""hostname":"x.y","http_port":443"#), "{}", tunnel.records[0]);
    let refused = check(
        &[
            (ToServer, b"CONNECT x.y:443 HTTP/1.1\r\nHost: x.y\r\n\r\n"),
            (ToClient, b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
            (ToServer, b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"),
            OK,
        ],
        &[
            (0, ToClient, "file.data", "no"),
            (1, ToServer, "http.uri", "/next"),
            (1, ToClient, "file.data", "hi"),
        ],
    );
    assert_eq!(refused.change, None);
    let h2c = run(&[
        (ToServer, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"),
        (ToClient, b"HTTP/1.1 101 Sw\r\nUpgrade: h2c\r\n\r\nxxxx"),
    ]);
    assert_eq!(h2c.change, Some(Change::To("http2")));
    let websocket = run(&[
        (ToServer, b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (ToClient, b"HTTP/1.1 101 Sw\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi"),
    ]);
    assert_eq!(websocket.change, Some(Change::To("websocket")));
}

#[test]
fn a_connect_suspends_what_follows() {
    let mut parser = parser("");
    let head = b"CONNECT a:1 HTTP/1.1\r\n\r\n";
    let mut give =
        |dir, bytes: &[u8]| parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
    assert_eq!(give(ToServer, b"CONNECT a:1 HTTP/1.1\r\n\r\nEARLY").consumed, head.len());
    assert_eq!(give(ToServer, b"EARLY").consumed, 0);
    assert_eq!(give(ToClient, b"HTTP/1.1 200 OK\r\n\r\n").change, Some(Change::Probe));
}

#[test]
fn odd_conversations() {
    // HTTP/0.9 as it was
    check(
        &[(ToServer, b"GET /x\r\n"), (ToClient, b"<html>old</html>")],
        &[(0, ToServer, "http.uri", "/x"), (0, ToClient, "file.data", "<html>old</html>")],
    );
    // a server that does not play along
    check(
        &[(ToServer, b"GET /x\r\n"), OK],
        &[(0, ToClient, "http.stat_code", "200"), (0, ToClient, "file.data", "hi")],
    );
    // a forgotten version
    check(
        &[(ToServer, b"GET /x\r\nHost: a\r\n\r\n"), OK],
        &[(0, ToServer, "http.host", "a"), (0, ToClient, "file.data", "hi")],
    );
    // refused before the body was sent
    check(
        &[
            (ToServer, b"POST /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
            (ToClient, b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"),
            (ToServer, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
            OK,
        ],
        &[(1, ToServer, "http.uri", "/2"), (1, ToClient, "file.data", "hi")],
    );
    // line ends behind a body that come with it are taken for body
    check(
        &[
            (
                ToServer,
                b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\nGET /n HTTP/1.1\r\n\r\n",
            ),
            (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\r\n"),
        ],
        &[
            (0, ToServer, "file.data", "abc\\r\\n"),
            (0, ToClient, "file.data", "hi\\r\\n"),
            (1, ToServer, "http.uri", "/n"),
        ],
    );
    // early hints are not the response
    check(
        &[
            GET,
            (ToClient, b"HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        ],
        &[(0, ToClient, "http.stat_code", "200"), (0, ToClient, "file.data", "hi")],
    );
}

#[test]
fn files_and_where_they_stand() {
    let seen = run(&[
        GET,
        (ToClient, b"HTTP/1.1 206 P\r\nContent-Range: bytes 2-4/9\r\nContent-Disposition: attachment; filename=\"x y\"\r\nContent-Length: 3\r\n\r\nabc"),
        GET,
        (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nshort"),
    ]);
    assert_eq!(
        seen.files,
        [(0, ToClient, "x y".to_owned(), 3, "CLOSED"), (1, ToClient, "/f".to_owned(), 5, "CLOSED")]
    );
    assert!(seen.records[0].contains(r#""content_range":{"raw":"bytes 2-4/9","start":2,"end":4,"size":9}"#));
    let mut limited = parser("libhtp: {default-config: {response-body-limit: 4}}");
    let seen =
        feed(&mut *limited, &[GET, (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef")], 3);
    assert_eq!(seen.files, [(0, ToClient, "/f".to_owned(), 4, "TRUNCATED")]);
    assert!(seen.records[0].contains(r#""length":6"#));
    let list = limited.transactions();
    let body = list.at(0).unwrap().body(slot::RESPONSE_BODY, 0).unwrap();
    assert_eq!((body.bytes, body.complete, body.end_seen), (&b"abcd"[..], true, false));
}

#[test]
fn gaps_in_bodies_are_survived() {
    let mut parser = parser("");
    let give = |parser: &mut dyn Parser, dir, bytes: &[u8]| {
        parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
    };
    give(&mut *parser, ToServer, GET.1);
    give(&mut *parser, ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    parser.gap(ToClient, 3).unwrap();
    give(&mut *parser, ToClient, b"cdefg");
    give(&mut *parser, ToServer, GET.1);
    give(&mut *parser, ToClient, OK.1);
    let mut seen = feed(&mut *parser, &[], 1);
    assert_eq!(one(&seen, 0, ToClient, "file.data").unwrap(), "cdefg");
    assert_eq!(one(&seen, 1, ToClient, "file.data").unwrap(), "hi");
    seen.files.sort_by_key(|file| file.0);
    assert_eq!(
        seen.files,
        [(0, ToClient, "/f".to_owned(), 10, "TRUNCATED"), (1, ToClient, "/f".to_owned(), 2, "CLOSED")]
    );
    let tx = parser.transactions().at(0).unwrap();
    assert!(tx.files(ToClient)[0].gaps);
}

#[test]
fn behind_lost_headers_the_next_message_is_found() {
    let mut parser = parser("");
    let give = |parser: &mut dyn Parser, dir, bytes: &[u8]| {
        parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
    };
    give(&mut *parser, ToServer, GET.1);
    // the first response loses its headers: what follows is passed over up to the next status line
    parser.gap(ToClient, 60).unwrap();
    give(&mut *parser, ToClient, b"rest of a body\r\n");
    give(&mut *parser, ToServer, GET.1);
    give(&mut *parser, ToClient, OK.1);
    // a request loses the middle of its line
    give(&mut *parser, ToServer, b"GET / HT");
    parser.gap(ToServer, 30).unwrap();
    give(&mut *parser, ToServer, b"x-lost: y\r\n\r\n");
    give(&mut *parser, ToServer, GET.1);
    let seen = feed(&mut *parser, &[], 1);
    assert_eq!(one(&seen, 1, ToClient, "file.data").unwrap(), "hi");
    assert_eq!(one(&seen, 3, ToServer, "http.uri").unwrap(), "/f");
}

#[test]
fn many_requests_stay_bounded() {
    let mut parser = parser("");
    let mut result = Ok(Parsed::default());
    for _ in 0..100_000 {
        result = parser.parse(Input { dir: ToServer, bytes: GET.1, eof: false, timestamp: Timestamp(0) });
        if result.is_err() {
            break;
        }
    }
    assert!(result.is_err());
    assert_eq!(parser.transactions().count(), 512);
    let newest = parser.transactions().at(511).unwrap();
    assert_eq!(newest.events(), [(ToServer, "too_many_tx")]);
    assert_eq!(newest.progress(ToServer), DONE);
    assert!(parser.memory() < 2 << 20, "{}", parser.memory());

    // those that are inspected and taken away make room
    let mut parser = self::parser("");
    for id in 0..20_000 {
        for (dir, bytes) in [GET, OK] {
            parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
        }
        assert_eq!(parser.transactions().at(0).unwrap().progress(ToClient), DONE);
        parser.transactions_mut().remove(id);
        assert_eq!(parser.transactions().count(), 0);
    }
    assert_eq!(parser.transactions().total(), 20_000);
    assert!(parser.memory() < 64 << 10, "{}", parser.memory());
}

#[test]
fn probes() {
    for (dir, text, expected) in [
        (ToServer, "GET / HTTP/1.1", Probe::Yes),
        (ToServer, "\r\n GET /", Probe::Yes),
        (ToServer, "GE", Probe::More),
        (ToServer, "GETX /", Probe::More),
        (ToServer, "GETX / HTTP/1.1\r\n", Probe::Yes),
        (ToServer, "get /a b HTTP/1.0\n", Probe::Yes),
        (ToServer, "GETX HTTP/1.1\r\n", Probe::No),
        (ToServer, "GETX /\r\n", Probe::No),
        (ToServer, "GET1 / HTTP/1.1\r\n", Probe::No),
        (ToServer, "METHODSOFMORETHANTWENTYFOUR / HTTP/1.1\r\n", Probe::No),
        (ToServer, "EHLO mail\r\nX HTTP/1.1\r\n", Probe::No),
        (ToServer, "PRI * HTTP/2.0", Probe::More),
        (ToServer, "PRI * HTTP/2.0\r\n", Probe::No),
        (ToServer, "HTTP/1.1 200 OK", Probe::Reversed),
        (ToServer, "HTT", Probe::More),
        (ToServer, "SSH-2.0", Probe::No),
        (ToClient, "HTTP/1.0 200", Probe::Yes),
        (ToClient, "HTTP/2", Probe::No),
        (ToClient, "GET / HTTP/1.0", Probe::Reversed),
        (ToClient, "", Probe::More),
        (ToClient, "\x16\x03\x01", Probe::No),
    ] {
        assert_eq!(Http.probe(Proto::TCP, dir, 80, text.as_bytes()), expected, "{} {text:?}", dir.name());
    }
    assert_eq!(Http.probe(Proto::UDP, ToServer, 80, b"GET / HTTP/1.1"), Probe::No);
    let long = format!("GETX /{}", "a".repeat(LINE_MAX));
    assert_eq!(
        Http.probe(Proto::TCP, ToServer, 80, long.as_bytes()),
        Probe::No,
        "it is not waited for without end"
    );
}

/// A generator of the same numbers on every run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

#[test]
fn mutations_do_no_harm() {
    use std::io::Write as _;
    let mut enc = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    enc.write_all(&[b'x'; 5000]).unwrap();
    let mut compressed =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, deflate\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in enc.finish().unwrap().chunks(7) {
        compressed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        compressed.extend_from_slice(piece);
        compressed.extend_from_slice(b"\r\n");
    }
    compressed.extend_from_slice(b"0\r\n\r\n");
    let seeds: Vec<Vec<(Direction, Vec<u8>)>> = vec![
        RICH.iter().map(|(dir, bytes)| (*dir, bytes.to_vec())).collect(),
        vec![(ToServer, GET.1.to_vec()), (ToClient, compressed)],
        vec![
            (ToServer, b"CONNECT a:1 HTTP/1.1\r\n\r\n".to_vec()),
            (ToClient, b"HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n".to_vec()),
            (ToServer, b"GET /x\r\n".to_vec()),
        ],
    ];
    let pieces: &[&[u8]] = &[
        b"\r\n",
        b"\n\r",
        b"\0",
        b"\r\n\r\n",
        b" ",
        b":",
        b"\r\n\t",
        b"HTTP/1.1 200 OK\r\n",
        b"--XX",
        b"ffffffff",
        b"%u00",
        b"0\r\n\r\n",
    ];
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    for round in 0..6000 {
        let mut turns = seeds[round % seeds.len()].clone();
        for _ in 0..=random.next(6) {
            let turn = random.next(turns.len());
            let bytes = &mut turns[turn].1;
            let at = random.next(bytes.len());
            match random.next(5) {
                0 if !bytes.is_empty() => bytes[at] = random.next(256) as u8,
                1 => bytes.truncate(at),
                2 => {
                    let piece = pieces[random.next(pieces.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                3 if !bytes.is_empty() => {
                    bytes.remove(at);
                }
                _ => {
                    let end = (at + random.next(40)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        let borrowed: Vec<Turn<'_>> = turns.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())).collect();
        let mut parser = parser("");
        if round % 7 == 0 {
            let _ = parser.gap(ToClient, random.next(100) as u64);
        }
        let seen = feed(&mut *parser, &borrowed, 1 + random.next(50));
        assert!(parser.memory() < 1 << 20);
        for nth in 0..seen.count {
            let tx = parser.transactions().at(nth).unwrap();
            if seen.error.is_none() {
                assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE), "round {round}");
            }
        }
    }
}

#[test]
fn records_show_what_the_configuration_names() {
    let turns: &[Turn<'_>] = &[
        (ToServer, b"POST /f HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nContent-Length: 3\r\n\r\na=1"),
        (ToClient, b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 4\r\n\r\n\x01ok\n"),
    ];
    let both = |yaml: &str| {
        let mut parser = parser(yaml);
        let seen = feed(&mut *parser, turns, 7);
        let tx = parser.transactions().at(0).unwrap();
        let logged = |write: &dyn Fn(&mut JsonWriter)| {
            let mut json = JsonWriter::new();
            json.open();
            write(&mut json);
            json.close();
            String::from_utf8_lossy(json.as_bytes()).into_owned()
        };
        (seen.records[0].clone(), logged(&|out| tx.log_in_alert(out)), logged(&|out| tx.log_with_file(out)))
    };
    let head = r#"{"http":{"hostname":"h","url":"/f""#;
    let rest = r#","http_method":"POST","protocol":"HTTP/1.1","status":200,"length":4"#;
    let usual = format!("{head}{rest}}}}}");
    assert_eq!(both("{}"), (usual.clone(), usual.clone(), usual.clone()));
    // short records leave alerts and files as they are
    assert_eq!(both("{eve-extended: no}"), (format!("{head}}}}}"), usual.clone(), usual.clone()));
    let (record, alert, _) = both("{eve: {custom: [accept, SERVER, none]}}");
    let named = r#","request_headers":[{"name":"Accept","value":"*/*"}],"response_headers":[{"name":"Server","value":"s"}]}}"#;
    assert_eq!((record, alert), (format!("{head}{rest}{named}"), usual.clone()));
    let (record, ..) = both("{eve: {dump-all-headers: response}}");
    assert!(record.ends_with(
        r#","response_headers":[{"name":"Server","value":"s"},{"name":"Content-Length","value":"4"}]}}"#
    ));
    let (record, alert, file) = both("{alert: {http-body: yes, http-body-printable: yes}}");
    assert_eq!((record, file), (usual.clone(), usual));
    assert!(alert.ends_with(concat!(
        r#","http_request_body_printable":"a=1","http_response_body_printable":".ok\n","#,
        r#""http_request_body":"YT0x","http_response_body":"AW9rCg=="}}"#
    )));
}
