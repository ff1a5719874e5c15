//! What a layer cannot do without: the model's multiply-accumulates and weights, and the DRAM bytes without which no schedule can do that runs
//! layer after layer.
//!
//! A layer reads its weights and parameters, and the model's inputs where it is the first to read them; it writes the model's outputs. Of any other
//! activation tensor only what exceeds the scratchpad has to leave the chip: at most that much can stay between the layer that makes it and the one
//! that reads it. What a fused addition would have stored between its two halves does not count at all. So the bound is the same whether a tensor
//! does stay or not.

use super::fusion::Fusion;
use crate::quantized::{QNode, QOp, QuantizedGraph, TensorId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use systole_isa::MachineDescription;

/// What one layer of the model needs on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// DRAM bytes.
    pub(super) bytes: u64,
    /// Multiply-accumulates, padding included.
    pub(super) macs: u64,
    /// Bytes of weights.
    pub(super) weight_bytes: u64,
}

impl Needs {
    /// The share of one of `n` equal parts; the first one has what is left over.
    pub(super) fn part(self, index: u64, n: u64) -> Self {
        let share = |whole: u64| whole / n + if index == 0 { whole % n } else { 0 };
        Self {
            bytes: share(self.bytes),
            macs: share(self.macs),
            weight_bytes: share(self.weight_bytes),
        }
    }
}

/// Needs by layer name; where several layers have one name, in their order.
pub(super) fn by_layer<'g>(
    graph: &'g QuantizedGraph,
    fusions: &[Fusion<'_>],
    machine: &MachineDescription,
) -> BTreeMap<&'g str, VecDeque<Needs>> {
    let mut traffic = Traffic {
        graph,
        capacity: machine.spm.capacity_bytes(),
        read: BTreeSet::new(),
    };
    let mut needs: BTreeMap<&str, VecDeque<Needs>> = BTreeMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        if matches!(node.op, QOp::View(_)) || fusions.iter().any(|fusion| fusion.addition == index) {
            continue;
        }
        let bytes = match fusions.iter().find(|fusion| fusion.producer == index) {
            None => traffic.of(node, &node.op.activations(), node.op.output()),
            Some(fusion) => {
                let mut read = node.op.activations();
                read.push(fusion.other());
                traffic.of(node, &read, fusion.add.output)
            }
        };
        let of_layer = Needs {
            bytes,
            macs: graph.macs_of(&node.op),
            weight_bytes: node.op.weights().map_or(0, |id| traffic.bytes(id)),
        };
        needs.entry(&node.name).or_default().push_back(of_layer);
    }
    needs
}

struct Traffic<'g> {
    graph: &'g QuantizedGraph,
    capacity: u64,
    /// Tensors of the host and constants that a layer has read already.
    read: BTreeSet<TensorId>,
}

impl Traffic<'_> {
    fn of(&mut self, node: &QNode, read: &[TensorId], written: TensorId) -> u64 {
        let weights = match &node.op {
            QOp::Conv(op) => self.constants(op.weights, op.scales.len()),
            QOp::Dense(op) => self.constants(op.weights, op.scales.len()),
            _ => 0,
        };
        let reads: u64 = read.iter().map(|&id| self.read(id)).sum();
        let is_output = self
            .graph
            .outputs
            .iter()
            .any(|io| self.shown(io.tensor) == self.shown(written));
        let writes = if is_output {
            self.bytes(written)
        } else {
            self.excess(written)
        };
        weights + reads + writes
    }

    /// Bytes of weights, with bias and scale of every output channel.
    fn constants(&self, weights: TensorId, n_channels: usize) -> u64 {
        self.bytes(weights) + super::tiling::PARAMETER_BYTES * n_channels as u64
    }

    fn read(&mut self, id: TensorId) -> u64 {
        let id = self.shown(id);
        let is_made = self.graph.nodes.iter().any(|node| node.op.output() == id);
        if !is_made && self.read.insert(id) {
            self.bytes(id)
        } else {
            self.excess(id)
        }
    }

    fn bytes(&self, id: TensorId) -> u64 {
        self.graph.tensor(id).len() as u64
    }

    fn excess(&self, id: TensorId) -> u64 {
        self.bytes(id).saturating_sub(self.capacity)
    }

    /// The tensor that a view shows.
    fn shown(&self, mut id: TensorId) -> TensorId {
        while let Some(input) = self.graph.nodes.iter().find_map(|node| match &node.op {
            QOp::View(view) if view.output == id => Some(view.input),
            _ => None,
        }) {
            id = input;
        }
        id
    }
}
