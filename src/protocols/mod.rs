//! Protocols: one folder each, with its parser, its transactions, its rule keywords and its record.

pub mod http;
