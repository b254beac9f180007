//! The buffers and numbers of an MQTT transaction, one [`Slot`] each; `keywords` says what the rule language calls them.
//!
//! Numbers are there once the exchange is whole. Those that are numbers of messages have one for each of its messages.

use crate::app::Slot;

/// Name of the protocol in CONNECT.
pub const PROTOCOL_STRING: Slot = Slot(0);
/// Client identifier.
pub const CLIENT_ID: Slot = Slot(1);
/// User name.
pub const USERNAME: Slot = Slot(2);
/// Password.
pub const PASSWORD: Slot = Slot(3);
/// Topic of the will.
pub const WILL_TOPIC: Slot = Slot(4);
/// Message of the will.
pub const WILL_MESSAGE: Slot = Slot(5);
/// Topic of PUBLISH.
pub const PUBLISH_TOPIC: Slot = Slot(6);
/// Message of PUBLISH.
pub const PUBLISH_MESSAGE: Slot = Slot(7);
/// Topic filters of SUBSCRIBE.
pub const SUBSCRIBE_TOPIC: Slot = Slot(8);
/// Topic filters of UNSUBSCRIBE.
pub const UNSUBSCRIBE_TOPIC: Slot = Slot(9);
/// Number: kinds of the messages, 1 to 15.
pub const TYPE: Slot = Slot(10);
/// Number: the low four bits of the messages' first bytes.
pub const FLAGS: Slot = Slot(11);
/// Number: quality of service of the messages.
pub const QOS: Slot = Slot(12);
/// Number: version that the client named, 0 when it did not.
pub const PROTOCOL_VERSION: Slot = Slot(13);
/// Number: reason codes of the first message that has any.
pub const REASON_CODE: Slot = Slot(14);
/// Number: 1 when the server had a session, else 0.
pub const SESSION_PRESENT: Slot = Slot(15);
/// Number: flags of CONNECT.
pub const CONNECT_FLAGS: Slot = Slot(16);
