//! The buffers of an SSH transaction, one [`Slot`] each.
//!
//! Progress of each direction: 0 → [`BANNER`] → [`KEX`] (its key exchange was offered) → DONE (its keys are in use).
//!
//! | keyword | to_server | to_client | from progress |
//! | --- | --- | --- | --- |
//! | `ssh.proto`, `ssh_proto`, `ssh.protoversion` | [`CLIENT_PROTO`] | [`SERVER_PROTO`] | BANNER |
//! | `ssh.software`, `ssh_software`, `ssh.softwareversion` | [`CLIENT_SOFTWARE`] | [`SERVER_SOFTWARE`] | BANNER |
//! | `ssh.hassh` | [`HASSH`] | — | KEX |
//! | `ssh.hassh.string` | [`HASSH_STRING`] | — | KEX |
//! | `ssh.hassh.server` | — | [`HASSH_SERVER`] | KEX |
//! | `ssh.hassh.server.string` | — | [`HASSH_SERVER_STRING`] | KEX |

use crate::app::Slot;

/// The banner is there.
pub const BANNER: u8 = 1;
/// The key exchange was offered.
pub const KEX: u8 = 2;

/// Version of the protocol, `2.0`.
pub const CLIENT_PROTO: Slot = Slot(0);
/// See there.
pub const SERVER_PROTO: Slot = Slot(1);
/// Software, without comments.
pub const CLIENT_SOFTWARE: Slot = Slot(2);
/// See there.
pub const SERVER_SOFTWARE: Slot = Slot(3);
/// The client's fingerprint, lower-case hex.
pub const HASSH: Slot = Slot(4);
/// The text it is made of.
pub const HASSH_STRING: Slot = Slot(5);
/// The server's fingerprint.
pub const HASSH_SERVER: Slot = Slot(6);
/// The text it is made of.
pub const HASSH_SERVER_STRING: Slot = Slot(7);
