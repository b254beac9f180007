use super::{ENTRY, IKE, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_bounded, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    [&[next, 0][..], &(4 + body.len() as u16).to_be_bytes(), body].concat()
}

fn message(first: u8, version: u8, exchange: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let length = (28 + body.len() as u32).to_be_bytes();
    [b"IIIIIIIIRRRRRRRR", &[first, version, exchange, flags][..], &[0, 0, 0, 7], &length, body].concat()
}

/// An association of version 1 with those attributes.
fn association(attributes: &[u8]) -> Vec<u8> {
    let transform = payload(0, &[&[1, 1, 0, 0][..], attributes].concat());
    let proposal = payload(0, &[&[1, 1, 0, 1][..], &transform].concat());
    [&[0, 0, 0, 1, 0, 0, 0, 1][..], &proposal].concat()
}

/// One of version 2.
fn association_v2(transforms: &[(u8, u16)]) -> Vec<u8> {
    let mut body = vec![1, 1, 0, transforms.len() as u8];
    for (at, (kind, id)) in transforms.iter().enumerate() {
        let next = if at + 1 < transforms.len() { 3 } else { 0 };
        body.extend(payload(next, &[&[*kind, 0][..], &id.to_be_bytes()].concat()));
    }
    payload(0, &body)
}

const AES_SHA: &[u8] = b"\x80\x01\0\x07\x80\x02\0\x02\0\x0c\0\x04\0\x01\x51\x80";

fn handshake() -> Vec<(Direction, Vec<u8>)> {
    let first = [payload(13, &association(AES_SHA)), payload(0, b"vend")].concat();
    let keys = [payload(10, b"KEY"), payload(0, b"NON")].concat();
    vec![
        (ToServer, message(1, 0x10, 2, 0, &first)),
        (ToClient, message(1, 0x10, 2, 0, &payload(0, &association(AES_SHA)))),
        (ToServer, message(4, 0x10, 2, 0, &keys)),
        (ToServer, message(5, 0x10, 2, 1, b"secret")),
    ]
}

fn talk(turns: &[(Direction, Vec<u8>)]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 500, "{}");
    for (dir, bytes) in turns {
        assert_eq!(IKE.probe(Proto::UDP, *dir, 500, bytes), Probe::Yes);
        talk.say(*dir, bytes).unwrap();
    }
    talk
}

#[test]
fn what_was_chosen_is_told_with_all_that_follows() {
    let talk = talk(&handshake());
    let head = concat!(
        r#""ike":{"version_major":1,"version_minor":0,"init_spi":"4949494949494949","resp_spi":"5252525252525252","#,
        r#""message_id":7,"exchange_type":2,"#
    );
    let chosen = concat!(
        r#""alg_enc":"EncAesCbc","alg_enc_raw":7,"alg_hash":"HashSha","alg_hash_raw":2,"#,
        r#""sa_life_duration":"Unknown","sa_life_duration_raw":86400"#
    );
    assert_eq!(
        talk.records(),
        [
            format!(
                r#"{head}"payload":["SecurityAssociation","Proposal","Transform","VendorID"],"ikev1":{{"doi":1,"encrypted_payloads":false,"client":{{"proposals":[{{{chosen}}}]}},"server":{{}},"vendor_ids":["76656e64"]}}}}"#
            ),
            format!(
                r#"{head}{chosen},"payload":["SecurityAssociation","Proposal","Transform"],"ikev1":{{"doi":1,"encrypted_payloads":false,"client":{{}},"server":{{}}}}}}"#
            ),
            format!(
                r#"{head}{chosen},"payload":["KeyExchange","Nonce"],"ikev1":{{"doi":1,"encrypted_payloads":false,"client":{{"key_exchange_payload":"4b4559","key_exchange_payload_length":3,"nonce_payload":"4e4f4e","nonce_payload_length":3}},"server":{{}}}}}}"#
            ),
            format!(
                r#"{head}{chosen},"payload":["Identification"],"ikev1":{{"doi":1,"encrypted_payloads":true}}}}"#
            ),
        ]
    );
    let each = talk.each();
    assert_eq!(each[0].bytes(slots::VENDOR, 0), Some(&b"76656e64"[..]));
    assert_eq!(each[2].number(slots::NONCE_LEN, 0), Some(3));
    assert_eq!(each[1].number(crate::app::Slot(slots::CHOSEN + 1), 0), Some(2));
    assert_eq!(each[0].number(crate::app::Slot(slots::CHOSEN + 1), 0), None);
}

#[test]
fn version_two_names_what_is_weak() {
    let weak = association_v2(&[(1, 3), (2, 1), (3, 2), (4, 2)]);
    let notify = payload(0, b"\0\0\0\x0e");
    let talk = talk(&[
        (ToServer, message(33, 0x20, 34, 8, &payload(0, &association_v2(&[(1, 20), (2, 5), (4, 19)])))),
        (ToClient, message(33, 0x20, 34, 0x20, &[payload(41, &weak), notify].concat())),
        (ToServer, message(46, 0x20, 35, 8, &payload(35, b"secret"))),
        (ToServer, message(33, 0x20, 34, 8, &payload(0, b"nonsense"))),
    ]);
    let events = ["weak_crypto_enc", "weak_crypto_prf", "weak_crypto_auth", "weak_crypto_dh"];
    assert_eq!(talk.events(), events);
    let records = talk.records();
    assert!(records[0].ends_with(
        r#""role":"initiator","payload":["SecurityAssociation","NoNextPayload"],"ikev2":{"errors":0}}"#
    ));
    assert!(records[1].ends_with(concat!(
        r#""role":"responder","alg_enc":"ENCR_3DES","alg_auth":"AUTH_HMAC_SHA1_96","alg_prf":"PRF_HMAC_MD5","#,
        r#""alg_dh":"Modp1024","alg_esn":"NoESN","payload":["SecurityAssociation","Notify","NoNextPayload"],"#,
        r#""ikev2":{"errors":1,"notify":["NO_PROPOSAL_CHOSEN"]}}"#
    )));
    assert!(records[2].contains(r#""payload":["EncryptedAndAuthenticated","IdentInitiator"]"#));
    assert!(records[3].contains(r#""payload":[]"#));
}

#[test]
fn headers_on_its_port_are_recognised_and_only_whole_messages_read() {
    let (_, whole) = &handshake()[0];
    for end in 0..whole.len() {
        let probe = IKE.probe(Proto::UDP, ToServer, 500, &whole[..end]);
        assert_eq!(probe, if end < 28 { Probe::No } else { Probe::Yes });
        let mut talk = Talk::new(&ENTRY, Proto::UDP, 500, "{}");
        assert!(talk.say(ToServer, &whole[..end]).is_err() || end == 0);
    }
    assert_eq!(IKE.probe(Proto::UDP, ToServer, 4000, whole), Probe::No);
    // of version 2 all must be there
    let second = message(33, 0x20, 34, 0x20, &payload(0, &association_v2(&[(1, 3)])));
    for end in 0..=second.len() {
        let probe = IKE.probe(Proto::UDP, ToServer, 500, &second[..end]);
        assert_eq!(probe == Probe::Yes, end == second.len());
    }
}

#[test]
fn whatever_comes_is_bounded() {
    let turns = handshake();
    let turns: Vec<(Direction, &[u8])> = turns.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_mutations(&ENTRY, Proto::UDP, 500, &turns);
    let weak = message(33, 0x20, 34, 0x20, &payload(0, &association_v2(&[(1, 3), (2, 1), (3, 2), (4, 2)])));
    check_mutations(&ENTRY, Proto::UDP, 500, &[(ToClient, &weak)]);
}

#[test]
fn memory_is_bounded() {
    let turns = handshake();
    let turns: Vec<_> = turns.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_bounded(&ENTRY, Proto::UDP, 500, &turns, 64 << 10);
}
