//! The buffers and numbers of an HTTP/2 transaction that HTTP/1 does not have; the others have the slots of
//! [`crate::protocols::http::slots`].

use crate::app::Slot;

/// Types of the client's frames.
pub const FRAME_REQUEST: Slot = Slot(100);
/// Types of the server's frames.
pub const FRAME_RESPONSE: Slot = Slot(101);
/// Error codes that the client sent.
pub const ERROR_REQUEST: Slot = Slot(102);
/// Error codes that the server sent.
pub const ERROR_RESPONSE: Slot = Slot(103);
/// Weights that the client sent.
pub const PRIORITY_REQUEST: Slot = Slot(104);
/// Weights that the server sent.
pub const PRIORITY_RESPONSE: Slot = Slot(105);
/// Sizes of the client's window updates.
pub const WINDOW_REQUEST: Slot = Slot(106);
/// Sizes of the server's window updates.
pub const WINDOW_RESPONSE: Slot = Slot(107);
/// Sizes that the client's dynamic table changed to.
pub const SIZE_REQUEST: Slot = Slot(108);
/// Sizes that the server's dynamic table changed to.
pub const SIZE_RESPONSE: Slot = Slot(109);
/// Names of the request's headers.
pub const NAME_REQUEST: Slot = Slot(110);
/// Names of the response's headers.
pub const NAME_RESPONSE: Slot = Slot(111);
/// The client's settings: what is set.
pub const SETTING_REQUEST: Slot = Slot(112);
/// The server's settings: what is set.
pub const SETTING_RESPONSE: Slot = Slot(113);
/// The client's settings: to what.
pub const VALUE_REQUEST: Slot = Slot(114);
/// The server's settings: to what.
pub const VALUE_RESPONSE: Slot = Slot(115);

/// Slots of DNS from here on, of a message that the request carries.
pub const DNS_REQUEST: u16 = 0x6000;
/// The same of the response.
pub const DNS_RESPONSE: u16 = 0x7000;
