//! Reports every node that is not an operator of the machine by now, and every operand in a type the machine lacks.

use super::Graph;
use super::support::single_quantization;
use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{DType, Node, Op, TensorId};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut errors = Vec::new();
    for node in &graph.nodes {
        match activations_of(graph, node) {
            Some(n_operands) => {
                let weights = usize::from(matches!(node.op, Op::QConv { .. } | Op::QDense { .. }));
                byte_operands(graph, node, n_operands + weights, &mut errors);
                activations(graph, node, n_operands, &mut errors);
            }
            None => errors.push(not_machine_level(graph, node)),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// How many of the first operands of a machine-level operator are activations; `None` for other operators.
fn activations_of(graph: &Graph, node: &Node) -> Option<usize> {
    match &node.op {
        Op::QConv { .. }
        | Op::QDense { .. }
        | Op::QAveragePool { .. }
        | Op::QMean { .. }
        | Op::QPRelu { .. }
        | Op::QLut
        | Op::QSoftmax
        | Op::QLayerNorm { .. } => Some(1),
        Op::QAdd { .. } | Op::QMul { .. } => Some(2),
        Op::Concat { .. } if !is_float(graph, node) => Some(node.inputs.len()),
        op if (matches!(op, Op::QRequant { .. }) || op.is_movement()) && !is_float(graph, node) => Some(1),
        _ => None,
    }
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
