//! Memory that was given back goes to the system, so that what a process holds is what it uses.
#![allow(
    unsafe_code,
    reason = "malloc_trim, which the standard library has no word for; the block says why it is sound"
)]

/// Gives free memory of the allocator to the system. To be called when much was freed: it looks at every arena.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes the allocator's own locks, and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
