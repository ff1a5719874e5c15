//! A small matrix product for any machine, written with the instruction set's own types: loads, weight tiles, products,
//! requantization and stores, in a loop, so that every unit has work and waits.

use std::sync::Arc;
use systole_gui::{Recipe, Source};
use systole_isa::machine::preset;
use systole_isa::operand::{
    Accumulate, Count, Desc, DescRef, Imm, MarkKind, Reg, Rounding, Space, Target, Token, Val, Weights,
};
use systole_isa::program::{Mark, Segment, Symbol, SymbolKind};
use systole_isa::{ElementFormat, Instruction, MachineDescription, Op, Program, Tokens};
use systole_simulator::Machine;
use systole_simulator::machine::Mode;

/// The product on a shipped machine: `n_rows` activation rows, twice the array's rows deep, twice its columns wide.
pub(crate) fn sample_source(machine_name: &str, n_rows: u64) -> Source {
    let recipe = Recipe::new(move |description: &MachineDescription, mode| {
        let program = Sample {
            m: n_rows,
            r: u64::from(description.rows),
            c: u64::from(description.cols),
        }
        .program();
        Machine::new(Arc::new(program), Arc::new(description.clone()), mode).map_err(|error| error.0.to_string())
    });
    let description = preset(machine_name).expect("the machine is shipped");
    Source {
        name: "sample product".to_owned(),
        machine: recipe.make(&description, Mode::Full).expect("the program fits"),
        recipe,
        text: None,
    }
}

struct Sample {
    m: u64,
    r: u64,
    c: u64,
}

const A: (u8, u8) = (0, 1);
const W: (u8, u8) = (2, 3);
const PAR: (u8, u8) = (4, 5);
const ACC: u8 = 6;
const OUT: (u8, u8) = (7, 8);

fn with(op: Op, tokens: Tokens) -> Instruction {
    Instruction { op, tokens }
}

fn view(index: u8) -> DescRef {
    Desc::at(index).into()
}

fn displaced(index: u8, offset: u8) -> DescRef {
    DescRef {
        desc: Desc::at(index),
        offset: Reg::at(offset),
    }
}

fn count(n: u64) -> Count {
    Val::Imm(n as i64)
}

fn imm<const BITS: u32, const SIGNED: bool>(n: u64) -> Imm<BITS, SIGNED> {
    Imm(n as i64)
}

impl Sample {
    fn k(&self) -> u64 {
        2 * self.r
    }

    fn n(&self) -> u64 {
        2 * self.c
    }

    /// DRAM addresses of activations, weights, parameters and result.
    fn addresses(&self) -> [u64; 4] {
        let w = (self.m * self.k()).next_multiple_of(64);
        let par = w + (self.k() * self.n()).next_multiple_of(64);
        let out = par + (self.c * 12).next_multiple_of(64);
        [0, w, par, out]
    }

    fn program(&self) -> Program {
        let [_, w, par, out] = self.addresses();
        let activations = (0..self.m * self.k()).map(|i| if i % 5 == 0 { 0 } else { (i * 7 % 11) as u8 });
        let weights = (0..self.k() * self.n()).map(|i| (i as i64 * 5 % 13 - 6) as i8 as u8);
        let parameters = (0..self.c)
            .flat_map(|_| [0_u32, 0.05_f32.to_bits(), 0])
            .flat_map(u32::to_le_bytes);
        let segment = |name: &str, address, bytes: Vec<u8>| Segment {
            name: name.to_owned(),
            address,
            bytes: bytes.into(),
        };
        let code = self.code();
        let loop_start = code
            .iter()
            .position(|i| matches!(i.op, Op::Loop { .. }))
            .expect("the program has a loop")
            + 1;
        Program {
            name: "sample".to_owned(),
            code,
            dram_bytes: out + (self.m * self.n()).next_multiple_of(64),
            segments: vec![
                segment("activations", 0, activations.collect()),
                segment("weights", w, weights.collect()),
                segment("parameters", par, parameters.collect()),
            ],
            symbols: vec![Symbol {
                name: "column_tile".to_owned(),
                kind: SymbolKind::Label,
                value: loop_start as u64,
                size: 0,
            }],
            marks: vec![
                Mark {
                    name: "load operands".to_owned(),
                    op: "load".to_owned(),
                    plan: None,
                },
                Mark {
                    name: "product".to_owned(),
                    op: "gemm".to_owned(),
                    plan: None,
                },
            ],
            ..Program::default()
        }
    }

    fn matrix(&self, d: u8, space: Space, format: ElementFormat, base: u64, rows: (u64, u64), n_cols: u64) -> [Op; 3] {
        let d = Desc::at(d);
        let base = Val::Imm(base as i64);
        let (n_rows, stride) = rows;
        [
            Op::Desc {
                d,
                space,
                format,
                base,
                zero_point: imm(0),
                split: imm(1),
            },
            Op::Level {
                d,
                index: imm(0),
                count: count(n_rows),
                stride: Val::Imm(stride as i64),
            },
            Op::Level {
                d,
                index: imm(1),
                count: count(n_cols),
                stride: Val::Imm(1),
            },
        ]
    }

    fn descriptors(&self) -> Vec<Op> {
        use ElementFormat::{I8, I32, U8};
        let (m, k, n, c) = (self.m, self.k(), self.n(), self.c);
        let [_, w, par, out] = self.addresses();
        let spm_w = (m * k).next_multiple_of(64);
        let spm_par = spm_w + (k * n).next_multiple_of(64);
        let spm_out = spm_par + (c * 12).next_multiple_of(64);
        [
            self.matrix(A.0, Space::Dram, U8, 0, (m, k), k),
            self.matrix(A.1, Space::Spm, U8, 0, (m, k), k),
            self.matrix(W.0, Space::Dram, I8, w, (k, n), n),
            self.matrix(W.1, Space::Spm, I8, spm_w, (k, n), n),
            self.matrix(PAR.0, Space::Dram, I32, par, (c, 3), 3),
            self.matrix(PAR.1, Space::Spm, I32, spm_par, (c, 3), 3),
            self.matrix(ACC, Space::Acc, I32, 0, (m, c), c),
            self.matrix(OUT.0, Space::Dram, I8, out, (m, n), c),
            self.matrix(OUT.1, Space::Spm, I8, spm_out, (m, c), c),
        ]
        .concat()
    }

    fn code(&self) -> Vec<Instruction> {
        let (m, r, c) = (count(self.m), count(self.r), count(self.c));
        let plain = |op: Op| with(op, Tokens::NONE);
        let token = Token::at;
        let mark = |id| {
            plain(Op::Mark {
                kind: MarkKind::Layer,
                id: imm(id),
            })
        };
        let add = |rd, ra, n: u64| {
            plain(Op::Add {
                rd: Reg::at(rd),
                ra: Reg::at(ra),
                b: Val::Imm(n as i64),
            })
        };
        let copy = |(dram, spm): (u8, u8), m, n| Op::Ld {
            dst: view(spm),
            src: view(dram),
            m,
            n,
        };
        let product = |k0, mode| Op::MxMm {
            c: displaced(ACC, 3),
            a: view(A.1),
            m0: count(0),
            m,
            k0: count(k0),
            mode,
            weights: Weights::Swap,
        };
        let mut code = vec![mark(0)];
        code.extend(self.descriptors().into_iter().map(plain));
        code.push(with(copy(W, count(self.k()), count(self.n())), Tokens::post(token(1))));
        code.push(with(copy(A, m, count(self.k())), Tokens::post(token(0))));
        code.push(with(copy(PAR, c, count(3)), Tokens::post(token(3))));
        code.push(mark(1));
        code.push(with(
            Op::MxNop {},
            Tokens::wait(token(0)).and_wait(token(1)).expect("two waits fit"),
        ));
        code.push(with(Op::VxNop {}, Tokens::wait(token(3))));
        let requantize = Op::VxRequant {
            dst: displaced(OUT.1, 5),
            src: displaced(ACC, 3),
            par: view(PAR.1),
            m,
            n: c,
            rounding: Rounding::Float,
        };
        let store = Op::St {
            dst: displaced(OUT.0, 4),
            src: displaced(OUT.1, 5),
            m,
            n: c,
        };
        let body = [
            plain(Op::MxWload {
                w: displaced(W.1, 1),
                k: r,
                n: c,
            }),
            plain(product(0, Accumulate::Over)),
            add(2, 1, self.r * self.n()),
            plain(Op::MxWload {
                w: displaced(W.1, 2),
                k: r,
                n: c,
            }),
            with(product(self.r, Accumulate::Add), Tokens::post(token(2))),
            with(
                requantize,
                Tokens::wait(token(2)).and_post(token(4)).expect("one post fits"),
            ),
            with(store, Tokens::wait(token(4))),
            add(1, 1, self.c),
            add(3, 3, self.m * self.c * 4),
            add(4, 4, self.c),
            add(5, 5, self.m * self.c),
        ];
        let end = Target((code.len() + 1 + body.len()) as u32);
        code.push(plain(Op::Loop {
            count: Val::Imm(2),
            end,
        }));
        code.extend(body);
        code.push(plain(Op::Fence {}));
        code.push(plain(Op::Halt {}));
        code
    }
}
