//! The netlink socket of a queue: opened, read many messages at a time, written.
#![allow(
    unsafe_code,
    reason = "system calls that the standard library has no words for; each block says why it is sound"
)]

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// Bytes of the largest message: a packet of 64 KiB with its attributes.
const SLOT: usize = 68 << 10;

/// A netlink socket to the packet queue.
pub(super) struct Socket {
    fd: OwnedFd,
    timeout: Duration,
}

/// Messages as they were received, one a slot.
pub(super) struct Slots {
    bytes: Vec<u8>,
    lens: Vec<usize>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers in `parts` and `headers` are set anew before every call and point into the same structure.
unsafe impl Send for Slots {}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Slots {
            bytes: vec![0; count * SLOT],
            lens: Vec::with_capacity(count),
            parts: Vec::with_capacity(count),
            headers: Vec::with_capacity(count),
        }
    }

    /// How many messages there may be.
    pub(super) fn room(&self) -> usize {
        self.bytes.len() / SLOT
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.lens.len()
    }

    /// The bytes of that message.
    pub(super) fn message(&self, nth: usize) -> &[u8] {
        let len = self.lens.get(nth).copied().unwrap_or(0);
        self.bytes.get(nth * SLOT..nth * SLOT + len).unwrap_or_default()
    }
}

impl Socket {
    /// Opens one here.
    pub(super) fn open() -> io::Result<OwnedFd> {
        // SAFETY: no pointer is passed; the answer is checked before it becomes a descriptor.
        let fd = unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_NETFILTER)
        };
        // SAFETY: a descriptor that is not negative was just opened and belongs to nobody else.
        unsafe { (fd >= 0).then(|| OwnedFd::from_raw_fd(fd)) }.ok_or_else(io::Error::last_os_error)
    }

    /// Of this one, with room for that many bytes in the kernel.
    pub(super) fn of(fd: OwnedFd, buffer: usize) -> io::Result<Self> {
        let socket = Socket { fd, timeout: Duration::MAX };
        let size = libc::c_int::try_from(buffer).unwrap_or(libc::c_int::MAX);
        if socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &size).is_err() {
            // without CAP_NET_ADMIN over the host, as much as everybody may have
            socket.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &size)?;
        }
        Ok(socket)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        // SAFETY: pointer and length describe `value`, which outlives the call.
        let done = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(value).cast(),
                std::mem::size_of::<T>() as libc::socklen_t,
            )
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Receives what is there, waiting for the first message that long. Nothing within that time is no error.
    pub(super) fn receive(&mut self, slots: &mut Slots, timeout: Duration) -> io::Result<()> {
        slots.lens.clear();
        let flags = if timeout.is_zero() {
            libc::MSG_DONTWAIT
        } else {
            if self.timeout != timeout {
                let value = libc::timeval {
                    tv_sec: timeout.as_secs() as libc::time_t,
                    tv_usec: timeout.subsec_micros().max(1) as libc::suseconds_t,
                };
                self.set(libc::SOL_SOCKET, libc::SO_RCVTIMEO, &value)?;
                self.timeout = timeout;
            }
            libc::MSG_WAITFORONE
        };
        slots.parts.clear();
        for slot in slots.bytes.chunks_exact_mut(SLOT) {
            slots.parts.push(libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: SLOT });
        }
        slots.headers.clear();
        for part in &mut slots.parts {
            // SAFETY: all zero is a valid message header: no name, no control data.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            slots.headers.push(header);
        }
        // SAFETY: headers, parts and slots are as many as said, live until the call returns, and nobody else reaches them.
        let received = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                slots.headers.as_mut_ptr(),
                slots.headers.len() as libc::c_uint,
                flags,
                std::ptr::null_mut(),
            )
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => Ok(()),
                _ => Err(error),
            };
        };
        slots
            .lens
            .extend(slots.headers.iter().take(received).map(|header| (header.msg_len as usize).min(SLOT)));
        Ok(())
    }

    /// Sends messages to the kernel, all in one.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            // SAFETY: pointer and length describe `bytes`.
            let sent = unsafe {
                libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL)
            };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// The name of the interface with that number.
pub(super) fn interface_name(index: u32) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call asks for.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    let name = name.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}
