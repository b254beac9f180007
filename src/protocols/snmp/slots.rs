//! The buffers and numbers of an SNMP transaction, one [`Slot`] each, of both directions and whole at once.
//!
//! | keyword | slot | kind |
//! | --- | --- | --- |
//! | `snmp.community` | [`COMMUNITY`] | bytes |
//! | `snmp.usm` | [`USM`] | bytes |
//! | `snmp.version` | [`VERSION`] | number |
//! | `snmp.pdu_type` | [`PDU_TYPE`] | number |

use crate::app::Slot;

/// Community, of versions 1 and 2.
pub const COMMUNITY: Slot = Slot(0);
/// User name of the user-based security model, of version 3.
pub const USM: Slot = Slot(1);
/// 1, 2 or 3.
pub const VERSION: Slot = Slot(2);
/// Number of the kind of message, RFC 3416 section 3; not of what is encrypted.
pub const PDU_TYPE: Slot = Slot(3);
/// Names of the variables, with dots; for records.
pub(super) const VARIABLE: Slot = Slot(4);
