//! What rules look up outside themselves, read from where the configuration says, and data sets written back at the end.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::PathElement;

use crate::config::Config;
use crate::detect::reputation::{BadLine, Builder, Reputation};
use crate::detect::sets::{DataSet, Sets, text};
use crate::detect::tables::{Countries, Files, Tables};

/// Bytes of one file beyond which it is refused.
const FILE_MAX: u64 = 4 << 30;

/// Reads from the disk.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = std::fs::File::open(path)?;
        let size = file.metadata().map_or(0, |meta| meta.len());
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(FILE_MAX)).unwrap_or(0));
        file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than {FILE_MAX} bytes"),
            ));
        }
        Ok(bytes)
    }
}

/// A database in MaxMind's format.
#[derive(Debug)]
struct Database(maxminddb::Reader<Vec<u8>>);

impl Countries for Database {
    fn country(&self, address: IpAddr) -> Option<[u8; 2]> {
        const PATH: &[PathElement<'_>] = &[PathElement::Key("country"), PathElement::Key("iso_code")];
        let code: &str = self.0.lookup(address).ok()?.decode_path(PATH).ok()??;
        <[u8; 2]>::try_from(code.as_bytes()).ok()
    }
}

/// Countries from the bytes of a database in MaxMind's format.
pub fn countries(bytes: Vec<u8>) -> Result<Arc<dyn Countries>, String> {
    match maxminddb::Reader::from_source(bytes) {
        Ok(reader) => Ok(Arc::new(Database(reader))),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads what the configuration names; the second part is what is wrong with it, ready to be shown.
pub fn read(config: &Config, data_dir: &Path) -> (Tables, Vec<String>) {
    let mut faults = Vec::new();
    let reputation = reputation(config, &mut faults);
    let countries = match &config.geoip_database {
        None => Err("no database is configured".to_owned()),
        Some(path) => Disk
            .read(path)
            .map_err(|error| error.to_string())
            .and_then(countries)
            .map_err(|error| format!("{}: {error}", path.display())),
    };
    let mut sets = config.datasets.settings.clone();
    sets.data_dir = data_dir.to_path_buf();
    let defined = config.datasets.defined.clone();
    (Tables { sets, defined, files: Box::new(Disk), reputation, countries }, faults)
}

fn reputation(config: &Config, faults: &mut Vec<String>) -> Option<Arc<Reputation>> {
    let Some(categories) = &config.reputation_categories_file else {
        if !config.reputation_files.is_empty() {
            faults.push(
                "reputation-files have no effect without reputation-categories-file, which names their categories"
                    .to_owned(),
            );
        }
        return None;
    };
    let mut builder = Builder::default();
    let mut file = |path: &Path, key: &str, read: &mut dyn FnMut(&[u8]) -> Vec<BadLine>| match Disk.read(path)
    {
        Ok(bytes) => {
            let bad = read(&bytes);
            if let Some(first) = bad.first() {
                faults.push(format!(
                    "{}: {} lines are left out, the first is line {}, {}",
                    path.display(),
                    bad.len(),
                    first.line,
                    first.message
                ));
            }
        }
        Err(error) => faults.push(format!("{}: {error} (give the right path under {key})", path.display())),
    };
    file(categories, "reputation-categories-file", &mut |bytes| builder.categories(bytes));
    let folder = config.reputation_path.clone().unwrap_or_default();
    for name in &config.reputation_files {
        file(&folder.join(name), "reputation-files", &mut |bytes| builder.list(bytes));
    }
    Some(Arc::new(builder.build()))
}

/// Writes the sets that are to be saved; what could not be written is told.
pub fn save(sets: &Sets) -> Vec<String> {
    let mut faults = Vec::new();
    for set in sets.all() {
        if let Some(path) = set.save_path()
            && let Err(error) = save_one(set, path)
        {
            faults.push(format!(
                "set '{}' could not be saved to {}: {error} (--data-dir names a folder that can be written to)",
                set.name(),
                path.display()
            ));
        }
    }
    faults
}

/// Beside its file and then in its place: the file is the old one or the new one, whole.
fn save_one(set: &DataSet, path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it is no file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let (temporary, mut file) = temporary(folder, &name.to_string_lossy())?;
    let written = set
        .with(|table| text::write(set.kind(), table, &mut |lines| file.write_all(lines.as_bytes())))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// A new file in that folder, which nobody else writes to.
fn temporary(folder: &Path, name: &str) -> io::Result<(PathBuf, std::fs::File)> {
    const TRIES: u32 = 100;
    let process = std::process::id();
    for nth in 0..TRIES {
        let path = folder.join(format!(".{name}.{process}.{nth}.new"));
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "too many files of runs that were cut off lie beside it",
    ))
}

/// What is told of sets that were too small.
pub fn overflows(sets: &Sets) -> Vec<String> {
    let full = sets.all().iter().filter(|set| set.refused() > 0);
    full.map(|set| {
        format!(
            "warning: set '{}' is full: {} values found no room in its {} bytes (raise its memcap)",
            set.name(),
            set.refused(),
            set.memcap()
        )
    })
    .collect()
}

#[cfg(test)]
mod tests;
