//! What of `app-layer.protocols.smtp` steers the parser, read once.

use std::sync::Arc;

use crate::app::Settings;
use crate::protocols::mime;

/// The settings of the protocol.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Messages are taken apart.
    pub(super) mime: bool,
    /// A message that is not taken apart is a file as a whole.
    pub(super) raw: bool,
    /// How they are.
    pub(super) message: Arc<mime::Config>,
    /// Transactions alive in a flow.
    pub(super) tx_max: usize,
}

impl Config {
    /// From the protocol's settings; what is absent or unreadable has Suricata's default.
    pub(super) fn new(settings: &Settings) -> Self {
        let flag = |key: &str, default: bool| settings.flag(key).unwrap_or(default);
        let mime = flag("mime.decode-mime", true);
        Config {
            mime,
            raw: flag("raw-extraction", false) && !mime,
            message: Arc::new(mime::Config::new(settings)),
            tx_max: settings.size("max-tx").unwrap_or(256).clamp(1, 1 << 16) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_what_overrides_them() {
        let config = Config::new(&Settings::default());
        assert!(config.mime && !config.raw && config.tx_max == 256);
        let yaml = "{raw-extraction: yes, mime: {decode-mime: no}, max-tx: 3}";
        let config = Config::new(&Settings::new(serde_yaml::from_str(yaml).ok()));
        assert!(!config.mime && config.raw && config.tx_max == 3);
        let config = Config::new(&Settings::new(serde_yaml::from_str("{raw-extraction: yes}").ok()));
        assert!(!config.raw, "a message that is taken apart is not a file");
    }
}
