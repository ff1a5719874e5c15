//! The layers of a program as a graph: which tensors in DRAM and scratchpad each layer reads and writes when the program runs.

use crate::inspect::{GraphEdge, GraphLayer, ModelGraph};
use std::collections::BTreeMap;
use std::sync::Arc;
use systole_isa::operand::{MarkKind, Space};
use systole_isa::program::SymbolKind;
use systole_isa::{Op, Program};
use systole_simulator::for_each_memory_use;

/// Instructions that are looked at; those of a network with images of 224 x 224 pixels are half as many.
const MAX_INSTRUCTIONS: u64 = 1 << 22;

/// Names of the parts of DRAM, found by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct TensorNames {
    /// First byte, first byte behind, name; sorted by the first byte.
    ranges: Vec<(u64, u64, Arc<str>)>,
}

impl TensorNames {
    /// The program's symbols, segments, inputs and outputs.
    pub(crate) fn of(program: &Program) -> Self {
        let symbols = program
            .symbols
            .iter()
            .filter(|symbol| symbol.kind == SymbolKind::Dram && symbol.size > 0);
        let symbols = symbols.map(|symbol| (symbol.value, symbol.size, symbol.name.as_str()));
        let segments = program
            .segments
            .iter()
            .map(|part| (part.address, part.bytes.len() as u64, part.name.as_str()));
        let mut ranges: Vec<(u64, u64, Arc<str>)> = symbols
            .chain(segments)
            .map(|(start, size, name)| (start, start.saturating_add(size), Arc::from(name)))
            .collect();
        // Of several names for one place the first and largest counts.
        ranges.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        ranges.dedup_by_key(|(start, _, _)| *start);
        for tensor in program.inputs.iter().chain(&program.outputs) {
            let last: u64 = tensor
                .shape
                .iter()
                .zip(&tensor.strides)
                .map(|(n, stride)| n.saturating_sub(1) * stride)
                .sum();
            let size = (last + 1) * u64::from(tensor.format.bits()).div_ceil(8);
            if !ranges
                .iter()
                .any(|(start, end, _)| (*start..*end).contains(&tensor.address))
            {
                ranges.push((
                    tensor.address,
                    tensor.address.saturating_add(size),
                    Arc::from(tensor.name.as_str()),
                ));
            }
        }
        ranges.sort();
        Self { ranges }
    }

    /// Index and name of the tensor that holds a byte.
    pub(crate) fn at(&self, address: u64) -> Option<(usize, &Arc<str>)> {
        let behind = self.ranges.partition_point(|(start, _, _)| *start <= address);
        let idx = behind.checked_sub(1)?;
        let (_, end, name) = &self.ranges[idx];
        (address < *end).then_some((idx, name))
    }

    /// First byte, first byte behind and name of every tensor.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(u64, u64, Arc<str>)> {
        self.ranges.iter()
    }
}

/// Tensors that stay in the scratchpad for a while. Those that live at different times may share bytes, so whose they are
/// depends on who wrote them last.
struct Residents {
    tensors: Vec<Resident>,
}

struct Resident {
    start: u64,
    end: u64,
    name: Arc<str>,
    /// The layer that makes it.
    maker: Option<usize>,
    /// The tensor that lies there now: this one, or one that it shares bytes with.
    present: Option<usize>,
}

impl Residents {
    fn of(program: &Program) -> Self {
        let symbols = program.symbols.iter();
        let tensors = symbols.filter(|symbol| symbol.kind == SymbolKind::Spm && symbol.size > 0);
        let tensors = tensors.map(|symbol| Resident {
            start: symbol.value,
            end: symbol.value.saturating_add(symbol.size),
            name: Arc::from(symbol.name.as_str()),
            maker: None,
            present: None,
        });
        Self {
            tensors: tensors.collect(),
        }
    }

    fn at(&self, address: u64) -> Vec<usize> {
        let covers = |idx: &usize| (self.tensors[*idx].start..self.tensors[*idx].end).contains(&address);
        (0..self.tensors.len()).filter(covers).collect()
    }

    /// A layer writes a byte: into the tensor that it makes, or into the first there that nobody has made yet.
    fn write(&mut self, layer_idx: usize, address: u64) -> Option<Arc<str>> {
        let there = self.at(address);
        let with = |maker: Option<usize>| there.iter().copied().find(|idx| self.tensors[*idx].maker == maker);
        let written = with(Some(layer_idx)).or_else(|| with(None))?;
        self.tensors[written].maker = Some(layer_idx);
        for idx in there {
            self.tensors[idx].present = Some(written);
        }
        Some(Arc::clone(&self.tensors[written].name))
    }

    fn read(&self, address: u64) -> Option<Arc<str>> {
        let present = self.at(address).into_iter().find_map(|idx| self.tensors[idx].present)?;
        Some(Arc::clone(&self.tensors[present].name))
    }
}

/// The graph of a program's layers.
pub(crate) fn graph_of(program: &Program, names: &TensorNames) -> ModelGraph {
    let mut layers: Vec<GraphLayer> = program
        .marks
        .iter()
        .map(|mark| GraphLayer {
            op: mark.op.clone(),
            ..GraphLayer::default()
        })
        .collect();
    for (pc, instruction) in program.code.iter().enumerate() {
        if let Op::Mark {
            kind: MarkKind::Layer,
            id,
        } = instruction.op
            && let Some(layer) = usize::try_from(id.0).ok().and_then(|idx| layers.get_mut(idx))
        {
            layer.first_pc = u32::try_from(pc).unwrap_or(u32::MAX);
        }
    }
    let mut residents = Residents::of(program);
    for_each_memory_use(program, MAX_INSTRUCTIONS, |used| {
        let Some(idx) = used.layer.map(|idx| idx as usize).filter(|idx| *idx < layers.len()) else {
            return;
        };
        let name = match used.space {
            Space::Dram => names.at(used.address).map(|(_, name)| Arc::clone(name)),
            _ if used.is_write => residents.write(idx, used.address),
            _ => residents.read(used.address),
        };
        let layer = &mut layers[idx];
        let list = match used.is_write {
            true => &mut layer.writes,
            false => &mut layer.reads,
        };
        list.extend(name.filter(|name| !list.contains(name)));
    });
    let edges = edges(&layers);
    ModelGraph { layers, edges }
}

/// From the layer that wrote a tensor last to each that reads it.
fn edges(layers: &[GraphLayer]) -> Vec<GraphEdge> {
    let mut writers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut edges = Vec::new();
    for (to, layer) in layers.iter().enumerate() {
        for tensor in &layer.reads {
            if let Some(&from) = writers.get(&**tensor) {
                edges.push(GraphEdge {
                    from,
                    to,
                    tensor: Arc::clone(tensor),
                });
            }
        }
        for tensor in &layer.writes {
            writers.insert(tensor, to);
        }
    }
    edges.sort();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::example;

    /// Convolutions with padding have base addresses before their tensors.
    #[test]
    fn the_layers_of_the_digits_network_form_a_chain() {
        let source = example("digits", None).expect("it is shipped");
        let program = source.machine.program();
        let graph = graph_of(program, &TensorNames::of(program));
        let n_layers = graph.layers.len();
        assert!(n_layers > 5, "{n_layers} layers");
        let pairs: Vec<(usize, usize)> = graph.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let chain: Vec<(usize, usize)> = (1..n_layers).map(|to| (to - 1, to)).collect();
        assert_eq!(pairs, chain);
    }
}
