//! Where a float graph is cut into integers: which tensors are quantized, and which of them share their scale.

use crate::graph::{DType, Graph, Op, TensorId};
use crate::passes::pointwise::pointwise_operands;
use std::collections::{BTreeMap, BTreeSet};

/// The tensors of a float graph that get integers of their own.
#[derive(Debug)]
pub(super) struct Points {
    points: BTreeSet<TensorId>,
}

impl Points {
    pub(super) fn contains(&self, id: TensorId) -> bool {
        self.points.contains(&id)
    }

    /// Chooses them. Not quantized is what a machine-level operator has inside: sums before their activation, the links of a chain of functions of
    /// single elements, and results of movements, which are integers as their operands are.
    pub(super) fn of(graph: &Graph) -> Self {
        let readers = Readers::of(graph);
        let mut cut: BTreeSet<TensorId> = BTreeSet::new();
        // A tensor that turns out to be needed in integers shortens the functions behind it, which may make others needed. Every round cuts at
        // least one more, and none is taken back.
        loop {
            let functions = Functions::of(graph, &readers, &cut);
            let needed: Vec<TensorId> = functions
                .of
                .iter()
                .filter(|(id, source)| !cut.contains(id) && !functions.is_inside(graph, &readers, **id, **source))
                .map(|(&id, _)| id)
                .collect();
            if needed.is_empty() {
                let points = functions.seen_as.iter().filter(|(id, seen)| id == seen);
                let points = points
                    .map(|(&id, _)| id)
                    .filter(|id| !functions.before_clip.contains(id));
                return Self {
                    points: points.filter(|&id| is_activation(graph, id)).collect(),
                };
            }
            cut.extend(needed);
        }
    }
}

struct Readers(Vec<Vec<usize>>);

impl Readers {
    fn of(graph: &Graph) -> Self {
        let mut readers = vec![Vec::new(); graph.tensors.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            let inputs: BTreeSet<TensorId> = node.inputs.iter().flatten().copied().collect();
            inputs.iter().for_each(|id| readers[id.index()].push(index));
        }
        Self(readers)
    }
}

fn is_activation(graph: &Graph, id: TensorId) -> bool {
    let tensor = graph.tensor(id);
    tensor.data.is_none() && tensor.dtype == Some(DType::F32)
}

/// Whether the machine-level operator of a node can clip its result.
fn clips(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv { .. }
            | Op::Gemm { .. }
            | Op::MatMul
            | Op::Add
            | Op::Sub
            | Op::Mul
            | Op::AveragePool { .. }
            | Op::PRelu
            | Op::LayerNormalization { .. }
    )
}

/// Functions of single elements in a graph some of whose tensors are cut.
struct Functions {
    /// For the result of each node that works point by point: the tensor it is a function of.
    of: BTreeMap<TensorId, TensorId>,
    /// What each tensor is to those that read it: a function of another tensor, or itself. Results of movements are not here.
    seen_as: BTreeMap<TensorId, TensorId>,
    /// Tensors that the only node that reads them clips, which their producer does in its place.
    before_clip: BTreeSet<TensorId>,
}

impl Functions {
    fn of(graph: &Graph, readers: &Readers, cut: &BTreeSet<TensorId>) -> Self {
        let mut functions = Self {
            of: BTreeMap::new(),
            seen_as: graph.inputs.iter().map(|io| (io.tensor, io.tensor)).collect(),
            before_clip: BTreeSet::new(),
        };
        let mut can_clip: BTreeSet<TensorId> = BTreeSet::new();
        for node in &graph.nodes {
            let y = node.outputs[0];
            let operands = pointwise_operands(graph, node);
            if node.op.is_movement() {
                continue;
            }
            functions.seen_as.insert(y, y);
            let seen_as = |x: &TensorId| functions.seen_as.get(x).copied().unwrap_or(*x);
            let source = operands.as_ref().map(|operands| seen_as(&operands[0]));
            let is_function = operands.iter().flatten().all(|x| Some(seen_as(x)) == source);
            let (Some(source), Some(operands), true) = (source, operands, is_function) else {
                if clips(&node.op) {
                    can_clip.insert(y);
                }
                continue;
            };
            let x = operands[0];
            let is_clip = matches!(node.op, Op::Relu | Op::Clip { .. });
            let is_alone = readers.0[x.index()].len() == 1 && !graph.is_output(x);
            if is_clip && is_alone && can_clip.contains(&x) {
                functions.before_clip.insert(x);
                can_clip.insert(y);
                continue;
            }
            functions.of.insert(y, source);
            if !cut.contains(&y) {
                functions.seen_as.insert(y, source);
            }
        }
        functions
    }

    /// Whether everything that reads a function's result computes it again inside its own function.
    fn is_inside(&self, graph: &Graph, readers: &Readers, id: TensorId, source: TensorId) -> bool {
        let mut nodes = readers.0[id.index()].iter().map(|&index| &graph.nodes[index]);
        !graph.is_output(id) && nodes.all(|node| self.of.get(&node.outputs[0]) == Some(&source))
    }
}
