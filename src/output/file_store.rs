//! Files out of traffic, in a folder: each under the SHA-256 of its bytes, `DIR/ab/abcdef…`, once however often it is seen.
//!
//! What is written, and its name, is the same for any number of workers and any order (of the records beside files the last part of
//! the name, a number, tells the order in which files were stored). A file is written under
//! `DIR/tmp` and then renamed: what stands under a digest is whole. Names are hexadecimal digits alone, so nothing is ever
//! written outside the folder. A fault (a full disk) is counted and told once; traffic goes on.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder of files.
#[derive(Debug)]
pub struct FileStore {
    root: PathBuf,
    write_fileinfo: bool,
    stored: AtomicU64,
    errors: AtomicU64,
    /// For names under `tmp`.
    next: AtomicU64,
    /// Files that have a number.
    numbered: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl FileStore {
    /// Makes the folder when it is missing. With `write_fileinfo` a record goes beside each file.
    pub fn open(root: &Path, write_fileinfo: bool) -> io::Result<Self> {
        fs::create_dir_all(root.join("tmp"))?;
        Ok(FileStore {
            root: root.to_owned(),
            write_fileinfo,
            stored: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            next: AtomicU64::new(0),
            numbered: AtomicU64::new(0),
            fault: Mutex::new(None),
        })
    }

    /// Stores a file; true when it is there now.
    pub fn store(&self, sha256: &[u8; 32], bytes: &[u8]) -> bool {
        let name = hex(sha256);
        let result = self.write(&name, &name, |file| file.write_all(bytes));
        self.count(result, &name)
    }

    /// The number of a file that was stored, from 1.
    pub fn number(&self) -> u64 {
        self.numbered.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Puts a record beside a stored file, if that is wanted.
    pub fn info(&self, sha256: &[u8; 32], seconds: u64, file_id: u64, line: &[u8]) {
        if !self.write_fileinfo {
            return;
        }
        let digest = hex(sha256);
        let name = format!("{digest}.{seconds}.{file_id}.json");
        let result = self.write(&digest, &name, |file| file.write_all(line));
        self.count(result, &name);
    }

    /// Files that were stored, those that were there before included, and faults.
    pub fn counts(&self) -> (u64, u64) {
        (self.stored.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }

    /// The first fault, with where and why.
    pub fn fault(&self) -> Option<String> {
        self.fault.lock().map_or(None, |fault| fault.clone())
    }

    fn count(&self, result: io::Result<bool>, name: &str) -> bool {
        match result {
            Ok(new) => {
                self.stored.fetch_add(u64::from(new), Ordering::Relaxed);
                true
            }
            Err(error) => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                if let Ok(mut fault) = self.fault.lock() {
                    fault.get_or_insert_with(|| {
                        format!("file-store {}: {name}: {error}", self.root.display())
                    });
                }
                false
            }
        }
    }

    /// Writes `DIR/ab/NAME`, `ab` being the first digits of the digest; false when it is there already.
    fn write(
        &self,
        digest: &str,
        name: &str,
        write: impl FnOnce(&mut fs::File) -> io::Result<()>,
    ) -> io::Result<bool> {
        let folder = self.root.join(digest.get(..2).unwrap_or("00"));
        let path = folder.join(name);
        if path.exists() {
            return Ok(false);
        }
        fs::create_dir_all(&folder)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.root.join("tmp").join(format!("{}.{number}", std::process::id()));
        let written = fs::File::create(&temporary).and_then(|mut file| write(&mut file));
        let moved = written.and_then(|()| fs::rename(&temporary, &path));
        if moved.is_err() {
            // what is half written is of no use; that it cannot be removed either is the same fault
            let _ = fs::remove_file(&temporary);
        }
        moved.map(|()| true)
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(digest.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mamparo-file-store-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn files_are_stored_once_and_whole() {
        let root = folder("whole");
        let store = FileStore::open(&root, true).unwrap();
        let digest = [0xab; 32];
        assert!(store.store(&digest, b"bytes") && store.store(&digest, b"bytes"));
        store.info(&digest, 7, 9, b"{}");
        let name = "ab".repeat(32);
        assert_eq!(fs::read(root.join("ab").join(&name)).unwrap(), b"bytes");
        assert_eq!(fs::read(root.join("ab").join(format!("{name}.7.9.json"))).unwrap(), b"{}");
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
        assert_eq!(store.counts(), (2, 0));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_fault_is_counted_and_told_once() {
        let root = folder("fault");
        let store = FileStore::open(&root, false).unwrap();
        fs::remove_dir_all(&root).unwrap();
        fs::write(&root, b"in the way").unwrap();
        assert!(!store.store(&[1; 32], b"x") && !store.store(&[2; 32], b"x"));
        assert_eq!(store.counts(), (0, 2));
        assert!(store.fault().unwrap().contains("0101"));
        fs::remove_file(&root).unwrap();
    }
}
