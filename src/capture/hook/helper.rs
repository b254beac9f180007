//! A process of its own that puts rules into the kernel and takes them out, so that the one that looks at packets need not be able to
//! start programs.
//!
//! It is forked at the very beginning, before any thread and before anything is given up, and keeps what it was started with. What
//! it may be asked for is a `Plan`, which is numbers, and a network namespace to do it in: no program, no path, no text. It ends
//! when the other side does. Then rules stay as they are: those of a crash are adopted by the next start.
#![allow(
    unsafe_code,
    reason = "fork, which the standard library has no word for; each block says why it is sound"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use super::{Hook, Plan};

/// Bytes of one message.
const MESSAGE_MAX: usize = 64 << 10;

static HELPER: OnceLock<Mutex<OwnedFd>> = OnceLock::new();

/// What the helper is asked for.
#[derive(Serialize, Deserialize)]
enum Request {
    /// Put rules in, in the namespace that comes along, if one does.
    Put(Plan),
    /// Take those out.
    Remove(u64),
    /// Nobody will ask for those any more.
    Forget(u64),
}

/// What it answers.
#[derive(Serialize, Deserialize)]
enum Answer {
    Put { hook: u64, told: Vec<String> },
    Removed,
    Failed(String),
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
pub(super) fn attach(
    plan: &Plan,
    namespace: Option<&File>,
) -> Option<Result<(Box<dyn Hook>, Vec<String>), String>> {
    HELPER.get()?;
    Some(match ask(&Request::Put(*plan), namespace) {
        Ok(Answer::Put { hook, told }) => Ok((Box::new(Remote(Some(hook))) as Box<dyn Hook>, told)),
        Ok(Answer::Failed(why)) => Err(why),
        Ok(Answer::Removed) => Err("the process for rules of the kernel has misunderstood".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// What the helper has put in.
struct Remote(Option<u64>);

impl Hook for Remote {
    fn remove(&mut self) -> io::Result<()> {
        let Some(hook) = self.0 else { return Ok(()) };
        match ask(&Request::Remove(hook), None)? {
            Answer::Failed(why) => Err(io::Error::other(why)),
            _ => {
                self.0 = None;
                Ok(())
            }
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

fn ask(request: &Request, namespace: Option<&File>) -> io::Result<Answer> {
    let Some(socket) = HELPER.get() else { return Err(io::Error::other("there is no helper")) };
    // one question at a time
    let socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
    let gone =
        |error: io::Error| io::Error::other(format!("the process for rules of the kernel is gone ({error})"));
    send(&socket, &serde_json::to_vec(request)?, namespace).map_err(gone)?;
    match receive(&socket).map_err(gone)? {
        Some((bytes, _)) => Ok(serde_json::from_slice(&bytes)?),
        None => Err(gone(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Until the other side is gone.
fn serve(socket: &OwnedFd) {
    let mut hooks: BTreeMap<u64, Box<dyn Hook>> = BTreeMap::new();
    let mut number = 0;
    while let Ok(Some((bytes, namespace))) = receive(socket) {
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
            Ok(Request::Forget(number)) => {
                hooks.remove(&number);
                Answer::Removed
            }
            Err(error) => Answer::Failed(error.to_string()),
        };
        let sent =
            serde_json::to_vec(&answer).map_err(io::Error::from).and_then(|bytes| send(socket, &bytes, None));
        if sent.is_err() {
            break;
        }
    }
}

fn send(socket: &OwnedFd, bytes: &[u8], file: Option<&File>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The next message and what came along; `None` when the other side is gone.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Vec<u8>, Option<File>)>> {
    let mut bytes = vec![0; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let file = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next().map(File::from),
        _ => None,
    });
    bytes.truncate(received.bytes);
    Ok((!bytes.is_empty()).then_some((bytes, file)))
}
