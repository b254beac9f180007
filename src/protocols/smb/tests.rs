//! Whole sessions, made here byte by byte.
