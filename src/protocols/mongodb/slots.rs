//! The buffers and numbers of a MongoDB transaction, one [`Slot`] each.

use crate::app::Slot;

/// The command: the name of the first field (`find`), or that of an older message.
pub const COMMAND: Slot = Slot(0);
/// The collection it is about.
pub const COLLECTION: Slot = Slot(1);
/// The database it is about.
pub const DATABASE: Slot = Slot(2);
/// The name of each field of the request, at any depth.
pub const FIELD: Slot = Slot(3);
/// Each text in the request.
pub const STRING: Slot = Slot(4);
/// Who signs in.
pub const USER: Slot = Slot(5);
/// The text of an error.
pub const ERROR: Slot = Slot(6);
/// The application that the client says it is: for records.
pub(super) const APPLICATION: Slot = Slot(7);
/// The number of the message's kind.
pub const OPCODE: Slot = Slot(0);
/// The number of an error.
pub const ERROR_CODE: Slot = Slot(1);
/// How the message was compressed: for records.
pub(super) const COMPRESSOR: Slot = Slot(20);
/// Whether it went well: for records.
pub(super) const OK: Slot = Slot(21);
