//! The units that the sequencer dispatches to: queues, tokens and what each is busy with.

use super::traffic::Runs;
use std::collections::VecDeque;
use systole_isa::operand::{N_TOKENS, Token, Weights};
use systole_isa::{ElementFormat, FormatPair, MachineDescription, Tokens, Unit, latency};

/// Work of a unit, as far as time depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Nothing,
    TileLoad {
        k: u64,
        format: ElementFormat,
    },
    Product {
        m: u64,
        weights: Weights,
        format: ElementFormat,
    },
    OutputStationary {
        k: u64,
        formats: (ElementFormat, ElementFormat),
    },
    Copy(Runs),
    Elements(u64),
    Lookup(u64, u64),
    Softmax(u64, u64),
    LayerNorm(u64, u64),
    Reduction(u64, u64),
}

#[derive(Clone, Copy)]
struct Queued {
    work: Work,
    tokens: Tokens,
    layer: usize,
    /// First cycle in which it can start.
    from: u64,
}

/// Cycles between the request of a burst and its data: activation, access, burst and the way through the controller.
const DRAM_LATENCY_CYCLES: u64 = 45;
/// Share of its peak that the DRAM reaches on long transfers; the rest is refresh and the opening of rows.
const DRAM_EFFICIENCY: f64 = 0.955;
/// Units in the order of their queues here.
const UNITS: [Unit; 4] = [Unit::Ld, Unit::St, Unit::Mx, Unit::Vx];

#[derive(Default)]
struct Array {
    load_free_at: u64,
    stream_free_at: u64,
    /// Cycle in which everything so far is complete.
    done_at: u64,
    /// Cycle in which the tile in the shadow registers is complete, and from which on the registers are free.
    loaded_at: u64,
    shadow_free_at: u64,
    weights: Option<ElementFormat>,
}

pub(super) struct Units<'m> {
    machine: &'m MachineDescription,
    queues: [VecDeque<Queued>; 4],
    /// Cycles of posts that nothing has taken yet.
    tokens: [VecDeque<u64>; N_TOKENS],
    /// Cycle in which each unit can start its next instruction.
    free_at: [u64; 4],
    array: Array,
    dram_free_at: f64,
    cycles_per_burst: f64,
    burst_bytes: u64,
    /// Start of the instruction before in each queue, and completion of all of them.
    started_at: [u64; 4],
    completed_at: [u64; 4],
    /// Latest completion.
    done_at: u64,
}

impl<'m> Units<'m> {
    pub(super) fn new(machine: &'m MachineDescription) -> Self {
        let burst_bytes = machine.dram.standard.organization().burst_bytes;
        Self {
            machine,
            queues: Default::default(),
            tokens: Default::default(),
            free_at: [0; 4],
            array: Array::default(),
            dram_free_at: 0.0,
            cycles_per_burst: burst_bytes as f64 / machine.peak_dram_bytes_per_cycle() / DRAM_EFFICIENCY,
            burst_bytes,
            started_at: [0; 4],
            completed_at: [0; 4],
            done_at: 0,
        }
    }

    /// Puts work into its queue as soon as there is room; returns the cycle.
    pub(super) fn dispatch(
        &mut self,
        unit: Unit,
        work: Work,
        tokens: &Tokens,
        layer: usize,
        ends: &mut [u64],
        now: u64,
    ) -> Option<u64> {
        let index = UNITS.iter().position(|&u| u == unit)?;
        self.run_until(ends, now);
        let mut at = now;
        while self.queues[index].len() >= self.machine.queue_depth as usize {
            at = at.max(self.start_earliest(ends)?);
        }
        self.queues[index].push_back(Queued {
            work,
            tokens: *tokens,
            layer,
            from: at + 1,
        });
        Some(at)
    }

    /// Takes and posts for an instruction of the sequencer; returns the cycle in which its tokens are there.
    pub(super) fn scalar(&mut self, tokens: &Tokens, now: u64) -> Option<u64> {
        let mut at = now;
        for token in tokens.waits.iter().flatten() {
            while self.tokens[token.index()].is_empty() {
                self.start_earliest(&mut [])?;
            }
            at = at.max(self.tokens[token.index()].pop_front()?);
        }
        for token in tokens.posts.iter().flatten() {
            self.post(*token, at + 1);
        }
        Some(at)
    }

    pub(super) fn credit(&mut self, token: Token, n: u64, now: u64) {
        (0..n).for_each(|_| self.post(token, now + 1));
    }

    fn post(&mut self, token: Token, at: u64) {
        let posts = &mut self.tokens[token.index()];
        let place = posts.partition_point(|&other| other <= at);
        posts.insert(place, at);
    }

    /// Empties all queues; returns the cycle in which the last unit is done.
    pub(super) fn fence(&mut self, ends: &mut [u64], now: u64) -> Option<u64> {
        while self.queues.iter().any(|queue| !queue.is_empty()) {
            self.start_earliest(ends)?;
        }
        Some(self.done_at.max(now))
    }

    /// Starts what starts before `now`.
    fn run_until(&mut self, ends: &mut [u64], now: u64) {
        while let Some((at, index)) = self.earliest()
            && at < now
        {
            self.start(index, at, ends);
        }
    }

    fn start_earliest(&mut self, ends: &mut [u64]) -> Option<u64> {
        let (at, index) = self.earliest()?;
        self.start(index, at, ends);
        Some(at)
    }

    /// The unit whose head can start first, and when.
    fn earliest(&self) -> Option<(u64, usize)> {
        (0..UNITS.len())
            .filter_map(|index| Some((self.start_of_head(index)?, index)))
            .min()
    }

    /// When the head of a queue can start; `None` as long as a token that it waits for is not posted.
    fn start_of_head(&self, index: usize) -> Option<u64> {
        let head = self.queues[index].front()?;
        let mut at = head.from.max(self.started_at[index]);
        for (i, token) in head.tokens.waits.iter().flatten().enumerate() {
            // An instruction that waits for the same token twice takes two posts.
            let nth = usize::from(i == 1 && head.tokens.waits[0] == Some(*token));
            at = at.max(*self.tokens[token.index()].get(nth)?);
        }
        let array = &self.array;
        let free = match head.work {
            Work::TileLoad { .. } => array.load_free_at.max(array.shadow_free_at),
            Work::Product { weights, .. } => {
                let loaded = if weights == Weights::Swap { array.loaded_at } else { 0 };
                array.stream_free_at.max(loaded)
            }
            Work::OutputStationary { .. } => array.done_at.max(array.stream_free_at),
            Work::Nothing if UNITS[index] == Unit::Mx => 0,
            _ => self.free_at[index],
        };
        Some(at.max(free))
    }

    fn start(&mut self, index: usize, at: u64, ends: &mut [u64]) {
        let Some(head) = self.queues[index].pop_front() else {
            return;
        };
        for token in head.tokens.waits.iter().flatten() {
            self.tokens[token.index()].pop_front();
        }
        self.started_at[index] = at;
        let done = match UNITS[index] {
            Unit::Mx => self.start_array(&head.work, at),
            Unit::Ld | Unit::St => {
                let (issued, done) = self.start_copy(UNITS[index], &head.work, at);
                self.free_at[index] = issued;
                done
            }
            _ => {
                let done = at + self.vector_cycles(&head.work);
                self.free_at[index] = done;
                done
            }
        };
        let done = done.max(self.completed_at[index]);
        if UNITS[index] != Unit::Mx {
            self.completed_at[index] = done;
        }
        self.done_at = self.done_at.max(done);
        if let Some(end) = ends.get_mut(head.layer) {
            *end = (*end).max(done);
        }
        for token in head.tokens.posts.iter().flatten() {
            self.post(*token, done);
        }
    }

    fn start_array(&mut self, work: &Work, at: u64) -> u64 {
        let machine = self.machine;
        let drain = latency::drain(machine).0;
        let array = &mut self.array;
        let done = match *work {
            Work::TileLoad { k, format } => {
                let end = at + latency::weight_load(machine, k).0;
                (array.load_free_at, array.loaded_at, array.weights) = (end, end, Some(format));
                array.shadow_free_at = u64::MAX;
                end
            }
            Work::Product { m, weights, format } => {
                if weights == Weights::Swap {
                    array.shadow_free_at = at;
                }
                let rate = machine.rate(FormatPair {
                    weights: array.weights.unwrap_or(format),
                    activations: format,
                });
                array.stream_free_at = at + latency::stream_at(m, rate).0.max(1);
                array.stream_free_at + drain
            }
            Work::OutputStationary {
                k,
                formats: (weights, activations),
            } => {
                let rate = machine.rate(FormatPair { weights, activations });
                array.stream_free_at = at + latency::output_stationary_steps(k, rate).0;
                array.stream_free_at + drain + latency::output_shift(machine).0
            }
            _ => array.done_at.max(at + 1),
        };
        array.done_at = array.done_at.max(done);
        if machine.overlap == systole_isa::machine::Overlap::None {
            array.load_free_at = array.done_at;
            array.stream_free_at = array.done_at;
        }
        done
    }

    /// The cycles in which the last burst is offered to the DRAM and in which the copy is complete, not before the one ahead of it.
    fn start_copy(&mut self, unit: Unit, work: &Work, at: u64) -> (u64, u64) {
        let Work::Copy(runs) = work else {
            return (at + 1, at + 1);
        };
        let n_bursts = runs.busy_bursts(self.machine, self.burst_bytes);
        let from = (at + latency::DMA_SETUP_CYCLES) as f64;
        self.dram_free_at = self.dram_free_at.max(from) + n_bursts as f64 * self.cycles_per_burst;
        // A store is complete when the controller has its last burst, whose queue is short.
        let latency = if unit == Unit::Ld { DRAM_LATENCY_CYCLES } else { 0 };
        let ahead = f64::from(self.machine.dram.max_outstanding) * self.cycles_per_burst;
        let issued = (self.dram_free_at - ahead).max(from) as u64;
        (issued, self.dram_free_at as u64 + latency)
    }

    fn vector_cycles(&self, work: &Work) -> u64 {
        let machine = self.machine;
        match *work {
            Work::Elements(n) => latency::vector(machine, n).0,
            Work::Lookup(n, n_entries) => latency::vector_lookup(machine, n, n_entries).0,
            Work::Softmax(m, n) => latency::softmax(machine, m, n).0,
            Work::LayerNorm(m, n) => latency::layer_norm(machine, m, n).0,
            Work::Reduction(m, n) => latency::row_reduction(machine, m, n).0,
            _ => 1,
        }
    }
}
