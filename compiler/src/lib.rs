//! From a model to a Systole program.
//!
//! The way of a model: [`mod@import`] reads a file into a [`graph`]; [`passes`] rewrite that graph until only integer,
//! machine-level operators are left; [`quantized`] is the result, the contract between this front half and
//! code generation; [`mod@reference`] executes it in plain loops and is the oracle of the machine.
//!
//! The crate does no input or output and refuses to know how a program behaves over time. No type of the protobuf
//! reader crosses its border.

pub mod codegen;
pub mod error;
pub mod estimate;
pub mod gemm;
pub mod graph;
pub mod graph_file;
pub mod import;
pub mod onnx;
pub mod passes;
pub mod post_training;
pub mod quantized;
pub mod reference;
pub mod tflite;
pub mod topology;

pub use error::{CompileError, CompileErrorKind, ImportError, ImportErrorKind, Subject};
pub use graph::{Graph, TensorId};
pub use import::{ModelFormat, import};
pub use onnx::import_onnx;
pub use passes::{Context, PASSES, check_supported, lower, lower_in, run_passes, run_passes_in};
pub use post_training::LowerOptions;
pub use quantized::QuantizedGraph;
pub use tflite::import_tflite;
