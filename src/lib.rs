//! Mamparo.

pub mod app;
pub mod capture;
pub mod decode;
pub mod json;
pub mod protocols;
pub mod rules;
pub mod types;
pub mod verdict;
