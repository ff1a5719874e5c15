//! The array as a unit in time: a port for weights and a port for activations, both pipelined.

use crate::activity::{BusyKind, UnitStatus};
use crate::exec::SharedTile;
use crate::order::Release;
use crate::work::{Dispatched, Work};
use std::collections::VecDeque;
use systole_isa::machine::Overlap;
use systole_isa::operand::Weights;
use systole_isa::{MachineDescription, latency};

/// An instruction that the array has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MxInFlight {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    /// Cycle in which its port is free again.
    pub(crate) port_free_at: u64,
    pub(crate) done_at: u64,
    /// The weights that a matrix product uses.
    pub(crate) tile: SharedTile,
}

/// A weight tile in the registers of the array, from its load on until the next one has replaced it everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resident {
    /// Its weights, as soon as they are loaded.
    pub(crate) tile: Option<SharedTile>,
    /// Cycle in which its first row entered the first column.
    pub(crate) loads_from: u64,
    /// Cycle in which it became active in the first PE; `None` while it waits in the shadow registers.
    pub(crate) active_from: Option<u64>,
}

/// State of the array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct MxState {
    pub(crate) in_flight: VecDeque<MxInFlight>,
    /// Tiles in the order of their loads. At most the last one is in the shadow registers; those before the last active one are still
    /// held by PEs that the wavefront of its swap has not reached.
    pub(crate) residents: VecDeque<Resident>,
}

/// When an instruction at the head of the queue can start.
pub(crate) enum Start {
    Now,
    /// Another instruction of the array must get out of the way.
    Later,
}

impl MxState {
    /// The tile in the shadow registers, complete or not.
    fn shadow(&self) -> Option<&Resident> {
        self.residents.back().filter(|resident| resident.active_from.is_none())
    }

    /// The complete tile in the shadow registers.
    fn loaded(&self) -> Option<&SharedTile> {
        self.shadow()?.tile.as_ref()
    }

    fn active(&self) -> Option<&SharedTile> {
        self.residents
            .iter()
            .rev()
            .find(|resident| resident.active_from.is_some())?
            .tile
            .as_ref()
    }

    /// Ends the load under way.
    pub(crate) fn finish_load(&mut self, tile: SharedTile) {
        if let Some(resident) = self.residents.back_mut() {
            resident.tile = Some(tile);
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
            Work::WeightLoad { .. } => port_is_free(true) && self.shadow().is_none(),
            Work::MatMul { weights, .. } => {
                port_is_free(false) && (*weights == Weights::Keep || self.loaded().is_some())
            }
            _ => true,
        };
        if ready { Start::Now } else { Start::Later }
    }

    /// Why an instruction at the head of the queue could never start; since the queue is in order, nothing behind it can help.
    pub(crate) fn never_startable(&self, work: &Work) -> Option<&'static str> {
        match work {
            Work::WeightLoad { .. } if self.loaded().is_some() => {
                Some("the shadow registers hold weights that no `mx.mm` has swapped in; this load would lose them")
            }
            Work::MatMul {
                weights: Weights::Swap, ..
            } if self.shadow().is_none() => {
                Some("there are no weights in the shadow registers to swap in; load a tile with `mx.wload` first")
            }
            _ => None,
        }
    }

    /// The tile that a matrix product would use, if it is known already.
    pub(crate) fn tile_for(&self, weights: Weights) -> Option<&SharedTile> {
        match weights {
            Weights::Keep => self.active(),
            Weights::Swap => self.loaded(),
        }
    }

    /// Starts an instruction for which [`Self::start`] said now.
    pub(crate) fn begin(&mut self, machine: &MachineDescription, dispatched: Dispatched, release: Release, now: u64) {
        let (port, done) = match &*dispatched.work {
            Work::WeightLoad { k, .. } => {
                self.residents.push_back(Resident {
                    tile: None,
                    loads_from: now,
                    active_from: None,
                });
                let duration = latency::weight_load(machine, *k).0;
                (duration, duration)
            }
            Work::MatMul { m, weights, .. } => {
                if *weights == Weights::Swap {
                    self.swap(latency::drain(machine).0, now);
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
        let tile = self.active().cloned().unwrap_or_default();
        let in_flight = MxInFlight {
            dispatched,
            release,
            started_at: now,
            port_free_at: now + port,
            done_at: now + done.max(1),
            tile,
        };
        self.in_flight.push_back(in_flight);
    }

    /// Makes the tile in the shadow registers active. The wavefront has crossed the array after `crossing` cycles.
    fn swap(&mut self, crossing: u64, now: u64) {
        let is_everywhere = |resident: &Resident| resident.active_from.is_some_and(|from| from + crossing < now);
        if let Some(oldest) = self.residents.iter().rposition(is_everywhere) {
            self.residents.drain(..oldest);
        }
        if let Some(resident) = self.residents.back_mut() {
            resident.active_from = Some(now);
        }
    }

    /// What the array does in cycle `now`; `None` if nothing.
    pub(crate) fn status(&self, now: u64) -> Option<UnitStatus> {
        let of = |wanted: fn(&Work) -> bool, entering: bool, kind: BusyKind| {
            let found = self
                .in_flight
                .iter()
                .find(|x| wanted(&x.dispatched.work) && (!entering || x.port_free_at > now));
            found.map(|x| UnitStatus::busy(kind, x.dispatched.pc, x.dispatched.layer, x.started_at, now))
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
