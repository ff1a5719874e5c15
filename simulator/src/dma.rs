//! DMA units in time: each splits its descriptors into bursts and keeps a bounded number of them under way in the DRAM's queues.
//!
//! Nothing but its units' transfers and what waits in its queues decides what the DRAM does. So as long as nothing else happens, units and
//! DRAM run ahead together, from command to command, up to a given cycle or to the first cycle in which a transfer is complete.

use crate::clock::ClockRatio;
use crate::counts::EventCounts;
use crate::dram::{Accepted, Burst, Channel, ChannelEvent, ChannelRules, DramConfig, DramCounts};
use crate::machine::DramChannelView;
use crate::observer::{DramEvent, Observer};
use crate::order::Release;
use crate::work::{Dispatched, Work};
use std::collections::VecDeque;
use std::sync::Arc;
use systole_isa::dram::AddressMap;
use systole_isa::latency::banks::BankUse;
use systole_isa::{Descriptor, MachineDescription, latency};

/// The constants of a machine's DRAM and of the ways to it.
#[derive(Clone, Debug)]
pub(crate) struct DramParameters {
    rules: ChannelRules,
    map: AddressMap,
    clock: ClockRatio,
    n_channels: u32,
    max_outstanding: usize,
    max_transfers: u32,
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
            max_transfers: machine.dram.max_transfers,
        }
    }

    /// The core's clock and that of the DRAM.
    pub(crate) fn clock(&self) -> ClockRatio {
        self.clock
    }

    /// Bytes of one burst.
    pub(crate) fn burst_bytes(&self) -> u64 {
        self.rules.organization.burst_bytes
    }
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

/// An instruction of a DMA unit under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transfer {
    pub(crate) dispatched: Dispatched,
    pub(crate) release: Release,
    pub(crate) started_at: u64,
    /// What it has done so far.
    pub(crate) counts: EventCounts,
    /// What it takes of the scratchpad's banks.
    banks: BankUse,
    /// Its place in the unit: no other transfer under way has the same.
    place: u32,
    /// Addresses of its bursts, in order.
    bursts: Arc<[u64]>,
    n_issued: usize,
    /// Cycle from which the unit may turn to the next instruction, once all bursts are issued.
    issued_at: u64,
    /// Reads that wait in queues.
    n_waiting: usize,
    /// Latest completion so far.
    last_done_at: u64,
}

impl Transfer {
    fn has_issued_all(&self) -> bool {
        self.n_issued == self.bursts.len()
    }

    /// The cycle in which its own bursts are complete, once that is known.
    fn done_at(&self) -> Option<u64> {
        (self.has_issued_all() && self.n_waiting == 0).then_some(self.last_done_at)
    }
}

/// One DMA unit: LD, which reads DRAM, or ST, which writes it.
///
/// Its instructions follow each other without a gap: as soon as the last burst of one is issued, the next may start, whose bursts then queue
/// behind it in the DRAM. They are complete in order, each when its own bursts and all before it are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DmaUnit {
    is_write: bool,
    /// By start. Only the last one may still have bursts to issue.
    under_way: VecDeque<Transfer>,
    next_place: u32,
    next_issue_at: u64,
    /// Bursts issued in the cycle `next_issue_at`.
    n_in_cycle: u32,
    /// Whether its next burst has found its queue full and no place has become free since.
    is_blocked: bool,
    /// Cycle in which its next burst first found its queue full.
    queued_from: Option<u64>,
    /// Reads that wait in queues, of all transfers.
    n_waiting: usize,
    /// Completion cycles of bursts that are on their way, ascending.
    outstanding: VecDeque<u64>,
}

impl DmaUnit {
    pub(crate) fn new(is_write: bool) -> Self {
        Self {
            is_write,
            under_way: VecDeque::new(),
            next_place: 0,
            next_issue_at: 0,
            n_in_cycle: 0,
            is_blocked: false,
            queued_from: None,
            n_waiting: 0,
            outstanding: VecDeque::new(),
        }
    }

    /// The oldest instruction under way.
    pub(crate) fn oldest(&self) -> Option<&Transfer> {
        self.under_way.front()
    }

    /// Whether an instruction may start in cycle `now`.
    pub(crate) fn is_free(&self, p: &DramParameters, now: u64) -> bool {
        let has_issued = |last: &Transfer| last.has_issued_all() && last.issued_at <= now;
        self.under_way.len() < p.max_transfers as usize && self.under_way.back().is_none_or(has_issued)
    }

    /// Starts an instruction; the unit is free.
    pub(crate) fn begin(
        &mut self,
        p: &DramParameters,
        (dispatched, release): (Dispatched, Release),
        (bursts, bytes): (Vec<u64>, u64),
        banks: BankUse,
        now: u64,
    ) {
        let mut counts = EventCounts::default();
        *(if self.is_write {
            &mut counts.dram_write_bytes
        } else {
            &mut counts.dram_read_bytes
        }) = bytes;
        let setup_cycles = match &*dispatched.work {
            Work::Sync => 1,
            _ => latency::DMA_SETUP_CYCLES,
        };
        let ready_at = now + setup_cycles;
        self.under_way.push_back(Transfer {
            dispatched,
            release,
            started_at: now,
            counts,
            banks,
            place: self.next_place,
            bursts: bursts.into(),
            n_issued: 0,
            issued_at: ready_at,
            n_waiting: 0,
            last_done_at: ready_at,
        });
        self.next_place = (self.next_place + 1) % p.max_transfers;
        (self.next_issue_at, self.n_in_cycle) = (ready_at, 0);
    }

    /// Words of the scratchpad's banks that its transfers take in a cycle: they share one path.
    pub(crate) fn words_per_cycle(&self) -> u64 {
        let words = self.under_way.iter().map(|transfer| transfer.banks.words_per_cycle);
        words.max().unwrap_or(0)
    }

    /// Takes out the oldest instruction if it is complete in cycle `now`.
    pub(crate) fn take_done(&mut self, now: u64) -> Option<Transfer> {
        self.oldest()?.done_at().filter(|&at| at <= now)?;
        self.under_way.pop_front()
    }

    /// The next cycle after `now` in which, as far as is known, its oldest instruction is complete or it may turn to the next one.
    fn next_event(&self, now: u64) -> Option<u64> {
        let done = self.oldest().and_then(Transfer::done_at);
        let issued = self.under_way.back().filter(|last| last.has_issued_all());
        let issued = issued.map(|last| last.issued_at).filter(|&at| at > now);
        done.into_iter().chain(issued).min()
    }

    /// The cycle in which it offers its next burst, if it does not have to wait for the DRAM first.
    fn next_offer_at(&self, max_outstanding: usize) -> Option<u64> {
        if self.is_blocked || self.under_way.back()?.has_issued_all() {
            return None;
        }
        let in_flight = self.outstanding.len() + self.n_waiting;
        match in_flight.checked_sub(max_outstanding) {
            None => Some(self.next_issue_at),
            // At most one more than allowed ever has to retire first.
            Some(excess) => Some(self.next_issue_at.max(*self.outstanding.get(excess)?)),
        }
    }

    /// The index by which the DRAM counts for a transfer: the two units take turns.
    fn master(&self, place: u32) -> u8 {
        (2 * place + u32::from(self.is_write)) as u8
    }

    /// Notes that a burst of a transfer will be complete in cycle `at`.
    fn will_complete(&mut self, index: usize, at: u64) {
        if self.outstanding.back().is_none_or(|&last| last <= at) {
            self.outstanding.push_back(at);
        } else {
            let place = self.outstanding.partition_point(|&done| done <= at);
            self.outstanding.insert(place, at);
        }
        let transfer = &mut self.under_way[index];
        transfer.last_done_at = transfer.last_done_at.max(at);
    }

    /// Notes that a read of the transfer in this place has left its queue and will be complete in cycle `at`.
    fn was_read(&mut self, place: u32, at: u64) {
        let Some(index) = self.under_way.iter().position(|transfer| transfer.place == place) else {
            return;
        };
        self.n_waiting -= 1;
        self.under_way[index].n_waiting -= 1;
        self.will_complete(index, at);
    }

    /// Notes that its next burst found its queue full in cycle `now`.
    fn block(&mut self, now: u64) {
        self.is_blocked = true;
        if self.queued_from.is_none() {
            self.queued_from = Some(now);
            self.waited_for_others(now);
        }
    }

    /// Counts the cycles since its next burst was ready, in which too many others were under way.
    fn waited_for_others(&mut self, now: u64) {
        let waited = now - self.next_issue_at;
        if let Some(transfer) = self.under_way.back_mut() {
            transfer.counts.outstanding_cycles += waited;
        }
    }

    /// Notes that its next burst was accepted in cycle `now`; a unit issues one burst per channel and cycle, or as slowly as the
    /// scratchpad's banks take them.
    fn issued(&mut self, now: u64, n_channels: u32) {
        let Some(transfer) = self.under_way.back_mut() else {
            return;
        };
        match self.queued_from.take() {
            None => transfer.counts.outstanding_cycles += now - self.next_issue_at,
            Some(from) => transfer.counts.dram_queue_cycles += now - from,
        }
        let interval = transfer.banks.interval;
        transfer.n_issued += 1;
        transfer.issued_at = now + interval;
        transfer.last_done_at = transfer.last_done_at.max(now + interval);
        self.n_in_cycle = if now == self.next_issue_at {
            self.n_in_cycle + 1
        } else {
            1
        };
        self.next_issue_at = now;
        if self.n_in_cycle >= n_channels {
            (self.next_issue_at, self.n_in_cycle) = (now + interval, 0);
        }
    }

    /// Notes that a place in its queues is free from cycle `at` on.
    fn unblock(&mut self, at: u64) {
        if self.is_blocked {
            self.is_blocked = false;
            if at > self.next_issue_at {
                (self.next_issue_at, self.n_in_cycle) = (at, 0);
            }
        }
    }
}

/// What a DMA unit does next, as far as is known; `u64::MAX` where nothing is.
#[derive(Clone, Copy)]
struct Prospect {
    /// The cycle in which an instruction is complete or it may turn to the next one.
    event: u64,
    /// The cycle in which it offers its next burst.
    offer_at: u64,
    /// The clock of the DRAM in which that burst arrives.
    offer_clock: u64,
}

impl Prospect {
    fn of(p: &DramParameters, unit: &DmaUnit, now: u64) -> Self {
        let offer_at = unit.next_offer_at(p.max_outstanding).unwrap_or(u64::MAX);
        Self {
            event: unit.next_event(now).unwrap_or(u64::MAX),
            offer_at,
            offer_clock: p.clock.dram_from_core(offer_at),
        }
    }
}

/// What transfers and DRAM do next, as far as nobody else does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ahead {
    /// The next cycle in which an instruction is complete or a unit may turn to the next one, as far as that is known; else `u64::MAX`.
    pub(crate) event: u64,
    /// The cycle in which a unit offers its next burst.
    offer_at: u64,
    /// Clock of the DRAM's next command that matters.
    command_at: u64,
}

impl Ahead {
    /// Nothing is under way.
    pub(crate) const NOTHING: Self = Self {
        event: u64::MAX,
        offer_at: u64::MAX,
        command_at: u64::MAX,
    };

    /// Whether nothing happens before cycle `horizon` that is not done already.
    pub(crate) fn reaches(&self, p: &DramParameters, horizon: u64) -> bool {
        let end = horizon.min(self.event);
        self.offer_at >= end && self.command_at >= p.clock.dram_from_core(end)
    }
}

/// All channels of a DRAM; any number of masters share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dram {
    channels: Vec<Channel>,
    /// Clock of the next command of each channel.
    command_at: Vec<u64>,
}

impl Dram {
    /// Every row closed, nothing under way.
    pub(crate) fn new(p: &DramParameters) -> Self {
        let mut channel = Channel::new(&p.rules);
        Self {
            command_at: vec![channel.next_command_at(&p.rules); p.n_channels as usize],
            channels: vec![channel; p.n_channels as usize],
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

    /// What requests of a unit have caused since this was last asked, without those of transfers that are still under way.
    pub(crate) fn take_counts(&mut self, p: &DramParameters, unit: &DmaUnit) -> DramCounts {
        let mut counts = DramCounts::default();
        for place in (0..p.max_transfers).filter(|&place| unit.under_way.iter().all(|t| t.place != place)) {
            for channel in &mut self.channels {
                counts.add(&channel.take_counts(unit.master(place)));
            }
        }
        counts
    }

    /// Everything that happened up to cycle `now`.
    pub(crate) fn counts_at(&self, p: &DramParameters, now: u64) -> DramCounts {
        let clock = p.clock.dram_from_core(now);
        let mut counts = DramCounts::default();
        for channel in &self.channels {
            let mut channel = channel.clone();
            channel.advance(&p.rules, clock, &mut |_| ());
            counts.add(&channel.counts_at(clock));
        }
        counts
    }

    /// Open rows and queues of each channel in cycle `now`.
    pub(crate) fn channel_views(&self, p: &DramParameters, now: u64) -> Vec<DramChannelView> {
        let clock = p.clock.dram_from_core(now);
        let view = |channel: &Channel| {
            let mut channel = channel.clone();
            channel.advance(&p.rules, clock, &mut |_| ());
            let (n_reads, n_writes) = channel.queue_lengths();
            DramChannelView {
                open_rows: channel.open_rows(),
                n_reads,
                n_writes,
            }
        };
        self.channels.iter().map(view).collect()
    }

    /// Tells what the channels do by themselves up to cycle `now`.
    pub(crate) fn tell_idle(&self, p: &DramParameters, now: u64, observer: &mut impl Observer) {
        let clock = p.clock.dram_from_core(now);
        for (index, channel) in self.channels.iter().enumerate() {
            channel.clone().advance(&p.rules, clock, &mut telling(observer, index));
        }
    }

    /// The channels, which may be ahead of the current cycle.
    pub(crate) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Lets units and channels run from cycle `now` up to cycle `horizon`, or to the first cycle in which an instruction is complete or a
    /// unit may turn to the next one. What happens in that cycle itself is left for the next call. Without transfers, what waits is worked
    /// off.
    pub(crate) fn run_ahead(
        &mut self,
        p: &DramParameters,
        units: &mut [DmaUnit; 2],
        (now, horizon): (u64, u64),
        observer: &mut impl Observer,
    ) -> Ahead {
        let is_active = units.iter().any(|unit| unit.oldest().is_some());
        let clock = p.clock.dram_from_core(now);
        for (index, (channel, command_at)) in self.channels.iter_mut().zip(&mut self.command_at).enumerate() {
            if channel.is_idle() {
                channel.pass_idle_time(&p.rules, clock, &mut telling(observer, index));
                *command_at = channel.next_command_at(&p.rules);
            }
        }
        let (mut end, mut end_clock) = (now, clock);
        let mut next = [Prospect::of(p, &units[0], now), Prospect::of(p, &units[1], now)];
        while is_active || !self.channels.iter().all(Channel::is_idle) {
            let event = next[0].event.min(next[1].event);
            let new_end = event.min(horizon);
            if new_end != end {
                (end, end_clock) = (new_end, p.clock.dram_from_core(new_end));
            }
            let unit = usize::from(next[1].offer_at < next[0].offer_at);
            let Prospect {
                offer_at, offer_clock, ..
            } = next[unit];
            let (command_at, channel) = self.next_command();
            let concerned = if offer_at < end && offer_clock <= command_at {
                self.offer(p, &mut units[unit], offer_at, observer);
                Some(unit)
            } else if command_at < end_clock {
                self.send(p, units, channel, observer)
            } else {
                return Ahead {
                    event,
                    offer_at,
                    command_at,
                };
            };
            if let Some(unit) = concerned {
                next[unit] = Prospect::of(p, &units[unit], now);
            }
        }
        Ahead::NOTHING
    }

    /// Clock of the next command of all channels, and the channel.
    fn next_command(&self) -> (u64, usize) {
        let mut next = (u64::MAX, 0);
        for (index, &at) in self.command_at.iter().enumerate() {
            if at < next.0 {
                next = (at, index);
            }
        }
        next
    }

    fn offer(&mut self, p: &DramParameters, unit: &mut DmaUnit, at: u64, observer: &mut impl Observer) {
        let Some(index) = unit.under_way.len().checked_sub(1) else {
            return;
        };
        let transfer = &mut unit.under_way[index];
        let location = p.map.locate(transfer.bursts[transfer.n_issued]);
        let index_of_channel = location.channel as usize;
        let channel = &mut self.channels[index_of_channel];
        if !channel.has_room(unit.is_write) {
            unit.block(at);
            return;
        }
        while unit.outstanding.front().is_some_and(|&done| done <= at) {
            unit.outstanding.pop_front();
        }
        let (place, pc) = (transfer.place, transfer.dispatched.pc);
        let burst = Burst {
            bank: location.bank,
            row: location.row,
            column: location.column,
            is_write: unit.is_write,
            master: unit.master(place),
            pc,
        };
        let clock = p.clock.dram_from_core(at);
        let accepted = channel.offer(&p.rules, burst, clock, &mut telling(observer, index_of_channel));
        self.command_at[index_of_channel] = channel.next_command_at(&p.rules);
        unit.issued(at, p.n_channels);
        let transfer = &mut unit.under_way[index];
        match accepted {
            Accepted::Queued if unit.is_write => transfer.counts.dram_write_bursts += 1,
            Accepted::Queued => {
                transfer.counts.dram_read_bursts += 1;
                transfer.n_waiting += 1;
                unit.n_waiting += 1;
            }
            Accepted::Forwarded(done) => unit.will_complete(index, p.clock.core_from_dram(done).max(at + 1)),
            Accepted::Merged => {}
        }
    }

    /// Sends a channel's next command; the unit for which it was, if it moved data.
    fn send(
        &mut self,
        p: &DramParameters,
        units: &mut [DmaUnit; 2],
        channel: usize,
        observer: &mut impl Observer,
    ) -> Option<usize> {
        let at = self.command_at[channel];
        let served = self.channels[channel].send(&p.rules, &mut telling(observer, channel));
        self.command_at[channel] = self.channels[channel].next_command_at(&p.rules);
        let served = served?;
        let index = usize::from(served.master % 2);
        let unit = &mut units[index];
        if !served.is_write {
            unit.was_read(u32::from(served.master / 2), p.clock.core_from_dram(served.done_at));
        }
        // The place is free from the next clock on.
        unit.unblock(p.clock.core_from_dram(at + 1));
        Some(index)
    }
}

/// Hands what a channel tells on to an observer.
fn telling(observer: &mut impl Observer, channel: usize) -> impl FnMut(ChannelEvent) {
    move |event| observer.dram(&DramEvent { channel, event })
}
