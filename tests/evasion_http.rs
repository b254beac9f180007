//! Published ways to write HTTP so that a server or a browser understands it and an inspector does not: over real connections,
//! through each hook. Detected: an alert. Blocked: the message does not arrive whole.
//!
//! What is not blocked must be in [`UNSEEN`], with why; `tests/evasion.md` has the table, and `MAMPARO_EVASION_TABLE=FILE` writes it.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::evasion::{Mode, Wire, table};
use crate::support::TempDir;
use crate::support::binary::events;
use crate::support::netns::{address, missing};
use crate::support::running::Running;

const RULES: &str = "drop http any any -> any any (msg:\"path\"; flow:to_server; http.uri; content:\"/lab-attack\"; sid:1;)\n\
    drop http any any -> any any (msg:\"body\"; flow:to_server; http.request_body; content:\"lab-attack\"; sid:2;)\n\
    drop http any any -> any any (msg:\"header\"; flow:to_server; http.header; content:\"lab-attack\"; sid:3;)\n\
    drop http any any -> any any (msg:\"answer\"; flow:to_client; file.data; content:\"lab-attack\"; sid:4;)\n";

/// Bytes as they are written, piece by piece.
type Pieces = Vec<Vec<u8>>;

/// A technique: its name, whether the attack is in the answer, and what is sent.
struct Technique {
    name: String,
    answer: bool,
    pieces: Pieces,
}

/// What is not blocked, and why.
const UNSEEN: &[(&str, &str)] = &[
    (
        "%-encoded twice",
        "most servers do not decode twice; for one that does: double-decode-path: yes, as in Suricata",
    ),
    (
        "answer: version 0.9",
        "without a status line it is known for an answer at its end alone; no browser takes it any more",
    ),
];

/// The attack in a path.
fn paths() -> Vec<(&'static str, String)> {
    let long = "a/../".repeat(1500);
    [
        ("plain", "GET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("%-encoded", "GET /%6c%61%62%2d%61%74%74%61%63%6b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("%-encoded in capitals", "GET /%6Cab%2Dattac%6B HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("%-encoded twice", "GET /%256c%2561b-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("%u-encoded", "GET /%u006c%u0061b-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("overlong UTF-8, %-encoded", "GET /%c1%acab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a path to itself", "GET /./././lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a path there and back", "GET /x/y/../../lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a path there and back, %-encoded", "GET /x/%2e%2e/lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("many slashes", "GET ////lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("backslashes", "GET /x\\..\\lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a path behind 7,500 bytes of there and back", &format!("GET /{long}lab-attack HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a NUL behind, %-encoded", "GET /lab-attack%00.html HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment behind", "GET /lab-attack#x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a query before it", "GET /?x=/lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("absolute URI", "GET http://a/lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("absolute URI with a user and a port", "GET http://u:p@a:80/lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("tabs between the words", "GET\t/lab-attack\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        ("many blanks between the words", "GET   /lab-attack    HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("line feeds alone", "GET /lab-attack HTTP/1.1\nHost: a\n\n"),
        ("empty lines before it", "\r\n\r\nGET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("version 0.9", "GET /lab-attack\r\n"),
        ("version 1.0", "GET /lab-attack HTTP/1.0\r\n\r\n"),
        ("a version that is none", "GET /lab-attack HTTP/7.3\r\nHost: a\r\n\r\n"),
        ("a method that is none", "LAB /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method in small letters", "get /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("behind another request", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("behind another request's body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("behind 100 requests", &format!("{}GET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100))),
        ("behind a chunked body", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\nGET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("smuggled: a length of nothing, and chunks (CL.TE)", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a header of 20,000 bytes before the end", &format!("GET /lab-attack HTTP/1.1\r\nX: {}\r\nHost: a\r\n\r\n", "x".repeat(20_000))),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.to_owned()))
    .collect()
}

/// The attack in a header: folded, or beside a NUL.
fn headers() -> Vec<(&'static str, String)> {
    [
        ("a header", "GET / HTTP/1.1\r\nHost: a\r\nX: lab-attack\r\n\r\n"),
        ("a folded header", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n lab-attack\r\n\r\n"),
        ("a header folded with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: x\r\n\tlab-attack\r\n\r\n"),
        ("a header without a blank", "GET / HTTP/1.1\r\nHost: a\r\nX:lab-attack\r\n\r\n"),
        ("a blank before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX : lab-attack\r\n\r\n"),
        ("a NUL in another header", "GET / HTTP/1.1\r\nHost: a\r\nY: \0\r\nX: lab-attack\r\n\r\n"),
        (
            "a line that is no header before it",
            "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\nX: lab-attack\r\n\r\n",
        ),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.to_owned()))
    .collect()
}

/// How a body is told and wrapped: its name, headers, and the body.
fn bodies(request: bool) -> Vec<(String, String, Vec<u8>)> {
    let body = b"<p>lab-attack</p>".to_vec();
    let len = body.len();
    let chunks = |size: usize, line: &dyn Fn(usize) -> String, end: &str| -> Vec<u8> {
        let mut all = Vec::new();
        for chunk in body.chunks(size) {
            all.extend(line(chunk.len()).into_bytes());
            all.extend(chunk);
            all.extend(end.bytes());
        }
        all.extend(format!("{}{end}", line(0)).into_bytes());
        all
    };
    let plain = |size: usize| format!("{size:x}\r\n");
    let whole = chunks(100, &plain, "\r\n");
    let mut all: Vec<(&str, String, Vec<u8>)> = vec![
        ("a length", format!("Content-Length: {len}\r\n"), body.clone()),
        ("a length with zeros before it", format!("Content-Length: 000{len}\r\n"), body.clone()),
        (
            "the same length twice",
            format!("Content-Length: {len}\r\nContent-Length: {len}\r\n"),
            body.clone(),
        ),
        ("a folded length", format!("Content-Length:\r\n {len}\r\n"), body.clone()),
        ("a length in a header of capitals", format!("CONTENT-LENGTH: {len}\r\n"), body.clone()),
        ("chunked", "Transfer-Encoding: chunked\r\n".to_owned(), whole.clone()),
        ("chunks of one byte", "Transfer-Encoding: chunked\r\n".to_owned(), chunks(1, &plain, "\r\n")),
        (
            "chunks with extensions",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            chunks(5, &|size| format!("{size:x};a=\"b\"\r\n"), "\r\n"),
        ),
        (
            "chunks with zeros before their sizes",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            chunks(5, &|size| format!("0000{size:X}\r\n"), "\r\n"),
        ),
        (
            "chunks with blanks behind their sizes",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            chunks(5, &|size| format!("{size:x}   \r\n"), "\r\n"),
        ),
        (
            "chunks with line feeds alone",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            chunks(5, &|size| format!("{size:x}\n"), "\n"),
        ),
        (
            "chunks, and headers behind them",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            [&whole[..whole.len() - 2], b"X: y\r\n\r\n"].concat(),
        ),
        ("CHUNKED", "Transfer-Encoding: CHUNKED\r\n".to_owned(), whole.clone()),
        ("chunked behind a tab", "Transfer-Encoding:\tchunked\r\n".to_owned(), whole.clone()),
        ("chunked without a blank", "Transfer-Encoding:chunked\r\n".to_owned(), whole.clone()),
        ("chunked, folded", "Transfer-Encoding:\r\n chunked\r\n".to_owned(), whole.clone()),
        ("chunked, a blank before the colon", "Transfer-Encoding : chunked\r\n".to_owned(), whole.clone()),
        ("chunked behind identity", "Transfer-Encoding: identity, chunked\r\n".to_owned(), whole.clone()),
        (
            "chunked twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            whole.clone(),
        ),
        (
            "chunked, and a length that is too short",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            whole.clone(),
        ),
        (
            "a length that is too long, and chunked",
            "Content-Length: 3000\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            whole.clone(),
        ),
    ];
    if request {
        let part = b"--cut\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nlab-attack\r\n--cut--\r\n".to_vec();
        all.push((
            "multipart",
            format!("Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: {}\r\n", part.len()),
            part,
        ));
        let quoted =
            b"--\"c\r\nContent-Disposition: form-data; name=f\r\n\r\nlab-attack\r\n--\"c--\r\n".to_vec();
        all.push((
            "multipart with an odd boundary",
            format!(
                "Content-Type: multipart/form-data; boundary=\"\\\"c\"\r\nContent-Length: {}\r\n",
                quoted.len()
            ),
            quoted,
        ));
        all.push((
            "an expectation before it",
            format!("Expect: 100-continue\r\nContent-Length: {len}\r\n"),
            body.clone(),
        ));
    } else {
        let (zip, zlib, deflate) = (gzip(&body, false), zlib(&body), deflate(&body));
        let coded = |coding: &str, bytes: &[u8]| {
            (format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n", bytes.len()), bytes.to_vec())
        };
        let mut add = |name, (headers, bytes): (String, Vec<u8>)| all.push((name, headers, bytes));
        add("gzip", coded("gzip", &zip));
        add("x-gzip", coded("x-gzip", &zip));
        add("GZIP", coded("GZIP", &zip));
        add("gzip behind a tab", coded("\tgzip", &zip));
        add("gzip, folded", coded("\r\n gzip", &zip));
        add("gzip with a name, a comment and more in its header", coded("gzip", &gzip(&body, true)));
        add("gzip and something behind it", coded("gzip", &[&zip[..], b"more"].concat()));
        add("gzip, cut before its checksum", coded("gzip", &zip[..zip.len() - 8]));
        add("gzip twice", coded("gzip, gzip", &gzip(&zip, false)));
        add("gzip twice, in two headers", coded("gzip\r\nContent-Encoding: gzip", &gzip(&zip, false)));
        add("deflate with the header of zlib", coded("deflate", &zlib));
        add("deflate without a header", coded("deflate", &deflate));
        add("deflate, then gzip", coded("deflate, gzip", &gzip(&zlib, false)));
        let mut chunked = format!("{:x}\r\n", zip.len()).into_bytes();
        chunked.extend(&zip);
        chunked.extend(b"\r\n0\r\n\r\n");
        add(
            "gzip in chunks",
            ("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunked),
        );
        add("until the end of the connection", (String::new(), body.clone()));
        add(
            "a length and more than that",
            (format!("Content-Length: {len}\r\n"), [&body[..], b"more"].concat()),
        );
    }
    all.into_iter().map(|(name, headers, body)| (name.to_owned(), headers, body)).collect()
}

fn gzip(bytes: &[u8], more: bool) -> Vec<u8> {
    let mut builder = flate2::GzBuilder::new();
    if more {
        builder = builder.filename("x".repeat(300)).comment("y").extra(vec![7; 100]);
    }
    let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("room");
    encoder.finish().expect("room")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("room");
    encoder.finish().expect("room")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("room");
    encoder.finish().expect("room")
}

fn techniques() -> Vec<Technique> {
    let mut all = Vec::new();
    let mut add = |name: String, answer: bool, pieces: Pieces| all.push(Technique { name, answer, pieces });
    for (name, text) in paths().into_iter().chain(headers()) {
        add(name.to_owned(), false, vec![text.into_bytes()]);
    }
    let split = b"GET /lab-attack HTTP/1.1\r\nHost: a\r\n\r\n";
    add("byte by byte".to_owned(), false, split.iter().map(|byte| vec![*byte]).collect());
    for (name, headers, body) in bodies(true) {
        let head = format!("POST /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes();
        add(format!("body: {name}"), false, vec![[&head[..], &body].concat()]);
        if name == "chunked" {
            add(
                "body: chunked, byte by byte".to_owned(),
                false,
                [&head[..], &body].concat().iter().map(|byte| vec![*byte]).collect(),
            );
            let head = head.strip_suffix(b"\r\n").map(<[u8]>::to_vec).unwrap_or_default();
            let old = String::from_utf8_lossy(&head).replace("HTTP/1.1", "HTTP/1.0") + "\r\n";
            add("body: chunked in version 1.0".to_owned(), false, vec![[old.as_bytes(), &body].concat()]);
        }
    }
    for (name, headers, body) in bodies(false) {
        let head = format!("HTTP/1.1 200 OK\r\nServer: a\r\n{headers}\r\n").into_bytes();
        add(format!("answer: {name}"), true, vec![[&head[..], &body].concat()]);
        if name == "a length" {
            for (name, from, to) in [
                ("line feeds alone", "\r\n", "\n"),
                ("no reason", "200 OK", "200"),
                ("version 1.0", "HTTP/1.1", "HTTP/1.0"),
                ("a version that is none", "HTTP/1.1", "HTTP/1.2"),
                ("a status of four digits", "200", "0200"),
            ] {
                let head = String::from_utf8_lossy(&head).replace(from, to);
                add(format!("answer: {name}"), true, vec![[head.as_bytes(), &body].concat()]);
            }
            add(
                "answer: another one before it (100)".to_owned(),
                true,
                vec![[b"HTTP/1.1 100 Continue\r\n\r\n", &head[..], &body].concat()],
            );
            add("answer: version 0.9".to_owned(), true, vec![body.clone()]);
            add(
                "answer: byte by byte".to_owned(),
                true,
                [&head[..], &body].concat().iter().map(|byte| vec![*byte]).collect(),
            );
        }
    }
    all
}

/// What arrived of each technique's message.
fn run(wire: &Wire, first_port: u16, all: &[Technique]) -> Vec<Vec<u8>> {
    let listeners: Vec<TcpListener> = wire.two.within(|| {
        let bind = |nth| {
            TcpListener::bind(address(&format!("10.76.0.2:{}", usize::from(first_port) + nth)))
                .expect("a port")
        };
        (0..all.len()).map(bind).collect()
    });
    let talks = listeners.into_iter().zip(all).enumerate().map(|(nth, (listener, technique))| {
        let (answer, pieces) = (technique.answer, technique.pieces.clone());
        let port = first_port + nth as u16;
        let client = wire.one.thread(move || {
            let mut stream =
                TcpStream::connect_timeout(&address(&format!("10.76.0.2:{port}")), Duration::from_secs(5))
                    .expect("a way");
            match answer {
                true => {
                    stream.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
                    arrived(&mut stream)
                }
                false => {
                    write(&mut stream, &pieces);
                    Vec::new()
                }
            }
        });
        let pieces = technique.pieces.clone();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            match answer {
                true => {
                    let mut room = [0; 4096];
                    stream.set_read_timeout(Some(Duration::from_millis(1500))).expect("a timeout");
                    let _ = stream.read(&mut room);
                    write(&mut stream, &pieces);
                    Vec::new()
                }
                false => arrived(&mut stream),
            }
        });
        (client, server)
    });
    let talks: Vec<_> = talks.collect();
    let joined = talks.into_iter().map(|(client, server)| {
        [client.join().expect("no panic"), server.join().expect("no panic")].concat()
    });
    joined.collect()
}

fn write(stream: &mut TcpStream, pieces: &[Vec<u8>]) {
    stream.set_nodelay(true).expect("no delay");
    for piece in pieces {
        // an end that was told of a rejection writes no more
        if stream.write_all(piece).is_err() {
            return;
        }
        if pieces.len() > 1 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    std::thread::sleep(Duration::from_millis(1500));
}

fn arrived(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_millis(1500))).expect("a timeout");
    let (mut all, mut room) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(len @ 1..) = stream.read(&mut room) {
        all.extend_from_slice(&room[..len]);
    }
    all
}

fn through(mode: Mode, test: &str) {
    if missing(test) {
        return;
    }
    let Some(wire) = Wire::new(mode, test) else { return };
    let folder = TempDir::new(&format!("evasion-http-{}", mode.name()));
    let all = techniques();
    let running = Running::start(&wire.node, folder.path(), RULES, mode.arguments());
    let got = run(&wire, 10_000, &all);
    running.end();
    let events = events(&folder.path().join("eve.json"));
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (nth, (technique, got)) in all.iter().zip(&got).enumerate() {
        let port = 10_000 + nth as u64;
        let detected = events.iter().any(|event| {
            event["event_type"] == "alert" && (event["dest_port"] == port || event["src_port"] == port)
        });
        let blocked = got.len() < technique.pieces.concat().len();
        let unseen = UNSEEN.iter().any(|(name, _)| *name == technique.name);
        if blocked == unseen || blocked && !detected {
            wrong.push(format!("{}: detected {detected}, blocked {blocked}", technique.name));
        }
        rows.push((technique.name.clone(), detected, blocked));
    }
    let word = |is: bool| if is { "yes" } else { "no" };
    let text: String = rows
        .iter()
        .map(|(name, detected, blocked)| format!("| {name} | {} | {} |\n", word(*detected), word(*blocked)))
        .collect();
    table(&format!("http-{}", mode.name()), &text);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn http_that_is_written_oddly_is_held_on_a_pair() {
    through(Mode::Pair, "http_that_is_written_oddly_is_held_on_a_pair");
}

#[test]
fn http_that_is_written_oddly_is_held_by_the_host_hook() {
    through(Mode::Host, "http_that_is_written_oddly_is_held_by_the_host_hook");
}
