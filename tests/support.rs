//! What tests share.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Says that a test cannot run here, and why. `tests/run` prints the reasons; with `CI=true` it fails for them.
pub(crate) fn skip(test: &str, reason: &str) {
    if let Some(log) = std::env::var_os("MAMPARO_SKIPS") {
        let mut log =
            std::fs::OpenOptions::new().create(true).append(true).open(log).expect("the log of skips");
        writeln!(log, "{test}: {reason}").expect("the log of skips");
    }
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}

/// A directory of its own, removed at the end.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mamparo-test-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
