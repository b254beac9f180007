//! What is kept of a call, one [`Slot`] each.

use crate::app::Slot;

/// What is called.
pub const METHOD: Slot = Slot(0);
/// Who mines: a wallet, a worker.
pub const USER: Slot = Slot(1);
/// The miner's program.
pub const AGENT: Slot = Slot(2);
/// An error that is answered.
pub const ERROR: Slot = Slot(3);
