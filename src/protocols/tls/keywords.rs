//! The rule keywords of TLS.

use super::dates::{Date, Holds};
use super::slots::*;
use crate::app::{ProtocolId, Slot, Transaction};
use crate::detect::inspect::ops::{Content, Op};
use crate::detect::rule::TxTest;
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::rules::value::split_commas;
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, progress: u8, kind: Kind) -> Place {
    Place { dir, slot, progress, kind }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "tls.sni",
        aliases: &["tls_sni"],
        modifier: None,
        help: "the server name that the client asks for",
        places: &[place(S, SNI, HELLO, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "tls.alpn",
        aliases: &[],
        modifier: None,
        help: "each application protocol offered or chosen",
        places: &[place(S, CLIENT_ALPN, HELLO, Kind::Multi), place(C, SERVER_ALPN, HELLO, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "tls.random",
        aliases: &[],
        modifier: None,
        help: "the 32 random bytes",
        places: &[place(S, CLIENT_RANDOM, HELLO, Kind::Bytes), place(C, SERVER_RANDOM, HELLO, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "tls.random_time",
        aliases: &[],
        modifier: None,
        help: "their first four",
        places: &[
            place(S, CLIENT_RANDOM_TIME, HELLO, Kind::Bytes),
            place(C, SERVER_RANDOM_TIME, HELLO, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.random_bytes",
        aliases: &[],
        modifier: None,
        help: "their last 28",
        places: &[
            place(S, CLIENT_RANDOM_BYTES, HELLO, Kind::Bytes),
            place(C, SERVER_RANDOM_BYTES, HELLO, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.cert_subject",
        aliases: &["tls_cert_subject"],
        modifier: None,
        help: "the subject of the certificate",
        places: &[
            place(S, CLIENT_SUBJECT, CERTIFICATE, Kind::Bytes),
            place(C, SUBJECT, CERTIFICATE, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.cert_issuer",
        aliases: &["tls_cert_issuer"],
        modifier: None,
        help: "the issuer of the certificate",
        places: &[
            place(S, CLIENT_ISSUER, CERTIFICATE, Kind::Bytes),
            place(C, ISSUER, CERTIFICATE, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.cert_serial",
        aliases: &["tls_cert_serial"],
        modifier: None,
        help: "the serial number of the certificate",
        places: &[
            place(S, CLIENT_SERIAL, CERTIFICATE, Kind::Bytes),
            place(C, SERIAL, CERTIFICATE, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.cert_fingerprint",
        aliases: &["tls_cert_fingerprint"],
        modifier: None,
        help: "the SHA-1 of the certificate",
        places: &[
            place(S, CLIENT_FINGERPRINT, CERTIFICATE, Kind::Bytes),
            place(C, FINGERPRINT, CERTIFICATE, Kind::Bytes),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.subjectaltname",
        aliases: &[],
        modifier: None,
        help: "each alternative name of the certificate",
        places: &[
            place(S, CLIENT_SUBJECTALTNAME, CERTIFICATE, Kind::Multi),
            place(C, SUBJECTALTNAME, CERTIFICATE, Kind::Multi),
        ],
        check: None,
    },
    BufferSpec {
        name: "tls.certs",
        aliases: &["tls_certs"],
        modifier: None,
        help: "each certificate, DER",
        places: &[
            place(S, CLIENT_CERTS, CERTIFICATE, Kind::Multi),
            place(C, CERTS, CERTIFICATE, Kind::Multi),
        ],
        check: None,
    },
    BufferSpec {
        name: "ja3.hash",
        aliases: &["ja3_hash"],
        modifier: None,
        help: "the JA3 of the client",
        places: &[place(S, JA3_HASH, HELLO, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "ja3.string",
        aliases: &["ja3_string"],
        modifier: None,
        help: "the text that JA3 is the MD5 of",
        places: &[place(S, JA3_STRING, HELLO, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "ja3s.hash",
        aliases: &[],
        modifier: None,
        help: "the JA3S of the server",
        places: &[place(C, JA3S_HASH, HELLO, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "ja3s.string",
        aliases: &[],
        modifier: None,
        help: "the text that JA3S is the MD5 of",
        places: &[place(C, JA3S_STRING, HELLO, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "ja4.hash",
        aliases: &[],
        modifier: None,
        help: "the JA4 of the client",
        places: &[place(S, JA4, HELLO, Kind::Bytes)],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[NumberSpec {
    name: "tls.cert_chain_len",
    aliases: &[],
    help: "how many certificates the server sent",
    places: &[place(C, CHAIN_LEN, CERTIFICATE, Kind::Bytes)],
    names: &[],
}];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[
    &Version { name: "tls.version", exact: true },
    &Version { name: "ssl_version", exact: false },
    &State,
    &Field { name: "tls.subject", buffer: "tls.cert_subject" },
    &Field { name: "tls.issuerdn", buffer: "tls.cert_issuer" },
    &Field { name: "tls.fingerprint", buffer: "tls.cert_fingerprint" },
    &Store,
    &Date {
        name: "tls_cert_notbefore",
        help: "from when on the server's certificate holds: a date, <, >, or from<>to",
        slot: NOT_BEFORE,
    },
    &Date {
        name: "tls_cert_notafter",
        help: "until when the server's certificate holds: a date, <, >, or from<>to",
        slot: NOT_AFTER,
    },
    &Holds {
        name: "tls_cert_expired",
        help: "the server's certificate has expired at the packet's time",
        valid: false,
    },
    &Holds {
        name: "tls_cert_valid",
        help: "the server's certificate has not expired at the packet's time (of its chain nothing is said)",
        valid: true,
    },
];

/// Names of versions as rules and EVE write them, with the number on the wire.
const VERSIONS: &[(&str, &str, u64)] = &[
    ("sslv2", "ssl2", 0x0002),
    ("sslv3", "ssl3", 0x0300),
    ("tls1.0", "1.0", 0x0301),
    ("tls1.1", "1.1", 0x0302),
    ("tls1.2", "1.2", 0x0303),
    ("tls1.3", "1.3", 0x0304),
];

/// `tls.version:1.2`, `ssl_version:tls1.0,tls1.1`
struct Version {
    name: &'static str,
    exact: bool,
}

impl Keyword for Version {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        "the version of TLS or SSL"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), format!("{} needs a version", self.name)));
        };
        let mut versions = Vec::new();
        let mut negated = false;
        for part in split_commas(value)? {
            let (not, text) = match part.node.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, part.node),
            };
            negated |= not;
            let text = text.trim_matches('"').to_ascii_lowercase();
            let known =
                VERSIONS.iter().find(|(long, short, _)| text == *long || (self.exact && text == *short));
            let raw = text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
            match (known, raw) {
                (Some((_, _, number)), _) => versions.push(*number),
                (None, Some(number)) => versions.push(number),
                (None, None) => {
                    return Err(part
                        .error(format!("unknown version '{}'", part.node))
                        .hint("sslv2, sslv3, tls1.0, tls1.1, tls1.2, tls1.3"));
                }
            }
        }
        rule.tx_tests.push(Box::new(VersionTest { versions, negated }));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct VersionTest {
    versions: Vec<u64>,
    negated: bool,
}

impl TxTest for VersionTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        let slot = if dir == Direction::ToServer { CLIENT_VERSION } else { SERVER_VERSION };
        tx.number(slot, 0).is_some_and(|version| self.versions.contains(&version) != self.negated)
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(HELLO)
    }
}

/// `ssl_state:client_hello|server_hello`
struct State;

impl Keyword for State {
    fn name(&self) -> &'static str {
        "ssl_state"
    }

    fn help(&self) -> &'static str {
        "the last handshake message: client_hello, server_hello, client_keyx, server_keyx, unknown"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), "ssl_state needs a state"));
        };
        let mut wanted = 0;
        let mut forbidden = 0;
        for text in value.node.split(['|', ',']) {
            let text = text.trim();
            let (not, name) = text.strip_prefix('!').map_or((false, text), |name| (true, name.trim()));
            let bit = match name {
                "client_hello" => STATE_CLIENT_HELLO,
                "server_hello" => STATE_SERVER_HELLO,
                "client_keyx" => STATE_CLIENT_KEYX,
                "server_keyx" => STATE_SERVER_KEYX,
                "unknown" => STATE_UNKNOWN,
                _ => {
                    return Err(value
                        .error(format!("unknown state '{name}'"))
                        .hint("client_hello, server_hello, client_keyx, server_keyx, unknown"));
                }
            };
            if not { forbidden |= bit } else { wanted |= bit }
        }
        rule.tx_tests.push(Box::new(StateTest { wanted, forbidden }));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct StateTest {
    wanted: u64,
    forbidden: u64,
}

impl TxTest for StateTest {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        tx.number(STATE, 0).is_some_and(|state| {
            (self.wanted == 0 || state & self.wanted != 0) && state & self.forbidden == 0
        })
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(crate::app::DONE)
    }
}

/// `tls.subject:"CN=x"`: a literal in a buffer, in one word.
struct Field {
    name: &'static str,
    buffer: &'static str,
}

impl Keyword for Field {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        "text within a field of the certificate"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), format!("{} needs a text", self.name)));
        };
        let (negated, text) = match value.node.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, value.node),
        };
        let Some(buffer) = rule.registry.buffer_named(self.buffer) else {
            return Err(value.error("there is no such buffer"));
        };
        let pattern = text.trim_matches('"').as_bytes().into();
        rule.push_to(buffer, Op::Content(Content { pattern, negated, ..Content::default() }));
        Ok(())
    }
}

/// `tls.store`
struct Store;

impl Keyword for Store {
    fn name(&self) -> &'static str {
        "tls.store"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["tls_store"]
    }

    fn help(&self) -> &'static str {
        "accepted; certificates are not stored"
    }

    fn compile(&self, _option: &OptionAst<'_>, _rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        Ok(())
    }
}

/// The rule is about TLS from here on.
pub(super) fn narrow(rule: &mut RuleBuilder<'_>) {
    use crate::detect::rule::RuleProtocol;
    if let (Some(id), RuleProtocol::Tcp | RuleProtocol::Ip(_)) =
        (rule.registry.protocol_named("tls"), rule.protocol)
    {
        rule.protocol = RuleProtocol::App(id);
    }
}
