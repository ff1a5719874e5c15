//! What is remembered of a run: the lanes, amounts over time, and tokens. An observer of the simulator's events, in bounded memory,
//! that can be taken back to an earlier cycle.

use crate::dram_log::DramLog;
use crate::frame::{ActivityId, N_UNITS};
use crate::lane_log::LaneLog;
use crate::overview::{FIRST_ENERGY, MACS, N_AMOUNTS, N_EVENT_COMPONENTS};
use crate::profile::Profile;
use crate::token_log::{TokenEvent, TokenLog};
use std::sync::Arc;
use systole_isa::operand::N_TOKENS;
use systole_isa::{Op, Program, Unit};
use systole_simulator::energy::EnergyModel;
use systole_simulator::observer::DramEvent;
use systole_simulator::{Activity, BusyKind, Event, EventCounts, Machine, Observer, StallReason};

/// The past of a run.
pub(crate) struct Recording {
    /// The lanes, one per unit.
    pub(crate) lanes: Vec<LaneLog>,
    /// Bytes, energy and multiply-accumulates over time.
    pub(crate) profile: Profile<N_AMOUNTS>,
    /// Posts and takes.
    pub(crate) tokens: TokenLog,
    /// What the channels of the DRAM did.
    pub(crate) dram: DramLog,
    /// Instructions completed by each unit.
    pub(crate) n_completed: [u64; N_UNITS],
    program: Arc<Program>,
    model: EnergyModel,
}

impl Recording {
    /// Nothing recorded yet.
    pub(crate) fn new(machine: &Machine) -> Self {
        let n_activities = all_activities().count();
        Self {
            lanes: vec![LaneLog::new(n_activities); N_UNITS],
            profile: Profile::default(),
            tokens: TokenLog::new(N_TOKENS),
            dram: DramLog::new(machine),
            n_completed: [0; N_UNITS],
            program: Arc::clone(machine.program()),
            model: EnergyModel::of(machine.description()),
        }
    }

    /// Forgets what happened in the current cycle of a machine that has gone back in time, or later.
    pub(crate) fn truncate(&mut self, machine: &Machine) {
        let cycle = machine.now();
        self.dram.truncate(machine);
        self.lanes.iter_mut().for_each(|lane| lane.truncate(cycle));
        self.profile.truncate(cycle);
        self.tokens.truncate(cycle);
    }

    fn note_tokens(&mut self, unit_idx: usize, pc: u32, start: u64, end: u64) {
        let Some(instruction) = self.program.code.get(pc as usize) else {
            return;
        };
        let event = |cycle, known_at| TokenEvent {
            cycle,
            known_at,
            unit_idx,
            pc,
        };
        for token in instruction.tokens.waits.iter().flatten() {
            self.tokens.take(token.index() as u8, event(start, end));
        }
        for token in instruction.tokens.posts.iter().flatten() {
            self.tokens.post(token.index() as u8, event(end, end));
        }
        if let Op::Credit { token, n } = instruction.op {
            for _ in 0..n.0 {
                self.tokens.post(token.index() as u8, event(end, end));
            }
        }
    }

    fn amounts(&self, counts: &EventCounts) -> [u64; N_AMOUNTS] {
        let mut amounts = [0; N_AMOUNTS];
        amounts[..FIRST_ENERGY].copy_from_slice(&[
            counts.dram_read_bytes,
            counts.dram_write_bytes,
            counts.spm_read_bytes,
            counts.spm_write_bytes,
            counts.acc_reads * 4,
            counts.acc_writes * 4,
        ]);
        let energy = self.model.of_events(counts).entries();
        for (idx, (_, part)) in energy.into_iter().take(N_EVENT_COMPONENTS).enumerate() {
            amounts[FIRST_ENERGY + idx] = part.0;
        }
        amounts[MACS] = counts.macs;
        amounts
    }
}

impl Observer for Recording {
    fn dram(&mut self, event: &DramEvent) {
        self.dram.hear(event);
    }

    fn event(&mut self, event: &Event) {
        match *event {
            Event::Span {
                unit,
                activity,
                pc,
                start,
                ..
            } => self.lanes[unit.index()].change(start, activity_id(activity), pc),
            Event::Completed {
                unit,
                pc,
                start,
                end,
                ref counts,
                ..
            } => {
                self.n_completed[unit.index()] += 1;
                // The sequencer reports in the cycle in which it executes, before that has passed.
                let end = if unit == Unit::Seq { start } else { end };
                self.note_tokens(unit.index(), pc, start, end);
                let amounts = self.amounts(counts);
                self.profile.add(start, end, amounts);
            }
        }
    }
}

/// All activities; the position is the [`ActivityId`].
pub(crate) fn all_activities() -> impl Iterator<Item = Activity> {
    let busy = BusyKind::ALL.into_iter().map(Activity::Busy);
    let stalled = StallReason::ALL.into_iter().map(Activity::Stalled);
    std::iter::once(Activity::Idle).chain(busy).chain(stalled)
}

/// The number that frames use for an activity.
pub(crate) fn activity_id(activity: Activity) -> ActivityId {
    let id = match activity {
        Activity::Idle => 0,
        Activity::Busy(kind) => 1 + kind as u8,
        Activity::Stalled(reason) => 1 + BusyKind::ALL.len() as u8 + reason as u8,
    };
    ActivityId(id)
}

/// The activity that a number stands for.
pub(crate) fn activity(id: ActivityId) -> Activity {
    all_activities().nth(usize::from(id.0)).unwrap_or(Activity::Idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_ids_are_positions() {
        for (position, each) in all_activities().enumerate() {
            assert_eq!(usize::from(activity_id(each).0), position);
            assert_eq!(activity(activity_id(each)), each);
        }
    }

    #[test]
    fn components_that_spend_by_event_come_first() {
        let machine = systole_isa::machine::preset("tiny4x4").expect("the machine is shipped");
        let per_cycle = EnergyModel::of(&machine).of_cycles(1_000_000).entries();
        let names: Vec<&str> = per_cycle
            .iter()
            .skip(N_EVENT_COMPONENTS)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(names, ["clock", "leakage"]);
    }
}
