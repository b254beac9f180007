//! Limits.

/// Bytes of a message that are waited for; of a longer one only file data is read.
pub(super) const MESSAGE_MAX: usize = 64 << 10;
/// Bytes of a message in which the beginning of its file data is looked for.
pub(super) const PART_MIN: usize = 2048;
/// Calls without a reply.
pub(super) const PENDING_MAX: usize = 1024;
/// Names of files that are remembered, and bytes of one.
pub(super) const NAMES_MAX: usize = 1024;
pub(super) const NAME_MAX: usize = 1024;
/// Files that are read or written at once.
pub(super) const FILES_MAX: usize = 64;
/// Bytes and pieces of files that wait for those before them, of a flow.
pub(super) const QUEUE_MAX: (u64, u64) = (16 << 20, 1024);
/// Operations of a compound.
pub(super) const OPERATIONS_MAX: usize = 64;
