use super::{BITTORRENT_DHT, ENTRY};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_bounded, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const PING: &[u8] = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
const ANNOUNCE: &[u8] = b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:v4:UT011:y1:qe";
const PEERS: &[u8] = b"d1:rd2:id20:abcdefghij01234567895:nodes26:abcdefghij0123456789\x0a\0\0\x01\x1a\xe15:token2:xy6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re";
const ERROR: &[u8] = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";

#[track_caller]
fn check(dir: Direction, datagram: &[u8], record: &str, events: &[&str]) {
    assert_eq!(BITTORRENT_DHT.probe(Proto::UDP, dir, 4000, datagram), Probe::Yes);
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 4000, "{}");
    talk.say(dir, datagram).unwrap();
    assert_eq!(talk.records(), [format!(r#""bittorrent_dht":{{{record}}}"#)]);
    assert_eq!(talk.events(), events);
}

#[test]
fn messages_are_read() {
    let id = "6162636465666768696a30313233343536373839";
    check(
        ToServer,
        PING,
        &format!(r#""transaction_id":"6161","request_type":"ping","request":{{"id":"{id}"}}"#),
        &[],
    );
    check(
        ToServer,
        ANNOUNCE,
        &format!(
            r#""transaction_id":"6161","client_version":"55543031","request_type":"announce_peer","request":{{"id":"{id}","info_hash":"6d6e6f707172737475767778797a313233343536","token":"616f6575736e7468","implied_port":1,"port":6881}}"#
        ),
        &[],
    );
    check(
        ToClient,
        PEERS,
        &format!(
            r#""transaction_id":"6161","response":{{"id":"{id}","nodes":[{{"id":"{id}","ip":"10.0.0.1","port":6881}}],"values":[{{"ip":"97.120.106.101","port":11893}},{{"ip":"105.100.104.116","port":28269}}],"token":"7879"}}"#
        ),
        &[],
    );
    check(
        ToClient,
        ERROR,
        r#""transaction_id":"6161","error":{"num":201,"msg":"A Generic Error Ocurred"}"#,
        &[],
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    check(ToServer, &PING[..40], r#""transaction_id":"""#, &["malformed_packet"]);
    let nameless = [&PING[..33], b"1:q4:ping1:y1:qe"].concat();
    let record = r#""transaction_id":"","request_type":"ping","request":{"id":"6162636465666768696a30313233343536373839"}"#;
    check(ToServer, &nameless, record, &["malformed_packet"]);
    assert_eq!(BITTORRENT_DHT.probe(Proto::UDP, ToServer, 4000, b"d5:hello"), Probe::No);
}

#[test]
fn whatever_comes_is_bounded() {
    let turns = [(ToServer, PING), (ToServer, ANNOUNCE), (ToClient, PEERS), (ToClient, ERROR)];
    check_mutations(&ENTRY, Proto::UDP, 4000, &turns);
}

#[test]
fn memory_is_bounded() {
    let turns = [(ToServer, PING), (ToServer, ANNOUNCE), (ToClient, PEERS), (ToClient, ERROR)];
    check_bounded(&ENTRY, Proto::UDP, 4000, &turns, 64 << 10);
}
