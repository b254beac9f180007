//! Evaluation of what a rule asks of a buffer.

pub mod ops;
