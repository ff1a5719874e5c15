//! Reads a model of any known format; the format is told by the content, never by a file's name.

use crate::error::{ImportError, ImportErrorKind, Subject};
use crate::graph::Graph;
use crate::{graph_file, onnx, tflite, topology};

/// A format of model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelFormat {
    /// A protobuf message of the Open Neural Network Exchange; see [`onnx`].
    Onnx,
    /// A flatbuffer of TensorFlow Lite; see [`tflite`].
    TfLite,
    /// A text in RON; see [`graph_file`].
    Graph,
    /// A table of SCALE-Sim; see [`topology`].
    Topology,
}

impl ModelFormat {
    /// The format that these bytes look like. ONNX has no mark of its own: it is what is left.
    pub fn of(bytes: &[u8]) -> Self {
        if tflite::is_tflite(bytes) {
            return Self::TfLite;
        }
        let text = std::str::from_utf8(bytes).ok().and_then(Self::of_text);
        text.unwrap_or(Self::Onnx)
    }

    /// The format that a text looks like; `None` if it is no model.
    pub fn of_text(text: &str) -> Option<Self> {
        if topology::is_topology(text) {
            return Some(Self::Topology);
        }
        graph_file::is_graph(text).then_some(Self::Graph)
    }

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onnx => "ONNX",
            Self::TfLite => "TensorFlow Lite",
            Self::Graph => "Systole graph",
            Self::Topology => "SCALE-Sim topology",
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
        ModelFormat::Graph => graph_file::read(text(bytes)?),
        ModelFormat::Topology => topology::import_topology(text(bytes)?),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Vec<ImportError>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let found = format!("a byte {} that is not UTF-8", error.valid_up_to());
        let help = "save the file as UTF-8";
        vec![ImportError::new(
            ImportErrorKind::Malformed,
            Subject::Model,
            found,
            "a text",
            help,
        )]
    })
}
