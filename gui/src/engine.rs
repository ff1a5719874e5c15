//! The border between the dashboard and whatever runs programs.
//!
//! An [`Engine`] moves time forwards and backwards and says what it sees. Everything else (pacing, breakpoints, threads,
//! drawing) is above this line and knows no simulator.

use crate::frame::{N_UNITS, Observation, ProgramInfo, Span, TimelineView, UnitState};
use crate::inspect::{Focus, MemorySpace};
use crate::loading::LoadProgress;
use crate::overview::SpanReport;
use crate::source_text::SourceText;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A program on a machine, at some cycle.
pub trait Engine: Send {
    /// The loaded program and its machine; the same value for the engine's whole life.
    fn program(&self) -> Arc<ProgramInfo>;

    /// The current cycle.
    fn cycle(&self) -> u64;

    /// How the program ended, or `None` while it can go on.
    fn outcome(&self) -> Option<Outcome>;

    /// Moves time forwards to `cycle`, or less far if the program ends before.
    fn advance_to(&mut self, cycle: u64);

    /// Moves time forwards to `cycle` and returns the first cycle in `after + 1..=cycle` with the landmark, to be gone back to.
    fn advance_to_landmark(&mut self, cycle: u64, landmark: &Landmark, after: u64) -> Option<u64>;

    /// The last cycle before `before` at which a landmark is seen.
    fn previous(&self, landmark: &Landmark, before: u64) -> Option<u64>;

    /// Goes on with the way back to `cycle` by replaying at most `n_cycles`; returns whether it is there. Until then the present is where
    /// it was, and any other call than the same again gives the way back up. A cycle in the future changes nothing.
    fn rewind_to(&mut self, cycle: u64, n_cycles: u64) -> bool;

    /// The state of the units, cheap enough to ask for after every cycle.
    fn units(&self) -> [UnitState; N_UNITS];

    /// Chooses what [`Observation::close_up`] shows from now on.
    fn look_at(&mut self, focus: &Focus);

    /// Bytes of a memory; those outside of it are left out.
    fn read_memory(&self, space: MemorySpace, address: u64, n_bytes: usize) -> Vec<u8>;

    /// Changes bytes of a memory in the present cycle; going back in time undoes that.
    ///
    /// # Errors
    /// If they do not lie inside the memory, in words for the user.
    fn write_memory(&mut self, space: MemorySpace, address: u64, bytes: &[u8]) -> Result<(), String>;

    /// Makes the same program at cycle 0 of another machine, given as RON text.
    fn on_machine(&self, machine: &str) -> EngineMaker;

    /// Another program, made of a text, at cycle 0 of the same machine.
    ///
    /// # Errors
    /// What is wrong with the text, or why its program does not fit the machine.
    fn on_text(&self, _text: &SourceText) -> Result<Box<dyn Engine>, String> {
        Err("this program cannot be replaced by a text".to_owned())
    }

    /// Everything to show now, with the timeline's visible stretch in at most `n_bins` bins.
    fn observe(&self, view: TimelineView, n_bins: usize) -> Observation;

    /// What is known of the span at a cycle of a lane; `None` if no exact span is recorded there.
    fn explain(&self, lane_idx: usize, cycle: u64) -> Option<SpanReport>;

    /// The first span that matches `text` and begins after cycle `from` (or, backwards, before it), with its lane.
    fn find(&self, text: &str, from: u64, is_forward: bool) -> Option<(usize, Span)>;
}

/// A place in a run that a user steps to. The machine is there in the first cycle that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landmark {
    /// A unit other than the sequencer starts an instruction.
    Instruction,
    /// The array starts to take a new tile.
    Tile,
    /// The first instruction of a layer starts.
    Layer,
    /// The first instruction of this layer starts.
    LayerOf(usize),
    /// A unit begins to stall: this one, or any but the sequencer.
    Stall(Option<usize>),
    /// One of these instructions is started by the unit that executes it.
    Instructions(Arc<BTreeSet<u32>>),
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It reached its `halt`.
    Halted,
    /// It faulted; the text says where and why.
    Faulted(Arc<str>),
}

/// Makes an engine that stands at cycle 0, or says why it cannot. May take long.
pub type EngineMaker = Box<dyn FnOnce(&LoadProgress) -> Result<Box<dyn Engine>, String> + Send>;

/// What was in a file.
pub enum Opened {
    /// A program or a model, at cycle 0.
    Program(Box<dyn Engine>),
    /// A machine description, as RON text.
    Machine(Arc<str>),
}

/// Opens a file, or says why it cannot. Runs on a thread of its own.
pub type EngineLoader = Arc<dyn Fn(&Path, &LoadProgress) -> Result<Opened, String> + Send + Sync>;
