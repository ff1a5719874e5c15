//! Operators that the machine has no instruction for, as several that it has. All of it is float to float and exact up to rounding.

use crate::graph::edit::{add_sibling, rewrite_nodes};
use crate::graph::{DType, Graph, Node, Op, Padding, Pads, Tensor, TensorData, TensorId, Unary, WindowAttributes};
use crate::passes::support::shape_of;

pub(super) fn run(graph: &mut Graph) {
    let rewritten = rewrite_nodes(graph, |graph, node| {
        let nodes = match node.op {
            Op::Div => quotient(graph, &node),
            Op::Lrn {
                alpha,
                beta,
                bias,
                size,
            } => normalization(graph, &node, [alpha, beta, bias], size),
            _ => None,
        };
        Ok::<_, std::convert::Infallible>(nodes.unwrap_or_else(|| vec![node]))
    });
    rewritten.expect("no rewriting of this pass can fail");
}

/// `a / b` of two activations is `a * (1 / b)`.
fn quotient(graph: &mut Graph, node: &Node) -> Option<Vec<Node>> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    if graph.tensor(b).data.is_some() || graph.tensor(b).dtype != Some(DType::F32) {
        return None;
    }
    let shape = shape_of(graph, b);
    let reciprocal = add_sibling(graph, b, &format!("{}.reciprocal", node.name), Some(shape));
    let name = format!("{}.reciprocal", node.name);
    Some(vec![
        Node::new(name, Op::Unary(Unary::Reciprocal), &[b], reciprocal),
        Node::new(&node.name, Op::Mul, &[a, reciprocal], node.outputs[0]),
    ])
}

/// Adds nodes one after the other, each with a new result.
struct Chain<'g> {
    graph: &'g mut Graph,
    nodes: Vec<Node>,
    name: String,
}

impl Chain<'_> {
    fn step(&mut self, suffix: &str, op: Op, inputs: &[TensorId], shape: &[usize]) -> TensorId {
        let name = format!("{}.{suffix}", self.name);
        let y = self
            .graph
            .add_tensor(Tensor::value(name.clone(), DType::F32, shape.to_vec()));
        self.nodes.push(Node::new(name, op, inputs, y));
        y
    }

    fn scalar(&mut self, suffix: &str, value: f32) -> TensorId {
        let name = format!("{}.{suffix}", self.name);
        self.graph
            .add_tensor(Tensor::constant(name, vec![], TensorData::F32(vec![value])))
    }
}

/// `x * (bias + alpha * mean of x^2 over neighbouring channels)^-beta`: the mean is an average over windows of one pixel, seen as an image of
/// `h * w` rows and `c` columns. With channels last in memory, all reorderings are views.
fn normalization(graph: &mut Graph, node: &Node, [alpha, beta, bias]: [f32; 3], size: usize) -> Option<Vec<Node>> {
    let x = node.input(0)?;
    let &[n, c, h, w] = shape_of(graph, x).as_slice() else {
        return None;
    };
    let shape = [n, c, h, w];
    let (last, rows) = ([n, h, w, c], [n, 1, h * w, c]);
    let mut chain = Chain {
        graph,
        nodes: Vec::new(),
        name: node.name.clone(),
    };
    let permuted = |axes: [usize; 4]| Op::Transpose {
        permutation: Some(axes.to_vec()),
    };
    let window = WindowAttributes {
        kernel: Some([1, size.max(1)]),
        strides: [1, 1],
        dilations: [1, 1],
        padding: Padding::Explicit(Pads {
            top: 0,
            left: size.saturating_sub(1) / 2,
            bottom: 0,
            right: size.saturating_sub(1) - size.saturating_sub(1) / 2,
        }),
        ceil_mode: false,
    };
    let average = Op::AveragePool {
        window,
        count_include_pad: true,
    };
    let squares = chain.step("squares", Op::Mul, &[x, x], &shape);
    let channels_last = chain.step("channels_last", permuted([0, 2, 3, 1]), &[squares], &last);
    let as_rows = chain.step("rows", Op::View, &[channels_last], &rows);
    let mean = chain.step("mean", average, &[as_rows], &rows);
    let as_pixels = chain.step("pixels", Op::View, &[mean], &last);
    let mean = chain.step("channels_first", permuted([0, 3, 1, 2]), &[as_pixels], &shape);
    let (alpha, bias) = (chain.scalar("alpha", alpha), chain.scalar("bias", bias));
    let exponent = chain.scalar("exponent", -beta);
    let scaled = chain.step("scaled", Op::Mul, &[mean, alpha], &shape);
    let shifted = chain.step("shifted", Op::Add, &[scaled, bias], &shape);
    let factor = chain.step("factor", Op::Pow, &[shifted, exponent], &shape);
    let mut nodes = chain.nodes;
    nodes.push(Node::new(&node.name, Op::Mul, &[x, factor], node.outputs[0]));
    Some(nodes)
}
