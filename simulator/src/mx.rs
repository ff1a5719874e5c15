//! The array as a unit in time: a port for weights and a port for activations, both pipelined.

use crate::activity::{Activity, BusyKind};
use crate::exec::SharedTile;
use crate::race::Access;
use crate::work::{Dispatched, Work};
use std::collections::VecDeque;
use systole_isa::machine::Overlap;
use systole_isa::operand::Weights;
use systole_isa::{MachineDescription, latency};

/// An instruction that the array has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MxInFlight {
    pub(crate) dispatched: Dispatched,
    pub(crate) accesses: Vec<Access>,
    pub(crate) started_at: u64,
    /// Cycle in which its port is free again.
    pub(crate) port_free_at: u64,
    pub(crate) done_at: u64,
    /// The weights that a matrix product uses.
    pub(crate) tile: SharedTile,
}

/// The shadow registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shadow {
    Empty,
    /// Sizes of the tile that is being loaded.
    Loading {
        k: u64,
        n: u64,
    },
    Loaded(SharedTile),
}

/// State of the array.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MxState {
    pub(crate) in_flight: VecDeque<MxInFlight>,
    pub(crate) shadow: Shadow,
    pub(crate) active: SharedTile,
}

/// When an instruction at the head of the queue can start.
pub(crate) enum Start {
    Now,
    /// Another instruction of the array must get out of the way.
    Later,
}

impl MxState {
    pub(crate) fn new() -> Self {
        Self {
            in_flight: VecDeque::new(),
            shadow: Shadow::Empty,
            active: SharedTile::default(),
        }
    }

    /// Whether the ports and registers that `work` needs are free in cycle `now`.
    pub(crate) fn start(&self, machine: &MachineDescription, work: &Work, now: u64) -> Start {
        if machine.overlap == Overlap::None && !self.in_flight.is_empty() {
            return Start::Later;
        }
        let port_is_free = |loads: bool| {
            self.in_flight.iter().all(|other| {
                let holds_port = match *other.dispatched.work {
                    Work::WeightLoad { .. } => loads,
                    Work::MatMul { .. } => !loads,
                    _ => false,
                };
                !holds_port || other.port_free_at <= now
            })
        };
        let ready = match work {
            Work::WeightLoad { .. } => port_is_free(true) && matches!(self.shadow, Shadow::Empty),
            Work::MatMul { weights, .. } => {
                port_is_free(false) && (*weights == Weights::Keep || matches!(self.shadow, Shadow::Loaded(_)))
            }
            _ => true,
        };
        if ready { Start::Now } else { Start::Later }
    }

    /// Why an instruction at the head of the queue could never start; since the queue is in order, nothing behind it can help.
    pub(crate) fn never_startable(&self, work: &Work) -> Option<&'static str> {
        match (work, &self.shadow) {
            (Work::WeightLoad { .. }, Shadow::Loaded(_)) => {
                Some("the shadow registers hold weights that no `mx.mm` has swapped in; this load would lose them")
            }
            (
                Work::MatMul {
                    weights: Weights::Swap, ..
                },
                Shadow::Empty,
            ) => Some("there are no weights in the shadow registers to swap in; load a tile with `mx.wload` first"),
            _ => None,
        }
    }

    /// The tile that a matrix product would use, if it is known already.
    pub(crate) fn tile_for(&self, weights: Weights) -> Option<&SharedTile> {
        match (weights, &self.shadow) {
            (Weights::Keep, _) => Some(&self.active),
            (Weights::Swap, Shadow::Loaded(tile)) => Some(tile),
            (Weights::Swap, _) => None,
        }
    }

    /// Starts an instruction for which [`Self::start`] said now.
    pub(crate) fn begin(
        &mut self,
        machine: &MachineDescription,
        dispatched: Dispatched,
        accesses: Vec<Access>,
        now: u64,
    ) {
        let (port, done) = match &*dispatched.work {
            Work::WeightLoad { k, n, .. } => {
                self.shadow = Shadow::Loading { k: *k, n: *n };
                let duration = latency::weight_load(machine, *k).0;
                (duration, duration)
            }
            Work::MatMul { m, weights, .. } => {
                if *weights == Weights::Swap
                    && let Shadow::Loaded(tile) = std::mem::replace(&mut self.shadow, Shadow::Empty)
                {
                    self.active = tile;
                }
                let stream = latency::stream(*m).0.max(1);
                (stream, stream + latency::drain(machine).0)
            }
            // It follows what is under way without holding up what comes behind it.
            _ => (
                1,
                self.in_flight
                    .iter()
                    .map(|other| other.done_at - now)
                    .max()
                    .unwrap_or(1),
            ),
        };
        let tile = self.active.clone();
        let in_flight = MxInFlight {
            dispatched,
            accesses,
            started_at: now,
            port_free_at: now + port,
            done_at: now + done.max(1),
            tile,
        };
        self.in_flight.push_back(in_flight);
    }

    /// What the array does in cycle `now`, for which instruction and layer.
    pub(crate) fn activity(&self, now: u64) -> Option<(Activity, u32, u32)> {
        let of = |wanted: fn(&Work) -> bool, entering: bool, kind: BusyKind| {
            self.in_flight
                .iter()
                .find(|x| wanted(&x.dispatched.work) && (!entering || x.port_free_at > now))
                .map(|x| (Activity::Busy(kind), x.dispatched.pc, x.dispatched.layer))
        };
        of(|w| matches!(w, Work::MatMul { .. }), true, BusyKind::Stream)
            .or_else(|| of(|w| matches!(w, Work::WeightLoad { .. }), true, BusyKind::WeightLoad))
            .or_else(|| of(|w| matches!(w, Work::MatMul { .. }), false, BusyKind::Drain))
            .or_else(|| of(|w| matches!(w, Work::Sync), false, BusyKind::Sync))
    }

    /// The next cycle in which something about the array changes by itself.
    pub(crate) fn next_event(&self, now: u64) -> Option<u64> {
        self.in_flight
            .iter()
            .flat_map(|x| [x.port_free_at, x.done_at])
            .filter(|&at| at > now)
            .min()
    }
}
