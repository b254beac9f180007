//! The rule keywords of FTP.

use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{Beside, RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
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
        name: "ftp.command",
        aliases: &[],
        modifier: None,
        help: "the command that the client sent, in upper case",
        places: &[place(S, COMMAND, DONE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "ftp.command_data",
        aliases: &[],
        modifier: None,
        help: "what follows the command",
        places: &[place(S, COMMAND_DATA, DONE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "ftp.reply",
        aliases: &[],
        modifier: None,
        help: "each line of the replies, without its code",
        places: &[place(C, REPLIES, DONE, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "ftp.completion_code",
        aliases: &[],
        modifier: None,
        help: "the code of each line of the replies",
        places: &[place(C, CODES, DONE, Kind::Multi)],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[NumberSpec {
    name: "ftp.dynamic_port",
    aliases: &[],
    help: "the port of the data connection, as PORT, EPRT, PASV or EPSV agree on it",
    places: &[place(S, ACTIVE_PORT, DONE, Kind::Bytes), place(C, PASSIVE_PORT, DONE, Kind::Bytes)],
    names: &[],
}];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[
    &Bounce,
    &Word {
        name: "ftp.mode",
        help: "who opens the data connection: active (the server) or passive (the client)",
        slot: MODE,
        words: &[("active", 1), ("passive", 2)],
    },
    &Word {
        name: "ftp.reply_received",
        help: "whether the reply to the command is there: yes or no",
        slot: REPLIED,
        words: &[("yes", 1), ("true", 1), ("on", 1), ("1", 1), ("no", 0), ("false", 0), ("off", 0), ("0", 0)],
    },
];

/// `ftpbounce`
struct Bounce;

impl Keyword for Bounce {
    fn name(&self) -> &'static str {
        "ftpbounce"
    }

    fn help(&self) -> &'static str {
        "PORT or EPRT names an address that is not the client's"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        if let Some(value) = &option.value {
            return Err(value.error("ftpbounce takes no value").hint("write ftpbounce;"));
        }
        rule.tx_tests.push(Box::new(BounceTest));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct BounceTest;

impl TxTest for BounceTest {
    fn test(&self, _tx: &dyn Transaction, _dir: Direction) -> bool {
        false
    }

    fn test_beside(&self, tx: &dyn Transaction, _dir: Direction, beside: Beside) -> bool {
        tx.address().is_some_and(|address| address.to_canonical() != beside.client.ip.to_canonical())
    }

    fn progress(&self, protocol: ProtocolId, dir: Direction) -> Option<u8> {
        let _ = protocol;
        (dir == S).then_some(DONE)
    }
}

/// `ftp.mode:active`, `ftp.reply_received:yes`
struct Word {
    name: &'static str,
    help: &'static str,
    slot: Slot,
    words: &'static [(&'static str, u64)],
}

impl Keyword for Word {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let names = || self.words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), format!("{} needs a value", self.name))
                .hint(format!("one of {}", names())));
        };
        let word = value.node.trim();
        let Some((_, wanted)) = self.words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) else {
            return Err(value
                .error(format!("\"{}\" is not a value of {}", word.escape_debug(), self.name))
                .hint(format!("one of {}", names())));
        };
        rule.tx_tests.push(Box::new(WordTest { slot: self.slot, wanted: *wanted }));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct WordTest {
    slot: Slot,
    wanted: u64,
}

impl TxTest for WordTest {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        tx.number(self.slot, 0) == Some(self.wanted)
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(DONE)
    }
}

/// The rule is about FTP from here on.
fn narrow(rule: &mut RuleBuilder<'_>) {
    if let (Some(id), RuleProtocol::Tcp | RuleProtocol::Ip(_)) =
        (rule.registry.protocol_named("ftp"), rule.protocol)
    {
        rule.protocol = RuleProtocol::App(id);
    }
}
