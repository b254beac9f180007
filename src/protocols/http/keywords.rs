//! The rule keywords of HTTP.

use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::TxTest;
use crate::detect::{BufferSpec, Keyword, Kind, Place, RuleBuilder};
use crate::rules::value::split_commas;
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, progress: u8, kind: Kind) -> Place {
    Place { dir, slot, progress, kind }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers and the content modifiers of old.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "http.method",
        aliases: &[],
        modifier: Some("http_method"),
        help: "the request's method",
        places: &[place(S, METHOD, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.uri",
        aliases: &[],
        modifier: Some("http_uri"),
        help: "the request's path and query, normalised",
        places: &[place(S, URI, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.uri.raw",
        aliases: &[],
        modifier: Some("http_raw_uri"),
        help: "the request's target as sent",
        places: &[place(S, URI_RAW, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.protocol",
        aliases: &["http_protocol"],
        modifier: None,
        help: "the protocol of the request or status line",
        places: &[
            place(S, PROTOCOL_REQUEST, LINE, Kind::Bytes),
            place(C, PROTOCOL_RESPONSE, LINE, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.request_line",
        aliases: &["http_request_line"],
        modifier: None,
        help: "the request line",
        places: &[place(S, REQUEST_LINE, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.response_line",
        aliases: &["http_response_line"],
        modifier: None,
        help: "the status line",
        places: &[place(C, RESPONSE_LINE, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.stat_code",
        aliases: &[],
        modifier: Some("http_stat_code"),
        help: "the status code as text",
        places: &[place(C, STAT_CODE, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.stat_msg",
        aliases: &[],
        modifier: Some("http_stat_msg"),
        help: "the reason phrase",
        places: &[place(C, STAT_MSG, LINE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.request_header",
        aliases: &[],
        modifier: None,
        help: "each request header as `name: value`",
        places: &[place(S, REQUEST_HEADER, HEADERS, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "http.response_header",
        aliases: &[],
        modifier: None,
        help: "each response header as `name: value`",
        places: &[place(C, RESPONSE_HEADER, HEADERS, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "http.header",
        aliases: &[],
        modifier: Some("http_header"),
        help: "all headers but cookies, normalised",
        places: &[
            place(S, HEADER_REQUEST, HEADERS, Kind::Bytes),
            place(C, HEADER_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.header.raw",
        aliases: &[],
        modifier: Some("http_raw_header"),
        help: "the header block as sent",
        places: &[
            place(S, HEADER_RAW_REQUEST, HEADERS, Kind::Bytes),
            place(C, HEADER_RAW_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.header_names",
        aliases: &["http_header_names"],
        modifier: None,
        help: "the names of the headers, in order",
        places: &[
            place(S, HEADER_NAMES_REQUEST, HEADERS, Kind::Bytes),
            place(C, HEADER_NAMES_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.cookie",
        aliases: &[],
        modifier: Some("http_cookie"),
        help: "the value of Cookie or Set-Cookie",
        places: &[
            place(S, COOKIE_REQUEST, HEADERS, Kind::Bytes),
            place(C, COOKIE_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.user_agent",
        aliases: &[],
        modifier: Some("http_user_agent"),
        help: "the value of User-Agent",
        places: &[place(S, USER_AGENT, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.host",
        aliases: &[],
        modifier: Some("http_host"),
        help: "the host, lower case, without port",
        places: &[place(S, HOST, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.host.raw",
        aliases: &[],
        modifier: Some("http_raw_host"),
        help: "the host as sent",
        places: &[place(S, HOST_RAW, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.accept",
        aliases: &["http_accept"],
        modifier: None,
        help: "the value of Accept",
        places: &[place(S, ACCEPT, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.accept_enc",
        aliases: &["http_accept_enc"],
        modifier: None,
        help: "the value of Accept-Encoding",
        places: &[place(S, ACCEPT_ENC, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.accept_lang",
        aliases: &["http_accept_lang"],
        modifier: None,
        help: "the value of Accept-Language",
        places: &[place(S, ACCEPT_LANG, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.connection",
        aliases: &["http_connection"],
        modifier: None,
        help: "the value of Connection",
        places: &[
            place(S, CONNECTION_REQUEST, HEADERS, Kind::Bytes),
            place(C, CONNECTION_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.content_len",
        aliases: &["http_content_len"],
        modifier: None,
        help: "the value of Content-Length",
        places: &[
            place(S, CONTENT_LEN_REQUEST, HEADERS, Kind::Bytes),
            place(C, CONTENT_LEN_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.content_type",
        aliases: &["http_content_type"],
        modifier: None,
        help: "the value of Content-Type",
        places: &[
            place(S, CONTENT_TYPE_REQUEST, HEADERS, Kind::Bytes),
            place(C, CONTENT_TYPE_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.location",
        aliases: &[],
        modifier: None,
        help: "the value of Location",
        places: &[place(C, LOCATION, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.referer",
        aliases: &["http_referer"],
        modifier: None,
        help: "the value of Referer",
        places: &[place(S, REFERER, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.server",
        aliases: &[],
        modifier: None,
        help: "the value of Server",
        places: &[place(C, SERVER, HEADERS, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "http.start",
        aliases: &["http_start"],
        modifier: None,
        help: "first line and headers",
        places: &[
            place(S, START_REQUEST, HEADERS, Kind::Bytes),
            place(C, START_RESPONSE, HEADERS, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "http.request_body",
        aliases: &[],
        modifier: Some("http_client_body"),
        help: "the request's body",
        places: &[place(S, REQUEST_BODY, BODY, Kind::Body)],
        check: None,
    },
    BufferSpec {
        name: "http.response_body",
        aliases: &[],
        modifier: Some("http_server_body"),
        help: "the response's body, decompressed",
        places: &[place(C, RESPONSE_BODY, BODY, Kind::Body)],
        check: None,
    },
    BufferSpec {
        name: "file.data",
        aliases: &["file_data"],
        modifier: None,
        help: "the bytes of each file, decompressed",
        places: &[place(S, FILE_DATA_REQUEST, BODY, Kind::Body), place(C, RESPONSE_BODY, BODY, Kind::Body)],
        check: None,
    },
    BufferSpec {
        name: "file.name",
        aliases: &[],
        modifier: None,
        help: "the name of each file",
        places: &[
            place(S, FILE_NAME_REQUEST, BODY, Kind::Multi),
            place(C, FILE_NAME_RESPONSE, BODY, Kind::Multi),
        ],
        check: None,
    },
    BufferSpec {
        name: "file.magic",
        aliases: &[],
        modifier: None,
        help: "what each file is by its first bytes, in libmagic's words",
        places: &[
            place(S, FILE_MAGIC_REQUEST, DONE, Kind::Multi),
            place(C, FILE_MAGIC_RESPONSE, DONE, Kind::Multi),
        ],
        check: None,
    },
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&Urilen];

/// `urilen:5<>10,raw`
struct Urilen;

impl Keyword for Urilen {
    fn name(&self) -> &'static str {
        "urilen"
    }

    fn help(&self) -> &'static str {
        "length of the URI: urilen:[<|>]bytes[,norm|raw]"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(
                RuleError::new(option.name.span.clone(), "urilen needs a length").hint("urilen:>100;")
            );
        };
        let parts = split_commas(value)?;
        let (Some(length), rest) = (parts.first(), parts.get(1)) else {
            return Err(value.error("urilen needs a length"));
        };
        let slot = match rest.map(|part| part.node) {
            None | Some("norm") => URI_LEN,
            Some("raw") => URI_RAW_LEN,
            Some(_) => return Err(value.error("urilen knows 'norm' and 'raw'")),
        };
        rule.tx_tests.push(Box::new(UriLength { slot, test: IntTest::<u16>::parse(length)? }));
        use crate::detect::rule::RuleProtocol;
        let named = |name| rule.registry.protocol_named(name);
        if let (Some(one), Some(two), RuleProtocol::Tcp | RuleProtocol::Ip(_)) =
            (named("http"), named("http2"), rule.protocol)
        {
            rule.protocol = RuleProtocol::Either(one, two);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct UriLength {
    slot: Slot,
    test: IntTest<u16>,
}

impl TxTest for UriLength {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        tx.number(self.slot, 0).is_some_and(|length| self.test.matches(length))
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == Direction::ToServer).then_some(LINE)
    }
}
