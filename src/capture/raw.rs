//! Sends packets of our own making: resets and errors that tell the ends of a rejection. They leave as if the host had made them
//! and do not come by our own hook.
#![allow(
    unsafe_code,
    reason = "raw sockets, which the standard library has no words for; each block says why it is sound"
)]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Raw sockets for both families.
pub struct RawSender {
    v4: Option<OwnedFd>,
    v6: Option<OwnedFd>,
}

impl RawSender {
    /// Opens them. Of a family that the kernel does not have, nothing can be sent.
    pub fn open() -> io::Result<Self> {
        let v4 = raw(libc::AF_INET)?;
        Ok(RawSender { v4: Some(v4), v6: raw(libc::AF_INET6).ok() })
    }

    /// Sends a packet, from its IP header on.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => {
                let to: [u8; 4] = field(packet, 16)?;
                // SAFETY: all zero is a valid address of this family's kind.
                let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
                address.sin_family = libc::AF_INET as libc::sa_family_t;
                address.sin_addr.s_addr = u32::from(Ipv4Addr::from(to)).to_be();
                send(self.v4.as_ref(), packet, &address)
            }
            Some(6) => {
                let to: [u8; 16] = field(packet, 24)?;
                // SAFETY: all zero is a valid address of this family's kind.
                let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
                address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                address.sin6_addr.s6_addr = Ipv6Addr::from(to).octets();
                send(self.v6.as_ref(), packet, &address)
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

fn field<const N: usize>(packet: &[u8], at: usize) -> io::Result<[u8; N]> {
    packet.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(io::ErrorKind::InvalidInput.into())
}

fn raw(family: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointer is passed; the answer is checked before it becomes a descriptor.
    let fd = unsafe { libc::socket(family, kind, libc::IPPROTO_RAW) };
    // SAFETY: a descriptor that is not negative was just opened and belongs to nobody else.
    unsafe { (fd >= 0).then(|| OwnedFd::from_raw_fd(fd)) }.ok_or_else(io::Error::last_os_error)
}

fn send<A>(socket: Option<&OwnedFd>, packet: &[u8], address: &A) -> io::Result<()> {
    let socket = socket.ok_or(io::ErrorKind::Unsupported)?;
    // SAFETY: the pointers and lengths describe `packet` and `address`, which outlive the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            libc::MSG_NOSIGNAL,
            std::ptr::from_ref(address).cast(),
            std::mem::size_of::<A>() as libc::socklen_t,
        )
    };
    if sent >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
