//! What is kept of a POP3 transaction, one [`Slot`] each.

use crate::app::Slot;

/// The command in capitals.
pub const COMMAND: Slot = Slot(0);
/// Each argument.
pub const ARGUMENT: Slot = Slot(1);
/// The mailbox that is signed in to.
pub const USER: Slot = Slot(2);
/// The first line of the answer.
pub const RESPONSE: Slot = Slot(3);
/// What is behind it, its beginning.
pub const DATA: Slot = Slot(4);
/// Arguments that are no passwords: for records.
pub(super) const SHOWN: Slot = Slot(5);
/// `OK` or `ERR`: for records.
pub(super) const STATUS: Slot = Slot(6);
/// What is behind the status: for records.
pub(super) const HEADER: Slot = Slot(7);
/// The command where it is as long as commands are (RFC 1939 section 3), and so no part of a sign-in whose beginning was lost: for records.
pub(super) const VERB: Slot = Slot(8);
/// Whether it succeeded: for records.
pub(super) const SUCCESS: Slot = Slot(20);
/// Lines behind the first of the answer: for records.
pub(super) const LINES: Slot = Slot(21);
