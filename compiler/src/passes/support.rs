//! What several passes need to read from a graph.

use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{DType, Graph, Node, NodeId, Op, Quantization, Tensor, TensorData, TensorId};
use crate::post_training::Range;
use crate::reference::arith::quantize_f32;

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
    let data = data.transposed(&shape, &[1, 0]);
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
pub(super) fn producer<'n>(nodes: &'n [Node], producers: &[Option<NodeId>], tensor: TensorId) -> Option<&'n Node> {
    let producer = producers.get(tensor.index()).copied().flatten();
    producer.map(|id| &nodes[id.index()])
}

/// The nodes of a graph as they were before a pass rewrites them.
pub(super) struct Model {
    pub(super) nodes: Vec<Node>,
    producers: Vec<Option<NodeId>>,
}

impl Model {
    pub(super) fn of(graph: &Graph) -> Self {
        Self {
            nodes: graph.nodes.clone(),
            producers: graph.producers(),
        }
    }

    /// The index of the node that writes a tensor.
    pub(super) fn producer_index(&self, tensor: TensorId) -> Option<usize> {
        self.producers.get(tensor.index()).copied().flatten().map(NodeId::index)
    }

    /// The node that writes a tensor.
    pub(super) fn producer(&self, tensor: TensorId) -> Option<&Node> {
        producer(&self.nodes, &self.producers, tensor)
    }

    /// The integer tensor that a float tensor was dequantized from.
    pub(super) fn dequantized_from(&self, tensor: TensorId) -> Option<TensorId> {
        let node = self.producer(tensor)?;
        (node.op == Op::Dequantize).then(|| node.input(0)).flatten()
    }
}

/// The lengths of a tensor's axes; none if they are unknown.
pub(super) fn shape_of(graph: &Graph, id: TensorId) -> Vec<usize> {
    graph.tensor(id).shape.clone().unwrap_or_default()
}

/// A constant under another shape of as many elements.
pub(super) fn add_view(graph: &mut Graph, id: TensorId, suffix: &str, shape: Vec<usize>) -> TensorId {
    if shape_of(graph, id) == shape {
        return id;
    }
    let mut view = graph.tensor(id).clone();
    view.name = format!("{}.{suffix}", view.name);
    view.shape = Some(shape);
    graph.add_tensor(view)
}

/// A float constant in integers of 8 bits with the quantization of its own range; other constants as they are.
pub(super) fn quantized_constant(graph: &mut Graph, id: TensorId) -> TensorId {
    let Some(values) = graph.tensor(id).data.as_ref().and_then(TensorData::as_f32) else {
        return id;
    };
    let dtype = DType::I8;
    let (scale, zero_point) = Range::of(values).parameters(dtype);
    add_quantized(graph, id, dtype, scale, zero_point).unwrap_or(id)
}

/// A float constant in integers of a given type and meaning; `None` if there are no floats or the type holds no quantized integers.
pub(super) fn add_quantized(
    graph: &mut Graph,
    id: TensorId,
    dtype: DType,
    scale: f32,
    zero_point: i32,
) -> Option<TensorId> {
    let tensor = graph.tensor(id);
    let values = tensor.data.as_ref()?.as_f32()?;
    let (lo, hi) = dtype.range()?;
    let integers: Vec<i32> = values
        .iter()
        .map(|&v| quantize_f32(v, scale, zero_point, lo, hi))
        .collect();
    let data = TensorData::from_i32(&integers, dtype)?;
    let name = format!("{}.quantized", tensor.name);
    let shape = tensor.shape.clone().unwrap_or_default();
    let quantization = Quantization::per_tensor(scale, zero_point);
    Some(graph.add_tensor(Tensor::constant(name, shape, data).with_quantization(quantization)))
}
