//! Chooses tile sizes by the latency formulas that the simulator runs on.
//!
//! A convolution runs in blocks of output rows (or of whole images) and blocks of output channels; either may be the outer loop. The
//! reduction of a channel block may run in chunks. Weights, inputs and outputs are double-buffered in the scratchpad where that fits.

use super::TilingPolicy;
use super::stage::ConvStage;
use systole_isa::{MachineDescription, latency};

/// Elements of one row of a parameter table: bias, multiplier, shift.
pub(crate) const PARAMETER_ELEMENTS: u64 = 3;
/// Bytes of one row of a parameter table.
pub(crate) const PARAMETER_BYTES: u64 = 4 * PARAMETER_ELEMENTS;

/// Which operand stays while the other one is loaded block by block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// A block of input rows stays; weights are loaded for each such block.
    InputsOuter,
    /// A block of weights stays; inputs are loaded for each such block.
    WeightsOuter,
}

/// Sizes of the tiles of a convolution, and how many buffers each operand has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvTiling {
    pub(crate) order: Order,
    /// Images per block; more than one only if a block has all rows of an image.
    pub(crate) images: u64,
    /// Output rows per block.
    pub(crate) block_rows: u64,
    /// Output channels per channel block; a multiple of the array's columns unless it is all of them.
    pub(crate) block_channels: u64,
    /// Reduction rows per chunk; a multiple of the array's rows unless it is all of them.
    pub(crate) chunk: u64,
    pub(crate) input_buffers: u64,
    pub(crate) weight_buffers: u64,
    pub(crate) parameter_buffers: u64,
    pub(crate) output_buffers: u64,
    /// Accumulator tiles.
    pub(crate) acc_buffers: u64,
}

/// What the tiles of a convolution occupy, one buffer each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) input_bytes: u64,
    pub(crate) weight_bytes: u64,
    pub(crate) parameter_bytes: u64,
    pub(crate) output_bytes: u64,
    /// Products of one array tile that wait for an addition, and its parameters.
    pub(crate) sum_bytes: u64,
    pub(crate) acc_bytes: u64,
}

/// A tiling does not exist: the smallest one needs more than the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoesNotFit {
    pub(crate) spm_needed: u64,
    pub(crate) acc_needed: u64,
}

impl DoesNotFit {
    fn total(&self) -> u64 {
        self.spm_needed.saturating_add(self.acc_needed)
    }
}

/// Buffers start at multiples of this, which keeps a burst within one buffer.
pub(crate) const SPM_ALIGNMENT: u64 = 64;

/// The size of a buffer of so many bytes.
pub(crate) fn aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(SPM_ALIGNMENT)
}

impl ConvTiling {
    /// Blocks of rows of an image, or of a group of images.
    pub(crate) fn n_row_blocks(&self, stage: &ConvStage) -> u64 {
        stage.y.height.div_ceil(self.block_rows)
    }

    /// Groups of images that share a block.
    pub(crate) fn n_groups(&self, stage: &ConvStage) -> u64 {
        stage.y.images / self.images
    }

    /// Blocks of inputs.
    pub(crate) fn n_blocks(&self, stage: &ConvStage) -> u64 {
        self.n_row_blocks(stage) * self.n_groups(stage)
    }

    pub(crate) fn n_channel_blocks(&self, stage: &ConvStage) -> u64 {
        stage.n().div_ceil(self.block_channels)
    }

    pub(crate) fn n_chunks(&self, stage: &ConvStage) -> u64 {
        stage.k().div_ceil(self.chunk)
    }

    /// Blocks of weights that are loaded by themselves.
    pub(crate) fn n_weight_blocks(&self, stage: &ConvStage) -> u64 {
        self.n_channel_blocks(stage) * self.n_chunks(stage)
    }

    /// How often a block of inputs is loaded: again for each block of weights that stays, unless it is the only one.
    pub(crate) fn n_input_loads(&self, stage: &ConvStage) -> u64 {
        match (self.order, self.n_blocks(stage)) {
            (Order::InputsOuter, blocks) => blocks,
            (Order::WeightsOuter, 1) => 1,
            (Order::WeightsOuter, blocks) => blocks * self.n_weight_blocks(stage),
        }
    }

    /// How often a block of weights is loaded: again for each block of inputs that stays.
    pub(crate) fn n_weight_loads(&self, stage: &ConvStage) -> u64 {
        match self.order {
            Order::InputsOuter => self.n_blocks(stage) * self.n_weight_blocks(stage),
            Order::WeightsOuter => self.n_weight_blocks(stage),
        }
    }

    /// Pixels of the last block of rows.
    fn last_pixels(&self, stage: &ConvStage) -> u64 {
        let rows = stage.y.height - (self.n_row_blocks(stage) - 1) * self.block_rows;
        self.images * rows * stage.y.width
    }

    /// Pixels of a full block.
    pub(crate) fn pixels(&self, stage: &ConvStage) -> u64 {
        self.images * self.block_rows * stage.y.width
    }

    /// Whether a block of inputs can reach beyond the rows of its image.
    pub(crate) fn reaches_beyond(&self, stage: &ConvStage) -> bool {
        let s = &stage.sliding;
        let rows = self.n_row_blocks(stage) * self.block_rows;
        s.pads[0] > 0 || s.span(0, rows) > stage.x.height
    }

    /// Bytes of a block of inputs in the scratchpad.
    fn input_bytes(&self, stage: &ConvStage) -> u64 {
        let taken = stage.sliding.sampled();
        self.images * taken.span(0, self.block_rows) * taken.span(1, stage.y.width) * stage.x.channels
    }

    pub(crate) fn footprint(&self, stage: &ConvStage, machine: &MachineDescription) -> Footprint {
        let pixels = self.pixels(stage);
        Footprint {
            input_bytes: if stage.x.is_resident() {
                0
            } else {
                aligned(self.input_bytes(stage))
            },
            weight_bytes: aligned(self.chunk * self.block_channels),
            parameter_bytes: aligned(self.block_channels * PARAMETER_BYTES),
            output_bytes: if stage.y.is_resident() {
                0
            } else {
                aligned(pixels * self.block_channels)
            },
            sum_bytes: stage.residual.as_ref().map_or(0, |_| {
                aligned(pixels * u64::from(machine.cols).min(stage.n())) + SPM_ALIGNMENT
            }),
            acc_bytes: pixels * u64::from(machine.cols).min(stage.n()) * 4,
        }
    }

    pub(crate) fn needs(&self, f: &Footprint) -> DoesNotFit {
        DoesNotFit {
            spm_needed: self.input_buffers * f.input_bytes
                + self.weight_buffers * f.weight_bytes
                + self.parameter_buffers * f.parameter_bytes
                + self.output_buffers * f.output_bytes
                + f.sum_bytes,
            acc_needed: self.acc_buffers * f.acc_bytes,
        }
    }
}

/// What the parts of the machine have to do for a tiling, in cycles.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    array: u64,
    dram: u64,
    vector: u64,
    /// Before the first product and after the last one.
    ends: u64,
}

impl Estimate {
    /// The slowest part hides the others, unless there are no buffers to overlap them in.
    fn cycles(&self, t: &ConvTiling, stage: &ConvStage) -> u64 {
        let longest = self.array.max(self.dram).max(self.vector);
        let rest = self.array + self.dram + self.vector - longest;
        let needs_no_loads = stage.x.is_resident() && t.n_weight_loads(stage) == 1;
        let loads_ahead = needs_no_loads || t.input_buffers.max(t.weight_buffers) > 1;
        let overlaps = t.output_buffers > 1 && t.acc_buffers > 1 && loads_ahead;
        longest + self.ends + if overlaps { rest / 32 } else { rest }
    }
}

/// Cycles between the request of a burst and its data, roughly.
const DRAM_LATENCY_CYCLES: u64 = 60;
/// Cycles that the sequencer needs for one product of the innermost loop.
const SEQUENCER_CYCLES: u64 = 5;

/// Bytes that the DRAM moves for `n_runs` runs of `bytes` each that begin at `pitch` from one another.
fn moved_bytes(n_runs: u64, bytes: u64, pitch: u64, machine: &MachineDescription) -> u64 {
    let burst = machine.dram.standard.organization().burst_bytes;
    if bytes == pitch {
        return (n_runs * bytes).next_multiple_of(burst);
    }
    let misaligned = !pitch.is_multiple_of(burst);
    let bursts = latency::dram::busy_bursts(machine, n_runs, bytes, pitch);
    bursts * burst + if misaligned { n_runs * burst / 2 } else { 0 }
}

/// Cycles of the products of one array tile over `m` pixels, with the loads of their weights hidden as far as they can be.
fn product_cycles(stage: &ConvStage, machine: &MachineDescription, m: u64) -> u64 {
    let (k, rows) = (stage.k(), u64::from(machine.rows));
    let step = |k: u64| {
        latency::stream(m)
            .0
            .max(latency::weight_load(machine, k).0)
            .max(SEQUENCER_CYCLES)
    };
    let rest = k % rows;
    k / rows * step(rows) + if rest == 0 { 0 } else { step(rest) }
}

/// Cycles of the requantization of one array tile over `m` pixels.
fn requantize_cycles(stage: &ConvStage, machine: &MachineDescription, m: u64) -> u64 {
    let once = latency::vector(machine, m * stage.n().min(u64::from(machine.cols))).0;
    once * stage.n_vector_passes()
}

/// Cycles of the array, with what it waits for the vector unit.
fn array_cycles(t: &ConvTiling, stage: &ConvStage, machine: &MachineDescription) -> u64 {
    let block = |m: u64| {
        let products = product_cycles(stage, machine, m);
        let behind = requantize_cycles(stage, machine, m) + latency::drain(machine).0;
        // With one accumulator tile, products wait for the requantization of the tile before.
        let exposed = match t.acc_buffers {
            1 => behind,
            _ => behind.saturating_sub(products),
        };
        stage.n().div_ceil(u64::from(machine.cols)) * (products + exposed) + t.n_channel_blocks(stage) * 4
    };
    let n_last = t.n_groups(stage);
    (t.n_blocks(stage) - n_last) * block(t.pixels(stage)) + n_last * block(t.last_pixels(stage))
}

/// Cycles in which the array waits for operands although the DRAM could move them in time: a buffer is loaded again no sooner than its last
/// products are complete.
fn waiting_cycles(t: &ConvTiling, stage: &ConvStage, machine: &MachineDescription) -> u64 {
    let per_cycle = machine.peak_dram_bytes_per_cycle();
    let load = |bytes: u64| (bytes as f64 / per_cycle) as u64 + DRAM_LATENCY_CYCLES;
    // Of a step that computes for so many cycles, what it exceeds them by with so many buffers.
    let wait = |compute: u64, load: u64, n_buffers: u64| ((compute + load) / n_buffers).saturating_sub(compute);
    let n_tiles = t.block_channels.div_ceil(u64::from(machine.cols));
    let of_tile = product_cycles(stage, machine, t.pixels(stage));
    let drain = latency::drain(machine).0;
    let (n_inputs, n_weights) = (t.n_input_loads(stage), t.n_weight_loads(stage));
    let input = if stage.x.is_resident() {
        0
    } else {
        load(t.input_bytes(stage))
    };
    let weights = load(t.chunk * t.block_channels.min(stage.n()));
    match t.order {
        Order::WeightsOuter if stage.x.is_resident() => 0,
        Order::WeightsOuter => n_inputs * wait(n_tiles * of_tile, input + drain, t.input_buffers),
        Order::InputsOuter => {
            let n_chunks = t.n_chunks(stage);
            let step = n_tiles * of_tile / n_chunks;
            let freeing = match n_chunks {
                1 => drain,
                _ => latency::weight_load(machine, u64::from(machine.rows)).0,
            };
            // A block of inputs is loaded before the weights behind it.
            let behind = (input + weights).saturating_sub(step * t.weight_buffers);
            n_weights * wait(step, weights + freeing, t.weight_buffers) + n_inputs * behind
        }
    }
}

/// Bytes that the DRAM moves.
fn dram_bytes(t: &ConvTiling, stage: &ConvStage, machine: &MachineDescription) -> u64 {
    let (x, y, s) = (&stage.x, &stage.y, &stage.sliding);
    let step = s.sampling()[1];
    let per_row = if x.pitch == x.channels && step == 1 {
        moved_bytes(1, x.width * x.channels, x.width * x.channels, machine)
    } else {
        moved_bytes(x.width.div_ceil(step), x.channels, x.pitch * step, machine)
    };
    let in_rows = s.sampled().span(0, t.block_rows).min(x.height) * t.images;
    let inputs = t.n_input_loads(stage) * in_rows * per_row;
    let weight_passes = t.n_weight_loads(stage) / t.n_weight_blocks(stage);
    let weights = weight_passes * stage.n() * (stage.k() + PARAMETER_BYTES);
    let n_pixels = y.images * y.height * y.width;
    let outputs = t.n_channel_blocks(stage) * moved_bytes(n_pixels, t.block_channels.min(stage.n()), y.pitch, machine);
    let inputs = if x.is_resident() { 0 } else { inputs };
    let n_passes = u64::from(!y.is_resident()) + u64::from(stage.loads_addition());
    inputs + weights + outputs * n_passes
}

fn estimate(t: &ConvTiling, stage: &ConvStage, machine: &MachineDescription) -> Estimate {
    let (y, blocks) = (&stage.y, t.n_blocks(stage));
    let f = t.footprint(stage, machine);
    let per_cycle = machine.peak_dram_bytes_per_cycle();
    let cycles = |bytes: u64| (bytes as f64 / per_cycle * 1.08) as u64;
    let n_transfers = t.n_input_loads(stage) + 2 * t.n_weight_loads(stage) + blocks * t.n_channel_blocks(stage);
    let array_tiles = stage.n().div_ceil(u64::from(machine.cols));
    Estimate {
        array: array_cycles(t, stage, machine) + waiting_cycles(t, stage, machine),
        dram: cycles(dram_bytes(t, stage, machine)) + n_transfers * 8,
        vector: stage.n_vector_passes()
            * (y.n_elements().div_ceil(u64::from(machine.vector.n_lanes)) + blocks * array_tiles * 5),
        ends: cycles(f.input_bytes + f.weight_bytes)
            + cycles(f.output_bytes)
            + 2 * DRAM_LATENCY_CYCLES
            + latency::drain(machine).0
            + requantize_cycles(stage, machine, t.last_pixels(stage)),
    }
}

/// Sizes in multiples of `unit` that split `whole` into different numbers of pieces, largest first.
fn sizes(whole: u64, unit: u64) -> Vec<u64> {
    let units = whole.div_ceil(unit);
    let mut sizes = vec![whole];
    let mut n_pieces = 2;
    while n_pieces <= units {
        let size = units.div_ceil(n_pieces);
        sizes.push(size * unit);
        // The next number of pieces that makes them smaller.
        n_pieces = if size > 1 { units.div_ceil(size - 1) } else { break };
    }
    sizes
}

/// Images and rows of a block, largest first.
fn row_sizes(stage: &ConvStage) -> Vec<(u64, u64)> {
    let is_dense = stage.sliding.dilations[1] == 1 || stage.sliding.kernel[1] == 1;
    let most = if is_dense && !stage.x.is_resident() {
        stage.y.images
    } else {
        1
    };
    let groups = (2..=most).rev().filter(|images| stage.y.images.is_multiple_of(*images));
    groups
        .map(|images| (images, stage.y.height))
        .chain(sizes(stage.y.height, 1).into_iter().map(|rows| (1, rows)))
        .collect()
}

/// Every tiling that code can be generated for, in the order of decreasing sizes.
fn candidates(stage: &ConvStage, machine: &MachineDescription) -> Vec<ConvTiling> {
    let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
    let (k, n) = (stage.k(), stage.n());
    let (all_channels, all_chunks) = (sizes(n, cols), sizes(k, rows));
    let mut candidates = Vec::new();
    for (images, block_rows) in row_sizes(stage) {
        for &block_channels in &all_channels {
            // Accumulators hold one array tile, so a reduction in several chunks works on one tile's channels at a time.
            for &chunk in all_chunks.iter().filter(|&&chunk| chunk == k || block_channels <= cols) {
                for order in [Order::WeightsOuter, Order::InputsOuter] {
                    candidates.extend(buffered(stage, order, [images, block_rows, block_channels, chunk]));
                }
            }
        }
    }
    candidates
}

/// One choice of sizes with double and with single buffers; none if the order makes no sense for it.
fn buffered(
    stage: &ConvStage,
    order: Order,
    [images, block_rows, block_channels, chunk]: [u64; 4],
) -> impl Iterator<Item = ConvTiling> {
    let choices = [[2, 2, 2], [1, 2, 2], [2, 1, 2], [1, 1, 1]];
    let make = move |[input_buffers, weight_buffers, others]: [u64; 3]| ConvTiling {
        order,
        images,
        block_rows,
        block_channels,
        chunk,
        input_buffers,
        weight_buffers,
        parameter_buffers: weight_buffers,
        output_buffers: others,
        acc_buffers: others,
    };
    let t = make(choices[0]);
    let (blocks, channel_blocks, chunks) = (t.n_blocks(stage), t.n_channel_blocks(stage), t.n_chunks(stage));
    let makes_sense = match order {
        Order::InputsOuter => channel_blocks * chunks > 1,
        Order::WeightsOuter => chunks == 1 && (blocks > 1 || channel_blocks == 1),
    };
    // A single block needs no second buffer.
    let trim = move |mut t: ConvTiling| {
        if blocks == 1 || stage.x.is_resident() {
            t.input_buffers = 1;
        }
        if channel_blocks == 1 {
            t.parameter_buffers = 1;
            if chunks == 1 {
                t.weight_buffers = 1;
            }
        }
        t
    };
    choices
        .into_iter()
        .filter(move |_| makes_sense)
        .map(move |buffers| trim(make(buffers)))
}

/// The tiling of a convolution by the given policy.
///
/// # Errors
/// What the smallest candidate needs, if none fits.
pub(crate) fn tile_conv(
    stage: &ConvStage,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<ConvTiling, DoesNotFit> {
    tile_with_cycles(stage, machine, policy).map(|(_, tiling)| tiling)
}

/// The tiling of a convolution, and its estimated cycles.
///
/// # Errors
/// As [`tile_conv`].
pub(crate) fn tile_with_cycles(
    stage: &ConvStage,
    machine: &MachineDescription,
    policy: TilingPolicy,
) -> Result<(u64, ConvTiling), DoesNotFit> {
    let mut best: Option<(u64, ConvTiling)> = None;
    let mut smallest = DoesNotFit {
        spm_needed: u64::MAX,
        acc_needed: u64::MAX,
    };
    for tiling in candidates(stage, machine) {
        let needs = tiling.needs(&tiling.footprint(stage, machine));
        if needs.total() < smallest.total() {
            smallest = needs;
        }
        if needs.spm_needed > machine.spm.capacity_bytes() || needs.acc_needed > machine.acc.capacity_bytes() {
            continue;
        }
        let cycles = estimate(&tiling, stage, machine).cycles(&tiling, stage);
        if policy == TilingPolicy::Resident {
            return Ok((cycles, tiling));
        }
        if best.as_ref().is_none_or(|(least, _)| cycles < *least) {
            best = Some((cycles, tiling));
        }
    }
    best.ok_or(smallest)
}
