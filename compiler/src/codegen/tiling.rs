//! Chooses tile sizes by the latency formulas that the simulator runs on.
//!
//! A convolution runs in blocks of output rows; for each block, in blocks of output channels; for each of those, in chunks of the
//! reduction. Weights, inputs and outputs are double-buffered in the scratchpad where that fits.

use super::TilingPolicy;
use super::stage::ConvStage;
use systole_isa::{MachineDescription, latency};

/// Bytes of one row of a parameter table.
pub(crate) const PARAMETER_BYTES: u64 = 12;

/// Sizes of the tiles of a convolution, and how many buffers each operand has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvTiling {
    /// Output rows per block.
    pub(crate) block_rows: u64,
    /// Output channels per channel block; a multiple of the array's columns unless it is all of them.
    pub(crate) block_channels: u64,
    /// Reduction rows per chunk; a multiple of the array's rows unless it is all of them.
    pub(crate) chunk: u64,
    /// Buffers for inputs.
    pub(crate) input_buffers: u64,
    /// Buffers for weights and parameters.
    pub(crate) weight_buffers: u64,
    /// Buffers for outputs.
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
    pub(crate) fn n_blocks(&self, stage: &ConvStage) -> u64 {
        stage.y.height.div_ceil(self.block_rows)
    }

    pub(crate) fn n_channel_blocks(&self, stage: &ConvStage) -> u64 {
        stage.n().div_ceil(self.block_channels)
    }

    pub(crate) fn n_chunks(&self, stage: &ConvStage) -> u64 {
        stage.k().div_ceil(self.chunk)
    }

    /// Whether all weights stay in the scratchpad for the whole layer.
    pub(crate) fn weights_stay(&self, stage: &ConvStage) -> bool {
        self.n_channel_blocks(stage) == 1 && self.n_chunks(stage) == 1
    }

    pub(crate) fn footprint(&self, stage: &ConvStage, machine: &MachineDescription) -> Footprint {
        let s = &stage.sliding;
        let pixels = self.block_rows * stage.y.width;
        let up = |bytes: u64| bytes.next_multiple_of(SPM_ALIGNMENT);
        Footprint {
            input_bytes: up(s.span(0, self.block_rows) * s.span(1, stage.y.width) * stage.x.channels),
            weight_bytes: up(self.chunk * self.block_channels),
            parameter_bytes: up(self.block_channels * PARAMETER_BYTES),
            output_bytes: up(pixels * self.block_channels),
            acc_bytes: pixels * u64::from(machine.cols).min(stage.n()) * 4,
        }
    }

    fn spm_bytes(&self, f: &Footprint) -> u64 {
        self.input_buffers * f.input_bytes
            + self.weight_buffers * (f.weight_bytes + f.parameter_bytes)
            + self.output_buffers * f.output_bytes
    }

    fn fits(&self, stage: &ConvStage, machine: &MachineDescription) -> bool {
        let f = self.footprint(stage, machine);
        self.spm_bytes(&f) <= machine.spm.capacity_bytes()
            && self.acc_buffers * f.acc_bytes <= machine.acc.capacity_bytes()
    }

    /// Estimated cycles: the slowest of array, DRAM and vector unit, and what does not overlap.
    fn estimate(&self, stage: &ConvStage, machine: &MachineDescription) -> f64 {
        let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
        let (blocks, channel_blocks) = (self.n_blocks(stage), self.n_channel_blocks(stage));
        let pixels = self.block_rows * stage.y.width;
        let tile = latency::stream(pixels)
            .0
            .max(latency::weight_load(machine, rows.min(stage.k())).0);
        let n_tiles = blocks * stage.n().div_ceil(cols) * stage.k().div_ceil(rows);
        let drains = blocks * channel_blocks * latency::drain(machine).0;
        let array = (n_tiles * tile + drains) as f64;
        let f = self.footprint(stage, machine);
        let weight_passes = if self.weights_stay(stage) { 1 } else { blocks };
        let weights = weight_passes * stage.k() * stage.n();
        let inputs = blocks * f.input_bytes.min(stage.x.n_elements());
        let outputs = stage.y.n_elements();
        let n_transfers = blocks * 2 + weight_passes * channel_blocks * (1 + self.n_chunks(stage));
        let transfer_overhead = n_transfers as f64 * 60.0;
        let dram = (weights + inputs + outputs) as f64 / machine.peak_dram_bytes_per_cycle() + transfer_overhead;
        let vector = (stage.y.n_elements() / u64::from(machine.vector.n_lanes)) as f64;
        let overlaps = self.input_buffers.min(self.weight_buffers).min(self.output_buffers) > 1 && self.acc_buffers > 1;
        let longest = array.max(dram).max(vector);
        let first_fill = (f.input_bytes + f.weight_bytes) as f64 / machine.peak_dram_bytes_per_cycle();
        longest + first_fill + if overlaps { 0.1 } else { 1.0 } * (array + dram + vector - longest)
    }
}

/// Halves a size repeatedly, in multiples of `unit`, from `whole` down to one unit.
fn sizes(whole: u64, unit: u64) -> Vec<u64> {
    let mut sizes = vec![whole];
    let mut units = whole.div_ceil(unit);
    while units > 1 {
        units = units.div_ceil(2);
        sizes.push(units * unit);
    }
    sizes
}

/// Every tiling that code can be generated for, in the order of decreasing sizes.
fn candidates(stage: &ConvStage, machine: &MachineDescription) -> impl Iterator<Item = ConvTiling> {
    let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
    let (k, n) = (stage.k(), stage.n());
    let all_channels = sizes(n, cols);
    let all_chunks = sizes(k, rows);
    sizes(stage.y.height, 1).into_iter().flat_map(move |block_rows| {
        let all_chunks = all_chunks.clone();
        all_channels.clone().into_iter().flat_map(move |block_channels| {
            // Accumulators hold one array tile, so a reduction in several chunks works on one tile's channels at a time.
            let usable = move |chunk: &u64| *chunk == k || block_channels <= cols;
            all_chunks.clone().into_iter().filter(usable).flat_map(move |chunk| {
                [2, 1].map(|n_buffers| ConvTiling {
                    block_rows,
                    block_channels,
                    chunk,
                    input_buffers: n_buffers,
                    weight_buffers: n_buffers,
                    output_buffers: n_buffers,
                    acc_buffers: n_buffers,
                })
            })
        })
    })
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
    let mut best: Option<(f64, ConvTiling)> = None;
    let mut smallest = DoesNotFit {
        spm_needed: u64::MAX,
        acc_needed: u64::MAX,
    };
    for mut tiling in candidates(stage, machine) {
        if tiling.n_blocks(stage) == 1 {
            tiling.input_buffers = 1;
        }
        if tiling.weights_stay(stage) {
            tiling.weight_buffers = 1;
        }
        let footprint = tiling.footprint(stage, machine);
        let needs = DoesNotFit {
            spm_needed: tiling.spm_bytes(&footprint),
            acc_needed: tiling.acc_buffers * footprint.acc_bytes,
        };
        if needs.total() < smallest.total() {
            smallest = needs;
        }
        if !tiling.fits(stage, machine) {
            continue;
        }
        if policy == TilingPolicy::Resident {
            return Ok(tiling);
        }
        let estimate = tiling.estimate(stage, machine);
        if best.as_ref().is_none_or(|(least, _)| estimate < *least) {
            best = Some((estimate, tiling));
        }
    }
    best.map(|(_, tiling)| tiling).ok_or(smallest)
}
