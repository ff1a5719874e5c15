//! Which activation tensors stay in the scratchpad from the layer that makes them to the last one that reads them.
//!
//! A tensor takes its room from the tiles of every layer meanwhile, so it stays only if the estimates of those layers together do not become
//! worse. Small tensors that live shortly are asked first. They lie at the top of the scratchpad, each where the smallest gap between
//! others that live at the same time has room for it.

use super::emitter::DRAM_ALIGNMENT;
use super::lower::Lowered;
use super::stage::{Place, Stage};
use super::{TilingPolicy, cycles_of_stage};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use systole_isa::MachineDescription;
use systole_isa::operand::Space;
use systole_isa::program::SymbolKind;

/// A tensor that may stay.
#[derive(Clone, Debug)]
struct Candidate {
    /// Index of its symbol.
    symbol: usize,
    address: u64,
    size: u64,
    /// From the first stage that writes it to the last one that reads it.
    life: RangeInclusive<usize>,
}

impl Candidate {
    fn lives_with(&self, other: &Self) -> bool {
        self.life.start() <= other.life.end() && other.life.start() <= self.life.end()
    }

    /// Room in the scratchpad.
    fn room(&self) -> u64 {
        self.size.next_multiple_of(DRAM_ALIGNMENT)
    }
}

/// Lets tensors stay in the scratchpad. Returns the machine that each stage sees: with what is left of the scratchpad.
pub(super) fn assign(
    lowered: &mut Lowered,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Vec<MachineDescription> {
    let mut search = Search {
        capacity: machine.spm.capacity_bytes(),
        machines: vec![machine.clone(); lowered.stages.len()],
        costs: lowered.stages.iter().map(|_| BTreeMap::new()).collect(),
        resident: Vec::new(),
        policy,
    };
    if policy == TilingPolicy::Fastest {
        let mut candidates = candidates(lowered);
        candidates.sort_by_key(|c| (c.room() * c.life.clone().count() as u64, c.symbol));
        for candidate in candidates {
            search.ask(lowered, candidate);
        }
    }
    search.machines
}

/// Tensors that neither the host nor a move touches, and that are written before they are read.
fn candidates(lowered: &mut Lowered) -> Vec<Candidate> {
    let host: Vec<u64> = lowered
        .inputs
        .iter()
        .chain(&lowered.outputs)
        .map(|tensor| tensor.address)
        .collect();
    let moved: Vec<u64> = lowered.stages.iter().flat_map(|stage| stage.kind.moved()).collect();
    let mut candidates = Vec::new();
    for (symbol, tensor) in lowered.tensors.iter().enumerate() {
        let (address, size) = (tensor.value, tensor.size);
        let holds = |other: &u64| (address..address + size).contains(other);
        if host.iter().chain(&moved).any(holds) {
            continue;
        }
        let (mut first_write, mut first_read, mut last) = (None, None, None);
        for (index, stage) in lowered.stages.iter_mut().enumerate() {
            let (reads, write) = stage.kind.places();
            if reads.iter().any(|place| holds(&place.address)) {
                first_read = first_read.or(Some(index));
                last = Some(index);
            }
            if write.is_some_and(|place| holds(&place.address)) {
                first_write = first_write.or(Some(index));
                last = Some(index);
            }
        }
        if let (Some(first), Some(read), Some(last)) = (first_write, first_read, last)
            && first < read
        {
            candidates.push(Candidate {
                symbol,
                address,
                size,
                life: first..=last,
            });
        }
    }
    candidates
}

/// KiB of the scratchpad that are left to a stage, and which of its tensors are there.
type Setting = (u32, Vec<bool>);

struct Search {
    capacity: u64,
    machines: Vec<MachineDescription>,
    /// Per stage the estimated cycles, if it fits.
    costs: Vec<BTreeMap<Setting, Option<u64>>>,
    /// Tensors that stay, with the distance of their end from the end of the scratchpad.
    resident: Vec<(Candidate, u64)>,
    policy: TilingPolicy,
}

impl Search {
    /// Lets a tensor stay if that makes nothing worse.
    fn ask(&mut self, lowered: &mut Lowered, candidate: Candidate) {
        let Some(depth) = self.gap(&candidate) else { return };
        let life = candidate.life.clone();
        let stages = &mut lowered.stages[..];
        let Some(before) = self.cost(stages, life.clone()) else {
            return;
        };
        let machines = self.machines[life.clone()].to_vec();
        let from = self.capacity - depth - candidate.room();
        for machine in &mut self.machines[life.clone()] {
            machine.spm.capacity_kib = machine.spm.capacity_kib.min((from / 1024) as u32);
        }
        let (dram, spm) = (Place::in_dram(candidate.address), resident_at(from));
        relocate(&mut stages[life.clone()], dram, spm, candidate.size);
        let after = self.cost(stages, life.clone());
        if after.is_some_and(|after| after <= before) {
            let symbol = &mut lowered.tensors[candidate.symbol];
            (symbol.kind, symbol.value) = (SymbolKind::Spm, from);
            self.resident.push((candidate, depth));
        } else {
            relocate(&mut stages[life.clone()], spm, dram, candidate.size);
            self.machines.splice(life, machines);
        }
    }

    /// How far from the end of the scratchpad the smallest gap begins that has room.
    fn gap(&self, candidate: &Candidate) -> Option<u64> {
        let mut others: Vec<(u64, u64)> = self
            .resident
            .iter()
            .filter(|(other, _)| other.lives_with(candidate))
            .map(|(other, depth)| (*depth, depth + other.room()))
            .collect();
        others.sort_unstable();
        let mut gaps = Vec::new();
        let mut end = 0;
        for (from, to) in others {
            if from >= end + candidate.room() {
                gaps.push((from - end, end));
            }
            end = end.max(to);
        }
        let best = gaps.into_iter().min().map_or(end, |(_, from)| from);
        (best + candidate.room() < self.capacity).then_some(best)
    }

    /// Estimated cycles of some stages, if all of them fit.
    fn cost(&mut self, stages: &mut [Stage], life: RangeInclusive<usize>) -> Option<u64> {
        let mut sum = 0;
        for index in life {
            let (machine, stage) = (&self.machines[index], &mut stages[index]);
            let (reads, write) = stage.kind.places();
            let there = reads
                .into_iter()
                .chain(write)
                .map(|place| place.is_resident())
                .collect();
            let known = self.costs[index].entry((machine.spm.capacity_kib, there));
            sum += (*known.or_insert_with(|| cycles_of_stage(stage, machine, self.policy)))?;
        }
        Some(sum)
    }
}

fn resident_at(address: u64) -> Place {
    Place {
        space: Space::Spm,
        address,
    }
}

/// Lets the stages find a tensor of so many bytes elsewhere.
fn relocate(stages: &mut [Stage], from: Place, to: Place, size: u64) {
    for stage in stages {
        let (reads, write) = stage.kind.places();
        for place in reads.into_iter().chain(write) {
            if place.space == from.space && (from.address..from.address + size).contains(&place.address) {
                *place = to.behind(place.address - from.address);
            }
        }
    }
}
