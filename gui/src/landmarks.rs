//! Places in a run that a user steps to: starts of instructions, tiles and layers, and stalls; and what each instruction has
//! cost so far.
//!
//! The log is fed with the simulator's events and cut off when time goes back. It is bounded: the oldest quarter of its
//! entries goes when it is full, and what it counted of them stays in the totals.

use crate::engine::Landmark;
use crate::frame::{LineTotals, SEQ};
use std::collections::BTreeMap;
use systole_isa::{Op, Program, Unit};
use systole_simulator::energy::EnergyModel;
use systole_simulator::{Activity, Event, Machine, Observer};

/// Entries above which the oldest quarter is forgotten.
const MAX_ENTRIES: usize = 1 << 19;

/// Something that began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Cycle in which it began; the machine shows it from the next cycle on.
    start: u64,
    /// First cycle behind it.
    end: u64,
    /// Index of the unit.
    unit: usize,
    pc: u32,
    layer: u32,
    /// Femtojoules that its events cost.
    energy_fj: u64,
    is_stall: bool,
}

/// The log.
pub(crate) struct Landmarks {
    /// In the order in which they ended.
    entries: Vec<Entry>,
    /// First cycle since which every entry is there.
    recorded_from: u64,
    /// Index of the unit that executes each instruction.
    units: Vec<usize>,
    is_tile: Vec<bool>,
    /// Cycle in which the first instruction of each layer started, by layer slot.
    layer_starts: BTreeMap<u32, u64>,
    energy: EnergyModel,
    totals: Vec<LineTotals>,
}

impl Landmarks {
    pub(crate) fn new(machine: &Machine) -> Self {
        let program: &Program = machine.program();
        let units: Vec<usize> = program.code.iter().map(|i| i.op.unit().index()).collect();
        let opens_tile = |op: &Op| {
            matches!(
                op,
                Op::MxWload { .. } | Op::MxAload { .. } | Op::MxOs { .. } | Op::MxWskip { .. } | Op::MxWsparse { .. }
            )
        };
        Self {
            entries: Vec::new(),
            layer_starts: BTreeMap::new(),
            recorded_from: machine.now(),
            is_tile: program.code.iter().map(|i| opens_tile(&i.op)).collect(),
            totals: vec![LineTotals::default(); units.len()],
            units,
            energy: EnergyModel::of(machine.description()),
        }
    }

    /// What each instruction has cost so far, by program counter.
    pub(crate) fn totals(&self) -> &[LineTotals] {
        &self.totals
    }

    /// Whether the totals can be taken back to `cycle`. If not, a new log must be fed with the run from its beginning.
    pub(crate) fn reach_back_to(&self, cycle: u64) -> bool {
        cycle >= self.recorded_from
    }

    /// Forgets everything that was not over before `cycle`.
    pub(crate) fn truncate(&mut self, cycle: u64) {
        self.layer_starts.retain(|_, start| *start < cycle);
        while self.entries.last().is_some_and(|entry| entry.end >= cycle) {
            if let Some(entry) = self.entries.pop() {
                self.count(&entry, |total, amount| total.saturating_sub(amount));
            }
        }
    }

    /// The first cycle from `after + 1` to now with the landmark, as far as that is known only since cycle `since`: of what goes on in the
    /// shadow of something else, the beginning is known when it ends.
    pub(crate) fn first(&self, machine: &Machine, landmark: &Landmark, after: u64, since: u64) -> Option<u64> {
        let is_hit = |cycle: &u64| *cycle > after && *cycle <= machine.now();
        if let Some(layer) = wanted_layer(landmark) {
            return self.layer_cycles(machine, layer).filter(is_hit).min();
        }
        let recorded = self.entries.iter().rev().take_while(|entry| entry.end >= since);
        let all = recorded.copied().chain(self.under_way(machine));
        let hits = all.filter(|entry| self.is_at(entry, landmark));
        hits.map(|entry| self.seen_at(&entry)).filter(is_hit).min()
    }

    /// The last cycle before `before` with the landmark.
    pub(crate) fn last(&self, machine: &Machine, landmark: &Landmark, before: u64) -> Option<u64> {
        if let Some(layer) = wanted_layer(landmark) {
            return self.layer_cycles(machine, layer).filter(|cycle| *cycle < before).max();
        }
        let mut best = None;
        let recorded = self.entries.iter().rev().copied();
        for entry in self.under_way(machine).chain(recorded) {
            if best.is_some_and(|best| entry.end + 1 < best) {
                break;
            }
            let cycle = self.seen_at(&entry);
            if cycle < before && self.is_at(&entry, landmark) {
                best = best.max(Some(cycle));
            }
        }
        best
    }

    /// The cycle in which the machine shows that something began. The sequencer shows the instruction that it executes in a
    /// cycle at the beginning of that cycle, the other units show theirs from the next cycle on.
    fn seen_at(&self, entry: &Entry) -> u64 {
        let is_scalar = entry.unit == SEQ && !entry.is_stall;
        entry.start + u64::from(!is_scalar)
    }

    /// The cycles in which the machine shows the first instruction of the layers, or of one layer.
    fn layer_cycles(&self, machine: &Machine, layer: Option<u32>) -> impl Iterator<Item = u64> {
        let mut starts = self.layer_starts.clone();
        for entry in self.under_way(machine).filter(|entry| !entry.is_stall) {
            note_layer(&mut starts, entry.layer, entry.start);
        }
        let is_wanted = move |(of, _): &(u32, u64)| layer.is_none_or(|layer| *of == layer);
        starts.into_iter().filter(is_wanted).map(|(_, start)| start + 1)
    }

    /// What the units are at, as entries that end when nobody knows.
    fn under_way<'a>(&'a self, machine: &'a Machine) -> impl Iterator<Item = Entry> + 'a {
        Unit::ALL.into_iter().filter_map(move |unit| {
            let status = machine.unit_status(unit);
            let is_stall = matches!(status.activity, Activity::Stalled(_));
            let start = if is_stall {
                Some(status.since)
            } else {
                status.started_at
            };
            let is_at_work = status.activity != Activity::Idle && (unit.index() != SEQ || is_stall);
            Some(Entry {
                start: start.filter(|_| is_at_work)?,
                end: u64::MAX - 1,
                unit: unit.index(),
                pc: status.pc?,
                layer: status.layer,
                energy_fj: 0,
                is_stall,
            })
        })
    }

    /// Whether an entry begins at the landmark.
    fn is_at(&self, entry: &Entry, landmark: &Landmark) -> bool {
        let pc = entry.pc as usize;
        match landmark {
            Landmark::Stall(wanted) => {
                entry.is_stall && wanted.map_or(entry.unit != SEQ, |wanted| wanted == entry.unit)
            }
            _ if entry.is_stall => false,
            Landmark::Instruction => entry.unit != SEQ,
            Landmark::Tile => self.is_tile.get(pc) == Some(&true),
            Landmark::Instructions(pcs) => pcs.contains(&entry.pc),
            Landmark::Layer | Landmark::LayerOf(_) => false,
        }
    }

    fn count(&mut self, entry: &Entry, change: impl Fn(u64, u64) -> u64) {
        let Some(total) = self.totals.get_mut(entry.pc as usize) else {
            return;
        };
        if entry.is_stall && entry.unit == SEQ {
            // It waits to hand an instruction over, which costs that instruction's unit nothing.
            return;
        }
        let n_cycles = entry.end - entry.start;
        if entry.is_stall {
            total.stall_cycles = change(total.stall_cycles, n_cycles);
        } else {
            total.n_executed = change(total.n_executed, 1);
            total.cycles = change(total.cycles, n_cycles.max(1));
            total.energy_fj = change(total.energy_fj, entry.energy_fj);
        }
    }

    fn push(&mut self, entry: Entry) {
        self.count(&entry, u64::saturating_add);
        if !entry.is_stall && entry.unit != SEQ {
            note_layer(&mut self.layer_starts, entry.layer, entry.start);
        }
        self.entries.push(entry);
        if self.entries.len() > MAX_ENTRIES {
            self.entries.drain(..MAX_ENTRIES / 4);
            self.recorded_from = self.entries.first().map_or(0, |entry| entry.end);
        }
    }
}

/// Notes that an instruction of a layer slot started; slot 0 is what precedes all layers.
fn note_layer(starts: &mut BTreeMap<u32, u64>, layer: u32, start: u64) {
    if layer > 0 {
        let first = starts.entry(layer).or_insert(start);
        *first = start.min(*first);
    }
}

/// For a landmark of layers, the slot that is wanted, or that every one is.
fn wanted_layer(landmark: &Landmark) -> Option<Option<u32>> {
    match landmark {
        Landmark::Layer => Some(None),
        Landmark::LayerOf(idx) => Some(Some(u32::try_from(idx + 1).unwrap_or(u32::MAX))),
        _ => None,
    }
}

impl Observer for Landmarks {
    fn event(&mut self, event: &Event) {
        match *event {
            Event::Span {
                unit,
                activity: Activity::Stalled(_),
                pc: Some(pc),
                layer,
                start,
                end,
            } if end > start => self.push(Entry {
                start,
                end,
                unit: unit.index(),
                pc,
                layer,
                energy_fj: 0,
                is_stall: true,
            }),
            Event::Span { .. } => {}
            // The sequencer also completes the handing over of other units' instructions; those count where they are executed.
            Event::Completed { unit, pc, .. } if self.units.get(pc as usize) != Some(&unit.index()) => {}
            Event::Completed {
                unit,
                pc,
                layer,
                start,
                end,
                ref counts,
                ..
            } => {
                // The sequencer reports in the cycle in which it executes, before that has passed.
                let end = if unit == Unit::Seq { start } else { end };
                let energy_fj = self.energy.of_events(counts).total().0;
                self.push(Entry {
                    start,
                    end,
                    unit: unit.index(),
                    pc,
                    layer,
                    energy_fj,
                    is_stall: false,
                });
            }
        }
    }
}
