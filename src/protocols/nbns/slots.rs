//! What is kept of a message, one [`Slot`] each.

use crate::app::Slot;

/// The name, without its last byte and the spaces in front of it.
pub const NAME: Slot = Slot(0);
/// Each address of an answer.
pub const ADDRESS: Slot = Slot(1);
/// What is done: 0 query, 5 registration, 6 release, 7 wait, 8 refresh.
pub const OPCODE: Slot = Slot(10);
/// The last byte of the name: 0x00 workstation, 0x20 server, 0x1c domain.
pub const SUFFIX: Slot = Slot(11);
/// `request` or `response`: for records.
pub(super) const KIND: Slot = Slot(2);
