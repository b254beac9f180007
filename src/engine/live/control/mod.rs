//! Those who ask a run how it is doing, and tell it what to do: over HTTP (health and counters) and over a socket of this host
//! (commands). One thread serves all of them, in turn, and waits for none.
//!
//! Limits: connections at once, bytes of a request, and over HTTP the time that one may take (`Kind`). Who goes beyond is cut off.

mod commands;
mod http;
mod tables;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::status::Status;
use crate::capture::live::now;
use crate::types::Timestamp;

/// How long the thread sleeps at most: then it looks whether the run has ended, and whether what it waits for is done.
const LOOK: Duration = Duration::from_millis(100);

/// What somebody wants of the run.
#[derive(Debug)]
pub(super) enum Wish {
    /// That it ends.
    Stop,
    /// Other rules. The answer is sent when they are in use, or cannot be.
    Reload(Option<Sender<Result<(), String>>>),
    /// Logs opened anew.
    Reopen,
}

/// Where questions come in.
#[derive(Debug, Default)]
pub struct Doors {
    http: Option<TcpListener>,
    commands: Option<(UnixListener, PathBuf)>,
}

impl Doors {
    /// Listens for HTTP there.
    pub fn open_http(&mut self, address: SocketAddr) -> Result<(), String> {
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let opened = listener.map_err(|error| {
            format!("metrics cannot be had at {address}: {error} (choose another with --metrics)")
        })?;
        self.http = Some(opened);
        Ok(())
    }

    /// Listens for commands on a socket of that name, which only its owner may use. One that somebody else has left is replaced.
    pub fn open_commands(&mut self, path: &Path) -> Result<(), String> {
        let failed = |error: io::Error| {
            format!("{}: {error} (name another socket under unix-command.filename)", path.display())
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        match UnixStream::connect(path) {
            Ok(_) => return Err(failed(io::Error::other("somebody listens there"))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(failed)?;
            }
            Err(_) => {}
        }
        // nobody else may connect, not even for a moment
        let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(mask);
        let listener = listener.map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        self.commands = Some((listener, path.to_path_buf()));
        Ok(())
    }

    /// Whether there is any.
    pub(super) fn are_open(&self) -> bool {
        self.http.is_some() || self.commands.is_some()
    }

    /// Where HTTP is spoken.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.commands {
            // one that must stay refuses connections, and the next start replaces it
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What came of some input.
enum Step {
    /// It is not whole yet.
    More,
    /// An answer.
    Answer(Vec<u8>),
    /// An answer, and the end.
    Last(Vec<u8>),
    /// The answer comes when something is done.
    Later(Receiver<Result<(), String>>),
    /// What comes from there makes no sense.
    Hang,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Health and counters.
    Http,
    /// Commands in JSON.
    Commands,
}

/// What is answered to bytes that come in such pieces over one connection, as far as it can be at once: for who has none (fuzzing).
/// What is wished for is granted to nobody.
pub fn answers<'a>(kind: Kind, pieces: impl IntoIterator<Item = &'a [u8]>, status: &Status) -> Vec<u8> {
    let (wishes, wished) = crossbeam_channel::bounded(1);
    let (mut input, mut output, mut greeted) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        input.extend_from_slice(piece);
        while !input.is_empty() {
            match kind.request(&mut input, &mut greeted, status, &wishes) {
                Step::More if input.len() > kind.request_max() => return output,
                Step::More => break,
                Step::Answer(bytes) => output.extend(bytes),
                Step::Last(bytes) => {
                    output.extend(bytes);
                    return output;
                }
                Step::Later(_) => {}
                Step::Hang => return output,
            }
            wished.try_iter().for_each(drop);
        }
    }
    output
}

impl Kind {
    /// The next request of a connection, if it is whole.
    fn request(
        self,
        input: &mut Vec<u8>,
        greeted: &mut bool,
        status: &Status,
        wishes: &Sender<Wish>,
    ) -> Step {
        match self {
            Kind::Http => http::request(input, status),
            Kind::Commands => commands::request(input, greeted, status, wishes),
        }
    }

    /// Connections at once.
    const fn connections_max(self) -> usize {
        match self {
            Kind::Http => 16,
            Kind::Commands => 8,
        }
    }

    /// Bytes of one request.
    const fn request_max(self) -> usize {
        match self {
            Kind::Http => 8 << 10,
            Kind::Commands => 64 << 10,
        }
    }

    /// Nanoseconds from the first byte to the last.
    const fn time_max(self) -> Option<u64> {
        match self {
            Kind::Http => Some(5_000_000_000),
            // only the owner may connect, and a person may think between two commands
            Kind::Commands => None,
        }
    }
}

/// A stream of either kind.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }
}

struct Connection {
    stream: Stream,
    kind: Kind,
    since: Timestamp,
    /// Who begins commands says which version of them it speaks.
    greeted: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    later: Option<Receiver<Result<(), String>>>,
    last: bool,
}

impl Connection {
    /// Takes in what is there and sends what can be sent; false when it has ended.
    fn work(&mut self, status: &Status, wishes: &Sender<Wish>) -> bool {
        if self.kind.time_max().is_some_and(|max| now().since(self.since) > max) {
            return false;
        }
        if let Some(later) = &self.later {
            match later.try_recv() {
                Ok(done) => self.output.extend(commands::done(done)),
                Err(TryRecvError::Disconnected) => {
                    self.output.extend(commands::done(Err("the run has ended".to_owned())));
                }
                Err(TryRecvError::Empty) => return true,
            }
            self.later = None;
        }
        if !self.send() {
            return false;
        }
        if !self.output.is_empty() {
            return true;
        }
        if self.last {
            return false;
        }
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(len) => self.input.extend_from_slice(bytes.get(..len).unwrap_or_default()),
            Err(error) if would_wait(&error) => {}
            Err(_) => return false,
        }
        while self.output.is_empty() && self.later.is_none() && !self.last && !self.input.is_empty() {
            match self.kind.request(&mut self.input, &mut self.greeted, status, wishes) {
                Step::More if self.input.len() > self.kind.request_max() => return false,
                Step::More => break,
                Step::Answer(bytes) => self.output = bytes,
                Step::Last(bytes) => {
                    self.output = bytes;
                    self.last = true;
                }
                Step::Later(done) => self.later = Some(done),
                Step::Hang => return false,
            }
        }
        self.send() && !(self.last && self.output.is_empty())
    }

    /// Sends what can be sent; false when nobody takes it.
    fn send(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return false,
                Ok(len) => drop(self.output.drain(..len)),
                Err(error) if would_wait(&error) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

fn would_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Serves until the run ends.
pub(super) fn serve(doors: &Doors, status: &Status, wishes: &Sender<Wish>, stop: &AtomicBool) {
    let mut connections: Vec<Connection> = Vec::new();
    while !stop.load(Ordering::Acquire) {
        {
            let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(connections.len() + 2);
            fds.extend(doors.http.iter().map(|door| PollFd::new(door, PollFlags::IN)));
            fds.extend(doors.commands.iter().map(|(door, _)| PollFd::new(door, PollFlags::IN)));
            for connection in connections.iter().filter(|connection| connection.later.is_none()) {
                let wanted = if connection.output.is_empty() { PollFlags::IN } else { PollFlags::OUT };
                fds.push(PollFd::from_borrowed_fd(connection.stream.fd(), wanted));
            }
            let timeout = Timespec::try_from(LOOK).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            if poll(&mut fds, Some(&timeout)).is_err_and(|error| error != rustix::io::Errno::INTR) {
                return;
            }
        }
        if let Some(door) = &doors.http {
            admit(&mut connections, Kind::Http, || door.accept().map(|(stream, _)| Stream::Tcp(stream)));
        }
        if let Some((door, _)) = &doors.commands {
            admit(&mut connections, Kind::Commands, || door.accept().map(|(stream, _)| Stream::Unix(stream)));
        }
        connections.retain_mut(|connection| connection.work(status, wishes));
    }
    // an answer that is due is given: of who has asked for the end, too
    for connection in &mut connections {
        connection.send();
    }
}

/// Takes connections in; those beyond the limit are closed at once, so that they do not wait in vain.
fn admit(connections: &mut Vec<Connection>, kind: Kind, mut accept: impl FnMut() -> io::Result<Stream>) {
    for _ in 0..kind.connections_max() {
        let Ok(stream) = accept() else { return };
        let set = match &stream {
            Stream::Tcp(stream) => stream.set_nonblocking(true),
            Stream::Unix(stream) => stream.set_nonblocking(true),
        };
        let here = connections.iter().filter(|connection| connection.kind == kind).count();
        if set.is_ok() && here < kind.connections_max() {
            connections.push(Connection {
                stream,
                kind,
                since: now(),
                greeted: false,
                input: Vec::new(),
                output: Vec::new(),
                later: None,
                last: false,
            });
        }
    }
}

#[cfg(test)]
mod tests;
