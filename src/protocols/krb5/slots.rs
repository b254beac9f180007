//! The buffers and numbers of a Kerberos transaction, one [`Slot`] each.
//!
//! | keyword | slot | kind | direction |
//! | --- | --- | --- | --- |
//! | `krb5.cname` | [`CNAME`] | bytes, multi | to_client |
//! | `krb5.sname` | [`SNAME`] | bytes, multi | to_client |
//! | `krb5_msg_type` | [`MSG_TYPE`] | number | both |
//! | `krb5_err_code` | [`ERR_CODE`] | number | to_client |
//! | `krb5.ticket_encryption` | [`TICKET_ENCRYPTION`] | number | to_client |

use crate::app::Slot;

/// Components of the client's name.
pub const CNAME: Slot = Slot(0);
/// Components of the service's name.
pub const SNAME: Slot = Slot(1);
/// Kind of message, RFC 4120 section 7.5.7.
pub const MSG_TYPE: Slot = Slot(2);
/// Error code, RFC 4120 section 7.5.9.
pub const ERR_CODE: Slot = Slot(3);
/// Encryption type of the ticket, RFC 3961; as a number of 64 bits, of which a negative one has the highest set.
pub const TICKET_ENCRYPTION: Slot = Slot(4);
