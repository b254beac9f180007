//! The settings of SMB.

use crate::app::Settings;
use crate::app::file::Digests;

/// Bytes of a message that are waited for; a longer one is passed over unless it carries file data.
pub(super) const MESSAGE_MAX: usize = 1 << 20;
/// Trees, open files, and requests without an answer that are remembered.
pub(super) const REMEMBERED_MAX: usize = 1024;
/// Bytes kept of all files of a flow, beyond which little is kept of each.
pub(super) const KEPT_TOTAL_MAX: usize = 8 << 20;
/// Bytes of all calls of a flow.
pub(super) const STUBS_TOTAL_MAX: usize = 16 << 20;
/// Pieces and bytes of files that came before the ones they follow, in a flow, when the settings say nothing.
const QUEUE_COUNT: u64 = 1024;
const QUEUE_SIZE: u64 = 16 << 20;

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    /// Largest read and write that is no event; 0: none.
    pub(super) read_max: u64,
    pub(super) write_max: u64,
    /// Bytes and pieces of files that wait for what comes before them, read and written.
    pub(super) read_queue: (u64, u64),
    pub(super) write_queue: (u64, u64),
    /// Transactions that are alive.
    pub(super) tx_max: usize,
    pub(super) stream_depth: u64,
    pub(super) digests: Digests,
}

impl Config {
    pub(super) fn new(settings: &Settings) -> Self {
        let size = |key: &str| settings.size(key).unwrap_or(0);
        let limit = |key: &str, most: u64| match size(key) {
            0 => most,
            size => size.min(most),
        };
        Config {
            read_max: size("max-read-size"),
            write_max: size("max-write-size"),
            read_queue: (limit("max-read-queue-size", QUEUE_SIZE), limit("max-read-queue-cnt", QUEUE_COUNT)),
            write_queue: (
                limit("max-write-queue-size", QUEUE_SIZE),
                limit("max-write-queue-cnt", QUEUE_COUNT),
            ),
            tx_max: usize::try_from(size("max-tx")).ok().filter(|max| *max > 0).unwrap_or(1024).min(65_536),
            stream_depth: size("stream-depth"),
            digests: Digests::new(settings),
        }
    }
}
