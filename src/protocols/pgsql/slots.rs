//! The buffers of a PostgreSQL transaction, one [`Slot`] each.
//!
//! | keyword | slot | kind | direction |
//! | --- | --- | --- | --- |
//! | `pgsql.query` | [`QUERY`] | bytes | to_server |
//! | `pgsql.user` | [`USER`] | bytes | to_server |
//! | `pgsql.database` | [`DATABASE`] | bytes | to_server |

use crate::app::Slot;

/// The text of a simple query, without its closing zero.
pub const QUERY: Slot = Slot(0);
/// The name that a session begins with.
pub const USER: Slot = Slot(1);
/// The database that it asks for.
pub const DATABASE: Slot = Slot(2);
