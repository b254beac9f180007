//! What is kept of a message, one [`Slot`] each.

use crate::app::Slot;

/// The message, unmasked and decompressed.
pub const PAYLOAD: Slot = Slot(0);
/// The flags of each of its frames, the upper half of their first byte.
pub const FLAGS: Slot = Slot(1);
/// The mask of each of its frames that has one.
pub const MASK: Slot = Slot(2);
/// The kind of each of its frames.
pub const OPCODE: Slot = Slot(3);
