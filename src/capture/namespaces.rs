//! The network namespaces of the containers of this host, and work done within them.
//!
//! A container is a namespace that a veth of ours leads to. It is found through the processes in it, or by the name that it has
//! under `/run`; a namespace with neither is not found (nobody is in it, and we would be what keeps it alive).
//!
//! To look for them and to enter them takes rights that come close to all there are. So it is the process that puts rules into the
//! kernel ([`super::hook::helper`]) which does so, where there is one, and hands over what it has opened.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::{Deserialize, Serialize};

use super::hook::helper;
use super::links::{Kind, Link, Links, namespace_number};

/// Namespaces that are known at a time.
const NAMESPACES_MAX: usize = 4096;
/// Where namespaces have names: `ip netns`, CNI; Docker.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The namespace's own number (inode): no other has it while this lives.
    pub(super) inode: u64,
    /// The veth that leads to it, here.
    pub(super) link: String,
    /// Its number.
    pub(super) index: u32,
}

/// What is opened within a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Netlink {
    /// For its packet queues.
    Netfilter,
    /// For its addresses.
    Route,
}

/// What is known of namespaces from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    /// Numbers that this namespace has for others, by inode; asked once for each.
    numbers: HashMap<u64, Option<i32>>,
    /// Where those are that were found at the last look.
    paths: HashMap<u64, PathBuf>,
}

/// The containers that are there now, by inode.
pub(super) fn scan(links: &Links, namespaces: &mut Namespaces) -> io::Result<BTreeMap<u64, Found>> {
    let leads: BTreeMap<i32, &Link> = links
        .all()
        .values()
        .filter(|link| link.kind == Kind::Veth)
        .filter_map(|link| Some((link.peer_namespace?, link)))
        .take(NAMESPACES_MAX)
        .collect();
    if leads.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted: Vec<i32> = leads.keys().copied().collect();
    let here = match helper::namespaces(&wanted) {
        Some(asked) => asked?,
        None => namespaces.list(&wanted),
    };
    let found = here.into_iter().filter_map(|(inode, number)| {
        let link = leads.get(&number)?;
        Some((inode, Found { inode, link: link.name.clone(), index: link.index }))
    });
    Ok(found.collect())
}

/// One that was found.
pub(super) fn open(inode: u64, namespaces: &Namespaces) -> io::Result<File> {
    helper::namespace(inode).unwrap_or_else(|| namespaces.open(inode))
}

/// A socket within it.
pub(super) fn socket(namespace: &File, kind: Netlink) -> io::Result<OwnedFd> {
    helper::socket(namespace, kind).unwrap_or_else(|| socket_within(namespace, kind))
}

impl Namespaces {
    /// The namespaces that are there and have one of those numbers here.
    pub(super) fn list(&mut self, wanted: &[i32]) -> Vec<(u64, i32)> {
        let own = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |own| own.ino());
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        self.paths.clear();
        for path in paths() {
            // a process may have ended, and one of another user may not be looked at
            let Ok(about) = std::fs::metadata(&path) else { continue };
            let inode = about.ino();
            if inode == own || seen.len() >= NAMESPACES_MAX || !seen.insert(inode) {
                continue;
            }
            // numbers are given when a veth first leads there: none is asked for again
            let known = self.numbers.get(&inode).copied().flatten();
            let number = known.or_else(|| namespace_number(File::open(&path).ok()?.as_fd()).ok().flatten());
            self.numbers.insert(inode, number);
            if let Some(number) = number.filter(|number| wanted.contains(number)) {
                found.push((inode, number));
                self.paths.insert(inode, path);
            }
        }
        self.numbers.retain(|inode, _| seen.contains(inode));
        found
    }

    /// The one of that number, as it was found at the last look.
    pub(super) fn open(&self, inode: u64) -> io::Result<File> {
        let path = self.paths.get(&inode).ok_or(io::ErrorKind::NotFound)?;
        let file = File::open(path)?;
        // another process may have the number of one that has ended
        match file.metadata()?.ino() == inode {
            true => Ok(file),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// The same in this process.
pub(super) fn socket_within(namespace: &File, kind: Netlink) -> io::Result<OwnedFd> {
    let protocol = match kind {
        Netlink::Netfilter => Some(netlink::NETFILTER),
        Netlink::Route => None,
    };
    let opened = within(namespace, || {
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
    })?;
    Ok(opened?)
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
