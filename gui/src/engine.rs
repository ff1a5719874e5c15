//! The border between the dashboard and whatever runs programs.
//!
//! An [`Engine`] moves time forwards and backwards and says what it sees. Everything else (pacing, breakpoints, threads,
//! drawing) is above this line and knows no simulator.

use crate::frame::{N_UNITS, Observation, ProgramInfo, Span, TimelineView, UnitState};
use crate::overview::SpanReport;
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

    /// Moves time backwards to `cycle`; a cycle in the future changes nothing.
    fn rewind_to(&mut self, cycle: u64);

    /// The state of the units, cheap enough to ask for after every cycle.
    fn units(&self) -> [UnitState; N_UNITS];

    /// The same program at cycle 0 of another machine.
    ///
    /// # Errors
    /// What is wrong with the description (RON text), or why the program does not fit the machine.
    fn on_machine(&self, machine: &str) -> Result<Box<dyn Engine>, String>;

    /// Everything to show now, with the timeline's visible stretch in at most `n_bins` bins.
    fn observe(&self, view: TimelineView, n_bins: usize) -> Observation;

    /// What is known of the span at a cycle of a lane; `None` if no exact span is recorded there.
    fn explain(&self, lane_idx: usize, cycle: u64) -> Option<SpanReport>;

    /// The first span that matches `text` and begins after cycle `from` (or, backwards, before it), with its lane.
    fn find(&self, text: &str, from: u64, is_forward: bool) -> Option<(usize, Span)>;
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It reached its `halt`.
    Halted,
    /// It faulted; the text says where and why.
    Faulted(Arc<str>),
}

/// Opens a file and gives back an engine that stands at cycle 0, or the reason why it cannot.
pub type EngineLoader = Box<dyn Fn(&Path) -> Result<Box<dyn Engine>, String> + Send>;
