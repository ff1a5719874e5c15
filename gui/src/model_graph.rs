//! The layers of a program as a graph, read off its code: which tensors in DRAM each layer loads and stores.
//!
//! Descriptors and registers are followed through the code in its order, without running it. A base address that depends on
//! a loop still lies in its tensor at the first pass, so the tensor is found; an address that is not known names nothing.

use crate::inspect::{GraphEdge, GraphLayer, ModelGraph};
use std::collections::BTreeMap;
use std::sync::Arc;
use systole_isa::operand::{Desc, MarkKind, N_REGISTERS, Reg, Scalar, Space, Val};
use systole_isa::program::SymbolKind;
use systole_isa::{Op, Program};

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

/// Registers and descriptor bases as far as the code alone tells.
struct Known {
    registers: [Option<i64>; N_REGISTERS],
    bases: BTreeMap<usize, Option<u64>>,
}

impl Known {
    fn value(&self, value: &Scalar) -> Option<i64> {
        match value {
            Val::Imm(value) => Some(*value),
            Val::Reg(register) => self.registers[register.index()],
        }
    }

    fn set(&mut self, rd: Reg, value: Option<i64>) {
        if rd != Reg::ZERO {
            self.registers[rd.index()] = value;
        }
    }

    /// The address that an operand starts at.
    fn address(&self, desc: Desc, offset: Reg) -> Option<u64> {
        let base = (*self.bases.get(&desc.index())?)?;
        let offset = self.registers[offset.index()].unwrap_or(0);
        base.checked_add_signed(offset)
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
    let mut known = Known {
        registers: [None; N_REGISTERS],
        bases: BTreeMap::new(),
    };
    known.registers[Reg::ZERO.index()] = Some(0);
    let mut layer_idx = None;
    for (pc, instruction) in program.code.iter().enumerate() {
        if let Op::Mark {
            kind: MarkKind::Layer,
            id,
        } = instruction.op
        {
            layer_idx = usize::try_from(id.0).ok().filter(|idx| *idx < layers.len());
            if let Some(idx) = layer_idx {
                layers[idx].first_pc = u32::try_from(pc).unwrap_or(u32::MAX);
            }
        }
        let transfer = match instruction.op {
            Op::Ld { src, .. } => Some((known.address(src.desc, src.offset), false)),
            Op::St { dst, .. } => Some((known.address(dst.desc, dst.offset), true)),
            _ => None,
        };
        if let (Some((Some(address), is_write)), Some(idx)) = (transfer, layer_idx)
            && let Some((_, name)) = names.at(address)
        {
            let layer = &mut layers[idx];
            let list = if is_write { &mut layer.writes } else { &mut layer.reads };
            if !list.contains(name) {
                list.push(Arc::clone(name));
            }
        }
        follow(&mut known, &instruction.op);
    }
    let edges = edges(&layers);
    ModelGraph { layers, edges }
}

/// What an instruction does to what is known.
fn follow(known: &mut Known, op: &Op) {
    match *op {
        Op::Li { rd, value } => known.set(rd, Some(value.0)),
        Op::Add { rd, ra, ref b } => {
            let sum = known.registers[ra.index()]
                .zip(known.value(b))
                .map(|(a, b)| a.wrapping_add(b));
            known.set(rd, sum);
        }
        Op::Desc { d, space, ref base, .. } => {
            let base = known.value(base).and_then(|base| u64::try_from(base).ok());
            known.bases.insert(d.index(), base.filter(|_| space == Space::Dram));
        }
        Op::Sub { rd, .. }
        | Op::Mul { rd, .. }
        | Op::And { rd, .. }
        | Op::Or { rd, .. }
        | Op::Xor { rd, .. }
        | Op::Shl { rd, .. }
        | Op::Shr { rd, .. }
        | Op::Min { rd, .. }
        | Op::Max { rd, .. }
        | Op::RdCycle { rd, .. }
        | Op::RdPerf { rd, .. } => known.set(rd, None),
        _ => {}
    }
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
