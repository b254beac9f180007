//! The buffers and numbers of a MySQL transaction, one [`Slot`] each.

use crate::app::Slot;

/// The statement of a query, or one to be prepared.
pub const QUERY: Slot = Slot(0);
/// Who signs in.
pub const USER: Slot = Slot(1);
/// The database that is chosen.
pub const DATABASE: Slot = Slot(2);
/// What the server says that it is.
pub const VERSION: Slot = Slot(3);
/// The text of an error.
pub const ERROR: Slot = Slot(4);
/// Each row, its columns with commas between.
pub const ROWS: Slot = Slot(5);
/// A file that the server asks the client for.
pub const INFILE: Slot = Slot(6);
/// The program that the client says it is: for records.
pub(super) const PROGRAM: Slot = Slot(7);
/// How the client signs in: for records.
pub(super) const PLUGIN: Slot = Slot(8);
/// The command's number.
pub const COMMAND: Slot = Slot(0);
/// The error's number.
pub const ERROR_CODE: Slot = Slot(1);
/// Rows changed: for records.
pub(super) const AFFECTED: Slot = Slot(20);
/// Rows answered: for records.
pub(super) const ROW_COUNT: Slot = Slot(21);
/// Whether TLS was asked for: for records.
pub(super) const TLS: Slot = Slot(22);
