//! Requests of HTTP/1 and HTTP/2 as views see them.

use super::{ALL, FIRST, HEADERS};
use crate::app::DONE;
use crate::protocols::http;
use crate::protocols::http2;
use crate::protocols::testing::{Talk, check_mutations, written};
use crate::types::{Direction, Proto};

use Direction::ToServer;

/// The object of a view, of one request.
fn seen(head: &str, body: &str) -> String {
    let mut talk = Talk::new(&http::ENTRY, Proto::TCP, 80, "{}");
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    talk.say(ToServer, format!("{head}\r\nHost: a\r\n{length}\r\n{body}").as_bytes()).unwrap();
    let record = written(|out| talk.each()[0].log(out));
    // behind the object of HTTP
    record.split_once("},").map_or(String::new(), |(_, view)| view.to_owned())
}

#[test]
fn dns_over_http() {
    let asked = r#"{"rrname":["www.example.com"],"rrtype":["A"]}"#;
    // the example of RFC 8484 section 4.1.1
    let encoded = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
    for (line, expected) in [
        (format!("GET /dns-query?dns={encoded} HTTP/1.1"), asked),
        (format!("GET /x?a=b&dns={encoded} HTTP/1.1"), asked),
        ("GET /resolve?name=www.example.com&type=A HTTP/1.1".to_owned(), asked),
        ("GET /dns-query?dns=AAAB HTTP/1.1".to_owned(), ""),
        ("GET /search?name=www.example.com HTTP/1.1".to_owned(), ""),
    ] {
        let expected = if expected.is_empty() { String::new() } else { format!("\"doh\":{expected}") };
        assert_eq!(seen(&line, ""), expected, "{line}");
    }
    let message = "\0\0\u{1}\0\0\u{1}\0\0\0\0\0\0\u{3}www\u{7}example\u{3}com\0\0\u{1}\0\u{1}";
    let posted = seen("POST /x HTTP/1.1\r\nContent-Type: application/dns-message", message);
    assert_eq!(posted, format!("\"doh\":{asked}"));
}

#[test]
fn kubernetes() {
    for (line, expected) in [
        ("GET /api/v1/secrets?limit=500", r#"{"verb":"list","resource":"secrets"}"#),
        (
            "GET /api/v1/namespaces/shop/secrets/db",
            r#"{"verb":"get","resource":"secrets","namespace":"shop","name":"db"}"#,
        ),
        (
            "GET /api/v1/namespaces/shop/pods?watch=1",
            r#"{"verb":"watch","resource":"pods","namespace":"shop"}"#,
        ),
        (
            "GET /api/v1/watch/namespaces/shop/pods",
            r#"{"verb":"watch","resource":"pods","namespace":"shop"}"#,
        ),
        (
            "GET //api/v1/./x/../namespaces/%73hop/pods",
            r#"{"verb":"list","resource":"pods","namespace":"shop"}"#,
        ),
        (
            "GET http://k/api/v1/nodes/n1/proxy/pods",
            r#"{"verb":"get","resource":"nodes","subresource":"proxy","name":"n1"}"#,
        ),
        ("GET /api/v1/namespaces", r#"{"verb":"list","resource":"namespaces"}"#),
        ("DELETE /api/v1/namespaces/shop", r#"{"verb":"delete","resource":"namespaces","name":"shop"}"#),
        (
            "PUT /api/v1/namespaces/shop/finalize",
            r#"{"verb":"update","resource":"namespaces","subresource":"finalize","name":"shop"}"#,
        ),
        (
            "DELETE /apis/apps/v1/namespaces/a/deployments",
            r#"{"verb":"deletecollection","group":"apps","resource":"deployments","namespace":"a"}"#,
        ),
        (
            "PATCH /apis/example.com/v1beta1/things/x",
            r#"{"verb":"patch","group":"example.com","resource":"things","name":"x"}"#,
        ),
        (
            "POST /api/v1/namespaces/shop/pods/web/exec?command=sh&command=-c&command=id%3B+ls&container=app",
            concat!(
                r#"{"verb":"create","resource":"pods","subresource":"exec","namespace":"shop","name":"web","#,
                r#""container":"app","command":["sh","-c","id; ls"]}"#
            ),
        ),
        (
            "POST /exec/shop/web/app?command=id",
            concat!(
                r#"{"verb":"create","resource":"pods","subresource":"exec","namespace":"shop","name":"web","#,
                r#""container":"app","command":["id"]}"#
            ),
        ),
        ("GET /api/v1/users/5", ""),
        ("GET /apis/orders/v1/things", ""),
        ("GET /exec/report?command=monthly", ""),
        ("GET /run/tests/a/b", ""),
        ("BREW /api/v1/pods", ""),
        ("GET /", ""),
    ] {
        let expected = if expected.is_empty() { String::new() } else { format!(r#""k8s":{expected}"#) };
        assert_eq!(seen(&format!("{line} HTTP/1.1"), ""), expected, "{line}");
    }
}

#[test]
fn who_asks_kubernetes_and_for_what_pod() {
    // {"sub":"system:serviceaccount:shop:default"}
    let token = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c2hvcDpkZWZhdWx0In0.c2ln";
    assert_eq!(
        seen(&format!("GET /api/v1/pods HTTP/1.1\r\nAuthorization: Bearer {token}"), ""),
        r#""k8s":{"verb":"list","resource":"pods","user":"system:serviceaccount:shop:default"}"#
    );
    assert_eq!(
        seen("GET /api/v1/pods HTTP/1.1\r\nImpersonate-User: system:admin", ""),
        r#""k8s":{"verb":"list","resource":"pods","user":"system:admin"}"#
    );
    let pod = r#"{"kind":"Pod","metadata":{"name":"p","labels":{"name":"no"}},"spec":{"hostPID":true,"hostNetwork":false,
        "volumes":[{"hostPath":{"path":"/","type":""}}],"containers":[{"image":"alpine","command":["nsenter","-t"],
        "securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN"],"drop":["ALL"]}}}]}}"#;
    assert_eq!(
        seen("POST /api/v1/namespaces/default/pods HTTP/1.1", pod),
        concat!(
            r#""k8s":{"verb":"create","resource":"pods","namespace":"default","name":"p","command":["nsenter","-t"],"#,
            r#""images":["alpine"],"risks":["host_pid","host_path:/","privileged","capability:SYS_ADMIN"]}"#
        )
    );
}

#[test]
fn docker() {
    for (line, expected) in [
        ("GET /v1.41/containers/json?all=1", r#"{"resource":"containers","action":"list"}"#),
        ("GET /containers/json", r#"{"resource":"containers","action":"list"}"#),
        ("POST /v1.41/containers/app/start", r#"{"resource":"containers","action":"start","id":"app"}"#),
        ("DELETE /v1.41/containers/app", r#"{"resource":"containers","action":"delete","id":"app"}"#),
        (
            "PUT /v1.41/containers/app/archive?path=/",
            r#"{"resource":"containers","action":"upload","id":"app"}"#,
        ),
        (
            "GET /v1.41/images/shop/web:1/json",
            r#"{"resource":"images","action":"inspect","id":"shop/web:1"}"#,
        ),
        ("POST /v4.0.0/libpod/images/pull", r#"{"resource":"images","action":"create","id":"pull"}"#),
        (
            "POST /v1.41/images/create?fromImage=evil%2Fminer",
            r#"{"resource":"images","action":"create","image":"evil/miner"}"#,
        ),
        ("POST /v1.41/swarm/join", r#"{"resource":"swarm","action":"join"}"#),
        ("GET /_ping", r#"{"resource":"_ping","action":"list"}"#),
        ("GET /v2.0/users", ""),
        ("GET /containers/ship/42", ""),
        ("GET /images/logo.png", ""),
        ("GET /v1/containers/json", ""),
    ] {
        let expected = if expected.is_empty() { String::new() } else { format!(r#""docker":{expected}"#) };
        assert_eq!(seen(&format!("{line} HTTP/1.1"), ""), expected, "{line}");
    }
    let create = r#"{"Image":"alpine","Cmd":["sh"],"HostConfig":{"Privileged":true,"Binds":["/:/mnt","data:/d"],"PidMode":"host",
        "NetworkMode":"bridge","CapAdd":["SYS_ADMIN"],"Mounts":[{"Type":"bind","Source":"/var/run/docker.sock"}],
        "Devices":[{"PathOnHost":"/dev/sda"}],"SecurityOpt":["seccomp=unconfined"]}}"#;
    assert_eq!(
        seen("POST /v1.41/containers/create?name=a HTTP/1.1", create),
        concat!(
            r#""docker":{"resource":"containers","action":"create","image":"alpine","command":["sh"],"risks":["privileged","#,
            r#""host_path:/","host_pid","capability:SYS_ADMIN","host_path:/var/run/docker.sock","device:/dev/sda","#,
            r#""security:seccomp=unconfined"]}"#
        )
    );
}

#[test]
fn etcd_over_json_and_grpc() {
    for (line, body, expected) in [
        ("GET /v2/keys/shop/currency", "", r#"{"action":"range","keys":["/shop/currency"]}"#),
        ("PUT /v2/keys/a", "", r#"{"action":"put","keys":["/a"]}"#),
        (
            "POST /v3/kv/range",
            r#"{"key":"AA==","range_end":"AA=="}"#,
            r#"{"action":"range","keys":["\u0000"],"range_ends":["\u0000"]}"#,
        ),
        (
            "POST /v3beta/kv/txn",
            r#"{"compare":[{"key":"Yw=="}],"success":[{"requestPut":{"key":"Zm9v"}}]}"#,
            r#"{"action":"txn","keys":["foo"]}"#,
        ),
        (
            "POST /v3/auth/authenticate",
            r#"{"name":"root","password":"x"}"#,
            r#"{"action":"auth/authenticate","user":"root"}"#,
        ),
        ("GET /v3/users", "", ""),
    ] {
        let expected = if expected.is_empty() { String::new() } else { format!(r#""etcd":{expected}"#) };
        assert_eq!(seen(&format!("{line} HTTP/1.1"), body), expected, "{line}");
    }
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        [&(payload.len() as u32).to_be_bytes()[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    };
    // POST, http, and the path without Huffman's code
    let path = b"/etcdserverpb.KV/Range";
    let block = [&[0x83, 0x86, 0x04, path.len() as u8][..], path].concat();
    let message = b"\0\0\0\0\x07\x0a\x02/a\x12\x01\0";
    let talk = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, b""),
        frame(1, 4, &block),
        frame(0, 1, message),
    ]
    .concat();
    let mut grpc = Talk::new(&http2::ENTRY, Proto::TCP, 2379, "{}");
    grpc.say(ToServer, &talk).unwrap();
    let records = grpc.records();
    assert!(
        records
            .iter()
            .any(|record| record
                .ends_with(r#""etcd":{"action":"range","keys":["/a"],"range_ends":["\u0000"]}"#)),
        "{records:?}"
    );
    let turns: &[(Direction, &[u8])] = &[(ToServer, &talk)];
    check_mutations(&http2::ENTRY, Proto::TCP, 2379, turns);
}

#[test]
fn elasticsearch() {
    for (line, body, expected) in [
        ("GET /shop/_search", "", r#"{"method":"GET","api":"_search","index":"shop"}"#),
        ("GET /_all/_search?size=10000", "", r#"{"method":"GET","api":"_search","index":"_all"}"#),
        ("DELETE /_all", "", r#"{"method":"DELETE","api":"_all","index":"_all"}"#),
        ("GET /_cat/indices", "", r#"{"method":"GET","api":"_cat/indices"}"#),
        (
            "POST /_search",
            r#"{"script_fields":{"x":{"lang":"groovy","script":"java.lang"},"y":{"script":{"source":"1+1"}}},"source":"no"}"#,
            r#"{"method":"POST","api":"_search","scripts":["java.lang","1+1"]}"#,
        ),
        ("GET /_next/static/a.js", "", ""),
        ("GET /a/b/c/_search", "", ""),
    ] {
        let expected =
            if expected.is_empty() { String::new() } else { format!(r#""elasticsearch":{expected}"#) };
        assert_eq!(seen(&format!("{line} HTTP/1.1"), body), expected, "{line}");
    }
}

#[test]
fn whatever_comes() {
    let body = r#"{"spec":{"hostPID":true,"containers":[{"image":"a","securityContext":{"capabilities":{"add":["X"]}}}]}}"#;
    let request = format!(
        "POST /api/v1/namespaces/a/pods?command=a%20b HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.e30.c\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let turns: &[(Direction, &[u8])] = &[(ToServer, request.as_bytes())];
    check_mutations(&http::ENTRY, Proto::TCP, 80, turns);
}

#[test]
fn many_values_of_a_body_are_bounded() {
    let risks = vec![r#"{"privileged":true}"#; 4000].join(",");
    let mut talk = Talk::new(&http::ENTRY, Proto::TCP, 80, "{}");
    let body = format!(r#"{{"a":[{risks}]}}"#);
    let head = format!("POST /api/v1/pods HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    talk.say(ToServer, [head, body].concat().as_bytes()).unwrap();
    let before = talk.memory();
    talk.records();
    assert!(talk.memory() - before < 32 << 10, "{}", talk.memory() - before);
}

#[test]
fn each_view_has_slots_and_names_of_its_own() {
    let mut slots = Vec::new();
    for view in ALL {
        for buffer in view.buffers {
            assert!(buffer.name.starts_with(&format!("{}.", view.name)), "{}", buffer.name);
            // detection knows one place of a buffer in a direction
            assert_eq!(buffer.places.len(), 1, "{}", buffer.name);
            for place in buffer.places {
                assert!(place.slot.0 >= FIRST && place.dir == ToServer, "{}", buffer.name);
                assert!(matches!(place.progress, HEADERS | DONE), "{}", buffer.name);
                slots.push(place.slot);
            }
        }
    }
    let count = slots.len();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), count);
}
