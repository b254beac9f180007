//! The buffers of a PostgreSQL transaction, one [`Slot`] each.
//!
//! | keyword | slot | kind | direction |
//! | --- | --- | --- | --- |
//! | `pgsql.query` | [`QUERY`] | bytes | to_server |

use crate::app::Slot;

/// The text of a simple query, without its closing zero.
pub const QUERY: Slot = Slot(0);
