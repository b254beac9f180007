//! What is kept of a message, one [`Slot`] each.

use crate::app::Slot;

/// The user that the first request names.
pub const COOKIE: Slot = Slot(0);
/// The client's name.
pub const CLIENT_NAME: Slot = Slot(1);
/// Each channel that the client asks for.
pub const CHANNEL: Slot = Slot(2);
