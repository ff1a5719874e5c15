//! Reads a model of any known format; the format is told by the content, never by a file's name.

use crate::error::ImportError;
use crate::graph::Graph;
use crate::{onnx, tflite};

/// A format of model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelFormat {
    /// A protobuf message of the Open Neural Network Exchange; see [`onnx`].
    Onnx,
    /// A flatbuffer of TensorFlow Lite; see [`tflite`].
    TfLite,
}

impl ModelFormat {
    /// The format that these bytes look like. ONNX has no mark of its own: it is what is left.
    pub fn of(bytes: &[u8]) -> Self {
        if tflite::is_tflite(bytes) {
            Self::TfLite
        } else {
            Self::Onnx
        }
    }

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onnx => "ONNX",
            Self::TfLite => "TensorFlow Lite",
        }
    }
}

/// Reads a model file.
///
/// # Errors
/// Everything that is wrong with the file, at once, where its faults are independent of each other. Operators the
/// compiler does not know are not errors here; [`check_supported`](crate::check_supported) lists them.
pub fn import(bytes: &[u8]) -> Result<Graph, Vec<ImportError>> {
    match ModelFormat::of(bytes) {
        ModelFormat::Onnx => onnx::import_onnx(bytes),
        ModelFormat::TfLite => tflite::import_tflite(bytes),
    }
}
