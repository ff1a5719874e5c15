//! A case as a program for the machine.

use super::{Case, Job, Mask, Operand, OutputStationary, Product, Tile, Times};
use systole_isa::operand::{Accumulate, Imm, Length, Reg, RowCount, Side, Space, Weights};
use systole_isa::{ElementFormat, Op, Program, Unit};
use systole_simulator::{Event, Machine, Status, observer::Watch};
use systole_testkit::build::{Builder, Matrix, count, load, tokens, whole};

/// The descriptor of an operand in DRAM, where every element takes four bytes, and the first of those in the scratchpad.
const IN_DRAM: u8 = 0;
const C: u8 = 1;
const FIRST: u8 = 2;

/// Lays operands out and loads them, each converted to its format on the way.
struct Layout {
    b: Builder,
    dram: u64,
    spm: i64,
    n_descriptors: u8,
}

impl Layout {
    /// Loads an operand and returns its descriptor.
    fn operand(&mut self, x: &Operand) -> u8 {
        let (m, n, d) = (x.m as u64, x.n as u64, FIRST + self.n_descriptors);
        let in_dram = Matrix::dense(Space::Dram, ElementFormat::I32, self.dram as i64, m, n);
        self.b.values(self.dram, ElementFormat::I32, &x.values);
        self.b.matrix(IN_DRAM, in_dram);
        let in_spm = Matrix {
            zero_point: x.zero_point,
            ..Matrix::dense(Space::Spm, x.format, self.spm, m, n)
        };
        self.b.matrix(d, in_spm);
        self.b.ld(d, IN_DRAM, (m, n), tokens(&[], &[]));
        self.dram += 4 * m * n;
        self.spm += x.format.bytes_from_elements(m * n) as i64;
        self.n_descriptors += 1;
        d
    }

    /// Loads small numbers that are no operand of a multiplication.
    fn table(&mut self, format: ElementFormat, n: usize, values: Vec<i32>) -> u8 {
        self.operand(&Operand {
            format,
            zero_point: 0,
            m: values.len() / n,
            n,
            values,
        })
    }

    /// Puts a mask into a register of job `job`.
    fn mask(&mut self, job: usize, mask: Option<Mask>) -> (Reg, Imm<3, false>) {
        let Some(mask) = mask else {
            return (Reg::ZERO, Imm(0));
        };
        let register = Reg::at(1 + job as u8);
        self.b.op(Op::Li {
            rd: register,
            value: Imm(mask.bits as i64),
        });
        (register, Imm(i64::from(mask.block)))
    }
}

fn mode(adds: bool) -> Accumulate {
    if adds { Accumulate::Add } else { Accumulate::Over }
}

fn load_tile(layout: &mut Layout, job: usize, tile: &Tile) -> Op {
    let w = whole(layout.operand(&tile.stored));
    let (k, n) = (count(tile.k as u64), count(tile.stored.n as u64));
    if let Some((pattern, positions)) = &tile.pattern {
        let index = whole(layout.table(pattern.index_format(), tile.stored.n, positions.clone()));
        return Op::MxWsparse {
            w,
            index,
            k,
            n,
            pattern: *pattern,
        };
    }
    match (tile.is_weights, tile.mask) {
        (false, _) => Op::MxAload { a: w, k, m: n },
        (true, None) => Op::MxWload { w, k, n },
        (true, mask) => {
            let (mask, block) = layout.mask(job, mask);
            Op::MxWskip { w, k, n, mask, block }
        }
    }
}

fn multiply(layout: &mut Layout, product: &Product) -> Op {
    let (c, a) = (whole(C), whole(layout.operand(&product.moving)));
    let weights = if product.load.is_some() {
        Weights::Swap
    } else {
        Weights::Keep
    };
    let mode = mode(product.adds);
    let [m0, m, k0] = [product.m0, product.m, product.k0];
    let Some(bitmap) = &product.bitmap else {
        let [m0, m, k0] = [m0, m, k0].map(|n| count(n as u64));
        return Op::MxMm {
            c,
            a,
            m0,
            m,
            k0,
            mode,
            weights,
        };
    };
    let bits = bitmap.iter().map(|&live| if live { 1 } else { -1 }).collect();
    let rows = whole(layout.table(ElementFormat::B1, 1, bits));
    let [m0, m, k0] = [m0, m, k0].map(|n| RowCount::Imm(n as i64));
    Op::MxRows {
        c,
        a,
        m0,
        m,
        k0,
        mode,
        weights,
        rows,
    }
}

fn keep_sums(layout: &mut Layout, job: usize, product: &OutputStationary) -> Op {
    let (a, w) = (whole(layout.operand(&product.a)), whole(layout.operand(&product.w)));
    let (mask, block) = layout.mask(job, product.mask);
    Op::MxOs {
        c: whole(C),
        a,
        w,
        m0: RowCount::Imm(product.m0 as i64),
        m: Side::Imm(product.m as i64),
        n: Side::Imm(product.w.n as i64),
        k: Length::Imm(product.w.m as i64),
        mode: mode(product.adds),
        mask,
        block,
    }
}

impl Case {
    /// Byte address of a job's accumulators.
    pub(crate) fn c_address(&self, job: usize) -> i64 {
        (0..job).map(|i| (4 * self.jobs[i].m() * self.width(i)) as i64).sum()
    }

    /// Loads everything, then lets the array run without a pause: its first instruction waits for a credit that comes last.
    pub(crate) fn program(&self) -> Program {
        let mut layout = Layout {
            b: Builder::new(1 << 20),
            dram: 0,
            spm: 0,
            n_descriptors: 0,
        };
        layout.b.with(Op::MxNop {}, tokens(&[0], &[]));
        for (i, job) in self.jobs.iter().enumerate() {
            let (m, n) = (job.m() as u64, self.width(i) as u64);
            layout.b.matrix(
                C,
                Matrix::dense(Space::Acc, ElementFormat::I32, self.c_address(i), m, n),
            );
            let ops: Vec<Op> = match job {
                Job::Product(product) => {
                    let load = product.load.as_ref().map(|tile| load_tile(&mut layout, i, tile));
                    load.into_iter().chain([multiply(&mut layout, product)]).collect()
                }
                Job::OutputStationary(product) => vec![keep_sums(&mut layout, i, product)],
            };
            for op in ops {
                layout.b.op(op);
            }
        }
        layout.b.with(Op::LdNop {}, tokens(&[], &[1]));
        layout.b.with(Op::Nop {}, tokens(&[1], &[0]));
        // The registers are looked at for a few more cycles.
        layout.b.op(Op::Fence {});
        (0..4).for_each(|_| {
            layout.b.op(Op::Nop {});
        });
        layout.b.halt()
    }
}

/// Runs a case; returns the halted machine and the times of its jobs.
pub(crate) fn run(case: &Case) -> (Machine, Vec<Times>) {
    let mut machine = load(case.program(), &case.description());
    let code = machine.program().code.clone();
    let mut spans = Vec::new();
    machine.advance_to(
        10_000_000,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit: Unit::Mx,
                pc,
                start,
                end,
                ..
            } = *event
            {
                spans.push((pc, start, end));
            }
        }),
    );
    assert_eq!(*machine.status(), Status::Halted);
    spans.sort_unstable();
    let mut times = Vec::new();
    let mut load = None;
    for (pc, start, end) in spans {
        match code[pc as usize].op {
            Op::MxNop {} => {}
            Op::MxWload { .. } | Op::MxAload { .. } | Op::MxWskip { .. } | Op::MxWsparse { .. } => {
                load = Some((start, end));
            }
            _ => times.push(Times {
                load: load.take().unwrap_or((start, start)),
                product: (start, end),
            }),
        }
    }
    assert_eq!(times.len(), case.jobs.len());
    (machine, times)
}
