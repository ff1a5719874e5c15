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
        let up = |bytes: u64| bytes.next_multiple_of(SPM_ALIGNMENT);
        Footprint {
            input_bytes: up(self.input_bytes(stage)),
            weight_bytes: up(self.chunk * self.block_channels),
            parameter_bytes: up(self.block_channels * PARAMETER_BYTES),
            output_bytes: up(pixels * self.block_channels),
            acc_bytes: pixels * u64::from(machine.cols).min(stage.n()) * 4,
        }
    }

    fn needs(&self, f: &Footprint) -> DoesNotFit {
        DoesNotFit {
            spm_needed: self.input_buffers * f.input_bytes
                + self.weight_buffers * f.weight_bytes
                + self.parameter_buffers * f.parameter_bytes
                + self.output_buffers * f.output_bytes,
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
    fn cycles(&self, t: &ConvTiling) -> u64 {
        let longest = self.array.max(self.dram).max(self.vector);
        let rest = self.array + self.dram + self.vector - longest;
        let overlaps = t.output_buffers > 1 && t.acc_buffers > 1 && t.input_buffers.max(t.weight_buffers) > 1;
        longest + self.ends + if overlaps { rest / 32 } else { rest }
    }
}

/// Cycles between the request of a burst and its data, roughly.
const DRAM_LATENCY_CYCLES: u64 = 60;
/// Cycles that the sequencer needs for one product of the innermost loop.
const SEQUENCER_CYCLES: u64 = 5;

/// Bytes that the DRAM moves for `n_runs` runs of `bytes` each that begin at `pitch` from one another.
fn moved_bytes(n_runs: u64, bytes: u64, pitch: u64, burst: u64) -> u64 {
    if bytes == pitch {
        return (n_runs * bytes).next_multiple_of(burst);
    }
    let misaligned = !pitch.is_multiple_of(burst);
    n_runs * (bytes.next_multiple_of(burst) + if misaligned { burst / 2 } else { 0 })
}

fn estimate(t: &ConvTiling, stage: &ConvStage, machine: &MachineDescription) -> Estimate {
    let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
    let (blocks, channel_blocks) = (t.n_blocks(stage), t.n_channel_blocks(stage));
    let (k, n, pixels) = (stage.k(), stage.n(), t.pixels(stage));
    let f = t.footprint(stage, machine);
    let step = |m: u64, k: u64| {
        latency::stream(m)
            .0
            .max(latency::weight_load(machine, k).0)
            .max(SEQUENCER_CYCLES)
    };
    let products = |m: u64| {
        let full = k / rows * step(m, rows);
        full + if k.is_multiple_of(rows) { 0 } else { step(m, k % rows) }
    };
    let last = (stage.y.height - (t.n_row_blocks(stage) - 1) * t.block_rows) * t.images * stage.y.width;
    let n_last = t.n_groups(stage);
    let array_tiles = n.div_ceil(cols);
    let requantize = |m: u64| latency::vector(machine, m * n.min(cols)).0;
    // With one accumulator tile, products wait for the requantization of the tile before.
    let exposed = |m: u64| match t.acc_buffers {
        1 => latency::drain(machine).0 + requantize(m),
        _ => (requantize(m) + latency::drain(machine).0).saturating_sub(products(m)),
    };
    let block = |m: u64| array_tiles * (products(m) + exposed(m)) + channel_blocks * 4;
    let array = (blocks - n_last) * block(pixels) + n_last * block(last);
    let (input_loads, weight_passes) = match t.order {
        Order::InputsOuter => (1, blocks),
        Order::WeightsOuter => (if blocks > 1 { channel_blocks } else { 1 }, 1),
    };
    let burst = machine.dram.standard.organization().burst_bytes;
    let (x, y) = (&stage.x, &stage.y);
    let taken = stage.sliding.sampled();
    let in_rows = taken.span(0, t.block_rows).min(x.height) * t.images;
    let per_row = if x.pitch == x.channels && stage.sliding.sampling()[1] == 1 {
        moved_bytes(1, x.width * x.channels, x.width * x.channels, burst)
    } else {
        moved_bytes(
            x.width.div_ceil(stage.sliding.sampling()[1]),
            x.channels,
            x.pitch * stage.sliding.sampling()[1],
            burst,
        )
    };
    let inputs = input_loads * blocks * in_rows * per_row;
    let weights = weight_passes * n * (k + PARAMETER_BYTES);
    let outputs = channel_blocks * moved_bytes(y.images * y.height * y.width, t.block_channels.min(n), y.pitch, burst);
    let per_cycle = machine.peak_dram_bytes_per_cycle();
    let cycles = |bytes: u64| (bytes as f64 / per_cycle * 1.08) as u64;
    let n_loads = input_loads * blocks + weight_passes * 2 * t.n_weight_blocks(stage) + blocks * channel_blocks;
    let dram = cycles(inputs + weights + outputs) + n_loads * 8;
    let vector = y.n_elements().div_ceil(u64::from(machine.vector.n_lanes)) + blocks * array_tiles * 5;
    let ends = cycles(t.input_bytes(stage) + f.weight_bytes)
        + cycles(f.output_bytes)
        + 2 * DRAM_LATENCY_CYCLES
        + latency::drain(machine).0
        + requantize(last);
    Estimate {
        array,
        dram,
        vector,
        ends,
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
    let most = if is_dense { stage.y.images } else { 1 };
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
        if blocks == 1 {
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
        if policy == TilingPolicy::Resident {
            return Ok(tiling);
        }
        let cycles = estimate(&tiling, stage, machine).cycles(&tiling);
        if best.as_ref().is_none_or(|(least, _)| cycles < *least) {
            best = Some((cycles, tiling));
        }
    }
    best.map(|(_, tiling)| tiling).ok_or(smallest)
}
