//! Going back in time: snapshots at intervals, and replay from the nearest one.

use crate::machine::{Machine, Status};
use crate::observer::Observer;

/// Most snapshots kept; when they are used up, every second one goes and the interval doubles.
const MAX_KEYFRAMES: usize = 64;
const FIRST_INTERVAL: u64 = 256;

/// A machine with its past.
#[derive(Clone, Debug)]
pub struct History {
    machine: Machine,
    /// Snapshots in order of their cycle; the first is the beginning.
    keyframes: Vec<Machine>,
    /// Cycles in which memory was edited; the snapshots of these stay, because a replay from an earlier one would lose the edit.
    edited_at: Vec<u64>,
    interval: u64,
}

impl History {
    /// Starts recording at the machine's current cycle, the earliest that can be returned to.
    pub fn new(machine: Machine) -> Self {
        Self {
            keyframes: vec![machine.clone()],
            machine,
            edited_at: Vec::new(),
            interval: FIRST_INTERVAL,
        }
    }

    /// The machine as it is now.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The newest snapshot that is not later than a cycle, or the earliest of all.
    pub fn keyframe_before(&self, cycle: u64) -> &Machine {
        let n_usable = self.keyframes.partition_point(|keyframe| keyframe.now() <= cycle);
        &self.keyframes[n_usable.saturating_sub(1)]
    }

    /// Number of snapshots held.
    pub fn n_keyframes(&self) -> usize {
        self.keyframes.len()
    }

    /// Moves time forward to `target` and keeps snapshots on the way.
    pub fn advance_to(&mut self, target: u64, observer: &mut impl Observer) {
        while self.machine.now() < target {
            let newest = self.keyframes.last().map_or(0, Machine::now);
            let due = newest.saturating_add(self.interval);
            let before = self.machine.now();
            self.machine.advance_to(target.min(due.max(before + 1)), observer);
            if self.machine.now() == before || *self.machine.status() != Status::Running {
                return;
            }
            if self.machine.now() >= due {
                self.keep();
            }
        }
    }

    /// Changes memory in the present cycle. What happens from now on starts from the changed memory; going back to an earlier cycle
    /// undoes the change.
    pub fn edit(&mut self, change: impl FnOnce(&mut Machine)) {
        let now = self.machine.now();
        change(&mut self.machine);
        self.keyframes.retain(|keyframe| keyframe.now() < now);
        self.keyframes.push(self.machine.clone());
        if self.edited_at.last() != Some(&now) {
            self.edited_at.push(now);
        }
    }

    fn keep(&mut self) {
        self.keyframes.push(self.machine.clone());
        if self.keyframes.len() > MAX_KEYFRAMES + self.edited_at.len() {
            let mut index = 0;
            let edited_at = &self.edited_at;
            self.keyframes.retain(|keyframe| {
                index += 1;
                index % 2 == 1 || edited_at.contains(&keyframe.now())
            });
            self.interval *= 2;
        }
    }

    /// Moves time back to `target`, or to the beginning of the recording if that is later. The observer sees the events of the replay.
    pub fn go_back_to(&mut self, target: u64, observer: &mut impl Observer) {
        if target >= self.machine.now() {
            return;
        }
        let n_usable = self
            .keyframes
            .partition_point(|keyframe| keyframe.now() <= target)
            .max(1);
        self.keyframes.truncate(n_usable);
        self.edited_at.retain(|&cycle| cycle <= target);
        self.machine = self.keyframes[n_usable - 1].clone();
        self.advance_to(target, observer);
    }

    /// Moves time back by some cycles.
    pub fn step_back(&mut self, n_cycles: u64, observer: &mut impl Observer) {
        self.go_back_to(self.machine.now().saturating_sub(n_cycles), observer);
    }
}
