use super::{ENTRY, NFS, slots};
use crate::app::{FileState, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&words(&[bytes.len() as u32])[..], bytes, &vec![0; bytes.len().wrapping_neg() & 3]].concat()
}

fn marked(message: &[u8]) -> Vec<u8> {
    [&words(&[0x8000_0000 | message.len() as u32])[..], message].concat()
}

fn call(xid: u32, version: u32, procedure: u32, arguments: &[Vec<u8>]) -> Vec<u8> {
    let unix = [&words(&[5])[..], &text(b"host"), &words(&[1000, 1001, 0])].concat();
    let head = words(&[xid, 0, 2, 100_003, version, procedure, 1]);
    [&head[..], &text(&unix), &words(&[0, 0]), &arguments.concat()].concat()
}

fn reply(xid: u32, results: &[Vec<u8>]) -> Vec<u8> {
    [&words(&[xid, 1, 0, 0, 0, 0])[..], &results.concat()].concat()
}

const HANDLE: &[u8] = &[b'H'; 20];
const FOLDER: &[u8] = &[b'D'; 20];

/// A file of version 3 is looked up and read in two pieces, another is made and written.
fn session() -> Vec<(Direction, Vec<u8>)> {
    let read = |xid, offset| call(xid, 3, 6, &[text(HANDLE), words(&[0, offset, 5])]);
    let was_read = |xid, end, data| reply(xid, &[words(&[0, 0, 5, end]), text(data)]);
    let write = call(7, 3, 7, &[text(b"NNNN"), words(&[0, 0, 5, 2]), text(b"hello")]);
    let turns = vec![
        (ToServer, call(1, 3, 3, &[text(FOLDER), text(b"passwd")])),
        (ToClient, reply(1, &[words(&[0]), text(HANDLE), words(&[0, 0])])),
        (ToServer, read(2, 0)),
        (ToClient, was_read(2, 0, b"01234")),
        (ToServer, read(3, 5)),
        (ToClient, was_read(3, 1, b"56789")),
        (ToServer, call(4, 3, 8, &[text(FOLDER), text(b"new.txt"), words(&[0, 0, 0, 0, 0, 0, 0])])),
        (ToClient, reply(4, &[words(&[0, 1]), text(b"NNNN"), words(&[0, 0, 0])])),
        (ToServer, write),
        (ToClient, reply(7, &[words(&[0, 0, 0, 5, 2, 1, 2])])),
        (ToServer, call(8, 3, 14, &[text(FOLDER), text(b"aa"), text(FOLDER), text(b"bb")])),
        (ToClient, reply(8, &[words(&[66, 0, 0, 0, 0])])),
    ];
    turns.into_iter().map(|(dir, message)| (dir, marked(&message))).collect()
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

#[test]
fn calls_and_files_are_put_together() {
    let session = session();
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 2049, "{}");
    talk.all(&turns(&session)).unwrap();
    let rpc = |xid: u32| {
        format!(
            r#""rpc":{{"xid":{xid},"status":"ACCEPTED","auth_type":"UNIX","creds":{{"machine_name":"host","uid":1000,"gid":1001}}}},"#
        )
    };
    let records = talk.records();
    assert_eq!(
        records[0],
        rpc(1)
            + r#""nfs":{"version":3,"procedure":"LOOKUP","filename":"passwd","hhash":"ecfd9be9","id":1,"file_tx":false,"type":"response","status":"OK"}"#
    );
    assert!(records[1].contains(
        r#""procedure":"READ","filename":"passwd","hhash":"ecfd9be9","id":2,"file_tx":true,"type":"response","status":"OK","read":{"first":true,"last":true,"#
    ));
    assert!(records[2].contains(r#""procedure":"CREATE","filename":"new.txt","hhash":"33912ea2""#));
    assert!(records[3].contains(r#""procedure":"WRITE","filename":"new.txt""#));
    assert!(records[4].ends_with(r#""status":"ERR_NOTEMPTY","rename":{"from":"aa","to":"bb"}}"#));
    let each = talk.each();
    let read = each[1].body(slots::FILE_READ, 0).unwrap();
    assert_eq!((read.bytes, read.end_seen), (&b"0123456789"[..], true));
    let written = each[3].files(ToServer);
    assert_eq!((written[0].size, written[0].state), (5, FileState::Closed));
    assert_eq!(each[3].body(slots::FILE_WRITTEN, 0).unwrap().bytes, b"hello");
    assert_eq!(each[0].number(slots::PROCEDURE, 0), Some(3));
    talk.forget_done();
    assert!(talk.each().is_empty());
}

#[test]
fn version_two_is_read_from_datagrams() {
    let handle = vec![b'h'; 32];
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 2049, "{}");
    for (dir, message) in [
        (ToServer, call(1, 2, 4, &[vec![b'd'; 32], text(b"a.txt")])),
        (ToClient, reply(1, &[words(&[0]), handle.clone(), vec![0; 68]])),
        (ToServer, call(2, 2, 6, &[handle.clone(), words(&[0, 100, 0])])),
        (ToClient, reply(2, &[words(&[0]), vec![0; 68], text(b"content")])),
        (ToServer, call(3, 2, 11, &[handle.clone(), text(b"x"), handle, text(b"y")])),
        (ToClient, reply(3, &[words(&[2])])),
    ] {
        assert_eq!(NFS.probe(Proto::UDP, dir, 2049, &message), Probe::Yes);
        talk.say(dir, &message).unwrap();
    }
    let records = talk.records();
    assert!(
        records[1].contains(r#""version":2,"procedure":"READ","filename":"a.txt","id":2,"file_tx":true"#)
    );
    assert_eq!(talk.each()[1].files(ToClient)[0].state, FileState::Closed);
    assert!(records[2].ends_with(r#""procedure":"RENAME","filename":"x","id":3,"file_tx":false,"type":"response","status":"ERR_NOENT","rename":{"from":"x","to":"y"}}"#));
}

#[test]
fn version_four_is_named_by_its_operations() {
    let compound = |xid, operations: &[Vec<u8>]| {
        let count = operations.len() as u32;
        marked(&call(xid, 4, 1, &[text(b""), words(&[0, count]), operations.concat()]))
    };
    let done = |xid, results: &[Vec<u8>]| {
        let count = results.len() as u32;
        marked(&reply(xid, &[words(&[0]), text(b""), words(&[count]), results.concat()]))
    };
    let put = [words(&[22]), text(HANDLE)].concat();
    let write = [words(&[38]), vec![0; 16], words(&[0, 0, 2]), text(b"written")].concat();
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 2049, "{}");
    talk.all(&[
        (ToServer, &compound(1, &[words(&[24]), [words(&[15]), text(b"etc")].concat(), words(&[10])])),
        (ToClient, &done(1, &[words(&[24, 0]), words(&[15, 0]), [words(&[10, 0]), text(HANDLE)].concat()])),
        (ToServer, &compound(2, &[put.clone(), write])),
        (ToClient, &done(2, &[words(&[22, 0]), words(&[38, 0, 7, 2, 0, 0])])),
        (ToServer, &compound(3, &[put, [words(&[28]), text(b"gone")].concat()])),
        (ToClient, &done(3, &[words(&[22, 0]), words(&[28, 0, 0, 0, 0, 0, 0])])),
    ])
    .unwrap();
    let records = talk.records();
    for (record, part) in records.iter().zip([
        r#""procedure":"LOOKUP","filename":"etc""#,
        r#""procedure":"WRITE","filename":"etc""#,
        r#""procedure":"REMOVE","filename":"gone""#,
    ]) {
        assert!(record.contains(part), "{record}");
    }
    assert_eq!(talk.each()[1].body(slots::FILE_WRITTEN, 0).unwrap().bytes, b"written");
}

#[test]
fn long_data_is_taken_as_it_comes_and_holes_are_told() {
    let data = vec![b'x'; 200_000];
    let write = marked(&call(7, 3, 7, &[text(HANDLE), words(&[0, 0, 200_000, 2]), text(&data)]));
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 2049, "{}");
    for piece in write[..150_000].chunks(1460) {
        talk.say(ToServer, piece).unwrap();
    }
    talk.gap(ToServer, 10_000).unwrap();
    talk.say(ToServer, &write[160_000..]).unwrap();
    talk.say(ToServer, &marked(&call(8, 3, 12, &[text(FOLDER), text(b"old")]))).unwrap();
    assert_eq!(talk.each().len(), 2);
    let file = &talk.each()[0].files(ToServer)[0];
    assert_eq!((file.size, file.state, file.gaps), (200_000, FileState::Truncated, true));
}

#[test]
fn what_has_no_reply_is_bounded() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 2049, "{}");
    for xid in 0..5000 {
        talk.say(ToServer, &call(xid, 3, 3, &[text(FOLDER), text(b"name")])).unwrap();
        talk.forget_done();
    }
    assert!(talk.each().len() <= super::config::PENDING_MAX + 1);
    assert!(talk.memory() < 2 << 20);
}

#[test]
fn only_its_port_and_program_are_looked_at() {
    let message = marked(&call(1, 3, 3, &[]));
    for (port, bytes, expected) in [
        (2049, &message[..], Probe::Yes),
        (2049, &message[..12], Probe::More),
        (111, &message[..], Probe::No),
        (2049, b"GET / HTTP/1.1\r\nHost: a\r\n", Probe::No),
    ] {
        assert_eq!(NFS.probe(Proto::TCP, ToServer, port, bytes), expected);
    }
    assert_eq!(NFS.probe(Proto::TCP, ToClient, 2049, &message), Probe::Reversed);
}

#[test]
fn streams_may_be_cut_anywhere_and_mutated() {
    let session = session();
    check_pieces(&ENTRY, 2049, "{}", &turns(&session));
    check_mutations(&ENTRY, Proto::TCP, 2049, &turns(&session));
    check_mutations(&ENTRY, Proto::UDP, 2049, &turns(&session));
}
