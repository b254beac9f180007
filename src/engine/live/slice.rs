//! How soon a worker runs once a packet wakes it.
//!
//! The kernel lets whoever asks for a short slice of time run before others that wait (`sched_setattr(2)`, `sched_runtime` of an
//! ordinary thread, since Linux 6.12; before, it is ignored). A worker mostly has little to do and somebody waits for it, so it asks
//! for the shortest there is; it gets no more time than others because of it, and needs no right for it.
#![allow(
    unsafe_code,
    reason = "system calls that the standard library has no words for; each block says why it is sound"
)]

/// The shortest slice that the kernel gives, nanoseconds.
const SLICE: u64 = 100_000;

/// `struct sched_attr` of `sched_setattr(2)`, as it was at first: later fields are not asked for.
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks for short slices for this thread. Where the kernel has none, nothing changes.
pub(super) fn shorten() {
    // SAFETY: no pointer is passed; 0 is the calling thread.
    if unsafe { libc::sched_getscheduler(0) } != libc::SCHED_OTHER {
        // whoever started us has chosen another policy
        return;
    }
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SLICE,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the structure has the size that it says and outlives the call; 0 is the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}
