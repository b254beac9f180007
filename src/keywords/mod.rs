//! The generic keywords of the rule language, one file a family, and the buffers that are parts of a packet.
//!
//! A keyword reads its option, tells mistakes at their place, and adds what it means to the rule in the making. Keywords of
//! protocols, sticky buffers and numbers of transactions are tables of the protocols; [`number::compile_number`] serves the
//! latter. May not know: protocols by name (except for the buffers that the flags of `pcre` and `uricontent` name), the clock,
//! files.
//!
//! To add one: a row in its family's file, a line in [`ALL`].

mod asn1;
mod base64;
mod bytes;
mod content;
mod dataset;
mod events;
mod file;
mod flow;
mod flowbits;
mod frame;
mod geoip;
mod icmp;
mod ip;
mod iprep;
mod meta;
pub mod number;
mod packet;
mod pcre;
mod row;
mod rpc;
mod size;
mod tcp;
#[cfg(test)]
mod testing;
mod threshold;
mod transform;

pub use packet::PACKET_BUFFERS;

use crate::detect::Keyword;

/// Every generic keyword, by family.
pub static ALL: &[&dyn Keyword] = &[
    &meta::MSG,
    &meta::SID,
    &meta::GID,
    &meta::REV,
    &meta::CLASSTYPE,
    &meta::PRIORITY,
    &meta::REFERENCE,
    &meta::METADATA,
    &meta::TARGET,
    &meta::REQUIRES,
    &meta::ALERT,
    &meta::NOALERT,
    &content::CONTENT,
    &content::URICONTENT,
    &content::NOCASE,
    &content::OFFSET,
    &content::DEPTH,
    &content::DISTANCE,
    &content::WITHIN,
    &content::STARTSWITH,
    &content::ENDSWITH,
    &content::RAWBYTES,
    &content::FAST_PATTERN,
    &content::REPLACE,
    &content::PREFILTER,
    &content::BYPASS,
    &dataset::DATASET,
    &dataset::DATAREP,
    &content::LUA,
    &content::NFQ_SET_MARK,
    &content::FLOWVAR,
    &content::PKTVAR,
    &content::CONFIG,
    &frame::FRAME,
    &size::ISDATAAT,
    &size::BSIZE,
    &size::DSIZE,
    &size::PKT_DATA,
    &size::ABSENT,
    &size::ENTROPY,
    &pcre::PCRE,
    &bytes::BYTE_TEST,
    &bytes::BYTE_JUMP,
    &bytes::BYTE_EXTRACT,
    &bytes::BYTE_MATH,
    &asn1::ASN1,
    &base64::BASE64_DECODE,
    &base64::BASE64_DATA,
    &flow::FLOW,
    &flow::STREAM_SIZE,
    &flow::FLOW_AGE,
    &flow::FLOW_PKTS,
    &flow::FLOW_PKTS_TOSERVER,
    &flow::FLOW_PKTS_TOCLIENT,
    &flow::FLOW_BYTES,
    &flow::FLOW_BYTES_TOSERVER,
    &flow::FLOW_BYTES_TOCLIENT,
    &flow::APP_LAYER_PROTOCOL,
    &events::DECODE_EVENT,
    &events::STREAM_EVENT,
    &events::ENGINE_EVENT,
    &events::APP_LAYER_EVENT,
    &flowbits::FLOWBITS,
    &flowbits::FLOWINT,
    &flowbits::XBITS,
    &flowbits::HOSTBITS,
    &threshold::THRESHOLD,
    &threshold::DETECTION_FILTER,
    &threshold::TAG,
    &ip::TTL,
    &ip::IPOPTS,
    &ip::SAMEIP,
    &ip::IP_PROTO,
    &ip::L3_PROTO,
    &rpc::RPC,
    &ip::ID,
    &ip::FRAGBITS,
    &ip::FRAGOFFSET,
    &ip::TOS,
    &geoip::GEOIP,
    &iprep::IPREP,
    &ip::IPV4_CSUM,
    &ip::TCPV4_CSUM,
    &ip::TCPV6_CSUM,
    &ip::UDPV4_CSUM,
    &ip::UDPV6_CSUM,
    &ip::ICMPV4_CSUM,
    &ip::ICMPV6_CSUM,
    &ip::VLAN_ID,
    &ip::VLAN_LAYERS,
    &icmp::ITYPE,
    &icmp::ICODE,
    &icmp::ICMP_ID,
    &icmp::ICMP_SEQ,
    &icmp::ICMPV6_MTU,
    &tcp::FLAGS,
    &tcp::SEQ,
    &tcp::ACK,
    &tcp::WINDOW,
    &tcp::MSS,
    &tcp::WSCALE,
    &transform::DOTPREFIX,
    &transform::STRIP_WHITESPACE,
    &transform::COMPRESS_WHITESPACE,
    &transform::TO_MD5,
    &transform::TO_SHA1,
    &transform::TO_SHA256,
    &transform::TO_LOWERCASE,
    &transform::TO_UPPERCASE,
    &transform::URL_DECODE,
    &transform::XOR,
    &transform::PCREXFORM,
    &transform::HEADER_LOWERCASE,
    &transform::STRIP_PSEUDO_HEADERS,
    &transform::FROM_BASE64,
    &transform::GUNZIP,
    &transform::ZLIB_DEFLATE,
    &transform::DOMAIN,
    &transform::TLD,
    &transform::LUAXFORM,
    &file::FILESIZE,
    &file::FILESTORE,
    &file::FILENAME,
    &file::FILEEXT,
    &file::FILEMAGIC,
    &file::FILEMD5,
    &file::FILESHA1,
    &file::FILESHA256,
];

#[cfg(test)]
mod tests {
    use super::testing::{self, Xorshift};
    use super::*;
    use crate::detect::Registry;

    #[test]
    fn names_are_unique_and_explained() {
        let registry = Registry::new(ALL, PACKET_BUFFERS, &[]);
        assert_eq!(registry.duplicates(), &[] as &[&str]);
        for keyword in ALL {
            assert!(keyword.help().ends_with('.') || keyword.help().ends_with('"'), "{}", keyword.name());
        }
    }

    /// Values of all kinds, each keyword with each, whole and mutated: never a panic, and mistakes point into the option.
    #[test]
    fn hostile_values_are_told_and_never_panic() {
        const VALUES: &[&str] = &[
            "",
            "\"abc\"",
            "!\"a|41 42|\"",
            "\"/a(b|c)+$/Ri\"",
            "1",
            ">5",
            "5<>10",
            "-3,relative",
            "1,>,5,0,relative,string,dec",
            "4,0,v,relative,multiplier 2,align 4",
            "bytes 4, offset 0, oper +, rvalue v, result w, bitmask 0xff",
            "set,a|b",
            "isset,name",
            "x,+,1",
            "set,a,track ip_src,expire 5",
            "type limit, track by_src, count 1, seconds 60",
            "session,5,packets",
            "to_server,established",
            "client,>,5",
            "http",
            "!http,original",
            "http.odd",
            "+SA,12",
            "M+",
            "valid",
            "src_ip",
            "url,a.b",
            "version >= 7.0.3 < 8 | >= 8.0.1",
            "oversize_length 5, relative_offset -3",
            "value >= 7.5, bytes 9",
            "200,all",
            "x10",
            "bytes 3, offset 2, mode strict",
            "any",
            "é\u{301},ñ",
            "\"\\",
        ];
        const NOISE: &[char] = &[
            '!', '"', ',', ' ', '|', '-', '<', '>', '=', '/', '(', ')', '\\', '0', '9', 'a', 'é', '\u{0}',
            '$', ':',
        ];
        let mut random = Xorshift::new(42);
        for keyword in ALL {
            for value in VALUES {
                for round in 0..6 {
                    let mut text: Vec<char> = value.chars().collect();
                    for _ in 0..round {
                        let at = random.below(text.len() + 1);
                        match random.below(3) {
                            0 if at < text.len() => drop(text.remove(at)),
                            1 => text.insert(at, NOISE[random.below(NOISE.len())]),
                            _ => text.truncate(at),
                        }
                    }
                    testing::compile_value(keyword.name(), &text.iter().collect::<String>());
                }
            }
        }
    }
}
