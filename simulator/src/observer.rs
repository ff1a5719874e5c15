//! The stream of typed events that a run emits. Observers receive references and cannot change the run.

use crate::activity::Activity;
use crate::counts::EventCounts;
use crate::dram::ChannelEvent;
use systole_isa::{Descriptor, Unit};

/// Something that happened.
#[allow(
    clippy::large_enum_variant,
    reason = "events are handed on by reference, one at a time, and never stored"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A unit was in one status from `start` to `end`.
    Span {
        /// The unit.
        unit: Unit,
        /// What it did.
        activity: Activity,
        /// For which instruction.
        pc: Option<u32>,
        /// Layer slot: 0 before the first mark, else one more than the mark's id.
        layer: u32,
        /// First cycle.
        start: u64,
        /// One past the last cycle.
        end: u64,
    },
    /// An instruction was completed.
    Completed {
        /// The unit.
        unit: Unit,
        /// The instruction.
        pc: u32,
        /// Layer slot.
        layer: u32,
        /// Cycle in which it started.
        start: u64,
        /// Cycle in which its results stand.
        end: u64,
        /// What it did.
        counts: EventCounts,
    },
}

/// A transfer between DRAM and a memory on chip that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// LD or ST.
    pub unit: Unit,
    /// The instruction.
    pub pc: u32,
    /// Cycle in which its results stand.
    pub end: u64,
    /// Where the elements are now.
    pub dst: &'a Descriptor,
    /// Where they came from.
    pub src: &'a Descriptor,
    /// Rows of both views.
    pub m: u64,
    /// Columns of both views.
    pub n: u64,
}

/// Something that a channel of the DRAM did.
///
/// Between two events of other units the DRAM runs ahead, so it tells of what lies a little in the future as well; and of what it does
/// by itself while nothing is under way it tells with the next request, or when asked by
/// [`Machine::tell_idle_dram`](crate::Machine::tell_idle_dram). Each channel tells in the order of its own clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramEvent {
    /// Index of the channel.
    pub channel: usize,
    /// What it did.
    pub event: ChannelEvent,
}

/// A receiver of events.
pub trait Observer {
    /// Receives an event. Spans of one unit come in order; spans of different units interleave.
    fn event(&mut self, event: &Event);

    /// Receives a transfer, right before the event that says that it is complete.
    fn transfer(&mut self, transfer: &Transfer<'_>) {
        let _ = transfer;
    }

    /// Receives what a channel of the DRAM did.
    fn dram(&mut self, event: &DramEvent) {
        let _ = event;
    }
}

/// Nobody watches.
impl Observer for () {
    fn event(&mut self, _: &Event) {}
}

/// An observer that calls a closure.
pub struct Watch<F>(pub F);

impl<F: FnMut(&Event)> Observer for Watch<F> {
    fn event(&mut self, event: &Event) {
        (self.0)(event);
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn event(&mut self, event: &Event) {
        self.0.event(event);
        self.1.event(event);
    }

    fn transfer(&mut self, transfer: &Transfer<'_>) {
        self.0.transfer(transfer);
        self.1.transfer(transfer);
    }

    fn dram(&mut self, event: &DramEvent) {
        self.0.dram(event);
        self.1.dram(event);
    }
}

impl<A: Observer> Observer for &mut A {
    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }

    fn transfer(&mut self, transfer: &Transfer<'_>) {
        (**self).transfer(transfer);
    }

    fn dram(&mut self, event: &DramEvent) {
        (**self).dram(event);
    }
}
