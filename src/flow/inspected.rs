//! What detection has done with a flow, so that nothing is inspected twice. Numbers only: rules are indices here.

use std::cell::Cell;
use std::collections::VecDeque;

use smallvec::SmallVec;

/// What was inspected of one direction of a transaction.
#[derive(Clone, Debug, Default)]
pub struct TxInspected {
    /// Progress up to which the prefilter ran; 0 = not at all.
    pub progress: u8,
    /// Nothing more to inspect in this direction.
    pub done: bool,
    /// Rules whose literal was seen and that are not decided yet, with the parts that matched (bit `n` = part `n`).
    pub waiting: SmallVec<[(u32, u64); 4]>,
    /// Rules that matched.
    pub matched: SmallVec<[u32; 2]>,
    /// Per growing buffer (list and number): how far it was searched by the prefilter.
    pub searched: SmallVec<[((u16, u16), u64); 2]>,
    /// Per rule on files that matched: the first file that it has not matched on.
    files: SmallVec<[(u32, u16); 1]>,
}

impl TxInspected {
    /// The first file that the rule is still to be tried on.
    pub fn files_from(&self, rule: u32) -> usize {
        self.files.iter().find(|(known, _)| *known == rule).map_or(0, |(_, from)| usize::from(*from))
    }

    /// Remembers it.
    pub fn set_files_from(&mut self, rule: u32, from: usize) {
        let from = u16::try_from(from).unwrap_or(u16::MAX);
        match self.files.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, known)) => *known = from,
            None => self.files.push((rule, from)),
        }
    }
}

/// Files of a flow that a rule wants to have stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreMark {
    /// Going that way; `None`: both.
    pub dir: Option<crate::types::Direction>,
    /// Which.
    pub files: MarkedFiles,
    /// The rule.
    pub sid: u32,
}

/// The files that a [`StoreMark`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkedFiles {
    /// That file of that transaction.
    One(u64, u16),
    /// All of that transaction.
    Transaction(u64),
    /// All of that transaction and of later ones.
    From(u64),
}

impl MarkedFiles {
    fn contains(self, tx: u64, nth: usize) -> bool {
        match self {
            MarkedFiles::One(id, file) => id == tx && usize::from(file) == nth,
            MarkedFiles::Transaction(id) => id == tx,
            MarkedFiles::From(first) => tx >= first,
        }
    }

    /// Whether nothing of it is left when that transaction is gone.
    fn ends_with(self, tx: u64) -> bool {
        matches!(self, MarkedFiles::One(id, _) | MarkedFiles::Transaction(id) if id == tx)
    }
}

/// Marks kept of a flow.
const MARKS_MAX: usize = 256;

/// What was recorded of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Its own record was written.
    pub logged: bool,
    /// Events that were told.
    pub events: u16,
    /// Files that were told, by direction.
    pub files: [u16; 2],
    /// Files that were stored, or that storing was tried of: bit `n` of file `n`, by direction.
    pub stored: [u128; 2],
}

/// A live transaction.
#[derive(Clone, Debug, Default)]
pub struct TxMemory {
    /// Its id.
    pub id: u64,
    /// What was inspected, by direction.
    pub inspected: [TxInspected; 2],
    /// What was recorded.
    pub recorded: Recorded,
}

/// What was inspected of a flow.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// Rules on addresses alone were tried in this direction.
    pub addresses: [bool; 2],
    /// Rules on the application protocol alone were tried in this direction.
    pub detection: [bool; 2],
    /// Stream bytes that were inspected raw, by direction.
    pub stream: [u64; 2],
    /// Something asks to inspect the raw stream now, by direction.
    pub flush: [bool; 2],
    /// Transactions moved since they were inspected, by direction.
    pub moved: [bool; 2],
    /// Some transaction may have to be recorded or removed.
    pub unrecorded: bool,
    /// The address groups of rules that client and server are in, as detection numbers them; zeros when they are not known.
    pub members: [u64; 2],
    /// Files that rules want to have stored.
    marks: Vec<StoreMark>,
    /// Live transactions, in the order of their ids.
    txs: VecDeque<TxMemory>,
    /// Where the last one asked for was found.
    last: Cell<usize>,
}

impl Inspected {
    /// What was inspected of that transaction, made when new.
    pub fn tx(&mut self, id: u64) -> &mut [TxInspected; 2] {
        &mut self.entry(id).inspected
    }

    /// Other rules follow: live transactions are looked at by them from their beginning, but a rule that has matched and is there
    /// again does not match once more. `rule` gives the new number of an old one.
    pub fn renew(&mut self, rule: &dyn Fn(u32) -> Option<u32>) {
        for inspected in self.txs.iter_mut().flat_map(|tx| &mut tx.inspected) {
            inspected.matched = inspected.matched.iter().filter_map(|id| rule(*id)).collect();
            inspected.files =
                inspected.files.iter().filter_map(|(id, from)| Some((rule(*id)?, *from))).collect();
            inspected.waiting.clear();
            inspected.searched.clear();
            if !inspected.done {
                inspected.progress = 0;
            }
        }
        self.moved = [true; 2];
        self.unrecorded = true;
        self.members = [0; 2];
    }

    /// Whether nothing more is to inspect in that direction of that transaction.
    pub fn is_done(&self, id: u64, dir: crate::types::Direction) -> bool {
        self.find(id).is_ok_and(|at| self.txs[at].inspected[dir.index()].done)
    }

    /// What was recorded of that transaction.
    pub fn recorded(&self, id: u64) -> Recorded {
        self.find(id).map_or_else(|_| Recorded::default(), |at| self.txs[at].recorded)
    }

    /// Remembers what was recorded of that transaction.
    pub fn set_recorded(&mut self, id: u64, recorded: Recorded) {
        self.entry(id).recorded = recorded;
    }

    /// Forgets all transactions: others with the same ids follow.
    pub fn forget_all(&mut self) {
        self.txs.clear();
        self.marks.retain_mut(|mark| match &mut mark.files {
            MarkedFiles::From(first) => {
                *first = 0;
                true
            }
            MarkedFiles::One(..) | MarkedFiles::Transaction(_) => false,
        });
    }

    /// Notes files that a rule wants to have stored.
    pub fn mark(&mut self, mark: StoreMark) {
        if self.marks.len() < MARKS_MAX && !self.marks.contains(&mark) {
            self.marks.push(mark);
        }
    }

    /// Whether some rule wants any file of this flow to be stored.
    pub fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// The rules that want that file to be stored.
    pub fn marks_on(
        &self,
        tx: u64,
        dir: crate::types::Direction,
        nth: usize,
    ) -> impl Iterator<Item = &StoreMark> {
        self.marks
            .iter()
            .filter(move |mark| mark.dir.is_none_or(|wanted| wanted == dir) && mark.files.contains(tx, nth))
    }

    /// Gives back memory that nothing uses.
    pub fn shrink(&mut self) {
        self.txs.shrink_to_fit();
        self.last.set(0);
    }

    /// Forgets a transaction.
    pub fn forget(&mut self, id: u64) {
        self.marks.retain(|mark| !mark.files.ends_with(id));
        if let Ok(at) = self.find(id) {
            self.txs.remove(at);
        }
    }

    /// Transactions are mostly asked for one after the other: the place of the last one, or the one behind it.
    fn find(&self, id: u64) -> Result<usize, usize> {
        let last = self.last.get();
        for at in [last, last + 1] {
            if self.txs.get(at).is_some_and(|tx| tx.id == id) {
                self.last.set(at);
                return Ok(at);
            }
        }
        let found = self.txs.binary_search_by_key(&id, |tx| tx.id);
        self.last.set(found.unwrap_or(0));
        found
    }

    fn entry(&mut self, id: u64) -> &mut TxMemory {
        let at = match self.find(id) {
            Ok(at) => at,
            Err(at) => {
                self.txs.insert(at, TxMemory { id, ..TxMemory::default() });
                at
            }
        };
        &mut self.txs[at]
    }
}
