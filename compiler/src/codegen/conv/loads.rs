//! The loads of a convolution, which run one block ahead of the products and keep their own place in the tensors.

use super::super::emitter::{Emitter, Skip, at};
use super::super::tiling::{PARAMETER_BYTES, PARAMETER_ELEMENTS};
use super::views::{P_DRAM, P_FILL, W_DRAM, W_FILL, X, X_DRAM, X_FILL, Y_LEVEL};
use super::{Conv, INPUT_FREE, INPUT_FULL, PARAMETERS_FREE, SCRATCH, Size, WEIGHTS_FREE, WEIGHTS_FULL};
use systole_isa::Op;
use systole_isa::operand::{Axis, Count, Desc, Reg, Scalar, Token};

/// Reduction rows of the next block of weights.
const K_SIZE: Reg = Reg::at(20);
/// Channels of the next block of weights.
const N_SIZE: Reg = Reg::at(21);
const X_LOAD: Reg = Reg::at(22);
/// Index of the first input row of the next block, negative in the padding.
const X_ROW: Reg = Reg::at(23);
/// Groups of images left in this pass over the inputs.
const X_GROUPS: Reg = Reg::at(25);
/// Loads of inputs left.
const X_LOADS: Reg = Reg::at(26);
const W_LOAD: Reg = Reg::at(27);
const P_LOAD: Reg = Reg::at(28);
/// Loads of weights left.
const W_LOADS: Reg = Reg::at(29);
/// Channels not yet loaded in this pass over the weights.
const N_LEFT: Reg = Reg::at(30);
/// Reduction rows not yet loaded of the present channel block.
const K_LEFT: Reg = Reg::at(31);

/// The loads of one layer.
pub(super) struct Loads<'a> {
    conv: &'a Conv<'a>,
    /// How often inputs are loaded.
    n_inputs: u64,
    /// How often weights are loaded.
    n_weights: u64,
    /// Channels of a block of weights, and its reduction rows.
    channels: Size,
    chunk: Size,
}

impl<'a> Loads<'a> {
    pub(super) fn new(conv: &'a Conv<'a>) -> Self {
        let (t, stage) = (&conv.t, conv.stage);
        Self {
            conv,
            n_inputs: t.n_input_loads(stage),
            n_weights: t.n_weight_loads(stage),
            channels: Size::of(N_SIZE, stage.n(), t.block_channels),
            chunk: Size::of(K_SIZE, stage.k(), t.chunk),
        }
    }

    /// Sets the places of the first loads.
    pub(super) fn begin(&self, e: &mut Emitter) {
        let (t, stage) = (&self.conv.t, self.conv.stage);
        e.set(X_LOAD, 0);
        e.set(X_ROW, -(stage.sliding.pads[0] as i64));
        let above = (stage.sliding.pads[0] * stage.x.row_bytes()) as i64;
        if above > 0 {
            self.displace(e, self.image(), -above);
        }
        if self.n_inputs > 1 {
            e.set(X_GROUPS, t.n_groups(stage) as i64);
            e.set(X_LOADS, self.n_inputs as i64 - 1);
        }
        e.set(W_LOAD, 0);
        e.set(P_LOAD, 0);
        if self.n_weights > 1 {
            e.set(W_LOADS, self.n_weights as i64 - 1);
            e.set(N_LEFT, stage.n() as i64);
            e.set(K_LEFT, stage.k() as i64);
        }
    }

    /// The view of the whole input, which moves from block to block.
    fn image(&self) -> Desc {
        if self.conv.stage.x.is_resident() { X } else { X_DRAM }
    }

    fn displace(&self, e: &mut Emitter, d: Desc, bytes: impl Into<Scalar>) {
        e.op(Op::Move { d, bytes: bytes.into() });
    }

    /// The first block of inputs; if they lie in the scratchpad, the array waits for the layer before.
    pub(super) fn first_input(&self, e: &mut Emitter) {
        if self.conv.stage.x.is_resident() {
            e.ordered(Op::LdNop {}, &[], &[INPUT_FULL]);
            e.ordered(Op::MxNop {}, &[INPUT_FULL], &[]);
        } else {
            self.input(e);
        }
    }

    /// Lets the array have the present block of inputs.
    pub(super) fn begin_input(&self, e: &mut Emitter) {
        if self.conv.stage.x.is_resident() {
            return self.conv.bound_rows(e, X_ROW);
        }
        if self.conv.t.input_buffers > 1 {
            self.next_input(e);
        }
        e.ordered(Op::MxNop {}, &[INPUT_FULL], &[]);
    }

    /// The array has done with the present block of inputs.
    pub(super) fn end_input(&self, e: &mut Emitter) {
        if self.conv.stage.x.is_resident() {
            if self.n_inputs > 1 {
                self.advance_input(e);
            }
            return;
        }
        e.ordered(Op::MxNop {}, &[], &[INPUT_FREE]);
        if self.conv.t.input_buffers == 1 {
            self.next_input(e);
        }
    }

    /// The next block of inputs, if there is one.
    fn next_input(&self, e: &mut Emitter) {
        if self.n_inputs > 1 {
            e.unless(Skip::Zero(X_LOADS), |e| {
                self.input(e);
                e.add(X_LOADS, -1);
            });
        }
    }

    /// The next block of weights, if there is one.
    pub(super) fn next_weights(&self, e: &mut Emitter) {
        if self.n_weights > 1 {
            e.unless(Skip::Zero(W_LOADS), |e| {
                self.weights(e);
                e.add(W_LOADS, -1);
            });
        }
    }

    /// Loads a block of inputs and moves on.
    fn input(&self, e: &mut Emitter) {
        let (t, stage) = (&self.conv.t, self.conv.stage);
        let (s, x) = (&stage.sliding, &stage.x);
        let (step, taken) = (s.sampling(), s.sampled());
        let in_rows = taken.span(0, t.block_rows);
        if t.reaches_beyond(stage) {
            e.window(X_DRAM, Axis::Y, Y_LEVEL, step[0], X_ROW, x.height);
        }
        let load = Op::Ld {
            dst: at(X_FILL, X_LOAD),
            src: X_DRAM.into(),
            m: ((t.images * in_rows) as i64).into(),
            n: ((taken.span(1, stage.y.width) * x.channels) as i64).into(),
        };
        e.ordered(load, &[INPUT_FREE], &[INPUT_FULL]);
        if self.n_inputs > 1 {
            e.toggle(X_LOAD, self.conv.f.input_bytes, t.input_buffers);
            self.advance_input(e);
        }
    }

    fn advance_input(&self, e: &mut Emitter) {
        let (t, stage) = (&self.conv.t, self.conv.stage);
        let x = &stage.x;
        let (n_row_blocks, n_groups) = (t.n_row_blocks(stage), t.n_groups(stage));
        let rewinds = self.n_inputs > t.n_blocks(stage);
        let rows = t.block_rows * stage.sliding.strides[0];
        let group = (t.images * x.image_bytes()) as i64;
        let block = (rows * x.row_bytes()) as i64;
        if n_row_blocks > 1 {
            e.add(X_ROW, rows as i64);
            self.displace(e, self.image(), block);
        }
        if n_groups == 1 && !rewinds {
            return;
        }
        let next_group = |e: &mut Emitter| {
            let walked = if n_row_blocks > 1 {
                n_row_blocks as i64 * block
            } else {
                0
            };
            self.displace(e, self.image(), if n_groups > 1 { group - walked } else { -walked });
            if rewinds && n_groups > 1 {
                e.add(X_GROUPS, -1);
                e.unless(Skip::Above0(X_GROUPS), |e| {
                    e.set(X_GROUPS, n_groups as i64);
                    self.displace(e, self.image(), -(n_groups as i64 * group));
                });
            }
        };
        if n_row_blocks == 1 {
            return next_group(e);
        }
        let first = -(stage.sliding.pads[0] as i64);
        e.unless(Skip::Below(X_ROW, first + (n_row_blocks * rows) as i64), |e| {
            e.set(X_ROW, first);
            next_group(e);
        });
    }

    /// Loads the first block of weights with the parameters of its channels, whose buffers are free.
    pub(super) fn first_weights(&self, e: &mut Emitter) {
        self.channels.set(e, N_LEFT, self.conv.t.block_channels);
        self.parameters(e, &[]);
        self.block_of_weights(e, &[]);
    }

    /// Loads a block of weights, with the parameters of its channels if it is the first of them, and moves on.
    fn weights(&self, e: &mut Emitter) {
        let (t, stage) = (&self.conv.t, self.conv.stage);
        self.channels.set(e, N_LEFT, t.block_channels);
        if t.n_chunks(stage) > 1 {
            e.unless(Skip::NotEqual(K_LEFT, stage.k()), |e| {
                self.parameters(e, &[PARAMETERS_FREE])
            });
        } else {
            self.parameters(e, &[PARAMETERS_FREE]);
        }
        self.block_of_weights(e, &[WEIGHTS_FREE]);
    }

    fn block_of_weights(&self, e: &mut Emitter, waits: &[Token]) {
        let t = &self.conv.t;
        self.chunk.set(e, K_LEFT, t.chunk);
        let bytes = match (self.channels, self.chunk) {
            (size, Size::Fixed(rows)) | (Size::Fixed(rows), size) => size.times(e, SCRATCH, rows),
            (Size::In(a), Size::In(b)) => {
                e.op(Op::Mul {
                    rd: SCRATCH,
                    ra: a,
                    b: b.into(),
                });
                Size::In(SCRATCH)
            }
        };
        let load = Op::Ld {
            dst: at(W_FILL, W_LOAD),
            src: W_DRAM.into(),
            m: 1.into(),
            n: bytes.into(),
        };
        e.ordered(load, waits, &[WEIGHTS_FULL]);
        if self.n_weights > 1 {
            e.toggle(W_LOAD, self.conv.f.weight_bytes, t.weight_buffers);
            self.displace(e, W_DRAM, bytes);
            self.advance_weights(e);
        }
    }

    fn parameters(&self, e: &mut Emitter, waits: &[Token]) {
        let t = &self.conv.t;
        let n = Count::from(self.channels.times(e, SCRATCH, PARAMETER_ELEMENTS));
        let load = Op::Ld {
            dst: at(P_FILL, P_LOAD),
            src: P_DRAM.into(),
            m: 1.into(),
            n,
        };
        e.ordered(load, waits, &[]);
        if self.n_weights > 1 {
            e.toggle(P_LOAD, self.conv.f.parameter_bytes, t.parameter_buffers);
            let bytes = self.channels.times(e, SCRATCH, PARAMETER_BYTES);
            self.displace(e, P_DRAM, bytes);
        }
    }

    fn advance_weights(&self, e: &mut Emitter) {
        let (t, stage) = (&self.conv.t, self.conv.stage);
        let rewinds = self.n_weights > t.n_weight_blocks(stage);
        let next_channels = |e: &mut Emitter| {
            e.add(N_LEFT, -(t.block_channels as i64));
            if rewinds {
                e.unless(Skip::Above0(N_LEFT), |e| {
                    e.set(N_LEFT, stage.n() as i64);
                    self.displace(e, W_DRAM, -((stage.k() * stage.n()) as i64));
                    self.displace(e, P_DRAM, -((stage.n() * PARAMETER_BYTES) as i64));
                });
            }
        };
        if t.n_chunks(stage) == 1 {
            return next_channels(e);
        }
        e.add(K_LEFT, -(t.chunk as i64));
        e.unless(Skip::Above0(K_LEFT), |e| {
            e.set(K_LEFT, stage.k() as i64);
            next_channels(e);
        });
    }
}
