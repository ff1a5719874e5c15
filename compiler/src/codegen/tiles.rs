//! What the tiling of a layer is, for people.

use super::stage::ConvStage;
use super::tiling::{ConvTiling, Order};
use serde::Serialize;
use systole_isa::MachineDescription;

/// The tiles of a convolution or matrix product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerTiles {
    /// Name of the layer, or of a group of it.
    pub layer: String,
    /// The layer as a product: pixels of all images, reduction, output channels.
    pub m: u64,
    /// See `m`.
    pub k: u64,
    /// See `m`.
    pub n: u64,
    /// Which operand stays in the scratchpad while the other one is loaded block by block: `inputs` or `weights`.
    pub stays: &'static str,
    /// Images, and output rows of each, that a block of inputs serves.
    pub block_images: u64,
    /// See `block_images`.
    pub block_rows: u64,
    /// Output channels of a block of weights.
    pub block_channels: u64,
    /// Reduction rows of a block of weights.
    pub block_reduction: u64,
    /// How often a block of inputs is loaded.
    pub input_loads: u64,
    /// How often a block of weights is loaded.
    pub weight_loads: u64,
    /// Tiles of the array that a block of inputs streams through, over the whole layer.
    pub array_tiles: u64,
    /// Buffers in the scratchpad: inputs, weights, outputs.
    pub buffers: [u64; 3],
    /// Bytes of scratchpad of all buffers.
    pub spm_bytes: u64,
    /// Bytes of accumulators of all buffers.
    pub acc_bytes: u64,
}

impl LayerTiles {
    pub(super) fn new(layer: &str, stage: &ConvStage, t: &ConvTiling, machine: &MachineDescription) -> Self {
        let needs = t.needs(&t.footprint(stage, machine));
        let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
        // The last block along an axis may be shorter, but no tile reaches into two blocks.
        let tiles_of = |whole: u64, block: u64, tile: u64| {
            let n_full = whole / block;
            n_full * block.div_ceil(tile) + (whole % block).div_ceil(tile)
        };
        Self {
            layer: layer.to_owned(),
            m: stage.y.images * stage.y.height * stage.y.width,
            k: stage.k(),
            n: stage.n(),
            stays: match t.order {
                Order::InputsOuter => "inputs",
                Order::WeightsOuter => "weights",
            },
            block_images: t.images,
            block_rows: t.block_rows,
            block_channels: t.block_channels,
            block_reduction: t.chunk,
            input_loads: if stage.x.is_resident() {
                0
            } else {
                t.n_input_loads(stage)
            },
            weight_loads: t.n_weight_loads(stage),
            array_tiles: t.n_blocks(stage)
                * tiles_of(stage.k(), t.chunk, rows)
                * tiles_of(stage.n(), t.block_channels, cols),
            buffers: [t.input_buffers, t.weight_buffers, t.output_buffers],
            spm_bytes: needs.spm_needed,
            acc_bytes: needs.acc_needed,
        }
    }
}
