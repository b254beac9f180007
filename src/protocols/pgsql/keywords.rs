//! The rule keywords of PostgreSQL.

use super::slots::QUERY;
use crate::app::DONE;
use crate::detect::{BufferSpec, Kind, Place};
use crate::types::Direction;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[BufferSpec {
    name: "pgsql.query",
    aliases: &[],
    modifier: None,
    help: "the text of a simple query",
    places: &[Place { dir: Direction::ToServer, slot: QUERY, progress: DONE, kind: Kind::Bytes }],
    check: None,
}];
