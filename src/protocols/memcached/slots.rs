//! The buffers and numbers of a memcached transaction, one [`Slot`] each.

use crate::app::Slot;

/// The command, in small letters.
pub const COMMAND: Slot = Slot(0);
/// Each key that is named.
pub const KEY: Slot = Slot(1);
/// A value that is stored.
pub const STORED: Slot = Slot(2);
/// Each value that is answered.
pub const ANSWERED: Slot = Slot(3);
/// The first line of the answer, or the name of its status.
pub const RESPONSE: Slot = Slot(4);
/// Words behind a command without keys: for records.
pub const ARGUMENT: Slot = Slot(5);
/// Length of the value that is stored, bytes.
pub const SIZE: Slot = Slot(0);
/// Values answered: for records.
pub(super) const HITS: Slot = Slot(20);
/// The request is in the binary protocol: for records.
pub(super) const BINARY: Slot = Slot(21);
