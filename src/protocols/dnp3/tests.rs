use super::{DNP3, ENTRY, crc, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc::of(bytes).to_le_bytes()].concat()
}

/// Application bytes in link frames of at most that many bytes of user data.
fn frames(response: bool, application: &[u8], most: usize) -> Vec<u8> {
    let segments: Vec<&[u8]> = application.chunks(most).collect();
    let mut out = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let first = if at == 0 { 0x40 } else { 0 };
        let last = if at + 1 == segments.len() { 0x80 } else { 0 };
        let data = [&[first | last | at as u8][..], segment].concat();
        let control = if response { 0x44 } else { 0xc4 };
        out.extend(sealed(&[5, 0x64, 5 + data.len() as u8, control, 10, 0, 1, 0]));
        data.chunks(16).for_each(|block| out.extend(sealed(block)));
    }
    out
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let time = b"\xc0\x02\x32\x01\x07\x01\x23\x6d\x9e\x53\x34\x01";
    let points = b"\xc1\x81\x90\x01\x01\x02\x00\x03\x04\x01\x81\x1e\x02\x28\x01\0\x07\0\x01\xfe\xff\x34\x02\x07\x01\x05\0";
    let file = b"\xc2\x19\x46\x05\x5b\x01\x0a\0\x01\0\0\0\x02\0\0\0hi";
    vec![
        (ToServer, frames(false, time, 200)),
        (ToClient, frames(true, points, 10)),
        (ToServer, frames(false, file, 7)),
        (ToServer, frames(false, b"\xc3\x01\x3c\x02\x06\x3c\x03\x06", 200)),
    ]
}

fn talk(session: &[(Direction, Vec<u8>)]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 20_000, "{}");
    session.iter().for_each(|(dir, bytes)| talk.say(*dir, bytes).unwrap());
    talk
}

#[test]
fn messages_and_their_objects_are_read() {
    let talk = talk(&session());
    let records = talk.records();
    assert_eq!(
        records[0],
        concat!(
            r#""dnp3":{"type":"request","control":{"dir":true,"pri":true,"fcb":false,"fcv":false,"function_code":4},"#,
            r#""src":1,"dst":10,"application":{"control":{"fir":true,"fin":true,"con":false,"uns":false,"sequence":0},"#,
            r#""function_code":2,"objects":[{"group":50,"variation":1,"qualifier":7,"prefix_code":0,"range_code":7,"#,
            r#""start":0,"stop":0,"count":1,"points":[{"prefix":0,"index":0,"timestamp":1324252818723}]}],"complete":true}}"#
        )
    );
    for part in [
        r#""start":3,"stop":4,"count":2,"points":[{"prefix":0,"index":3,"online":1,"restart":0,"#,
        r#""group":30,"variation":2,"qualifier":40,"prefix_code":2,"range_code":8,"start":0,"stop":0,"count":1,"points":[{"prefix":7,"index":7,"online":1,"#,
        r#""value":-2}]}"#,
        r#""delay_ms":5}]}],"complete":true},"iin":{"indicators":["device_restart","need_time","no_func_code_support"]}}"#,
    ] {
        assert!(records[1].contains(part), "{part}\n{}", records[1]);
    }
    assert!(records[2].contains(
        r#""points":[{"prefix":10,"index":0,"size":10,"file_handle":1,"block_number":2,"file_data":"hi"}]"#
    ));
    assert!(records[3].contains(r#"{"group":60,"variation":3,"qualifier":6,"prefix_code":0,"range_code":6,"start":0,"stop":0,"count":0}"#));
    let each = talk.each();
    assert_eq!(each[1].number(slots::INDICATORS, 0), Some(0x9001));
    assert_eq!(each[1].number(slots::OBJECT, 1), Some(30 << 8 | 2));
    assert!(each[0].bytes(slots::DATA, 0).unwrap().starts_with(b"\xc0\x02\x32"));
}

#[test]
fn points_are_told_in_the_names_of_their_objects() {
    for (object, expected) in [
        // counters, whose last bits are named differently
        (&b"\x14\x01\x07\x01\x81\x02\0\0\0"[..], r#""discontinuity":0,"reserved0":1,"count":2"#),
        (
            b"\x16\x05\x07\x01\x81\x02\0\0\0\x07\0\0\0\0\0",
            r#""reserved0":0,"reserved1":1,"count":2,"timestamp":7"#,
        ),
        (b"\x02\x01\x28\x01\0\x09\0\x81", r#""prefix":9,"index":9,"state":129"#),
        // numbers that are no integers are numbers
        (b"\x1e\x05\x07\x01\x01\0\0\xc0\xbf", r#""value":-1.5}"#),
        (b"\x1e\x05\x07\x01\x01\xb8\xed\x22\x57", r#""value":179141877956608}"#),
        (b"\x22\x03\x07\x01\x83\xb8\xed\x22", r#""deadband_value":6.443433810093585e-18}"#),
        (b"\x1e\x05\x07\x01\x01\0\0\x80\x7f", r#""value":0}"#),
        (b"\x2b\x02\x07\x01\x83\xfe\xff", r#""status_code":3,"reserved0":1,"commanded_value":-2}"#),
        (b"\x0c\x03\x00\x03\x04\x02", r#""index":3,"point":0},{"prefix":0,"index":4,"point":1}"#),
        // what says how long something is
        (
            b"\x46\x03\x5b\x01\x1c\0\x1a\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\x01\0\0\x04\x09\0ab",
            r#""maximum_block_size":1024,"request_id":9,"filename":"ab"}"#,
        ),
        (
            b"\x46\x02\x5b\x01\x0f\0\0\0\x01\0\0\0\x02\0\0\0\0\0\x75pw",
            r#""password_size":2,"authentication_key":0,"username":"u"}"#,
        ),
        (
            b"\x78\x01\x5b\x01\x0c\0\x03\0\0\0\0\0\x04\x01stev",
            r#""csq":3,"usr":0,"mal":4,"reason":1,"data->challenge_data":"c3Rldg=="}"#,
        ),
        (
            b"\x78\x05\x5b\x01\x0f\0\x01\0\0\0\x01\0\x01\x02\0\x04\0stev",
            r#""challenge_data_len":4,"data->challenge_data":"c3Rldg=="}"#,
        ),
    ] {
        let message = [b"\xc0\x81\0\0", object].concat();
        let talk = talk(&[(ToClient, frames(true, &message, 200))]);
        let record = &talk.records()[0];
        assert!(record.contains(expected) && record.contains(r#""complete":true"#), "{expected}\n{record}");
    }
    // longer than the object
    let long = frames(true, b"\xc0\x81\0\0\x78\x05\x5b\x01\x0b\0\x01\0\0\0\x01\0\x01\x02\0\xff\xff", 200);
    assert!(talk(&[(ToClient, long)]).records()[0].contains(r#""complete":false"#));
    // a confirmation is for rules alone
    let confirmation = talk(&[(ToServer, frames(false, b"\xc1\0", 200))]);
    assert!(confirmation.records().is_empty());
    assert_eq!(confirmation.each()[0].number(slots::FUNCTION, 0), Some(0));
}

#[test]
fn what_is_wrong_is_named() {
    let whole = frames(false, b"\xc0\x02\x32\x01\x07\x01\x23\x6d\x9e\x53\x34\x01", 200);
    for (at, event, fails) in [(8, "bad_link_crc", true), (12, "bad_transport_crc", false)] {
        let mut broken = whole.clone();
        broken[at] ^= 1;
        let mut talk = Talk::new(&ENTRY, Proto::TCP, 20_000, "{}");
        assert_eq!(talk.say(ToServer, &broken).is_err(), fails);
        assert_eq!(talk.events(), [event]);
        assert!(talk.records().is_empty());
    }
    let unknown = talk(&[(ToServer, frames(false, b"\xc0\x02\xc8\x01\x07\x01\x00", 200))]);
    assert_eq!(unknown.events(), ["unknown_object"]);
    assert!(unknown.records()[0].contains(r#""complete":false"#));
    let many = [b"\xc0\x02".to_vec(), b"\x01\x02\x09\xff\xff\xff\xff".to_vec(), vec![0x81; 4000]].concat();
    assert!(talk(&[(ToServer, frames(false, &many, 200))]).memory() < 1 << 20);
}

#[test]
fn a_hole_costs_no_more_than_the_message_it_is_in() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 20_000, "{}");
    let session = session();
    talk.say(ToServer, &session[0].1[..9]).unwrap();
    talk.gap(ToServer, 7).unwrap();
    talk.say(ToServer, &[b"\x05\x05\x64rest of it".to_vec(), session[2].1.clone()].concat()).unwrap();
    assert_eq!(talk.records().len(), 1);
}

#[test]
fn only_its_port_is_looked_at() {
    let bytes = &session()[0].1;
    for (port, bytes, expected) in [
        (20_000, &bytes[..], Probe::Yes),
        (20_000, &bytes[..9], Probe::More),
        (20_000, b"\x05\x65\x05\0\0\0\0\0\0\0", Probe::No),
        (2_000, &bytes[..], Probe::No),
        // an outstation that seems to be the client is not
        (2_000, &session()[1].1[..], Probe::Reversed),
        (2_000, b"\x05\x64\x05\x44\0\0\0\0\0\0", Probe::No),
    ] {
        assert_eq!(DNP3.probe(Proto::TCP, ToServer, port, bytes), expected);
    }
}

#[test]
fn streams_may_be_cut_anywhere_and_mutated() {
    let session = session();
    let turns: Vec<(Direction, &[u8])> = session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_pieces(&ENTRY, 20_000, "{}", &turns);
    check_mutations(&ENTRY, Proto::TCP, 20_000, &turns);
}
