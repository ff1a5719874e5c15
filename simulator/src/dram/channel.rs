//! The controller of one channel: it chooses the next command.
//!
//! Requests wait in a read and a write queue. In each clock the controller sends, of the commands that the constraints allow, a refresh if one
//! is due, else the read or write that has waited longest (first ready), else the activate or precharge for the request that has waited
//! longest (first come, first served). Time jumps from command to command.

use super::counts::DramCounts;
use super::device::{DeviceRules, DeviceState};
use super::event::{ChannelEvent, ChannelEventKind, RowOutcome};
use super::plan::{Action, BankPlan, Plan, Urgency};
use super::queue::{Entry, QUEUE_DEPTH, Queue};
use super::request::{Accepted, Burst, Served};
use systole_isa::dram::{Command, DramOrganization, DramTiming, PagePolicy};

/// Waiting writes at which the controller turns to writing.
pub const DRAIN_FROM: usize = QUEUE_DEPTH;
/// Waiting writes at which it turns back if reads wait.
pub const DRAIN_TO: usize = 8;
/// Requests for an open row that may overtake an older one for another row of the bank.
pub const MAX_BYPASSED: u8 = 64;

/// The constants of a channel.
#[derive(Clone, Debug)]
pub struct ChannelRules {
    /// The standard's timing.
    pub timing: DramTiming,
    /// The standard's organization.
    pub organization: DramOrganization,
    /// The constraints.
    pub device: DeviceRules,
    /// What happens to rows that nobody wants.
    pub page_policy: PagePolicy,
}

impl ChannelRules {
    /// The constants of a channel with this many ranks.
    pub fn new(timing: DramTiming, organization: DramOrganization, n_ranks: u64, page_policy: PagePolicy) -> Self {
        let device = DeviceRules::new(&timing, &organization, n_ranks);
        Self {
            timing,
            organization,
            device,
            page_policy,
        }
    }
}

/// One channel: devices, queues and what the controller remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    pub(super) device: DeviceState,
    pub(super) reads: Queue,
    pub(super) writes: Queue,
    pub(super) is_draining: bool,
    /// Whether banks that nobody wants now are prepared for the other direction, because its turn is near.
    is_preparing: bool,
    /// Reads served since the write queue was full.
    n_reads_before_turn: u8,
    /// Clock of the next refresh by rank.
    pub(super) refresh_due: Vec<u64>,
    /// No command goes out before this clock any more.
    pub(super) floor: u64,
    pub(super) next_sequence: u64,
    /// The next command, where it is known.
    plan: Option<Plan>,
    bank_plans: Vec<BankPlan>,
    /// One bit per bank that has a plan.
    planned_banks: u64,
    /// Clock at which the last data moved so far are at their end.
    pub(super) data_end: u64,
    n_open: Vec<u32>,
    open_since: Vec<u64>,
    pub(super) counts: DramCounts,
    /// Commands by master since they were last taken.
    by_master: Vec<DramCounts>,
}

impl Channel {
    /// Every row closed, nothing waiting. Refreshes of the ranks are spread over the interval.
    pub fn new(rules: &ChannelRules) -> Self {
        let (n_ranks, n_banks) = (rules.device.n_ranks() as u64, rules.device.n_banks());
        Self {
            device: DeviceState::new(&rules.device),
            reads: Queue::new(n_banks),
            writes: Queue::new(n_banks),
            is_draining: false,
            is_preparing: false,
            n_reads_before_turn: 0,
            refresh_due: (1..=n_ranks).map(|i| rules.timing.refi * i / n_ranks).collect(),
            floor: 0,
            next_sequence: 0,
            plan: None,
            bank_plans: vec![BankPlan::NOTHING; n_banks],
            planned_banks: 0,
            data_end: 0,
            n_open: vec![0; n_ranks as usize],
            open_since: vec![0; n_ranks as usize],
            counts: DramCounts::default(),
            by_master: Vec::new(),
        }
    }

    /// Whether there is room for a request.
    pub fn has_room(&self, is_write: bool) -> bool {
        !if is_write { &self.writes } else { &self.reads }.is_full()
    }

    /// Whether no request waits.
    pub fn is_idle(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }

    /// Reads and writes that wait.
    pub fn queue_lengths(&self) -> (usize, usize) {
        (self.reads.len(), self.writes.len())
    }

    /// The open row of each bank.
    pub fn open_rows(&self) -> Vec<Option<u32>> {
        (0..self.bank_plans.len())
            .map(|bank| self.device.open_row(bank))
            .collect()
    }

    /// How far the channel has come: it grows by one or more with every request that it queues and every command but refreshes.
    pub fn progress(&self) -> u64 {
        let c = &self.counts;
        self.next_sequence + c.activates + c.precharges + c.reads + c.writes
    }

    /// Clock at which the next refresh of each rank is due; what was due before has been sent.
    pub fn refresh_due(&self) -> &[u64] {
        &self.refresh_due
    }

    fn event(&self, at: u64, kind: ChannelEventKind) -> ChannelEvent {
        ChannelEvent {
            at,
            progress: self.progress(),
            n_reads: self.reads.len(),
            n_writes: self.writes.len(),
            kind,
        }
    }

    fn refresh_event(&self, rules: &ChannelRules, rank: usize, at: u64) -> ChannelEvent {
        let (due, until) = (self.refresh_due[rank], at + rules.timing.rfc);
        self.event(at, ChannelEventKind::Refresh { rank, due, until })
    }

    /// Clock at which the last data moved so far are at their end.
    pub fn data_end(&self) -> u64 {
        self.data_end
    }

    /// Everything counted so far, with the time that ranks spent with a row open up to clock `now`.
    pub fn counts_at(&self, now: u64) -> DramCounts {
        let mut counts = self.counts;
        for (n_open, since) in self.n_open.iter().zip(&self.open_since) {
            if *n_open > 0 {
                counts.open_clocks += now.saturating_sub(*since);
            }
        }
        counts
    }

    /// What a master's requests have caused since this was last asked.
    pub fn take_counts(&mut self, master: u8) -> DramCounts {
        self.by_master
            .get_mut(usize::from(master))
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Takes a request that arrives in clock `at`, for which there is room. Every command before that clock has gone out.
    pub fn offer(
        &mut self,
        rules: &ChannelRules,
        burst: Burst,
        at: u64,
        tell: &mut impl FnMut(ChannelEvent),
    ) -> Accepted {
        self.floor = self.floor.max(at);
        let bank = burst.bank as usize;
        if !self.writes.is_empty() && self.writes.holds(bank, burst.row, burst.column) {
            if burst.is_write {
                self.count(burst.master, |c| c.merged_writes += 1);
                return Accepted::Merged;
            }
            self.count(burst.master, |c| c.forwarded_reads += 1);
            return Accepted::Forwarded(self.floor + 1);
        }
        let mut entry = Entry::of(&burst);
        (entry.sequence, entry.arrived_at) = (self.next_sequence, at);
        self.next_sequence += 1;
        let open_row = self.device.open_row(bank);
        let queue = self.queue_mut(burst.is_write);
        let had_hit = queue.has_hit(bank);
        queue.push(entry, open_row);
        tell(self.event(at, ChannelEventKind::Queued(entry.request(burst.is_write))));
        if self.choose_direction() {
            self.plan_all_banks();
            return Accepted::Queued;
        }
        // Behind a request for the open row it changes nothing about what the bank wants next.
        if had_hit {
            return Accepted::Queued;
        }
        let old_plan = self.plan;
        self.plan_bank(bank);
        // What a request adds can only come before the plan; but it may replace what was planned for its own bank.
        if let Some(plan) = old_plan.filter(|plan| plan.action != Action::Bank { bank }) {
            self.plan = Some(match self.timed(rules, bank) {
                Some(candidate) if candidate.precedes(&plan) => candidate,
                _ => plan,
            });
        }
        Accepted::Queued
    }

    /// Reading has precedence. The controller turns to writing when nothing else is to do or when the write queue is full; in the latter case
    /// it first serves the reads whose rows are open, but only as many as a queue holds. It turns back when no write is left, or few and all
    /// of them in need of another row. Returns whether anything changed that the plans of the banks depend on.
    fn choose_direction(&mut self) -> bool {
        let was = (self.is_draining, self.is_preparing);
        self.is_draining = if self.is_draining {
            let enough = if self.reads.is_empty() || self.writes.has_any_hit() {
                0
            } else {
                DRAIN_TO
            };
            self.writes.len() > enough
        } else if self.reads.is_empty() {
            !self.writes.is_empty()
        } else {
            self.is_turning() && (!self.reads.has_any_hit() || self.n_reads_before_turn >= QUEUE_DEPTH as u8)
        };
        if !self.is_turning() || self.is_draining {
            self.n_reads_before_turn = 0;
        }
        self.is_preparing = self.is_draining || self.is_turning();
        was != (self.is_draining, self.is_preparing)
    }

    /// Whether the controller reads but will soon have to write.
    fn is_turning(&self) -> bool {
        !self.is_draining && self.writes.len() >= DRAIN_FROM
    }

    /// Clock of the next command; refreshes go on for ever.
    pub fn next_command_at(&mut self, rules: &ChannelRules) -> u64 {
        self.planned(rules).at
    }

    fn planned(&mut self, rules: &ChannelRules) -> Plan {
        if let Some(plan) = self.plan {
            return plan;
        }
        let plan = self.make_plan(rules);
        self.plan = Some(plan);
        plan
    }

    fn make_plan(&self, rules: &ChannelRules) -> Plan {
        let mut first = (u64::MAX, Urgency::Preparation, u64::MAX);
        let mut first_bank = None;
        let mut banks = self.planned_banks;
        while banks != 0 {
            let bank = banks.trailing_zeros() as usize;
            banks &= banks - 1;
            let next = &self.bank_plans[bank];
            let key = (self.bank_at(rules, next, bank), next.urgency, next.sequence);
            if key < first && key.0 < self.refresh_due[rules.device.rank_of(bank)] {
                (first, first_bank) = (key, Some(bank));
            }
        }
        let mut best = first_bank.map(|bank| Plan {
            at: first.0,
            urgency: first.1,
            sequence: first.2,
            action: Action::Bank { bank },
        });
        for rank in 0..rules.device.n_ranks() {
            if best.is_none_or(|best| best.at >= self.refresh_due[rank]) {
                let refresh = self.plan_of_refresh(rules, rank);
                best = Some(best.filter(|best| best.precedes(&refresh)).unwrap_or(refresh));
            }
        }
        best.expect("without any other command, every rank has its next refresh")
    }

    /// The plan of one bank with its clock, unless a refresh comes first.
    #[inline]
    fn timed(&self, rules: &ChannelRules, bank: usize) -> Option<Plan> {
        if self.planned_banks >> bank & 1 == 0 {
            return None;
        }
        let next = &self.bank_plans[bank];
        let at = self.bank_at(rules, next, bank);
        (at < self.refresh_due[rules.device.rank_of(bank)]).then_some(Plan {
            at,
            urgency: next.urgency,
            sequence: next.sequence,
            action: Action::Bank { bank },
        })
    }

    /// The first clock in which the next command of a bank may go out.
    #[inline]
    fn bank_at(&self, rules: &ChannelRules, next: &BankPlan, bank: usize) -> u64 {
        let group = rules.device.group_of(bank);
        let shared = self.device.ready_group(&rules.device, next.command, group);
        next.ready.max(shared).max(self.floor)
    }

    fn plan_of_refresh(&self, rules: &ChannelRules, rank: usize) -> Plan {
        let due = self.refresh_due[rank].max(self.floor);
        let open = |bank: &usize| self.device.open_row(*bank).is_some();
        let precharge = |bank| self.device.earliest(&rules.device, Command::Precharge, bank);
        let (at, action) = match rules.device.banks_of(rank).filter(open).map(precharge).max() {
            Some(at) => (at, Action::PrechargeAll { rank }),
            None => {
                let bank = rules.device.banks_of(rank).start;
                let at = self.device.earliest(&rules.device, Command::Refresh, bank);
                (at, Action::Refresh { rank })
            }
        };
        Plan {
            at: at.max(due),
            urgency: Urgency::Refresh,
            sequence: rank as u64,
            action,
        }
    }

    pub(super) fn plan_all_banks(&mut self) {
        let mut banks = self.planned_banks | self.reads.banks() | self.writes.banks();
        while banks != 0 {
            self.plan_bank(banks.trailing_zeros() as usize);
            banks &= banks - 1;
        }
    }

    /// Plans the next command that a bank's requests want.
    fn plan_bank(&mut self, bank: usize) {
        self.plan = None;
        match self.wanted(bank) {
            Some(plan) => {
                self.bank_plans[bank] = plan;
                self.planned_banks |= 1 << bank;
            }
            None => self.planned_banks &= !(1 << bank),
        }
    }

    #[inline]
    fn wanted(&self, bank: usize) -> Option<BankPlan> {
        let (active, other, column) = if self.is_draining {
            (&self.writes, &self.reads, Command::Write)
        } else {
            (&self.reads, &self.writes, Command::Read)
        };
        let (queue, oldest, is_preparation) = match active.oldest(bank) {
            Some(slot) => (active, slot, false),
            None if self.is_preparing && !other.has_hit(bank) => (other, other.oldest(bank)?, true),
            None => return None,
        };
        let (command, urgency, slot) = match self.device.open_row(bank) {
            Some(_) => match queue.hit(bank, MAX_BYPASSED) {
                Some(hit) => (column, Urgency::Column, hit),
                None => (Command::Precharge, Urgency::Row, oldest),
            },
            None => (Command::Activate, Urgency::Row, oldest),
        };
        Some(BankPlan {
            ready: self.device.ready_bank(command, bank),
            command,
            urgency: if is_preparation { Urgency::Preparation } else { urgency },
            slot,
            for_write: self.is_draining != is_preparation,
            sequence: queue.entry(slot).sequence,
        })
    }

    /// Sends every command before clock `until`; `tell` hears of each.
    pub fn advance(&mut self, rules: &ChannelRules, until: u64, tell: &mut impl FnMut(ChannelEvent)) {
        self.pass_idle_time(rules, until, tell);
        while self.planned(rules).at < until {
            self.send(rules, tell);
        }
    }

    /// While nothing waits and all rows of a rank are closed, its refreshes follow each other at their interval, and nothing else has to be
    /// planned: all but the last two before clock `until`, in the order of time.
    pub fn pass_idle_time(&mut self, rules: &ChannelRules, until: u64, tell: &mut impl FnMut(ChannelEvent)) {
        if !self.is_idle() {
            return;
        }
        let interval = rules.timing.refi;
        let is_skipped = |due: u64| until.saturating_sub(due) >= 3 * interval;
        loop {
            let closed = (0..rules.device.n_ranks()).filter(|&rank| self.n_open[rank] == 0);
            let next = closed.filter(|&rank| is_skipped(self.refresh_due[rank]));
            let Some(rank) = next.min_by_key(|&rank| self.refresh_due[rank]) else {
                return;
            };
            let first_bank = rules.device.banks_of(rank).start;
            let earliest = self.device.earliest(&rules.device, Command::Refresh, first_bank);
            tell(self.refresh_event(rules, rank, self.refresh_due[rank].max(earliest)));
            self.counts.refreshes += 1;
            self.refresh_due[rank] += interval;
            self.plan = None;
        }
    }

    /// Sends the next command; what it served if it was a read or write.
    pub fn send(&mut self, rules: &ChannelRules, tell: &mut impl FnMut(ChannelEvent)) -> Option<Served> {
        let plan = self.planned(rules);
        self.plan = None;
        self.floor = plan.at;
        match plan.action {
            Action::Bank { bank } => {
                let next = self.bank_plans[bank];
                if matches!(next.command, Command::Read | Command::Write) {
                    return self.send_column(rules, bank, plan.at, tell);
                }
                self.send_row_command(rules, bank, next, plan.at, tell);
            }
            Action::PrechargeAll { rank } => {
                let n = self.device.precharge_all(&rules.device, rank, plan.at);
                self.counts.precharges += n;
                self.note_closed(rank, n as u32, plan.at);
                rules.device.banks_of(rank).for_each(|bank| self.row_changed(bank));
                tell(self.event(plan.at, ChannelEventKind::PrechargeAll { rank }));
            }
            Action::Refresh { rank } => {
                let bank = rules.device.banks_of(rank).start;
                self.device.commit(&rules.device, Command::Refresh, bank, 0, plan.at);
                tell(self.refresh_event(rules, rank, plan.at));
                self.counts.refreshes += 1;
                self.refresh_due[rank] += rules.timing.refi;
            }
        }
        None
    }

    fn send_row_command(
        &mut self,
        rules: &ChannelRules,
        bank: usize,
        next: BankPlan,
        at: u64,
        tell: &mut impl FnMut(ChannelEvent),
    ) {
        let rank = rules.device.rank_of(bank);
        let entry = self.queue_mut(next.for_write).entry_mut(next.slot);
        let (row, master) = (entry.row, entry.master);
        let request = entry.request(next.for_write);
        if next.command == Command::Activate {
            entry.opened_row = true;
            self.count(master, |c| c.activates += 1);
            self.note_open(rank, at);
        } else {
            entry.closed_row = true;
            self.count(master, |c| c.precharges += 1);
            self.note_closed(rank, 1, at);
        }
        self.device.commit(&rules.device, next.command, bank, row, at);
        self.row_changed(bank);
        let kind = match next.command {
            Command::Activate => ChannelEventKind::Activate(request),
            _ => ChannelEventKind::Precharge(request),
        };
        tell(self.event(at, kind));
    }

    fn send_column(
        &mut self,
        rules: &ChannelRules,
        bank: usize,
        at: u64,
        tell: &mut impl FnMut(ChannelEvent),
    ) -> Option<Served> {
        let is_write = self.is_draining;
        let entry = self.queue_mut(is_write).take_hit(bank)?;
        let (command, latency) = if is_write {
            (Command::Write, rules.timing.write_clocks())
        } else {
            (Command::Read, rules.timing.read_clocks())
        };
        self.device.commit(&rules.device, command, bank, 0, at);
        let done_at = at + latency;
        self.data_end = self.data_end.max(done_at);
        let latency_clocks = done_at - entry.arrived_at;
        self.count(entry.master, |c| {
            c.add_column(is_write, entry.opened_row, entry.closed_row, latency_clocks)
        });
        if rules.page_policy == PagePolicy::Closed && !self.reads.has_hit(bank) && !self.writes.has_hit(bank) {
            let closed_at = self.device.precharge_itself(&rules.device, bank);
            self.count(entry.master, |c| c.precharges += 1);
            self.note_closed(rules.device.rank_of(bank), 1, closed_at);
            self.row_changed(bank);
        }
        if !is_write {
            self.n_reads_before_turn = self.n_reads_before_turn.saturating_add(1);
        }
        if self.choose_direction() {
            self.plan_all_banks();
        } else {
            self.plan_bank(bank);
        }
        let kind = ChannelEventKind::Column {
            request: entry.request(is_write),
            outcome: RowOutcome::of(entry.opened_row, entry.closed_row),
            data: (done_at - rules.timing.burst_clocks, done_at),
        };
        tell(self.event(at, kind));
        Some(Served {
            master: entry.master,
            done_at,
            is_write,
        })
    }

    pub(super) fn queue_mut(&mut self, is_write: bool) -> &mut Queue {
        if is_write { &mut self.writes } else { &mut self.reads }
    }

    fn row_changed(&mut self, bank: usize) {
        let open_row = self.device.open_row(bank);
        self.reads.row_changed(bank, open_row);
        self.writes.row_changed(bank, open_row);
        self.plan_bank(bank);
    }

    pub(super) fn count(&mut self, master: u8, update: impl Fn(&mut DramCounts)) {
        update(&mut self.counts);
        let master = usize::from(master);
        if self.by_master.len() <= master {
            self.by_master.resize(master + 1, DramCounts::default());
        }
        update(&mut self.by_master[master]);
    }

    fn note_open(&mut self, rank: usize, at: u64) {
        if self.n_open[rank] == 0 {
            self.open_since[rank] = self.open_since[rank].max(at);
        }
        self.n_open[rank] += 1;
    }

    /// A row that closes by itself does so in the future; what opens before then does not count twice.
    fn note_closed(&mut self, rank: usize, n: u32, at: u64) {
        self.n_open[rank] -= n;
        if self.n_open[rank] == 0 {
            self.counts.open_clocks += at.saturating_sub(self.open_since[rank]);
            self.open_since[rank] = self.open_since[rank].max(at);
        }
    }
}
