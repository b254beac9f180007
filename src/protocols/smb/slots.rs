//! What an SMB transaction answers for, beside the slots of the calls it carries.

use crate::app::Slot;

/// Progress: the transaction is there. Rules of both sides look at what is known of it.
pub const BEGUN: u8 = 1;

/// Name of the share that a tree is connected to.
pub const SHARE: Slot = Slot(0);
/// The same, when it is that of pipes.
pub const NAMED_PIPE: Slot = Slot(1);
/// User who signs in by NTLM.
pub const USER: Slot = Slot(2);
/// Domain of that user.
pub const DOMAIN: Slot = Slot(3);
/// Number: 1, or 2 for SMB2 and SMB3.
pub const VERSION: Slot = Slot(4);
/// Bytes of a file that is written, read.
pub const FILE_WRITTEN: Slot = Slot(5);
/// See [`FILE_WRITTEN`].
pub const FILE_READ: Slot = Slot(6);
/// Its name.
pub const FILE_NAME_WRITTEN: Slot = Slot(7);
/// See [`FILE_NAME_WRITTEN`].
pub const FILE_NAME_READ: Slot = Slot(8);
/// What the file that is written is by its first bytes.
pub const FILE_MAGIC_WRITTEN: Slot = Slot(9);
/// See [`FILE_MAGIC_WRITTEN`].
pub const FILE_MAGIC_READ: Slot = Slot(10);
