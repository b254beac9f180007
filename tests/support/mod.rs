//! What tests share: the engine over frames in memory, frames to be changed, the binary, folders of their own.

pub(crate) mod binary;
pub(crate) mod docker;
pub(crate) mod engine;
pub(crate) mod frames;
pub(crate) mod lab;
pub(crate) mod netns;
pub(crate) mod raw;
pub(crate) mod running;

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

/// A path under the root of the project.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every capture in `pcaps/`, by name.
pub(crate) fn captures() -> Vec<PathBuf> {
    let found = mamparo::capture::files::expand(&[root("pcaps")]).expect("pcaps/ has captures");
    assert!(found.len() >= 30, "{} captures", found.len());
    found
}

/// Numbers that are the same in every run: xorshift64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One below `bound`; 0 for none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}
