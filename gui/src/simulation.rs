//! The engine of the real thing: a simulator's machine with its history, seen through the [`Engine`] trait.
//!
//! This file and those that it calls (`counters`, `explain`, `inspection`, `listing`, `model_graph`, `overview_of`, `reassembly`,
//! `recording`) are the only ones that name a type of the simulator or the instruction set.

use crate::counters::counters;
use crate::engine::{Engine, EngineMaker, Landmark, Outcome};
use crate::explain::explain;
use crate::frame::{
    self, ActivityClass, ActivityInfo, ArrayState, MachineInfo, N_UNITS, Observation, ProgramInfo, SEQ, Span, Timeline,
    TimelineView, UnitState,
};
use crate::inspect::{Focus, MemorySpace};
use crate::inspection::{Inspection, check_range, isa_space};
use crate::landmarks::Landmarks;
use crate::lane_log::LaneLog;
use crate::listing;
use crate::model_graph::{TensorNames, graph_of};
use crate::overview::{Series, SpanReport};
use crate::overview_of::{idle_fj_per_cycle, overview};
use crate::reassembly::assembled;
use crate::recording::{Recording, activity_id, all_activities};
use crate::rig::Recipe;
use crate::search::Matches;
use crate::source_text::SourceText;
use std::sync::Arc;
use systole_isa::{MachineDescription, Program, Unit};
use systole_simulator::pe_view::{Detail, Region};
use systole_simulator::report::RunTotals;
use systole_simulator::{Activity, BusyKind, History, Machine, Mode, PeState, Replay, StallReason, Status};

/// Most pairs of post and take that the timeline shows at once.
const MAX_LINKS: usize = 200;

/// A program that is ready to run: a machine at cycle 0 with its inputs in place.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name to show, usually that of the file.
    pub name: String,
    /// The machine.
    pub machine: Machine,
    /// How the program comes onto another machine.
    pub recipe: Recipe,
    /// The text that the program was assembled from, if it was.
    pub text: Option<SourceText>,
}

/// An [`Engine`] on the simulator.
pub struct Simulation {
    history: History,
    program: Arc<ProgramInfo>,
    recipe: Recipe,
    /// The text that the program was assembled from, if it was.
    text: Option<SourceText>,
    recording: Recording,
    landmarks: Landmarks,
    n_started: [u64; N_UNITS],
    /// What each unit was executing at the last look.
    executing: [Option<u32>; N_UNITS],
    inspection: Inspection,
    /// The totals before any run, made once because they hold the program's hash.
    no_run: RunTotals,
    way_back: Option<WayBack>,
}

/// A way back to an earlier cycle that is under way.
struct WayBack {
    replay: Replay,
    /// What is known of the run from its beginning, if the log does not reach back far enough.
    landmarks: Option<Landmarks>,
}

impl Simulation {
    /// An engine that stands where the source's machine stands.
    pub fn new(source: Source) -> Self {
        let program = Arc::new(program_info(&source));
        let names = TensorNames::of(source.machine.program());
        let inspection = Inspection::new(source.machine.program(), names);
        let recording = Recording::new(&source.machine);
        let landmarks = Landmarks::new(&source.machine);
        let no_run = RunTotals::new(source.machine.program().clone(), source.machine.description().clone());
        let history = History::new(source.machine);
        let mut simulation = Self {
            history,
            program,
            recipe: source.recipe,
            text: source.text,
            recording,
            landmarks,
            n_started: [0; N_UNITS],
            executing: [None; N_UNITS],
            inspection,
            no_run,
            way_back: None,
        };
        simulation.note_statuses(&[0; N_UNITS]);
        simulation
    }

    /// Brings lanes and counts of started instructions up to date with what the units do now.
    fn note_statuses(&mut self, n_completed_before: &[u64; N_UNITS]) {
        let machine = self.history.machine();
        for unit in Unit::ALL {
            let idx = unit.index();
            let status = machine.unit_status(unit);
            if self.outcome().is_none() {
                self.recording.lanes[idx].change(status.since, activity_id(status.activity), status.pc);
            }
            let is_busy = matches!(status.activity, Activity::Busy(_));
            let executing = status.pc.filter(|_| is_busy);
            let has_completed = self.recording.n_completed[idx] > n_completed_before[idx];
            if executing.is_some() && (executing != self.executing[idx] || has_completed) {
                self.n_started[idx] += 1;
            }
            self.executing[idx] = executing;
        }
        // The sequencer's statuses name no instruction; it executes the one its program counter points at.
        let pc = Some(machine.pc());
        if self.executing[SEQ] != pc {
            self.n_started[SEQ] += 1;
        }
        self.executing[SEQ] = pc;
    }

    /// The way back that is under way, if it can lead to `cycle`, or else a new one.
    fn way_back_to(&mut self, cycle: u64) -> WayBack {
        let is_from_start = !self.landmarks.reach_back_to(cycle);
        match self.way_back.take() {
            Some(mut way) if way.landmarks.is_some() == is_from_start && way.replay.can_reach(cycle) => {
                way.replay.turn_to(cycle);
                way
            }
            _ if is_from_start => WayBack {
                replay: self.history.replay_from_start(cycle),
                landmarks: Some(Landmarks::new(self.history.keyframe_before(0))),
            },
            _ => WayBack {
                replay: self.history.replay_to(cycle),
                landmarks: None,
            },
        }
    }

    /// Makes the end of a way back the present.
    fn take(&mut self, way_back: WayBack) {
        self.history.adopt(way_back.replay);
        let cycle = self.cycle();
        match way_back.landmarks {
            Some(landmarks) => self.landmarks = landmarks,
            None => self.landmarks.truncate(cycle),
        }
        self.inspection.truncate(cycle);
        self.inspection
            .look_back(|from| self.history.keyframe_before(from).clone(), cycle);
        self.recording.truncate(self.history.machine());
        self.recording.dram.catch_up(self.history.machine());
        self.executing = [None; N_UNITS];
        self.note_statuses(&self.recording.n_completed.clone());
    }

    fn array(&self) -> ArrayState {
        let machine = self.history.machine();
        let (rows, cols) = self.inspection.focus.sums.clone();
        let everything = Region {
            rows: 0..usize::MAX,
            cols: 0..usize::MAX,
        };
        let view = machine.pe_view_of(&Detail {
            cells: everything,
            sums: Region { rows, cols },
        });
        let cells: Vec<frame::PeCell> = view.cells.iter().map(pe_cell).collect();
        let caption = self.array_caption(&cells);
        ArrayState::new((view.n_rows, view.n_cols), cells, caption)
    }

    fn array_caption(&self, cells: &[frame::PeCell]) -> String {
        let status = self.history.machine().unit_status(Unit::Mx);
        let what = match status.activity {
            Activity::Busy(BusyKind::Stream) => "activations stream in",
            Activity::Busy(BusyKind::WeightLoad) => "the next weights shift in from above",
            Activity::Busy(BusyKind::Drain) => "the last partial sums leave",
            Activity::Busy(BusyKind::Unload) => "finished sums shift out",
            Activity::Busy(_) => "busy",
            Activity::Stalled(_) => "waits for a token",
            Activity::Idle => "idle",
        };
        let mnemonic = status
            .pc
            .and_then(|pc| self.program.lines.get(pc as usize))
            .map_or("MX", |line| &line.mnemonic);
        let rows = cells.iter().filter_map(|cell| cell.activation_row);
        match (rows.clone().min(), rows.max()) {
            (Some(first), Some(last)) if first < last => {
                format!("{mnemonic}: {what}, rows {first} to {last} under way")
            }
            (Some(first), _) => format!("{mnemonic}: {what}, row {first} under way"),
            _ => format!("{mnemonic}: {what}"),
        }
    }

    fn timeline(&self, view: TimelineView, n_bins: usize) -> Timeline {
        let now = self.cycle();
        let (start, end) = view.window(now);
        let lanes = &self.recording.lanes;
        Timeline {
            start,
            end,
            exact_from: lanes.iter().map(LaneLog::exact_from).max().unwrap_or(0),
            coarse_width: lanes.iter().map(LaneLog::coarse_width).max().unwrap_or(1),
            lanes: lanes.iter().map(|lane| lane.lane(start, end, now, n_bins)).collect(),
            links: self.recording.tokens.links(start, end, MAX_LINKS).unwrap_or_default(),
            dram: self
                .recording
                .dram
                .timeline(self.history.machine(), (start, end), n_bins),
        }
    }

    fn series(&self, view: TimelineView, n_bins: usize) -> Series {
        let now = self.cycle();
        let (start, end) = view.window(now);
        Series {
            windows: self.recording.profile.windows(start, end, now, n_bins),
            idle_fj_per_cycle: idle_fj_per_cycle(self.history.machine()),
        }
    }

    /// Layer of the array if it works, else of any other unit that does.
    fn layer_idx(&self) -> Option<usize> {
        let machine = self.history.machine();
        let statuses = [Unit::Mx, Unit::Vx, Unit::Ld, Unit::St].map(|unit| machine.unit_status(unit));
        let status = statuses.iter().find(|status| status.activity != Activity::Idle)?;
        (status.layer as usize).checked_sub(1)
    }
}

impl Engine for Simulation {
    fn program(&self) -> Arc<ProgramInfo> {
        Arc::clone(&self.program)
    }

    fn cycle(&self) -> u64 {
        self.history.machine().now()
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.history.machine().status() {
            Status::Running => None,
            Status::Halted => Some(Outcome::Halted),
            Status::Faulted(fault) => Some(Outcome::Faulted(Arc::from(format!(
                "{}: {fault}. Help: {}",
                fault.code(),
                fault.help()
            )))),
        }
    }

    fn advance_to(&mut self, cycle: u64) {
        self.way_back = None;
        let n_completed_before = self.recording.n_completed;
        let now = self.history.machine().now();
        let mut observer = (&mut self.recording, &mut (&mut self.inspection, &mut self.landmarks));
        if let Some(stop) = observer.1.0.stop_on_the_way(now, cycle) {
            self.history.advance_to(stop, &mut observer);
            observer.1.0.keep(self.history.machine());
        }
        self.history.advance_to(cycle, &mut observer);
        self.recording.dram.catch_up(self.history.machine());
        self.note_statuses(&n_completed_before);
    }

    fn advance_to_landmark(&mut self, cycle: u64, landmark: &Landmark, after: u64) -> Option<u64> {
        // The sequencer's instruction of this cycle has not been looked at before.
        let since = self.cycle().saturating_sub(1);
        self.advance_to(cycle);
        self.landmarks.first(self.history.machine(), landmark, after, since)
    }

    fn previous(&self, landmark: &Landmark, before: u64) -> Option<u64> {
        self.landmarks.last(self.history.machine(), landmark, before)
    }

    fn rewind_to(&mut self, cycle: u64, n_cycles: u64) -> bool {
        if cycle >= self.cycle() {
            self.way_back = None;
            return true;
        }
        let mut way_back = self.way_back_to(cycle);
        let is_there = match &mut way_back.landmarks {
            Some(landmarks) => way_back.replay.advance(n_cycles, landmarks),
            None => way_back.replay.advance(n_cycles, &mut ()),
        };
        if is_there {
            self.take(way_back);
        } else {
            self.way_back = Some(way_back);
        }
        is_there
    }

    fn units(&self) -> [UnitState; N_UNITS] {
        let machine = self.history.machine();
        Unit::ALL.map(|unit| {
            let status = machine.unit_status(unit);
            let cycles = machine.unit_cycles(unit);
            let stall_cycles = StallReason::ALL
                .iter()
                .map(|&reason| cycles.of(Activity::Stalled(reason)))
                .sum();
            let pc = if unit == Unit::Seq && self.outcome().is_none() {
                Some(machine.pc())
            } else {
                status.pc
            };
            UnitState {
                activity: activity_id(status.activity),
                pc,
                n_started: self.n_started[unit.index()],
                n_queued: machine.queue_length(unit),
                busy_cycles: cycles.busy(),
                stall_cycles,
            }
        })
    }

    fn look_at(&mut self, focus: &Focus) {
        let now = self.history.machine().now();
        self.inspection
            .look_at(focus, |cycle| self.history.keyframe_before(cycle).clone(), now);
    }

    fn read_memory(&self, space: MemorySpace, address: u64, n_bytes: usize) -> Vec<u8> {
        let memory = self.history.machine().memory(isa_space(space));
        let n_inside = memory.capacity_bytes().saturating_sub(address).min(n_bytes as u64);
        let mut bytes = vec![0; n_inside as usize];
        memory.read(address, &mut bytes);
        bytes
    }

    fn write_memory(&mut self, space: MemorySpace, address: u64, bytes: &[u8]) -> Result<(), String> {
        let space = check_range(self.history.machine(), space, address, bytes.len())?;
        self.way_back = None;
        self.history
            .edit(|machine| machine.memory_mut(space).write(address, bytes));
        self.inspection.edited();
        Ok(())
    }

    fn on_machine(&self, machine: &str) -> EngineMaker {
        let (name, recipe, text) = (self.program.name.clone(), self.recipe.clone(), self.text.clone());
        let machine = machine.to_owned();
        Box::new(move |progress| {
            let description = MachineDescription::from_ron(&machine, "machine").map_err(|problems| {
                let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
                messages.join("; ")
            })?;
            let machine = recipe.make_watched(&description, Mode::Full, progress)?;
            Ok(Box::new(Self::new(Source {
                name,
                machine,
                recipe,
                text,
            })))
        })
    }

    fn on_text(&self, text: &SourceText) -> Result<Box<dyn Engine>, String> {
        let source = assembled(text, self.history.keyframe_before(0))?;
        Ok(Box::new(Self::new(source)))
    }

    fn observe(&self, view: TimelineView, n_bins: usize) -> Observation {
        Observation {
            cycle: self.cycle(),
            layer_idx: self.layer_idx(),
            units: self.units(),
            array: Arc::new(self.array()),
            timeline: Arc::new(self.timeline(view, n_bins)),
            counters: Arc::new(counters(self.history.machine())),
            close_up: Arc::new(self.inspection.close_up(self.history.machine())),
            series: Arc::new(self.series(view, n_bins)),
            overview: Arc::new(overview(self.history.machine(), &self.no_run)),
            line_totals: Arc::new(self.landmarks.totals().to_vec()),
        }
    }

    fn explain(&self, lane_idx: usize, cycle: u64) -> Option<SpanReport> {
        let place = (lane_idx, cycle);
        explain(self.history.machine(), &self.recording, &self.program, place)
    }

    fn find(&self, text: &str, from: u64, is_forward: bool) -> Option<(usize, Span)> {
        Matches::new(&self.program, text).find(&self.recording.lanes, from, self.cycle(), is_forward)
    }
}

fn program_info(source: &Source) -> ProgramInfo {
    let program = source.machine.program();
    ProgramInfo {
        graph: graph_of(program, &TensorNames::of(program)),
        name: source.name.clone(),
        machine: machine_info(source.machine.description()),
        lines: listing::lines(program),
        layers: program.marks.iter().map(|mark| mark.name.clone()).collect(),
        estimated_cycles: estimated_cycles(program),
        activities: all_activities().map(activity_info).collect(),
        rig: Some(Arc::new(source.recipe.clone())),
        source: Some(Arc::new(match &source.text {
            Some(text) => text.clone().with_lines_of(program),
            None => SourceText::of_program(program),
        })),
    }
}

/// What the compiler expects, if it planned any layer.
fn estimated_cycles(program: &Program) -> Option<u64> {
    let planned = program.marks.iter().filter_map(|mark| mark.plan.as_ref());
    Some(planned.map(|plan| plan.estimated_cycles).sum()).filter(|n_cycles| *n_cycles > 0)
}

fn machine_info(description: &MachineDescription) -> MachineInfo {
    MachineInfo {
        name: description.name.clone(),
        ron: description.to_ron(),
        n_rows: description.rows as usize,
        n_cols: description.cols as usize,
        clock_mhz: f64::from(description.clock_mhz),
        peak_dram_bytes_per_cycle: description.peak_dram_bytes_per_cycle(),
        notes: vec![description.dram.standard.to_string(), description.node.to_string()],
    }
}

fn activity_info(activity: Activity) -> ActivityInfo {
    let (class, shade) = match activity {
        Activity::Idle => (ActivityClass::Idle, 0),
        Activity::Stalled(reason) => (ActivityClass::Stalled, reason as u8),
        Activity::Busy(BusyKind::WeightLoad) => (ActivityClass::Busy, 1),
        Activity::Busy(BusyKind::Drain | BusyKind::Unload | BusyKind::Sync) => (ActivityClass::Busy, 2),
        Activity::Busy(BusyKind::Scalar | BusyKind::Transfer | BusyKind::Stream | BusyKind::Vector) => {
            (ActivityClass::Busy, 0)
        }
    };
    ActivityInfo {
        name: activity.name().replace('_', " "),
        class,
        shade,
    }
}

/// The same state in the words of frames.
pub(crate) fn pe_state(state: PeState) -> frame::PeState {
    match state {
        PeState::Idle => frame::PeState::Idle,
        PeState::Loading => frame::PeState::Loading,
        PeState::Active => frame::PeState::Active,
        PeState::Zero => frame::PeState::Zero,
        PeState::Gated => frame::PeState::Gated,
        PeState::Passing => frame::PeState::Passing,
    }
}

fn pe_cell(cell: &systole_simulator::PeCell) -> frame::PeCell {
    frame::PeCell {
        state: pe_state(cell.state),
        weight: cell.weight,
        next_weight: cell.shadow,
        activation: cell.activation,
        partial_sum: cell.partial_sum.or(cell.drain),
        activation_row: cell.row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_in_the_same_order_on_both_sides() {
        for unit in Unit::ALL {
            assert_eq!(frame::UNIT_NAMES[unit.index()], unit.name());
        }
        assert_eq!(Unit::Mx.index(), frame::MX);
        assert_eq!(Unit::Seq.index(), SEQ);
    }
}
