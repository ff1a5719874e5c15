//! A graph as a text in RON: hand-writable, and exact. `docs/graph.md` is its description for users.
//!
//! [`write()`] prints any graph, at any stage of the compilation and with operators nobody knows; [`read()`] gives the same graph back. Operators and
//! their attributes are those of [`Op`] itself, so that there is no second list of them here.

mod base64;
mod check;
mod read;
mod write;

pub use read::read;
pub use write::write;

use crate::graph::{DType, Layout, Op, TensorData};
use serde::{Deserialize, Serialize};

/// What every file begins with, apart from comments.
const HEAD: &str = "Graph";

/// Whether this text is a graph rather than something else.
pub fn is_graph(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let comment = rest.strip_prefix("//").map(|rest| (rest, "\n"));
        match comment.or_else(|| rest.strip_prefix("/*").map(|rest| (rest, "*/"))) {
            Some((inside, end)) => match inside.split_once(end) {
                Some((_, after)) => rest = after.trim_start(),
                None => return false,
            },
            None => break,
        }
    }
    let after = rest.strip_prefix(HEAD);
    after.is_some_and(|after| after.trim_start().starts_with('('))
}

/// Optional values are written without `Some`.
fn options() -> ron::Options {
    ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
}

#[derive(Deserialize)]
#[serde(rename = "Graph", deny_unknown_fields)]
struct GraphText {
    #[serde(default)]
    name: String,
    #[serde(default)]
    rounding: RoundingText,
    #[serde(default)]
    channels_last: bool,
    inputs: Vec<IoText>,
    #[serde(default)]
    tensors: Vec<TensorText>,
    nodes: Vec<NodeText>,
    outputs: Vec<IoText>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum RoundingText {
    #[default]
    Float,
    Fixed,
}

/// An input or output.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IoText {
    /// Key of the tensor that carries it.
    tensor: String,
    /// Its own name, if it is not that of the tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dtype: Option<DType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shape: Option<Vec<usize>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorText {
    name: String,
    /// What nodes call it, if that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dtype: Option<DType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shape: Option<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantization: Option<QuantizationText>,
    #[serde(default, skip_serializing_if = "is_logical")]
    layout: Layout,
    /// Elements, or one for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<TensorData>,
    /// Elements as little-endian bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing)]
    noise: Option<NoiseText>,
}

fn is_logical(layout: &Layout) -> bool {
    *layout == Layout::Logical
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuantizationText {
    scales: Vec<f32>,
    /// As many as scales; zeros if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    zero_points: Vec<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    axis: Option<usize>,
}

/// Pseudorandom elements, uniform from `-largest` (of unsigned types from 0) to `largest`.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoiseText {
    seed: u64,
    largest: f32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeText {
    /// Nodes without a name are named after their operator and place.
    #[serde(default)]
    name: String,
    op: Op,
    /// Keys of tensors; an empty one is an operand that is left out.
    inputs: Vec<String>,
    outputs: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_told_from_other_texts() {
        for graph in ["Graph(", " // a\n/* b\n */ Graph ( inputs", "Graph("] {
            assert!(is_graph(graph), "{graph}");
        }
        for other in [
            "",
            "(name: \"edge\")",
            "Graphs(",
            "    mx.nop\n",
            "// Graph(",
            "/* Graph(",
        ] {
            assert!(!is_graph(other), "{other}");
        }
    }
}
