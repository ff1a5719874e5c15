//! Random small float graphs of every operator, valid by construction.
//!
//! A [`Recipe`] is a list of steps, each an operator with small numbers that choose its operand and its attributes. A step that does not fit the tensors
//! there are is left out, so that every recipe makes a valid graph and a recipe without some of its steps makes a smaller one: shrinking needs nothing
//! else. Constants follow from the seed and the position of the step.

mod steps;

use proptest::prelude::*;
use systole_compiler::Graph;
use systole_compiler::graph::infer::infer;
use systole_compiler::graph::{DType, Node, Op, Tensor, TensorData, TensorId, element_count};

pub use steps::Kind;

/// The most elements of a tensor.
pub const MAX_ELEMENTS: usize = 2048;

/// One step of a recipe: an operator, and numbers that choose among what is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The operator.
    pub kind: Kind,
    /// Chooses the operand among the tensors there are, the newest first.
    pub operand: u8,
    /// Choose a second operand and attributes.
    pub choices: [u8; 4],
}

/// How a graph is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Shape of the input.
    pub input: Vec<usize>,
    /// Operators, one after the other.
    pub steps: Vec<Step>,
    /// Of constants and inputs.
    pub seed: u64,
}

/// Recipes of at most `max_steps` steps. They shrink towards fewer steps, the first operators and the smallest numbers.
pub fn recipes(max_steps: usize) -> impl Strategy<Value = Recipe> {
    let image = (1usize..=2, 1usize..=6, 1usize..=9, 1usize..=9).prop_map(|(n, c, h, w)| vec![n, c, h, w]);
    let matrix = (1usize..=3, 1usize..=24).prop_map(|(n, k)| vec![n, k]);
    let sequence = (1usize..=2, 1usize..=6, 1usize..=12).prop_map(|(n, t, k)| vec![n, t, k]);
    let input = prop_oneof![6 => image, 2 => matrix, 1 => sequence];
    let step = (proptest::sample::select(Kind::ALL), 0u8..4, any::<[u8; 4]>())
        .prop_map(|(kind, operand, choices)| Step { kind, operand, choices });
    let steps = proptest::collection::vec(step, 1..=max_steps);
    (input, steps, any::<u64>()).prop_map(|(input, steps, seed)| Recipe { input, steps, seed })
}

impl Recipe {
    /// The graph. Its outputs are the tensors that nothing reads.
    pub fn graph(&self) -> Graph {
        let mut builder = Builder::new(self);
        for (index, step) in self.steps.iter().enumerate() {
            builder.random = Random::new(self.seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            builder.step(*step);
        }
        builder.finish()
    }

    /// Values for the input, about standard normal: the same for the same number.
    pub fn input_values(&self, number: u64) -> Vec<f32> {
        let mut random = Random::new(self.seed.rotate_left(17) ^ number);
        (0..self.input.iter().product()).map(|_| random.normal()).collect()
    }
}

/// A sequence of pseudorandom numbers, splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Approximately standard normal, at most 6 from zero.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

/// A graph on its way.
struct Builder {
    graph: Graph,
    /// Activations, oldest first.
    values: Vec<TensorId>,
    random: Random,
}

impl Builder {
    fn new(recipe: &Recipe) -> Self {
        let mut graph = Graph {
            name: "random".into(),
            ..Graph::default()
        };
        let x = graph.add_tensor(Tensor::value("x", DType::F32, recipe.input.clone()));
        graph.add_input(x);
        Self {
            graph,
            values: vec![x],
            random: Random::new(recipe.seed),
        }
    }

    fn shape(&self, id: TensorId) -> Vec<usize> {
        self.graph.tensor(id).shape.clone().unwrap_or_default()
    }

    /// A constant of normal numbers of a given deviation.
    fn weights(&mut self, shape: Vec<usize>, deviation: f32) -> TensorId {
        let n = shape.iter().product();
        let values = (0..n).map(|_| self.random.normal() * deviation).collect();
        self.constant(shape, TensorData::F32(values))
    }

    /// A constant of numbers in an interval.
    fn between(&mut self, shape: Vec<usize>, lo: f32, hi: f32) -> TensorId {
        let n = shape.iter().product();
        let values = (0..n).map(|_| lo + (hi - lo) * self.random.unit()).collect();
        self.constant(shape, TensorData::F32(values))
    }

    fn integers(&mut self, values: Vec<i64>) -> TensorId {
        self.constant(vec![values.len()], TensorData::I64(values))
    }

    fn constant(&mut self, shape: Vec<usize>, data: TensorData) -> TensorId {
        let name = format!("c{}", self.graph.tensors.len());
        self.graph.add_tensor(Tensor::constant(name, shape, data))
    }

    /// Adds a node, if its operands fit and its results are neither empty nor too large.
    fn push(&mut self, op: Op, inputs: &[Option<TensorId>], n_outputs: usize) -> Option<TensorId> {
        let name = format!("{}{}", op.name().to_lowercase(), self.graph.nodes.len());
        let n_tensors = self.graph.tensors.len();
        let outputs = (0..n_outputs)
            .map(|i| self.graph.add_tensor(Tensor::named(format!("{name}.{i}"))))
            .collect();
        let node = Node {
            name,
            op,
            inputs: inputs.to_vec(),
            outputs,
        };
        let inferred = infer(&self.graph, &node).unwrap_or_default();
        let fits = |shape: &Vec<usize>| element_count(shape).is_some_and(|n| (1..=MAX_ELEMENTS).contains(&n));
        let is_valid = inferred.len() == n_outputs && inferred.iter().all(|i| i.shape.as_ref().is_some_and(fits));
        if !is_valid {
            self.graph.tensors.truncate(n_tensors);
            return None;
        }
        for (&y, inferred) in node.outputs.iter().zip(inferred) {
            let tensor = self.graph.tensor_mut(y);
            (tensor.shape, tensor.dtype) = (inferred.shape, Some(DType::F32));
        }
        self.values.extend(&node.outputs);
        let first = node.outputs[0];
        self.graph.add_node(node);
        Some(first)
    }

    fn unary(&mut self, op: Op, x: TensorId) -> Option<TensorId> {
        self.push(op, &[Some(x)], 1)
    }

    fn finish(mut self) -> Graph {
        if self.graph.nodes.is_empty() {
            let x = self.values[0];
            self.unary(Op::Relu, x);
        }
        let read: Vec<TensorId> = self
            .graph
            .nodes
            .iter()
            .flat_map(|node| node.inputs.iter().flatten().copied())
            .collect();
        for id in self.values.into_iter().filter(|id| !read.contains(id)) {
            self.graph.add_output(id);
        }
        self.graph
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;
    use systole_compiler::graph::verify;

    #[test]
    fn graphs_are_valid_and_use_every_operator() {
        let mut runner = TestRunner::deterministic();
        let mut seen = BTreeSet::new();
        for _ in 0..2000 {
            let recipe = recipes(8).new_tree(&mut runner).unwrap().current();
            let graph = recipe.graph();
            verify(&graph).unwrap();
            assert!(!graph.outputs.is_empty() && !graph.nodes.is_empty());
            seen.extend(graph.nodes.iter().map(|node| node.op.name().to_owned()));
        }
        let missing: Vec<&str> = Kind::operators().filter(|name| !seen.contains(*name)).collect();
        assert!(missing.is_empty(), "{missing:?} of {seen:?}");
    }

    #[test]
    fn the_same_recipe_makes_the_same_graph() {
        let mut runner = TestRunner::deterministic();
        let recipe = recipes(8).new_tree(&mut runner).unwrap().current();
        assert_eq!(recipe.graph(), recipe.graph());
        assert_ne!(recipe.input_values(0), recipe.input_values(1));
    }
}
