//! The network namespaces of the containers of this host, and work done within them.
//!
//! A container is a namespace that a veth of ours leads to. It is found through the processes in it, or by the name that it has
//! under `/run`; a namespace with neither is not found (nobody is in it, and we would be what keeps it alive).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::links::{Kind, Link, Links, namespace_number};

/// Namespaces that are known at a time.
const NAMESPACES_MAX: usize = 4096;
/// Where namespaces have names: `ip netns`, CNI; Docker.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// A container.
#[derive(Debug)]
pub(super) struct Found {
    /// The namespace's own number (inode): no other has it while this lives.
    pub(super) inode: u64,
    pub(super) file: File,
    /// The veth that leads to it, here.
    pub(super) link: String,
}

/// Numbers that this namespace has for others; asked once for each.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<u64, Option<i32>>);

/// The containers that are there now, by inode.
pub(super) fn scan(links: &Links, numbers: &mut Numbers) -> BTreeMap<u64, Found> {
    let mut found = BTreeMap::new();
    let own = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |own| own.ino());
    let leads: HashMap<i32, &Link> = links
        .all()
        .values()
        .filter(|link| link.kind == Kind::Veth)
        .filter_map(|link| Some((link.peer_namespace?, link)))
        .collect();
    if leads.is_empty() {
        return found;
    }
    let mut seen = HashSet::new();
    for path in paths() {
        // a process may have ended, and one of another user may not be looked at
        let Ok(about) = std::fs::metadata(&path) else { continue };
        let inode = about.ino();
        if inode == own || seen.len() >= NAMESPACES_MAX || !seen.insert(inode) {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        // numbers are given when a veth first leads there: none is asked for again
        let known = numbers.0.get(&inode).copied().flatten();
        let number = known.or_else(|| namespace_number(file.as_fd()).ok().flatten());
        numbers.0.insert(inode, number);
        if let Some(link) = number.and_then(|number| leads.get(&number)) {
            found.insert(inode, Found { inode, file, link: link.name.clone() });
        }
    }
    numbers.0.retain(|inode, _| seen.contains(inode));
    found
}

fn paths() -> impl Iterator<Item = PathBuf> {
    let entries = |folder: &'static str| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let processes = entries("/proc").filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.parse::<u32>().ok()?;
        Some(entry.path().join("ns/net"))
    });
    NAMED.iter().flat_map(move |folder| entries(folder)).map(|entry| entry.path()).chain(processes)
}

/// Does that in a thread of its own within the namespace: what is opened there stays there.
pub(super) fn within<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("within".to_owned()).spawn_scoped(
            scope,
            || -> io::Result<T> {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            },
        )?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
