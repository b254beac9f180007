//! The network interfaces of this namespace, followed as they come, change and go (rtnetlink, `man 7 rtnetlink`).
//!
//! Only what capture must know of an interface: its name, what kind it is, which bridge it is a port of, and where its peer
//! lives. At most [`LINKS_MAX`] interfaces are known at a time.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with, sockopt,
};

/// Interfaces that are known at a time; further ones are not watched.
pub const LINKS_MAX: usize = 65_536;
/// Room for what the kernel says at once: it fills 32 KiB at most.
const MESSAGES_MAX: usize = 64 << 10;
/// Room in the kernel for what we have yet to read: some thousand changes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Times that a listing is asked for when interfaces change while it is written.
const LISTINGS_MAX: usize = 5;
/// Answers to one listing that are waited for: for longer than the kernel takes for [`LINKS_MAX`].
const LISTING_WAIT: Duration = Duration::from_secs(5);

/// `RTMGRP_LINK`
const GROUP_LINK: u32 = 1;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const REQUEST_DUMP: u16 = 0x301;
/// `NLM_F_DUMP_INTR`
const INTERRUPTED: u16 = 0x10;

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;

const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
/// `IFF_UP`
const UP: u32 = 1;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in this namespace; never given twice while the namespace lives.
    pub index: u32,
    /// Its name; may change.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The interface it belongs to: for a port, the bridge.
    pub master: Option<u32>,
    /// It was told to be up.
    pub up: bool,
    /// The interface at its other end or below it: for a veth, the peer's number in the namespace where that is.
    pub peer: Option<u32>,
    /// Where the peer is, when that is another namespace: the number that this namespace has for it.
    pub peer_namespace: Option<i32>,
}

/// What an interface is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A software bridge.
    Bridge,
    /// One end of a pair: the usual way into a container.
    Veth,
    /// Anything else.
    Other,
}

/// The interfaces of the namespace in which it was opened.
#[derive(Debug)]
pub struct Links {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    links: BTreeMap<u32, Link>,
    sequence: u32,
}

impl Links {
    /// Lists what is there and follows it from now on.
    pub fn open() -> io::Result<Links> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        // less room only means that the list has to be read again sooner
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER));
        bind(&socket, &SocketAddrNetlink::new(0, GROUP_LINK))?;
        let mut links =
            Links { socket, buffer: vec![0; MESSAGES_MAX].into(), links: BTreeMap::new(), sequence: 0 };
        links.list()?;
        Ok(links)
    }

    /// All of them, by number.
    pub fn all(&self) -> &BTreeMap<u32, Link> {
        &self.links
    }

    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The socket that has something to read when something may have changed.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes in what has changed since the last call, without waiting. True if anything did.
    pub fn update(&mut self) -> io::Result<bool> {
        let mut changed = false;
        loop {
            match self.receive() {
                Ok(len) => {
                    let messages = self.buffer.get(..len).unwrap_or_default();
                    for message in Messages(messages) {
                        changed |= apply(&mut self.links, &message);
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(changed),
                Err(rustix::io::Errno::INTR) => {}
                // the kernel had to leave something out: the list is read again
                Err(rustix::io::Errno::NOBUFS) => {
                    self.list()?;
                    changed = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receive(&mut self) -> Result<usize, rustix::io::Errno> {
        recv(&self.socket, &mut *self.buffer, RecvFlags::DONTWAIT).map(|(len, _)| len)
    }

    /// Asks for all interfaces and takes them in.
    pub fn list(&mut self) -> io::Result<()> {
        for _ in 0..LISTINGS_MAX {
            if self.list_once()? {
                return Ok(());
            }
        }
        Err(io::Error::other("interfaces change faster than they can be listed"))
    }

    /// False when the list was torn by a change.
    fn list_once(&mut self) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.links.clear();
        send(&self.socket, &request(RTM_GETLINK, REQUEST_DUMP, self.sequence, &[0; 16]), SendFlags::empty())?;
        let Links { socket, buffer, links, sequence } = self;
        answers(socket.as_fd(), buffer, *sequence, &mut |message| {
            apply(links, message);
        })
    }
}

/// The addresses of a namespace, from wherever they are asked for.
#[derive(Debug)]
pub(super) struct Addresses {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    sequence: u32,
}

impl Addresses {
    /// By a socket of that namespace (rtnetlink).
    pub(super) fn by(socket: OwnedFd) -> io::Result<Addresses> {
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Addresses { socket, buffer: vec![0; MESSAGES_MAX / 4].into(), sequence: 0 })
    }

    /// Those that others may reach it by.
    pub(super) fn list(&mut self) -> io::Result<Vec<IpAddr>> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        send(&self.socket, &request(RTM_GETADDR, REQUEST_DUMP, self.sequence, &[0; 8]), SendFlags::empty())?;
        let mut found = Vec::new();
        answers(self.socket.as_fd(), &mut self.buffer, self.sequence, &mut |message| {
            if message.kind == RTM_NEWADDR {
                found.extend(address(message.body).filter(|address| !address.is_loopback()));
            }
        })?;
        Ok(found)
    }
}

/// The number that this namespace has for another one, which a veth whose peer is there names.
pub(super) fn namespace_number(namespace: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let mut body = vec![0; 4];
    body.extend([8, 0]);
    body.extend(NETNSA_FD.to_ne_bytes());
    body.extend(namespace.as_raw_fd().to_ne_bytes());
    send(&socket, &request(RTM_GETNSID, 1, 1, &body), SendFlags::empty())?;
    let mut number = None;
    let mut buffer = [0; 1024];
    if !wait(socket.as_fd(), LISTING_WAIT)? {
        return Ok(None);
    }
    let (len, _) = recv(&socket, &mut buffer, RecvFlags::DONTWAIT)?;
    for message in Messages(buffer.get(..len).unwrap_or_default()) {
        if message.kind == RTM_NEWNSID {
            let mut attributes = Attributes(message.body.get(4..).unwrap_or_default());
            let told =
                attributes.find(|(kind, _)| *kind == NETNSA_NSID).and_then(|(_, value)| i32_at(value, 0));
            number = told.filter(|number| *number >= 0);
        }
    }
    Ok(number)
}

fn request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut request = (16 + body.len() as u32).to_ne_bytes().to_vec();
    request.extend(kind.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend([0; 4]);
    request.extend(body);
    request
}

/// Takes messages up to the end of the answer to that request. False when it was torn by a change.
fn answers(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    sequence: u32,
    take: &mut dyn FnMut(&Message<'_>),
) -> io::Result<bool> {
    let mut whole = true;
    loop {
        if !wait(socket, LISTING_WAIT)? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer"));
        }
        let len = match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((len, _)) => len,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::NOBUFS) => {
                whole = false;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for message in Messages(buffer.get(..len).unwrap_or_default()) {
            let ours = message.sequence == sequence;
            whole &= !(ours && message.flags & INTERRUPTED != 0);
            match message.kind {
                NLMSG_DONE if ours => return Ok(whole),
                NLMSG_ERROR if ours => {
                    let code = i32_at(message.body, 0).unwrap_or_default();
                    return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                }
                _ => take(&message),
            }
        }
    }
}

/// True when there is something to read.
pub(super) fn wait(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    let mut sockets = [PollFd::new(&socket, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match poll(&mut sockets, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// One netlink message.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'a [u8],
}

/// The messages of one datagram.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let len = u32_at(self.0, 0)? as usize;
        let message = Message {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            sequence: u32_at(self.0, 8)?,
            body: self.0.get(16..len)?,
        };
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes of a message, and those nested in one.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let len = usize::from(u16_at(self.0, 0)?);
        // the upper two bits are flags
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// True if that changed anything.
fn apply(links: &mut BTreeMap<u32, Link>, message: &Message<'_>) -> bool {
    // a bridge tells of its ports too, under its own family: a port that is deleted there has only left the bridge
    if message.body.first() != Some(&0) {
        return false;
    }
    let Some(index) = u32_at(message.body, 4) else { return false };
    match message.kind {
        RTM_NEWLINK => {
            let Some(link) = link(index, message.body) else { return false };
            if links.get(&index) == Some(&link) || (links.len() >= LINKS_MAX && !links.contains_key(&index)) {
                return false;
            }
            links.insert(index, link);
            true
        }
        RTM_DELLINK => links.remove(&index).is_some(),
        _ => false,
    }
}

fn link(index: u32, body: &[u8]) -> Option<Link> {
    let mut link = Link {
        index,
        name: String::new(),
        kind: Kind::Other,
        master: None,
        up: u32_at(body, 8)? & UP != 0,
        peer: None,
        peer_namespace: None,
    };
    for (kind, value) in Attributes(body.get(16..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MASTER => link.master = u32_at(value, 0).filter(|master| *master != 0),
            IFLA_LINK => link.peer = u32_at(value, 0).filter(|peer| *peer != 0),
            IFLA_LINK_NETNSID => link.peer_namespace = i32_at(value, 0).filter(|number| *number >= 0),
            IFLA_LINKINFO => {
                for (kind, value) in Attributes(value) {
                    if kind == IFLA_INFO_KIND {
                        link.kind = match text(value).as_str() {
                            "bridge" => Kind::Bridge,
                            "veth" => Kind::Veth,
                            _ => Kind::Other,
                        };
                    }
                }
            }
            _ => {}
        }
    }
    Some(link)
}

fn address(body: &[u8]) -> Option<IpAddr> {
    let (mut own, mut other) = (None, None);
    for (kind, value) in Attributes(body.get(8..)?) {
        let address = match *value {
            [a, b, c, d] => IpAddr::from([a, b, c, d]),
            _ => match value.first_chunk::<16>() {
                Some(bytes) => IpAddr::from(*bytes),
                None => continue,
            },
        };
        match kind {
            IFA_LOCAL => own = Some(address),
            // of a line between two, the other end
            IFA_ADDRESS => other = Some(address),
            _ => {}
        }
    }
    own.or(other)
}

/// Without the zero at its end.
fn text(value: &[u8]) -> String {
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (value.len() as u16 + 4).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, family: u8, index: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![family, 0, 1, 0];
        body.extend(index.to_ne_bytes());
        body.extend(UP.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(attributes.concat());
        let mut bytes = (body.len() as u32 + 16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    fn veth() -> Vec<u8> {
        let info = [attribute(IFLA_INFO_KIND, b"veth"), attribute(2, &[0; 8])].concat();
        message(
            RTM_NEWLINK,
            0,
            7,
            &[
                attribute(IFLA_IFNAME, b"veth1\0"),
                attribute(IFLA_LINK, &2u32.to_ne_bytes()),
                attribute(IFLA_MASTER, &3u32.to_ne_bytes()),
                attribute(IFLA_LINKINFO | 0x8000, &info),
                attribute(IFLA_LINK_NETNSID, &4i32.to_ne_bytes()),
            ],
        )
    }

    fn applied(bytes: &[u8]) -> (BTreeMap<u32, Link>, Vec<bool>) {
        let mut links = BTreeMap::new();
        let changed = Messages(bytes).map(|message| apply(&mut links, &message)).collect();
        (links, changed)
    }

    #[test]
    fn an_interface_is_read() {
        let (links, changed) = applied(&[veth(), veth()].concat());
        assert_eq!(changed, [true, false], "the same again is no change");
        let expected = Link {
            index: 7,
            name: "veth1".into(),
            kind: Kind::Veth,
            master: Some(3),
            up: true,
            peer: Some(2),
            peer_namespace: Some(4),
        };
        assert_eq!(links[&7], expected);
    }

    #[test]
    fn a_port_that_leaves_its_bridge_stays_an_interface() {
        let left = message(RTM_DELLINK, 7, 7, &[]);
        assert_eq!(applied(&[veth(), left].concat()).1, [true, false]);
        let gone = message(RTM_DELLINK, 0, 7, &[]);
        let (links, changed) = applied(&[veth(), gone].concat());
        assert!(links.is_empty() && changed == [true, true]);
    }

    #[test]
    fn what_is_cut_or_wrong_is_left_out() {
        let whole = veth();
        for end in 0..whole.len() {
            let _ = applied(&whole[..end]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                let _ = applied(&bent);
            }
        }
    }

    #[test]
    fn own_addresses_are_read() {
        let line = [attribute(IFA_ADDRESS, &[10, 0, 0, 2]), attribute(IFA_LOCAL, &[10, 0, 0, 1])].concat();
        assert_eq!(address(&[&[0; 8][..], &line].concat()), Some(IpAddr::from([10, 0, 0, 1])));
        let v6 = attribute(IFA_ADDRESS, &[0xfd; 16]);
        assert_eq!(address(&[&[0; 8][..], &v6].concat()), Some(IpAddr::from([0xfd; 16])));
        assert_eq!(address(&[0; 8]), None);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None);
        assert!(Addresses::by(socket.expect("a socket")).expect("addresses").list().is_ok());
    }

    #[test]
    fn the_loopback_of_this_namespace_is_there() {
        let links = Links::open().expect("anyone may list interfaces");
        let loopback = links.named("lo").expect("lo");
        assert_eq!((loopback.index, loopback.kind, loopback.master), (1, Kind::Other, None));
    }
}
