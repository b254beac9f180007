//! Frames put on an interface as they are, and taken from it.
#![expect(clippy::disallowed_methods, reason = "a live test waits for the kernel and for others")]
#![allow(unsafe_code, reason = "packet sockets have no safe interface")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// A packet socket on one interface of the namespace of the thread that opens it.
pub(crate) struct Raw(OwnedFd);

impl Raw {
    pub(crate) fn open(interface: &str) -> Raw {
        let name = std::ffi::CString::new(interface).expect("a name");
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: plain numbers and a string that ends; the descriptor is ours alone; the address is one of a packet socket
        unsafe {
            let raw = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            assert!(raw >= 0, "{}", io::Error::last_os_error());
            let socket = OwnedFd::from_raw_fd(raw);
            let index = libc::if_nametoindex(name.as_ptr());
            assert!(index > 0, "{interface}: {}", io::Error::last_os_error());
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = protocol;
            address.sll_ifindex = index as i32;
            let len = size_of::<libc::sockaddr_ll>() as u32;
            assert_eq!(
                libc::bind(raw, (&raw const address).cast(), len),
                0,
                "{}",
                io::Error::last_os_error()
            );
            Raw(socket)
        }
    }

    #[track_caller]
    pub(crate) fn send(&self, frame: &[u8]) {
        let sent = rustix::net::send(&self.0, frame, rustix::net::SendFlags::empty());
        assert_eq!(sent.expect("it is sent"), frame.len());
    }

    /// The same where there may be no room for it.
    pub(crate) fn push(&self, frame: &[u8]) {
        let _ = rustix::net::send(&self.0, frame, rustix::net::SendFlags::empty());
    }

    /// The same for many, with one call. How many there was room for.
    pub(crate) fn push_all(&self, frames: &[Vec<u8>]) -> usize {
        let mut parts: Vec<libc::iovec> = frames
            .iter()
            .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                // SAFETY: all zero is a valid message header: no name, no control data
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_iov = part;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        // SAFETY: headers, parts and frames are as many as said and live until the call returns; frames are only read
        let sent = unsafe {
            libc::sendmmsg(self.0.as_raw_fd(), headers.as_mut_ptr(), headers.len() as libc::c_uint, 0)
        };
        usize::try_from(sent).unwrap_or(0)
    }

    /// The next frame that comes in, if one does in that time.
    pub(crate) fn receive(&self, timeout: Duration) -> Option<Vec<u8>> {
        let begun = std::time::Instant::now();
        let mut bytes = vec![0u8; 70_000];
        while begun.elapsed() < timeout {
            let mut address = [rustix::event::PollFd::new(&self.0, rustix::event::PollFlags::IN)];
            let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            if rustix::event::poll(&mut address, Some(&wait)).unwrap_or(0) == 0 {
                continue;
            }
            // SAFETY: room of that length, and for one address
            let (len, address) = unsafe {
                let mut address: libc::sockaddr_ll = std::mem::zeroed();
                let mut address_len = size_of::<libc::sockaddr_ll>() as u32;
                let room = bytes.as_mut_ptr().cast();
                let into = (&raw mut address).cast();
                let len = libc::recvfrom(self.0.as_raw_fd(), room, bytes.len(), 0, into, &mut address_len);
                (len, address)
            };
            if len > 0 && address.sll_pkttype != libc::PACKET_OUTGOING {
                bytes.truncate(len as usize);
                return Some(bytes);
            }
        }
        None
    }
}
