//! The rule keywords of Kerberos.

use super::message::{ENCRYPTION, is_weak};
use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::rules::value::split_commas;
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, kind: Kind) -> Place {
    Place { dir, slot, progress: DONE, kind }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers; of answers, as in the reference engine.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "krb5.cname",
        aliases: &["krb5_cname"],
        modifier: None,
        help: "each component of the client's name",
        places: &[place(C, CNAME, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "krb5.sname",
        aliases: &["krb5_sname"],
        modifier: None,
        help: "each component of the service's name",
        places: &[place(C, SNAME, Kind::Multi)],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "krb5_msg_type",
        aliases: &["krb5.msg_type"],
        help: "the kind of message by number, 10 for AS-REQ",
        places: &[place(S, MSG_TYPE, Kind::Bytes), place(C, MSG_TYPE, Kind::Bytes)],
        names: &[],
    },
    NumberSpec {
        name: "krb5_err_code",
        aliases: &["krb5.err_code"],
        help: "the error code by number",
        places: &[place(S, ERR_CODE, Kind::Bytes), place(C, ERR_CODE, Kind::Bytes)],
        names: &[],
    },
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&TicketEncryption];

/// `krb5.ticket_encryption:weak`, `!weak`, `rc4-hmac,des-cbc-md5`, `23`
struct TicketEncryption;

impl Keyword for TicketEncryption {
    fn name(&self) -> &'static str {
        "krb5.ticket_encryption"
    }

    fn help(&self) -> &'static str {
        "the encryption type of the ticket: weak, !weak, or names or numbers of types"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), "krb5.ticket_encryption needs a type"));
        };
        let test = match value.node.trim() {
            "weak" => TicketTest::Weak(true),
            "!weak" => TicketTest::Weak(false),
            _ => {
                let mut types = Vec::new();
                for part in split_commas(value)? {
                    let text = part.node.trim();
                    let named = ENCRYPTION.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
                    match named.or_else(|| text.parse().ok()) {
                        Some(number) => types.push(number),
                        None => {
                            return Err(part
                                .error(format!("unknown encryption type '{text}'"))
                                .hint("weak, !weak, a number, or a name such as rc4-hmac"));
                        }
                    }
                }
                TicketTest::OneOf(types)
            }
        };
        rule.tx_tests.push(Box::new(test));
        if let (Some(id), RuleProtocol::Tcp | RuleProtocol::Udp | RuleProtocol::Ip(_)) =
            (rule.registry.protocol_named("krb5"), rule.protocol)
        {
            rule.protocol = RuleProtocol::App(id);
        }
        Ok(())
    }
}

#[derive(Debug)]
enum TicketTest {
    Weak(bool),
    OneOf(Vec<i64>),
}

impl TxTest for TicketTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        let Some(kind) = tx.number(TICKET_ENCRYPTION, 0).map(u64::cast_signed) else { return false };
        dir == C
            && match self {
                TicketTest::Weak(weak) => is_weak(kind) == *weak,
                TicketTest::OneOf(types) => types.contains(&kind),
            }
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == C).then_some(DONE)
    }
}
