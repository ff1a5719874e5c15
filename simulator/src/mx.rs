//! The array as a unit in time: a port for the operand that will stay and a port for the operand that moves, both pipelined.
//!
//! An output-stationary product uses both ports and the registers of the active tile, so it starts when everything else has left the
//! array, and the active tile is lost. Its sums leave by a chain of their own, which the next one's sums may enter once it is free.

use crate::activity::{BusyKind, UnitStatus};
use crate::exec::SharedTile;
use crate::facts::Facts;
use crate::order::Release;
use crate::work::matrix::{OutputStationary, Product};
use crate::work::{Dispatched, Work};
use std::collections::VecDeque;
use systole_isa::latency::banks::BankUse;
use systole_isa::machine::Overlap;
use systole_isa::operand::Weights;
use systole_isa::{Descriptor, MachineDescription, latency};

/// An instruction that the array has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MxInFlight {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    /// Cycle in which its port is free again.
    pub(crate) port_free_at: u64,
    /// Cycle in which its last sum is complete. Sums that stay in the PEs leave after that.
    pub(crate) summed_at: u64,
    /// Cycle in which the last sum that stayed in a PE has left the array.
    pub(crate) unloaded_at: u64,
    /// Cycle in which all sums are in the accumulators.
    pub(crate) done_at: u64,
    /// The tile that a product uses.
    pub(crate) tile: Option<SharedTile>,
    pub(crate) facts: Facts,
    /// What it takes of the scratchpad's banks until its port is free.
    pub(crate) banks: BankUse,
}

/// A tile in the registers of the array, from its load on until the next one has replaced it everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resident {
    /// Its contents, as soon as they are loaded; `None` in an active one where an output-stationary product has pushed
    /// the tile out.
    pub(crate) tile: Option<SharedTile>,
    /// Cycle in which its first row entered the first column.
    pub(crate) loads_from: u64,
    /// Cycles from row to row of its load.
    pub(crate) load_interval: u64,
    /// Cycle in which it became active in the first PE; `None` while it waits in the shadow registers.
    pub(crate) active_from: Option<u64>,
    /// What loaded it; `None` where there is no tile.
    pub(crate) source: Option<TileSource>,
}

/// What brought a tile into the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TileSource {
    pub(crate) pc: u32,
    /// As a matrix whose rows run along K; with a pattern, the compressed one.
    pub(crate) view: Descriptor,
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

    /// Words of the scratchpad's banks that operands entering the array take in cycle `now`.
    pub(crate) fn words_per_cycle(&self, now: u64) -> u64 {
        let entering = self.in_flight.iter().filter(|x| x.port_free_at > now);
        entering.map(|x| x.banks.words_per_cycle).sum()
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
                    Work::TileLoad(_) => loads,
                    Work::Product(_) => !loads,
                    // It is in the way until its sums are complete and have left.
                    Work::OutputStationary(_) => return false,
                    _ => false,
                };
                !holds_port || other.port_free_at <= now
            })
        };
        let ready = match work {
            Work::TileLoad(_) => port_is_free(true) && self.shadow().is_none(),
            Work::Product(product) => {
                port_is_free(false) && (product.weights == Weights::Keep || self.loaded().is_some())
            }
            Work::OutputStationary(product) => self
                .output_stationary_start(machine, product)
                .is_some_and(|at| at <= now),
            _ => true,
        };
        if ready { Start::Now } else { Start::Later }
    }

    /// Why an instruction at the head of the queue could never start; since the queue is in order, nothing behind it can help.
    pub(crate) fn never_startable(&self, work: &Work) -> Option<&'static str> {
        match work {
            Work::TileLoad(_) if self.loaded().is_some() => {
                Some("the shadow registers hold a tile that no product has swapped in; this load would lose it")
            }
            Work::Product(product) if product.weights == Weights::Swap && self.shadow().is_none() => {
                Some("there is no tile in the shadow registers to swap in; load one with `mx.wload` first")
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

    /// The first cycle in which nothing of the array is in the way of an output-stationary product; `None` if that depends on the end of
    /// another kind of instruction. Its sums may follow those of the one before, which take a cycle per row to leave.
    fn output_stationary_start(&self, machine: &MachineDescription, product: &OutputStationary) -> Option<u64> {
        let steps = steps(machine, product);
        let shift = latency::output_shift(machine).0;
        let mut start = 0;
        for other in &self.in_flight {
            match *other.dispatched.work {
                Work::OutputStationary(_) => {
                    start = start.max(
                        other
                            .port_free_at
                            .max((other.port_free_at + shift).saturating_sub(steps)),
                    );
                }
                Work::TileLoad(_) | Work::Product(_) => return None,
                _ => {}
            }
        }
        Some(start)
    }

    /// Starts an instruction for which [`Self::start`] said now.
    pub(crate) fn begin(
        &mut self,
        machine: &MachineDescription,
        dispatched: Dispatched,
        release: Release,
        (facts, banks): (Facts, BankUse),
        now: u64,
    ) {
        let (crossing, drain) = (latency::crossing(machine).0, latency::drain(machine).0);
        let (port, done) = match &*dispatched.work {
            Work::TileLoad(load) => {
                self.residents.push_back(Resident {
                    tile: None,
                    loads_from: now,
                    load_interval: banks.interval,
                    active_from: None,
                    source: Some(TileSource {
                        pc: dispatched.pc,
                        view: load.source,
                    }),
                });
                let duration = latency::weight_load(machine, load.shape.n_rows()).0 * banks.interval;
                (duration, duration)
            }
            Work::Product(product) => {
                if product.weights == Weights::Swap {
                    self.swap(crossing, now);
                }
                let stream = self.stream_cycles(machine, product, facts, banks);
                (stream, stream + drain)
            }
            Work::OutputStationary(product) => {
                self.push_out(crossing, now);
                let steps = steps(machine, product);
                (steps, steps + drain + latency::output_shift(machine).0)
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
        let (summed, unloaded) = match *dispatched.work {
            Work::OutputStationary(_) => (port + crossing, port + crossing + latency::output_shift(machine).0),
            _ => (done.max(1), done.max(1)),
        };
        let in_flight = MxInFlight {
            dispatched,
            release,
            started_at: now,
            port_free_at: now + port,
            summed_at: now + summed,
            unloaded_at: now + unloaded,
            done_at: now + done.max(1),
            tile: self.active().cloned(),
            facts,
            banks,
        };
        self.in_flight.push_back(in_flight);
    }

    /// Cycles in which the rows of a product enter the array.
    fn stream_cycles(&self, machine: &MachineDescription, product: &Product, facts: Facts, banks: BankUse) -> u64 {
        let rate = self
            .active()
            .map(|tile| machine.rate(tile.shape.pair(product.a.format)));
        rate.map_or(1, |rate| {
            latency::stream_from_banks(facts.live_rows, rate, banks).0.max(1)
        })
    }

    /// Forgets tiles that others have replaced in every PE: the wavefront has crossed the array after `crossing` cycles.
    fn forget(&mut self, crossing: u64, now: u64) {
        let is_everywhere = |resident: &Resident| resident.active_from.is_some_and(|from| from + crossing < now);
        let oldest = self.residents.iter().rposition(is_everywhere).unwrap_or(0);
        for _ in 0..oldest {
            self.residents.pop_front();
        }
    }

    /// The operands of an output-stationary product push the active tile out of the registers; that in the shadow registers stays.
    fn push_out(&mut self, crossing: u64, now: u64) {
        self.forget(crossing, now);
        let nothing = Resident {
            tile: None,
            loads_from: now,
            load_interval: 1,
            active_from: Some(now),
            source: None,
        };
        let at = self.residents.len() - usize::from(self.shadow().is_some());
        self.residents.insert(at, nothing);
    }

    /// Makes the tile in the shadow registers active.
    fn swap(&mut self, crossing: u64, now: u64) {
        self.forget(crossing, now);
        if let Some(resident) = self.residents.back_mut() {
            resident.active_from = Some(now);
        }
    }

    /// What the array does in cycle `now`; `None` if nothing.
    pub(crate) fn status(&self, now: u64) -> Option<UnitStatus> {
        let of = |wanted: fn(&Work) -> bool, until: fn(&MxInFlight) -> u64, kind: BusyKind| {
            let found = self
                .in_flight
                .iter()
                .find(|x| wanted(&x.dispatched.work) && until(x) > now);
            found.map(|x| UnitStatus::busy(kind, x.dispatched.pc, x.dispatched.layer, x.started_at, now))
        };
        let multiplies = |w: &Work| matches!(w, Work::Product(_) | Work::OutputStationary(_));
        let entry = |x: &MxInFlight| x.port_free_at;
        of(multiplies, entry, BusyKind::Stream)
            .or_else(|| of(|w| matches!(w, Work::TileLoad(_)), entry, BusyKind::WeightLoad))
            .or_else(|| of(multiplies, |x| x.summed_at, BusyKind::Drain))
            .or_else(|| of(multiplies, |x| x.unloaded_at, BusyKind::Unload))
            .or_else(|| of(multiplies, |x| x.done_at, BusyKind::Drain))
            .or_else(|| of(|w| matches!(w, Work::Sync), |x| x.done_at, BusyKind::Sync))
    }

    /// The next cycle in which something about the array changes by itself; `head` is the next instruction in its queue.
    pub(crate) fn next_event(&self, machine: &MachineDescription, head: Option<&Work>, now: u64) -> Option<u64> {
        let start = match head {
            Some(Work::OutputStationary(product)) => self.output_stationary_start(machine, product),
            _ => None,
        };
        // Cycles from the next one on; what is past comes out larger than anything to come.
        let first = now + 1;
        let distance = |at: u64| at.wrapping_sub(first);
        let mut nearest = start.map_or(u64::MAX, distance);
        for x in &self.in_flight {
            let ends = distance(x.port_free_at)
                .min(distance(x.summed_at))
                .min(distance(x.unloaded_at))
                .min(distance(x.done_at));
            nearest = nearest.min(ends);
        }
        (nearest <= u64::MAX / 2).then(|| first + nearest)
    }
}

/// Cycles in which the operands of an output-stationary product enter the array.
fn steps(machine: &MachineDescription, product: &OutputStationary) -> u64 {
    latency::output_stationary_steps(product.w.shape.live.count(), product.rate(machine)).0
}
