//! The process itself: `security` and `unix-command` as a suricata.yaml has them, and `metrics`, our own.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::section::Section;

/// Where a file name of `unix-command` is looked for that is not absolute.
const STATE_DIR: &str = "/run/mamparo";

/// What the process may do, once it is set up (`security`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecuritySection {
    /// `landlock.enabled`: which files it may touch.
    pub landlock: bool,
    /// `landlock.directories.read`: folders that may be read besides those that the configuration names.
    pub read: Vec<PathBuf>,
    /// `landlock.directories.write`: folders that may be written to besides those of logs and data sets.
    pub write: Vec<PathBuf>,
    /// `seccomp.enabled`: which system calls it may make.
    pub seccomp: bool,
    /// `capabilities`: `drop` those that are not needed, or `keep` all.
    pub drop_capabilities: bool,
}

impl SecuritySection {
    pub(super) fn read(section: Section<'_>) -> Self {
        // children are not made at all once the process is set up, and there is no Lua
        section.ignore(&["limit-noproc", "lua"]);
        // `landlock: no` stands for `landlock: {enabled: no}`
        let short = |key| section.is_scalar(key).then(|| section.optional_flag(key)).flatten();
        let (landlock, seccomp) = (short("landlock"), short("seccomp"));
        let paths = |list: Vec<String>| list.into_iter().map(PathBuf::from).collect();
        let mut security = SecuritySection {
            landlock: landlock.unwrap_or(true),
            read: Vec::new(),
            write: Vec::new(),
            seccomp: seccomp.unwrap_or(true),
            drop_capabilities: section.word("capabilities", &[("drop", true), ("keep", false)], "drop")
                != Some(false),
        };
        if landlock.is_none() {
            let below = section.section("landlock");
            security.landlock = below.flag("enabled", true);
            let folders = below.section("directories");
            security.read = paths(folders.list("read"));
            security.write = paths(folders.list("write"));
            folders.finish();
            below.finish();
        }
        if seccomp.is_none() {
            let below = section.section("seccomp");
            security.seccomp = below.flag("enabled", true);
            below.finish();
        }
        section.finish();
        security
    }
}

/// The control socket (`unix-command`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixCommandSection {
    /// `enabled`: yes, no, or auto, which does without where it cannot be had. `None` is auto.
    pub enabled: Option<bool>,
    /// Something of it is configured: without a word about it there is none.
    pub wanted: bool,
    /// `filename`; one that is not absolute lies in `/run/mamparo`.
    pub path: PathBuf,
}

impl UnixCommandSection {
    pub(super) fn read(section: Section<'_>, wanted: bool) -> Self {
        let enabled = section.auto_flag("enabled", &[]);
        let name = section.text_or("filename", "command.socket");
        let read = UnixCommandSection { enabled, wanted, path: PathBuf::from(STATE_DIR).join(name.trim()) };
        section.finish();
        read
    }
}

/// Where health and counters are to be had (`metrics`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsSection {
    /// `listen`: address and port; nowhere unless it is set.
    pub listen: Option<SocketAddr>,
}

impl MetricsSection {
    pub(super) fn read(section: Section<'_>) -> Self {
        let text = section.text("listen").filter(|text| !text.trim().is_empty());
        let listen = text.and_then(|text| {
            let address = text.trim().parse().ok();
            if address.is_none() {
                let message = format!("{text:?} is not an address with a port");
                section.wrong("listen", &message, "write 127.0.0.1:9101 or [::1]:9101");
            }
            address
        });
        section.finish();
        MetricsSection { listen }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Onward};
    use super::*;

    fn read(text: &str) -> Result<(Config, usize), String> {
        let folder =
            std::env::temp_dir().join(format!("mamparo-process-{}-{}", std::process::id(), text.len()));
        std::fs::write(&folder, text).expect("a file");
        let loaded = Config::load(Some(&folder), &[]);
        let _ = std::fs::remove_file(&folder);
        loaded.map(|(config, warnings)| (config, warnings.len())).map_err(|error| error.to_string())
    }

    #[test]
    fn sections_of_the_process_are_read() {
        let (config, warnings) = read(
            "security:\n  limit-noproc: true\n  landlock:\n    enabled: no\n    directories:\n      write: [/a]\n      read: [/b, /c]\n  lua:\n    allow-rules: false\nunix-command:\n  enabled: auto\n  filename: x.socket\nmetrics:\n  listen: 127.0.0.1:9101\n",
        )
        .expect("it is good");
        assert_eq!(warnings, 0);
        let security = &config.security;
        assert_eq!((security.landlock, security.seccomp, security.drop_capabilities), (false, true, true));
        assert_eq!((security.write.len(), security.read.len()), (1, 2));
        let socket = &config.unix_command;
        assert_eq!((socket.enabled, socket.wanted), (None, true));
        assert_eq!(socket.path, PathBuf::from("/run/mamparo/x.socket"));
        assert_eq!(config.metrics.listen, "127.0.0.1:9101".parse().ok());
        let (config, _) = read("security: {landlock: no, seccomp: no, capabilities: keep}\n").expect("good");
        let security = config.security;
        assert_eq!((security.landlock, security.seccomp, security.drop_capabilities), (false, false, false));
        assert!(!config.unix_command.wanted && config.metrics.listen.is_none());
        for wrong in [
            "security: {capabilities: some}\n",
            "metrics: {listen: 9101}\n",
            "unix-command: {enabled: perhaps}\n",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn packets_go_on_as_nfq_says() {
        let onward = |text: &str| read(text).map(|(config, _)| config.live.onward);
        assert_eq!(onward("nfq: {mode: accept, repeat-mark: 1}\n"), Ok(Onward::Accept));
        let repeat = "nfq:\n  mode: repeat\n  repeat-mark: 0x13\n  repeat-mask: 0x3\n";
        assert_eq!(onward(repeat), Ok(Onward::Repeat { mark: 3, mask: 3 }));
        assert_eq!(onward("nfq: {mode: route, route-queue: 2}\n"), Ok(Onward::Route(2)));
        for wrong in [
            "nfq: {mode: route}\n",
            "nfq: {mode: route, route-queue: many}\n",
            "nfq: {mode: repeat, repeat-mark: 4, repeat-mask: 3}\n",
            "nfq: {mode: other}\n",
        ] {
            assert!(onward(wrong).is_err(), "{wrong}");
        }
    }
}
