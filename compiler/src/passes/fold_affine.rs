//! Folds products and sums with one constant per channel into the weights and the bias of the convolution or matrix product before
//! them. A product that has none before it, on an image, becomes a depthwise convolution of one pixel.
//!
//! Weights that other nodes read as well are copied, others are changed in place.

use super::Graph;
use crate::error::CompileError;
use crate::graph::edit::remove_unused_tensors;
use crate::graph::{DType, Node, NodeId, Op, Padding, Pads, Tensor, TensorData, TensorId, WindowAttributes};

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let mut fold = Fold {
        n_readers: graph.consumers().iter().map(Vec::len).collect(),
        producers: vec![None; graph.tensors.len()],
        nodes: Vec::with_capacity(graph.nodes.len()),
    };
    for io in &graph.outputs {
        fold.n_readers[io.tensor.index()] += 1;
    }
    for node in std::mem::take(&mut graph.nodes) {
        let node = match fold.try_fold(graph, &node) {
            true => continue,
            false => depthwise(graph, &node).unwrap_or(node),
        };
        fold.push(graph, node);
    }
    graph.nodes = fold.nodes;
    // Constants that were computed with are as large as those that came out of it.
    remove_unused_tensors(graph);
    Ok(())
}

/// The nodes so far, and what is known about tensors.
struct Fold {
    n_readers: Vec<usize>,
    producers: Vec<Option<NodeId>>,
    nodes: Vec<Node>,
}

impl Fold {
    fn push(&mut self, graph: &Graph, node: Node) {
        self.producers.resize(graph.tensors.len(), None);
        // Constants made by this pass have one reader.
        self.n_readers.resize(graph.tensors.len(), 1);
        for output in &node.outputs {
            self.producers[output.index()] = Some(NodeId(self.nodes.len() as u32));
        }
        self.nodes.push(node);
    }

    /// Folds a product or sum into the node that writes its first operand; `false` if that is not possible.
    fn try_fold(&mut self, graph: &mut Graph, node: &Node) -> bool {
        let (Some(x), y) = (node.input(0), node.outputs[0]) else {
            return false;
        };
        let Some(index) = self.producers.get(x.index()).copied().flatten() else {
            return false;
        };
        if self.n_readers[x.index()] != 1 {
            return false;
        }
        let producer = self.nodes[index.index()].clone();
        let Some(columns) = Columns::of(graph, &producer) else {
            return false;
        };
        let Some(constants) = per_column(graph, node, columns.axis, columns.n) else {
            return false;
        };
        let Some(bias) = columns.bias(graph, &producer) else {
            return false;
        };
        let (weights, bias) = match node.op {
            Op::Mul => {
                let bias = bias.map(|bias| bias.iter().zip(&constants).map(|(b, c)| b * c).collect());
                (self.scaled(graph, &producer, &columns, &constants), bias)
            }
            _ => {
                // Only sums are left.
                let bias = bias.unwrap_or_else(|| vec![0.0; columns.n]);
                let sums = bias.iter().zip(&constants).map(|(b, c)| b + c).collect();
                (producer.inputs[1], Some(sums))
            }
        };
        let bias = bias.map(|values| {
            let name = format!("{}.bias", node.name);
            graph.add_tensor(Tensor::constant(name, vec![columns.n], TensorData::F32(values)))
        });
        let folded = &mut self.nodes[index.index()];
        folded.inputs = vec![producer.inputs[0], weights];
        folded.inputs.extend(bias.map(Some));
        folded.outputs = vec![y];
        folded.op = match folded.op.clone() {
            Op::Gemm {
                trans_a,
                trans_b,
                alpha,
                ..
            } => Op::Gemm {
                trans_a,
                trans_b,
                alpha,
                beta: 1.0,
            },
            Op::MatMul => Op::Gemm {
                trans_a: false,
                trans_b: false,
                alpha: 1.0,
                beta: 1.0,
            },
            other => other,
        };
        self.producers.resize(graph.tensors.len(), None);
        self.n_readers.resize(graph.tensors.len(), 1);
        self.producers[y.index()] = Some(index);
        true
    }

    /// The weights of a node with every column multiplied by its constant.
    fn scaled(&self, graph: &mut Graph, node: &Node, columns: &Columns, constants: &[f32]) -> Option<TensorId> {
        let id = node.inputs[1]?;
        let is_shared = self.n_readers.get(id.index()).is_some_and(|&n| n != 1);
        let id = if is_shared {
            let mut copy = graph.tensor(id).clone();
            copy.name = format!("{}.{}", copy.name, node.name);
            graph.add_tensor(copy)
        } else {
            id
        };
        if let Some(TensorData::F32(values)) = &mut graph.tensor_mut(id).data {
            for (row, values) in values.chunks_mut(columns.inner).enumerate() {
                let constant = constants[row % columns.n];
                values.iter_mut().for_each(|value| *value *= constant);
            }
        }
        Some(id)
    }
}

/// How the columns of a result lie in the weights of the node that computes it.
struct Columns {
    /// Number of columns.
    n: usize,
    /// Their axis in the result.
    axis: usize,
    /// Elements of the weights that belong to a column and lie together.
    inner: usize,
}

impl Columns {
    /// `None` if the node is not a convolution or matrix product with constant f32 weights.
    fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let weights = graph.tensor(node.input(1)?);
        weights.data.as_ref()?.as_f32()?;
        let result = graph.tensor(*node.outputs.first()?).shape.as_deref()?;
        let (is_outer, axis) = match node.op {
            Op::Conv { .. } => (true, 1),
            Op::Gemm { trans_b, .. } => (trans_b, result.len() - 1),
            Op::MatMul if weights.shape.as_ref()?.len() == 2 => (false, result.len() - 1),
            _ => return None,
        };
        let shape = weights.shape.as_deref()?;
        let inner = if is_outer { shape[1..].iter().product() } else { 1 };
        let n = if is_outer { shape[0] } else { *shape.last()? };
        (n > 0 && inner > 0).then_some(Self { n, axis, inner })
    }

    /// The bias of the node, one element per column; `None` outside if it is something else than that, inside if there is none.
    #[expect(clippy::option_option, reason = "the two say different things")]
    fn bias(&self, graph: &Graph, node: &Node) -> Option<Option<Vec<f32>>> {
        let Some(id) = node.input(2) else { return Some(None) };
        let tensor = graph.tensor(id);
        let values = tensor.data.as_ref()?.as_f32()?;
        let (_, outer) = tensor.shape.as_deref()?.split_last().unwrap_or((&1, &[]));
        if outer.iter().any(|&length| length != 1) || ![1, self.n].contains(&values.len()) {
            return None;
        }
        let beta = match node.op {
            Op::Gemm { beta, .. } => beta,
            _ => 1.0,
        };
        let of = |column: usize| beta * values[if values.len() == 1 { 0 } else { column }];
        Some(Some((0..self.n).map(of).collect()))
    }
}

/// The constants of a product or sum, one per index along an axis of the result; `None` if it is none with a constant of that form.
fn per_column(graph: &Graph, node: &Node, axis: usize, n: usize) -> Option<Vec<f32>> {
    if !matches!(node.op, Op::Mul | Op::Add) {
        return None;
    }
    let (x, constant) = (graph.tensor(node.input(0)?), graph.tensor(node.input(1)?));
    let result = graph.tensor(node.outputs[0]);
    let values = constant.data.as_ref()?.as_f32()?;
    let shape = constant.shape.as_deref()?;
    if x.shape != result.shape || x.data.is_some() {
        return None;
    }
    let offset = result.shape.as_ref()?.len() - shape.len();
    let is_spread = shape
        .iter()
        .enumerate()
        .all(|(i, &length)| length == 1 || i + offset == axis);
    match values {
        &[value] if is_spread => Some(vec![value; n]),
        values if is_spread && values.len() == n => Some(values.to_vec()),
        _ => None,
    }
}

/// A product of an image with one constant per channel as a depthwise convolution. One constant for all channels is left alone: it
/// only changes the scale.
fn depthwise(graph: &mut Graph, node: &Node) -> Option<Node> {
    let x = node.input(0)?;
    let &[_, channels, _, _] = graph.tensor(x).shape.as_deref()? else {
        return None;
    };
    let is_product = matches!(node.op, Op::Mul) && graph.tensor(x).dtype == Some(DType::F32);
    let n_constants = graph.tensor(node.input(1)?).data.as_ref()?.len();
    if !is_product || n_constants != channels || channels == 1 {
        return None;
    }
    let factors = per_column(graph, node, 1, channels)?;
    let name = format!("{}.weights", node.name);
    let weights = graph.add_tensor(Tensor::constant(
        name,
        vec![channels, 1, 1, 1],
        TensorData::F32(factors),
    ));
    let window = WindowAttributes {
        kernel: Some([1, 1]),
        strides: [1, 1],
        dilations: [1, 1],
        padding: Padding::Explicit(Pads::default()),
        ceil_mode: false,
    };
    let op = Op::Conv {
        window,
        group: channels,
    };
    Some(Node::new(&node.name, op, &[x, weights], node.outputs[0]))
}
