//! Going back in time: snapshots at intervals, and replay from the nearest one.

use crate::machine::Machine;
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
    interval: u64,
}

impl History {
    /// Starts recording at the machine's current cycle, the earliest that can be returned to.
    pub fn new(machine: Machine) -> Self {
        Self {
            keyframes: vec![machine.clone()],
            machine,
            interval: FIRST_INTERVAL,
        }
    }

    /// The machine as it is now.
    pub fn machine(&self) -> &Machine {
        &self.machine
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
            if self.machine.now() == before || *self.machine.status() != crate::machine::Status::Running {
                return;
            }
            if self.machine.now() >= due {
                self.keep();
            }
        }
    }

    fn keep(&mut self) {
        self.keyframes.push(self.machine.clone());
        if self.keyframes.len() > MAX_KEYFRAMES {
            let mut index = 0;
            self.keyframes.retain(|_| {
                index += 1;
                index % 2 == 1
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
        self.machine = self.keyframes[n_usable - 1].clone();
        self.advance_to(target, observer);
    }

    /// Moves time back by some cycles.
    pub fn step_back(&mut self, n_cycles: u64, observer: &mut impl Observer) {
        self.go_back_to(self.machine.now().saturating_sub(n_cycles), observer);
    }
}
