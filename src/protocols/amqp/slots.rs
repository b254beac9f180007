//! The buffers of an AMQP transaction, one [`Slot`] each.

use crate::app::Slot;

/// Class and method: `queue.declare`.
pub const METHOD: Slot = Slot(0);
/// The exchange that is named.
pub const EXCHANGE: Slot = Slot(1);
/// The queue that is named.
pub const QUEUE: Slot = Slot(2);
/// The routing key that is named.
pub const ROUTING_KEY: Slot = Slot(3);
/// Who signs in.
pub const USER: Slot = Slot(4);
/// The virtual host that is opened.
pub const VIRTUAL_HOST: Slot = Slot(5);
/// The content of a message, its beginning.
pub const MESSAGE: Slot = Slot(6);
/// Why something was closed or given back: for records.
pub(super) const REPLY: Slot = Slot(7);
/// How the client signs in: for records.
pub(super) const MECHANISM: Slot = Slot(8);
/// Which channel: for records.
pub(super) const CHANNEL: Slot = Slot(20);
/// The code of a reply: for records.
pub(super) const CODE: Slot = Slot(21);
/// Length of the content: for records.
pub(super) const SIZE: Slot = Slot(22);
