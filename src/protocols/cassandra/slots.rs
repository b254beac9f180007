//! The buffers and numbers of a Cassandra transaction, one [`Slot`] each.

use crate::app::Slot;

/// Each statement: one, or those of a batch.
pub const QUERY: Slot = Slot(0);
/// Who signs in.
pub const USER: Slot = Slot(1);
/// The keyspace that was chosen.
pub const KEYSPACE: Slot = Slot(2);
/// The text of an error.
pub const ERROR: Slot = Slot(3);
/// The driver that the client says it is: for records.
pub(super) const DRIVER: Slot = Slot(4);
/// What is asked.
pub const OPCODE: Slot = Slot(0);
/// The number of an error.
pub const ERROR_CODE: Slot = Slot(1);
/// The version of the protocol: for records.
pub(super) const VERSION: Slot = Slot(20);
/// What the answer is: for records.
pub(super) const ANSWER: Slot = Slot(21);
