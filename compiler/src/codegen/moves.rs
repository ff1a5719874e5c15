//! Elements in other places: boxes are loaded in one order and stored in another one.
//!
//! A piece lies in the scratchpad in the order of the destination. Both transfers go through the axes in the order of their addresses
//! in DRAM, so that runs are as long as they can be. Elements that are repeated are loaded once.

use super::FitError;
use super::emitter::{Emitter, View, at};
use super::handover::Ring;
use super::pieces::{
    Cut, INPUT_FREE, INPUT_FULL, OFFSETS, PieceWork, Plan, Walk, box_cycles, buffer, does_not_fit, plan,
};
use super::stage::{Copy, MoveStage, Stage};
use super::tiling::aligned;
use systole_isa::descriptor::N_LEVELS;
use systole_isa::operand::{Axis, Desc, Reg, Space};
use systole_isa::{MachineDescription, Op, Unit};

const SOURCE: Desc = Desc::at(0);
const LOADED: Desc = Desc::at(1);
const STORED: Desc = Desc::at(2);
const DESTINATION: Desc = Desc::at(3);

/// Appends the code of a move.
///
/// # Errors
/// If the scratchpad has no room for an element.
pub(super) fn emit_move(
    e: &mut Emitter,
    layer: &Stage,
    stage: &MoveStage,
    machine: &MachineDescription,
) -> Result<(), FitError> {
    e.layer(&layer.name, layer.op);
    if let Some((address, n, value)) = stage.fill {
        emit_fill(e, layer, stage, (address, n, value), machine)?;
    }
    stage
        .copies
        .iter()
        .try_for_each(|copy| emit_copy(e, layer, stage, &copy.merged(), machine))
}

/// The estimated cycles of a move; `None` if the scratchpad has no room for an element.
pub(super) fn cycles(stage: &MoveStage, machine: &MachineDescription) -> Option<u64> {
    let mut sum = 0;
    for copy in &stage.copies {
        sum += copy.merged().plan(machine).ok()?.cycles;
    }
    if let Some((_, n, _)) = stage.fill {
        sum += plan_fill(n, machine).ok()?.cycles;
    }
    Some(sum)
}

impl Copy {
    /// The best pieces.
    fn plan(&self, machine: &MachineDescription) -> Result<Plan, PieceWork> {
        let n_axes = self.axes.len();
        // Descriptors have five levels: axes beyond them are walked one by one.
        let cuts: Vec<Cut> = (0..n_axes)
            .map(|axis| Cut {
                total: self.axes[axis].0,
                size: if axis + N_LEVELS < n_axes { 1 } else { self.axes[axis].0 },
            })
            .collect();
        plan(&cuts, machine, |sizes| self.work(sizes, machine))
    }

    /// Axes in the order of the destination, neighbours that are one axis in both joined.
    fn merged(&self) -> Self {
        let mut axes: Vec<_> = self.axes.iter().copied().filter(|(length, ..)| *length > 1).collect();
        axes.sort_by_key(|&(_, _, to)| std::cmp::Reverse(to));
        let mut merged: Vec<(u64, i64, u64)> = Vec::new();
        for (length, from, to) in axes {
            match merged.last_mut() {
                Some(outer) if outer.1 == length as i64 * from && outer.2 == length * to => {
                    *outer = (outer.0 * length, from, to);
                }
                _ => merged.push((length, from, to)),
            }
        }
        if merged.is_empty() {
            merged.push((1, 1, 1));
        }
        Self { axes: merged, ..*self }
    }

    /// Axes of a piece along which the source has elements of its own: length, stride in the source, stride in the scratchpad. In the order
    /// of the source.
    fn distinct(&self, sizes: &[u64]) -> Vec<(u64, i64, u64)> {
        let axes = self.axes.iter().zip(sizes).zip(self.packed(sizes));
        let mut axes: Vec<_> = axes
            .map(|((&(_, from, _), &size), step)| (size, from, step))
            .filter(|(size, from, _)| *size > 1 && *from != 0)
            .collect();
        axes.sort_by_key(|&(_, from, _)| std::cmp::Reverse(from.unsigned_abs()));
        axes
    }

    /// Strides of a piece in the scratchpad.
    fn packed(&self, sizes: &[u64]) -> Vec<u64> {
        let mut step = 1;
        let mut strides = vec![0; sizes.len()];
        for axis in (0..sizes.len()).rev().filter(|&axis| self.axes[axis].1 != 0) {
            strides[axis] = step;
            step *= sizes[axis];
        }
        strides
    }

    fn work(&self, sizes: &[u64], machine: &MachineDescription) -> PieceWork {
        let distinct = self.distinct(sizes);
        let source: Vec<_> = distinct.iter().map(|&(n, from, _)| (n, from)).collect();
        let destination: Vec<_> = self
            .axes
            .iter()
            .zip(sizes)
            .map(|(axis, &n)| (n, axis.2 as i64))
            .collect();
        PieceWork {
            spm: aligned(distinct.iter().map(|(n, ..)| n).product()),
            elements: sizes.iter().product(),
            loads: box_cycles(machine, &source),
            stores: box_cycles(machine, &destination),
            ..PieceWork::default()
        }
    }
}

fn emit_copy(
    e: &mut Emitter,
    layer: &Stage,
    stage: &MoveStage,
    copy: &Copy,
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let plan = copy
        .plan(machine)
        .map_err(|work| does_not_fit(&layer.name, &work, machine))?;
    let (sizes, n_buffers) = (plan.sizes(), plan.n_buffers);
    let bytes = copy.work(&sizes, machine).spm * n_buffers;
    let spm = e.occupied.place(0, bytes, machine.spm.capacity_bytes()).rest;
    let (n_loaded, n_stored) = views(e, stage, copy, &sizes, spm);
    let rings = [Ring::new(INPUT_FREE, n_buffers, Unit::St)];
    e.follow(&rings);
    e.load_constants(&[], false, |_| {});
    let present = buffer(0, n_buffers);
    if n_buffers > 1 {
        e.set(present, 0);
    }
    let strides = |of: fn(&(u64, i64, u64)) -> i64| copy.axes.iter().map(of).collect::<Vec<i64>>();
    let walk = Walk { cuts: &plan.cuts };
    walk.each(e, |e| {
        let offset = walk.offset(e, OFFSETS[0], &strides(|axis| axis.1));
        let load = Op::Ld {
            dst: at(LOADED, present),
            src: at(SOURCE, offset),
            m: 1.into(),
            n: (n_loaded as i64).into(),
        };
        e.ordered(load, &[INPUT_FREE], &[INPUT_FULL]);
        let offset = walk.offset(e, OFFSETS[1], &strides(|axis| axis.2 as i64));
        let store = Op::St {
            dst: at(DESTINATION, offset),
            src: at(STORED, present),
            m: 1.into(),
            n: (n_stored as i64).into(),
        };
        e.ordered(store, &[INPUT_FULL], &[INPUT_FREE]);
        e.toggle(present, aligned(n_loaded), n_buffers);
    });
    e.hand_over(&rings);
    Ok(())
}

/// Sets up the views of a copy in pieces of these sizes; returns how many elements are loaded and stored per piece.
fn views(e: &mut Emitter, stage: &MoveStage, copy: &Copy, sizes: &[u64], spm: u64) -> (u64, u64) {
    let distinct = copy.distinct(sizes);
    let mut define = |d: Desc, space: Space, base: u64, axes: Vec<(u64, i64)>| {
        // Strides of a view are positive or, as two's complement, negative.
        let columns: Vec<(u64, u64)> = axes.into_iter().map(|(n, stride)| (n, stride as u64)).collect();
        let base = base as i64;
        e.view(
            d,
            &View {
                space,
                format: stage.format,
                base,
                zero_point: 0,
                rows: &[],
                columns: &columns,
            },
        );
    };
    let source = distinct.iter().map(|&(n, from, _)| (n, from)).collect();
    define(SOURCE, Space::Dram, copy.from, source);
    let loaded = distinct.iter().map(|&(n, _, step)| (n, step as i64)).collect();
    define(LOADED, Space::Spm, spm, loaded);
    let axes = || {
        copy.axes
            .iter()
            .zip(sizes)
            .zip(copy.packed(sizes))
            .filter(|((_, size), _)| **size > 1)
    };
    let stored = axes().map(|((_, &size), step)| (size, step as i64)).collect();
    define(STORED, Space::Spm, spm, stored);
    let destination = axes().map(|((axis, &size), _)| (size, axis.2 as i64)).collect();
    define(DESTINATION, Space::Dram, copy.to, destination);
    (distinct.iter().map(|(n, ..)| n).product(), sizes.iter().product())
}

/// The pieces in which one value is written to so many elements.
fn plan_fill(n: u64, machine: &MachineDescription) -> Result<Plan, PieceWork> {
    plan(&[Cut { total: n, size: n }], machine, |sizes| PieceWork {
        spm_fixed: aligned(sizes[0]),
        elements: sizes[0],
        stores: box_cycles(machine, &[(sizes[0], 1)]),
        ..PieceWork::default()
    })
}

/// Writes one value to a run of elements: a load from beyond its window brings it, and stores repeat it.
fn emit_fill(
    e: &mut Emitter,
    layer: &Stage,
    stage: &MoveStage,
    (address, n, value): (u64, u64, i32),
    machine: &MachineDescription,
) -> Result<(), FitError> {
    let plan = plan_fill(n, machine).map_err(|work| does_not_fit(&layer.name, &work, machine))?;
    let size = plan.cuts[0].size;
    let columns = [(size, 1)];
    let destination = View {
        space: Space::Dram,
        format: stage.format,
        base: address as i64,
        zero_point: value,
        rows: &[],
        columns: &columns,
    };
    let spm = e.occupied.place(0, aligned(size), machine.spm.capacity_bytes()).rest;
    e.buffered(DESTINATION, STORED, &destination, spm);
    e.view(SOURCE, &destination);
    e.window(SOURCE, Axis::X, 4, 1, 0i64, 0);
    e.follow(&[]);
    e.load_constants(&[], false, |_| {});
    let n = (size as i64).into();
    let load = Op::Ld {
        dst: STORED.into(),
        src: at(SOURCE, Reg::ZERO),
        m: 1.into(),
        n,
    };
    e.ordered(load, &[], &[INPUT_FULL]);
    e.ordered(Op::StNop {}, &[INPUT_FULL], &[]);
    let walk = Walk { cuts: &plan.cuts };
    walk.each(e, |e| {
        let offset = walk.offset(e, OFFSETS[1], &[1]);
        e.op(Op::St {
            dst: at(DESTINATION, offset),
            src: STORED.into(),
            m: 1.into(),
            n,
        });
    });
    e.hand_over(&[]);
    Ok(())
}
