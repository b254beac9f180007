//! A process of its own that puts rules into the kernel and takes them out, and that finds and enters the network namespaces of
//! others, so that the one that looks at packets need not be able to start programs, to look at processes, or to enter anything.
//!
//! It is forked at the very beginning, before any thread and before anything is given up, and keeps what it was started with. What
//! it may be asked for is a `Plan`, which is numbers, and a network namespace to do it in; which namespaces there are, one of them, and
//! a netlink socket within it: no program, no path, no text. It ends when the other side does. Then rules stay as they are: those of a crash are adopted by the next start.
#![allow(
    unsafe_code,
    reason = "fork, which the standard library has no word for; each block says why it is sound"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use super::{Hook, Plan};
use crate::capture::namespaces::{Namespaces, Netlink, socket_within};

/// Bytes of one message.
const MESSAGE_MAX: usize = 128 << 10;

static HELPER: OnceLock<Mutex<OwnedFd>> = OnceLock::new();

/// What the helper is asked for.
#[derive(Serialize, Deserialize)]
enum Request {
    /// Put rules in, in the namespace that comes along, if one does.
    Put(Plan),
    /// Take those out.
    Remove(u64),
    /// Whether those are there as they were put in.
    Stand(u64),
    /// Nobody will ask for those any more.
    Forget(u64),
    /// Which namespaces there are, of those that have such numbers here.
    Namespaces(Vec<i32>),
    /// The namespace of that inode.
    Namespace(u64),
    /// A socket in the namespace that comes along.
    Socket(Netlink),
}

/// What it answers.
#[derive(Serialize, Deserialize)]
enum Answer {
    Put {
        hook: u64,
        told: Vec<String>,
    },
    Removed,
    Stand(bool),
    /// By inode and number here.
    Namespaces(Vec<(u64, i32)>),
    /// What was asked for comes along.
    Here,
    Failed(String),
    /// The same, by the system's number for it.
    Refused(i32),
}

/// Forks it. To be called before there is any thread, once.
pub fn start() -> io::Result<()> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    // SAFETY: there is no other thread whose locks the child could inherit; the child runs below and never returns.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(ours);
            let _ = rustix::thread::set_name(c"mamparo-hooks");
            serve(&theirs);
            // nothing of the other process is to be written or removed by this one
            // SAFETY: it ends the process and runs nothing else.
            unsafe { libc::_exit(0) }
        }
        _ => {
            let _ = HELPER.set(Mutex::new(ours));
            Ok(())
        }
    }
}

/// Asks the helper for it; `None` without one.
pub(super) fn attach(plan: &Plan, namespace: Option<&File>) -> Option<super::PutIn> {
    HELPER.get()?;
    Some(match ask(&Request::Put(*plan), namespace) {
        Ok((Answer::Put { hook, told }, _)) => Ok((Box::new(Remote(Some(hook))) as Box<dyn Hook>, told)),
        Ok((Answer::Failed(why), _)) => Err(why),
        Ok(_) => Err(misunderstood().to_string()),
        Err(error) => Err(error.to_string()),
    })
}

/// Asks the helper which namespaces there are; `None` without one.
pub(in crate::capture) fn namespaces(wanted: &[i32]) -> Option<io::Result<Vec<(u64, i32)>>> {
    HELPER.get()?;
    Some(match ask(&Request::Namespaces(wanted.to_vec()), None) {
        Ok((Answer::Namespaces(found), _)) => Ok(found),
        Ok(_) => Err(misunderstood()),
        Err(error) => Err(error),
    })
}

/// Asks the helper for a namespace; `None` without one.
pub(in crate::capture) fn namespace(inode: u64) -> Option<io::Result<File>> {
    HELPER.get()?;
    Some(descriptor(ask(&Request::Namespace(inode), None)).map(File::from))
}

/// Asks the helper for a socket in a namespace; `None` without one.
pub(in crate::capture) fn socket(namespace: &File, kind: Netlink) -> Option<io::Result<OwnedFd>> {
    HELPER.get()?;
    Some(descriptor(ask(&Request::Socket(kind), Some(namespace))))
}

fn descriptor(answer: io::Result<(Answer, Option<OwnedFd>)>) -> io::Result<OwnedFd> {
    match answer? {
        (Answer::Here, Some(fd)) => Ok(fd),
        (Answer::Refused(code), _) => Err(io::Error::from_raw_os_error(code)),
        _ => Err(misunderstood()),
    }
}

fn misunderstood() -> io::Error {
    io::Error::other("the process for rules of the kernel has misunderstood")
}

/// What the helper has put in.
struct Remote(Option<u64>);

impl Hook for Remote {
    fn remove(&mut self) -> io::Result<()> {
        let Some(hook) = self.0 else { return Ok(()) };
        match ask(&Request::Remove(hook), None)?.0 {
            Answer::Failed(why) => Err(io::Error::other(why)),
            _ => {
                self.0 = None;
                Ok(())
            }
        }
    }

    fn stands(&mut self) -> io::Result<bool> {
        let Some(hook) = self.0 else { return Ok(false) };
        match ask(&Request::Stand(hook), None)?.0 {
            Answer::Stand(stands) => Ok(stands),
            Answer::Failed(why) => Err(io::Error::other(why)),
            _ => Err(misunderstood()),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(hook) = self.0 {
            let _ = ask(&Request::Forget(hook), None);
        }
    }
}

fn ask(request: &Request, namespace: Option<&File>) -> io::Result<(Answer, Option<OwnedFd>)> {
    let Some(socket) = HELPER.get() else { return Err(io::Error::other("there is no helper")) };
    // one question at a time
    let socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
    let gone =
        |error: io::Error| io::Error::other(format!("the process for rules of the kernel is gone ({error})"));
    send(&socket, &serde_json::to_vec(request)?, namespace.map(File::as_fd)).map_err(gone)?;
    match receive(&socket).map_err(gone)? {
        Some((bytes, fd)) => Ok((serde_json::from_slice(&bytes)?, fd)),
        None => Err(gone(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Until the other side is gone.
fn serve(socket: &OwnedFd) {
    let mut hooks: BTreeMap<u64, Box<dyn Hook>> = BTreeMap::new();
    let mut number = 0;
    let mut namespaces = Namespaces::default();
    while let Ok(Some((bytes, namespace))) = receive(socket) {
        let namespace = namespace.map(File::from);
        let mut along = None;
        let answer = match serde_json::from_slice(&bytes) {
            Ok(Request::Put(plan)) => match super::attach(plan, namespace.as_ref()) {
                Ok((hook, told)) => {
                    number += 1;
                    hooks.insert(number, hook);
                    Answer::Put { hook: number, told }
                }
                Err(why) => Answer::Failed(why),
            },
            Ok(Request::Remove(number)) => match hooks.get_mut(&number).map(|hook| hook.remove()) {
                Some(Err(error)) => Answer::Failed(error.to_string()),
                Some(Ok(())) => {
                    hooks.remove(&number);
                    Answer::Removed
                }
                None => Answer::Removed,
            },
            Ok(Request::Stand(number)) => match hooks.get_mut(&number).map(|hook| hook.stands()) {
                Some(Err(error)) => Answer::Failed(error.to_string()),
                stands => Answer::Stand(matches!(stands, Some(Ok(true)))),
            },
            Ok(Request::Forget(number)) => {
                hooks.remove(&number);
                Answer::Removed
            }
            Ok(Request::Namespaces(wanted)) => Answer::Namespaces(namespaces.list(&wanted)),
            Ok(Request::Namespace(inode)) => here(namespaces.open(inode).map(OwnedFd::from), &mut along),
            Ok(Request::Socket(kind)) => match &namespace {
                Some(namespace) => here(socket_within(namespace, kind), &mut along),
                None => Answer::Failed("no namespace came along".to_owned()),
            },
            Err(error) => Answer::Failed(error.to_string()),
        };
        let along = along.as_ref().map(OwnedFd::as_fd);
        let sent = serde_json::to_vec(&answer)
            .map_err(io::Error::from)
            .and_then(|bytes| send(socket, &bytes, along));
        if sent.is_err() {
            break;
        }
    }
}

/// What was opened goes along with the answer.
fn here(opened: io::Result<OwnedFd>, along: &mut Option<OwnedFd>) -> Answer {
    match opened {
        Ok(fd) => {
            *along = Some(fd);
            Answer::Here
        }
        Err(error) => Answer::Refused(error.raw_os_error().unwrap_or(libc::ENOENT)),
    }
}

fn send(socket: &OwnedFd, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<_> = fd.into_iter().collect();
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The next message and what came along; `None` when the other side is gone.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    bytes.truncate(received.bytes);
    Ok((!bytes.is_empty()).then_some((bytes, fd)))
}
