//! Oracles and helpers for Systole's test suites. Each is written apart from what it checks.

pub mod array;
pub mod build;
pub mod models;
pub mod scalar;
