//! The past of the DRAM's channels in bounded memory: what their data buses carried and what their banks were told.
//!
//! The DRAM runs ahead of the current cycle and tells of idle time late or twice, so the log takes each event once, by how far the channel
//! had come with it, and shows what lies before the current cycle.

use crate::dram_lanes::{
    ACTIVATE, CHANNEL_ACTIVITIES, ChannelLanes, DramCommand, DramRequest, DramTimeline, IDLE, PRECHARGE, READ,
    READS_FULL, REFRESH, WRITE, WRITES_FULL,
};
use crate::frame::ActivityId;
use crate::lane_log::LaneLog;
use std::collections::VecDeque;
use systole_simulator::dram::{Channel, ChannelEvent, ChannelEventKind, QUEUE_DEPTH, Request};
use systole_simulator::observer::DramEvent;
use systole_simulator::{Event, Machine, Observer};

/// Exact spans that are kept of all channels together, on data buses and again for banks.
const MAX_SPANS: usize = 1 << 19;

/// Commands that are kept of all channels together, with all that is known of them.
const MAX_COMMANDS: usize = 1 << 18;

/// More commands than this in the visible stretch are not handed out one by one.
const MAX_SHOWN_COMMANDS: usize = 2_000;

/// The channels of a DRAM.
#[derive(Clone, Debug)]
pub(crate) struct DramLog {
    channels: Vec<ChannelLog>,
    cycles_per_clock: f64,
}

impl DramLog {
    /// Nothing has happened yet.
    pub(crate) fn new(machine: &Machine) -> Self {
        let description = machine.description();
        let clock_ps = description.dram.standard.timing().clock_ps;
        let n_channels = machine.dram_ahead().len();
        let new = |channel: &Channel| ChannelLog::new(channel, n_channels);
        Self {
            channels: machine.dram_ahead().iter().map(new).collect(),
            cycles_per_clock: clock_ps as f64 * f64::from(description.clock_mhz) * 1e-6,
        }
    }

    /// Takes an event, unless it is known already.
    pub(crate) fn hear(&mut self, event: &DramEvent) {
        self.channels[event.channel].hear(&event.event);
    }

    /// Brings the log up to the current cycle of a machine, whose DRAM tells of idle time when asked.
    pub(crate) fn catch_up(&mut self, machine: &Machine) {
        machine.tell_idle_dram(&mut Hearing(self));
        let now = machine.dram_clock_from_cycle(machine.now());
        self.channels.iter_mut().for_each(|channel| channel.let_pass(now));
    }

    /// Forgets what the channels of a machine that has gone back in time have not done yet.
    pub(crate) fn truncate(&mut self, machine: &Machine) {
        let now = machine.dram_clock_from_cycle(machine.now());
        for (log, channel) in self.channels.iter_mut().zip(machine.dram_ahead()) {
            log.truncate(channel, now);
        }
    }

    /// The cycles `start..end` of a machine, with at most `n_bins` bins where spans are many.
    pub(crate) fn timeline(&self, machine: &Machine, (start, end): (u64, u64), n_bins: usize) -> DramTimeline {
        let clock = |cycle| machine.dram_clock_from_cycle(cycle);
        let (start, end, now) = (clock(start), clock(end), clock(machine.now()));
        let end = end.max(start + 1);
        let channel = |log: &ChannelLog| ChannelLanes {
            bus: log.bus.lane(start, end, now, n_bins),
            banks: log.banks.lane(start, end, now, n_bins),
            commands: log.commands(start, end.min(now)),
        };
        DramTimeline {
            start,
            end,
            cycles_per_clock: self.cycles_per_clock,
            channels: self.channels.iter().map(channel).collect(),
        }
    }

    /// Bytes that the log has allocated.
    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        let of = |log: &ChannelLog| {
            let noted = log.noted.capacity() * size_of::<Noted>();
            noted + log.bus.memory_bytes() + log.banks.memory_bytes()
        };
        self.channels.iter().map(of).sum()
    }
}

/// An observer of the DRAM alone.
struct Hearing<'a>(&'a mut DramLog);

impl Observer for Hearing<'_> {
    fn event(&mut self, _: &Event) {}

    fn dram(&mut self, event: &DramEvent) {
        self.0.hear(event);
    }
}

/// One channel.
#[derive(Clone, Debug)]
struct ChannelLog {
    bus: LaneLog,
    banks: LaneLog,
    /// The newest commands, and requests that filled a queue.
    noted: VecDeque<Noted>,
    max_noted: usize,
    /// How far the channel has come, as far as the log knows.
    progress: u64,
    /// The refreshes that are known of each rank were due before this clock.
    refreshed: Vec<u64>,
    state: BankState,
    /// Ends of commands and refreshes are in the lane up to this clock.
    passed: u64,
}

/// What the lane of the banks shows when no command goes out.
#[derive(Clone, Copy, Debug, Default)]
struct BankState {
    /// Clock behind the last row command.
    command_end: u64,
    /// Clock behind the last refresh.
    refresh_end: u64,
    n_reads: usize,
    n_writes: usize,
}

impl BankState {
    fn at(&self, clock: u64) -> ActivityId {
        if clock < self.refresh_end {
            REFRESH
        } else if self.n_reads >= QUEUE_DEPTH {
            READS_FULL
        } else if self.n_writes >= QUEUE_DEPTH {
            WRITES_FULL
        } else {
            IDLE
        }
    }
}

/// An event with what is shown of it.
#[derive(Clone, Copy, Debug)]
struct Noted {
    event: ChannelEvent,
    command: Option<DramCommand>,
}

impl ChannelLog {
    fn new(channel: &Channel, n_channels: usize) -> Self {
        let lane = LaneLog::with_limit(CHANNEL_ACTIVITIES.len(), MAX_SPANS / n_channels.max(1));
        Self {
            bus: lane.clone(),
            banks: lane,
            noted: VecDeque::new(),
            max_noted: MAX_COMMANDS / n_channels.max(1),
            progress: 0,
            refreshed: vec![0; channel.refresh_due().len()],
            state: BankState::default(),
            passed: 0,
        }
    }

    fn hear(&mut self, event: &ChannelEvent) {
        match event.kind {
            ChannelEventKind::Refresh { rank, due, .. } if due < self.refreshed[rank] => return,
            ChannelEventKind::Refresh { rank, due, .. } => self.refreshed[rank] = due + 1,
            _ if event.progress <= self.progress => return,
            _ => self.progress = event.progress,
        }
        let command = command_of(event);
        self.let_pass(event.at);
        let was_full = self.state.at(event.at);
        (self.state.n_reads, self.state.n_writes) = (event.n_reads, event.n_writes);
        match command {
            Some(command) if command.activity == READ || command.activity == WRITE => {
                let pc = command.request.map(|request| request.pc);
                self.bus.change(command.start, command.activity, pc);
                self.bus.change(command.end, IDLE, None);
            }
            Some(command) if command.activity == REFRESH => {
                self.state.refresh_end = self.state.refresh_end.max(command.end);
            }
            Some(command) => {
                let pc = command.request.map(|request| request.pc);
                self.banks.change(event.at, command.activity, pc);
                self.state.command_end = command.end;
            }
            None => {}
        }
        let is_full = self.state.at(event.at);
        if event.at >= self.state.command_end {
            self.banks.change(event.at, is_full, None);
        }
        if command.is_some() || is_full != was_full {
            if self.noted.len() == self.max_noted {
                self.noted.pop_front();
            }
            self.noted.push_back(Noted { event: *event, command });
        }
    }

    /// Notes where commands and refreshes have ended up to clock `now`.
    fn let_pass(&mut self, now: u64) {
        let state = self.state;
        let mut ends = [state.command_end, state.refresh_end];
        ends.sort_unstable();
        for end in ends {
            if self.passed < end && end <= now && end >= state.command_end {
                self.banks.change(end, state.at(end), None);
            }
        }
        self.passed = self.passed.max(now);
    }

    fn truncate(&mut self, channel: &Channel, now: u64) {
        let progress = channel.progress();
        let is_done = |noted: &Noted| match noted.event.kind {
            ChannelEventKind::Refresh { rank, due, .. } => due < channel.refresh_due()[rank],
            _ => noted.event.progress <= progress,
        };
        while self.noted.pop_back_if(|noted| !is_done(noted)).is_some() {}
        self.progress = self.progress.min(progress);
        let due = channel.refresh_due().iter();
        self.refreshed
            .iter_mut()
            .zip(due)
            .for_each(|(known, due)| *known = (*known).min(*due));

        let newest = |strip_is_bus: bool| {
            let commands = self.noted.iter().rev().filter_map(|noted| noted.command);
            commands.filter(move |command| (command.activity == READ || command.activity == WRITE) == strip_is_bus)
        };
        let bus_end = newest(true).next().map_or(now, |command| command.end);
        let last_refresh = newest(false).find(|command| command.activity == REFRESH);
        let last_command = newest(false).find(|command| command.activity != REFRESH);
        let last_at = self.noted.back().map_or(now, |noted| noted.event.at);
        self.bus.truncate(bus_end);
        self.bus.change(bus_end, IDLE, None);
        let (n_reads, n_writes) = channel.queue_lengths();
        self.state = BankState {
            command_end: last_command.map_or(0, |command| command.end),
            refresh_end: last_refresh.map_or(0, |command| command.end),
            n_reads,
            n_writes,
        };
        self.banks.truncate(last_at + 1);
        self.passed = last_at;
    }

    /// The commands that touch the clocks `start..end`; none if they are many.
    fn commands(&self, start: u64, end: u64) -> Vec<DramCommand> {
        // Reads and writes show some clocks after they have been sent, and refreshes for long.
        let behind = self.noted.partition_point(|noted| noted.event.at < end);
        let shown = self.noted.range(..behind).rev().filter_map(|noted| noted.command);
        let touching = shown.take_while(|command| command.end + LONGEST > start);
        let touching = touching.filter(|command| command.start < end && command.end > start);
        let mut commands: Vec<DramCommand> = touching.take(MAX_SHOWN_COMMANDS + 1).collect();
        if commands.len() > MAX_SHOWN_COMMANDS {
            return Vec::new();
        }
        commands.reverse();
        commands
    }
}

/// Clocks by which a command may begin before one that was sent earlier ends: more than the longest refresh.
const LONGEST: u64 = 4_096;

fn command_of(event: &ChannelEvent) -> Option<DramCommand> {
    let row_command = |activity, request: Request| DramCommand {
        activity,
        start: event.at,
        end: event.at + 1,
        request: Some(request_of(&request, "")),
        rank: None,
    };
    let of_rank = |activity, end, rank| DramCommand {
        activity,
        start: event.at,
        end,
        request: None,
        rank: Some(rank),
    };
    Some(match event.kind {
        ChannelEventKind::Queued(_) => return None,
        ChannelEventKind::Activate(request) => row_command(ACTIVATE, request),
        ChannelEventKind::Precharge(request) => row_command(PRECHARGE, request),
        ChannelEventKind::PrechargeAll { rank } => of_rank(PRECHARGE, event.at + 1, rank),
        ChannelEventKind::Refresh { rank, until, .. } => of_rank(REFRESH, until, rank),
        ChannelEventKind::Column { request, outcome, data } => DramCommand {
            activity: if request.is_write { WRITE } else { READ },
            start: data.0,
            end: data.1,
            request: Some(request_of(&request, outcome.name())),
            rank: None,
        },
    })
}

fn request_of(request: &Request, outcome: &'static str) -> DramRequest {
    DramRequest {
        pc: request.pc,
        bank: request.bank,
        row: request.row,
        column: request.column,
        outcome,
        arrived_at: request.arrived_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Lane;
    use systole_isa::dram::{DramStandard, PagePolicy};
    use systole_simulator::dram::{ChannelRules, RowOutcome};

    #[test]
    fn memory_is_bounded_and_no_burst_is_lost() {
        const N_BURSTS: u64 = 3_000_000;
        let standard = DramStandard::Ddr4_2400;
        let rules = ChannelRules::new(standard.timing(), standard.organization(), 1, PagePolicy::Open);
        let mut log = DramLog {
            channels: vec![ChannelLog::new(&Channel::new(&rules), 1)],
            cycles_per_clock: 1.0,
        };
        for i in 0..N_BURSTS {
            let request = Request {
                pc: (i % 50) as u32,
                is_write: i % 3 == 0,
                bank: 0,
                row: 1,
                column: 2,
                arrived_at: 5 * i,
            };
            let event = ChannelEvent {
                at: 5 * i,
                progress: i + 1,
                n_reads: (i % 40) as usize,
                n_writes: 0,
                kind: ChannelEventKind::Column {
                    request,
                    outcome: RowOutcome::Hit,
                    data: (5 * i + 20, 5 * i + 24),
                },
            };
            for _ in 0..2 {
                // What is told twice counts once.
                log.hear(&DramEvent { channel: 0, event });
            }
        }
        let end = 5 * N_BURSTS + 100;
        let Lane::Bins(bins) = log.channels[0].bus.lane(0, end, end, 1_000) else {
            panic!("millions of bursts are many")
        };
        let sum =
            |activity: ActivityId| -> u64 { (0..bins.n_bins).map(|idx| bins.bin(idx)[usize::from(activity.0)]).sum() };
        assert_eq!(sum(WRITE), N_BURSTS / 3 * 4);
        assert_eq!(sum(READ), N_BURSTS / 3 * 2 * 4);
        assert!(log.memory_bytes() < 64 << 20, "{} bytes", log.memory_bytes());
    }
}
