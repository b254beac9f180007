//! Arguments, exit codes, and what a person sees. Nobody names this module but the binary.

pub mod progress;

pub use progress::Progress;
