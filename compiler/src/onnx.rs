//! Reads ONNX models of operator sets 7 to 22: float, QDQ and QOperator, with the quantized operators of `com.microsoft`.
//!
//! Reading is generous with what it keeps and strict with what it believes: an operator that the compiler does not
//! know becomes [`Op::Unsupported`](crate::graph::Op::Unsupported) so that the graph can still be shown, while shapes,
//! data lengths and wiring are checked before anything relies on them. Operators are read by the table in `ops`.

mod attributes;
mod builder;
mod ops;
mod tensor;
mod wire;

use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::graph::Graph;
use rten_onnx::onnx::{ModelProto, OperatorSetIdProto};

/// The oldest version of the standard operators that is read.
const OLDEST_OPSET: i64 = 7;

/// Reads a model file. A symbolic batch axis becomes 1.
///
/// # Errors
/// Everything that is wrong with the file, at once, where its faults are independent of each other. Operators the
/// compiler does not know are not errors here; [`check_supported`](crate::check_supported) lists them.
pub fn import_onnx(bytes: &[u8]) -> Result<Graph, Vec<ImportError>> {
    wire::check_model(bytes).map_err(|fault| vec![malformed(fault.to_string())])?;
    let model = ModelProto::parse_buf(bytes).map_err(|error| vec![malformed(reader_message(&error))])?;
    let mut errors = Vec::new();
    if model.opset_import.is_empty() {
        errors.push(ImportError::new(
            ImportErrorKind::Incomplete,
            Subject::Model,
            "no operator set version",
            "an `opset_import` entry",
            "export the model again; the file may have been cut off",
        ));
    }
    let opset = standard_opset(&model.opset_import);
    if opset < OLDEST_OPSET {
        errors.push(ImportError::new(
            ImportErrorKind::Incomplete,
            Subject::Model,
            format!("operator set {opset}"),
            format!("operator set {OLDEST_OPSET} or newer; older operators broadcast in another way"),
            "convert the model with the version converter of ONNX",
        ));
    }
    let Some(graph) = model.graph else {
        errors.push(ImportError::new(
            ImportErrorKind::Incomplete,
            Subject::Model,
            "no graph",
            "a model with a graph",
            "check that this is an .onnx file and that it was copied completely",
        ));
        return Err(errors);
    };
    let graph = builder::build(&graph, opset, &mut errors);
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

/// The version of the standard operators; if the file states none, the newest that all files of the last years can be read as.
fn standard_opset(imports: &[OperatorSetIdProto]) -> i64 {
    const DEFAULT: i64 = 13;
    let is_standard = |import: &&OperatorSetIdProto| matches!(import.domain.as_deref(), None | Some("" | "ai.onnx"));
    imports
        .iter()
        .find(is_standard)
        .and_then(|import| import.version)
        .unwrap_or(DEFAULT)
}

fn malformed(found: String) -> ImportError {
    ImportError::new(
        ImportErrorKind::Malformed,
        Subject::Model,
        found,
        "a complete ONNX protobuf message",
        "check that this is an .onnx file and that it was copied completely",
    )
}

/// The reader names Rust types of its own; only the message type is of interest.
fn reader_message(error: &rten_onnx::protobuf::ProtobufError) -> String {
    let message = error
        .context()
        .and_then(|path| path.rsplit("::").next())
        .unwrap_or("the model");
    format!("{} in field {} of {message}", error.kind(), error.field().unwrap_or(0))
}
