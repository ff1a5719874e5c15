//! The vector unit against its definitions: every operation is compared with a plain scalar reference that shares no code with the
//! simulator, on random jobs, and the fixed-point modes with the results of LiteRT's reference kernels. Each reference has a control: with
//! one rule of it changed, the comparison fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod copies;
mod elementwise;
mod refusals;
mod requantization;
mod rows;
mod tflite;
mod timing;
mod windows;
