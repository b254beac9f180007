//! Mamparo.

pub mod app;
pub mod capture;
pub mod config;
pub mod decode;
pub mod json;
pub mod rules;
pub mod types;
pub mod verdict;
