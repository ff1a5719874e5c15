//! Code for a convolution or matrix product.
//!
//! Loads, products, requantization and stores of neighbouring tiles overlap; tokens order them. Every ring of buffers has a token for
//! full buffers and one for free ones. Loads complete in order, so waiting for a block's input also waits for weights loaded before.

use super::buffers;
use super::emitter::{Emitter, View, at};
use super::stage::{ConvStage, Stage};
use super::tiling::{ConvTiling, Footprint, PARAMETER_BYTES};
use systole_isa::operand::{Accumulate, Axis, Count, Desc, Imm, Reg, Rounding, Space, Token, Weights};
use systole_isa::{ElementFormat, MachineDescription, Op};

const INPUT_FULL: Token = Token::at(0);
const INPUT_FREE: Token = Token::at(1);
const WEIGHTS_FULL: Token = Token::at(2);
const WEIGHTS_FREE: Token = Token::at(3);
const ACC_FULL: Token = Token::at(4);
const ACC_FREE: Token = Token::at(5);
const OUTPUT_FULL: Token = Token::at(6);
const OUTPUT_FREE: Token = Token::at(7);
const PARAMETERS_FREE: Token = Token::at(8);

const X_DRAM: Desc = Desc::at(0);
const X_FILL: Desc = Desc::at(1);
const X: Desc = Desc::at(2);
const W_DRAM: Desc = Desc::at(3);
const W_FILL: Desc = Desc::at(4);
const W: Desc = Desc::at(5);
const P_DRAM: Desc = Desc::at(6);
const P_FILL: Desc = Desc::at(7);
const P: Desc = Desc::at(8);
const C: Desc = Desc::at(9);
const Y: Desc = Desc::at(10);
const Y_DRAM: Desc = Desc::at(11);

/// Output rows not yet begun.
const ROWS_LEFT: Reg = Reg::at(1);
/// Output pixels of the current block.
const PIXELS: Reg = Reg::at(2);
/// Byte offset of the block's first input row, negative in the padding.
const X_OFFSET: Reg = Reg::at(3);
/// Index of the block's first input row.
const X_ROW: Reg = Reg::at(4);
const X_BUFFER: Reg = Reg::at(5);
const W_OFFSET: Reg = Reg::at(6);
const W_BUFFER: Reg = Reg::at(7);
const W_TILE: Reg = Reg::at(8);
const K0: Reg = Reg::at(9);
const C_BUFFER: Reg = Reg::at(12);
const Y_BUFFER: Reg = Reg::at(13);
const Y_TILE: Reg = Reg::at(14);
const P_BUFFER: Reg = Reg::at(15);
const P_TILE: Reg = Reg::at(16);
const N_LEFT: Reg = Reg::at(17);
const N_SIZE: Reg = Reg::at(18);
const Y_BLOCK: Reg = Reg::at(19);
const Y_OFFSET: Reg = Reg::at(20);
const P_OFFSET: Reg = Reg::at(21);
const W_COLUMN: Reg = Reg::at(22);
const ROWS: Reg = Reg::at(23);
const K_CHUNK0: Reg = Reg::at(24);

/// A convolution with everything decided.
struct Conv<'a> {
    stage: &'a ConvStage,
    machine: &'a MachineDescription,
    t: ConvTiling,
    f: Footprint,
    /// Scratchpad addresses of the rings: input, weights, parameters, output.
    spm: [u64; 4],
    weights_address: u64,
    parameters_address: u64,
    /// Columns of the accumulator tile.
    tile_cols: u64,
}

/// Appends the code of a convolution with the tiling `t`.
pub(crate) fn emit_conv(
    e: &mut Emitter,
    layer: &Stage,
    stage: &ConvStage,
    t: ConvTiling,
    machine: &MachineDescription,
) {
    let f = t.footprint(stage, machine);
    let spm = buffers([
        (f.input_bytes, t.input_buffers),
        (f.weight_bytes, t.weight_buffers),
        (f.parameter_bytes, t.weight_buffers),
        (f.output_bytes, t.output_buffers),
    ]);
    let weights_address = e.constants(format!("{}.weights", layer.name), weights_in_blocks(stage, &t));
    let parameters_address = e.constants(format!("{}.parameters", layer.name), parameter_table(stage));
    let tile_cols = u64::from(machine.cols).min(stage.n());
    let conv = Conv {
        stage,
        machine,
        t,
        f,
        spm,
        weights_address,
        parameters_address,
        tile_cols,
    };
    e.layer(&layer.name, layer.op);
    conv.views(e);
    conv.rings(e);
    conv.blocks(e);
    let mut rings = vec![
        (INPUT_FREE, t.input_buffers),
        (ACC_FREE, t.acc_buffers),
        (OUTPUT_FREE, t.output_buffers),
    ];
    if !t.weights_stay(stage) {
        rings.push((WEIGHTS_FREE, t.weight_buffers));
        rings.push((PARAMETERS_FREE, t.weight_buffers));
    }
    e.end_layer(&rings);
}

/// Weights as they are loaded: channel block by channel block, each `k` rows of the block's channels.
fn weights_in_blocks(stage: &ConvStage, t: &ConvTiling) -> Vec<u8> {
    let n = stage.n() as usize;
    let mut bytes = Vec::with_capacity(stage.weights.len());
    for first in (0..n).step_by(t.block_channels as usize) {
        let last = n.min(first + t.block_channels as usize);
        for row in stage.weights.chunks_exact(n) {
            bytes.extend(&row[first..last]);
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

/// A count that is constant if every tile has the full size, else in a register.
fn size(register: Reg, whole: u64, full: u64) -> Count {
    if whole <= full {
        (whole as i64).into()
    } else if whole.is_multiple_of(full) {
        (full as i64).into()
    } else {
        register.into()
    }
}

impl Conv<'_> {
    fn views(&self, e: &mut Emitter) {
        self.input_views(e);
        self.weight_views(e);
        self.output_views(e);
    }

    fn input_views(&self, e: &mut Emitter) {
        let (x, y, s) = (&self.stage.x, &self.stage.y, &self.stage.sliding);
        let (format, zero_point, ci) = (x.format, x.zero_point, x.channels);
        let (in_rows, in_cols) = (s.span(0, self.t.block_rows), s.span(1, y.width));
        let base = x.address as i64 - (s.pads[1] * ci) as i64;
        let rows = [(in_rows, x.row_bytes())];
        e.view(
            X_DRAM,
            &View {
                space: Space::Dram,
                format,
                base,
                zero_point,
                rows: &rows,
                columns: &[(in_cols, ci), (ci, 1)],
            },
        );
        if s.pads[1] > 0 || in_cols > x.width {
            e.window(X_DRAM, Axis::X, 3, -(s.pads[1] as i64), x.width);
        }
        let (base, row) = (self.spm[0] as i64, in_cols * ci);
        let fill = View {
            space: Space::Spm,
            format,
            base,
            zero_point,
            rows: &[(in_rows, row)],
            columns: &[(row, 1)],
        };
        e.view(X_FILL, &fill);
        let rows = [(self.t.block_rows, s.strides[0] * row), (y.width, s.strides[1] * ci)];
        let columns = [
            (s.kernel[0], s.dilations[0] * row),
            (s.kernel[1], s.dilations[1] * ci),
            (ci, 1),
        ];
        e.view(
            X,
            &View {
                rows: &rows,
                columns: &columns,
                ..fill
            },
        );
    }

    fn weight_views(&self, e: &mut Emitter) {
        let (format, cols) = (self.stage.weight_format, self.t.block_channels);
        let zero_point = self.stage.weight_zero_point;
        let run = [(self.t.chunk * cols, 1)];
        let base = self.weights_address as i64;
        let dram = View {
            space: Space::Dram,
            format,
            base,
            zero_point,
            rows: &[],
            columns: &run,
        };
        e.view(W_DRAM, &dram);
        let fill = View {
            space: Space::Spm,
            base: self.spm[1] as i64,
            ..dram
        };
        e.view(W_FILL, &fill);
        e.view(
            W,
            &View {
                rows: &[(self.t.chunk, cols)],
                columns: &[(cols, 1)],
                ..fill
            },
        );
        let table = [(cols * 3, 1)];
        let base = self.parameters_address as i64;
        let dram = View {
            format: ElementFormat::I32,
            base,
            zero_point: 0,
            columns: &table,
            ..dram
        };
        e.view(P_DRAM, &dram);
        let fill = View {
            space: Space::Spm,
            base: self.spm[2] as i64,
            ..dram
        };
        e.view(P_FILL, &fill);
        e.view(
            P,
            &View {
                rows: &[(cols, 3)],
                columns: &[(3, 1)],
                ..fill
            },
        );
    }

    fn output_views(&self, e: &mut Emitter) {
        let y = &self.stage.y;
        let (n_pixels, cols) = (self.t.block_rows * y.width, self.t.block_channels);
        e.view(
            C,
            &View {
                space: Space::Acc,
                format: ElementFormat::I32,
                base: 0,
                zero_point: 0,
                rows: &[(n_pixels, self.tile_cols)],
                columns: &[(self.tile_cols, 1)],
            },
        );
        let (format, zero_point, base) = (y.format, y.zero_point, self.spm[3] as i64);
        let (rows, columns) = ([(n_pixels, cols)], [(cols, 1)]);
        e.view(
            Y,
            &View {
                space: Space::Spm,
                format,
                base,
                zero_point,
                rows: &rows,
                columns: &columns,
            },
        );
        e.op(Op::Clip {
            d: Y,
            lo: Imm(i64::from(self.stage.clip.0)),
            hi: Imm(i64::from(self.stage.clip.1)),
        });
        let (base, rows) = (y.address as i64, [(n_pixels, y.channels)]);
        e.view(
            Y_DRAM,
            &View {
                space: Space::Dram,
                format,
                base,
                zero_point,
                rows: &rows,
                columns: &columns,
            },
        );
    }

    fn rings(&self, e: &mut Emitter) {
        let s = &self.stage.sliding;
        e.credit(INPUT_FREE, self.t.input_buffers);
        e.credit(ACC_FREE, self.t.acc_buffers);
        e.credit(OUTPUT_FREE, self.t.output_buffers);
        if !self.t.weights_stay(self.stage) {
            e.credit(WEIGHTS_FREE, self.t.weight_buffers);
            e.credit(PARAMETERS_FREE, self.t.weight_buffers);
        }
        for register in [X_BUFFER, W_BUFFER, P_BUFFER, C_BUFFER, Y_BUFFER, Y_BLOCK] {
            e.set(register, 0);
        }
        e.set(ROWS_LEFT, self.stage.y.height as i64);
        e.set(X_ROW, -(s.pads[0] as i64));
        e.set(X_OFFSET, -((s.pads[0] * self.stage.x.row_bytes()) as i64));
        if self.t.weights_stay(self.stage) {
            self.load_parameters(e, self.stage.n(), Reg::ZERO, &[]);
            let bytes = self.stage.k() * self.stage.n();
            e.op(Op::Ld {
                dst: W_FILL.into(),
                src: W_DRAM.into(),
                m: 1.into(),
                n: (bytes as i64).into(),
            });
        }
    }

    fn load_parameters(&self, e: &mut Emitter, cols: u64, offset: Reg, waits: &[Token]) {
        let n = (cols * 3) as i64;
        let load = Op::Ld {
            dst: at(P_FILL, P_BUFFER),
            src: at(P_DRAM, offset),
            m: 1.into(),
            n: n.into(),
        };
        e.ordered(load, waits, &[]);
    }

    /// All blocks of output rows.
    fn blocks(&self, e: &mut Emitter) {
        let (stage, s) = (self.stage, &self.stage.sliding);
        let (n_blocks, in_rows) = (self.t.n_blocks(stage), s.span(0, self.t.block_rows));
        let ragged = !stage.y.height.is_multiple_of(self.t.block_rows);
        if !ragged {
            e.set(PIXELS, (self.t.block_rows * stage.y.width) as i64);
        }
        let needs_window = s.pads[0] > 0 || s.span(0, n_blocks * self.t.block_rows) > stage.x.height + s.pads[0];
        let row_elements = s.span(1, stage.y.width) * stage.x.channels;
        e.repeat(n_blocks, |e| {
            if ragged {
                e.op(Op::Min {
                    rd: ROWS,
                    ra: ROWS_LEFT,
                    b: (self.t.block_rows as i64).into(),
                });
                e.op(Op::Mul {
                    rd: PIXELS,
                    ra: ROWS,
                    b: (stage.y.width as i64).into(),
                });
                e.add(ROWS_LEFT, -(self.t.block_rows as i64));
            }
            if needs_window {
                e.window(X_DRAM, Axis::Y, 2, X_ROW, stage.x.height);
            }
            let load = Op::Ld {
                dst: at(X_FILL, X_BUFFER),
                src: at(X_DRAM, X_OFFSET),
                m: (in_rows as i64).into(),
                n: (row_elements as i64).into(),
            };
            e.ordered(load, &[INPUT_FREE], &[INPUT_FULL]);
            e.ordered(Op::MxNop {}, &[INPUT_FULL], &[]);
            self.channel_blocks(e);
            e.ordered(Op::MxNop {}, &[], &[INPUT_FREE]);
            if n_blocks > 1 {
                let step = self.t.block_rows * s.strides[0];
                e.toggle(X_BUFFER, self.f.input_bytes, self.t.input_buffers);
                e.add(X_ROW, step as i64);
                e.add(X_OFFSET, (step * stage.x.row_bytes()) as i64);
                e.add(Y_BLOCK, (self.t.block_rows * stage.y.width * stage.y.channels) as i64);
            }
        });
    }

    /// All channel blocks of one block of rows.
    fn channel_blocks(&self, e: &mut Emitter) {
        let n = self.stage.n();
        let (n_full, rest) = (n / self.t.block_channels, n % self.t.block_channels);
        e.set(W_OFFSET, 0);
        e.set(P_OFFSET, 0);
        e.copy(Y_OFFSET, Y_BLOCK);
        e.repeat(n_full, |e| self.channel_block(e, self.t.block_channels));
        if rest > 0 {
            // Its rows are shorter, in DRAM as in the scratchpad.
            self.restride(e, rest);
            self.channel_block(e, rest);
            self.restride(e, self.t.block_channels);
        }
    }

    /// Sets the row length of weights and outputs.
    fn restride(&self, e: &mut Emitter, cols: u64) {
        let stride = (cols as i64).into();
        let n_pixels = (self.t.block_rows * self.stage.y.width) as i64;
        e.op(Op::Level {
            d: W,
            index: Imm(3),
            count: (self.t.chunk as i64).into(),
            stride,
        });
        e.op(Op::Level {
            d: Y,
            index: Imm(3),
            count: n_pixels.into(),
            stride,
        });
    }

    fn channel_block(&self, e: &mut Emitter, cols: u64) {
        let streams_weights = !self.t.weights_stay(self.stage);
        if streams_weights {
            self.load_parameters(e, cols, P_OFFSET, &[PARAMETERS_FREE]);
            e.add(P_OFFSET, (cols * PARAMETER_BYTES) as i64);
        }
        e.ordered(Op::VxNop {}, &[OUTPUT_FREE], &[]);
        if self.t.n_chunks(self.stage) == 1 {
            self.chunk_of_weights(e, cols, self.stage.k(), streams_weights, |e| self.tiles(e, cols));
        } else {
            self.chunks(e, cols);
        }
        e.ordered(Op::VxNop {}, &[], &[OUTPUT_FULL]);
        let store = Op::St {
            dst: at(Y_DRAM, Y_OFFSET),
            src: at(Y, Y_BUFFER),
            m: PIXELS.into(),
            n: (cols as i64).into(),
        };
        let freed: &[Token] = if streams_weights {
            &[OUTPUT_FREE, PARAMETERS_FREE]
        } else {
            &[OUTPUT_FREE]
        };
        e.ordered(store, &[OUTPUT_FULL], freed);
        e.toggle(Y_BUFFER, self.f.output_bytes, self.t.output_buffers);
        if streams_weights {
            e.toggle(P_BUFFER, self.f.parameter_bytes, self.t.weight_buffers);
        }
        e.add(Y_OFFSET, cols as i64);
    }

    /// Loads `k` rows of weights, if they do not stay, and runs `body` on them.
    fn chunk_of_weights(&self, e: &mut Emitter, cols: u64, k: u64, streams: bool, body: impl FnOnce(&mut Emitter)) {
        if streams {
            let bytes = (k * cols) as i64;
            let load = Op::Ld {
                dst: at(W_FILL, W_BUFFER),
                src: at(W_DRAM, W_OFFSET),
                m: 1.into(),
                n: bytes.into(),
            };
            e.ordered(load, &[WEIGHTS_FREE], &[WEIGHTS_FULL]);
            e.add(W_OFFSET, bytes);
            e.ordered(Op::MxNop {}, &[WEIGHTS_FULL], &[]);
        }
        body(e);
        if streams {
            e.ordered(Op::MxNop {}, &[], &[WEIGHTS_FREE]);
            e.toggle(W_BUFFER, self.f.weight_bytes, self.t.weight_buffers);
        }
    }

    /// A reduction in several chunks, for the channels of one array tile.
    fn chunks(&self, e: &mut Emitter, cols: u64) {
        let k = self.stage.k();
        let (n_full, rest) = (k / self.t.chunk, k % self.t.chunk);
        e.set(K_CHUNK0, 0);
        let one = |e: &mut Emitter, k: u64, is_first: bool| {
            self.chunk_of_weights(e, cols, k, true, |e| {
                e.copy(W_TILE, W_BUFFER);
                e.copy(K0, K_CHUNK0);
                self.reduction(e, cols, (cols as i64).into(), k, is_first);
            });
            e.add(K_CHUNK0, k as i64);
        };
        one(e, self.t.chunk, true);
        e.repeat(n_full - 1, |e| one(e, self.t.chunk, false));
        if rest > 0 {
            one(e, rest, false);
        }
        e.ordered(Op::MxNop {}, &[], &[ACC_FULL]);
        e.copy(Y_TILE, Y_BUFFER);
        e.copy(P_TILE, P_BUFFER);
        self.requantize(e, (cols as i64).into());
    }

    /// All array tiles of one channel block whose weights are in the scratchpad.
    fn tiles(&self, e: &mut Emitter, cols: u64) {
        let n_tiles = cols.div_ceil(self.tile_cols);
        let n = size(N_SIZE, cols, self.tile_cols);
        e.copy(W_COLUMN, W_BUFFER);
        e.copy(Y_TILE, Y_BUFFER);
        e.copy(P_TILE, P_BUFFER);
        e.set(N_LEFT, cols as i64);
        e.repeat(n_tiles, |e| {
            if let Count::Reg(register) = n {
                e.op(Op::Min {
                    rd: register,
                    ra: N_LEFT,
                    b: (self.tile_cols as i64).into(),
                });
                e.add(N_LEFT, -(self.tile_cols as i64));
            }
            e.copy(W_TILE, W_COLUMN);
            e.set(K0, 0);
            self.reduction(e, cols, n, self.stage.k(), true);
            e.ordered(Op::MxNop {}, &[], &[ACC_FULL]);
            self.requantize(e, n);
            if n_tiles > 1 {
                e.add(W_COLUMN, self.tile_cols as i64);
                e.add(Y_TILE, self.tile_cols as i64);
                e.add(P_TILE, (self.tile_cols * PARAMETER_BYTES) as i64);
            }
        });
    }

    /// The products of one array tile of outputs over `k` reduction rows, from `W_TILE` and `K0` on.
    fn reduction(&self, e: &mut Emitter, cols: u64, n: Count, k: u64, overwrite: bool) {
        let rows = u64::from(self.machine.rows);
        let (n_full, rest) = (k / rows, k % rows);
        let mut full_left = n_full;
        if overwrite {
            let first = k.min(rows);
            self.product(e, (first as i64).into(), n, Accumulate::Over, &[ACC_FREE]);
            self.next_tile(e, cols, first);
            full_left = n_full.saturating_sub(1);
            if n_full == 0 {
                return;
            }
        }
        e.repeat(full_left, |e| {
            self.product(e, (rows as i64).into(), n, Accumulate::Add, &[]);
            self.next_tile(e, cols, rows);
        });
        if rest > 0 {
            self.product(e, (rest as i64).into(), n, Accumulate::Add, &[]);
            self.next_tile(e, cols, rest);
        }
    }

    fn next_tile(&self, e: &mut Emitter, cols: u64, k: u64) {
        e.add(W_TILE, (k * cols) as i64);
        e.add(K0, k as i64);
    }

    fn product(&self, e: &mut Emitter, k: Count, n: Count, mode: Accumulate, waits: &[Token]) {
        e.op(Op::MxWload { w: at(W, W_TILE), k, n });
        let product = Op::MxMm {
            c: at(C, C_BUFFER),
            a: at(X, X_BUFFER),
            m0: 0.into(),
            m: PIXELS.into(),
            k0: K0.into(),
            mode,
            weights: Weights::Swap,
        };
        e.ordered(product, waits, &[]);
    }

    fn requantize(&self, e: &mut Emitter, n: Count) {
        let requantize = Op::VxRequant {
            dst: at(Y, Y_TILE),
            src: at(C, C_BUFFER),
            par: at(P, P_TILE),
            m: PIXELS.into(),
            n,
            rounding: Rounding::Float,
        };
        e.ordered(requantize, &[ACC_FULL], &[ACC_FREE]);
        e.toggle(C_BUFFER, self.f.acc_bytes, self.t.acc_buffers);
    }
}
