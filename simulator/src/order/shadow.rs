//! What was touched when: a log of accesses per chain, memory and direction.
//!
//! A chain's epochs become known in order, so an access has to be compared only with those of the other chains whose epoch it does not know:
//! the newest end of each log. What every unit knows is dropped; where a unit learns nothing for long, the oldest entries are
//! folded into a map of the last epoch of every byte, which loses nothing either.

use super::clock::{Chain, Clock, N_CHAINS};
use super::footprint::Footprint;
use super::last_epochs::LastEpochs;
use super::{Touch, Touches};
use std::collections::VecDeque;
use systole_isa::Unit;
use systole_isa::operand::Space;

/// A log is searched for entries to drop when it reaches this length.
const PRUNE_AT: usize = 64;
/// A log longer than this after pruning is folded to half its length.
const FOLD_AT: usize = 4096;
/// Entries at the end of a log that a new one may become one with: a loop's body touches a few places in turn.
const LOOK_BACK: usize = 4;
const N_SPACES: usize = 3;
const N_SLOTS: usize = N_CHAINS * N_SPACES * 2;

/// Two accesses to the same byte, one of them a write, in no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conflict {
    /// The chain of the access that was recorded before.
    pub(crate) other: Chain,
    pub(crate) other_pc: u32,
    pub(crate) other_writes: bool,
    pub(crate) writes: bool,
    pub(crate) space: Space,
    pub(crate) address: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    epoch: u64,
    pc: u32,
    footprint: Footprint,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Log {
    /// Ascending epochs, all of them newer than what is folded or of the same age.
    entries: VecDeque<Entry>,
    folded: LastEpochs,
    /// Size at which the folded part is searched for what can be dropped.
    forget_at: usize,
}

impl Log {
    /// Adds an entry. A loop that touches the next bytes, or the same again, makes one entry with what it touched before.
    fn record(&mut self, entry: Entry) {
        match self.absorbing(self.entries.len(), &entry) {
            None => self.entries.push_back(entry),
            // What has grown may be one with the rounds of the loop before.
            Some(at) => {
                let is_same = |other: &Entry| (other.epoch, other.pc) == (self.entries[at].epoch, self.entries[at].pc);
                if self.entries.range(at.saturating_sub(LOOK_BACK)..at).any(is_same) {
                    let grown = self.entries[at].clone();
                    if self.absorbing(at, &grown).is_some() {
                        self.entries.remove(at);
                    }
                }
            }
        }
    }

    /// Lets one of the last entries before `end` become its union with `entry`, if both are of one instruction in one epoch.
    fn absorbing(&mut self, end: usize, entry: &Entry) -> Option<usize> {
        let first = end.saturating_sub(LOOK_BACK);
        let same = |last: &Entry| (last.epoch, last.pc) == (entry.epoch, entry.pc);
        (first..end).rev().find(|&at| {
            let last = &mut self.entries[at];
            same(last) && last.footprint.absorb(&entry.footprint)
        })
    }

    /// Drops what everyone knows and bounds the length.
    fn shrink(&mut self, known_to_all: u64) {
        while self.entries.front().is_some_and(|entry| entry.epoch <= known_to_all) {
            self.entries.pop_front();
        }
        if self.entries.len() < FOLD_AT {
            return;
        }
        for entry in self.entries.drain(..FOLD_AT / 2) {
            for interval in entry.footprint.intervals() {
                self.folded.insert(interval, entry.epoch, entry.pc);
            }
        }
        if self.folded.len() > self.forget_at {
            self.folded.forget(known_to_all);
            self.forget_at = 2 * self.folded.len() + FOLD_AT;
        }
    }

    /// A byte that an access after epoch `known` has in common with this one, and its instruction.
    fn find(&self, footprint: &Footprint, known: u64) -> Option<(i64, u32)> {
        let recent = self.entries.iter().rev().take_while(|entry| entry.epoch > known);
        let found = recent
            .filter_map(|entry| Some((entry.footprint.common_byte(footprint)?, entry.pc)))
            .next();
        if found.is_some() || self.folded.newest() <= known {
            return found;
        }
        footprint
            .intervals()
            .into_iter()
            .find_map(|interval| self.folded.find(interval, known))
    }
}

/// The logs of every chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shadow {
    logs: Vec<Log>,
    /// Which logs hold anything, as bits by slot.
    used: u64,
}

impl Default for Shadow {
    fn default() -> Self {
        Self {
            logs: vec![Log::default(); N_SLOTS],
            used: 0,
        }
    }
}

/// Slots of the accesses to a memory by other units that a read, or a write, can conflict with, as bits.
fn rivals(unit: Unit, space: Space, writes: bool) -> u64 {
    const TABLE: [[[u64; 2]; N_SPACES]; Unit::ALL.len()] = {
        let mut table = [[[0; 2]; N_SPACES]; Unit::ALL.len()];
        let mut i = 0;
        while i < N_SLOTS {
            let (chain, space, writes) = (Chain::ALL[i / (2 * N_SPACES)], i / 2 % N_SPACES, i % 2 == 1);
            let mut unit = 0;
            while unit < Unit::ALL.len() {
                if unit != chain.unit().index() {
                    table[unit][space][1] |= 1 << i;
                    if writes {
                        table[unit][space][0] |= 1 << i;
                    }
                }
                unit += 1;
            }
            i += 1;
        }
        table
    };
    TABLE[unit.index()][space as usize][writes as usize]
}

fn slot(chain: Chain, space: Space, writes: bool) -> usize {
    (chain.index() * N_SPACES + space as usize) * 2 + usize::from(writes)
}

impl Shadow {
    /// What the accesses of an instruction that knows `clock` conflict with, at most once per chain and direction. Work of
    /// one unit is ordered by the unit.
    pub(crate) fn conflicts(&self, chain: Chain, clock: &Clock, touches: &[Touch]) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for touch in touches {
            let mut slots = self.used & rivals(chain.unit(), touch.space, touch.writes);
            while slots != 0 {
                let i = slots.trailing_zeros() as usize;
                slots &= slots - 1;
                let (other, other_writes) = (Chain::ALL[i / (2 * N_SPACES)], i % 2 == 1);
                if let Some((address, other_pc)) = self.logs[i].find(&touch.footprint, clock.of(other)) {
                    conflicts.push(Conflict {
                        other,
                        other_pc,
                        other_writes,
                        writes: touch.writes,
                        space: touch.space,
                        address,
                    });
                }
            }
        }
        conflicts
    }

    /// Notes the accesses of an instruction. `known_to_all` is the newest epoch of its chain that whatever starts from now on knows.
    pub(crate) fn record(
        &mut self,
        (chain, epoch, pc): (Chain, u64, u32),
        touches: &mut Touches,
        known_to_all: impl Fn() -> u64,
    ) {
        for touch in touches.drain(..) {
            let slot = slot(chain, touch.space, touch.writes);
            self.used |= 1 << slot;
            let log = &mut self.logs[slot];
            log.record(Entry {
                epoch,
                pc,
                footprint: touch.footprint,
            });
            if log.entries.len() >= PRUNE_AT {
                log.shrink(known_to_all());
            }
        }
    }

    /// Moves the newest accesses of a chain from one epoch to the one before it, of which nobody knows yet.
    pub(crate) fn move_back(&mut self, chain: Chain, from: u64, to: u64) {
        for space in Space::ALL {
            for writes in [true, false] {
                let log = &mut self.logs[slot(chain, *space, writes)];
                if log.entries.back().is_none_or(|last| last.epoch < from) {
                    continue;
                }
                let len = log.entries.len();
                let is_only_last = len == 1 || log.entries[len - 2].epoch < from;
                if is_only_last && let Some(entry) = log.entries.pop_back() {
                    log.record(Entry { epoch: to, ..entry });
                    continue;
                }
                let first = log.entries.partition_point(|entry| entry.epoch < from);
                for entry in log.entries.split_off(first) {
                    log.record(Entry { epoch: to, ..entry });
                }
            }
        }
    }

    /// Forgets everything: whatever comes knows all of it.
    pub(crate) fn clear(&mut self) {
        self.logs.iter_mut().for_each(|log| *log = Log::default());
        self.used = 0;
    }
}
