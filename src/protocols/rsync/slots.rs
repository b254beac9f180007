//! What is kept of a step, one [`Slot`] each.

use crate::app::Slot;

/// The client's version.
pub const VERSION: Slot = Slot(0);
/// The module that is asked for; empty for the list of modules.
pub const MODULE: Slot = Slot(1);
/// Who signs in.
pub const USER: Slot = Slot(2);
/// Each line that the server answers.
pub const RESPONSE: Slot = Slot(3);
/// The server's version: for records.
pub(super) const SERVER_VERSION: Slot = Slot(4);
/// How it ended: for records.
pub(super) const STATUS: Slot = Slot(5);
