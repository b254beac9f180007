//! What of `app-layer.protocols.http2` steers the parser, read once.

use crate::app::Settings;
use crate::app::body::BodyLimits;
use crate::protocols::http::config::Config as HttpConfig;

/// The settings of the protocol.
#[derive(Debug)]
pub(super) struct Config {
    /// Decompression and digests, as HTTP/1 has them by default.
    pub(super) http: HttpConfig,
    pub(super) streams_max: usize,
    pub(super) table_max: usize,
    pub(super) block_max: usize,
}

/// A body is looked at to its end, through a window.
pub(super) const BODY: BodyLimits =
    BodyLimits { limit: u64::MAX, kept_max: 64 << 10, inspect_min: 0, window: 16 << 10 };

/// The same where many bodies are open.
pub(super) const BODY_OF_MANY: BodyLimits = BodyLimits { kept_max: 4 << 10, window: 2 << 10, ..BODY };

impl Config {
    /// From the protocol's settings; what is absent or unreadable has Suricata's default.
    pub(super) fn new(settings: &Settings) -> Self {
        let size = |key: &str, default: u64| settings.size(key).unwrap_or(default);
        Config {
            http: HttpConfig::new(settings),
            streams_max: size("max-streams", 4096).clamp(1, 1 << 16) as usize,
            table_max: size("max-table-size", 65_536).min(1 << 20) as usize,
            block_max: size("max-reassembly-size", 102_400).clamp(16_384, 1 << 24) as usize,
        }
    }
}
