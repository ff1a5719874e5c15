//! DMA units in time: each splits its descriptor into bursts and keeps a bounded number of them under way in the DRAM's queues.
//!
//! Nothing but its units' transfers and what waits in its queues decides what the DRAM does. So as long as nothing else happens, units and
//! DRAM run ahead together, from command to command, up to a given cycle or to the first cycle in which a transfer is complete.

use crate::clock::ClockRatio;
use crate::counts::EventCounts;
use crate::dram::{Accepted, Burst, Channel, ChannelRules, DramConfig, DramCounts};
use crate::order::Release;
use crate::work::{Dispatched, Work};
use std::collections::VecDeque;
use std::sync::Arc;
use systole_isa::dram::AddressMap;
use systole_isa::{Descriptor, MachineDescription, latency};

/// The constants of a machine's DRAM and of the ways to it.
#[derive(Clone, Debug)]
pub(crate) struct DramParameters {
    rules: ChannelRules,
    map: AddressMap,
    clock: ClockRatio,
    n_channels: u32,
    max_outstanding: usize,
}

impl DramParameters {
    pub(crate) fn of(machine: &MachineDescription) -> Self {
        let config = DramConfig::of(machine);
        let rules = config.channel_rules();
        Self {
            map: config.address_map(),
            clock: ClockRatio::new(u64::from(machine.clock_mhz), rules.timing.clock_ps),
            rules,
            n_channels: config.n_channels,
            max_outstanding: machine.dram.max_outstanding as usize,
        }
    }

    /// Bytes of one burst.
    pub(crate) fn burst_bytes(&self) -> u64 {
        self.rules.organization.burst_bytes
    }
}

/// A transfer under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transfer {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    /// What it has done so far.
    pub(crate) counts: EventCounts,
    is_write: bool,
    /// Addresses of its bursts, in order.
    bursts: Arc<[u64]>,
    n_issued: usize,
    next_issue_at: u64,
    /// Bursts issued in the cycle `next_issue_at`.
    n_in_cycle: u32,
    /// Whether its next burst found its queue full.
    is_blocked: bool,
    /// Reads that wait in queues.
    n_waiting: usize,
    /// Completion cycles of bursts that are on their way, ascending.
    outstanding: VecDeque<u64>,
    /// Latest completion so far.
    last_done_at: u64,
}

/// Burst-aligned addresses that an `m` x `n` view touches, in order, without consecutive repeats; and the bytes of the view.
pub(crate) fn bursts_of(view: &Descriptor, m: u64, n: u64, burst_bytes: u64) -> (Vec<u64>, u64) {
    let bits = u64::from(view.format.bits());
    let (mut bursts, mut bytes) = (Vec::new(), 0);
    for row in 0..m {
        view.for_each_run(row, 0, n, |run| {
            let Some(first) = run.bit_address else { return };
            let first = first as u64;
            let end = first + u64::from(run.n_elements) * bits;
            bytes += view.format.bytes_from_elements(u64::from(run.n_elements));
            let mut burst = first / 8 / burst_bytes;
            while burst * burst_bytes * 8 < end {
                if bursts.last() != Some(&(burst * burst_bytes)) {
                    bursts.push(burst * burst_bytes);
                }
                burst += 1;
            }
        });
    }
    (bursts, bytes)
}

impl Transfer {
    pub(crate) fn begin(
        dispatched: Dispatched,
        release: Release,
        (bursts, bytes): (Vec<u64>, u64),
        is_write: bool,
        now: u64,
    ) -> Self {
        let mut counts = EventCounts::default();
        *(if is_write {
            &mut counts.dram_write_bytes
        } else {
            &mut counts.dram_read_bytes
        }) = bytes;
        let setup_cycles = match &*dispatched.work {
            Work::Sync => 1,
            _ => latency::DMA_SETUP_CYCLES,
        };
        Self {
            dispatched,
            release,
            started_at: now,
            counts,
            is_write,
            bursts: bursts.into(),
            n_issued: 0,
            next_issue_at: now + setup_cycles,
            n_in_cycle: 0,
            is_blocked: false,
            n_waiting: 0,
            outstanding: VecDeque::new(),
            last_done_at: now + setup_cycles,
        }
    }

    /// The cycle in which it is complete, once that is known.
    pub(crate) fn done_at(&self) -> Option<u64> {
        (self.n_issued == self.bursts.len() && self.n_waiting == 0).then_some(self.last_done_at)
    }

    /// The cycle in which it offers its next burst, if it does not have to wait for the DRAM first.
    fn next_offer_at(&self, max_outstanding: usize) -> Option<u64> {
        if self.n_issued == self.bursts.len() || self.is_blocked {
            return None;
        }
        let in_flight = self.outstanding.len() + self.n_waiting;
        match in_flight.checked_sub(max_outstanding) {
            None => Some(self.next_issue_at),
            // At most one more than allowed ever has to retire first.
            Some(excess) => Some(self.next_issue_at.max(*self.outstanding.get(excess)?)),
        }
    }

    /// Notes that a burst will be complete in cycle `at`.
    fn will_complete(&mut self, at: u64) {
        let place = self.outstanding.partition_point(|&done| done <= at);
        self.outstanding.insert(place, at);
        self.last_done_at = self.last_done_at.max(at);
    }

    /// Notes that its next burst was accepted in cycle `now`; a unit issues one burst per channel and cycle.
    fn issued(&mut self, now: u64, n_channels: u32) {
        self.n_issued += 1;
        self.n_in_cycle = if now == self.next_issue_at {
            self.n_in_cycle + 1
        } else {
            1
        };
        self.next_issue_at = now;
        if self.n_in_cycle >= n_channels {
            (self.next_issue_at, self.n_in_cycle) = (now + 1, 0);
        }
        self.last_done_at = self.last_done_at.max(now + 1);
    }
}

/// All channels of a DRAM; any number of masters share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dram {
    channels: Vec<Channel>,
}

impl Dram {
    /// Every row closed, nothing under way.
    pub(crate) fn new(p: &DramParameters) -> Self {
        Self {
            channels: vec![Channel::new(&p.rules); p.n_channels as usize],
        }
    }

    /// The cycle in which all bursts, those of complete stores included, have reached the devices; `u64::MAX` while some wait in queues.
    pub(crate) fn drained_at(&self, p: &DramParameters) -> u64 {
        let end = |channel: &Channel| channel.is_idle().then(|| p.clock.core_from_dram(channel.data_end()));
        self.channels
            .iter()
            .map(|channel| end(channel).unwrap_or(u64::MAX))
            .max()
            .unwrap_or(0)
    }

    /// What a master's requests have caused since this was last asked, over all channels.
    pub(crate) fn take_counts(&mut self, master: usize) -> DramCounts {
        let mut counts = DramCounts::default();
        for channel in &mut self.channels {
            counts.add(&channel.take_counts(master as u8));
        }
        counts
    }

    /// Everything that happened up to cycle `now`.
    pub(crate) fn counts_at(&self, p: &DramParameters, now: u64) -> DramCounts {
        let clock = p.clock.dram_from_core(now);
        let mut counts = DramCounts::default();
        for channel in &self.channels {
            let mut channel = channel.clone();
            channel.advance(&p.rules, clock, |_| ());
            counts.add(&channel.counts_at(clock));
        }
        counts
    }

    /// Lets transfers (by master) and channels run from cycle `now` up to cycle `horizon`, or to the first cycle in which a transfer is
    /// complete, which it returns. What happens in that cycle itself is left for the next call. Without transfers, what waits is worked off.
    pub(crate) fn run_ahead(
        &mut self,
        p: &DramParameters,
        transfers: &mut [Option<Transfer>],
        now: u64,
        horizon: u64,
    ) -> Option<u64> {
        let is_active = transfers.iter().any(Option::is_some);
        let clock = p.clock.dram_from_core(now);
        self.channels
            .iter_mut()
            .for_each(|channel| channel.pass_idle_time(&p.rules, clock));
        while is_active || !self.channels.iter().all(Channel::is_idle) {
            let done = transfers.iter().flatten().filter_map(Transfer::done_at).min();
            let end = done.map_or(horizon, |done| done.min(horizon));
            let end_clock = p.clock.dram_from_core(end);
            let offers = transfers.iter().enumerate().filter_map(|(master, transfer)| {
                let at = transfer.as_ref()?.next_offer_at(p.max_outstanding)?;
                (at < end).then_some((at, master))
            });
            let offer = offers
                .min()
                .map(|(at, master)| (at, master, p.clock.dram_from_core(at)));
            let (command_at, channel) = self.next_command(p);
            match offer {
                Some((at, master, clock)) if clock <= command_at => self.offer(p, transfers, master, at, clock),
                _ if command_at < end_clock => self.send(p, transfers, channel),
                _ => return done.filter(|&done| done <= horizon),
            }
        }
        None
    }

    fn next_command(&mut self, p: &DramParameters) -> (u64, usize) {
        let commands = self.channels.iter_mut().enumerate();
        let next = commands
            .map(|(index, channel)| (channel.next_command_at(&p.rules), index))
            .min();
        next.unwrap_or((u64::MAX, 0))
    }

    fn offer(&mut self, p: &DramParameters, transfers: &mut [Option<Transfer>], master: usize, at: u64, clock: u64) {
        let Some(transfer) = &mut transfers[master] else { return };
        let location = p.map.locate(transfer.bursts[transfer.n_issued]);
        let channel = &mut self.channels[location.channel as usize];
        if !channel.has_room(transfer.is_write) {
            transfer.is_blocked = true;
            return;
        }
        while transfer.outstanding.front().is_some_and(|&done| done <= at) {
            transfer.outstanding.pop_front();
        }
        let burst = Burst {
            bank: location.bank,
            row: location.row,
            column: location.column,
            is_write: transfer.is_write,
            master: master as u8,
        };
        let accepted = channel.offer(&p.rules, burst, clock);
        transfer.issued(at, p.n_channels);
        match accepted {
            Accepted::Queued if transfer.is_write => transfer.counts.dram_write_bursts += 1,
            Accepted::Queued => {
                transfer.counts.dram_read_bursts += 1;
                transfer.n_waiting += 1;
            }
            Accepted::Forwarded(done) => transfer.will_complete(p.clock.core_from_dram(done).max(at + 1)),
            Accepted::Merged => {}
        }
    }

    fn send(&mut self, p: &DramParameters, transfers: &mut [Option<Transfer>], channel: usize) {
        let at = self.channels[channel].next_command_at(&p.rules);
        let Some(served) = self.channels[channel].send(&p.rules) else {
            return;
        };
        if !served.is_write
            && let Some(transfer) = &mut transfers[usize::from(served.master)]
        {
            transfer.n_waiting -= 1;
            transfer.will_complete(p.clock.core_from_dram(served.done_at));
        }
        // The place is free from the next clock on.
        let free_at = p.clock.core_from_dram(at + 1);
        for transfer in transfers.iter_mut().flatten() {
            if transfer.is_blocked && transfer.is_write == served.is_write {
                transfer.is_blocked = false;
                if free_at > transfer.next_issue_at {
                    (transfer.next_issue_at, transfer.n_in_cycle) = (free_at, 0);
                }
            }
        }
    }
}
