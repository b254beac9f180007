//! Signals as messages: none interrupts anything, one thread reads them in turn.
#![allow(
    unsafe_code,
    reason = "signalfd, which the standard library has no words for; each block says why it is sound"
)]

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// TERM, INT: end.
    Stop,
    /// USR2: read the rules again.
    Reload,
    /// HUP: open the logs again.
    Reopen,
}

const ALL: [(libc::c_int, Signal); 4] = [
    (libc::SIGTERM, Signal::Stop),
    (libc::SIGINT, Signal::Stop),
    (libc::SIGUSR2, Signal::Reload),
    (libc::SIGHUP, Signal::Reopen),
];

/// The signals of this process. To be made before any other thread is.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// From now on they wait to be read.
    pub fn block() -> io::Result<Self> {
        // SAFETY: the set is initialised by sigemptyset before it is used, and lives until the calls return.
        let fd = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for (number, _) in ALL {
                libc::sigaddset(&mut set, number);
            }
            let failed = libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            if failed != 0 {
                return Err(io::Error::from_raw_os_error(failed));
            }
            libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        // SAFETY: a descriptor that is not negative was just opened and belongs to nobody else.
        let fd = unsafe { (fd >= 0).then(|| OwnedFd::from_raw_fd(fd)) };
        fd.map(Signals).ok_or_else(io::Error::last_os_error)
    }

    /// The next signal, waited for that long.
    pub fn next(&self, timeout: Duration) -> Option<Signal> {
        let mut wanted = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one entry is passed, and it lives until the call returns.
        if unsafe { libc::poll(&mut wanted, 1, timeout) } <= 0 {
            return None;
        }
        // SAFETY: all zero is a valid value; the call writes at most as many bytes as it is told.
        let (info, read) = unsafe {
            let mut info: libc::signalfd_siginfo = std::mem::zeroed();
            let len = std::mem::size_of::<libc::signalfd_siginfo>();
            let read = libc::read(self.0.as_raw_fd(), std::ptr::from_mut(&mut info).cast(), len);
            (info, read == len as isize)
        };
        let number = read.then_some(info.ssi_signo)?;
        ALL.iter().find(|(known, _)| *known as u32 == number).map(|(_, signal)| *signal)
    }
}
