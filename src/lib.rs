//! Mamparo.

pub mod app;
pub mod capture;
pub mod decode;
pub mod json;
pub mod rules;
pub mod stream;
pub mod types;
pub mod verdict;
