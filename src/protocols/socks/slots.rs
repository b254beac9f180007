//! What is kept of a step, one [`Slot`] each.

use crate::app::Slot;

/// The name or address that the proxy shall connect to.
pub const HOST: Slot = Slot(0);
/// Who signs in, or whom version 4 names.
pub const USER: Slot = Slot(1);
/// What is asked for.
pub const COMMAND: Slot = Slot(10);
/// The port that the proxy shall connect to.
pub const PORT: Slot = Slot(11);
/// The answer: 0 is success in version 5, 90 in version 4.
pub const REPLY: Slot = Slot(12);
/// The version.
pub const VERSION: Slot = Slot(13);
/// The method that was picked: for records.
pub(super) const METHOD: Slot = Slot(14);
/// The methods that are offered: for records.
pub(super) const OFFERED: Slot = Slot(15);
