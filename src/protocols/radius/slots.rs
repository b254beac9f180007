//! What is kept of an exchange, one [`Slot`] each.

use crate::app::Slot;

/// Who asks.
pub const USER: Slot = Slot(0);
/// Where the caller is (its number, its link address).
pub const CALLING_STATION: Slot = Slot(1);
/// The name of the network's access server.
pub const NAS_IDENTIFIER: Slot = Slot(2);
/// What the server tells the user.
pub const REPLY_MESSAGE: Slot = Slot(3);
/// What is asked.
pub const CODE: Slot = Slot(10);
/// What is answered.
pub const RESPONSE_CODE: Slot = Slot(11);
