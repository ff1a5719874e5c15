//! Reports every node that is not an operator of the machine by now, and every operand in a type the machine lacks.

use super::Graph;
use super::support::single_quantization;
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{DType, Node, Op, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    for node in &graph.nodes {
        match &node.op {
            Op::QConv { group: 1, .. } | Op::QDense { .. } => {
                byte_operands(graph, node, 2, &mut errors);
                activations(graph, node, 1, &mut errors);
            }
            Op::QAdd { .. } => {
                byte_operands(graph, node, 2, &mut errors);
                activations(graph, node, 2, &mut errors);
            }
            Op::QRequant { .. } | Op::MaxPool { .. } | Op::View if !is_float(graph, node) => {
                byte_operands(graph, node, 1, &mut errors);
                activations(graph, node, 1, &mut errors);
            }
            _ => errors.push(not_machine_level(graph, node)),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn is_float(graph: &Graph, node: &Node) -> bool {
    node.input(0).is_some_and(|x| graph.tensor(x).dtype == Some(DType::F32))
}

fn not_machine_level(graph: &Graph, node: &Node) -> CompileError {
    let types: Vec<String> = node
        .inputs
        .iter()
        .flatten()
        .chain(&node.outputs)
        .map(|&id| {
            let tensor = graph.tensor(id);
            format!(
                "`{}` {}",
                tensor.name,
                tensor.dtype.map_or("of unknown type", DType::name)
            )
        })
        .collect();
    let (kind, help) = match node.op {
        Op::Transpose { .. } => (
            CompileErrorKind::UnsupportedOperator,
            "activations cannot be transposed; restructure the model so that only constants are",
        ),
        Op::Clip { .. } if !is_float(graph, node) => (
            CompileErrorKind::UnsupportedOperator,
            "clip the real numbers before QuantizeLinear instead of the integers after it",
        ),
        _ => (
            CompileErrorKind::NotQuantized,
            "quantize the model (QDQ or QOperator format), with a DequantizeLinear before and a QuantizeLinear \
             after this operator",
        ),
    };
    CompileError::new(
        kind,
        Subject::node(&node.name),
        format!("{} between {}", node.op.name(), types.join(", ")),
        "an operator on quantized integers",
        help,
    )
}

fn byte_operands(graph: &Graph, node: &Node, n_operands: usize, errors: &mut Vec<CompileError>) {
    let ids = node.inputs.iter().take(n_operands).flatten().chain(&node.outputs);
    for tensor in ids.map(|&id| graph.tensor(id)) {
        if !tensor.dtype.is_some_and(DType::is_byte) {
            errors.push(CompileError::new(
                CompileErrorKind::ElementType,
                Subject::node(&node.name),
                format!(
                    "`{}` of type {}",
                    tensor.name,
                    tensor.dtype.map_or("unknown", DType::name)
                ),
                "u8 or i8",
                "quantize activations and weights to 8 bits",
            ));
        }
    }
}

fn activations(graph: &Graph, node: &Node, n_operands: usize, errors: &mut Vec<CompileError>) {
    let ids: Vec<TensorId> = node
        .inputs
        .iter()
        .take(n_operands)
        .flatten()
        .chain(&node.outputs)
        .copied()
        .collect();
    errors.extend(ids.iter().filter_map(|&id| single_quantization(graph, node, id).err()));
}
