//! What of `app-layer.protocols.http` steers the parser, read once.

use std::sync::Arc;

use super::uri::{BadEscape, Decoding};
use crate::app::Settings;
use crate::app::body::BodyLimits;
use crate::app::file::Digests;
use crate::types::Direction;

/// Most bytes of one body kept, whatever the configuration says.
const BODY_KEPT_MAX: usize = 4 << 20;

/// What records show.
#[derive(Clone, Debug, Default)]
pub(in crate::protocols) struct Records {
    /// Host, target, agent and type alone (`extended: no`).
    pub(in crate::protocols) brief: bool,
    /// Headers by name (`custom`).
    custom: Vec<String>,
    /// All headers of requests, of responses (`dump-all-headers`).
    dump: [bool; 2],
    /// Bodies in alerts, as text and in Base64.
    pub(in crate::protocols) bodies: (bool, bool),
}

impl Records {
    fn new(settings: &Settings) -> Self {
        let dump = settings.text("eve.dump-all-headers").unwrap_or_default().to_ascii_lowercase();
        let flag = |key: &str| settings.flag(key).unwrap_or(false);
        Records {
            brief: settings.flag("eve-extended") == Some(false),
            custom: settings.list("eve.custom").unwrap_or_default().into_iter().map(str::to_owned).collect(),
            dump: [dump == "both" || dump == "request", dump == "both" || dump == "response"],
            bodies: (flag("alert.http-body-printable"), flag("alert.http-body")),
        }
    }

    /// Whether that side's records list headers, and this one.
    pub(in crate::protocols) fn lists(&self, dir: Direction, name: &[u8]) -> bool {
        self.dump[dir.index()]
            || self.custom.iter().any(|wanted| wanted.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// The settings of the protocol.
#[derive(Clone, Debug)]
pub(in crate::protocols) struct Config {
    pub(in crate::protocols) request: BodyLimits,
    pub(in crate::protocols) response: BodyLimits,
    pub(super) decoding: Decoding,
    /// Layers of `Content-Encoding` that are undone; 0 for none.
    pub(in crate::protocols) layers_max: usize,
    /// Whether LZMA is undone.
    pub(in crate::protocols) lzma: bool,
    /// Bytes of an LZMA dictionary.
    pub(in crate::protocols) lzma_memory_max: usize,
    /// Decompressed bytes of a body from which a suspicious ratio ends the decompression.
    pub(in crate::protocols) bomb_limit: u64,
    /// Bytes of a line, or of a header with its folded lines.
    pub(in crate::protocols) field_max: usize,
    /// Headers in a message.
    pub(in crate::protocols) headers_max: usize,
    /// Transactions alive in a flow.
    pub(in crate::protocols) tx_max: usize,
    /// Which digests of files are made.
    pub(in crate::protocols) digests: Digests,
    /// What records show.
    pub(in crate::protocols) records: Arc<Records>,
}

impl Config {
    /// From the protocol's settings; what is absent or unreadable has Suricata's default.
    ///
    /// `decompression-time-limit` has no effect: there is no clock here, the ratio and the limits bound the work.
    pub(in crate::protocols) fn new(settings: &Settings) -> Self {
        let key = |name: &str| format!("libhtp.default-config.{name}");
        let size = |name: &str, default: u64| settings.size(&key(name)).unwrap_or(default);
        let flag = |name: &str, default: bool| settings.flag(&key(name)).unwrap_or(default);
        // `auto`, and nothing: where bytes are held until they are judged
        let inline = flag("http-body-inline", settings.flag("inline").unwrap_or(false));
        let body = |side: &str, inspect_min: u64, window: u64| {
            let limit = size(&format!("{side}-body-limit"), 100 << 10);
            let limit = if limit == 0 { u64::MAX } else { limit };
            let cut = |value: u64| usize::try_from(value).unwrap_or(usize::MAX).min(BODY_KEPT_MAX);
            BodyLimits {
                limit,
                kept_max: cut(limit),
                inspect_min: match inline {
                    true => 0,
                    false => cut(size(&format!("{side}-body-minimal-inspect-size"), inspect_min)),
                },
                window: cut(size(&format!("{side}-body-inspect-window"), window)),
            }
        };
        let mut decoding =
            settings.text(&key("personality")).and_then(Decoding::personality).unwrap_or(Decoding::IDS);
        for (name, switch) in [
            ("double-decode-path", &mut decoding.double_path),
            ("double-decode-query", &mut decoding.double_query),
            ("path-convert-backslash-separators", &mut decoding.backslash_is_slash),
            ("path-convert-lowercase", &mut decoding.lowercase),
            ("path-separators-compress", &mut decoding.compress_slashes),
            ("path-separators-decode", &mut decoding.decode_slashes),
            ("query-plusspace-decode", &mut decoding.plus_is_space),
            ("path-nul-raw-terminates", &mut decoding.nul_ends),
            ("path-nul-encoded-terminates", &mut decoding.encoded_nul_ends),
            ("path-u-encoding-decode", &mut decoding.decode_u),
            ("path-utf8-convert-bestfit", &mut decoding.utf8_best_fit),
            ("uri-include-all", &mut decoding.whole),
        ] {
            *switch = flag(name, *switch);
        }
        decoding.bad_escape = match settings.text(&key("path-url-encoding-invalid-handling")) {
            Some("remove_percent") => BadEscape::Drop,
            Some("decode_invalid") => BadEscape::Decode,
            _ => BadEscape::Keep,
        };
        Config {
            request: body("request", 32 << 10, 4 << 10),
            response: body("response", 40 << 10, 16 << 10),
            decoding,
            layers_max: size("response-body-decompress-layer-limit", 2).min(8) as usize,
            lzma: flag("lzma-enabled", false),
            lzma_memory_max: size("lzma-memlimit", 1 << 20).min(64 << 20) as usize,
            bomb_limit: size("compression-bomb-limit", 1 << 20),
            field_max: size("meta-field-limit", 18_432).clamp(256, 1 << 20) as usize,
            headers_max: size("headers-limit", 1024).clamp(1, 1 << 16) as usize,
            tx_max: size("max-tx", 512).clamp(1, 1 << 16) as usize,
            digests: Digests::new(settings),
            records: Arc::new(Records::new(settings)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_what_overrides_them() {
        let config = Config::new(&Settings::default());
        assert_eq!((config.request.limit, config.request.window), (102_400, 4096));
        assert_eq!((config.response.inspect_min, config.layers_max, config.tx_max), (40_960, 2, 512));
        let yaml = "libhtp: {default-config: {request-body-limit: 0, response-body-limit: 1gb, personality: Apache_2,
            double-decode-path: yes, http-body-inline: yes, response-body-decompress-layer-limit: 3}}";
        let config = Config::new(&Settings::new(serde_yaml::from_str(yaml).ok()));
        assert_eq!((config.request.limit, config.request.kept_max), (u64::MAX, BODY_KEPT_MAX));
        assert_eq!((config.response.limit, config.response.kept_max), (1 << 30, BODY_KEPT_MAX));
        assert_eq!((config.response.inspect_min, config.layers_max), (0, 3));
        assert!(config.decoding.double_path && !config.decoding.decode_slashes);
    }
}
