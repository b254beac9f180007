//! What of `app-layer.protocols.smtp` steers the parser, read once.

use super::log::Wanted;
use crate::app::Settings;
use crate::app::file::Digests;

/// Most bytes of one attachment kept at once, whatever the configuration says.
const KEPT_MAX: usize = 4 << 20;

/// How attachments are inspected (`inspected-tracker`).
#[derive(Clone, Copy, Debug)]
pub(super) struct FileLimits {
    /// Bytes that are looked at; what follows is counted only. `u64::MAX` for no limit.
    pub(super) content: u64,
    /// Bytes kept at once.
    pub(super) kept_max: usize,
    /// See [`crate::app::Body::inspect_min`].
    pub(super) inspect_min: usize,
    /// See [`crate::app::Body::window`].
    pub(super) window: usize,
}

/// The settings of the protocol.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Messages are taken apart.
    pub(super) mime: bool,
    /// A message that is not taken apart is a file as a whole.
    pub(super) raw: bool,
    pub(super) base64: bool,
    pub(super) quoted_printable: bool,
    /// Bytes kept of a header's value.
    pub(super) header_value_max: usize,
    /// What URLs begin with, `://` included, lower case; empty when none are looked for.
    pub(super) schemes: Vec<Vec<u8>>,
    /// URLs keep their scheme.
    pub(super) url_scheme: bool,
    pub(super) body_md5: bool,
    pub(super) files: FileLimits,
    /// Transactions alive in a flow.
    pub(super) tx_max: usize,
    pub(super) digests: Digests,
    pub(super) wanted: Wanted,
}

impl Config {
    /// From the protocol's settings; what is absent or unreadable has Suricata's default.
    pub(super) fn new(settings: &Settings) -> Self {
        let flag = |key: &str, default: bool| settings.flag(key).unwrap_or(default);
        let size = |key: &str, default: u64| settings.size(key).unwrap_or(default);
        let cut = |value: u64| usize::try_from(value).unwrap_or(usize::MAX).min(KEPT_MAX);
        let content = match size("inspected-tracker.content-limit", 100_000) {
            0 => u64::MAX,
            limit => limit,
        };
        let schemes = match flag("mime.extract-urls", true) {
            true => settings.list("mime.extract-urls-schemes").unwrap_or_else(|| vec!["http"]),
            false => Vec::new(),
        };
        let mime = flag("mime.decode-mime", true);
        Config {
            mime,
            raw: flag("raw-extraction", false) && !mime,
            base64: flag("mime.decode-base64", true),
            quoted_printable: flag("mime.decode-quoted-printable", true),
            header_value_max: size("mime.header-value-depth", 2000).clamp(1, 1 << 16) as usize,
            schemes: schemes.iter().map(|name| format!("{}://", name.to_ascii_lowercase()).into()).collect(),
            url_scheme: flag("mime.log-url-scheme", false),
            // a rule may ask for what no record wants
            body_md5: flag("mime.body-md5", false) || flag("used.email", false),
            files: FileLimits {
                content,
                kept_max: cut(content),
                inspect_min: cut(size("inspected-tracker.content-inspect-min-size", 32_768)),
                window: cut(size("inspected-tracker.content-inspect-window", 4096)),
            },
            tx_max: size("max-tx", 256).clamp(1, 1 << 16) as usize,
            digests: Digests::new(settings),
            wanted: Wanted::new(settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_what_overrides_them() {
        let config = Config::new(&Settings::default());
        assert!(config.mime && config.base64 && config.quoted_printable && !config.body_md5 && !config.raw);
        assert_eq!(
            (config.files.content, config.files.inspect_min, config.files.window),
            (100_000, 32_768, 4096)
        );
        assert_eq!(config.schemes, [b"http://"]);
        let yaml =
            "{raw-extraction: yes, mime: {decode-mime: no, extract-urls-schemes: [http, FTP], body-md5: yes},
            inspected-tracker: {content-limit: 0, content-inspect-min-size: 1kb}, max-tx: 3}";
        let config = Config::new(&Settings::new(serde_yaml::from_str(yaml).ok()));
        assert!(!config.mime && config.raw && config.body_md5);
        assert_eq!((config.files.content, config.files.kept_max), (u64::MAX, KEPT_MAX));
        assert_eq!((config.files.inspect_min, config.tx_max), (1024, 3));
        assert_eq!(config.schemes, [b"http://".to_vec(), b"ftp://".to_vec()]);
        let yaml = "{raw-extraction: yes, mime: {extract-urls: no}}";
        let config = Config::new(&Settings::new(serde_yaml::from_str(yaml).ok()));
        assert!(!config.raw && config.schemes.is_empty(), "a message that is taken apart is not a file");
    }
}
