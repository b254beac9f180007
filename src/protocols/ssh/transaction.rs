//! The one transaction of an SSH flow: what both sides say in the clear.

use super::slots;
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// What one side said.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) progress: u8,
    /// Its banner was read.
    pub(super) has_banner: bool,
    pub(super) proto: Vec<u8>,
    pub(super) software: Vec<u8>,
    /// HASSH and the text it is made of.
    pub(super) hassh: Option<(String, Vec<u8>)>,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct SshTx {
    /// Of the client and of the server.
    pub(super) sides: [Side; 2],
    events: Vec<(Direction, &'static str)>,
}

impl SshTx {
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    /// Steps forward; progress never falls.
    pub(super) fn reach(&mut self, dir: Direction, progress: u8) {
        let now = &mut self.sides[dir.index()].progress;
        *now = progress.max(*now);
    }

    pub(super) fn memory(&self) -> usize {
        let of = |side: &Side| {
            side.proto.len()
                + side.software.len()
                + side.hassh.as_ref().map_or(0, |(_, text)| text.len() + 32)
        };
        size_of::<Self>() + self.sides.iter().map(of).sum::<usize>()
    }
}

impl Transaction for SshTx {
    fn id(&self) -> u64 {
        0
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.sides[dir.index()].progress
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        if nth > 0 {
            return None;
        }
        let [client, server] = &self.sides;
        match slot {
            slots::CLIENT_PROTO => client.has_banner.then_some(&*client.proto),
            slots::SERVER_PROTO => server.has_banner.then_some(&*server.proto),
            slots::CLIENT_SOFTWARE => Some(&*client.software).filter(|text| !text.is_empty()),
            slots::SERVER_SOFTWARE => Some(&*server.software).filter(|text| !text.is_empty()),
            slots::HASSH => client.hassh.as_ref().map(|(hash, _)| hash.as_bytes()),
            slots::HASSH_STRING => client.hassh.as_ref().map(|(_, text)| &**text),
            slots::HASSH_SERVER => server.hassh.as_ref().map(|(hash, _)| hash.as_bytes()),
            slots::HASSH_SERVER_STRING => server.hassh.as_ref().map(|(_, text)| &**text),
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn logs(&self) -> bool {
        self.sides.iter().any(|side| side.has_banner)
    }

    fn log(&self, out: &mut JsonWriter) {
        if !self.logs() {
            return;
        }
        out.open_object("ssh");
        for (key, side) in ["client", "server"].iter().zip(&self.sides) {
            if !side.has_banner {
                continue;
            }
            out.open_object(key);
            out.bytes("proto_version", &side.proto);
            if !side.software.is_empty() {
                out.bytes("software_version", &side.software);
            }
            if let Some((hash, text)) = &side.hassh {
                out.open_object("hassh");
                out.text("hash", hash);
                out.bytes("string", text);
                out.close();
            }
            out.close();
        }
        out.close();
    }
}

/// A side has nothing more to say in the clear.
pub(super) const OVER: u8 = DONE;
