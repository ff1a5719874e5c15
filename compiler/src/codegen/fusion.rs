//! Which additions a convolution can end with, so that its products never leave the scratchpad.

use super::placing::Placing;
use crate::quantized::{QAdd, QOp, QuantizedGraph, TensorId};

/// An addition that its last producer performs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fusion<'g> {
    /// Index of the convolution or matrix product.
    pub(super) producer: usize,
    /// Index of the addition.
    pub(super) addition: usize,
    pub(super) add: &'g QAdd,
    /// What the producer would write by itself.
    pub(super) products: TensorId,
    /// Whether the operand that the producer does not make is the first one.
    pub(super) is_first: bool,
}

impl Fusion<'_> {
    /// The operand that the producer does not make.
    pub(super) fn other(&self) -> TensorId {
        if self.is_first { self.add.a } else { self.add.b }
    }

    /// Whether it is about the node with this index.
    pub(super) fn concerns(&self, index: usize) -> bool {
        index == self.producer || index == self.addition
    }
}

/// The additions of a graph that can be fused. A producer performs at most one, and nothing else may read what it makes: that is never stored.
pub(super) fn additions<'g>(graph: &'g QuantizedGraph, placing: &Placing) -> Vec<Fusion<'g>> {
    let mut fusions: Vec<Fusion<'g>> = Vec::new();
    for (addition, node) in graph.nodes.iter().enumerate() {
        let QOp::Add(add) = &node.op else { continue };
        let candidates = [
            (add.a, add.b, add.zero_points[0], false),
            (add.b, add.a, add.zero_points[1], true),
        ];
        let fusion = candidates
            .into_iter()
            .filter_map(|(products, other, zero_point, is_first)| {
                let producer = producer_of(graph, products)?;
                let fits = output_zero_point(&graph.nodes[producer].op)? == zero_point
                    && graph.tensor(products).shape == graph.tensor(other).shape
                    && graph.tensor(products).shape == graph.tensor(add.output).shape
                    && placing.slice(other).pitch == placing.slice(add.output).pitch
                    && n_readers(graph, products) == 1
                    && is_there_before(graph, other, producer);
                fits.then_some(Fusion {
                    producer,
                    addition,
                    add,
                    products,
                    is_first,
                })
            });
        fusions.extend(fusion.max_by_key(|fusion| fusion.producer));
    }
    fusions
}

fn producer_of(graph: &QuantizedGraph, id: TensorId) -> Option<usize> {
    graph.nodes.iter().position(|node| node.op.output() == id)
}

/// Zero point of the results of an operator that can end with an addition.
fn output_zero_point(op: &QOp) -> Option<i32> {
    match op {
        QOp::Conv(op) if op.groups == 1 => Some(op.output_zero_point),
        QOp::Dense(op) => Some(op.output_zero_point),
        _ => None,
    }
}

/// How often a tensor is read, by the host as well.
fn n_readers(graph: &QuantizedGraph, id: TensorId) -> usize {
    let reads = graph.nodes.iter().flat_map(|node| node.op.activations());
    let outputs = graph.outputs.iter().map(|io| io.tensor);
    reads.chain(outputs).filter(|read| *read == id).count()
}

fn is_there_before(graph: &QuantizedGraph, id: TensorId, index: usize) -> bool {
    producer_of(graph, id).is_none_or(|producer| producer < index)
}
