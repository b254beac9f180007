//! Mamparo.

pub mod app;
pub mod capture;
pub mod cli;
pub mod decode;
pub mod json;
pub mod output;
pub mod rules;
pub mod types;
pub mod verdict;
