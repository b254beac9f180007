//! The buffers and numbers of an FTP transaction, one [`Slot`] each.
//!
//! Progress: to_server DONE with the command; to_client 0 → [`REPLY`] with the first line of a reply → DONE with its last.
//!
//! | keyword | to_server | to_client | kind |
//! | --- | --- | --- | --- |
//! | `ftp.command` | [`COMMAND`] | — | bytes, upper case |
//! | `ftp.command_data` | [`COMMAND_DATA`] | — | bytes |
//! | `ftp.reply` | — | [`REPLIES`] | bytes, multi |
//! | `ftp.completion_code` | — | [`CODES`] | bytes, multi |
//! | `ftp.dynamic_port` | [`ACTIVE_PORT`] | [`PASSIVE_PORT`] | number |
//! | `ftp.mode` | [`MODE`] | [`MODE`] | number, 1 active, 2 passive |
//! | `ftp.reply_received` | [`REPLIED`] | [`REPLIED`] | number, 0 or 1 |

use crate::app::Slot;

/// A line of the reply is there.
pub const REPLY: u8 = 1;

/// The command.
pub const COMMAND: Slot = Slot(0);
/// What follows it.
pub const COMMAND_DATA: Slot = Slot(1);
/// Lines of replies, without their codes.
pub const REPLIES: Slot = Slot(2);
/// Their codes.
pub const CODES: Slot = Slot(3);
/// The port that the client listens on.
pub const ACTIVE_PORT: Slot = Slot(4);
/// The port that the server listens on.
pub const PASSIVE_PORT: Slot = Slot(5);
/// Who opens the data connection.
pub const MODE: Slot = Slot(6);
/// The last line of the reply is there.
pub const REPLIED: Slot = Slot(7);
