//! Long streams of row hits in closed form.
//!
//! When a queue is full of requests for open rows, more of them wait behind it, and they either all lie in one bank group or never twice in
//! succession in the same one, then the oldest is ready as soon as any is: commands go out in order of arrival at a fixed distance, tCCD_L or
//! tCCD_S, until a request of another kind or a refresh comes. So `n` commands are one multiplication, and only the last command to each bank
//! leaves a trace in the state.

use super::channel::{Channel, ChannelRules};
use super::counts::DramCounts;
use super::queue::{Entry, QUEUE_DEPTH, Queue};
use super::request::Burst;
use systole_isa::dram::{Command, PagePolicy};

/// Shorter streams are left to the general way.
const MIN_STREAM: usize = 8;

/// Rhythm of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    /// One bank group, tCCD_L.
    SameGroup,
    /// Never the same group twice in succession, tCCD_S.
    OtherGroup,
}

impl Channel {
    /// Serves as many requests in closed form as possible, while those of `upcoming` take the places that become free, each one clock after
    /// the command that freed it. Returns how many came in and the clock of the last arrival; the state is the same as if they had come one
    /// by one, but for the places of requests within the queue.
    pub(super) fn stream(
        &mut self,
        rules: &ChannelRules,
        upcoming: impl Iterator<Item = Burst>,
        is_write: bool,
    ) -> Option<(usize, u64)> {
        let queue = if is_write { &self.writes } else { &self.reads };
        let rests = if is_write {
            self.reads.is_empty()
        } else {
            self.writes.is_empty()
        };
        if !rests || !queue.is_full() || !queue.has_only_hits() || rules.page_policy == PagePolicy::Closed {
            return None;
        }
        let waiting = queue.in_order();
        let rhythm = self.rhythm(rules, &waiting)?;
        let command = if is_write { Command::Write } else { Command::Read };
        let timing = &rules.timing;
        let distance = match rhythm {
            Rhythm::SameGroup => timing.ccd_l,
            Rhythm::OtherGroup => timing.ccd_s,
        }
        .max(timing.burst_clocks);
        let first_at = self.first_at(rules, command, &waiting, distance)?;
        let rank = rules.device.rank_of(usize::from(waiting[0].bank));
        let next_refresh = self.refresh_due.iter().copied().min().unwrap_or(u64::MAX);
        let limit = next_refresh.checked_sub(first_at + 1)? / distance + 1;

        let mut group = rules.device.group_of(usize::from(waiting[QUEUE_DEPTH - 1].bank));
        let mut coming: Vec<Entry> = Vec::new();
        for burst in upcoming {
            let bank = burst.bank as usize;
            let follows = (rules.device.group_of(bank) == group) == (rhythm == Rhythm::SameGroup)
                || rules.device.n_groups() == rules.device.n_ranks();
            if coming.len() as u64 == limit
                || burst.is_write != is_write
                || !follows
                || self.device.open_row(bank) != Some(burst.row)
                || rules.device.rank_of(bank) != rank
                || self.device.earliest(&rules.device, command, bank) > first_at + distance * QUEUE_DEPTH as u64
            {
                break;
            }
            group = rules.device.group_of(bank);
            coming.push(Entry::of(&burst));
        }
        if coming.len() < MIN_STREAM {
            return None;
        }
        let n = coming.len();
        self.number(&mut coming, first_at, distance);
        self.serve_stream(rules, command, waiting.iter().chain(&coming), n, first_at, distance);
        let mut queue = Queue::new(rules.device.n_banks());
        for entry in waiting.iter().chain(&coming).skip(n) {
            queue.push(*entry, self.device.open_row(usize::from(entry.bank)));
        }
        *self.queue_mut(is_write) = queue;
        self.plan_all_banks();
        let last_arrival = first_at + (n as u64 - 1) * distance + 1;
        self.floor = last_arrival;
        Some((n, last_arrival))
    }

    /// How the waiting requests follow each other; `None` if not evenly or in several ranks.
    fn rhythm(&self, rules: &ChannelRules, waiting: &[Entry; QUEUE_DEPTH]) -> Option<Rhythm> {
        let group = |entry: &Entry| rules.device.group_of(usize::from(entry.bank));
        let rank = |entry: &Entry| rules.device.rank_of(usize::from(entry.bank));
        if waiting.iter().any(|entry| rank(entry) != rank(&waiting[0])) {
            return None;
        }
        let timing = &rules.timing;
        if waiting.windows(2).all(|pair| group(&pair[0]) == group(&pair[1])) {
            return Some(Rhythm::SameGroup);
        }
        // Two steps of the rhythm have to satisfy the same group's constraint.
        let in_step = 2 * timing.ccd_s.max(timing.burst_clocks) >= timing.ccd_l;
        let alternates = waiting.windows(2).all(|pair| group(&pair[0]) != group(&pair[1]));
        (in_step && alternates).then_some(Rhythm::OtherGroup)
    }

    /// Clock of the oldest request's command, if none is ready before it and all others are ready in their turn.
    fn first_at(
        &self,
        rules: &ChannelRules,
        command: Command,
        waiting: &[Entry; QUEUE_DEPTH],
        distance: u64,
    ) -> Option<u64> {
        let at = |entry: &Entry| {
            let earliest = self.device.earliest(&rules.device, command, usize::from(entry.bank));
            earliest.max(self.floor)
        };
        let first = at(&waiting[0]);
        let turns = (first..).step_by(distance as usize);
        let in_turn = waiting
            .iter()
            .zip(turns)
            .all(|(entry, turn)| (first..=turn).contains(&at(entry)));
        in_turn.then_some(first)
    }

    fn number(&mut self, coming: &mut [Entry], first_at: u64, distance: u64) {
        for (i, entry) in coming.iter_mut().enumerate() {
            entry.sequence = self.next_sequence;
            entry.arrived_at = first_at + i as u64 * distance + 1;
            self.next_sequence += 1;
        }
    }

    fn serve_stream<'a>(
        &mut self,
        rules: &ChannelRules,
        command: Command,
        entries: impl Iterator<Item = &'a Entry>,
        n: usize,
        first_at: u64,
        distance: u64,
    ) {
        let is_write = command == Command::Write;
        let latency = if is_write {
            rules.timing.write_clocks()
        } else {
            rules.timing.read_clocks()
        };
        let mut last_of_bank: Vec<Option<u64>> = vec![None; rules.device.n_banks()];
        let mut at = first_at;
        let (mut master, mut counts) = (0, DramCounts::default());
        for entry in entries.take(n) {
            if entry.master != master {
                self.count(master, |c| c.add(&counts));
                (master, counts) = (entry.master, DramCounts::default());
            }
            last_of_bank[usize::from(entry.bank)] = Some(at);
            counts.add_column(
                is_write,
                entry.opened_row,
                entry.closed_row,
                at + latency - entry.arrived_at,
            );
            at += distance;
        }
        self.count(master, |c| c.add(&counts));
        let mut last: Vec<(u64, usize)> = Vec::new();
        for (bank, at) in last_of_bank.into_iter().enumerate() {
            last.extend(at.map(|at| (at, bank)));
        }
        last.sort_unstable();
        for (at, bank) in last {
            self.device.commit(&rules.device, command, bank, 0, at);
            self.data_end = self.data_end.max(at + latency);
        }
    }
}
