//! The buffers and numbers of a Kafka transaction, one [`Slot`] each.

use crate::app::Slot;

/// What the client says that it is.
pub const CLIENT_ID: Slot = Slot(0);
/// Each topic that the request names.
pub const TOPIC: Slot = Slot(1);
/// The group that the client is part of.
pub const GROUP: Slot = Slot(2);
/// Who signs in with SASL PLAIN.
pub const USER: Slot = Slot(3);
/// How the client signs in: for records.
pub(super) const MECHANISM: Slot = Slot(4);
/// What is asked.
pub const API_KEY: Slot = Slot(0);
/// In which version.
pub const API_VERSION: Slot = Slot(1);
/// Length of the answer: for records.
pub(super) const ANSWER_SIZE: Slot = Slot(20);
