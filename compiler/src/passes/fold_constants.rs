//! Computes what depends on constants only, and turns what merely renames elements into views.

use super::Graph;
use super::support::quantization_error;
use crate::error::CompileError;
use crate::graph::edit::{remove_aliases, remove_dead_nodes, rewrite_nodes};
use crate::graph::{DType, MAX_ELEMENTS, Node, Op, TensorData, TensorId, element_count};
use crate::reference::ValueRef;
use crate::reference::arith::quantize_f32;
use crate::reference::float::evaluate;

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    // Identities are removed afterwards: redirecting needs all nodes in place.
    let mut aliases: Vec<(TensorId, TensorId)> = Vec::new();
    let mut n_left = MAX_ELEMENTS;
    rewrite_nodes(graph, |graph, mut node| {
        if let Some(results) = computed(graph, &node, n_left)? {
            n_left -= results.iter().map(TensorData::len).sum::<usize>();
            set_constants(graph, &node.outputs, results);
            return Ok(vec![]);
        }
        let Some(x) = node.input(0) else { return Ok(vec![node]) };
        let y = node.outputs[0];
        match (&node.op, graph.tensor(x).data.as_ref()) {
            (Op::Identity, _) => {
                aliases.push((y, x));
                return Ok(vec![]);
            }
            (Op::Flatten { .. } | Op::Reshape { .. }, None) => {
                node.op = Op::View;
                node.inputs.truncate(1);
            }
            (Op::QuantizeLinear { axis, .. }, Some(TensorData::F32(values))) => {
                let data = quantized(graph, &node, *axis, values)?;
                set_constant(graph, y, data);
                return Ok(vec![]);
            }
            (Op::Clip { .. }, _) => clip_bounds(graph, &mut node),
            _ => {}
        }
        Ok(vec![node])
    })?;
    remove_aliases(graph, aliases);
    remove_dead_nodes(graph);
    Ok(())
}

/// The results of a node whose operands are all constant, if they have at most `n_elements_max` elements together.
///
/// Quantized constants stay as they are: dequantizing them would lose what their integers are.
pub(super) fn computed(
    graph: &Graph,
    node: &Node,
    n_elements_max: usize,
) -> Result<Option<Vec<TensorData>>, CompileError> {
    let is_kept = matches!(
        node.op,
        Op::QuantizeLinear { .. } | Op::DequantizeLinear { .. } | Op::Quantize { .. } | Op::Dequantize
    );
    let is_shape = matches!(node.op, Op::Shape);
    let is_constant = |id: &TensorId| is_shape || graph.tensor(*id).data.is_some();
    let mut operands = node.inputs.iter().flatten().peekable();
    if is_kept || operands.peek().is_none() || !operands.all(is_constant) {
        return Ok(None);
    }
    let mut n_elements = 0usize;
    for output in &node.outputs {
        let Some(n) = graph.tensor(*output).shape.as_deref().and_then(element_count) else {
            return Ok(None);
        };
        n_elements = n_elements.saturating_add(n);
    }
    if n_elements > n_elements_max || !is_float_executable(&node.op) {
        return Ok(None);
    }
    // Shape reads no elements.
    let nothing = TensorData::Bool(vec![]);
    let value = |id: TensorId| {
        let tensor = graph.tensor(id);
        let (shape, data) = (tensor.shape.as_deref()?, tensor.data.as_ref());
        Some(ValueRef {
            shape,
            data: data.unwrap_or(&nothing),
        })
    };
    evaluate(graph, node, value).map(Some)
}

/// Machine-level operators and those nobody knows have no meaning on real numbers.
fn is_float_executable(op: &Op) -> bool {
    !matches!(
        op,
        Op::Unsupported { .. }
            | Op::QConv { .. }
            | Op::QDense { .. }
            | Op::QAdd { .. }
            | Op::QMul { .. }
            | Op::QAveragePool { .. }
            | Op::QPRelu { .. }
            | Op::QLut
            | Op::QSoftmax
            | Op::QLayerNorm { .. }
            | Op::QRequant { .. }
    )
}

/// Makes constants of the results of a node.
pub(super) fn set_constants(graph: &mut Graph, outputs: &[TensorId], results: Vec<TensorData>) {
    for (&output, data) in outputs.iter().zip(results) {
        set_constant(graph, output, data);
    }
}

fn set_constant(graph: &mut Graph, id: TensorId, data: TensorData) {
    let tensor = graph.tensor_mut(id);
    tensor.dtype = Some(data.dtype());
    tensor.data = Some(data);
}

/// Bounds that are constant operands become attributes; others stay operands and are reported later.
fn clip_bounds(graph: &Graph, node: &mut Node) {
    let bound = |position: usize| {
        let data = graph.tensor(node.input(position)?).data.as_ref()?;
        data.as_f32()?.first().copied()
    };
    let (lo, hi) = (bound(1), bound(2));
    let n_constant = usize::from(lo.is_some()) + usize::from(hi.is_some());
    if n_constant < node.inputs.iter().skip(1).flatten().count() {
        return;
    }
    if let Op::Clip { min, max } = &mut node.op {
        (*min, *max) = (lo.or(*min), hi.or(*max));
        node.inputs.truncate(1);
    }
}

/// A constant through QuantizeLinear.
fn quantized(graph: &Graph, node: &Node, axis: i64, values: &[f32]) -> Result<TensorData, CompileError> {
    let (x, y) = (node.input(0).expect("the value was read"), node.outputs[0]);
    let shape = graph.tensor(x).shape.clone().unwrap_or_default();
    let dtype = graph.tensor(y).dtype.unwrap_or(DType::U8);
    let parameters = super::attach_quantization::parameters(graph, node, [1, 2], axis, shape.len())?;
    let (lo, hi) = dtype.range().ok_or_else(|| {
        quantization_error(
            node,
            format!("a quantized type {dtype}"),
            "an integer type of at most 32 bits",
        )
    })?;
    let n = parameters.scales().len();
    let inner: usize = shape
        .iter()
        .skip(parameters.axis().map_or(shape.len(), |a| a + 1))
        .product();
    let fits = parameters.axis().is_none_or(|axis| shape.get(axis) == Some(&n));
    if !fits {
        return Err(quantization_error(
            node,
            format!("{n} scales for shape {shape:?}"),
            "one per index",
        ));
    }
    let integers: Vec<i32> = values
        .iter()
        .enumerate()
        .map(|(i, &value)| {
            let column = (i / inner) % n;
            quantize_f32(
                value,
                parameters.scales()[column],
                parameters.zero_points()[column],
                lo,
                hi,
            )
        })
        .collect();
    Ok(TensorData::from_i32(&integers, dtype).expect("a type with a range holds quantized integers"))
}
