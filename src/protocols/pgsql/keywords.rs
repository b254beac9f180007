//! The rule keywords of PostgreSQL.

use super::slots::{DATABASE, QUERY, USER};
use crate::detect::BufferSpec;
use crate::protocols::exchange::{asked, buffer};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("pgsql.query", "the text of a simple query", &[asked(QUERY)]),
    buffer("pgsql.user", "the name that a session begins with", &[asked(USER)]),
    buffer("pgsql.database", "the database that a session asks for", &[asked(DATABASE)]),
];
