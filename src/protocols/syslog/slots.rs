//! What is kept of a message, one [`Slot`] each.

use crate::app::Slot;

/// What stands behind the priority.
pub const MESSAGE: Slot = Slot(0);
/// Where it came from: the kernel, mail, …
pub const FACILITY: Slot = Slot(10);
/// How bad it is, 0 the worst.
pub const SEVERITY: Slot = Slot(11);
