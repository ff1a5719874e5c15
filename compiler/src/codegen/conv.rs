//! Code for a convolution or matrix product.
//!
//! Two operands stream from DRAM: blocks of input rows, unless they are in the scratchpad already, and blocks of weights. One of them is the outer loop, the other the inner one
//! and loaded anew for each step of the outer loop, unless it is a single block. The loads of the next block are dispatched before the
//! products of the present one, so that a full queue of the array never holds up a load. Requantization and stores of neighbouring
//! tiles overlap with both; tokens order them. Every ring of buffers has a token for full buffers and one for free ones.

mod loads;
mod products;
mod views;

use super::emitter::{Emitter, Skip};
use super::handover::{Places, Ring};
use super::stage::{ConvStage, Stage};
use super::tiles::LayerTiles;
use super::tiling::{ConvTiling, Footprint, Order};
use loads::Loads;
use systole_isa::operand::{Count, Reg, Rounding, Scalar, Token};
use systole_isa::{MachineDescription, Op, Unit};

const INPUT_FULL: Token = Token::at(0);
const INPUT_FREE: Token = Token::at(1);
const WEIGHTS_FULL: Token = Token::at(2);
const WEIGHTS_FREE: Token = Token::at(3);
const ACC_FULL: Token = Token::at(4);
const ACC_FREE: Token = Token::at(5);
const OUTPUT_FULL: Token = Token::at(6);
const OUTPUT_FREE: Token = Token::at(7);
const PARAMETERS_FREE: Token = Token::at(8);
/// What is to be added is in the buffer of outputs.
const RESIDUAL_FULL: Token = Token::at(9);

/// Output rows of the present image not yet begun, over all images of the block.
const ROWS_LEFT: Reg = Reg::at(1);
/// Output pixels of the present block.
const PIXELS: Reg = Reg::at(2);
const X_BUFFER: Reg = Reg::at(3);
const W_BUFFER: Reg = Reg::at(4);
const P_BUFFER: Reg = Reg::at(5);
const C_BUFFER: Reg = Reg::at(6);
const Y_BUFFER: Reg = Reg::at(7);
/// Byte offset of the present array tile of weights.
const W_TILE: Reg = Reg::at(8);
/// First reduction row of the present array tile.
const K0: Reg = Reg::at(9);
/// First reduction row of the present chunk.
const K_CHUNK0: Reg = Reg::at(10);
const Y_TILE: Reg = Reg::at(11);
const P_TILE: Reg = Reg::at(12);
/// Channels not yet begun: of the layer, and of the channel block.
const CHANNELS_LEFT: Reg = Reg::at(13);
const N_LEFT: Reg = Reg::at(14);
/// Channels of the present channel block and of the present array tile.
const CHANNELS: Reg = Reg::at(15);
const N_SIZE: Reg = Reg::at(16);
/// Byte offsets of the outputs of the present block of rows, and of its present channel block.
const Y_BLOCK: Reg = Reg::at(17);
const Y_OFFSET: Reg = Reg::at(18);
/// Place of the present array tile in what is added, where that lies in the scratchpad and the outputs do not.
const A_TILE: Reg = Reg::at(24);
/// For values that no load in between has to survive.
const SCRATCH: Reg = Reg::at(19);

/// A size that is the same for every tile, or stands in a register.
#[derive(Clone, Copy)]
enum Size {
    Fixed(u64),
    In(Reg),
}

impl Size {
    /// Of pieces of `full` out of `whole`: the last one may be smaller, and then the size stands in `register`.
    fn of(register: Reg, whole: u64, full: u64) -> Self {
        if whole <= full {
            Self::Fixed(whole)
        } else if whole.is_multiple_of(full) {
            Self::Fixed(full)
        } else {
            Self::In(register)
        }
    }

    /// Sets its register, if it has one, to the smaller of `full` and what is `left`.
    fn set(self, e: &mut Emitter, left: Reg, full: u64) {
        if let Self::In(register) = self {
            e.op(Op::Min {
                rd: register,
                ra: left,
                b: (full as i64).into(),
            });
        }
    }

    fn times(self, e: &mut Emitter, scratch: Reg, factor: u64) -> Self {
        match self {
            Self::Fixed(size) => Self::Fixed(size * factor),
            Self::In(register) => {
                e.op(Op::Mul {
                    rd: scratch,
                    ra: register,
                    b: (factor as i64).into(),
                });
                Self::In(scratch)
            }
        }
    }
}

impl From<Size> for Count {
    fn from(size: Size) -> Self {
        match size {
            Size::Fixed(size) => (size as i64).into(),
            Size::In(register) => register.into(),
        }
    }
}

impl From<Size> for Scalar {
    fn from(size: Size) -> Self {
        match size {
            Size::Fixed(size) => (size as i64).into(),
            Size::In(register) => register.into(),
        }
    }
}

/// A convolution with everything decided.
struct Conv<'a> {
    stage: &'a ConvStage,
    rounding: Rounding,
    machine: &'a MachineDescription,
    t: ConvTiling,
    f: Footprint,
    /// Scratchpad addresses of the rings: input, weights, parameters, output; and of products that wait for an addition.
    spm: [u64; 5],
    /// Whether the first weights are loaded while the layer before runs.
    is_early: bool,
    weights_address: u64,
    parameters_address: u64,
    /// Parameters of the addition at the end.
    addition_address: Option<u64>,
    /// Columns of a full array tile.
    tile_cols: u64,
    /// Channels of a channel block, and of an array tile.
    channels: Size,
    tile: Size,
}

/// Appends the code of a convolution with the tiling `t`.
pub(crate) fn emit_conv(
    e: &mut Emitter,
    layer: &Stage,
    stage: &ConvStage,
    t: ConvTiling,
    machine: &MachineDescription,
) {
    e.tiles.push(LayerTiles::new(&layer.name, stage, &t, machine));
    let f = t.footprint(stage, machine);
    let [weights, parameters] = [
        f.weight_bytes * t.weight_buffers,
        f.parameter_bytes * t.parameter_buffers,
    ];
    let [inputs, outputs] = [f.input_bytes * t.input_buffers, f.output_bytes * t.output_buffers];
    let Places {
        constants,
        rest,
        is_early,
    } = e.occupied.place(
        weights + parameters,
        inputs + outputs + f.sum_bytes,
        machine.spm.capacity_bytes(),
    );
    let spm = [
        rest,
        constants,
        constants + weights,
        rest + inputs,
        rest + inputs + outputs,
    ];
    let tile_cols = u64::from(machine.cols).min(stage.n());
    let weights_address = e.constants(
        format!("{}.weights", layer.name),
        weights_in_blocks(stage, &t, tile_cols),
    );
    let parameters_address = e.constants(format!("{}.parameters", layer.name), parameter_table(stage));
    let conv = Conv {
        stage,
        rounding: layer.rounding,
        machine,
        t,
        f,
        spm,
        is_early,
        weights_address,
        parameters_address,
        addition_address: stage.residual.map(|residual| {
            let words = residual.parameters.words();
            let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            e.constants(format!("{}.addition", layer.name), bytes)
        }),
        tile_cols,
        channels: Size::of(CHANNELS, stage.n(), t.block_channels),
        tile: Size::of(N_SIZE, stage.n(), tile_cols),
    };
    e.layer(&layer.name, layer.op);
    conv.views(e);
    conv.run(e);
}

/// Weights in the order in which they are used: channel block, chunk of the reduction, array tile; each tile is a matrix of the
/// chunk's rows and the tile's columns.
fn weights_in_blocks(stage: &ConvStage, t: &ConvTiling, tile_cols: u64) -> Vec<u8> {
    let (n, k) = (stage.n() as usize, stage.k() as usize);
    let (block, chunk, tile) = (t.block_channels as usize, t.chunk as usize, tile_cols as usize);
    let mut bytes = Vec::with_capacity(stage.weights.len());
    for first in (0..n).step_by(block) {
        let block_end = n.min(first + block);
        for first_row in (0..k).step_by(chunk) {
            let rows = &stage.weights[first_row * n..k.min(first_row + chunk) * n];
            for column in (first..block_end).step_by(tile) {
                let end = block_end.min(column + tile);
                rows.chunks_exact(n).for_each(|row| bytes.extend(&row[column..end]));
            }
        }
    }
    bytes
}

fn parameter_table(stage: &ConvStage) -> Vec<u8> {
    stage
        .parameters
        .iter()
        .flat_map(|p| [p.bias, p.multiplier, p.shift])
        .flat_map(i32::to_le_bytes)
        .collect()
}

impl Conv<'_> {
    /// The whole layer.
    fn run(&self, e: &mut Emitter) {
        let loads = Loads::new(self);
        let mut rings = vec![
            Ring::new(WEIGHTS_FREE, self.t.weight_buffers, Unit::Mx)
                .with_first_taken()
                .lent_by_loads(),
            Ring::new(ACC_FREE, self.t.acc_buffers, Unit::Vx),
            Ring::new(PARAMETERS_FREE, self.t.parameter_buffers, Unit::Vx).with_first_taken(),
        ];
        if !self.stage.x.is_resident() {
            rings.push(Ring::new(INPUT_FREE, self.t.input_buffers, Unit::Mx));
        }
        if !self.stage.y.is_resident() {
            rings.push(Ring::new(OUTPUT_FREE, self.t.output_buffers, Unit::St));
        }
        e.follow(&rings);
        for register in [X_BUFFER, W_BUFFER, P_BUFFER, C_BUFFER, Y_BUFFER, Y_BLOCK] {
            e.set(register, 0);
        }
        if !self.whole_blocks() {
            e.set(ROWS_LEFT, self.stage.y.height as i64);
        }
        loads.begin(e);
        e.load_constants(&rings, self.is_early, |e| loads.first_weights(e));
        self.load_addition(e);
        loads.first_input(e);
        match self.t.order {
            Order::InputsOuter => self.blocks(e, &loads),
            Order::WeightsOuter => self.channel_blocks_outer(e, &loads),
        }
        e.hand_over(&rings);
    }

    /// Whether all blocks have the same number of rows.
    fn whole_blocks(&self) -> bool {
        self.stage.y.height.is_multiple_of(self.t.block_rows)
    }

    /// Pixels of a block.
    fn pixels(&self) -> Size {
        if self.whole_blocks() {
            Size::Fixed(self.t.pixels(self.stage))
        } else {
            Size::In(PIXELS)
        }
    }

    /// Inputs outside: for every block of rows all channel blocks.
    fn blocks(&self, e: &mut Emitter, loads: &Loads<'_>) {
        let n_blocks = self.t.n_blocks(self.stage);
        e.repeat(n_blocks, |e| {
            loads.begin_input(e);
            self.begin_block(e);
            self.each_channel_block(e, |e| {
                self.claim_output(e);
                self.item(e, Some(loads));
            });
            loads.end_input(e);
            self.end_block(e, n_blocks);
        });
    }

    /// Weights outside: for every channel block all blocks of rows.
    fn channel_blocks_outer(&self, e: &mut Emitter, loads: &Loads<'_>) {
        let n_blocks = self.t.n_blocks(self.stage);
        self.each_channel_block(e, |e| {
            if self.t.weight_buffers > 1 {
                loads.next_weights(e);
            }
            e.ordered(Op::MxNop {}, &[WEIGHTS_FULL], &[]);
            e.copy(Y_BLOCK, Y_OFFSET);
            e.repeat(n_blocks, |e| {
                self.begin_block(e);
                e.copy(Y_OFFSET, Y_BLOCK);
                // A load of what is to be added has waited for its buffer longest, so it is the first in the queue.
                self.claim_output(e);
                loads.begin_input(e);
                self.item(e, None);
                loads.end_input(e);
                self.end_block(e, n_blocks);
            });
            e.ordered(Op::MxNop {}, &[], &[WEIGHTS_FREE]);
            e.ordered(Op::VxNop {}, &[], &[PARAMETERS_FREE]);
            if self.t.weight_buffers == 1 {
                loads.next_weights(e);
            }
            e.toggle(W_BUFFER, self.f.weight_bytes, self.t.weight_buffers);
            e.toggle(P_BUFFER, self.f.parameter_bytes, self.t.parameter_buffers);
            if n_blocks > 1 {
                // Back to the first block of rows, at the channel block that `each_channel_block` goes on from.
                let bytes = (self.stage.y.images * self.stage.y.image_bytes()) as i64;
                e.add(Y_BLOCK, -bytes);
            }
            e.copy(Y_OFFSET, Y_BLOCK);
        });
    }

    fn begin_block(&self, e: &mut Emitter) {
        if self.whole_blocks() {
            return;
        }
        e.op(Op::Min {
            rd: PIXELS,
            ra: ROWS_LEFT,
            b: (self.t.block_rows as i64).into(),
        });
        e.add(ROWS_LEFT, -(self.t.block_rows as i64));
        e.op(Op::Mul {
            rd: PIXELS,
            ra: PIXELS,
            b: (self.stage.y.width as i64).into(),
        });
        // The next image begins when the rows of this one are used up.
        e.unless(Skip::Above0(ROWS_LEFT), |e| {
            e.set(ROWS_LEFT, self.stage.y.height as i64)
        });
    }

    /// Moves on to the outputs of the next block of rows.
    fn end_block(&self, e: &mut Emitter, n_blocks: u64) {
        e.toggle(X_BUFFER, self.f.input_bytes, self.t.input_buffers);
        if n_blocks > 1 {
            let bytes = self.pixels().times(e, SCRATCH, self.stage.y.pitch);
            e.add(Y_BLOCK, bytes);
        }
    }

    /// Runs `body` for every channel block with `CHANNELS` set and `Y_OFFSET` at its outputs, which it moves on.
    fn each_channel_block(&self, e: &mut Emitter, body: impl FnOnce(&mut Emitter)) {
        if let Size::In(_) = self.channels {
            e.set(CHANNELS_LEFT, self.stage.n() as i64);
        }
        e.copy(Y_OFFSET, Y_BLOCK);
        let n_blocks = self.t.n_channel_blocks(self.stage);
        e.repeat(n_blocks, |e| {
            if let Size::In(register) = self.channels {
                self.channels.set(e, CHANNELS_LEFT, self.t.block_channels);
                e.add(CHANNELS_LEFT, -(self.t.block_channels as i64));
                self.restride_output(e, register);
            }
            body(e);
            if n_blocks > 1 {
                e.add(Y_OFFSET, self.channels);
            }
        });
    }
}
