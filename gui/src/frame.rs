//! What the panels read: one immutable picture of the machine at one cycle.
//!
//! Frames are plain data without a simulator type in them, built by an [`Engine`](crate::engine::Engine) on the worker
//! thread and shared by reference count, so that the user interface reads without waiting. Large parts are behind `Arc`.

use crate::bench::Rig;
use crate::dram_lanes::DramTimeline;
use crate::format::Quantity;
use crate::inspect::{CloseUp, MemorySpace, ModelGraph};
use crate::loading::Stage;
use crate::overview::{Found, Overview, Series, SpanReport};
use crate::source_text::SourceText;
use crate::token_log::TokenLink;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Number of concurrently working units of the machine.
pub const N_UNITS: usize = 5;

/// Names of the units, in lane order: scalar sequencer, load, store, matrix array, vector unit.
pub const UNIT_NAMES: [&str; N_UNITS] = ["SEQ", "LD", "ST", "MX", "VX"];

/// Index of the sequencer's lane.
pub const SEQ: usize = 0;

/// Index of the matrix array's lane.
pub const MX: usize = 3;

/// Everything the dashboard shows at one moment.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Number of this frame; later frames have larger numbers.
    pub sequence: u64,
    /// What the worker is doing.
    pub run_state: RunState,
    /// The loaded program; `None` before the first one is opened.
    pub program: Option<Arc<ProgramInfo>>,
    /// The machine's state at the frame's cycle.
    pub now: Observation,
    /// The last cycle that the run is known or expected to have.
    pub last_cycle: u64,
    /// Instructions at which a run pauses.
    pub breakpoints: Arc<BTreeSet<u32>>,
    /// Bytes of memories whose changes pause a run, as memory, address and number of bytes.
    pub watchpoints: Vec<(MemorySpace, u64, usize)>,
    /// What is being opened; the program that was there before still is.
    pub loading: Option<Arc<Loading>>,
    /// The file that was opened last.
    pub opened: Option<Arc<OpenedFile>>,
    /// A message for the user, such as the reason why a file could not be opened.
    pub notice: Option<Arc<str>>,
    /// The assembly text that was to be opened last, if it is no program.
    pub rejected: Option<Arc<SourceText>>,
    /// The last ticket that the worker was given: it has obeyed all requests before that.
    pub ticket: u64,
    /// What is known of the span that the user has selected.
    pub selected_span: Option<Arc<SpanReport>>,
    /// The answer to the latest search in the lanes.
    pub found: Option<Found>,
}

/// What is being opened, and how far that is.
#[derive(Clone, Debug, PartialEq)]
pub struct Loading {
    /// Path of the file or name of the example.
    pub name: String,
    /// What is being done.
    pub stage: Stage,
}

/// A file that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedFile {
    /// Number of the opening; later ones have larger numbers.
    pub number: u64,
    /// The file.
    pub path: PathBuf,
    /// Its content, if that describes a machine.
    pub machine: Option<Arc<str>>,
}

/// What the worker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// No program is loaded.
    Empty,
    /// A program is loaded and time stands still.
    Paused,
    /// Time is moving.
    Running,
    /// Time goes back to this cycle; until it is there, the present stays as it was.
    GoingBack(u64),
    /// The program reached its end.
    Halted,
    /// The program faulted; the text says where and why.
    Faulted(Arc<str>),
}

impl RunState {
    /// Whether time is moving, in either direction.
    pub fn is_moving(&self) -> bool {
        matches!(self, RunState::Running | RunState::GoingBack(_))
    }

    /// Whether the program cannot advance any further.
    pub fn has_ended(&self) -> bool {
        matches!(self, RunState::Halted | RunState::Faulted(_))
    }
}

/// What does not change while a program runs.
#[derive(Clone, Debug, Default)]
pub struct ProgramInfo {
    /// Name shown in the title, usually the file's name.
    pub name: String,
    /// The machine that runs it.
    pub machine: MachineInfo,
    /// Disassembly, one line per instruction; the line index is the program counter.
    pub lines: Vec<ProgramLine>,
    /// Names of the layers, indexed by [`ProgramLine::layer_idx`] and [`Observation::layer_idx`].
    pub layers: Vec<String>,
    /// What the layers hand to each other.
    pub graph: ModelGraph,
    /// Cycles that the compiler expects the program to take, if it was compiled.
    pub estimated_cycles: Option<u64>,
    /// What an [`ActivityId`] stands for.
    pub activities: Vec<ActivityInfo>,
    /// Runs the program on other machines; `None` if nobody can.
    pub rig: Option<Arc<dyn Rig>>,
    /// The text that it is made of, or its disassembly; `None` if neither is known.
    pub source: Option<Arc<SourceText>>,
}

/// The machine in one line.
#[derive(Clone, Debug, Default)]
pub struct MachineInfo {
    /// Name of the machine description.
    pub name: String,
    /// The machine description as RON text.
    pub ron: String,
    /// Rows of the PE array.
    pub n_rows: usize,
    /// Columns of the PE array.
    pub n_cols: usize,
    /// Core clock in MHz.
    pub clock_mhz: f64,
    /// Bytes per core cycle that DRAM moves at most.
    pub peak_dram_bytes_per_cycle: f64,
    /// Remaining facts worth a word in the status bar, such as the dataflow and the DRAM type.
    pub notes: Vec<String>,
}

/// One instruction of the disassembly.
#[derive(Clone, Debug, Default)]
pub struct ProgramLine {
    /// Unit that executes it, as an index into [`UNIT_NAMES`].
    pub unit: usize,
    /// The mnemonic.
    pub mnemonic: String,
    /// Operands and token annotations.
    pub operands: String,
    /// Name of a jump target at this instruction.
    pub label: Option<String>,
    /// Layer that the instruction belongs to.
    pub layer_idx: Option<usize>,
    /// Whether this is a marker that opens a layer or a tile.
    pub is_mark: bool,
}

/// Index into [`ProgramInfo::activities`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivityId(pub u8);

/// What a unit can be doing for a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityInfo {
    /// Short name, such as `stream` or `wait token`.
    pub name: String,
    /// Whether that is work, waiting or rest.
    pub class: ActivityClass,
    /// Which variation of the class's colour it has; 0 for the main kind of work of a unit.
    pub shade: u8,
}

impl ActivityInfo {
    /// The name, with a word before it that tells waiting from work.
    pub fn title(&self) -> String {
        match self.class {
            ActivityClass::Stalled => format!("stalled: {}", self.name),
            ActivityClass::Busy | ActivityClass::Idle => self.name.clone(),
        }
    }
}

/// The three things that a unit-cycle can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivityClass {
    /// Nothing to do.
    Idle,
    /// Working.
    Busy,
    /// Has an instruction and cannot go on.
    Stalled,
}

/// The machine's state at one cycle.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The cycle.
    pub cycle: u64,
    /// Layer that is being executed.
    pub layer_idx: Option<usize>,
    /// The units, indexed as [`UNIT_NAMES`].
    pub units: [UnitState; N_UNITS],
    /// The PE array.
    pub array: Arc<ArrayState>,
    /// The lanes over the visible stretch of time.
    pub timeline: Arc<Timeline>,
    /// Counters in the order in which they are shown.
    pub counters: Arc<Vec<Counter>>,
    /// What is looked at closely.
    pub close_up: Arc<CloseUp>,
    /// Amounts over the visible stretch of time.
    pub series: Arc<Series>,
    /// Totals of the run so far.
    pub overview: Arc<Overview>,
    /// What each instruction has cost so far, by program counter.
    pub line_totals: Arc<Vec<LineTotals>>,
}

/// What one instruction has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineTotals {
    /// Executions that are complete.
    pub n_executed: u64,
    /// Cycles from start to completion, summed over the executions.
    pub cycles: u64,
    /// Cycles in which its unit could not go on because of it.
    pub stall_cycles: u64,
    /// Energy of its events in femtojoules.
    pub energy_fj: u64,
}

/// What one unit does now and did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    /// What it does in the current cycle.
    pub activity: ActivityId,
    /// Instruction that it executes or is held up by.
    pub pc: Option<u32>,
    /// Instructions started since the beginning of the run.
    pub n_started: u64,
    /// Instructions waiting in its queue.
    pub n_queued: usize,
    /// Cycles spent working.
    pub busy_cycles: u64,
    /// Cycles spent stalled.
    pub stall_cycles: u64,
}

/// What one processing element does in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeState {
    /// Nothing.
    #[default]
    Idle,
    /// Takes over a new weight.
    Loading,
    /// Multiplies and accumulates.
    Active,
    /// Holds operands of which one is zero, and multiplies nevertheless.
    Zero,
    /// Holds operands of which one is zero: the multiplier is switched off.
    Gated,
    /// Holds no weight and hands the partial sum down unchanged.
    Passing,
}

impl PeState {
    /// All states, in legend order.
    pub const ALL: [PeState; 6] = [
        PeState::Active,
        PeState::Zero,
        PeState::Gated,
        PeState::Passing,
        PeState::Loading,
        PeState::Idle,
    ];

    /// The word used in legends and tooltips.
    pub fn name(self) -> &'static str {
        match self {
            PeState::Idle => "idle",
            PeState::Loading => "loading weight",
            PeState::Active => "active",
            PeState::Zero => "zero operand",
            PeState::Gated => "gated",
            PeState::Passing => "passing",
        }
    }
}

/// One processing element. Values are `None` where the PE holds none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeCell {
    /// What it does.
    pub state: PeState,
    /// The weight it multiplies with.
    pub weight: Option<i32>,
    /// The weight of the next tile, waiting in the shadow register.
    pub next_weight: Option<i32>,
    /// The activation that passes through it.
    pub activation: Option<i32>,
    /// The partial sum that leaves it.
    pub partial_sum: Option<i64>,
    /// Row of the activation matrix that it works on.
    pub activation_row: Option<u64>,
}

/// The PE array at one cycle.
#[derive(Clone, Debug, Default)]
pub struct ArrayState {
    /// Rows; activations enter each row from the left.
    pub n_rows: usize,
    /// Columns; partial sums leave each column at the bottom.
    pub n_cols: usize,
    /// `n_rows * n_cols` cells, row after row.
    pub cells: Vec<PeCell>,
    /// What the array is doing, in one line.
    pub caption: String,
    /// Cells in each state, in the order of [`PeState::ALL`].
    n_in_state: [usize; PeState::ALL.len()],
    largest: Magnitudes,
}

/// The largest absolute values of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Magnitudes {
    /// Of the weights.
    pub weight: u64,
    /// Of the weights that wait.
    pub next_weight: u64,
    /// Of the activations.
    pub activation: u64,
    /// Of the partial sums.
    pub partial_sum: u64,
}

impl ArrayState {
    /// An array with its totals, which are formed here once and not while it is drawn.
    pub fn new((n_rows, n_cols): (usize, usize), cells: Vec<PeCell>, caption: String) -> Self {
        let mut n_in_state = [0; PeState::ALL.len()];
        let mut largest = Magnitudes::default();
        for cell in &cells {
            n_in_state[state_idx(cell.state)] += 1;
            let raise = |largest: &mut u64, value: Option<i64>| {
                *largest = (*largest).max(value.map_or(0, i64::unsigned_abs));
            };
            raise(&mut largest.weight, cell.weight.map(i64::from));
            raise(&mut largest.next_weight, cell.next_weight.map(i64::from));
            raise(&mut largest.activation, cell.activation.map(i64::from));
            raise(&mut largest.partial_sum, cell.partial_sum);
        }
        Self {
            n_rows,
            n_cols,
            cells,
            caption,
            n_in_state,
            largest,
        }
    }

    /// The cell in a row and a column, if both exist.
    pub fn cell(&self, row_idx: usize, col_idx: usize) -> Option<&PeCell> {
        if col_idx >= self.n_cols {
            return None;
        }
        self.cells.get(row_idx * self.n_cols + col_idx)
    }

    /// Number of cells that multiply, gated or not.
    pub fn n_computing(&self) -> usize {
        [PeState::Active, PeState::Zero, PeState::Gated]
            .map(|state| self.count(state))
            .iter()
            .sum()
    }

    /// Number of cells in a state.
    pub fn count(&self, state: PeState) -> usize {
        self.n_in_state[state_idx(state)]
    }

    /// The largest absolute values.
    pub fn largest(&self) -> Magnitudes {
        self.largest
    }
}

fn state_idx(state: PeState) -> usize {
    match state {
        PeState::Active => 0,
        PeState::Zero => 1,
        PeState::Gated => 2,
        PeState::Passing => 3,
        PeState::Loading => 4,
        PeState::Idle => 5,
    }
}

/// The five lanes over a stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// First cycle of the stretch.
    pub start: u64,
    /// First cycle behind the stretch.
    pub end: u64,
    /// First cycle of which the exact spans are still known.
    pub exact_from: u64,
    /// Cycles over which everything before that has been averaged.
    pub coarse_width: u64,
    /// The lanes: one for each of [`UNIT_NAMES`].
    pub lanes: Vec<Lane>,
    /// Tokens that were posted or taken in the stretch; none if they are too many to be told apart.
    pub links: Vec<TokenLink>,
    /// The channels of the DRAM.
    pub dram: DramTimeline,
}

/// One lane of the timeline.
#[derive(Clone, Debug)]
pub enum Lane {
    /// All spans that touch the stretch, sorted by start and not overlapping.
    Spans(Vec<Span>),
    /// How many cycles each equal part of the stretch spends in each activity.
    Bins(Bins),
}

impl Default for Lane {
    fn default() -> Self {
        Lane::Spans(Vec::new())
    }
}

/// A stretch of time that a unit spends in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First cycle.
    pub start: u64,
    /// First cycle behind it.
    pub end: u64,
    /// What the unit does.
    pub activity: ActivityId,
    /// The instruction it does it for.
    pub pc: Option<u32>,
}

/// Cycles per activity for equal parts of a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bins {
    /// Number of parts.
    pub n_bins: usize,
    /// Number of activities.
    pub n_activities: usize,
    /// `n_bins * n_activities` numbers of cycles, bin after bin.
    pub cycles: Vec<u64>,
}

impl Bins {
    /// Cycles per activity of one bin; empty if there is no such bin.
    pub fn bin(&self, bin_idx: usize) -> &[u64] {
        let start = bin_idx * self.n_activities;
        self.cycles.get(start..start + self.n_activities).unwrap_or(&[])
    }
}

/// One number of the counters panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Heading under which it stands.
    pub group: &'static str,
    /// Its name.
    pub name: String,
    /// Its value with a unit.
    pub value: Quantity,
}

/// Which stretch of time the timeline shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineView {
    /// The whole run so far.
    Fit,
    /// The last `span` cycles, moving with time.
    Follow {
        /// Cycles shown.
        span: u64,
    },
    /// A fixed stretch.
    Range {
        /// First cycle.
        start: u64,
        /// First cycle behind it, larger than `start`.
        end: u64,
    },
}

impl TimelineView {
    /// The stretch `(start, end)` that is visible when the machine is at cycle `now`; never empty.
    pub fn window(self, now: u64) -> (u64, u64) {
        match self {
            TimelineView::Fit => (0, now.saturating_add(now / 32).max(16)),
            TimelineView::Follow { span } => {
                let span = span.max(4);
                let end = now.saturating_add(span / 16 + 1).max(span);
                (end - span, end)
            }
            TimelineView::Range { start, end } => (start, end.max(start.saturating_add(1))),
        }
    }
}

impl Default for TimelineView {
    fn default() -> Self {
        TimelineView::Follow { span: 160 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_an_array_are_those_of_its_cells() {
        let cell = |state, weight, partial_sum| PeCell {
            state,
            weight,
            partial_sum,
            ..PeCell::default()
        };
        let cells: Vec<PeCell> = (0..12)
            .map(|i| cell(PeState::ALL[i % 5], Some(3 - i as i32), Some(-(i as i64) * 100)))
            .collect();
        let array = ArrayState::new((3, 4), cells.clone(), String::new());
        for state in PeState::ALL {
            let n = cells.iter().filter(|cell| cell.state == state).count();
            assert_eq!(array.count(state), n, "{state:?}");
        }
        let largest = array.largest();
        assert_eq!((largest.weight, largest.partial_sum, largest.activation), (8, 1_100, 0));
    }

    #[test]
    fn windows_are_never_empty_and_contain_now_when_following() {
        for now in [0, 1, 15, 160, 161, 1_000_000, u64::MAX - 1] {
            for view in [
                TimelineView::Fit,
                TimelineView::Follow { span: 0 },
                TimelineView::Follow { span: 500 },
            ] {
                let (start, end) = view.window(now);
                assert!(start < end, "{view:?} at {now}");
                assert!(start <= now && now <= end, "{view:?} at {now}: {start}..{end}");
            }
        }
        assert_eq!(TimelineView::Range { start: 7, end: 3 }.window(0), (7, 8));
    }
}
