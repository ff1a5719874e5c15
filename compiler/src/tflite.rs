//! Reads TensorFlow Lite models of 8-bit integers.
//!
//! Such a model says in integers what it computes, so reading it yields machine-level operators at once: images with channels last, scales and zero
//! points with their tensors, and [`Rounding::Fixed`]. Operators that the compiler does not know, or does not know for these operands, become
//! [`Op::Unsupported`](crate::graph::Op::Unsupported) so that the graph can still be shown; [`check_supported`](crate::check_supported) lists them.
//!
//! Operators have no names in such files: a node is called as its first result, up to the first `;`, which joins names of fused operators.

mod builder;
mod flat;
mod model;
mod ops;
mod tables;

use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::graph::Graph;
use systole_isa::operand::Rounding;

/// What every file has at offset 4.
const IDENTIFIER: &[u8] = b"TFL3";

/// Whether these bytes are a TensorFlow Lite file, by their identifier.
pub fn is_tflite(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(IDENTIFIER)
}

/// Reads a model file.
///
/// # Errors
/// Everything that is wrong with the file, at once, where its faults are independent of each other. Operators the
/// compiler does not know are not errors here; [`check_supported`](crate::check_supported) lists them.
pub fn import_tflite(bytes: &[u8]) -> Result<Graph, Vec<ImportError>> {
    let file = flat::File::new(bytes);
    let read = || {
        let model = model::read(&file.root()?)?;
        Ok(builder::build(&model))
    };
    let built: flat::Result<_> = if is_tflite(bytes) {
        read()
    } else {
        Err(flat::Fault {
            at: 4,
            what: "no identifier TFL3",
        })
    };
    let (mut graph, errors) = built.map_err(|fault| vec![malformed(&fault)])?;
    graph.rounding = Rounding::Fixed;
    graph.channels_last = true;
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

fn malformed(fault: &flat::Fault) -> ImportError {
    ImportError::new(
        ImportErrorKind::Malformed,
        Subject::Model,
        format!("{} at byte {}", fault.what, fault.at),
        "a complete TensorFlow Lite file",
        "check that this is a .tflite file and that it was copied completely",
    )
}
