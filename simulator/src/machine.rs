//! The machine: one state, and the one function that moves time.
//!
//! Between two events every unit is in one constant status, so time jumps from event to event. Within the cycle of an event the order
//! is fixed: work completes, the sequencer executes, units start what they can. Nothing outside a state decides what happens next, so
//! a run may be split anywhere without changing it.

use crate::activity::{Activity, ActivityCycles, BusyKind, StallReason, UnitStatus};
use crate::counts::{EventCounts, static_counts};
use crate::dma::{Ahead, DmaUnit, Dram, DramParameters, bursts_of};
use crate::dram::{Channel, DramCounts};
use crate::exec::{self, Memories};
use crate::facts::Facts;
use crate::fault::{self, Fault, FaultKind, Overflow};
use crate::memory::PagedMemory;
use crate::mx::{MxState, Start};
use crate::observer::{Event, Observer};
use crate::order::deadlock::Standstill;
use crate::order::tokens::has_tokens;
use crate::order::{Order, Release, Touch, Touches};
use crate::race;
use crate::sequencer::{Effect, Sequencer, Surroundings};
use crate::vx::{self, VxInFlight};
use crate::work::{self, Dispatched, Work};
use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::Arc;
use systole_isa::hash::StableHasher;
use systole_isa::operand::{N_TOKENS, PerfCounter, Space, Token};
use systole_isa::{Diagnostic, Instruction, MachineDescription, Program, Tokens, Unit};

mod changes;
mod step;

use changes::Changes;

/// Marks take no time; so that a program cannot stand still, only this many run in one cycle.
const MAX_MARKS_PER_CYCLE: u32 = 64;

/// Whether a run computes values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Values and time.
    Full,
    /// Time only; memories stay as they are and zero operands are not counted.
    TimingOnly,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It goes on.
    Running,
    /// It ended with `halt`.
    Halted,
    /// It ended with a fault.
    Faulted(Fault),
}

/// Why a program does not start on a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub Diagnostic);

/// One channel of the DRAM at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DramChannelView {
    /// The open row of each bank, bank groups and ranks one after the other.
    pub open_rows: Vec<Option<u32>>,
    /// Bursts that wait to be read.
    pub n_reads: usize,
    /// Bursts that wait to be written.
    pub n_writes: usize,
}

/// What happened in one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LayerStats {
    /// Events of its instructions.
    pub counts: EventCounts,
    /// Busy cycles of each unit for its instructions, by [`Unit::index`].
    pub busy: [u64; Unit::ALL.len()],
    /// Cycle in which its last instruction so far was completed.
    pub end: u64,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct State {
    now: u64,
    next_event: u64,
    status: Status,
    sequencer: Sequencer,
    tokens: [u32; N_TOKENS],
    order: Order,
    /// Queues by [`Unit::index`]; the sequencer's stays empty.
    queues: [VecDeque<Dispatched>; Unit::ALL.len()],
    /// LD and ST.
    dma: [DmaUnit; 2],
    pub(crate) mx: MxState,
    vx: Option<VxInFlight>,
    /// Transfers and DRAM may be ahead of `now`, as far as nothing else can happen.
    dram_timing: Dram,
    /// How far they are, and what they do next.
    ahead: Ahead,
    /// The next cycle in which something about the array changes by itself; `u64::MAX` if never.
    mx_event: u64,
    pub(crate) memories: Memories,
    statuses: [UnitStatus; Unit::ALL.len()],
    cycles: [ActivityCycles; Unit::ALL.len()],
    layers: Vec<LayerStats>,
    /// One past the highest scratchpad byte touched so far.
    spm_peak_bytes: u64,
    /// Sticky: the first one stays.
    first_overflow: Option<Overflow>,
}

/// A program on a machine at one instant. A clone is a snapshot and shares memory pages with its original.
#[derive(Clone, Debug)]
pub struct Machine {
    program: Arc<Program>,
    description: Arc<MachineDescription>,
    dram_parameters: Arc<DramParameters>,
    mode: Mode,
    pub(crate) state: State,
    /// What the sequencer's instruction asks for, while it waits for a place in a queue. Not part of the state, which determines it.
    waiting_dispatch: Option<(Unit, Box<Work>)>,
}

impl Machine {
    /// Puts a program at its entry, with its constants in DRAM.
    ///
    /// # Errors
    /// If the program was made for another machine or its DRAM does not fit.
    pub fn new(program: Arc<Program>, description: Arc<MachineDescription>, mode: Mode) -> Result<Self, LoadError> {
        check_fit(&program, &description)?;
        let dram_parameters = Arc::new(DramParameters::of(&description));
        let mut dram = PagedMemory::new(program.dram_bytes);
        for segment in &program.segments {
            dram.place(segment.address, &segment.bytes);
        }
        let memories = Memories {
            spm: PagedMemory::new(description.spm.capacity_bytes()),
            acc: PagedMemory::new(description.acc.capacity_bytes()),
            dram,
        };
        let state = State {
            now: 0,
            next_event: 0,
            status: Status::Running,
            sequencer: Sequencer::new(program.entry),
            tokens: [0; N_TOKENS],
            order: Order::default(),
            queues: Default::default(),
            dma: [DmaUnit::new(false), DmaUnit::new(true)],
            mx: MxState::default(),
            vx: None,
            dram_timing: Dram::new(&dram_parameters),
            ahead: Ahead::NOTHING,
            mx_event: u64::MAX,
            memories,
            statuses: [UnitStatus::START; Unit::ALL.len()],
            cycles: Default::default(),
            layers: vec![LayerStats::default(); program.marks.len() + 1],
            spm_peak_bytes: 0,
            first_overflow: None,
        };
        Ok(Self {
            program,
            description,
            dram_parameters,
            mode,
            state,
            waiting_dispatch: None,
        })
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The machine's description.
    pub fn description(&self) -> &Arc<MachineDescription> {
        &self.description
    }

    /// Whether values are computed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The current cycle: everything before it has happened.
    pub fn now(&self) -> u64 {
        self.state.now
    }

    /// Where the run stands.
    pub fn status(&self) -> &Status {
        &self.state.status
    }

    /// The sequencer's next instruction.
    pub fn pc(&self) -> u32 {
        self.state.sequencer.pc
    }

    /// The scalar registers.
    pub fn registers(&self) -> &[i64] {
        &self.state.sequencer.registers
    }

    /// The token counters.
    pub fn tokens(&self) -> &[u32] {
        &self.state.tokens
    }

    /// What a unit does now.
    pub fn unit_status(&self, unit: Unit) -> UnitStatus {
        self.state.statuses[unit.index()]
    }

    /// Cycle in which the oldest instruction under way started; `None` if no unit works on one. Whatever completes from now on started no
    /// earlier.
    pub fn oldest_start(&self) -> Option<u64> {
        let transfers = self.state.dma.iter().filter_map(DmaUnit::oldest).map(|t| t.started_at);
        let products = self.state.mx.in_flight.iter().map(|x| x.started_at);
        let vector = self.state.vx.iter().map(|vx| vx.started_at);
        transfers.chain(products).chain(vector).min()
    }

    /// Number of instructions that wait in a unit's queue.
    pub fn queue_length(&self, unit: Unit) -> usize {
        self.state.queues[unit.index()].len()
    }

    /// The instructions that wait in a unit's queue, the next one first.
    pub fn queued(&self, unit: Unit) -> impl Iterator<Item = u32> + '_ {
        self.state.queues[unit.index()].iter().map(|waiting| waiting.pc)
    }

    /// Cycles of a unit by activity, up to now; they sum to [`Self::now`].
    pub fn unit_cycles(&self, unit: Unit) -> ActivityCycles {
        let mut cycles = self.state.cycles[unit.index()].clone();
        let status = self.unit_status(unit);
        cycles.add(status.activity, self.state.now - status.since);
        cycles
    }

    /// What happened per layer slot: index 0 before the first mark, else one more than the mark's id.
    pub fn layers(&self) -> &[LayerStats] {
        &self.state.layers
    }

    /// Events of all layers.
    pub fn counts(&self) -> EventCounts {
        let mut counts = EventCounts::default();
        self.state.layers.iter().for_each(|layer| counts.add(&layer.counts));
        counts
    }

    /// Commands of the DRAM up to now. While a transfer is under way the DRAM may be ahead of the current cycle.
    pub fn dram_counts(&self) -> DramCounts {
        self.state.dram_timing.counts_at(&self.dram_parameters, self.state.now)
    }

    /// Open rows and queues of each DRAM channel. While a transfer is under way the DRAM may be ahead of the current cycle.
    pub fn dram_channels(&self) -> Vec<DramChannelView> {
        self.state
            .dram_timing
            .channel_views(&self.dram_parameters, self.state.now)
    }

    /// The channels of the DRAM as they are, perhaps ahead of the current cycle: observers have been told of everything up to here.
    pub fn dram_ahead(&self) -> &[Channel] {
        self.state.dram_timing.channels()
    }

    /// Tells what the DRAM does by itself up to the current cycle while nothing is under way: refreshes. The run tells of them again with the
    /// next request. Changes nothing.
    pub fn tell_idle_dram(&self, observer: &mut impl Observer) {
        self.state
            .dram_timing
            .tell_idle(&self.dram_parameters, self.state.now, observer);
    }

    /// The first clock of the DRAM that does not begin before a cycle does.
    pub fn dram_clock_from_cycle(&self, cycle: u64) -> u64 {
        self.dram_parameters.clock().dram_from_core(cycle)
    }

    /// The first cycle that does not begin before a clock of the DRAM does.
    pub fn cycle_from_dram_clock(&self, clock: u64) -> u64 {
        self.dram_parameters.clock().core_from_dram(clock)
    }

    /// One past the highest scratchpad byte that an instruction has touched so far.
    pub fn spm_peak_bytes(&self) -> u64 {
        self.state.spm_peak_bytes
    }

    /// The first accumulator that left its 32 bits, if one has.
    pub fn first_overflow(&self) -> Option<Overflow> {
        self.state.first_overflow
    }

    /// One of the memories.
    pub fn memory(&self, space: Space) -> &PagedMemory {
        self.state.memories.of(space)
    }

    /// One of the memories, to prepare a run.
    pub fn memory_mut(&mut self, space: Space) -> &mut PagedMemory {
        self.state.memories.of_mut(space)
    }

    /// Hash of the whole state: equal states have equal hashes on every host.
    pub fn state_hash(&self) -> u64 {
        let mut hasher = StableHasher::default();
        self.state.hash(&mut hasher);
        hasher.finish()
    }

    /// Advances by one cycle.
    pub fn step_cycle(&mut self, observer: &mut impl Observer) {
        self.advance_to(self.state.now.saturating_add(1), observer);
    }

    /// Runs until the program ends or `limit` is reached.
    pub fn run(&mut self, limit: u64, observer: &mut impl Observer) -> &Status {
        self.advance_to(limit, observer);
        &self.state.status
    }

    /// Moves time to `target`, or to the end of the program if that comes first. The only function that moves time.
    pub fn advance_to(&mut self, target: u64, observer: &mut impl Observer) {
        while self.is_running() && self.state.next_event < target {
            self.state.now = self.state.next_event;
            if let Err(fault) = self.process(observer) {
                self.state.status = Status::Faulted(fault);
                self.finish(observer);
            }
        }
        if self.is_running() {
            self.state.now = self.state.now.max(target);
        }
    }

    #[inline]
    fn is_running(&self) -> bool {
        matches!(self.state.status, Status::Running)
    }

    fn fault(&self, kind: FaultKind, pc: u32) -> Fault {
        Fault {
            kind,
            pc,
            cycle: self.state.now,
        }
    }

    /// Everything that happens in the cycle of an event. Only the units that something has happened to can start anything or get
    /// another status.
    fn process(&mut self, observer: &mut impl Observer) -> Result<(), Fault> {
        // What any unit does may give the others a chance at the banks.
        let shares_banks = self.description.spm_banks.is_some();
        let mut changes = if shares_banks { Changes::ALL } else { Changes::NONE };
        self.complete(&mut changes, observer)?;
        let sequencer_activity = self.run_sequencer(&mut changes, observer)?;
        let mut started = false;
        for unit in changes.units() {
            while self.start_head(unit)? {
                started = true;
            }
        }
        if matches!(self.state.status, Status::Halted) {
            self.finish(observer);
            return Ok(());
        }
        self.update_statuses(sequencer_activity, changes, observer);
        // A queue place that became free lets a stalled sequencer go on in the next cycle.
        let retry = started && matches!(sequencer_activity, Activity::Stalled(_));
        self.state.next_event = self.next_event(sequencer_activity, retry, changes, observer);
        if self.state.next_event == u64::MAX {
            return Err(self.deadlock());
        }
        Ok(())
    }

    fn next_event(
        &mut self,
        sequencer_activity: Activity,
        retry: bool,
        changes: Changes,
        observer: &mut impl Observer,
    ) -> u64 {
        let state = &mut self.state;
        let sequencer = match sequencer_activity {
            Activity::Busy(_) => state.sequencer.ready_at,
            _ if retry => state.now + 1,
            _ => u64::MAX,
        };
        if changes.has(Unit::Mx) {
            let head = state.queues[Unit::Mx.index()].front().map(|head| &*head.work);
            state.mx_event = state
                .mx
                .next_event(&self.description, head, state.now)
                .unwrap_or(u64::MAX);
        }
        let vx = state.vx.as_ref().map_or(u64::MAX, |vx| vx.done_at);
        let horizon = state.mx_event.min(vx).min(sequencer).max(state.now + 1);
        let p = &self.dram_parameters;
        if changes.concern_dram() || !state.ahead.reaches(p, horizon) {
            let times = (state.now, horizon);
            state.ahead = state.dram_timing.run_ahead(p, &mut state.dma, times, observer);
        }
        let next = state.ahead.event.max(state.now + 1).min(horizon);
        if next == u64::MAX && sequencer_activity == Activity::Stalled(StallReason::Fence) && self.all_units_idle() {
            // The sequencer stands at a halt, and bursts of complete stores are still on their way to the devices.
            return self.state.dram_timing.drained_at(&self.dram_parameters);
        }
        next
    }

    /// Closes every unit's current span at the end of the program.
    fn finish(&mut self, observer: &mut impl Observer) {
        self.state.next_event = u64::MAX;
        for unit in Unit::ALL {
            self.close_span(
                unit,
                UnitStatus {
                    since: self.state.now,
                    ..UnitStatus::START
                },
                observer,
            );
        }
    }

    fn deadlock(&self) -> Fault {
        let standstill = Standstill {
            program: &self.program,
            pc: self.state.sequencer.pc,
            queues: &self.state.queues,
            counters: &self.state.tokens,
            order: &self.state.order,
        };
        let (kind, pc) = standstill.fault();
        self.fault(kind, pc)
    }

    fn take_tokens(&mut self, tokens: &Tokens) {
        for token in tokens.waits.iter().flatten() {
            self.state.tokens[token.index()] -= 1;
        }
    }

    fn post_tokens(&mut self, tokens: &Tokens, changes: &mut Changes) {
        for token in tokens.posts.iter().flatten() {
            let counter = &mut self.state.tokens[token.index()];
            *counter = counter.saturating_add(1);
            self.wake(*token, changes);
        }
    }

    /// Notes that a token was posted: the instructions that wait for it may be able to start.
    fn wake(&self, token: Token, changes: &mut Changes) {
        changes.add_post();
        for unit in [Unit::Ld, Unit::St, Unit::Mx, Unit::Vx] {
            let head = self.state.queues[unit.index()].front();
            if head.is_some_and(|head| head.tokens.waits.contains(&Some(token))) {
                changes.add(unit);
            }
        }
    }

    fn all_units_idle(&self) -> bool {
        let s = &self.state;
        s.queues.iter().all(VecDeque::is_empty)
            && s.dma.iter().all(|unit| unit.oldest().is_none())
            && s.mx.in_flight.is_empty()
            && s.vx.is_none()
    }
}

/// Whether a program can be put on a machine.
pub(crate) fn check_fit(program: &Program, description: &MachineDescription) -> Result<(), LoadError> {
    if let Some(wanted) = &program.machine
        && wanted.hash != description.hash()
    {
        let mut message = format!(
            "this program was made for the machine `{}`, not for `{}`",
            wanted.name, description.name
        );
        if let Some(other) = systole_isa::machine::preset(&wanted.name)
            && other.hash() == wanted.hash
        {
            message = format!("{message}: {}", other.differences(description).join("; "));
        }
        return Err(LoadError(
            Diagnostic::error("S0010", message)
                .because("tile sizes, addresses and loops are fixed when a program is made")
                .help(format!(
                    "run it with `--machine {}`, or compile the model for `{}`",
                    wanted.name, description.name
                )),
        ));
    }
    let capacity = u64::from(description.dram.capacity_mib) << 20;
    if program.dram_bytes > capacity {
        let message = format!(
            "the program needs {} bytes of DRAM; `{}` has {capacity}",
            program.dram_bytes, description.name
        );
        return Err(LoadError(
            Diagnostic::error("S0011", message).help("raise `dram.capacity_mib` in the machine description"),
        ));
    }
    let outside = program.segments.iter().find(|segment| {
        segment
            .address
            .checked_add(segment.bytes.len() as u64)
            .is_none_or(|end| end > program.dram_bytes)
    });
    if let Some(segment) = outside {
        let message = format!(
            "segment `{}` reaches beyond the {} bytes that the program reserves",
            segment.name, program.dram_bytes
        );
        return Err(LoadError(
            Diagnostic::error("S0012", message).help("raise the program's DRAM size"),
        ));
    }
    Ok(())
}
