//! The rule keywords of HTTP/2; those of HTTP/1 have their names, aliases and modifiers there.

use super::settings::{ERRORS, FRAMES, SETTINGS};
use super::slots as own;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::protocols::dns::{keywords as dns_rows, slots as dns};
use crate::protocols::http::slots::{self as slot, BODY as IN_BODY, HEADERS};
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, progress: u8, kind: Kind) -> Place {
    Place { dir, slot, progress, kind }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// A buffer that HTTP/1 has too.
const fn shared(name: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help: "", places, check: None }
}

const fn inside(dir: Direction, slot: Slot) -> Place {
    let base = match dir {
        Direction::ToServer => own::DNS_REQUEST,
        Direction::ToClient => own::DNS_RESPONSE,
    };
    place(dir, Slot(base + slot.0), DONE, Kind::Multi)
}

/// A buffer of DNS, of messages that a stream carries.
const fn carried(nth: usize, places: &'static [Place]) -> BufferSpec {
    BufferSpec { places, ..dns_rows::ROWS[nth] }
}

/// A number of them.
const fn carried_number(nth: usize, places: &'static [Place]) -> NumberSpec {
    NumberSpec { places, ..dns_rows::NUMBER_ROWS[nth] }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    carried(0, &[inside(S, dns::QUERY)]),
    carried(1, &[inside(S, dns::QUERIES_RRNAME), inside(C, dns::QUERIES_RRNAME)]),
    carried(2, &[inside(C, dns::ANSWERS_RRNAME)]),
    carried(3, &[inside(C, dns::AUTHORITIES_RRNAME)]),
    carried(4, &[inside(C, dns::ADDITIONALS_RRNAME)]),
    carried(5, &[inside(C, dns::RESPONSE_RRNAME)]),
    shared("http.method", &[place(S, slot::METHOD, HEADERS, Kind::Bytes)]),
    shared("http.uri", &[place(S, slot::URI, HEADERS, Kind::Bytes)]),
    shared("http.uri.raw", &[place(S, slot::URI_RAW, HEADERS, Kind::Bytes)]),
    shared(
        "http.protocol",
        &[
            place(S, slot::PROTOCOL_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::PROTOCOL_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared("http.request_line", &[place(S, slot::REQUEST_LINE, HEADERS, Kind::Bytes)]),
    shared("http.response_line", &[place(C, slot::RESPONSE_LINE, HEADERS, Kind::Bytes)]),
    shared("http.stat_code", &[place(C, slot::STAT_CODE, HEADERS, Kind::Bytes)]),
    shared("http.stat_msg", &[place(C, slot::STAT_MSG, HEADERS, Kind::Bytes)]),
    shared("http.request_header", &[place(S, slot::REQUEST_HEADER, HEADERS, Kind::Multi)]),
    shared("http.response_header", &[place(C, slot::RESPONSE_HEADER, HEADERS, Kind::Multi)]),
    shared(
        "http.header",
        &[
            place(S, slot::HEADER_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::HEADER_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared(
        "http.header.raw",
        &[
            place(S, slot::HEADER_RAW_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::HEADER_RAW_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared(
        "http.header_names",
        &[
            place(S, slot::HEADER_NAMES_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::HEADER_NAMES_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared(
        "http.cookie",
        &[
            place(S, slot::COOKIE_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::COOKIE_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared("http.user_agent", &[place(S, slot::USER_AGENT, HEADERS, Kind::Bytes)]),
    shared("http.host", &[place(S, slot::HOST, HEADERS, Kind::Bytes)]),
    shared("http.host.raw", &[place(S, slot::HOST_RAW, HEADERS, Kind::Bytes)]),
    shared("http.accept", &[place(S, slot::ACCEPT, HEADERS, Kind::Bytes)]),
    shared("http.accept_enc", &[place(S, slot::ACCEPT_ENC, HEADERS, Kind::Bytes)]),
    shared("http.accept_lang", &[place(S, slot::ACCEPT_LANG, HEADERS, Kind::Bytes)]),
    shared(
        "http.connection",
        &[
            place(S, slot::CONNECTION_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::CONNECTION_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared(
        "http.content_len",
        &[
            place(S, slot::CONTENT_LEN_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::CONTENT_LEN_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared(
        "http.content_type",
        &[
            place(S, slot::CONTENT_TYPE_REQUEST, HEADERS, Kind::Bytes),
            place(C, slot::CONTENT_TYPE_RESPONSE, HEADERS, Kind::Bytes),
        ],
    ),
    shared("http.location", &[place(C, slot::LOCATION, HEADERS, Kind::Bytes)]),
    shared("http.referer", &[place(S, slot::REFERER, HEADERS, Kind::Bytes)]),
    shared("http.server", &[place(C, slot::SERVER, HEADERS, Kind::Bytes)]),
    shared("http.request_body", &[place(S, slot::REQUEST_BODY, IN_BODY, Kind::Body)]),
    shared("http.response_body", &[place(C, slot::RESPONSE_BODY, IN_BODY, Kind::Body)]),
    shared(
        "file.data",
        &[
            place(S, slot::FILE_DATA_REQUEST, IN_BODY, Kind::Body),
            place(C, slot::RESPONSE_BODY, IN_BODY, Kind::Body),
        ],
    ),
    shared(
        "file.magic",
        &[
            place(S, slot::FILE_MAGIC_REQUEST, DONE, Kind::Multi),
            place(C, slot::FILE_MAGIC_RESPONSE, DONE, Kind::Multi),
        ],
    ),
    BufferSpec {
        name: "http2.header_name",
        aliases: &[],
        modifier: None,
        help: "the name of each header",
        places: &[
            place(S, own::NAME_REQUEST, HEADERS, Kind::Multi),
            place(C, own::NAME_RESPONSE, HEADERS, Kind::Multi),
        ],
        check: None,
    },
    BufferSpec {
        name: "http2.header",
        aliases: &[],
        modifier: None,
        help: "each header as `name: value`",
        places: &[
            place(S, slot::REQUEST_HEADER, HEADERS, Kind::Multi),
            place(C, slot::RESPONSE_HEADER, HEADERS, Kind::Multi),
        ],
        check: None,
    },
];

const fn numbers(
    name: &'static str,
    help: &'static str,
    places: &'static [Place],
    names: &'static [(&'static str, u64)],
) -> NumberSpec {
    NumberSpec { name, aliases: &[], help, places, names }
}

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    carried_number(0, &[inside(S, dns::OPCODE), inside(C, dns::OPCODE)]),
    carried_number(1, &[inside(C, dns::RCODE)]),
    carried_number(2, &[inside(S, dns::RRTYPE), inside(C, dns::RRTYPE)]),
    numbers(
        "http2.frametype",
        "the types of a stream's frames",
        &[place(S, own::FRAME_REQUEST, DONE, Kind::Multi), place(C, own::FRAME_RESPONSE, DONE, Kind::Multi)],
        FRAMES,
    ),
    numbers(
        "http2.errorcode",
        "the error that ends a stream or the connection",
        &[place(S, own::ERROR_REQUEST, DONE, Kind::Multi), place(C, own::ERROR_RESPONSE, DONE, Kind::Multi)],
        ERRORS,
    ),
    numbers(
        "http2.priority",
        "the weight of a stream",
        &[
            place(S, own::PRIORITY_REQUEST, DONE, Kind::Multi),
            place(C, own::PRIORITY_RESPONSE, DONE, Kind::Multi),
        ],
        &[],
    ),
    numbers(
        "http2.window",
        "the size of a window update",
        &[
            place(S, own::WINDOW_REQUEST, DONE, Kind::Multi),
            place(C, own::WINDOW_RESPONSE, DONE, Kind::Multi),
        ],
        &[],
    ),
    numbers(
        "http2.size_update",
        "the size that the dynamic table of headers changes to",
        &[place(S, own::SIZE_REQUEST, DONE, Kind::Multi), place(C, own::SIZE_RESPONSE, DONE, Kind::Multi)],
        &[],
    ),
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&Settings];

/// `http2.settings:SETTINGS_MAX_CONCURRENT_STREAMS >10`
struct Settings;

impl Keyword for Settings {
    fn name(&self) -> &'static str {
        "http2.settings"
    }

    fn help(&self) -> &'static str {
        "a setting and its value: http2.settings:SETTINGS_ENABLE_PUSH =0"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let known = || SETTINGS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let Some(value) = &option.value else {
            return Err(
                RuleError::new(option.name.span.clone(), "http2.settings needs a setting").hint(known())
            );
        };
        let value = value.trim();
        let found = SETTINGS.iter().find_map(|(name, id)| {
            let rest = value.strip(name)?;
            // a name that only begins like this one is another
            rest.node
                .bytes()
                .next()
                .is_none_or(|c| !c.is_ascii_alphanumeric() && c != b'_')
                .then_some((*id, rest))
        });
        let Some((setting, rest)) = found else {
            return Err(value.error("unknown setting").hint(known()));
        };
        let rest = rest.trim();
        let test = if rest.node.is_empty() { None } else { Some(IntTest::<u32>::parse(&rest)?) };
        let Some(id) = rule.registry.protocol_named("http2") else { return Ok(()) };
        match rule.protocol {
            RuleProtocol::App(other) if other != id => {
                return Err(option.name.error("the rule's head names another protocol"));
            }
            _ => rule.protocol = RuleProtocol::App(id),
        }
        rule.tx_tests.push(Box::new(SettingTest { setting, test }));
        Ok(())
    }
}

#[derive(Debug)]
struct SettingTest {
    setting: u64,
    test: Option<IntTest<u32>>,
}

impl TxTest for SettingTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        let (keys, values) = match dir {
            Direction::ToServer => (own::SETTING_REQUEST, own::VALUE_REQUEST),
            Direction::ToClient => (own::SETTING_RESPONSE, own::VALUE_RESPONSE),
        };
        (0..super::message::LISTED_MAX)
            .map_while(|nth| Some((tx.number(keys, nth)?, tx.number(values, nth)?)))
            .any(|(key, value)| {
                key == self.setting && self.test.as_ref().is_none_or(|test| test.matches(value))
            })
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(DONE)
    }
}
