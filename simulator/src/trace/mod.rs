//! Timelines of a run for other programs: Perfetto, waveform viewers, tables.
//!
//! A trace is a reader of the event stream. It looks at the machine only between two slices of the run, through a shared reference, so it
//! cannot change what it watches. Whatever the length of the run, it holds no more than what one slice and the instructions under way
//! amount to: everything older is settled and written.
//!
//! Times are core cycles. The viewers' time unit is fixed to one nanosecond per cycle, because they round to whole nanoseconds and a
//! cut or a sum has to be exact at every clock; at 1 GHz this is real time.

mod csv;
mod perfetto;
mod timeline;
mod vcd;
mod windows;

use crate::activity::Activity;
use crate::energy::EnergyModel;
use crate::machine::{Machine, Status};
use std::io::{self, Write};
use std::sync::Arc;
use systole_isa::operand::MarkKind;
use systole_isa::{MachineDescription, Program, Unit};
use timeline::Timeline;

/// Cycles that the machine runs between two looks at it.
const SLICE_CYCLES: u64 = 1 << 14;

/// File format of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    /// Trace-event JSON, as Perfetto and Chrome open it.
    Perfetto,
    /// Value change dump (IEEE 1364), as waveform viewers open it.
    Vcd,
    /// One table of spans and windows.
    Csv,
}

/// What part of a run to write, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceOptions {
    /// First cycle of the trace.
    pub from: u64,
    /// One past its last cycle; a run that ends earlier ends the trace.
    pub to: u64,
    /// Length in cycles of the windows over which DRAM traffic and power are averaged. At least 1.
    pub window_cycles: u64,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            from: 0,
            to: u64::MAX,
            window_cycles: 256,
        }
    }
}

/// What a trace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSummary {
    /// First cycle.
    pub from: u64,
    /// One past the last cycle.
    pub to: u64,
    /// Busy, stalled and idle spans written, over all units.
    pub n_spans: u64,
    /// The largest number of records that were held back at once.
    pub max_pending: usize,
}

/// Runs `machine` and writes its timeline. Ends with the run, or once everything up to [`TraceOptions::to`] has been written, or when
/// `limit` cycles have passed; the machine's status then says which. `progress` hears the current cycle after every slice.
///
/// # Errors
/// If `out` refuses what is written.
pub fn record(
    machine: &mut Machine,
    format: TraceFormat,
    options: &TraceOptions,
    limit: u64,
    out: &mut dyn Write,
    mut progress: impl FnMut(u64),
) -> io::Result<TraceSummary> {
    let subject = Subject {
        program: machine.program().clone(),
        description: machine.description().clone(),
        model: EnergyModel::of(machine.description()),
    };
    let mut timeline = Timeline::new(writer(format, subject, out), machine, options);
    let stop = options.to.min(limit);
    while *machine.status() == Status::Running && machine.now() < limit {
        let under_way = machine.oldest_start().is_some_and(|start| start < stop);
        if machine.now() >= stop && !under_way {
            break;
        }
        let target = machine.now().saturating_add(SLICE_CYCLES).min(limit);
        machine.advance_to(target, &mut timeline);
        timeline.settle(machine)?;
        progress(machine.now());
    }
    timeline.finish(machine)
}

fn writer<'w>(format: TraceFormat, subject: Subject, out: &'w mut dyn Write) -> Box<dyn Writer + 'w> {
    match format {
        TraceFormat::Perfetto => Box::new(perfetto::Perfetto::new(subject, out)),
        TraceFormat::Vcd => Box::new(vcd::Vcd::new(subject, out)),
        TraceFormat::Csv => Box::new(csv::Csv::new(subject, out)),
    }
}

/// What a trace is of: the names behind its numbers.
struct Subject {
    program: Arc<Program>,
    description: Arc<MachineDescription>,
    model: EnergyModel,
}

impl Subject {
    /// Name of a layer slot; `None` before the first mark.
    fn layer(&self, slot: u32) -> Option<&str> {
        self.mark(slot.checked_sub(1)?)
    }

    fn mark(&self, id: u32) -> Option<&str> {
        self.program.marks.get(id as usize).map(|mark| mark.name.as_str())
    }
}

/// A unit in one status over cycles `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    unit: Unit,
    activity: Activity,
    pc: Option<u32>,
    layer: u32,
    start: u64,
    end: u64,
}

/// A unit's status from `at` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    unit: Unit,
    activity: Activity,
    pc: Option<u32>,
    layer: u32,
    at: u64,
}

/// A layer or tile as the sequencer goes through it: from its mark to the next one of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section {
    kind: MarkKind,
    id: u32,
    start: u64,
    end: u64,
}

/// Sums over cycles `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: u64,
    end: u64,
    dram_bytes: u64,
    energy_fj: u64,
}

/// A file format. Spans come when they are closed, in the order of their ends; changes and windows in the order of their starts.
trait Writer {
    fn begin(&mut self, from: u64) -> io::Result<()>;
    fn span(&mut self, span: &Span) -> io::Result<()>;
    fn section(&mut self, section: &Section) -> io::Result<()>;
    fn change(&mut self, change: &Change) -> io::Result<()>;
    fn window(&mut self, window: &Window) -> io::Result<()>;
    fn end(&mut self, at: u64) -> io::Result<()>;
}

/// Bytes per cycle of a window.
fn bytes_per_cycle(window: &Window) -> f64 {
    window.dram_bytes as f64 / (window.end - window.start).max(1) as f64
}
