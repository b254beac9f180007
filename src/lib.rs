//! Mamparo.

pub mod app;
pub mod capture;
pub mod cli;
pub mod decode;
pub mod detect;
pub mod engine;
pub mod flow;
pub mod json;
pub mod protocols;
pub mod rules;
pub mod stream;
pub mod types;
pub mod verdict;
