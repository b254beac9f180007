//! What is kept of a beginning, one [`Slot`] each.

use crate::app::Slot;

/// The name of the authorisation (`MIT-MAGIC-COOKIE-1`); empty for none.
pub const AUTHORIZATION: Slot = Slot(0);
/// Who made the server, or why it refuses.
pub const RESPONSE: Slot = Slot(1);
/// The version that the client speaks: for records.
pub(super) const VERSION: Slot = Slot(2);
/// How it ended: for records.
pub(super) const STATUS: Slot = Slot(3);
