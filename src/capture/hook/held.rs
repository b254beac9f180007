//! The addresses of containers that are held, told to the kernel within each container: what goes to one of them is looked at
//! where it comes in, and need not be queued where it leaves (`linux/netfilter/nf_tables.h`, `nfnetlink.h`).
//!
//! They stand in two sets of nftables, filled by netlink: that is no program to be started, which would be one for each container
//! whenever another comes or goes. Chains of iptables cannot look into a set: there a table of ours marks what need not be queued.
//! Where there is no such table, or no room, packets are queued at both ends and the worker lets those go on that are looked at
//! elsewhere.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::run;
use crate::capture::namespaces::{self, Netlink};

/// Of a version of IP each: the name of the set.
const SETS: [&str; 2] = ["held4", "held6"];
/// The tables that may have them: that which queues, or one that marks beside iptables.
const TABLES: [&str; 2] = ["mamparo", "mamparo_held"];
/// The mark that the latter gives: one bit.
pub(super) const MARK: u32 = 0x1000_0000;
/// Addresses that are told to the kernel, at most: a message holds no more.
const ADDRESSES_MAX: usize = 2000;

/// Subsystem of nfnetlink, in the upper byte of a message type.
const NFTABLES: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_ELEMENTS: u16 = NFTABLES | 12;
const DELETE_ELEMENTS: u16 = NFTABLES | 14;
const ERROR: u16 = 2;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;

/// `NFPROTO_INET`
const INET: u8 = 1;

const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const DATA_VALUE: u16 = 1;
const NESTED: u16 = 0x8000;

/// A way to the sets of one container.
pub(in crate::capture) struct Held(OwnedFd);

impl Held {
    /// To those in that network namespace.
    pub(in crate::capture) fn open(namespace: &File) -> io::Result<Held> {
        namespaces::socket(namespace, Netlink::Netfilter).map(Held)
    }

    /// Puts these addresses in place of those that are there; none where there are too many.
    ///
    /// # Errors
    /// The kernel's, when there is no such set, too: then nothing has changed.
    pub(in crate::capture) fn tell<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a IpAddr>,
    ) -> io::Result<()> {
        let addresses: Vec<&IpAddr> = addresses.into_iter().collect();
        let [queueing, marking] = TABLES;
        self.send(&batch(queueing, &addresses)).or_else(|_| self.send(&batch(marking, &addresses)))
    }

    fn send(&self, batch: &[u8]) -> io::Result<()> {
        send(&self.0, batch, SendFlags::empty())?;
        // the kernel has answered before it returns
        let mut room = [0; 8192];
        let mut refused = None;
        while let Ok((len, _)) = recv(&self.0, &mut room[..], RecvFlags::DONTWAIT) {
            refused = refused.or(error(room.get(..len).unwrap_or_default()));
        }
        refused.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
    }
}

/// The sets, as a table of nft has them.
pub(super) fn sets() -> String {
    let [v4, v6] = SETS;
    format!("  set {v4} {{ type ipv4_addr; }}\n  set {v6} {{ type ipv6_addr; }}\n")
}

/// Rules of nft: what goes to one of them has that done to it.
pub(super) fn to(what: &str) -> String {
    let [v4, v6] = SETS;
    format!("    ip daddr @{v4} {what}\n    ip6 daddr @{v6} {what}\n")
}

/// Puts the table in that marks what goes out to one of them, beside rules that cannot look into a set. Nothing else has that mark
/// behind it: a container may have given it to what it sends.
pub(super) fn put_marks() -> Result<(), String> {
    let [_, table] = TABLES;
    let (sets, marked) = (sets(), to(&format!("meta mark set meta mark or {MARK:#x}")));
    let text = format!(
        "add table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n{sets}  chain output {{\n    type filter hook output priority -151; policy accept;\n    meta mark set meta mark and {:#x}\n{marked}  }}\n}}\n",
        !MARK
    );
    run("nft", &["-f", "-"], &text).map(|_| ())
}

/// Takes it out; none is no error.
pub(super) fn remove_marks() {
    let [_, table] = TABLES;
    let _ = run("nft", &["-f", "-"], &format!("add table inet {table}\ndelete table inet {table}\n"));
}

/// What of it is there, without what stands in the sets.
pub(super) fn marks() -> String {
    let [_, table] = TABLES;
    run("nft", &["-t", "list", "table", "inet", table], "").unwrap_or_default()
}

/// What the kernel says is wrong, in what was received at once.
fn error(mut bytes: &[u8]) -> Option<i32> {
    while let Some(head) = bytes.first_chunk::<20>() {
        let word = |at: usize| head.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word));
        let len = usize::try_from(word(0)?).ok()?;
        let kind = u16::from_ne_bytes([head[4], head[5]]);
        let code = word(16)? as i32;
        if kind == ERROR && code != 0 {
            return Some(code.wrapping_neg());
        }
        bytes = bytes.get(len.max(20).next_multiple_of(4)..)?;
    }
    None
}

/// All or nothing: both sets are emptied and filled.
fn batch(table: &str, addresses: &[&IpAddr]) -> Vec<u8> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => v4.push(address.octets().to_vec()),
            IpAddr::V6(address) => v6.push(address.octets().to_vec()),
        }
    }
    let mut bytes = message(BATCH_BEGIN, REQUEST, (0, 10), &[]);
    for (set, keys) in SETS.iter().zip([v4, v6]) {
        let place = [name(LIST_TABLE, table), name(LIST_SET, set)];
        bytes.extend(message(DELETE_ELEMENTS, REQUEST | ACK, (INET, 0), &place));
        if !keys.is_empty() && keys.len() <= ADDRESSES_MAX {
            let element = |key: &Vec<u8>| {
                let key = attribute(ELEMENT_KEY | NESTED, &attribute(DATA_VALUE, key));
                attribute(LIST_ELEMENT | NESTED, &key)
            };
            let elements =
                attribute(LIST_ELEMENTS | NESTED, &keys.iter().flat_map(element).collect::<Vec<u8>>());
            let [table, set] = place;
            bytes.extend(message(NEW_ELEMENTS, REQUEST | ACK | CREATE, (INET, 0), &[table, set, elements]));
        }
    }
    bytes.extend(message(BATCH_END, REQUEST, (0, 10), &[]));
    bytes
}

/// A message of nfnetlink: its family and resource, and attributes.
fn message(kind: u16, flags: u16, (family, resource): (u8, u16), attributes: &[Vec<u8>]) -> Vec<u8> {
    let body: Vec<u8> = attributes.concat();
    let mut bytes = Vec::with_capacity(20 + body.len());
    bytes.extend((20 + body.len() as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // number and sender
    bytes.extend([0; 8]);
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn name(kind: u16, name: &str) -> Vec<u8> {
    attribute(kind, &[name.as_bytes(), b"\0"].concat())
}

/// An attribute, with what makes its length a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = 4 + value.len();
    let mut bytes = Vec::with_capacity(len.next_multiple_of(4));
    bytes.extend((len as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(len.next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fit_into_a_message_and_more_are_not_told() {
        let all: Vec<IpAddr> = (0..=ADDRESSES_MAX).map(|n| IpAddr::V6(u128::from(n as u64).into())).collect();
        let batch = |count: usize| batch(TABLES[0], &all.iter().take(count).collect::<Vec<_>>());
        let bytes = batch(ADDRESSES_MAX);
        // four messages are there in any case
        assert_eq!(batch(0).len(), 2 * 20 + 2 * (20 + 12 + 12));
        assert_eq!(bytes.len(), batch(0).len() + 20 + 12 + 12 + 4 + ADDRESSES_MAX * 28);
        assert_eq!(batch(ADDRESSES_MAX + 1).len(), batch(0).len());
        assert!(u16::try_from(4 + ADDRESSES_MAX * 28).is_ok(), "the length of an attribute");
    }

    #[test]
    fn what_the_kernel_refuses_is_found_among_what_it_takes() {
        let answer = |code: i32| {
            let mut bytes = message(ERROR, 0, (0, 0), &[vec![0; 16]]);
            bytes[16..20].copy_from_slice(&code.to_ne_bytes());
            bytes
        };
        assert_eq!(error(&[answer(0), answer(0)].concat()), None);
        assert_eq!(error(&[answer(0), answer(-2)].concat()), Some(2));
        for len in 0..36 {
            assert_eq!(error(&answer(-2)[..len]), (len >= 20).then_some(2), "{len}");
        }
        assert_eq!(error(&[0; 64]), None);
        assert_eq!(error(&[0xff; 64]), None);
    }
}
