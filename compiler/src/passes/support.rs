//! What several passes need to read from a graph.

use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::data::transposed_indices;
use crate::graph::{DType, Graph, Node, Op, Quantization, Tensor, TensorData, TensorId};

/// The operand at a position, which must be there.
pub(super) fn operand(node: &Node, position: usize) -> Result<TensorId, CompileError> {
    node.input(position).ok_or_else(|| {
        CompileError::new(
            CompileErrorKind::Shape,
            Subject::node(&node.name),
            format!("no operand {position} of {}", node.op.name()),
            "an operand there",
            "repair the model",
        )
    })
}

/// The constant behind an operand.
pub(super) fn constant<'g>(
    graph: &'g Graph,
    node: &Node,
    id: TensorId,
    role: &str,
) -> Result<&'g TensorData, CompileError> {
    let tensor = graph.tensor(id);
    tensor.data.as_ref().ok_or_else(|| {
        CompileError::new(
            CompileErrorKind::NotConstant,
            Subject::node(&node.name),
            format!("{role} `{}` that is computed or comes from the host", tensor.name),
            "a constant",
            "turn it into an initializer of the model",
        )
    })
}

/// The quantization of a tensor, which must be there.
pub(super) fn quantization<'g>(graph: &'g Graph, node: &Node, id: TensorId) -> Result<&'g Quantization, CompileError> {
    let tensor = graph.tensor(id);
    tensor.quantization.as_ref().ok_or_else(|| {
        quantization_error(
            node,
            format!("`{}` without a scale", tensor.name),
            "a tensor whose scale and zero point are known",
        )
    })
}

/// Scale and zero point of a tensor that must have one pair for all elements.
pub(super) fn single_quantization(graph: &Graph, node: &Node, id: TensorId) -> Result<(f32, i32), CompileError> {
    let quantization = quantization(graph, node, id)?;
    quantization.single().ok_or_else(|| {
        let n = quantization.scales().len();
        let name = &graph.tensor(id).name;
        quantization_error(node, format!("{n} scales for `{name}`"), "one scale for an activation")
    })
}

/// An error about scales and zero points.
pub(super) fn quantization_error(node: &Node, found: String, expected: &str) -> CompileError {
    CompileError::new(
        CompileErrorKind::Quantization,
        Subject::node(&node.name),
        found,
        expected,
        "quantize the model again with a tool that follows the ONNX standard",
    )
}

/// An i32 constant of one bias per column, in units of input scale times weight scale; zeros if there is no operand.
pub(super) fn integer_bias(
    graph: &mut Graph,
    node: &Node,
    operand: Option<TensorId>,
    n: usize,
) -> Result<TensorId, CompileError> {
    let values = match operand {
        None => vec![0; n],
        Some(id) => match check_bias_shape(graph, node, id).and_then(|()| constant(graph, node, id, "bias"))? {
            TensorData::I32(values) => values.clone(),
            other => return Err(bias_error(node, format!("a bias of {}", other.dtype()), "i32")),
        },
    };
    add_bias(graph, node, values, n)
}

/// Adds the bias of a node as a constant `[n]`; a single value serves all columns.
pub(super) fn add_bias(
    graph: &mut Graph,
    node: &Node,
    mut values: Vec<i32>,
    n: usize,
) -> Result<TensorId, CompileError> {
    if let [value] = *values {
        values = vec![value; n];
    }
    if values.len() != n {
        return Err(bias_error(
            node,
            format!("{} biases", values.len()),
            &format!("{n}, one per column"),
        ));
    }
    let name = format!("{}.bias", node.name);
    Ok(graph.add_tensor(Tensor::constant(name, vec![n], TensorData::I32(values))))
}

/// A bias runs along the columns: all axes but the last have length 1.
pub(super) fn check_bias_shape(graph: &Graph, node: &Node, id: TensorId) -> Result<(), CompileError> {
    let shape = graph.tensor(id).shape.as_deref().unwrap_or_default();
    match shape.split_last() {
        Some((_, outer)) if outer.iter().any(|&len| len != 1) => Err(bias_error(
            node,
            format!("a bias of shape {shape:?}"),
            "one value per column",
        )),
        _ => Ok(()),
    }
}

fn bias_error(node: &Node, found: String, expected: &str) -> CompileError {
    let help = "quantize the bias to i32 with input scale times weight scale";
    CompileError::new(
        CompileErrorKind::Quantization,
        Subject::node(&node.name),
        found,
        expected,
        help,
    )
}

/// The constant `[k, n]` weights of a matrix product: the operand itself, or its transpose as a new constant.
pub(super) fn dense_weights(
    graph: &mut Graph,
    node: &Node,
    id: TensorId,
    is_transposed: bool,
) -> Result<TensorId, CompileError> {
    let data = constant(graph, node, id, "weights")?;
    if !is_transposed {
        return Ok(id);
    }
    let tensor = graph.tensor(id);
    let shape = tensor.shape.clone().unwrap_or_default();
    let &[n, k] = shape.as_slice() else {
        let found = format!("weights `{}` of shape {shape:?}", tensor.name);
        return Err(CompileError::new(
            CompileErrorKind::Shape,
            Subject::node(&node.name),
            found,
            "a matrix",
            "reshape the weights in the model",
        ));
    };
    let data = data.gather(&transposed_indices(&shape, &[1, 0]));
    let mut weights = Tensor::constant(format!("{}.kxn", tensor.name), vec![k, n], data);
    weights.quantization = tensor.quantization.clone().map(|q| match q.axis() {
        Some(0) => q.along(1),
        _ => q.along(0),
    });
    Ok(graph.add_tensor(weights))
}

/// Number of columns of constant `[k, n]` weights.
pub(super) fn n_columns(graph: &Graph, weights: TensorId) -> usize {
    graph
        .tensor(weights)
        .shape
        .as_deref()
        .and_then(<[usize]>::last)
        .copied()
        .unwrap_or(0)
}

/// The full clipping range of a result, which must be a quantized integer.
pub(super) fn full_range(
    graph: &Graph,
    node: &Node,
    output: TensorId,
) -> Result<crate::graph::ClipRange, CompileError> {
    let tensor = graph.tensor(output);
    tensor.dtype.and_then(crate::graph::ClipRange::of).ok_or_else(|| {
        CompileError::new(
            CompileErrorKind::ElementType,
            Subject::node(&node.name),
            format!(
                "result `{}` of type {}",
                tensor.name,
                tensor.dtype.map_or("unknown", DType::name)
            ),
            "u8 or i8",
            "quantize the result of the operator to 8 bits",
        )
    })
}

/// The node that writes a tensor.
pub(super) fn producer<'n>(
    nodes: &'n [Node],
    producers: &[Option<crate::graph::NodeId>],
    tensor: TensorId,
) -> Option<&'n Node> {
    producers
        .get(tensor.index())
        .copied()
        .flatten()
        .map(|id| &nodes[id.index()])
}

/// The integer tensor that a float tensor was dequantized from.
pub(super) fn dequantized_from(
    nodes: &[Node],
    producers: &[Option<crate::graph::NodeId>],
    tensor: TensorId,
) -> Option<TensorId> {
    let node = producer(nodes, producers, tensor)?;
    match node.op {
        Op::Dequantize => node.input(0),
        _ => None,
    }
}
