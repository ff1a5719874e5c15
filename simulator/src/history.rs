//! Going back in time: snapshots at intervals, and replay from the nearest one.

use crate::machine::{Machine, Status};
use crate::observer::Observer;

/// Most snapshots kept; when they are used up, every second one goes and the interval doubles.
const MAX_KEYFRAMES: usize = 64;
const FIRST_INTERVAL: u64 = 256;

/// Cycles before the target of a way back at which snapshots are taken, so that going back further is short.
const NEAR: [u64; 3] = [16_384, 1_024, 64];

/// Most snapshots of that kind kept.
const MAX_NEAR: usize = 12;

/// A machine with its past.
#[derive(Clone, Debug)]
pub struct History {
    machine: Machine,
    /// Snapshots in order of their cycle; the first is the beginning.
    keyframes: Vec<Machine>,
    /// Snapshots from ways back, in order of their cycle, all of them before the present.
    near: Vec<Machine>,
    /// Cycles in which memory was edited; the snapshots of these stay, because a replay from an earlier one would lose the edit.
    edited_at: Vec<u64>,
    interval: u64,
}

impl History {
    /// Starts recording at the machine's current cycle, the earliest that can be returned to.
    pub fn new(machine: Machine) -> Self {
        Self {
            keyframes: vec![machine.clone()],
            near: Vec::new(),
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
        let keyframe = &self.keyframes[n_usable.saturating_sub(1)];
        let n_usable = self.near.partition_point(|near| near.now() <= cycle);
        match self.near[..n_usable].last() {
            Some(near) if near.now() > keyframe.now() => near,
            _ => keyframe,
        }
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
        self.near.retain(|near| near.now() < now);
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
        let mut replay = self.replay_to(target);
        while !replay.advance(u64::MAX, observer) {}
        self.adopt(replay);
    }

    /// The way back to `target` from the nearest snapshot; a target in the future is the present.
    pub fn replay_to(&self, target: u64) -> Replay {
        self.replay(self.keyframe_before(target), target)
    }

    /// The way to an earlier cycle from the beginning of the recording, with all events since then.
    pub fn replay_from_start(&self, target: u64) -> Replay {
        self.replay(&self.keyframes[0], target)
    }

    fn replay(&self, from: &Machine, target: u64) -> Replay {
        let (from, target) = if target < self.machine.now() {
            (from, target.max(self.keyframes[0].now()))
        } else {
            (&self.machine, self.machine.now())
        };
        let is_edited = |keyframe: &&Machine| keyframe.now() > from.now() && self.edited_at.contains(&keyframe.now());
        Replay {
            machine: from.clone(),
            target,
            edited: self.keyframes.iter().rev().filter(is_edited).cloned().collect(),
            near: Vec::new(),
        }
    }

    /// Makes the end of a way back the present. What is later is forgotten.
    pub fn adopt(&mut self, replay: Replay) {
        let now = replay.machine.now();
        if now >= self.machine.now() {
            return;
        }
        self.keyframes.retain(|keyframe| keyframe.now() <= now);
        self.edited_at.retain(|&cycle| cycle <= now);
        self.near.retain(|near| near.now() <= now);
        self.near.extend(replay.near);
        self.near.sort_by_key(Machine::now);
        self.near.dedup_by_key(|near| near.now());
        let n_old = self.near.len().saturating_sub(MAX_NEAR);
        self.near.drain(..n_old);
        self.machine = replay.machine;
    }

    /// Moves time back by some cycles.
    pub fn step_back(&mut self, n_cycles: u64, observer: &mut impl Observer) {
        self.go_back_to(self.machine.now().saturating_sub(n_cycles), observer);
    }
}

/// A way back to an earlier cycle. It may be walked in slices, and be left: the history stays as it is until
/// [`History::adopt`].
#[derive(Clone, Debug)]
pub struct Replay {
    machine: Machine,
    target: u64,
    /// Snapshots of edited cycles that are still to come, the next one last: they hold the edits.
    edited: Vec<Machine>,
    /// Snapshots shortly before the target.
    near: Vec<Machine>,
}

impl Replay {
    /// The machine on its way.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Goes on by at most some cycles; whether the target is reached.
    pub fn advance(&mut self, n_cycles: u64, observer: &mut impl Observer) -> bool {
        let until = self.machine.now().saturating_add(n_cycles).min(self.target);
        while let Some(edited) = self.edited.pop_if(|edited| edited.now() <= until) {
            self.run_to(edited.now(), observer);
            self.machine = edited;
        }
        self.run_to(until, observer);
        self.machine.now() >= self.target || *self.machine.status() != Status::Running
    }

    fn run_to(&mut self, until: u64, observer: &mut impl Observer) {
        for stop in NEAR.iter().filter_map(|distance| self.target.checked_sub(*distance)) {
            if (self.machine.now() + 1..=until).contains(&stop) {
                self.machine.advance_to(stop, observer);
                self.near.push(self.machine.clone());
            }
        }
        self.machine.advance_to(until, observer);
    }

    /// Whether another target lies on the way, from where the machine is now.
    pub fn can_reach(&self, target: u64) -> bool {
        (self.machine.now()..=self.target).contains(&target)
    }

    /// Ends at another target that [can be reached](Self::can_reach).
    pub fn turn_to(&mut self, target: u64) {
        if self.can_reach(target) {
            self.target = target;
        }
    }
}
