//! The products of a convolution, their requantization and the stores of their results.

use super::super::emitter::{Emitter, at};
use super::super::tiling::PARAMETER_BYTES;
use super::loads::Loads;
use super::views::{A, A_DRAM, A_PARAMETERS, C, P, T, W, X, Y, Y_DRAM};
use super::*;
use systole_isa::operand::{Accumulate, Weights};

impl Conv<'_> {
    /// One channel block of one block of rows, whose buffer of outputs is claimed. With `loads`, its weights are loaded for it.
    pub(super) fn item(&self, e: &mut Emitter, loads: Option<&Loads<'_>>) {
        match loads {
            Some(loads) if self.t.n_chunks(self.stage) > 1 => self.chunks(e, loads),
            Some(loads) => self.with_chunk(e, loads, |e| {
                self.tiles(e);
                e.ordered(Op::MxNop {}, &[], &[WEIGHTS_FREE]);
            }),
            None => self.tiles(e),
        }
        let stores = !self.stage.y.is_resident();
        let freed: Vec<Token> = [
            stores.then_some(OUTPUT_FULL),
            loads.is_some().then_some(PARAMETERS_FREE),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !freed.is_empty() {
            e.ordered(Op::VxNop {}, &[], &freed);
        }
        if stores {
            let store = Op::St {
                dst: at(Y_DRAM, Y_OFFSET),
                src: at(Y, Y_BUFFER),
                m: self.pixels().into(),
                n: self.channels.into(),
            };
            e.ordered(store, &[OUTPUT_FULL], &[OUTPUT_FREE]);
            e.toggle(Y_BUFFER, self.f.output_bytes, self.t.output_buffers);
        }
        if loads.is_some() {
            e.toggle(P_BUFFER, self.f.parameter_bytes, self.t.parameter_buffers);
        }
    }

    /// The register with the place of the present outputs in the scratchpad.
    fn output(&self) -> Reg {
        if self.stage.y.is_resident() { Y_OFFSET } else { Y_BUFFER }
    }

    /// Whether what is added lies elsewhere in the scratchpad than the outputs do.
    fn adds_from_elsewhere(&self) -> bool {
        self.stage.residual.is_some() && !self.stage.loads_addition() && !self.stage.y.is_resident()
    }

    /// Begins at the first array tile of the present outputs.
    fn begin_tiles(&self, e: &mut Emitter) {
        e.copy(Y_TILE, self.output());
        if self.adds_from_elsewhere() {
            e.copy(A_TILE, Y_OFFSET);
        }
        e.copy(P_TILE, P_BUFFER);
    }

    /// Waits for a free buffer of outputs, and for what is to be added to them.
    pub(super) fn claim_output(&self, e: &mut Emitter) {
        let claims: &[Token] = if self.stage.y.is_resident() {
            &[]
        } else {
            &[OUTPUT_FREE]
        };
        if !self.stage.loads_addition() {
            if !claims.is_empty() {
                e.ordered(Op::VxNop {}, claims, &[]);
            }
            return;
        }
        let load = Op::Ld {
            dst: at(A, self.output()),
            src: at(A_DRAM, Y_OFFSET),
            m: self.pixels().into(),
            n: self.channels.into(),
        };
        e.ordered(load, claims, &[RESIDUAL_FULL]);
        e.ordered(Op::VxNop {}, &[RESIDUAL_FULL], &[]);
    }

    /// Runs `body`, which frees the block as it loads its last tile, on the next block of weights.
    fn with_chunk(&self, e: &mut Emitter, loads: &Loads<'_>, body: impl FnOnce(&mut Emitter)) {
        if self.t.weight_buffers > 1 {
            loads.next_weights(e);
        }
        e.ordered(Op::MxNop {}, &[WEIGHTS_FULL], &[]);
        body(e);
        if self.t.weight_buffers == 1 {
            loads.next_weights(e);
        }
        e.toggle(W_BUFFER, self.f.weight_bytes, self.t.weight_buffers);
    }

    /// A reduction in several chunks, for the channels of one array tile.
    fn chunks(&self, e: &mut Emitter, loads: &Loads<'_>) {
        let k = self.stage.k();
        let (n_full, rest) = (k / self.t.chunk, k % self.t.chunk);
        if let Size::In(register) = self.tile {
            e.copy(register, CHANNELS);
            self.restride_weights(e, register);
        }
        e.set(K_CHUNK0, 0);
        let one = |e: &mut Emitter, k: u64, is_first: bool| {
            self.with_chunk(e, loads, |e| {
                e.copy(W_TILE, W_BUFFER);
                e.copy(K0, K_CHUNK0);
                self.reduction(e, k, is_first, &[WEIGHTS_FREE]);
            });
            e.add(K_CHUNK0, k as i64);
        };
        one(e, self.t.chunk, true);
        e.repeat(n_full - 1, |e| one(e, self.t.chunk, false));
        if rest > 0 {
            one(e, rest, false);
        }
        e.ordered(Op::MxNop {}, &[], &[ACC_FULL]);
        self.begin_tiles(e);
        self.requantize(e);
    }

    /// All array tiles of one channel block whose weights are in the scratchpad.
    fn tiles(&self, e: &mut Emitter) {
        e.copy(W_TILE, W_BUFFER);
        self.begin_tiles(e);
        let tile = |e: &mut Emitter| {
            if let Size::In(register) = self.tile {
                self.tile.set(e, N_LEFT, self.tile_cols);
                self.restride_weights(e, register);
                e.add(N_LEFT, -(self.tile_cols as i64));
            }
            e.set(K0, 0);
            self.reduction(e, self.stage.k(), true, &[]);
            e.ordered(Op::MxNop {}, &[], &[ACC_FULL]);
            self.requantize(e);
            e.add(Y_TILE, self.tile_cols as i64);
            if self.adds_from_elsewhere() {
                e.add(A_TILE, self.tile_cols as i64);
            }
            e.add(P_TILE, (self.tile_cols * PARAMETER_BYTES) as i64);
        };
        match (self.channels, self.tile) {
            (Size::Fixed(channels), Size::Fixed(_)) => e.repeat(channels.div_ceil(self.tile_cols), tile),
            (Size::Fixed(channels), Size::In(_)) => {
                e.set(N_LEFT, channels as i64);
                e.repeat(channels.div_ceil(self.tile_cols), tile);
            }
            (Size::In(register), Size::In(_)) => {
                e.copy(N_LEFT, register);
                e.repeat_while_above_0(N_LEFT, tile);
            }
            (Size::In(register), Size::Fixed(_)) => {
                e.copy(N_LEFT, register);
                e.repeat_while_above_0(N_LEFT, |e| {
                    tile(e);
                    e.add(N_LEFT, -(self.tile_cols as i64));
                });
            }
        }
    }

    /// The products of one array tile of outputs over `k` reduction rows, from `W_TILE` and `K0` on. The load of the last tile posts `freed`:
    /// the array has its weights then, long before its sums are complete.
    fn reduction(&self, e: &mut Emitter, k: u64, overwrite: bool, freed: &[Token]) {
        let rows = u64::from(self.machine.rows);
        let mut left = k.div_ceil(rows);
        let last = k - (left - 1) * rows;
        if overwrite {
            left -= 1;
            let posts = if left == 0 { freed } else { &[] };
            self.product(e, k.min(rows), Accumulate::Over, &[ACC_FREE], posts);
        }
        if last == rows && freed.is_empty() {
            e.repeat(left, |e| self.product(e, rows, Accumulate::Add, &[], &[]));
        } else if left > 0 {
            e.repeat(left - 1, |e| self.product(e, rows, Accumulate::Add, &[], &[]));
            self.product(e, last, Accumulate::Add, &[], freed);
        }
    }

    fn product(&self, e: &mut Emitter, k: u64, mode: Accumulate, waits: &[Token], freed: &[Token]) {
        let n = self.tile.into();
        let load = Op::MxWload {
            w: at(W, W_TILE),
            k: (k as i64).into(),
            n,
        };
        e.ordered(load, &[], freed);
        let product = Op::MxMm {
            c: at(C, C_BUFFER),
            a: at(X, X_BUFFER),
            m0: 0.into(),
            m: self.pixels().into(),
            k0: K0.into(),
            mode,
            weights: Weights::Swap,
        };
        e.ordered(product, waits, &[]);
        let bytes = self.tile.times(e, SCRATCH, k);
        e.add(W_TILE, bytes);
        e.add(K0, k as i64);
    }

    fn requantize(&self, e: &mut Emitter) {
        let requantize = Op::VxRequant {
            dst: if self.stage.residual.is_some() {
                T.into()
            } else {
                at(Y, Y_TILE)
            },
            src: at(C, C_BUFFER),
            par: at(P, P_TILE),
            m: self.pixels().into(),
            n: self.tile.into(),
            rounding: self.rounding,
        };
        e.ordered(requantize, &[ACC_FULL], &[ACC_FREE]);
        if let Some(residual) = self.stage.residual {
            let added = if self.adds_from_elsewhere() { A_TILE } else { Y_TILE };
            let operands = (T.into(), at(A, added));
            let (a, b) = if residual.is_first {
                (operands.1, operands.0)
            } else {
                operands
            };
            e.op(Op::VxAdd {
                dst: at(Y, Y_TILE),
                a,
                b,
                par: A_PARAMETERS.into(),
                m: self.pixels().into(),
                n: self.tile.into(),
                rounding: self.rounding,
            });
        }
        e.toggle(C_BUFFER, self.f.acc_bytes, self.t.acc_buffers);
    }
}
