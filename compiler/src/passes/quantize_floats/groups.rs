//! Tensors that share scale and zero point: what movements read and write, and what is concatenated where that costs no resolution.

use super::points::Points;
use crate::graph::{DType, Graph, Node, Op, TensorId};
use crate::post_training::Range;
use std::collections::BTreeMap;

/// How much wider the range of a tensor may become by sharing: at most one bit of its resolution is lost.
const MOST_WIDENING: f64 = 2.0;

/// A partition of the tensors.
#[derive(Debug)]
pub(super) struct Groups {
    parents: Vec<TensorId>,
    ranges: Vec<Range>,
}

impl Groups {
    /// Puts the tensors of a graph into groups and the ranges of all members together.
    pub(super) fn of(graph: &Graph, ranges: &BTreeMap<TensorId, Range>, points: &Points) -> Self {
        let n = graph.tensors.len() as u32;
        let mut groups = Self {
            parents: (0..n).map(TensorId).collect(),
            ranges: (0..n)
                .map(|i| ranges.get(&TensorId(i)).copied().unwrap_or(Range::EMPTY))
                .collect(),
        };
        for node in graph.nodes.iter().filter(|node| node.op.is_movement()) {
            if let (Some(x), false) = (node.input(0), matches!(node.op, Op::Concat { .. })) {
                node.outputs.iter().for_each(|&y| groups.join(x, y));
            }
        }
        for node in &graph.nodes {
            if matches!(node.op, Op::Concat { .. }) {
                groups.concatenate(graph, node, points);
            }
        }
        groups
    }

    /// Operands share the result's scale if nothing else reads them, or if it is hardly coarser than their own.
    fn concatenate(&mut self, graph: &Graph, node: &Node, points: &Points) {
        let y = node.outputs[0];
        let operands: Vec<TensorId> = node.inputs.iter().flatten().copied().collect();
        let operands = operands.into_iter().filter(|&id| graph.tensor(id).data.is_none());
        for x in operands {
            let readers = graph.nodes.iter().filter(|other| other.inputs.contains(&Some(x)));
            let is_own = readers.count() == 1 && !graph.is_output(x) && points.contains(x);
            let (own, result) = (self.range_of(x), self.range_of(y));
            let is_close = own.union(result).span() <= own.span() * MOST_WIDENING;
            if is_own || is_close {
                self.join(x, y);
            }
        }
    }

    /// The member that stands for the group of a tensor.
    pub(super) fn of_tensor(&self, id: TensorId) -> TensorId {
        let mut root = id;
        while let Some(&parent) = self.parents.get(root.index()).filter(|&&parent| parent != root) {
            root = parent;
        }
        root
    }

    fn range_of(&self, id: TensorId) -> Range {
        self.ranges[self.of_tensor(id).index()]
    }

    fn join(&mut self, a: TensorId, b: TensorId) {
        let (a, b) = (self.of_tensor(a), self.of_tensor(b));
        let range = self.ranges[a.index()].union(self.ranges[b.index()]);
        // The later tensor joins the earlier one.
        let (root, other) = (a.min(b), a.max(b));
        self.parents[other.index()] = root;
        self.ranges[root.index()] = range;
    }

    /// Scale and zero point of every group.
    pub(super) fn parameters(&self, graph: &Graph, dtype: DType) -> BTreeMap<TensorId, (f32, i32)> {
        let ids = (0..graph.tensors.len() as u32).map(TensorId);
        let roots = ids.filter(|&id| self.of_tensor(id) == id && graph.tensor(id).data.is_none());
        roots
            .map(|id| (id, self.ranges[id.index()].parameters(dtype)))
            .collect()
    }
}
