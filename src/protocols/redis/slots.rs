//! The buffers of a Redis transaction, one [`Slot`] each.

use crate::app::Slot;

/// The command in capitals, with its subcommand where it has one (`CONFIG SET`).
pub const COMMAND: Slot = Slot(0);
/// Each key that the command names.
pub const KEY: Slot = Slot(1);
/// Each argument behind the command.
pub const ARGUMENT: Slot = Slot(2);
/// Each argument of a command without keys that holds no secret: for records.
pub(super) const SHOWN: Slot = Slot(3);
/// How many arguments there were: for records.
pub(super) const COUNT: Slot = Slot(4);
/// The text of an error.
pub const ERROR: Slot = Slot(5);
/// Each text of the answer.
pub const RESPONSE: Slot = Slot(6);
/// What the answer is: for records.
pub(super) const KIND: Slot = Slot(7);
/// A status or a number: for records.
pub(super) const STATUS: Slot = Slot(8);
/// Elements of an answer of several: for records.
pub(super) const ELEMENTS: Slot = Slot(9);
