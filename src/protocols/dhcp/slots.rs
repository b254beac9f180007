//! The numbers of a DHCP transaction, one [`Slot`] each, of both directions; seconds.

use crate::app::Slot;

/// `dhcp.leasetime`: option 51.
pub const LEASE_TIME: Slot = Slot(0);
/// `dhcp.renewal_time`: option 58.
pub const RENEWAL_TIME: Slot = Slot(1);
/// `dhcp.rebinding_time`: option 59.
pub const REBINDING_TIME: Slot = Slot(2);
