//! What is kept of an IMAP transaction, one [`Slot`] each.

use crate::app::Slot;

/// The command in capitals, with what `UID` is put in front of.
pub const COMMAND: Slot = Slot(0);
/// All that stands behind the command.
pub const ARGUMENTS: Slot = Slot(1);
/// Who signs in.
pub const USER: Slot = Slot(2);
/// The mailbox that the command is about.
pub const MAILBOX: Slot = Slot(3);
/// Each line of the answer, with its literals.
pub const RESPONSE: Slot = Slot(4);
/// Arguments that have no password: for records.
pub(super) const SHOWN: Slot = Slot(5);
/// The tag: for records.
pub(super) const TAG: Slot = Slot(6);
/// `OK`, `NO`, `BAD`, `PREAUTH`, `BYE`: for records.
pub(super) const STATUS: Slot = Slot(7);
/// What is behind the status: for records.
pub(super) const TEXT: Slot = Slot(8);
