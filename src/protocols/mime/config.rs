//! How messages are taken apart, from the settings of the protocol that carries them, read once.

use super::log::Wanted;
use crate::app::Settings;
use crate::app::file::Digests;

/// Most bytes of one attachment kept at once, whatever the configuration says.
const KEPT_MAX: usize = 4 << 20;

/// How attachments are inspected (`inspected-tracker`).
#[derive(Clone, Copy, Debug)]
pub(in crate::protocols) struct FileLimits {
    /// Bytes that are looked at; what follows is counted only. `u64::MAX` for no limit.
    pub(in crate::protocols) content: u64,
    /// Bytes kept at once.
    pub(in crate::protocols) kept_max: usize,
    /// See [`crate::app::Body::inspect_min`].
    pub(in crate::protocols) inspect_min: usize,
    /// See [`crate::app::Body::window`].
    pub(in crate::protocols) window: usize,
}

/// The settings.
#[derive(Clone, Debug)]
pub(in crate::protocols) struct Config {
    pub(in crate::protocols) base64: bool,
    pub(in crate::protocols) quoted_printable: bool,
    /// Bytes kept of a header's value.
    pub(in crate::protocols) header_value_max: usize,
    /// What URLs begin with, `://` included, lower case; empty when none are looked for.
    pub(in crate::protocols) schemes: Vec<Vec<u8>>,
    /// URLs keep their scheme.
    pub(in crate::protocols) url_scheme: bool,
    pub(in crate::protocols) body_md5: bool,
    pub(in crate::protocols) files: FileLimits,
    pub(in crate::protocols) digests: Digests,
    pub(in crate::protocols) wanted: Wanted,
}

impl Config {
    /// From `mime.*` and `inspected-tracker.*`; what is absent or unreadable has Suricata's default.
    pub(in crate::protocols) fn new(settings: &Settings) -> Self {
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
        Config {
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
        assert!(config.base64 && config.quoted_printable && !config.body_md5);
        assert_eq!(
            (config.files.content, config.files.inspect_min, config.files.window),
            (100_000, 32_768, 4096)
        );
        assert_eq!(config.schemes, [b"http://"]);
        let yaml = "{mime: {extract-urls-schemes: [http, FTP], body-md5: yes},
            inspected-tracker: {content-limit: 0, content-inspect-min-size: 1kb}}";
        let config = Config::new(&Settings::new(serde_yaml::from_str(yaml).ok()));
        assert!(config.body_md5);
        assert_eq!((config.files.content, config.files.kept_max), (u64::MAX, KEPT_MAX));
        assert_eq!(config.files.inspect_min, 1024);
        assert_eq!(config.schemes, [b"http://".to_vec(), b"ftp://".to_vec()]);
        let config = Config::new(&Settings::new(serde_yaml::from_str("{mime: {extract-urls: no}}").ok()));
        assert!(config.schemes.is_empty());
    }
}
