//! The files that replays and runs write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Common;
use super::complain;
use crate::config::Config;
use crate::engine::settings::FileStoreConfig;
use crate::output::{FileStore, LineWriter, WhenFull, WriterOptions};

/// Where logs go; without `--data-dir`, data sets too.
pub(super) fn log_folder(config: &Config, given: Option<&Path>, common: &Common) -> PathBuf {
    given
        .map(Path::to_path_buf)
        .or_else(|| config.default_log_dir.clone().filter(|_| common.config.is_some()))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// The files that are written.
pub(super) struct Outputs {
    pub(super) eve: Option<LineWriter>,
    pub(super) fast: Option<LineWriter>,
    eve_path: String,
    pub(super) folder: PathBuf,
}

impl Outputs {
    /// Opens those that the configuration names.
    pub(super) fn open(
        config: &Config,
        common: &Common,
        folder: &Path,
        append: bool,
        when_full: WhenFull,
    ) -> Result<Self, String> {
        let open = |name: &str| -> Result<LineWriter, String> {
            let mut options = WriterOptions::new(folder.join(name));
            options.append = append;
            options.when_full = when_full;
            LineWriter::open(options).map_err(|error| error.to_string())
        };
        // without a configuration records are wanted all the same: it is what the program is for
        let eve_name = match (config.outputs.eve.first(), &common.config) {
            (Some(eve), _) => Some(eve.file.filename.clone()),
            (None, None) => Some("eve.json".to_owned()),
            (None, Some(_)) => None,
        };
        let eve = eve_name.as_deref().map(&open).transpose()?;
        let fast = config.outputs.fast.as_ref().map(|fast| open(&fast.filename)).transpose()?;
        let eve_path = folder.join(eve_name.as_deref().unwrap_or("eve.json")).display().to_string();
        Ok(Outputs { eve, fast, eve_path, folder: folder.to_path_buf() })
    }

    /// Opens them anew by their names, after they were moved away. What is wrong is told.
    pub(super) fn reopen(&self) -> Vec<String> {
        let all = self.eve.iter().chain(&self.fast);
        all.filter_map(|writer| writer.reopen().err()).map(|error| error.to_string()).collect()
    }

    /// Writes what is left. The answer is where the records are, how many, and how many found no room.
    pub(super) fn close(self) -> Result<Option<(String, u64, u64)>, String> {
        if let Some(fast) = self.fast {
            fast.close().map_err(|error| error.to_string())?;
        }
        match self.eve {
            Some(eve) => {
                let written = eve.close().map_err(|error| error.to_string())?;
                Ok(Some((self.eve_path, written.lines, written.dropped)))
            }
            None => Ok(None),
        }
    }
}

/// The folder for files out of traffic, if the configuration wants one.
pub(super) fn file_store(config: &Config, folder: &Path) -> Result<Option<FileStoreConfig>, String> {
    let Some(section) = &config.outputs.file_store else { return Ok(None) };
    let root = folder.join(&section.dir);
    let store = FileStore::open(&root, section.write_fileinfo).map_err(|error| {
        format!("{}: {error} (give another folder under outputs.file-store.dir)", root.display())
    })?;
    let usual = config.stream.reassembly.depth;
    let depth = section.stream_depth.filter(|depth| usual != 0 && (*depth == 0 || *depth > usual));
    if section.stream_depth.is_some_and(|wanted| wanted != 0 && depth.is_none()) {
        complain(
            "warning: outputs.file-store.stream-depth has no effect: it is less than stream.reassembly.depth",
        );
    }
    Ok(Some(FileStoreConfig { force: section.force_filestore, depth, store: Arc::new(store) }))
}
