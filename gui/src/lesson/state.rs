//! The numbers of the machine that a lesson's expressions may name: one table, which the parser and the documentation read.

use super::expression::{Function, Scope};
use crate::format::Quantity;
use crate::frame::{Frame, PeState, UNIT_NAMES, UnitState};
use crate::overview::LayerOverview;
use std::collections::BTreeMap;

/// One row of the table.
#[derive(Debug)]
pub struct StateName {
    /// The name in a lesson.
    pub name: &'static str,
    /// What it is, with its unit.
    pub help: &'static str,
    read: fn(&Frame) -> Option<f64>,
}

const fn row(name: &'static str, help: &'static str, read: fn(&Frame) -> Option<f64>) -> StateName {
    StateName { name, help, read }
}

/// All names, except those of units and layers.
pub const STATE_NAMES: [StateName; 20] = [
    row("cycle", "the current cycle", |frame| Some(frame.now.cycle as f64)),
    row("rows", "rows of the array", |frame| machine(frame, |m| m.n_rows as f64)),
    row("cols", "columns of the array", |frame| {
        machine(frame, |m| m.n_cols as f64)
    }),
    row("clock_mhz", "the clock, in MHz", |frame| {
        machine(frame, |m| m.clock_mhz)
    }),
    row("instructions", "instructions executed so far", |f| {
        counter(f, "Instructions")
    }),
    row("macs", "multiply-accumulates so far", |f| {
        counter(f, "Multiply-accumulates")
    }),
    row("gated", "share of them with a zero operand, in percent", |f| {
        counter(f, "  with a zero operand")
    }),
    row(
        "utilization",
        "multiply-accumulates over cycles times the array's peak, in percent",
        |f| counter(f, "Array utilization"),
    ),
    row("vector_ops", "operations of the vector unit so far", |f| {
        counter(f, "Vector operations")
    }),
    row("dram.read", "bytes read from DRAM so far", |f| counter(f, "Read")),
    row("dram.written", "bytes written to DRAM so far", |f| {
        counter(f, "Written")
    }),
    row("dram.peak", "bytes per cycle that DRAM moves at most", |f| {
        machine(f, |m| m.peak_dram_bytes_per_cycle)
    }),
    row(
        "dram.row_hits",
        "share of DRAM bursts that found their row open, in percent",
        |f| counter(f, "Row hits"),
    ),
    row("spm.read", "bytes read from the scratchpad so far", |f| {
        counter(f, "Scratchpad read")
    }),
    row("energy", "energy so far, in picojoules", |f| counter(f, "Total")),
    row(
        "energy.mac",
        "energy of the multiply-accumulates so far, in picojoules",
        |f| counter(f, "  mac"),
    ),
    row("active_pes", "PEs that multiply two operands that are not zero", |f| {
        pes(f, PeState::Active)
    }),
    row("gated_pes", "PEs that hold a zero operand", |f| pes(f, PeState::Gated)),
    row("weight_pes", "PEs that hold a weight", |frame| {
        let cells = frame.now.array.cells.iter();
        machine(frame, move |_| {
            cells.filter(|cell| cell.weight.is_some()).count() as f64
        })
    }),
    row("idle_pes", "PEs that do nothing", |f| pes(f, PeState::Idle)),
];

/// The numbers of a unit, whose name stands before them in small letters.
pub const UNIT_NUMBERS: [NumberOf<UnitState>; 2] = [
    NumberOf {
        name: "busy",
        help: "cycles so far in which the unit worked",
        read: |unit| unit.busy_cycles as f64,
    },
    NumberOf {
        name: "stalled",
        help: "cycles so far in which the unit waited",
        read: |unit| unit.stall_cycles as f64,
    },
];

/// The numbers of a layer that has begun, whose name stands before them. Which layers there are is known when a program is open.
pub const LAYER_NUMBERS: [NumberOf<LayerOverview>; 3] = [
    NumberOf {
        name: "macs",
        help: "multiply-accumulates of the layer so far",
        read: |layer| layer.macs as f64,
    },
    NumberOf {
        name: "bytes",
        help: "bytes that the layer has read from DRAM and written to it so far",
        read: |layer| layer.dram_bytes as f64,
    },
    NumberOf {
        name: "cycles",
        help: "cycles of the run that are the layer's: from the end of the layer before to its own end",
        read: |layer| (layer.end - layer.start) as f64,
    },
];

/// A number that every unit or every layer has.
#[derive(Debug)]
pub struct NumberOf<T> {
    /// What stands behind the dot.
    pub name: &'static str,
    /// What it is, with its unit.
    pub help: &'static str,
    read: fn(&T) -> f64,
}

/// Whether the machine has a number of this name.
pub(super) fn is_state_name(name: &str) -> bool {
    let is_of_layer = |(_, what): (&str, &str)| LAYER_NUMBERS.iter().any(|number| number.name == what);
    STATE_NAMES.iter().any(|row| row.name == name)
        || unit_number(name).is_some()
        || name.rsplit_once('.').is_some_and(is_of_layer)
}

/// The unit and its number that a name such as `mx.busy` stands for.
fn unit_number(name: &str) -> Option<(usize, &'static NumberOf<UnitState>)> {
    let (unit, what) = name.split_once('.')?;
    let unit_idx = UNIT_NAMES.iter().position(|known| known.to_lowercase() == unit)?;
    let number = UNIT_NUMBERS.iter().find(|number| number.name == what)?;
    Some((unit_idx, number))
}

/// The value of a name such as `conv1.macs`, if that layer has begun.
fn layer_number(name: &str, frame: &Frame) -> Option<f64> {
    let (layer, what) = name.rsplit_once('.')?;
    let number = LAYER_NUMBERS.iter().find(|number| number.name == what)?;
    let layer = frame.now.overview.layers.iter().find(|known| known.name == layer)?;
    Some((number.read)(layer))
}

fn machine(frame: &Frame, read: impl FnOnce(&crate::frame::MachineInfo) -> f64) -> Option<f64> {
    frame.program.as_ref().map(|program| read(&program.machine))
}

fn pes(frame: &Frame, state: PeState) -> Option<f64> {
    frame.program.as_ref().map(|_| frame.now.array.count(state) as f64)
}

/// A counter in the unit that lessons use: percent for shares, picojoules for energy.
fn counter(frame: &Frame, name: &str) -> Option<f64> {
    let counter = frame.now.counters.iter().find(|counter| counter.name == name)?;
    Some(match counter.value {
        Quantity::Cycles(n) | Quantity::Count(n) | Quantity::Bytes(n) => n as f64,
        Quantity::Femtojoules(n) => n as f64 / 1e3,
        Quantity::Share(share) => share * 100.0,
        Quantity::Watts(value)
        | Quantity::BytesPerSecond(value)
        | Quantity::SquareMillimetres(value)
        | Quantity::Seconds(value) => value,
    })
}

/// The names of a frame and of the notes that a lesson has taken.
#[derive(Clone, Copy, Debug)]
pub struct MachineScope<'a> {
    /// The machine's state.
    pub frame: &'a Frame,
    /// The notes.
    pub notes: &'a BTreeMap<String, f64>,
}

impl Scope for MachineScope<'_> {
    fn value(&self, name: &str) -> Option<f64> {
        if let Some((unit_idx, number)) = unit_number(name) {
            self.frame.program.as_ref()?;
            return Some((number.read)(&self.frame.now.units[unit_idx]));
        }
        match STATE_NAMES.iter().find(|row| row.name == name) {
            Some(row) => (row.read)(self.frame),
            None => self.notes.get(name).copied().or_else(|| layer_number(name, self.frame)),
        }
    }

    fn pe(&self, what: Function, row_idx: usize, col_idx: usize) -> Option<f64> {
        let cell = self.frame.now.array.cell(row_idx, col_idx)?;
        match what {
            Function::Weight => cell.weight.map(f64::from),
            Function::Activation => cell.activation.map(f64::from),
            Function::Sum => cell.partial_sum.map(|sum| sum as f64),
            Function::Round => None,
        }
    }
}
