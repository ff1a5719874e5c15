//! A DRAM alone, on a trace: requests arrive in order, as fast as the queues take them.

use super::{Burst, Channel, ChannelRules, DramConfig, DramCounts, DramEnergyBreakdown};
use systole_isa::dram::{AddressMap, LINE_BYTES};

/// One line of a trace: a request for 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceRequest {
    /// Byte address; the request is for the line that holds it.
    pub address: u64,
    /// Whether it writes.
    pub is_write: bool,
}

/// Bursts after which the closed form is tried again where it did not apply.
const RETRY_AFTER: u64 = 8;

/// A DRAM working on a trace. Each clock it takes at most one burst per channel, in order: one that finds its queue full holds up all behind it.
#[derive(Clone, Debug)]
pub struct TraceRun {
    config: DramConfig,
    rules: ChannelRules,
    map: AddressMap,
    channels: Vec<Channel>,
    /// Clock of the last acceptance, and how many there were in it.
    clock: u64,
    n_in_clock: u32,
    n_requests: u64,
    streams: bool,
}

impl TraceRun {
    /// A DRAM with closed rows before the first request.
    pub fn new(config: DramConfig) -> Self {
        Self::with_rules(config, config.channel_rules())
    }

    /// A DRAM under other rules than the standard's own, as an experiment.
    pub fn with_rules(config: DramConfig, rules: ChannelRules) -> Self {
        Self {
            config,
            map: config.address_map(),
            channels: vec![Channel::new(&rules); config.n_channels as usize],
            rules,
            clock: 0,
            n_in_clock: 0,
            n_requests: 0,
            streams: config.n_channels == 1,
        }
    }

    /// The same without the closed form for streams, to compare with.
    #[must_use]
    pub fn command_by_command(mut self) -> Self {
        self.streams = false;
        self
    }

    /// Takes the next requests of the trace.
    pub fn feed(&mut self, requests: &[TraceRequest]) {
        let bursts_per_line = LINE_BYTES / self.rules.organization.burst_bytes;
        self.n_requests += requests.len() as u64;
        let n = requests.len() as u64 * bursts_per_line;
        let burst_bytes = self.rules.organization.burst_bytes;
        let burst = |i: u64| {
            let request = requests[(i / bursts_per_line) as usize];
            let line = request.address / LINE_BYTES * LINE_BYTES;
            (line + i % bursts_per_line * burst_bytes, request.is_write)
        };
        let (mut i, mut try_again_at) = (0, 0);
        while i < n {
            let (address, is_write) = burst(i);
            if i >= try_again_at && self.streams && !self.channels[0].has_room(is_write) {
                let upcoming = (i..n)
                    .map(burst)
                    .map(|(address, is_write)| burst_at(&self.map, address, is_write));
                if let Some((n_came, clock)) = self.channels[0].stream(&self.rules, upcoming, is_write) {
                    (self.clock, self.n_in_clock) = (clock, 1);
                    i += n_came as u64;
                    continue;
                }
                try_again_at = i + RETRY_AFTER;
            }
            self.accept(address, is_write);
            i += 1;
        }
    }

    fn accept(&mut self, address: u64, is_write: bool) {
        let channel = &mut self.channels[self.map.locate(address).channel as usize];
        if self.n_in_clock == self.config.n_channels {
            (self.clock, self.n_in_clock) = (self.clock + 1, 0);
        }
        let mut arrival = self.clock;
        channel.advance(&self.rules, arrival, &mut |_| ());
        while !channel.has_room(is_write) {
            arrival = arrival.max(channel.next_command_at(&self.rules) + 1);
            channel.advance(&self.rules, arrival, &mut |_| ());
        }
        if arrival > self.clock {
            (self.clock, self.n_in_clock) = (arrival, 0);
        }
        self.n_in_clock += 1;
        let burst = burst_at(&self.map, address, is_write);
        channel.offer(&self.rules, burst, arrival, &mut |_| ());
    }

    /// Works off what waits and sums up.
    pub fn finish(mut self) -> TraceSummary {
        for channel in &mut self.channels {
            while !channel.is_idle() {
                channel.send(&self.rules, &mut |_| ());
            }
        }
        let clocks = self.channels.iter().map(Channel::data_end).max().unwrap_or(0);
        let mut counts = DramCounts::default();
        for channel in &mut self.channels {
            channel.advance(&self.rules, clocks, &mut |_| ());
            counts.add(&channel.counts_at(clocks));
        }
        TraceSummary {
            config: self.config,
            n_requests: self.n_requests,
            clocks,
            counts,
        }
    }
}

fn burst_at(map: &AddressMap, address: u64, is_write: bool) -> Burst {
    let at = map.locate(address);
    Burst {
        bank: at.bank,
        row: at.row,
        column: at.column,
        is_write,
        master: 0,
        pc: 0,
    }
}

/// What a trace took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceSummary {
    /// The DRAM.
    pub config: DramConfig,
    /// Lines of the trace.
    pub n_requests: u64,
    /// Clocks of the DRAM from the first arrival to the end of the last data.
    pub clocks: u64,
    /// Commands and row hits over all channels.
    pub counts: DramCounts,
}

impl TraceSummary {
    /// Elapsed time in seconds.
    pub fn seconds(&self) -> f64 {
        (self.clocks * self.config.standard.timing().clock_ps) as f64 * 1e-12
    }

    /// Bytes of the trace's requests.
    pub fn bytes(&self) -> u64 {
        self.n_requests * LINE_BYTES
    }

    /// Bytes over elapsed time.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes() as f64 / self.seconds().max(f64::MIN_POSITIVE)
    }

    /// Energy by cause.
    pub fn energy(&self) -> DramEnergyBreakdown {
        let standard = self.config.standard;
        let n_ranks = u64::from(self.config.n_channels * self.config.n_ranks);
        DramEnergyBreakdown::of(
            &self.counts,
            self.clocks * n_ranks,
            &standard.timing(),
            &standard.organization(),
            &standard.energy(),
        )
    }
}
