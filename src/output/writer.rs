//! A writer of lines: one thread a file, fed with batches of whole lines through a bounded channel.
//!
//! A producer ([`LineSender`]) collects lines in a buffer and hands it over when full; the writer hands the empty buffer back,
//! so that nothing is allocated once the buffers exist. What happens when the channel is full is a named policy
//! ([`WhenFull`]), and what was lost is counted.
//!
//! When writing fails the file is cut back to its last whole line, further lines are counted as lost, and
//! [`LineWriter::close`] tells once what happened, to which file, and what to do.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// What a producer does when the writer cannot keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Waits: nothing is lost (replay).
    Wait,
    /// Drops the batch and counts its lines: a packet never waits for a disk (live).
    Drop,
}

/// How a [`LineWriter`] works.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The file. Its directory is made when missing.
    pub path: PathBuf,
    /// Adds to what is there; otherwise the file begins empty.
    pub append: bool,
    /// When the channel is full.
    pub when_full: WhenFull,
    /// Batches that may wait, 1..; with `batch_max` this bounds the memory.
    pub queue_max: usize,
    /// A batch is handed over when it has at least this many bytes.
    pub batch_max: usize,
}

impl WriterOptions {
    /// For that file: adds to it, waits when full, 64 batches of 64 KiB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        WriterOptions {
            path: path.into(),
            append: true,
            when_full: WhenFull::Wait,
            queue_max: 64,
            batch_max: 64 << 10,
        }
    }
}

/// Owns the thread that writes one file.
#[derive(Debug)]
pub struct LineWriter {
    commands: Sender<Command>,
    sender: LineSender,
    thread: Option<JoinHandle<Outcome>>,
}

/// What was written, once all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines written.
    pub lines: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Lines dropped because the channel was full; 0 with [`WhenFull::Wait`].
    pub dropped: u64,
}

/// Why a file could not be opened or written, and what to do; one line of text.
#[derive(Debug)]
pub struct WriteError {
    /// The file or directory.
    pub path: PathBuf,
    /// What was tried, and the remedy.
    kind: ErrorKind,
    /// What the system said.
    pub cause: io::Error,
}

#[derive(Debug)]
enum ErrorKind {
    Directory,
    Open,
    Write { written: u64, lost: u64 },
}

impl WriteError {
    /// Lines that are not in the file although they should.
    pub fn lost(&self) -> u64 {
        match self.kind {
            ErrorKind::Write { lost, .. } => lost,
            ErrorKind::Directory | ErrorKind::Open => 0,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let remedy = match self.cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "free space there, or choose another directory with -l"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a directory that can be written with -l"
            }
            io::ErrorKind::BrokenPipe => "the reader went away: keep it running, or write to a file",
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                "a file stands where a directory should: choose another directory with -l"
            }
            io::ErrorKind::IsADirectory => {
                "a directory has the name of the log: remove it, or choose another with -l"
            }
            _ => "choose another directory with -l",
        };
        let cause = &self.cause;
        match self.kind {
            ErrorKind::Directory => write!(f, "cannot make the log directory {path}: {cause}; {remedy}"),
            ErrorKind::Open => write!(f, "cannot open {path}: {cause}; {remedy}"),
            ErrorKind::Write { written, lost } => write!(
                f,
                "cannot write {path}: {cause}; {lost} lines are lost, the {written} before them are whole; {remedy}"
            ),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl LineWriter {
    /// Opens the file and starts its thread.
    pub fn open(options: WriterOptions) -> Result<Self, WriteError> {
        let target = Target::open(&options.path, options.append)?;
        let (commands, inbox) = bounded(options.queue_max.max(1));
        // as many empty buffers as can be on their way; more are let go
        let (give_back, recycled) = bounded(options.queue_max.max(1));
        let shared = Arc::new(Shared::default());
        let sender = LineSender {
            commands: commands.clone(),
            recycled,
            shared: Arc::clone(&shared),
            when_full: options.when_full,
            batch_max: options.batch_max.max(1),
            buffer: Vec::new(),
            lines: 0,
        };
        let retry = options.when_full == WhenFull::Drop;
        let path = options.path.clone();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(target, inbox, give_back, &shared, retry))
            .map_err(|cause| WriteError { path, kind: ErrorKind::Open, cause })?;
        Ok(LineWriter { commands, sender, thread: Some(thread) })
    }

    /// A producer. Any number may work at once; each hands over whole lines.
    pub fn sender(&self) -> LineSender {
        self.sender.clone()
    }

    /// Opens the file anew by its name, after it was moved away (SIGHUP). What was sent before is in the old one. An error
    /// leaves the old one in use.
    pub fn reopen(&self) -> Result<(), WriteError> {
        let (answer, answered) = bounded(1);
        if self.commands.send(Command::Reopen(answer)).is_err() {
            return Ok(());
        }
        answered.recv().unwrap_or(Ok(()))
    }

    /// Writes all that was handed over and ends. Producers must have been flushed or dropped before: what they hand over
    /// later is counted as lost by them alone. The error is the first one that happened, with all that was lost.
    pub fn close(mut self) -> Result<Written, WriteError> {
        self.sender.flush();
        let _ = self.commands.send(Command::Close);
        let Some(thread) = self.thread.take() else { return Ok(Written::default()) };
        let outcome = match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let dropped = self.sender.shared.dropped.load(Ordering::Relaxed);
        match outcome.failure {
            None => Ok(Written { lines: outcome.lines, bytes: outcome.bytes, dropped }),
            Some(cause) => Err(WriteError {
                path: outcome.path,
                kind: ErrorKind::Write { written: outcome.lines, lost: outcome.lost + dropped },
                cause,
            }),
        }
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.sender.flush();
            let _ = self.commands.send(Command::Close);
            let _ = thread.join();
        }
    }
}

/// Hands lines to a [`LineWriter`]. Dropping it hands over what it still holds.
#[derive(Debug)]
pub struct LineSender {
    commands: Sender<Command>,
    recycled: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    when_full: WhenFull,
    batch_max: usize,
    buffer: Vec<u8>,
    lines: u64,
}

impl LineSender {
    /// Adds one line; its end is added here. A line end within would make two lines of it: the caller writes none.
    pub fn line(&mut self, line: &[u8]) {
        if self.buffer.capacity() == 0 {
            self.buffer =
                self.recycled.try_recv().unwrap_or_else(|_| Vec::with_capacity(self.batch_max + 4096));
        }
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.lines += 1;
        if self.buffer.len() >= self.batch_max {
            self.flush();
        }
    }

    /// Hands over what is held, now.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let batch = Command::Batch(std::mem::take(&mut self.buffer), std::mem::take(&mut self.lines));
        let refused = match self.when_full {
            WhenFull::Wait => self.commands.send(batch).err().map(|refused| refused.0),
            WhenFull::Drop => match self.commands.try_send(batch) {
                Ok(()) => None,
                Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => Some(batch),
            },
        };
        if let Some(Command::Batch(mut buffer, lines)) = refused {
            self.shared.dropped.fetch_add(lines, Ordering::Relaxed);
            buffer.clear();
            self.buffer = buffer;
        }
    }

    /// Lines dropped so far because the channel was full, by all producers of the file.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Whether writing has failed: a replay may stop early, its result cannot be whole.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Clone for LineSender {
    /// Another producer of the same file, with nothing held.
    fn clone(&self) -> Self {
        LineSender {
            commands: self.commands.clone(),
            recycled: self.recycled.clone(),
            shared: Arc::clone(&self.shared),
            when_full: self.when_full,
            batch_max: self.batch_max,
            buffer: Vec::new(),
            lines: 0,
        }
    }
}

impl Drop for LineSender {
    fn drop(&mut self) {
        self.flush();
    }
}

#[derive(Debug)]
enum Command {
    /// Whole lines, and how many.
    Batch(Vec<u8>, u64),
    Reopen(Sender<Result<(), WriteError>>),
    Close,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    failed: AtomicBool,
}

struct Outcome {
    path: PathBuf,
    lines: u64,
    bytes: u64,
    lost: u64,
    failure: Option<io::Error>,
}

/// The thread. With `retry` (live) every batch is tried, for a disk may have room again; else the first failure ends writing,
/// so that the file is a beginning without holes.
fn run(
    mut target: Target,
    inbox: Receiver<Command>,
    give_back: Sender<Vec<u8>>,
    shared: &Shared,
    retry: bool,
) -> Outcome {
    let mut outcome = Outcome { path: target.path.clone(), lines: 0, bytes: 0, lost: 0, failure: None };
    for command in inbox {
        match command {
            Command::Batch(mut batch, lines) => {
                if outcome.failure.is_some() && !retry {
                    outcome.lost += lines;
                } else {
                    match target.write(&batch) {
                        Ok(()) => {
                            outcome.lines += lines;
                            outcome.bytes += batch.len() as u64;
                        }
                        Err((cause, whole)) => {
                            let kept = batch.get(..whole).unwrap_or(&[]);
                            let kept_lines = memchr::memchr_iter(b'\n', kept).count() as u64;
                            outcome.lines += kept_lines;
                            outcome.bytes += whole as u64;
                            outcome.lost += lines.saturating_sub(kept_lines);
                            outcome.failure.get_or_insert(cause);
                            shared.failed.store(true, Ordering::Relaxed);
                        }
                    }
                }
                batch.clear();
                let _ = give_back.try_send(batch);
            }
            Command::Reopen(answer) => {
                let fresh = Target::open(&target.path, true);
                let _ = answer.send(fresh.map(|fresh| target = fresh));
            }
            Command::Close => break,
        }
    }
    outcome
}

/// An open file, and what is known of it.
struct Target {
    path: PathBuf,
    file: File,
    /// Where the next line begins, of a regular file.
    end: Option<u64>,
}

impl Target {
    fn open(path: &Path, append: bool) -> Result<Self, WriteError> {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir).map_err(|cause| WriteError {
                path: dir.to_owned(),
                kind: ErrorKind::Directory,
                cause,
            })?;
        }
        Self::open_file(path, append).map_err(|cause| WriteError {
            path: path.to_owned(),
            kind: ErrorKind::Open,
            cause,
        })
    }

    fn open_file(path: &Path, append: bool) -> io::Result<Self> {
        let regular = fs::metadata(path).map_or(true, |data| data.is_file());
        let mut file = OpenOptions::new()
            .create(true)
            .read(regular)
            .append(append || !regular)
            .write(true)
            .truncate(!append && regular)
            .open(path)?;
        let mut end = None;
        if regular {
            let mut len = file.seek(SeekFrom::End(0))?;
            // a line that was cut off by a crash must not be glued to ours
            if len > 0 {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                    len += 1;
                }
            }
            end = Some(len);
        }
        Ok(Target { path: path.to_owned(), file, end })
    }

    /// Writes whole lines; on failure tells how many bytes of them remain in the file, which are whole lines again.
    fn write(&mut self, batch: &[u8]) -> Result<(), (io::Error, usize)> {
        let mut done = 0;
        while let Some(rest) = batch.get(done..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(self.cut_back(batch, done, io::ErrorKind::WriteZero.into())),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.cut_back(batch, done, error)),
            }
        }
        if let Some(end) = &mut self.end {
            *end += batch.len() as u64;
        }
        Ok(())
    }

    /// Removes the beginning of a line that could not be finished. A pipe or a device cannot be cut: what is out is out.
    fn cut_back(&mut self, batch: &[u8], done: usize, cause: io::Error) -> (io::Error, usize) {
        let written = batch.get(..done).unwrap_or(batch);
        let whole = memchr::memrchr(b'\n', written).map_or(0, |at| at + 1);
        if let Some(end) = &mut self.end {
            let to = *end + whole as u64;
            if self.file.set_len(to).is_ok() && self.file.seek(SeekFrom::Start(to)).is_ok() {
                *end = to;
            }
        }
        (cause, whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead as _;

    /// A directory of its own, removed at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mamparo-writer-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Dir(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn options(path: PathBuf) -> WriterOptions {
        WriterOptions { batch_max: 64, queue_max: 2, ..WriterOptions::new(path) }
    }

    #[test]
    fn every_line_of_every_producer_arrives_whole_and_in_its_order() {
        let dir = Dir::new("lines");
        let path = dir.file("made/on/the/way/eve.json");
        let writer = LineWriter::open(options(path.clone())).unwrap();
        let producers: Vec<_> = (0..4)
            .map(|who| {
                let mut sender = writer.sender();
                std::thread::spawn(move || {
                    for nth in 0..5000 {
                        sender.line(format!("{who} {nth}").as_bytes());
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|thread| thread.join().unwrap());
        let written = writer.close().unwrap();
        assert_eq!((written.lines, written.dropped), (20_000, 0));
        assert_eq!(fs::metadata(&path).unwrap().len(), written.bytes);
        let mut next = [0; 4];
        for line in io::BufReader::new(File::open(&path).unwrap()).lines() {
            let line = line.unwrap();
            let (who, nth) = line.split_once(' ').unwrap();
            let slot = &mut next[who.parse::<usize>().unwrap()];
            assert_eq!(nth.parse::<i32>().unwrap(), *slot, "{line}");
            *slot += 1;
        }
        assert_eq!(next, [5000; 4]);
    }

    #[test]
    fn appending_mends_a_line_that_was_cut_off_and_truncating_forgets_it() {
        let dir = Dir::new("append");
        let path = dir.file("eve.json");
        for (append, expected) in [(true, "whole\ncut\nnew\n"), (false, "new\n")] {
            fs::write(&path, "whole\ncut").unwrap();
            let writer = LineWriter::open(WriterOptions { append, ..options(path.clone()) }).unwrap();
            writer.sender().line(b"new");
            writer.close().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }

    #[test]
    fn reopening_goes_on_in_a_new_file() {
        let dir = Dir::new("reopen");
        let path = dir.file("eve.json");
        let writer = LineWriter::open(options(path.clone())).unwrap();
        let mut sender = writer.sender();
        sender.line(b"old");
        sender.flush();
        // what was sent is in the old file once the answer is here
        writer.reopen().unwrap();
        fs::rename(&path, dir.file("eve.json.1")).unwrap();
        writer.reopen().unwrap();
        sender.line(b"new");
        drop(sender);
        writer.close().unwrap();
        assert_eq!(fs::read_to_string(dir.file("eve.json.1")).unwrap(), "old\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn a_full_device_is_one_error_with_a_remedy_and_a_count() {
        let writer = LineWriter::open(options(PathBuf::from("/dev/full"))).unwrap();
        let mut sender = writer.sender();
        for _ in 0..100 {
            sender.line(b"{\"event_type\":\"alert\"}");
        }
        drop(sender);
        let error = writer.close().unwrap_err();
        assert_eq!(error.lost(), 100);
        assert_eq!(error.cause.kind(), io::ErrorKind::StorageFull);
        let text = error.to_string();
        assert!(
            text.contains("/dev/full") && text.contains("100 lines are lost") && text.contains("-l"),
            "{text}"
        );
        assert!(!text.contains('\n'));
    }

    #[test]
    fn a_reader_that_goes_away_is_an_error_and_no_signal() {
        let dir = Dir::new("fifo");
        let path = dir.file("eve.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut line = String::new();
                io::BufReader::new(File::open(path).unwrap()).read_line(&mut line).unwrap();
                line
            })
        };
        let writer = LineWriter::open(options(path)).unwrap();
        let mut sender = writer.sender();
        sender.line(b"first");
        sender.flush();
        assert_eq!(reader.join().unwrap(), "first\n");
        while !sender.failed() {
            sender.line(b"more");
            sender.flush();
        }
        drop(sender);
        let error = writer.close().unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::BrokenPipe);
        assert!(error.lost() >= 1);
    }

    #[test]
    fn a_file_that_cannot_grow_is_cut_back_to_whole_lines() {
        // in memory that is full after a few bytes: the same code path as a full disk
        let dir = Dir::new("cut");
        let path = dir.file("eve.json");
        let mut target = Target::open(&path, true).unwrap();
        target.write(b"one\ntwo\n").unwrap();
        target.file.write_all(b"three\nfou").unwrap();
        let (_, whole) = target.cut_back(b"three\nfour\n", 9, io::ErrorKind::StorageFull.into());
        assert_eq!(whole, 6);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        target.write(b"five\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\nfive\n");
    }

    #[test]
    fn dropping_counts_and_never_waits() {
        let dir = Dir::new("drop");
        let path = dir.file("eve.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        // a reader that holds the pipe open and reads nothing until told
        let (go, wait) = bounded::<()>(0);
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || {
                let file = File::open(path).unwrap();
                let _ = wait.recv();
                io::BufReader::new(file).lines().count() as u64
            })
        };
        let writer = LineWriter::open(WriterOptions { when_full: WhenFull::Drop, ..options(path) }).unwrap();
        let mut sender = writer.sender();
        let line = [b'x'; 1000];
        for _ in 0..1000 {
            sender.line(&line);
        }
        let dropped = sender.dropped();
        assert!(dropped > 0, "a pipe holds 64 KiB, we sent 1 MB");
        go.send(()).unwrap();
        drop(sender);
        let written = writer.close().unwrap();
        assert_eq!(written.dropped, dropped);
        assert_eq!(written.lines, 1000 - dropped);
        assert_eq!(reader.join().unwrap(), written.lines);
    }

    #[test]
    fn what_cannot_be_opened_is_told_with_its_remedy() {
        let dir = Dir::new("open");
        fs::write(dir.file("plain"), "").unwrap();
        fs::create_dir(dir.file("folder")).unwrap();
        for (name, what) in [("plain/eve.json", "cannot make the log directory"), ("folder", "cannot open")] {
            let error = LineWriter::open(options(dir.file(name))).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(what) && text.contains("-l"), "{text}");
        }
    }
}
