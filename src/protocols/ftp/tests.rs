//! Talks made here byte by byte.
