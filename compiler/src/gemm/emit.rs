//! Code for a matrix product: blocks whose operands lie in the scratchpad, tiles within them by dataflow.
//!
//! Operands of neighbouring blocks load into two buffers; tokens order loads, products, requantization and stores.

use super::Dataflow;
use super::plan::{Encoding, Plan, ROW_ALIGNMENT, pieces};
use crate::codegen::buffers;
use crate::codegen::emitter::{Emitter, View, at};
use systole_isa::operand::{Accumulate, Desc, DescRef, Imm, Reg, Rounding, RowCount, Side, Space, Token, Weights};
use systole_isa::{ElementFormat, Op};

const FULL: Token = Token::at(0);
const FREE: Token = Token::at(1);
const ACC_FULL: Token = Token::at(2);
const ACC_FREE: Token = Token::at(3);
const OUTPUT_FULL: Token = Token::at(4);
const OUTPUT_FREE: Token = Token::at(5);
const PARAMETERS: Token = Token::at(6);

const A_DRAM: Desc = Desc::at(0);
const A: Desc = Desc::at(1);
const A_COLUMNS: Desc = Desc::at(2);
const W_DRAM: Desc = Desc::at(3);
const W_FILL: Desc = Desc::at(4);
const W: Desc = Desc::at(5);
const W_COLUMNS: Desc = Desc::at(6);
const I_DRAM: Desc = Desc::at(7);
const I_FILL: Desc = Desc::at(8);
const I: Desc = Desc::at(9);
const C: Desc = Desc::at(10);
const C_COLUMNS: Desc = Desc::at(11);
const Y: Desc = Desc::at(12);
const Y_DRAM: Desc = Desc::at(13);
const P_DRAM: Desc = Desc::at(14);
const P_FILL: Desc = Desc::at(15);
const P: Desc = Desc::at(16);

/// Byte offsets of the block's operands in DRAM.
const A_BLOCK: Reg = Reg::at(1);
const A_OFFSET: Reg = Reg::at(2);
const W_OFFSET: Reg = Reg::at(3);
const I_OFFSET: Reg = Reg::at(4);
const Y_BLOCK: Reg = Reg::at(5);
const Y_OFFSET: Reg = Reg::at(6);
/// Byte offsets of the buffers in use.
const A_BUFFER: Reg = Reg::at(7);
const W_BUFFER: Reg = Reg::at(8);
const I_BUFFER: Reg = Reg::at(9);
/// The tile's place.
const W_TILE: Reg = Reg::at(10);
const I_TILE: Reg = Reg::at(11);
const A_TILE: Reg = Reg::at(12);
const A_ROWS: Reg = Reg::at(13);
const C_TILE: Reg = Reg::at(14);
const C_ROWS: Reg = Reg::at(15);
const K0: Reg = Reg::at(16);
const M0: Reg = Reg::at(17);
const MASK: Reg = Reg::at(18);
const K_LENGTH: Reg = Reg::at(19);

/// Where the operands lie in DRAM.
pub(super) struct Addresses {
    pub(super) a: u64,
    pub(super) w: u64,
    pub(super) index: u64,
    pub(super) parameters: u64,
    pub(super) y: u64,
}

/// A piece of work of at most a block's size.
#[derive(Clone, Copy)]
struct Sizes {
    m: u64,
    n: u64,
    k: u64,
}

pub(super) struct Code<'a> {
    pub(super) plan: &'a Plan,
    pub(super) dram: Addresses,
    /// Scratchpad addresses of activations, weights, positions, outputs and parameters.
    spm: [u64; 5],
}

fn bytes(n_elements: u64, format: ElementFormat) -> i64 {
    format.bytes_from_elements(n_elements) as i64
}

/// Runs `body` for each piece of a reduction, given as its whole length and that of a piece: the first one with `mode`, the others
/// adding.
fn accumulate(
    e: &mut Emitter,
    (whole, full): (u64, u64),
    mode: Accumulate,
    body: impl Fn(&mut Emitter, u64, Accumulate),
) {
    let mut is_first = true;
    for (count, k) in pieces(whole, full) {
        let peeled = u64::from(is_first);
        if is_first {
            body(e, k, mode);
            is_first = false;
        }
        e.repeat(count - peeled, |e| body(e, k, Accumulate::Add));
    }
}

impl<'a> Code<'a> {
    pub(super) fn new(plan: &'a Plan, dram: Addresses) -> Self {
        let spm = buffers(plan.rings());
        Self { plan, dram, spm }
    }

    /// Elements from row to row of the activations in DRAM.
    fn a_stride(&self) -> u64 {
        self.plan.k.next_multiple_of(ROW_ALIGNMENT)
    }

    pub(super) fn emit(&self, e: &mut Emitter) {
        let (plan, gemm) = (self.plan, &self.plan.gemm);
        e.layer("gemm", "MatMul");
        self.parameters(e);
        let rings = [(FREE, plan.n_buffers), (ACC_FREE, 1), (OUTPUT_FREE, 1)];
        rings.iter().for_each(|&(token, n)| e.credit(token, n));
        for register in [A_BLOCK, Y_BLOCK, A_BUFFER, W_BUFFER, I_BUFFER] {
            e.set(register, 0);
        }
        for (count, m) in pieces(gemm.m, plan.block.m) {
            e.repeat(count, |e| {
                self.rows(e, m);
                e.add(A_BLOCK, bytes(m * self.a_stride(), gemm.activations));
                e.add(Y_BLOCK, (m * gemm.n) as i64);
            });
        }
        e.end_alone(&rings);
    }

    /// The one row of parameters, shown as a row per column.
    fn parameters(&self, e: &mut Emitter) {
        let run = [(3, 1)];
        let dram = View {
            space: Space::Dram,
            format: ElementFormat::I32,
            base: self.dram.parameters as i64,
            zero_point: 0,
            rows: &[],
            columns: &run,
        };
        let spm = e.buffered(P_DRAM, P_FILL, &dram, self.spm[4]);
        let rows = [(self.plan.block.n, 0)];
        e.view(P, &View { rows: &rows, ..spm });
        let load = Op::Ld {
            dst: P_FILL.into(),
            src: P_DRAM.into(),
            m: 1.into(),
            n: 3.into(),
        };
        e.ordered(load, &[], &[PARAMETERS]);
        e.ordered(Op::VxNop {}, &[PARAMETERS], &[]);
    }

    /// All columns of one block of rows.
    fn rows(&self, e: &mut Emitter, m: u64) {
        e.set(W_OFFSET, 0);
        e.set(I_OFFSET, 0);
        e.copy(Y_OFFSET, Y_BLOCK);
        for (count, n) in pieces(self.plan.gemm.n, self.plan.block.n) {
            e.repeat(count, |e| {
                self.block(e, m, n);
                e.add(Y_OFFSET, n as i64);
            });
        }
    }

    /// One block of the result.
    fn block(&self, e: &mut Emitter, m: u64, n: u64) {
        self.result_views(e, m, n);
        e.copy(A_OFFSET, A_BLOCK);
        e.ordered(Op::MxNop {}, &[ACC_FREE], &[]);
        accumulate(e, (self.plan.k, self.plan.block.k), Accumulate::Over, |e, k, mode| {
            self.reduce(e, Sizes { m, n, k }, mode);
        });
        e.ordered(Op::MxNop {}, &[], &[ACC_FULL]);
        let requantize = Op::VxRequant {
            dst: Y.into(),
            src: C.into(),
            par: P.into(),
            m: (m as i64).into(),
            n: (n as i64).into(),
            rounding: Rounding::Float,
        };
        e.ordered(requantize, &[ACC_FULL, OUTPUT_FREE], &[ACC_FREE, OUTPUT_FULL]);
        let store = Op::St {
            dst: at(Y_DRAM, Y_OFFSET),
            src: Y.into(),
            m: (m as i64).into(),
            n: (n as i64).into(),
        };
        e.ordered(store, &[OUTPUT_FULL], &[OUTPUT_FREE]);
    }

    fn result_views(&self, e: &mut Emitter, m: u64, n: u64) {
        let (rows, columns) = ([(m, n)], [(n, 1)]);
        let c = View {
            space: Space::Acc,
            format: ElementFormat::I32,
            base: 0,
            zero_point: 0,
            rows: &rows,
            columns: &columns,
        };
        e.view(C, &c);
        let transposed = View {
            rows: &columns,
            columns: &rows,
            ..c
        };
        e.view(C_COLUMNS, &transposed);
        let y = View {
            space: Space::Spm,
            format: ElementFormat::I8,
            base: self.spm[3] as i64,
            ..c
        };
        e.view(Y, &y);
        let rows = [(m, self.plan.gemm.n)];
        let dram = View {
            space: Space::Dram,
            base: self.dram.y as i64,
            rows: &rows,
            ..y
        };
        e.view(Y_DRAM, &dram);
    }

    /// Loads a block of both operands and multiplies.
    fn reduce(&self, e: &mut Emitter, sizes: Sizes, mode: Accumulate) {
        let Sizes { m, n, k } = sizes;
        let (plan, gemm) = (self.plan, &self.plan.gemm);
        self.activation_views(e, sizes);
        self.weight_views(e, sizes);
        let load = |dst: DescRef, src: DescRef, m: u64, n: u64| Op::Ld {
            dst,
            src,
            m: (m as i64).into(),
            n: (n as i64).into(),
        };
        let row = k.next_multiple_of(ROW_ALIGNMENT);
        e.ordered(load(at(A, A_BUFFER), at(A_DRAM, A_OFFSET), m, row), &[FREE], &[]);
        let run = plan.weight_elements(n, k);
        if plan.index_bytes(n, k) > 0 {
            e.op(load(at(I_FILL, I_BUFFER), at(I_DRAM, I_OFFSET), 1, run));
        }
        e.ordered(load(at(W_FILL, W_BUFFER), at(W_DRAM, W_OFFSET), 1, run), &[], &[FULL]);
        e.ordered(Op::MxNop {}, &[FULL], &[]);
        match gemm.dataflow {
            Dataflow::Ws => self.weight_stationary(e, sizes, mode),
            Dataflow::Is => self.input_stationary(e, sizes, mode),
            Dataflow::Os => self.output_stationary(e, sizes, mode),
        }
        e.ordered(Op::MxNop {}, &[], &[FREE]);
        e.add(A_OFFSET, bytes(k, gemm.activations));
        e.add(W_OFFSET, plan.weight_bytes(n, k) as i64);
        e.add(I_OFFSET, plan.index_bytes(n, k) as i64);
        let rings = plan.rings();
        for (register, ring) in [A_BUFFER, W_BUFFER, I_BUFFER].into_iter().zip(rings) {
            e.toggle(register, ring.0, plan.n_buffers);
        }
    }

    fn activation_views(&self, e: &mut Emitter, Sizes { m, k, .. }: Sizes) {
        let gemm = &self.plan.gemm;
        let row = k.next_multiple_of(ROW_ALIGNMENT);
        let (dram_rows, rows, columns) = ([(m, self.a_stride())], [(m, row)], [(row, 1)]);
        let dram = View {
            space: Space::Dram,
            format: gemm.activations,
            base: self.dram.a as i64,
            zero_point: gemm.zero_point(gemm.activations),
            rows: &dram_rows,
            columns: &columns,
        };
        e.view(A_DRAM, &dram);
        let spm = View {
            space: Space::Spm,
            base: self.spm[0] as i64,
            rows: &rows,
            ..dram
        };
        e.view(A, &spm);
        let transposed = View {
            rows: &columns,
            columns: &rows,
            ..spm
        };
        e.view(A_COLUMNS, &transposed);
    }

    fn weight_views(&self, e: &mut Emitter, Sizes { n, k, .. }: Sizes) {
        let (plan, gemm) = (self.plan, &self.plan.gemm);
        let (panel, stored) = (plan.panel(), plan.stored_rows(k));
        let run = [(plan.weight_elements(n, k), 1)];
        let (rows, columns) = ([(stored, panel)], [(panel, 1)]);
        let dram = View {
            space: Space::Dram,
            format: gemm.weights,
            base: self.dram.w as i64,
            zero_point: gemm.zero_point(gemm.weights),
            rows: &[],
            columns: &run,
        };
        let spm = e.buffered(W_DRAM, W_FILL, &dram, self.spm[1]);
        let tile = View {
            rows: &rows,
            columns: &columns,
            ..spm
        };
        e.view(W, &tile);
        // Output columns as rows, panel by panel.
        let panels = [(n.div_ceil(plan.cols), stored * panel), (plan.cols, 1)];
        let transposed = View {
            rows: &panels,
            columns: &rows,
            ..spm
        };
        e.view(W_COLUMNS, &transposed);
        if let Encoding::Pattern(pattern) = plan.encoding {
            let format = pattern.index_format();
            let dram = View {
                format,
                base: self.dram.index as i64,
                zero_point: 0,
                ..dram
            };
            let spm = e.buffered(I_DRAM, I_FILL, &dram, self.spm[2]);
            let tile = View {
                rows: &rows,
                columns: &columns,
                ..spm
            };
            e.view(I, &tile);
        }
    }

    fn weight_stationary(&self, e: &mut Emitter, sizes: Sizes, mode: Accumulate) {
        e.copy(W_TILE, W_BUFFER);
        e.copy(I_TILE, I_BUFFER);
        e.set(C_TILE, 0);
        for (count, n) in pieces(sizes.n, self.plan.cols) {
            e.repeat(count, |e| {
                e.set(K0, 0);
                accumulate(e, (sizes.k, self.plan.k_tile), mode, |e, k, mode| {
                    self.load_weights(e, k, n);
                    self.product(e, (C, A), A_BUFFER, sizes.m, mode);
                    // The next tile of the panel, or the first one of the next panel.
                    let elements = self.plan.stored_rows(k) * self.plan.panel();
                    e.add(W_TILE, bytes(elements, self.plan.gemm.weights));
                    if let Encoding::Pattern(pattern) = self.plan.encoding {
                        e.add(I_TILE, bytes(elements, pattern.index_format()));
                    }
                    e.add(K0, k as i64);
                });
                e.add(C_TILE, 4 * n as i64);
            });
        }
    }

    fn load_weights(&self, e: &mut Emitter, k: u64, n: u64) {
        let w = at(W, W_TILE);
        let mask = self.plan.mask(k);
        let (k, n) = ((k as i64).into(), (n as i64).into());
        let load = match self.plan.encoding {
            Encoding::Dense | Encoding::Zeros => Op::MxWload { w, k, n },
            Encoding::Blocks { block, .. } => {
                e.set(MASK, mask as i64);
                Op::MxWskip {
                    w,
                    k,
                    n,
                    mask: MASK,
                    block: Imm(i64::from(block)),
                }
            }
            Encoding::Pattern(pattern) => Op::MxWsparse {
                w,
                index: at(I, I_TILE),
                k,
                n,
                pattern,
            },
        };
        e.op(load);
    }

    fn product(&self, e: &mut Emitter, (c, a): (Desc, Desc), buffer: Reg, m: u64, mode: Accumulate) {
        e.op(Op::MxMm {
            c: at(c, C_TILE),
            a: at(a, buffer),
            m0: 0.into(),
            m: (m as i64).into(),
            k0: K0.into(),
            mode,
            weights: Weights::Swap,
        });
    }

    fn input_stationary(&self, e: &mut Emitter, sizes: Sizes, mode: Accumulate) {
        let (plan, format) = (self.plan, self.plan.gemm.activations);
        let row = sizes.k.next_multiple_of(ROW_ALIGNMENT);
        e.copy(A_ROWS, A_BUFFER);
        e.set(C_TILE, 0);
        for (count, m) in pieces(sizes.m, plan.cols) {
            e.repeat(count, |e| {
                e.copy(A_TILE, A_ROWS);
                e.set(K0, 0);
                accumulate(e, (sizes.k, plan.k_tile), mode, |e, k, mode| {
                    e.op(Op::MxAload {
                        a: at(A_COLUMNS, A_TILE),
                        k: (k as i64).into(),
                        m: (m as i64).into(),
                    });
                    self.product(e, (C_COLUMNS, W_COLUMNS), W_BUFFER, sizes.n, mode);
                    e.add(A_TILE, bytes(k, format));
                    e.add(K0, k as i64);
                });
                e.add(A_ROWS, bytes(m * row, format));
                e.add(C_TILE, (4 * m * sizes.n) as i64);
            });
        }
    }

    fn output_stationary(&self, e: &mut Emitter, sizes: Sizes, mode: Accumulate) {
        let plan = self.plan;
        let panel = bytes(plan.stored_rows(sizes.k) * plan.panel(), plan.gemm.weights);
        let (mask, block) = match plan.encoding {
            Encoding::Blocks { block, .. } => {
                e.set(MASK, plan.mask(sizes.k) as i64);
                (MASK, Imm(i64::from(block)))
            }
            _ => (Reg::ZERO, Imm(0)),
        };
        e.set(K_LENGTH, sizes.k as i64);
        e.set(M0, 0);
        e.set(C_ROWS, 0);
        for (count, m) in pieces(sizes.m, plan.rows) {
            e.repeat(count, |e| {
                e.copy(W_TILE, W_BUFFER);
                e.copy(C_TILE, C_ROWS);
                for (count, n) in pieces(sizes.n, plan.cols) {
                    e.repeat(count, |e| {
                        e.op(Op::MxOs {
                            c: at(C, C_TILE),
                            a: at(A, A_BUFFER),
                            w: at(W, W_TILE),
                            m0: RowCount::Reg(M0),
                            m: Side::Imm(m as i64),
                            n: Side::Imm(n as i64),
                            k: K_LENGTH.into(),
                            mode,
                            mask,
                            block,
                        });
                        e.add(W_TILE, panel);
                        e.add(C_TILE, 4 * n as i64);
                    });
                }
                e.add(M0, m as i64);
                e.add(C_ROWS, (4 * m * sizes.n) as i64);
            });
        }
    }
}
