//! The rule keywords of SSH.

use super::slots::*;
use crate::app::{ProtocolId, Slot, Transaction};
use crate::detect::inspect::ops::{Content, Op};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, Place, RuleBuilder};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, progress: u8) -> Place {
    Place { dir, slot, progress, kind: Kind::Bytes }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "ssh.proto",
        aliases: &["ssh_proto"],
        modifier: None,
        help: "the version of the protocol, as the banner has it",
        places: &[place(S, CLIENT_PROTO, BANNER), place(C, SERVER_PROTO, BANNER)],
        check: None,
    },
    BufferSpec {
        name: "ssh.software",
        aliases: &["ssh_software"],
        modifier: None,
        help: "the software, as the banner has it, without comments",
        places: &[place(S, CLIENT_SOFTWARE, BANNER), place(C, SERVER_SOFTWARE, BANNER)],
        check: None,
    },
    BufferSpec {
        name: "ssh.hassh",
        aliases: &[],
        modifier: None,
        help: "the HASSH of the client",
        places: &[place(S, HASSH, KEX)],
        check: None,
    },
    BufferSpec {
        name: "ssh.hassh.string",
        aliases: &[],
        modifier: None,
        help: "the text that HASSH is the MD5 of",
        places: &[place(S, HASSH_STRING, KEX)],
        check: None,
    },
    BufferSpec {
        name: "ssh.hassh.server",
        aliases: &[],
        modifier: None,
        help: "the HASSH of the server",
        places: &[place(C, HASSH_SERVER, KEX)],
        check: None,
    },
    BufferSpec {
        name: "ssh.hassh.server.string",
        aliases: &[],
        modifier: None,
        help: "the text that the server's HASSH is the MD5 of",
        places: &[place(C, HASSH_SERVER_STRING, KEX)],
        check: None,
    },
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&ProtoVersion, &SoftwareVersion];

/// `ssh.protoversion:2_compat`
struct ProtoVersion;

impl Keyword for ProtoVersion {
    fn name(&self) -> &'static str {
        "ssh.protoversion"
    }

    fn help(&self) -> &'static str {
        "the version of the protocol: a number, or 2_compat for 2 and 1.99"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), "ssh.protoversion needs a version")
                .hint("ssh.protoversion:2_compat;"));
        };
        let text = value.node.trim().trim_matches('"');
        let version = text.as_bytes();
        let well_formed = match version {
            [major, b'.', rest @ ..] => {
                major.is_ascii_digit() && !rest.is_empty() && rest.iter().all(u8::is_ascii_digit)
            }
            [major] => major.is_ascii_digit(),
            _ => text == "2_compat",
        };
        if !well_formed {
            return Err(value
                .error(format!("\"{}\" is not a version of SSH", text.escape_debug()))
                .hint("a number such as 2.0 or 1.5, or 2_compat"));
        }
        rule.tx_tests.push(Box::new(VersionTest { version: version.into() }));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct VersionTest {
    version: Box<[u8]>,
}

impl TxTest for VersionTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        let slot = if dir == S { CLIENT_PROTO } else { SERVER_PROTO };
        let Some(proto) = tx.bytes(slot, 0) else { return false };
        match &*self.version {
            b"2_compat" => proto == b"2" || proto == b"2.0" || proto == b"1.99",
            wanted => proto == wanted,
        }
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(BANNER)
    }
}

/// `ssh.softwareversion:"OpenSSH"`: a literal in a buffer, in one word.
struct SoftwareVersion;

impl Keyword for SoftwareVersion {
    fn name(&self) -> &'static str {
        "ssh.softwareversion"
    }

    fn help(&self) -> &'static str {
        "text within the software of the banner"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(RuleError::new(option.name.span.clone(), "ssh.softwareversion needs a text")
                .hint("ssh.softwareversion:\"OpenSSH\";"));
        };
        let Some(buffer) = rule.registry.buffer_named("ssh.software") else {
            return Err(value.error("there is no such buffer"));
        };
        let text = value.node.trim().trim_matches('"');
        if text.is_empty() {
            return Err(value.error("a text is missing"));
        }
        let pattern = text.as_bytes().into();
        rule.push_to(buffer, Op::Content(Content { pattern, ..Content::default() }));
        narrow(rule);
        Ok(())
    }
}

/// The rule is about SSH from here on.
fn narrow(rule: &mut RuleBuilder<'_>) {
    if let (Some(id), RuleProtocol::Tcp | RuleProtocol::Ip(_)) =
        (rule.registry.protocol_named("ssh"), rule.protocol)
    {
        rule.protocol = RuleProtocol::App(id);
    }
}
