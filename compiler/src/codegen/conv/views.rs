//! The descriptors of a convolution.

use super::super::emitter::{Emitter, View};
use super::super::tiling::{PARAMETER_ELEMENTS, SPM_ALIGNMENT};
use super::Conv;
use systole_isa::operand::{Axis, Desc, Imm, Reg, Space};
use systole_isa::{ElementFormat, Op};

pub(super) const X_DRAM: Desc = Desc::at(0);
pub(super) const X_FILL: Desc = Desc::at(1);
pub(super) const X: Desc = Desc::at(2);
pub(super) const W_DRAM: Desc = Desc::at(3);
pub(super) const W_FILL: Desc = Desc::at(4);
pub(super) const W: Desc = Desc::at(5);
pub(super) const P_DRAM: Desc = Desc::at(6);
pub(super) const P_FILL: Desc = Desc::at(7);
pub(super) const P: Desc = Desc::at(8);
pub(super) const C: Desc = Desc::at(9);
pub(super) const Y: Desc = Desc::at(10);
pub(super) const Y_DRAM: Desc = Desc::at(11);
/// What is added: in DRAM, and in the buffer of outputs.
pub(super) const A_DRAM: Desc = Desc::at(12);
pub(super) const A: Desc = Desc::at(13);
/// Products of an array tile that wait for the addition.
pub(super) const T: Desc = Desc::at(14);
const A_TABLE: Desc = Desc::at(15);
pub(super) const A_PARAMETERS: Desc = Desc::at(16);

/// Level of the rows of an image in `X_DRAM`.
pub(super) const Y_LEVEL: u8 = 2;
/// Level of the columns of an image in `X_DRAM`.
const X_LEVEL: u8 = 3;

impl Conv<'_> {
    pub(super) fn views(&self, e: &mut Emitter) {
        self.input_views(e);
        self.weight_views(e);
        self.output_views(e);
        if let Some(address) = self.addition_address {
            self.addition_views(e, address);
        }
    }

    fn input_views(&self, e: &mut Emitter) {
        if self.stage.x.is_resident() {
            return self.image_view(e);
        }
        let (x, y, ci) = (&self.stage.x, &self.stage.y, self.stage.x.channels);
        let s = &self.stage.sliding;
        let (step, taken) = (s.sampling(), s.sampled());
        let (in_rows, in_cols) = (taken.span(0, self.t.block_rows), taken.span(1, y.width));
        let (format, zero_point) = (x.format, x.zero_point);
        let dram = View {
            space: Space::Dram,
            format,
            base: x.place.address as i64 - (s.pads[1] * x.pitch) as i64,
            zero_point,
            rows: &[(self.t.images, x.image_bytes()), (in_rows, step[0] * x.row_bytes())],
            columns: &[(in_cols, step[1] * x.pitch), (ci, 1)],
        };
        e.view(X_DRAM, &dram);
        if s.pads[1] > 0 || (in_cols - 1) * step[1] >= x.width {
            e.window(X_DRAM, Axis::X, X_LEVEL, step[1], -(s.pads[1] as i64), x.width);
        }
        let row = in_cols * ci;
        let fill = View {
            space: Space::Spm,
            base: self.spm[0] as i64,
            rows: &[(self.t.images * in_rows, row)],
            columns: &[(row, 1)],
            ..dram
        };
        e.view(X_FILL, &fill);
        let rows = [
            (self.t.images, in_rows * row),
            (self.t.block_rows, taken.strides[0] * row),
            (y.width, taken.strides[1] * ci),
        ];
        // Neighbouring taps of a row lie side by side unless the window is dilated.
        let merged = [(s.kernel[0], s.dilations[0] * row), (s.kernel[1] * ci, 1)];
        let apart = [merged[0], (s.kernel[1], s.dilations[1] * ci), (ci, 1)];
        let is_dense = s.dilations[1] == 1 || s.kernel[1] == 1;
        let (rows, columns) = if is_dense {
            (&rows[..], &merged[..])
        } else {
            (&rows[1..], &apart[..])
        };
        e.view(X, &View { rows, columns, ..fill });
    }

    /// The view of inputs in the scratchpad as they are, from the first block's first column on.
    fn image_view(&self, e: &mut Emitter) {
        let (x, s) = (&self.stage.x, &self.stage.sliding);
        let view = View {
            space: Space::Spm,
            format: x.format,
            base: x.place.address as i64 - (s.pads[1] * x.pitch) as i64,
            zero_point: x.zero_point,
            rows: &[
                (self.t.block_rows, s.strides[0] * x.row_bytes()),
                (self.stage.y.width, s.strides[1] * x.pitch),
            ],
            columns: &[
                (s.kernel[0], s.dilations[0] * x.row_bytes()),
                (s.kernel[1], s.dilations[1] * x.pitch),
                (x.channels, 1),
            ],
        };
        e.view(X, &view);
        if s.pads[1] > 0 || s.span(1, self.stage.y.width) > x.width {
            let origin = -(s.pads[1] as i64);
            e.sliding_window(X, Axis::X, [s.strides[1], s.dilations[1]], origin, x.width);
        }
    }

    /// Bounds the rows of the present block of inputs in the scratchpad to the image.
    pub(super) fn bound_rows(&self, e: &mut Emitter, first_row: Reg) {
        let (x, s) = (&self.stage.x, &self.stage.sliding);
        if self.t.reaches_beyond(self.stage) {
            e.sliding_window(X, Axis::Y, [s.strides[0], s.dilations[0]], first_row, x.height);
        }
    }

    fn weight_views(&self, e: &mut Emitter) {
        let (format, zero_point) = (self.stage.weight_format, self.stage.weight_zero_point);
        let run = [(self.t.chunk * self.t.block_channels, 1)];
        let dram = View {
            space: Space::Dram,
            format,
            base: self.weights_address as i64,
            zero_point,
            rows: &[],
            columns: &run,
        };
        let fill = e.buffered(W_DRAM, W_FILL, &dram, self.spm[1]);
        let tile = [(self.tile_cols, 1)];
        let rows = [(self.t.chunk, self.tile_cols)];
        e.view(
            W,
            &View {
                rows: &rows,
                columns: &tile,
                ..fill
            },
        );
        let table = [(self.t.block_channels * PARAMETER_ELEMENTS, 1)];
        let dram = View {
            format: ElementFormat::I32,
            base: self.parameters_address as i64,
            zero_point: 0,
            columns: &table,
            ..dram
        };
        let fill = e.buffered(P_DRAM, P_FILL, &dram, self.spm[2]);
        let rows = [(self.t.block_channels, PARAMETER_ELEMENTS)];
        let columns = [(PARAMETER_ELEMENTS, 1)];
        e.view(
            P,
            &View {
                rows: &rows,
                columns: &columns,
                ..fill
            },
        );
    }

    fn output_views(&self, e: &mut Emitter) {
        let y = &self.stage.y;
        let (n_pixels, channels) = (self.t.pixels(self.stage), self.t.block_channels);
        let (rows, columns) = ([(n_pixels, self.tile_cols)], [(self.tile_cols, 1)]);
        let acc = View {
            space: Space::Acc,
            format: ElementFormat::I32,
            base: 0,
            zero_point: 0,
            rows: &rows,
            columns: &columns,
        };
        e.view(C, &acc);
        let (rows, columns) = ([(n_pixels, channels)], [(channels, 1)]);
        let fill = View {
            space: Space::Spm,
            format: y.format,
            base: self.spm[3] as i64,
            zero_point: y.zero_point,
            rows: &rows,
            columns: &columns,
        };
        let in_place = View {
            space: y.place.space,
            base: y.place.address as i64,
            rows: &[(n_pixels, y.pitch)],
            ..fill
        };
        e.view(Y, if y.is_resident() { &in_place } else { &fill });
        let (lo, hi) = self.stage.clip;
        e.op(Op::Clip {
            d: Y,
            lo: Imm(i64::from(lo)),
            hi: Imm(i64::from(hi)),
        });
        if !y.is_resident() {
            e.view(Y_DRAM, &in_place);
        }
    }

    /// The views of the addition at the end.
    fn addition_views(&self, e: &mut Emitter, address: u64) {
        let Some(residual) = self.stage.residual else { return };
        let (n_pixels, channels) = (self.t.pixels(self.stage), self.t.block_channels);
        let (x, (format, zero_point, (lo, hi))) = (residual.x, residual.products);
        let columns = [(channels, 1)];
        let (in_place, in_buffer) = ([(n_pixels, x.pitch)], [(n_pixels, channels)]);
        let view = |space, base: u64, rows| View {
            space,
            format: x.format,
            base: base as i64,
            zero_point: x.zero_point,
            rows,
            columns: &columns,
        };
        if x.is_resident() {
            e.view(A, &view(Space::Spm, x.place.address, &in_place));
        } else {
            e.view(A_DRAM, &view(Space::Dram, x.place.address, &in_place));
            let y = &self.stage.y;
            if y.is_resident() {
                e.view(A, &view(Space::Spm, y.place.address, &in_place));
            } else {
                e.view(A, &view(Space::Spm, self.spm[3], &in_buffer));
            }
        }
        let products = View {
            space: Space::Spm,
            format,
            base: (self.spm[4] + SPM_ALIGNMENT) as i64,
            zero_point,
            rows: &[(n_pixels, self.tile_cols)],
            columns: &[(self.tile_cols, 1)],
        };
        e.view(T, &products);
        e.op(Op::Clip {
            d: T,
            lo: Imm(i64::from(lo)),
            hi: Imm(i64::from(hi)),
        });
        let n_words = residual.parameters.words().len() as u64;
        let table = View {
            space: Space::Dram,
            format: ElementFormat::I32,
            base: address as i64,
            zero_point: 0,
            rows: &[],
            columns: &[(n_words, 1)],
        };
        e.buffered(A_TABLE, A_PARAMETERS, &table, self.spm[4]);
    }

    /// Loads the parameters of the addition at the end.
    pub(super) fn load_addition(&self, e: &mut Emitter) {
        let Some(residual) = self.stage.residual else { return };
        let n_words = residual.parameters.words().len() as u64;
        e.op(Op::Ld {
            dst: A_PARAMETERS.into(),
            src: A_TABLE.into(),
            m: 1.into(),
            n: (n_words as i64).into(),
        });
    }

    /// Sets the row length of the outputs in the scratchpad to the channels of the present block.
    pub(super) fn restride_output(&self, e: &mut Emitter, channels: Reg) {
        let views: &[Desc] = match (self.stage.y.is_resident(), self.stage.loads_addition()) {
            (true, _) => &[],
            (false, true) => &[Y, A],
            (false, false) => &[Y],
        };
        for &d in views {
            e.op(Op::Level {
                d,
                index: Imm(3),
                count: (self.t.pixels(self.stage) as i64).into(),
                stride: channels.into(),
            });
        }
    }

    /// Sets the row length of the weights to the columns of the present array tile.
    pub(super) fn restride_weights(&self, e: &mut Emitter, columns: Reg) {
        e.op(Op::Level {
            d: W,
            index: Imm(3),
            count: (self.t.chunk as i64).into(),
            stride: columns.into(),
        });
    }
}
