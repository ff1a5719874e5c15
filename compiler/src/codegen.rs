//! From a quantized graph to a program for one machine.
//!
//! Tensors get their place in DRAM or stay in the scratchpad, every operator becomes a stage, and every stage becomes a page of code:
//! descriptors, loops, tokens by which units hand over. Layers of one shape share a page. Nothing but the machine description says what the
//! target is.

mod compulsory;
mod conv;
mod elementwise;
pub(crate) mod emitter;
mod fusion;
mod grouped;
mod handover;
mod lower;
mod moves;
mod patches;
mod pieces;
mod placing;
mod pool;
mod residency;
mod sharing;
mod stage;
mod tiles;
pub(crate) mod tiling;

use crate::error::CompileError;
use crate::estimate::{Estimate, estimate};
use crate::quantized::QuantizedGraph;
use emitter::Emitter;
use stage::{Stage, StageKind};
use std::ops::ControlFlow;
use systole_isa::program::{LayerPlan, MachineReference, Program, Symbol, SymbolKind};
use systole_isa::{MachineDescription, Op};
pub use tiles::LayerTiles;

/// A layer that does not fit the machine's memories even in the smallest pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FitError {
    layer: String,
    needs: [u64; 2],
    has: [u64; 2],
}

impl FitError {
    fn new(layer: &str, spm_needed: u64, acc_needed: u64, machine: &MachineDescription) -> Self {
        Self {
            layer: layer.to_owned(),
            needs: [spm_needed, acc_needed],
            has: [machine.spm.capacity_bytes(), machine.acc.capacity_bytes()],
        }
    }
}

impl From<FitError> for CompileError {
    fn from(error: FitError) -> Self {
        lower::does_not_fit(&error)
    }
}

/// Scratchpad addresses of rings of buffers, one after the other; each ring is given as (bytes of one buffer, number of buffers).
pub(crate) fn buffers<const N: usize>(rings: [(u64, u64); N]) -> [u64; N] {
    let mut next = 0;
    rings.map(|(bytes, n)| {
        let address = next;
        next += bytes * n;
        address
    })
}

/// The error that a layer does not fit a machine: bytes of scratchpad and accumulators that its smallest tiles need.
pub(crate) fn does_not_fit(layer: &str, (spm, acc): (u64, u64), machine: &MachineDescription) -> CompileError {
    lower::does_not_fit(&FitError::new(layer, spm, acc, machine))
}

/// Ends the code and makes a program of it, bound to the machine.
///
/// # Errors
/// If it needs more DRAM than the machine has.
pub(crate) fn finish(mut e: Emitter, name: String, machine: &MachineDescription) -> Result<Program, CompileError> {
    e.op(Op::Halt {});
    let capacity = u64::from(machine.dram.capacity_mib) << 20;
    if e.dram_bytes() > capacity {
        return Err(lower::dram_too_small(e.dram_bytes(), capacity));
    }
    Ok(Program {
        name,
        machine: Some(MachineReference {
            name: machine.name.clone(),
            hash: machine.hash(),
        }),
        dram_bytes: e.dram_bytes(),
        code: e.code,
        segments: e.segments,
        marks: e.marks,
        ..Program::default()
    })
}

/// No schedule here needs more places than this in a queue beyond the first.
const MAX_MISSING_PLACES: u32 = 15;

/// How tiles are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TilingPolicy {
    /// The tiling with the least estimated time among those that fit.
    #[default]
    Fastest,
    /// Every layer in one piece, all its operands in the scratchpad.
    Resident,
}

/// Generates the program of a quantized graph.
///
/// # Errors
/// Every layer that the machine cannot hold, with what it needs and what there is, and every operator without a translation.
pub fn generate(
    graph: &QuantizedGraph,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<Program, Vec<CompileError>> {
    generate_with_tiles(graph, machine, policy).map(|(program, _)| program)
}

/// Generates the program of a quantized graph, and tells the tiles of its convolutions and matrix products in their order.
///
/// # Errors
/// As [`generate`].
pub fn generate_with_tiles(
    graph: &QuantizedGraph,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<(Program, Vec<LayerTiles>), Vec<CompileError>> {
    generate_watched(graph, machine, policy, &mut |_, _| ControlFlow::Continue(()))
}

/// As [`generate_with_tiles`]; `watch` is told the index of each layer before its code is generated, and the number of layers, and may
/// stop there.
///
/// # Errors
/// As [`generate`]; no error at all if `watch` has stopped it.
pub fn generate_watched(
    graph: &QuantizedGraph,
    machine: &MachineDescription,
    policy: TilingPolicy,
    watch: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<(Program, Vec<LayerTiles>), Vec<CompileError>> {
    let mut e = Emitter::default();
    let mut lowered = lower::lower(graph, &mut e)?;
    let machines = residency::assign(&mut lowered, machine, policy);
    let (mut errors, mut pages) = (Vec::new(), Vec::new());
    for (idx, (stage, machine)) in lowered.stages.iter().zip(&machines).enumerate() {
        if watch(idx, machines.len()).is_break() {
            return Err(Vec::new());
        }
        if let Err(error) = emit_stage(&mut e, stage, machine, policy) {
            errors.push(error);
        }
        pages.push(std::mem::take(&mut e.code));
    }
    e.end_layers();
    pages.push(std::mem::take(&mut e.code));
    e.code = sharing::join(pages);
    let tiles = std::mem::take(&mut e.tiles);
    let program = match finish(e, graph.name.clone(), machine) {
        Ok(program) if errors.is_empty() => program,
        outcome => {
            errors.extend(outcome.err());
            return Err(errors);
        }
    };
    let mut program = program;
    let Some(estimate) = estimate(&program.code, program.entry, machine) else {
        return Err(vec![short_queues(&program, machine)]);
    };
    plan(&mut program, graph, machine, &estimate);
    let mut symbols: Vec<Symbol> = lowered.tensors;
    symbols.extend(program.segments.iter().map(|segment| Symbol {
        name: segment.name.clone(),
        kind: SymbolKind::Dram,
        value: segment.address,
        size: segment.bytes.len() as u64,
    }));
    let program = Program {
        symbols,
        inputs: lowered.inputs,
        outputs: lowered.outputs,
        ..program
    };
    Ok((program, tiles))
}

/// The error that the units' queues are too short: the sequencer waits for room in one whose instructions wait for what it would dispatch next.
fn short_queues(program: &Program, machine: &MachineDescription) -> CompileError {
    let ends_with = |depth: &u32| {
        let deeper = MachineDescription {
            queue_depth: *depth,
            ..machine.clone()
        };
        estimate(&program.code, program.entry, &deeper).is_some()
    };
    let least = (machine.queue_depth + 1..=machine.queue_depth + MAX_MISSING_PLACES).find(ends_with);
    lower::queues_too_short(machine.queue_depth, least)
}

/// Notes with every layer what it will take and what it cannot do without.
fn plan(program: &mut Program, graph: &QuantizedGraph, machine: &MachineDescription, estimate: &Estimate) {
    let mut needs = compulsory::by_layer(graph, &fusion::additions(graph, &placing::Placing::of(graph)), machine);
    // What comes before the first mark is no layer; it counts with the first one.
    let before = estimate.layers.first().copied().unwrap_or(0);
    let names: Vec<String> = program.marks.iter().map(|mark| mark.name.clone()).collect();
    let mut first_of_layer = 0;
    for (id, mark) in program.marks.iter_mut().enumerate() {
        let cycles = estimate.layers.get(id + 1).copied().unwrap_or(0);
        let of_layer = if let Some(layers) = needs.get_mut(mark.name.as_str()) {
            layers.pop_front()
        } else {
            // One of the parts of a layer, which are equal.
            let layer = layer_of(&mark.name);
            if id == 0 || layer_of(&names[id - 1]) != layer {
                first_of_layer = id;
            }
            let parts = names[first_of_layer..]
                .iter()
                .take_while(|name| layer_of(name) == layer);
            let (n, index) = (parts.count(), id - first_of_layer);
            let layers = needs.get_mut(layer);
            let whole = layers.and_then(|layers| {
                if index + 1 == n {
                    layers.pop_front()
                } else {
                    layers.front().copied()
                }
            });
            whole.map(|whole| whole.part(index as u64, n as u64))
        };
        let needs = of_layer.unwrap_or_default();
        mark.plan = Some(LayerPlan {
            estimated_cycles: cycles + if id == 0 { before } else { 0 },
            compulsory_bytes: needs.bytes,
            macs: needs.macs,
            weight_bytes: needs.weight_bytes,
        });
    }
}

/// The layer that a part belongs to, which is named after it.
fn layer_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

/// The estimated cycles of a stage by itself; `None` if it does not fit the machine.
fn cycles_of_stage(stage: &Stage, machine: &MachineDescription, policy: TilingPolicy) -> Option<u64> {
    match &stage.kind {
        StageKind::Conv(conv) => {
            let tiled = tiling::tile_with_cycles(conv, machine, policy).ok();
            tiled.map(|(cycles, _)| cycles)
        }
        StageKind::Grouped(grouped) => grouped::cycles(grouped, stage.rounding, machine, policy),
        StageKind::Pool(pool) => pool::cycles(pool, stage.rounding, machine),
        StageKind::Elements(elements) => elementwise::plan_elements(elements, machine)
            .ok()
            .map(|plan| plan.cycles),
        StageKind::Move(moves) => moves::cycles(moves, machine),
    }
}

fn emit_stage(
    e: &mut Emitter,
    stage: &Stage,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<(), CompileError> {
    match &stage.kind {
        StageKind::Conv(conv) => {
            let tiling = tiling::tile_conv(conv, machine, policy)
                .map_err(|needs| FitError::new(&stage.name, needs.spm_needed, needs.acc_needed, machine))?;
            conv::emit_conv(e, stage, conv, tiling, machine);
            Ok(())
        }
        StageKind::Grouped(grouped) => Ok(grouped::emit_grouped(e, stage, grouped, machine, policy)?),
        StageKind::Pool(pool) => pool::emit_pool(e, stage, pool, machine),
        StageKind::Elements(elements) => Ok(elementwise::emit_elements(e, stage, elements, machine)?),
        StageKind::Move(moves) => Ok(moves::emit_move(e, stage, moves, machine)?),
    }
}
