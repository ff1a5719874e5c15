//! Oracles and helpers for Systole's test suites. Each is written apart from what it checks.

pub mod array;
pub mod build;
pub mod execution;
pub mod flat_writer;
pub mod instruction_test;
pub mod layers;
pub mod manual;
pub mod models;
pub mod networks;
pub mod program_test;
pub mod random_graphs;
pub mod random_quantized;
pub mod random_tflite;
pub mod scalar;
pub mod small;
pub mod takes;
pub mod tpu;
