//! Passes that normalize float graphs change no result: the float executor before and after each of them on random graphs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_compiler::Graph;
use systole_compiler::graph::{DType, Node, Op, Tensor, TensorData};
use systole_compiler::passes::find_pass;
use systole_compiler::reference::{Value, observe_float};
use systole_testkit::random_graphs::{Random, recipes};

const PASSES: [&str; 5] = [
    "fold-constants",
    "canonicalize",
    "merge-pads",
    "expand-batch-norm",
    "fold-affine",
];

fn outputs(graph: &Graph, input: &Value) -> Vec<Value> {
    observe_float(graph, std::slice::from_ref(input), &mut |_, _| {}).unwrap()
}

/// The first output that differs by more than rounding, and by how much.
fn difference(before: &[Value], after: &[Value]) -> Option<String> {
    assert_eq!(before.len(), after.len());
    before
        .iter()
        .zip(after)
        .enumerate()
        .find_map(|(index, (before, after))| {
            if before.shape != after.shape {
                return Some(format!("output {index}: {:?} became {:?}", before.shape, after.shape));
            }
            let (old, new) = (before.data.as_f32().unwrap(), after.data.as_f32().unwrap());
            let scale = old.iter().filter(|v| v.is_finite()).fold(1f32, |m, v| m.max(v.abs()));
            let differs = |(a, b): (&f32, &f32)| match (a.is_finite(), b.is_finite()) {
                (true, true) => (a - b).abs() > 1e-3 * scale,
                (a, b) => a != b,
            };
            let position = old.iter().zip(new).position(differs)?;
            Some(format!(
                "output {index}: {} became {} at {position}",
                old[position], new[position]
            ))
        })
}

fn inferred(mut graph: Graph) -> Graph {
    find_pass("infer-shapes").unwrap().run(&mut graph).unwrap();
    graph
}

/// Runs all passes and compares after each of them.
fn check(graph: Graph, values: Vec<f32>) -> Result<Graph, String> {
    let mut graph = inferred(graph);
    let input = Value::floats(graph.inputs[0].shape.clone().unwrap(), values);
    let before = outputs(&graph, &input);
    for name in PASSES {
        let pass = find_pass(name).unwrap();
        pass.run(&mut graph).map_err(|errors| format!("{name}: {errors:#?}"))?;
        if let Some(difference) = difference(&before, &outputs(&graph, &input)) {
            return Err(format!("{name}: {difference}\n{graph}"));
        }
    }
    Ok(graph)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_result_changes(recipe in recipes(8)) {
        let outcome = check(recipe.graph(), recipe.input_values(0));
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}

/// A graph under construction, whose constants are random.
struct Chain {
    graph: Graph,
    last: systole_compiler::TensorId,
    random: Random,
}

impl Chain {
    fn new(shape: &[usize]) -> Self {
        let mut graph = Graph::default();
        let last = graph.add_tensor(Tensor::value("x", DType::F32, shape.to_vec()));
        graph.add_input(last);
        let random = Random::new(7);
        Self { graph, last, random }
    }

    fn constant(&mut self, shape: &[usize], lo: f32) -> systole_compiler::TensorId {
        let values = (0..shape.iter().product()).map(|_| lo + self.random.unit()).collect();
        let name = format!("c{}", self.graph.tensors.len());
        self.graph
            .add_tensor(Tensor::constant(name, shape.to_vec(), TensorData::F32(values)))
    }

    /// Adds a node with random constants of the given shapes behind its first operand.
    fn then(mut self, op: Op, shapes: &[&[usize]]) -> Self {
        let mut inputs = vec![self.last];
        for shape in shapes {
            inputs.push(self.constant(shape, 0.1));
        }
        self.last = self
            .graph
            .add_tensor(Tensor::named(format!("t{}", self.graph.tensors.len())));
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.add_node(Node::new(name, op, &inputs, self.last));
        self
    }

    fn integers(mut self, op: Op, values: &[i64]) -> Self {
        let data = TensorData::I64(values.to_vec());
        let list = self
            .graph
            .add_tensor(Tensor::constant("list", vec![values.len()], data));
        let y = self.graph.add_tensor(Tensor::named("listed"));
        self.graph.add_node(Node::new("listed", op, &[self.last, list], y));
        self.last = y;
        self
    }

    /// The names of the operators that are left, after all passes and a comparison after each.
    fn left(mut self) -> Vec<String> {
        self.graph.add_output(self.last);
        let shape = self.graph.inputs[0].shape.clone().unwrap();
        let mut random = Random::new(11);
        let values = (0..shape.iter().product()).map(|_| random.normal()).collect();
        let graph = check(self.graph, values).unwrap();
        graph.nodes.iter().map(|node| node.op.name().to_owned()).collect()
    }
}

fn window(kernel: usize) -> systole_compiler::graph::WindowAttributes {
    systole_compiler::graph::WindowAttributes {
        kernel: Some([kernel; 2]),
        strides: [1, 1],
        dilations: [1, 1],
        padding: systole_compiler::graph::Padding::Explicit(systole_compiler::graph::Pads::default()),
        ceil_mode: false,
    }
}

fn conv(group: usize) -> Op {
    Op::Conv {
        window: window(3),
        group,
    }
}

const CHANNELS: [&[usize]; 4] = [&[4], &[4], &[4], &[4]];

#[test]
fn normalizations_and_constants_move_into_weights() {
    let batch_norm = || Op::BatchNormalization { epsilon: 1e-5 };
    let image = || Chain::new(&[1, 2, 6, 6]);
    let after_conv = image().then(conv(1), &[&[4, 2, 3, 3]]);
    assert_eq!(after_conv.then(batch_norm(), &CHANNELS).left(), ["Conv"]);
    let after_conv = image().then(conv(2), &[&[4, 1, 3, 3], &[4]]);
    let scaled = after_conv.then(Op::Mul, &[&[1, 4, 1, 1]]).then(Op::Add, &[&[4, 1, 1]]);
    assert_eq!(scaled.then(Op::Div, &[&[]]).then(Op::Sub, &[&[1]]).left(), ["Conv"]);
    let gemm = Op::Gemm {
        trans_a: false,
        trans_b: true,
        alpha: 0.5,
        beta: 2.0,
    };
    let dense = Chain::new(&[2, 5]).then(gemm, &[&[4, 5], &[4]]);
    assert_eq!(dense.then(batch_norm(), &CHANNELS).left(), ["Gemm"]);
    let dense = Chain::new(&[2, 3, 5]).then(Op::MatMul, &[&[5, 4]]);
    assert_eq!(dense.then(Op::Mul, &[&[4]]).then(Op::Add, &[&[4]]).left(), ["Gemm"]);
    let alone = Chain::new(&[1, 4, 3, 3]).then(Op::Relu, &[]);
    assert_eq!(alone.then(batch_norm(), &CHANNELS).left(), ["Relu", "Conv"]);
    // Columns are the last axis, not the rows.
    let dense = Chain::new(&[4, 5]).then(Op::MatMul, &[&[5, 4]]);
    assert_eq!(dense.then(Op::Mul, &[&[4, 1]]).left(), ["MatMul", "Mul"]);
}

#[test]
fn other_spellings_become_one() {
    let image = || Chain::new(&[1, 2, 6, 4]);
    let mean = |keep_dims| Op::ReduceMean {
        axes: Some(vec![-1, 2]),
        keep_dims,
    };
    assert_eq!(image().then(mean(true), &[]).left(), ["AveragePool"]);
    assert_eq!(image().then(mean(false), &[]).left(), ["AveragePool", "View"]);
    assert_eq!(image().then(Op::GlobalMaxPool, &[]).left(), ["MaxPool"]);
    assert_eq!(
        Chain::new(&[1, 3, 8])
            .then(
                Op::ReduceMean {
                    axes: Some(vec![2]),
                    keep_dims: true
                },
                &[]
            )
            .left(),
        ["View", "AveragePool", "View"]
    );
    let line = Chain::new(&[1, 3, 8]).then(Op::GlobalMaxPool, &[]);
    assert_eq!(line.left(), ["View", "MaxPool", "View"]);
    let pads = [0, 0, 1, 0, 0, 0, 1, 2];
    let padded = || image().integers(Op::Pad, &pads);
    assert_eq!(padded().then(conv(1), &[&[4, 2, 3, 3]]).left(), ["Conv"]);
    let average = Op::AveragePool {
        window: window(3),
        count_include_pad: false,
    };
    assert_eq!(padded().then(average, &[]).left(), ["AveragePool"]);
    let max_pool = || Op::MaxPool { window: window(3) };
    assert_eq!(padded().then(max_pool(), &[]).left(), ["Pad", "MaxPool"]);
    let positive = image().then(Op::Relu, &[]).integers(Op::Pad, &pads);
    assert_eq!(positive.then(max_pool(), &[]).left(), ["Relu", "MaxPool"]);
    let permutation = Some(vec![0, 2, 1]);
    let moved = Chain::new(&[1, 1, 5]).then(Op::Transpose { permutation }, &[]);
    assert_eq!(moved.then(Op::Relu, &[]).left(), ["View", "Relu"]);
}

/// A changed weight, and a changed shape of a window, do not go unnoticed.
#[test]
fn the_comparison_sees_a_wrong_weight() {
    let mut chain = Chain::new(&[1, 2, 6, 6]).then(conv(1), &[&[4, 2, 3, 3]]);
    chain.graph.add_output(chain.last);
    let graph = inferred(chain.graph);
    let input = Value::floats(vec![1, 2, 6, 6], vec![1.0; 72]);
    let before = outputs(&graph, &input);
    let mut wrong = graph.clone();
    let weights = wrong.nodes[0].inputs[1].unwrap();
    if let Some(TensorData::F32(values)) = &mut wrong.tensor_mut(weights).data {
        values[5] += 0.05;
    }
    assert!(difference(&before, &outputs(&wrong, &input)).is_some());
}
