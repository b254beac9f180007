//! The lists that things are added to: names are unique and explained, and every name works in a rule.

use std::collections::BTreeSet;

use mamparo::config::Config;
use mamparo::detect::Tables;
use mamparo::detect::prefilter::Automaton;
use mamparo::engine::configure;
use mamparo::engine::load::{LoadOptions, Loaded, load};
use mamparo::rules::classification::Classifications;
use mamparo::{keywords, protocols, signatures};

use super::support::engine::{registry, rules};

/// A rule for each keyword that has code of its own: its protocol, and options in which it stands. Buffers, content
/// modifiers and numbers are alike, and need none.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("absent", "http", "http.referer; absent;"),
    ("ack", "tcp", "ack:1;"),
    ("alert", "tcp", "content:\"abc\"; alert;"),
    ("app-layer-event", "http", "app-layer-event:http.invalid_host;"),
    ("app-layer-protocol", "tcp", "app-layer-protocol:http;"),
    ("asn1", "udp", "asn1:oversize_length 500;"),
    ("base64_data", "tcp", "base64_decode:bytes 8; base64_data; content:\"abc\";"),
    ("base64_decode", "tcp", "content:\"x\"; base64_decode:bytes 8, relative; base64_data; content:\"abc\";"),
    ("bsize", "http", "http.uri; bsize:>10;"),
    ("bypass", "tcp", "content:\"abc\"; bypass;"),
    ("byte_extract", "tcp", "byte_extract:1,0,n; byte_test:1,>,n,1;"),
    ("byte_jump", "tcp", "content:\"abc\"; byte_jump:2,0,relative;"),
    ("byte_math", "tcp", "byte_math:bytes 1,offset 0,oper +,rvalue 1,result n; byte_test:1,>,n,1;"),
    ("byte_test", "tcp", "byte_test:2,>,100,0;"),
    ("cip_service", "enip", "cip_service:16,246,6;"),
    ("enip.cip_service", "enip", "enip.cip_service:75;"),
    ("classtype", "tcp", "content:\"abc\"; classtype:reverse-shell;"),
    ("compress_whitespace", "http", "http.uri; compress_whitespace; content:\"a b\";"),
    ("content", "tcp", "content:\"abc|00|\";"),
    ("dce_iface", "dcerpc", "dce_iface:367abb81-9844-35f1-ad32-98f038001003;"),
    ("dce_opnum", "dcerpc", "dce_opnum:12,15-17;"),
    ("dcerpc.iface", "smb", "dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003,>1,any_frag;"),
    ("dcerpc.opnum", "tcp", "dcerpc.opnum:12;"),
    ("datarep", "http", "http.host; datarep:bad,>,5,type string;"),
    ("dataset", "http", "http.host; dataset:set,seen,type string;"),
    ("decode-event", "pkthdr", "decode-event:ipv4.trunc_pkt;"),
    ("depth", "tcp", "content:\"abc\"; depth:10;"),
    ("detection_filter", "tcp", "flags:S; detection_filter:track by_src, count 5, seconds 10;"),
    ("distance", "tcp", "content:\"abc\"; content:\"def\"; distance:1;"),
    ("dnp3_ind", "dnp3", "dnp3_ind:device_restart,need_time;"),
    ("dnp3_obj", "dnp3", "dnp3_obj:22,1;"),
    ("domain", "dns", "dns.query; domain; content:\"example.com\";"),
    ("dotprefix", "dns", "dns.query; dotprefix; content:\".example.com\"; endswith;"),
    ("dsize", "tcp", "dsize:>100;"),
    ("endswith", "http", "http.uri; content:\"abc\"; endswith;"),
    ("engine-event", "pkthdr", "engine-event:decoder.ipv4.trunc_pkt;"),
    ("entropy", "http", "file.data; entropy:value >= 7.5;"),
    ("fast_pattern", "tcp", "content:\"abc\"; content:\"def\"; fast_pattern;"),
    ("fileext", "http", "fileext:\"exe\";"),
    ("filemagic", "http", "filemagic:\"executable\";"),
    ("filename", "http", "filename:\"setup\";"),
    ("filesize", "http", "filesize:>1mb;"),
    ("filestore", "http", "filestore:both,tx;"),
    ("flags", "tcp", "flags:SA,CE;"),
    ("flow", "tcp", "flow:established,to_server; content:\"abc\";"),
    ("flow.age", "tcp", "flow.age:>10;"),
    ("flow.bytes", "tcp", "flow.bytes:toserver,>100;"),
    ("flow.bytes_toclient", "tcp", "flow.bytes_toclient:>100;"),
    ("flow.bytes_toserver", "tcp", "flow.bytes_toserver:>100;"),
    ("flow.pkts", "tcp", "flow.pkts:toclient,>3;"),
    ("flow.pkts_toclient", "tcp", "flow.pkts_toclient:>3;"),
    ("flow.pkts_toserver", "tcp", "flow.pkts_toserver:>3;"),
    ("flowbits", "tcp", "content:\"abc\"; flowbits:set,seen;"),
    ("flowint", "tcp", "content:\"abc\"; flowint:seen,+,1;"),
    ("fragbits", "ip", "fragbits:M+;"),
    ("fragoffset", "ip", "fragoffset:>0;"),
    ("frame", "http", "frame:http1.request; content:\"abc\";"),
    ("ftp.mode", "ftp", "ftp.mode:active;"),
    ("ftp.reply_received", "ftp", "ftp.reply_received:yes;"),
    ("ftpbounce", "ftp", "ftpbounce;"),
    ("ftpdata_command", "ftp-data", "ftpdata_command:retr;"),
    ("from_base64", "http", "http.uri; from_base64; content:\"abc\";"),
    ("gid", "tcp", "content:\"abc\"; gid:3;"),
    ("gunzip", "http", "http.request_body; gunzip; content:\"abc\";"),
    ("header_lowercase", "http", "http.request_header; header_lowercase; content:\"host|3a|\";"),
    ("hostbits", "tcp", "content:\"abc\"; hostbits:set,seen,src;"),
    ("http2.settings", "http2", "http2.settings:SETTINGS_ENABLE_PUSH =0;"),
    ("icmp_id", "icmp", "icmp_id:7;"),
    ("icmp_seq", "icmp", "icmp_seq:7;"),
    ("icmpv4-csum", "icmp", "icmpv4-csum:invalid;"),
    ("icmpv6-csum", "icmp", "icmpv6-csum:invalid;"),
    ("icmpv6.mtu", "icmp", "icmpv6.mtu:<1280;"),
    ("icode", "icmp", "icode:>1;"),
    ("id", "ip", "id:31337;"),
    ("ip_proto", "ip", "ip_proto:47;"),
    ("ipopts", "ip", "ipopts:rr;"),
    ("ipv4-csum", "ip", "ipv4-csum:invalid;"),
    ("l3_proto", "ip", "l3_proto:ipv6;"),
    ("nfq_set_mark", "tcp", "content:\"abc\"; nfq_set_mark:0x1/0xff;"),
    ("rpc", "udp", "rpc:100000,*,3;"),
    ("isdataat", "tcp", "content:\"abc\"; isdataat:!10,relative;"),
    ("itype", "icmp", "itype:8;"),
    ("ike.chosen_sa_attribute", "ike", "ike.chosen_sa_attribute:alg_hash=2;"),
    ("krb5.ticket_encryption", "krb5", "krb5.ticket_encryption:!weak;"),
    ("ldap.responses.operation", "ldap", "ldap.responses.operation:search_result_entry,0;"),
    ("ldap.responses.result_code", "ldap", "ldap.responses.result_code:invalid_credentials;"),
    ("metadata", "tcp", "content:\"abc\"; metadata:created_at 2026_11_23;"),
    ("modbus", "modbus", "modbus: function 8, subfunction 4;"),
    ("mqtt.connect.flags", "mqtt", "mqtt.connect.flags:username,!will;"),
    ("mqtt.flags", "mqtt", "mqtt.flags:retain,!dup;"),
    ("msg", "tcp", "content:\"abc\";"),
    ("noalert", "tcp", "content:\"abc\"; flowbits:set,seen; noalert;"),
    ("nocase", "tcp", "content:\"abc\"; nocase;"),
    ("offset", "tcp", "content:\"abc\"; offset:2;"),
    ("pcre", "tcp", "pcre:\"/ab+c/i\";"),
    ("pcrexform", "http", "http.uri; pcrexform:\"a=([^&]+)\"; content:\"abc\";"),
    ("pkt_data", "http", "http.uri; content:\"abc\"; pkt_data; content:\"def\";"),
    ("prefilter", "tcp", "dsize:5; prefilter;"),
    ("priority", "tcp", "content:\"abc\"; priority:2;"),
    ("rawbytes", "tcp", "content:\"abc\"; rawbytes;"),
    ("reference", "tcp", "content:\"abc\"; reference:url,example.com/;"),
    ("replace", "tcp", "content:\"abc\"; replace:\"xyz\";"),
    ("requires", "tcp", "content:\"abc\"; requires:version >= 7;"),
    ("rev", "tcp", "content:\"abc\"; rev:2;"),
    ("sameip", "ip", "sameip;"),
    ("seq", "tcp", "seq:1;"),
    ("sid", "tcp", "content:\"abc\";"),
    ("ssh.protoversion", "ssh", "ssh.protoversion:2_compat;"),
    ("ssh.softwareversion", "ssh", "ssh.softwareversion:\"OpenSSH\";"),
    ("ssl_state", "tls", "ssl_state:client_hello;"),
    ("ssl_version", "tls", "ssl_version:tls1.2;"),
    ("startswith", "http", "http.uri; content:\"/abc\"; startswith;"),
    ("stream-event", "tcp", "stream-event:3whs_ack_in_wrong_dir;"),
    ("stream_size", "tcp", "stream_size:server,>,100;"),
    ("strip_pseudo_headers", "http", "http.request_header; strip_pseudo_headers; content:\"abc\";"),
    ("strip_whitespace", "http", "http.uri; strip_whitespace; content:\"abc\";"),
    ("tag", "tcp", "content:\"abc\"; tag:session,5,packets;"),
    ("target", "tcp", "content:\"abc\"; target:dest_ip;"),
    ("tcp.ack", "tcp", "tcp.ack:1;"),
    ("tcp.flags", "tcp", "tcp.flags:S;"),
    ("tcp.mss", "tcp", "tcp.mss:<500;"),
    ("tcp.seq", "tcp", "tcp.seq:1;"),
    ("config", "dns", "dns.query; content:\"abc\"; config:logging disable, type tx, scope tx;"),
    ("tcp.window", "tcp", "tcp.window:1024;"),
    ("tcp.wscale", "tcp", "tcp.wscale:>10;"),
    ("tcpv4-csum", "tcp", "tcpv4-csum:invalid;"),
    ("tcpv6-csum", "tcp", "tcpv6-csum:invalid;"),
    ("threshold", "tcp", "content:\"abc\"; threshold:type limit, track by_src, count 1, seconds 60;"),
    ("tld", "dns", "dns.query; tld; content:\"zip\";"),
    (
        "tls.fingerprint",
        "tls",
        "tls.fingerprint:\"4a:a3:66:76:82:cb:6b:23:bb:c3:58:47:23:a4:63:a7:78:a4:a1:18\";",
    ),
    ("tls.issuerdn", "tls", "tls.issuerdn:\"CN=evil\";"),
    ("tls.store", "tls", "tls.sni; content:\"abc\"; tls.store;"),
    ("tls_store", "tls", "tls.sni; content:\"abc\"; tls_store;"),
    ("tls_cert_expired", "tls", "tls_cert_expired;"),
    ("tls_cert_notafter", "tls", "tls_cert_notafter:>2015-01-01;"),
    ("tls_cert_notbefore", "tls", "tls_cert_notbefore:1998-05-01<>2008-05-01;"),
    ("tls_cert_valid", "tls", "tls_cert_valid;"),
    ("tls.subject", "tls", "tls.subject:\"CN=evil\";"),
    ("tls.version", "tls", "tls.version:1.2;"),
    ("to_lowercase", "http", "http.uri; to_lowercase; content:\"abc\";"),
    ("to_md5", "http", "http.uri; to_md5; content:\"|00 01|\";"),
    ("to_sha1", "http", "http.uri; to_sha1; content:\"|00 01|\";"),
    ("to_sha256", "http", "http.uri; to_sha256; content:\"|00 01|\";"),
    ("to_uppercase", "http", "http.uri; to_uppercase; content:\"ABC\";"),
    ("tos", "ip", "tos:8;"),
    ("ttl", "ip", "ttl:<5;"),
    ("udpv4-csum", "udp", "udpv4-csum:invalid;"),
    ("udpv6-csum", "udp", "udpv6-csum:invalid;"),
    ("uricontent", "tcp", "uricontent:\"/abc\";"),
    ("urilen", "http", "urilen:>100;"),
    ("url_decode", "http", "http.uri.raw; url_decode; content:\"abc\";"),
    ("vlan.id", "ip", "vlan.id:200;"),
    ("vlan.layers", "ip", "vlan.layers:>1;"),
    ("websocket.flags", "websocket", "websocket.flags:fin,!comp;"),
    ("window", "tcp", "window:1024;"),
    ("within", "tcp", "content:\"abc\"; content:\"def\"; within:10;"),
    ("xbits", "tcp", "content:\"abc\"; xbits:set,seen,track ip_src;"),
    ("xor", "http", "http.uri; xor:\"0d0ac8ff\"; content:\"abc\";"),
    ("zlib_deflate", "http", "http.request_body; zlib_deflate; content:\"abc\";"),
];

/// Keywords that need something from outside the rule (a file, a script, a database): each is refused, and the message says
/// why. They are here so that the refusal is on purpose.
const REFUSED: &[(&str, &str)] = &[
    ("filemd5", "filemd5:bad.md5;"),
    ("filesha1", "filesha1:bad.sha1;"),
    ("filesha256", "filesha256:bad.sha256;"),
    ("geoip", "geoip:src,CN;"),
    ("iprep", "iprep:src,Bad,>,5;"),
    ("flowvar", "flowvar:name,\"abc\";"),
    ("pktvar", "pktvar:name,\"abc\";"),
    ("lua", "lua:script.lua;"),
    ("luajit", "lua:script.lua;"),
    ("luaxform", "http.uri; luaxform:script.lua; content:\"abc\";"),
];

fn compile(text: &str) -> Loaded {
    let (config, _) = Config::load(None, &[]).expect("the built-in configuration");
    let (classes, _) = Classifications::parse(signatures::CLASSIFICATION.as_bytes());
    let options = LoadOptions {
        registry: registry(),
        number: keywords::number::compile_number,
        vars: &config.vars,
        classes: &classes,
        action_order: configure::action_order(&config),
        pcre_limits: (config.pcre_match_limit, config.pcre_recursion_limit),
        prefilter: Automaton::build,
        features: &configure::features(&config),
        tables: &Tables::default(),
        folders: &[],
        lint: false,
        texts: false,
    };
    load(&rules(text), &options)
}

fn of_kind(kind: &str) -> Vec<mamparo::detect::registry::Listed> {
    registry().listed().iter().filter(|listed| listed.kind == kind).cloned().collect()
}

#[test]
fn names_are_unique_and_explained() {
    let registry = registry();
    assert_eq!(registry.duplicates(), &[] as &[&str]);
    for listed in registry.listed() {
        assert!(listed.help.len() >= 10, "{}: {:?} is no help", listed.name, listed.help);
    }
    let mut names = BTreeSet::new();
    for entry in protocols::ALL {
        assert!(names.insert(entry.protocol.name()), "{} is there twice", entry.protocol.name());
        for alias in entry.protocol.aliases() {
            assert!(names.insert(alias), "{alias} is there twice");
        }
        assert!(!entry.protocol.transports().is_empty(), "{}", entry.protocol.name());
        let asked = entry.buffers.len() + entry.numbers.len() + entry.keywords.len();
        // a telnet session is text without messages; doh2 has the buffers of what carries it and of what it carries; of the
        // others the language has no keywords
        assert!(
            asked > 0 || ["telnet", "tftp", "bittorrent-dht", "doh2"].contains(&entry.protocol.name()),
            "{}: nothing to ask of it",
            entry.protocol.name()
        );
    }
}

/// Where a buffer or a number stands is looked up by protocol and direction: a second place would never be looked at.
#[test]
fn a_name_has_one_place_for_a_protocol_and_direction() {
    for entry in protocols::ALL {
        let buffers = entry.buffers.iter().map(|row| (row.name, row.places));
        let numbers = entry.numbers.iter().map(|row| (row.name, row.places));
        let mut seen = BTreeSet::new();
        for (name, places) in buffers.chain(numbers) {
            for place in places {
                let once = seen.insert((name, place.dir.index()));
                let protocol = entry.protocol.name();
                assert!(once, "{name} has two places for {} of {protocol}", place.dir.name());
            }
        }
    }
}

#[test]
fn every_keyword_works_in_a_rule() {
    let mut left: BTreeSet<&str> = of_kind("keyword").iter().map(|listed| listed.name).collect();
    let mut wrong = Vec::new();
    for (name, protocol, options) in EXAMPLES {
        if !left.remove(name) {
            wrong.push(format!("{name}: an example without a keyword, or the second one"));
        }
        let sid = if options.contains("sid:") { "" } else { " sid:1;" };
        let loaded =
            compile(&format!("alert {protocol} any any -> any any (msg:\"an example\"; {options}{sid})"));
        if loaded.used != 1 {
            wrong.extend(loaded.complaints.iter().map(|complaint| format!("{name}: {}", complaint.shown)));
        }
    }
    for (name, options) in REFUSED {
        left.remove(name);
        let loaded =
            compile(&format!("alert http any any -> any any (msg:\"an example\"; {options} sid:1;)"));
        match loaded.complaints.first() {
            Some(complaint) if loaded.used == 0 && complaint.shown.lines().count() >= 3 => {}
            other => wrong.push(format!("{name}: used {}, {other:?}", loaded.used)),
        }
    }
    wrong.extend(left.iter().map(|name| format!("{name}: no example in tests/registry.rs")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_buffer_modifier_and_number_works_in_a_rule() {
    let mut wrong = Vec::new();
    for (kind, options) in [
        ("sticky buffer", "NAME; content:\"abc\";"),
        ("content modifier", "content:\"abc\"; NAME;"),
        ("number", "NAME:1;"),
    ] {
        let names = of_kind(kind);
        assert!(!names.is_empty(), "{kind}");
        for listed in names {
            let protocol = match listed.protocol {
                "" => "ip",
                name => name,
            };
            let options = options.replace("NAME", listed.name);
            let text = format!("alert {protocol} any any -> any any (msg:\"an example\"; {options} sid:1;)");
            let loaded = compile(&text);
            // a buffer that holds only digits (ja3.hash) refuses letters: that is its own check, and it says so
            if loaded.used != 1 {
                wrong.extend(loaded.complaints.iter().map(|complaint| complaint.shown.clone()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
