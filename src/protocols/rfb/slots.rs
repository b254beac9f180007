//! The buffers and numbers of an RFB transaction, one [`Slot`] each; they are there once the handshake is over.
//!
//! | keyword | slot | kind | direction |
//! | --- | --- | --- | --- |
//! | `rfb.name` | [`NAME`] | bytes | to_client |
//! | `rfb.sectype` | [`SECURITY_TYPE`] | number | to_server |
//! | `rfb.secresult` | [`SECURITY_RESULT`] | number, 0 to 3 | to_client |

use crate::app::Slot;

/// Name of the desktop.
pub const NAME: Slot = Slot(0);
/// Kind of security that was chosen, RFC 6143 section 7.1.2.
pub const SECURITY_TYPE: Slot = Slot(1);
/// Result of authentication: 0 good, 1 failed, 2 too many attempts, 3 for any other.
pub const SECURITY_RESULT: Slot = Slot(2);
