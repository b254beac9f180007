//! What rules look up outside themselves: data sets, reputation, countries.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::reputation::Reputation;
use super::sets;

/// Reads files that rules name. Who loads rules brings it: nothing here touches the disk.
pub trait Files: Send + Sync {
    /// All of a file; what is larger than anyone can want is an error.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// No file can be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::new(io::ErrorKind::NotFound, "no file is read here"))
    }
}

/// Tells the country of an address, as two capital letters.
pub trait Countries: Send + Sync + fmt::Debug {
    /// Its country, if it is known.
    fn country(&self, address: std::net::IpAddr) -> Option<[u8; 2]>;
}

/// Everything that rules look up outside themselves.
pub struct Tables {
    /// `datasets`
    pub sets: sets::Settings,
    /// Sets of the configuration.
    pub defined: Vec<sets::Wanted>,
    /// For files that rules name.
    pub files: Box<dyn Files>,
    /// Categories and lists, where the configuration has them.
    pub reputation: Option<Arc<Reputation>>,
    /// Countries; else why there are none.
    pub countries: Result<Arc<dyn Countries>, String>,
}

impl Default for Tables {
    /// Nothing is there.
    fn default() -> Self {
        Tables {
            sets: sets::Settings::default(),
            defined: Vec::new(),
            files: Box::new(NoFiles),
            reputation: None,
            countries: Err("no database is configured".to_owned()),
        }
    }
}
