//! The one file of a data connection.

use super::{Options, Transfer};
use crate::app::body::{BodyLimits, Kept};
use crate::app::file::Digesting;
use crate::app::{
    Body, DONE, File, FileState, Input, ParseError, Parsed, Parser, Slot, Transaction, Transactions, TxList,
};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Bytes of a name that are kept.
const NAME_MAX: usize = 4096;

/// Progress from the first byte on.
pub(super) const OPEN: u8 = 1;
/// The file's bytes, by the direction they go.
pub(super) const DATA_TO_SERVER: Slot = Slot(0);
/// See there.
pub(super) const DATA_TO_CLIENT: Slot = Slot(1);
/// Its name.
pub(super) const NAME_TO_SERVER: Slot = Slot(2);
/// See there.
pub(super) const NAME_TO_CLIENT: Slot = Slot(3);
/// Its type.
pub(super) const MAGIC_TO_SERVER: Slot = Slot(4);
/// See there.
pub(super) const MAGIC_TO_CLIENT: Slot = Slot(5);
/// 0: taken from the FTP server, 1: put there.
pub(super) const UPLOAD: Slot = Slot(6);

/// The parser of one flow.
pub(super) struct DataParser {
    options: Options,
    transactions: TxList<DataTx>,
    digesting: Digesting,
}

impl DataParser {
    pub(super) fn new(options: Options, mut transfer: Transfer) -> Self {
        transfer.name.truncate(NAME_MAX);
        let mut transactions = TxList::default();
        transactions.push_with(|_| DataTx {
            transfer,
            sender: None,
            file: Vec::new(),
            kept: Kept::default(),
            limits: options.limits,
            progress: [0; 2],
        });
        DataParser { digesting: Digesting::new(options.digests), options, transactions }
    }
}

impl Parser for DataParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let Some(tx) = self.transactions.by_id_mut(0) else { return Ok(Parsed::all(&input)) };
        if !input.bytes.is_empty() {
            // who speaks first sends the file; a word of the other side is none of it
            let sender = *tx.sender.get_or_insert(input.dir);
            if sender == input.dir && tx.progress[sender.index()] < DONE {
                tx.progress = [OPEN; 2];
                if tx.file.is_empty() {
                    tx.file.push(File::new(tx.transfer.name.clone()));
                }
                tx.kept.add(input.bytes, &self.options.limits);
                self.digesting.update(input.bytes);
                if let Some(file) = tx.file.first_mut() {
                    file.size += input.bytes.len() as u64;
                    self.digesting.note(file);
                }
            }
        }
        if input.eof && tx.sender.is_none_or(|sender| sender == input.dir) {
            tx.end(&mut self.digesting);
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        if let Some(tx) = self.transactions.by_id_mut(0)
            && tx.sender == Some(dir)
        {
            tx.kept.gap(len);
            if let Some(file) = tx.file.first_mut() {
                file.size += len;
                file.gaps = true;
            }
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        self.transactions.iter().map(|tx| tx.kept.memory() + tx.transfer.name.len()).sum()
    }
}

/// A transfer.
#[derive(Debug)]
pub(super) struct DataTx {
    transfer: Transfer,
    /// The direction that the file goes in this flow.
    sender: Option<Direction>,
    /// Empty before its first byte.
    file: Vec<File>,
    kept: Kept,
    limits: BodyLimits,
    progress: [u8; 2],
}

impl DataTx {
    fn end(&mut self, digesting: &mut Digesting) {
        if self.progress == [DONE; 2] {
            return;
        }
        self.progress = [DONE; 2];
        let whole = !self.kept.has_gaps();
        self.kept.finish(whole);
        if let Some(file) = self.file.first_mut() {
            file.state = if whole { FileState::Closed } else { FileState::Truncated };
            digesting.finish(file);
        }
    }
}

impl Transaction for DataTx {
    fn id(&self) -> u64 {
        0
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.progress[dir.index()]
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let dir = match slot {
            NAME_TO_SERVER | MAGIC_TO_SERVER => Direction::ToServer,
            NAME_TO_CLIENT | MAGIC_TO_CLIENT => Direction::ToClient,
            _ => return None,
        };
        let file = self.files(dir).get(nth)?;
        match slot {
            NAME_TO_SERVER | NAME_TO_CLIENT => Some(&*file.name).filter(|name| !name.is_empty()),
            _ => file.magic.as_deref().map(str::as_bytes),
        }
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        (slot == UPLOAD && nth == 0).then_some(u64::from(self.transfer.upload))
    }

    fn body(&self, slot: Slot, nth: usize) -> Option<Body<'_>> {
        let dir = match slot {
            DATA_TO_SERVER => Direction::ToServer,
            DATA_TO_CLIENT => Direction::ToClient,
            _ => return None,
        };
        if nth > 0 || self.sender != Some(dir) {
            return None;
        }
        self.kept.body(&self.limits)
    }

    fn files(&self, dir: Direction) -> &[File] {
        if self.sender == Some(dir) { &self.file } else { &[] }
    }

    fn log(&self, out: &mut JsonWriter) {
        out.open_object("ftp_data");
        if !self.transfer.name.is_empty() {
            out.bytes("filename", &self.transfer.name);
        }
        out.text("command", if self.transfer.upload { "STOR" } else { "RETR" });
        out.close();
    }
}
