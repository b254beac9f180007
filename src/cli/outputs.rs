//! The files that replays and runs write.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Common;
use super::complain;
use crate::config::{Config, EveTypes};
use crate::engine::collector::EveFile;
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
    /// Each with the event types that it gets; `None` for all.
    eve: Vec<(LineWriter, Option<Vec<String>>)>,
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
        let mut eve = Vec::new();
        let several = config.outputs.eve.len() > 1;
        for section in &config.outputs.eve {
            eve.push((open(&section.file.filename)?, several.then(|| event_types(&section.types))));
        }
        if eve.is_empty() && common.config.is_none() {
            eve.push((open("eve.json")?, None));
        }
        let fast = config.outputs.fast.as_ref().map(|fast| open(&fast.filename)).transpose()?;
        let name = config.outputs.eve.first().map_or("eve.json", |section| &section.file.filename);
        let eve_path = folder.join(name).display().to_string();
        Ok(Outputs { eve, fast, eve_path, folder: folder.to_path_buf() })
    }

    /// For records.
    pub(super) fn records(&self) -> Vec<EveFile> {
        let file = |(writer, wanted): &(LineWriter, Option<Vec<String>>)| EveFile {
            sender: writer.sender(),
            wanted: wanted.clone(),
        };
        self.eve.iter().map(file).collect()
    }

    /// Opens them anew by their names, after they were moved away. What is wrong is told.
    pub(super) fn reopen(&self) -> Vec<String> {
        let all = self.eve.iter().map(|(writer, _)| writer).chain(&self.fast);
        all.filter_map(|writer| writer.reopen().err()).map(|error| error.to_string()).collect()
    }

    /// Writes what is left. The answer is where the records are (the first file of several), how many, and how many found no room.
    pub(super) fn close(self) -> Result<Option<(String, u64, u64)>, String> {
        if let Some(fast) = self.fast {
            fast.close().map_err(|error| error.to_string())?;
        }
        if self.eve.is_empty() {
            return Ok(None);
        }
        let (mut lines, mut dropped) = (0, 0);
        for (eve, _) in self.eve {
            let written = eve.close().map_err(|error| error.to_string())?;
            lines += written.lines;
            dropped += written.dropped;
        }
        Ok(Some((self.eve_path, lines, dropped)))
    }
}

/// The event types of the records that a file gets.
fn event_types(types: &EveTypes) -> Vec<String> {
    let mut wanted: Vec<&str> = [
        ("alert", types.alert.is_some()),
        // what rules tag
        ("packet", types.alert.as_ref().is_some_and(|alert| alert.tagged_packets)),
        ("anomaly", types.anomaly.is_some()),
        ("drop", types.drop.is_some()),
        ("fileinfo", types.files.is_some()),
        ("flow", types.flow),
        ("netflow", types.netflow),
        ("stats", types.stats.is_some()),
        ("frame", types.protocol("frame").is_some()),
    ]
    .iter()
    .filter_map(|(name, wanted)| wanted.then_some(*name))
    .collect();
    let logged = |entry: &&crate::detect::ProtocolEntry| types.protocol(entry.protocol.logger()).is_some();
    wanted.extend(crate::protocols::ALL.iter().filter(logged).map(|entry| entry.protocol.event_type()));
    wanted.into_iter().map(str::to_owned).collect()
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
