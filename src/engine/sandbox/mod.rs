//! What the process gives up before it looks at anything from outside: capabilities, files, system calls.
//!
//! All of it is inherited by threads, so it is done before there is any. What the kernel does not have is said and done without. Rules
//! are put into the kernel by a process of its own ([`crate::capture::hook::helper`]), which was forked before.
//!
//! Limits: that process, which finds and enters the namespaces of containers too, gives up nothing.

mod calls;
mod capabilities;
mod files;

use std::path::PathBuf;

use rustix::thread::CapabilitySet;

/// What is to be given up, and what is needed.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Keep only the capabilities that are needed.
    pub capabilities: bool,
    /// Touch only files that are named here.
    pub landlock: bool,
    /// Make only system calls that are known to be needed.
    pub seccomp: bool,
    /// Files and folders that are read.
    pub read: Vec<PathBuf>,
    /// Folders in which files are made, written, renamed and removed.
    pub write: Vec<PathBuf>,
    /// Folders in which files are removed.
    pub remove: Vec<PathBuf>,
}

/// Gives it up. The lines are for the log; an error says what could not be given up although the kernel has the means.
pub fn enter(wanted: &Wanted) -> Result<Vec<String>, String> {
    let mut told = Vec::new();
    if wanted.capabilities || wanted.landlock || wanted.seccomp {
        rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
    }
    told.push(match wanted.landlock {
        false => "landlock: not used (security.landlock)".to_owned(),
        true => files::restrict(wanted)?,
    });
    told.push(match wanted.capabilities {
        false => "capabilities: all are kept (security.capabilities)".to_owned(),
        true => capabilities::keep(needed(wanted))?,
    });
    // last: what was done so far needs system calls that are not needed again
    told.push(match wanted.seccomp {
        false => "seccomp: not used (security.seccomp)".to_owned(),
        true => calls::restrict()?,
    });
    Ok(told)
}

/// The capabilities that are needed from here on.
fn needed(wanted: &Wanted) -> CapabilitySet {
    let mut needed = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    // root without it is a user like any other
    if !files::are_own(&wanted.write, true) {
        needed |= CapabilitySet::DAC_OVERRIDE;
    } else if !files::are_own(&wanted.read, false) {
        needed |= CapabilitySet::DAC_READ_SEARCH;
    }
    needed
}
