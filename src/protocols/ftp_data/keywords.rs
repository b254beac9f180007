//! The rule keywords of FTP's data connections.

use super::parser::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, Place, RuleBuilder};
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
        name: "file.data",
        aliases: &["file_data"],
        modifier: None,
        help: "the bytes of each file, decompressed",
        places: &[place(S, DATA_TO_SERVER, OPEN, Kind::Body), place(C, DATA_TO_CLIENT, OPEN, Kind::Body)],
        check: None,
    },
    BufferSpec {
        name: "file.name",
        aliases: &[],
        modifier: None,
        help: "the name of each file",
        places: &[place(S, NAME_TO_SERVER, OPEN, Kind::Multi), place(C, NAME_TO_CLIENT, OPEN, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "file.magic",
        aliases: &[],
        modifier: None,
        help: "what each file is by its first bytes, in libmagic's words",
        places: &[place(S, MAGIC_TO_SERVER, DONE, Kind::Multi), place(C, MAGIC_TO_CLIENT, DONE, Kind::Multi)],
        check: None,
    },
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&DataCommand];

/// `ftpdata_command:retr`
struct DataCommand;

impl Keyword for DataCommand {
    fn name(&self) -> &'static str {
        "ftpdata_command"
    }

    fn help(&self) -> &'static str {
        "the command that the data connection serves: retr (to_client) or stor (to_server)"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), "ftpdata_command needs a command")
                .hint("retr or stor"));
        };
        let upload = match value.node.trim() {
            word if word.eq_ignore_ascii_case("retr") => false,
            word if word.eq_ignore_ascii_case("stor") => true,
            word => {
                return Err(value
                    .error(format!("\"{}\" opens no data connection that is followed", word.escape_debug()))
                    .hint("retr or stor"));
            }
        };
        rule.tx_tests.push(Box::new(CommandTest { upload }));
        if let (Some(id), RuleProtocol::Tcp | RuleProtocol::Ip(_)) =
            (rule.registry.protocol_named("ftp-data"), rule.protocol)
        {
            rule.protocol = RuleProtocol::App(id);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct CommandTest {
    upload: bool,
}

impl TxTest for CommandTest {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        tx.number(UPLOAD, 0) == Some(u64::from(self.upload))
    }

    /// Whoever opened the connection, what is taken from the server counts as to_client, what is put there as to_server.
    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == if self.upload { S } else { C }).then_some(OPEN)
    }
}
