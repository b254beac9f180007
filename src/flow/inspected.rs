//! What detection has done with a flow, so that nothing is inspected twice. Numbers only: rules are indices here.

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
}

/// What was inspected of a flow.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// Rules on addresses alone were tried in this direction.
    pub addresses: [bool; 2],
    /// Stream bytes that were inspected raw, by direction.
    pub stream: [u64; 2],
    /// Something asks to inspect the raw stream now, by direction.
    pub flush: [bool; 2],
    /// Transactions moved since they were inspected, by direction.
    pub moved: [bool; 2],
    /// Live transactions: id and both directions, in the order of their ids.
    pub txs: VecDeque<(u64, [TxInspected; 2])>,
}

impl Inspected {
    /// What was inspected of that transaction, made when new.
    pub fn tx(&mut self, id: u64) -> &mut [TxInspected; 2] {
        let at = match self.txs.binary_search_by_key(&id, |(known, _)| *known) {
            Ok(at) => at,
            Err(at) => {
                self.txs.insert(at, (id, Default::default()));
                at
            }
        };
        &mut self.txs[at].1
    }

    /// Forgets a transaction.
    pub fn forget(&mut self, id: u64) {
        if let Ok(at) = self.txs.binary_search_by_key(&id, |(known, _)| *known) {
            self.txs.remove(at);
        }
    }
}
