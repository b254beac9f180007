//! The buffers and numbers of an NFS transaction, one [`Slot`] each.

use crate::app::Slot;

/// `nfs_procedure`; of version 4 the operation.
pub const PROCEDURE: Slot = Slot(0);
/// `nfs.version`
pub const VERSION: Slot = Slot(1);
/// `file.data` of what is written.
pub const FILE_WRITTEN: Slot = Slot(2);
/// `file.data` of what is read.
pub const FILE_READ: Slot = Slot(3);
/// `file.name` of what is written.
pub const NAME_WRITTEN: Slot = Slot(4);
/// `file.name` of what is read.
pub const NAME_READ: Slot = Slot(5);
/// `file.magic` of what is written.
pub const MAGIC_WRITTEN: Slot = Slot(6);
/// `file.magic` of what is read.
pub const MAGIC_READ: Slot = Slot(7);

/// The progress of a transaction that has begun.
pub(super) const BEGUN: u8 = 1;
