//! Turns `Dequantize -> operator -> [Relu | Clip] -> Quantize` into machine-level operators.
//!
//! A clipping between an operator and its Quantize is exact on integers, because quantization is monotone: it clips the result into the interval of
//! its quantized bounds. Functions of single elements, whole chains of them included, become a table: 256 results of real arithmetic.

mod elementwise;
mod product;
mod rows;

use super::Graph;
use super::pointwise::Function;
use super::support::{Model, full_range, shape_of, single_quantization};
use crate::error::CompileError;
use crate::graph::edit::{add_sibling, remove_dead_nodes, rewrite_nodes};
use crate::graph::{ClipRange, Node, Op, Tensor, TensorData, TensorId};
use crate::reference::arith::quantize_f32;

pub(super) fn run(graph: &mut Graph) -> Result<(), Vec<CompileError>> {
    let model = Model::of(graph);
    rewrite_nodes(graph, |graph, node| {
        let fused = match node.op {
            Op::Quantize { .. } => fuse(graph, &model, &node)?,
            _ => None,
        };
        Ok(fused.unwrap_or_else(|| vec![node]))
    })?;
    remove_dead_nodes(graph);
    Ok(())
}

/// What computes the result of a Quantize from integers, if its operand has a known form.
fn fuse(graph: &mut Graph, model: &Model, quantize: &Node) -> Result<Option<Vec<Node>>, CompileError> {
    let y = quantize.outputs[0];
    let Some(real) = quantize.input(0) else {
        return Ok(None);
    };
    let (source, clip) = clipping(graph, model, quantize, real)?;
    let Some(operator) = model.producer(source) else {
        return Ok(None);
    };
    if let Some(x) = model.dequantized_from(source) {
        return Ok(Some(vec![Node::new(&quantize.name, Op::QRequant { clip }, &[x], y)]));
    }
    if let Some(function) = Function::of(graph, model, real) {
        return table(graph, operator, &function, y).map(Some);
    }
    let fusion = Fusion {
        model,
        operator,
        y,
        clip,
    };
    fusion.nodes(graph)
}

/// The tensor before the activations that lead to a Quantize, and what they leave of the range of its result.
fn clipping(
    graph: &Graph,
    model: &Model,
    quantize: &Node,
    real: TensorId,
) -> Result<(TensorId, ClipRange), CompileError> {
    let y = quantize.outputs[0];
    let mut clip = full_range(graph, quantize, y)?;
    let (mut source, mut bounds) = (real, Vec::new());
    while let Some((operand, bound)) = activation(model, source) {
        bounds.push(bound);
        source = operand;
    }
    // The activation nearest to the operator clips first.
    for bound in bounds.into_iter().rev() {
        clip = clip.then(quantized_bounds(graph, quantize, y, bound)?);
    }
    Ok((source, clip))
}

/// The operand and the bounds of the activation that writes a tensor, if one does.
fn activation(model: &Model, tensor: TensorId) -> Option<(TensorId, (f32, f32))> {
    let node = model.producer(tensor)?;
    let bounds = match node.op {
        Op::Relu => (0.0, f32::INFINITY),
        Op::Clip { min, max } if node.inputs.len() == 1 => {
            (min.unwrap_or(f32::NEG_INFINITY), max.unwrap_or(f32::INFINITY))
        }
        _ => return None,
    };
    Some((node.input(0)?, bounds))
}

fn quantized_bounds(graph: &Graph, node: &Node, y: TensorId, (lo, hi): (f32, f32)) -> Result<ClipRange, CompileError> {
    let (scale, zero_point) = single_quantization(graph, node, y)?;
    let range = full_range(graph, node, y)?;
    let bound = |v: f32| quantize_f32(v, scale, zero_point, range.lo, range.hi);
    Ok(ClipRange {
        lo: bound(lo),
        hi: bound(hi),
    })
}

/// A function of every element as a lookup.
fn table(graph: &mut Graph, node: &Node, function: &Function, y: TensorId) -> Result<Vec<Node>, CompileError> {
    let range = full_range(graph, node, y)?;
    let quantization = single_quantization(graph, node, y)?;
    let Some(entries) = function.table(graph, quantization, (range.lo, range.hi)) else {
        let found = format!("`{}` as the operand of a table", graph.tensor(function.source).name);
        return Err(super::support::quantization_error(
            node,
            found,
            "u8 or i8 with one scale",
        ));
    };
    Ok(vec![lookup(graph, &node.name, function.source, y, &entries)])
}

/// A QLut node with its table of integers of the type of the result.
fn lookup(graph: &mut Graph, name: &str, x: TensorId, y: TensorId, entries: &[i32]) -> Node {
    let data = graph
        .tensor(y)
        .dtype
        .and_then(|dtype| TensorData::from_i32(entries, dtype));
    let data = data.expect("a quantized result has an integer type");
    let table = graph.add_tensor(Tensor::constant(format!("{name}.table"), vec![entries.len()], data));
    Node::new(name, Op::QLut, &[x, table], y)
}

/// An operator on its way to integers: what it computes, where to, and how the result is clipped.
struct Fusion<'m> {
    model: &'m Model,
    operator: &'m Node,
    y: TensorId,
    clip: ClipRange,
}

impl Fusion<'_> {
    fn nodes(&self, graph: &mut Graph) -> Result<Option<Vec<Node>>, CompileError> {
        let clip = self.clip;
        match &self.operator.op {
            Op::Add => self.sum(graph),
            Op::Sub => self.difference(graph),
            Op::Mul => self.product_of_elements(graph),
            Op::PRelu => self.prelu(graph),
            Op::Conv { window, group } => self.conv(
                graph,
                Op::QConv {
                    window: *window,
                    group: *group,
                    clip,
                },
            ),
            Op::Gemm { .. } | Op::MatMul => self.dense(graph),
            Op::AveragePool {
                window,
                count_include_pad,
            } => Ok(self.integers(0).map(|x| {
                let op = Op::QAveragePool {
                    window: *window,
                    count_include_pad: *count_include_pad,
                    clip,
                };
                vec![self.node(op, &[x])]
            })),
            Op::Softmax { axis, coerce_to_matrix } => self.softmax(graph, *axis, *coerce_to_matrix),
            Op::LayerNormalization { axis, epsilon } => self.layer_norm(graph, *axis, *epsilon),
            _ => Ok(None),
        }
    }

    fn node(&self, op: Op, inputs: &[TensorId]) -> Node {
        Node::new(&self.operator.name, op, inputs, self.y)
    }

    /// The integers behind an operand.
    fn integers(&self, position: usize) -> Option<TensorId> {
        self.model.dequantized_from(self.operator.input(position)?)
    }

    /// A tensor between two nodes of this operator, with the meaning of another.
    fn between(&self, graph: &mut Graph, of: TensorId, suffix: &str, shape: Vec<usize>) -> TensorId {
        add_sibling(graph, of, &format!("{}.{suffix}", self.operator.name), Some(shape))
    }

    /// Reorders the axes of `x` for `body`, and those of what `body` writes back. Nothing moves if the order stays.
    fn permuted(
        &self,
        graph: &mut Graph,
        x: TensorId,
        axes: &[usize],
        body: impl FnOnce(&mut Graph, TensorId, TensorId) -> Vec<Node>,
    ) -> Vec<Node> {
        if axes.iter().copied().eq(0..axes.len()) {
            return body(graph, x, self.y);
        }
        let shape = shape_of(graph, x);
        let moved: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let before = self.between(graph, x, "before", moved.clone());
        let after = self.between(graph, self.y, "after", moved);
        let mut back = vec![0; axes.len()];
        axes.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        let transpose = |name: &str, axes: &[usize], from, to| {
            let op = Op::Transpose {
                permutation: Some(axes.to_vec()),
            };
            Node::new(format!("{}.{name}", self.operator.name), op, &[from], to)
        };
        let mut nodes = vec![transpose("before", axes, x, before)];
        nodes.extend(body(graph, before, after));
        nodes.push(transpose("after", &back, after, self.y));
        nodes
    }

    /// Sees `x` as a matrix for `body`, and what `body` writes under the shape of the result again.
    fn as_matrix(
        &self,
        graph: &mut Graph,
        x: TensorId,
        columns: usize,
        body: impl FnOnce(&mut Graph, TensorId, TensorId) -> Vec<Node>,
    ) -> Vec<Node> {
        let shape = shape_of(graph, x);
        if shape.len() >= 2 && shape.last() == Some(&columns) {
            return body(graph, x, self.y);
        }
        let n_elements: usize = shape.iter().product();
        let matrix = vec![n_elements / columns.max(1), columns];
        let before = self.between(graph, x, "before", matrix.clone());
        let after = self.between(graph, self.y, "after", matrix);
        let view = |name: &str, from, to| Node::new(format!("{}.{name}", self.operator.name), Op::View, &[from], to);
        let mut nodes = vec![view("before", x, before)];
        nodes.extend(body(graph, before, after));
        nodes.push(view("after", after, self.y));
        nodes
    }
}
