//! Whole units, made here byte by byte.
