//! Builds small programs from typed instructions, without an assembler: views, data in DRAM and a machine to run them on.

use std::sync::Arc;
use systole_isa::descriptor::N_LEVELS;
use systole_isa::machine::preset;
use systole_isa::operand::{Coord, Count, Desc, DescRef, Imm, Scalar, Space, Target, Token};
use systole_isa::program::Segment;
use systole_isa::{ElementFormat, Instruction, MachineDescription, Op, Program, Tokens};
use systole_simulator::{Machine, Mode};

/// The smallest shipped machine.
///
/// # Panics
/// If the preset is gone.
pub fn tiny() -> MachineDescription {
    preset("tiny4x4").expect("the preset is shipped")
}

/// An element count or index as an operand.
pub fn count(value: u64) -> Count {
    Count::Imm(value as i64)
}

/// A whole descriptor as an operand.
pub fn whole(d: u8) -> DescRef {
    Desc::at(d).into()
}

/// Waits and posts, by token index.
pub fn tokens(waits: &[u8], posts: &[u8]) -> Tokens {
    let place = |list: &[u8], i: usize| list.get(i).map(|&t| Token::at(t));
    Tokens {
        waits: [place(waits, 0), place(waits, 1)],
        posts: [place(posts, 0), place(posts, 1)],
    }
}

/// Where a matrix lies: row-major, `row_stride` elements from row to row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// The memory.
    pub space: Space,
    /// Element format.
    pub format: ElementFormat,
    /// Byte address of element (0, 0).
    pub base: i64,
    /// Zero point.
    pub zero_point: i32,
    /// Rows.
    pub m: u64,
    /// Columns.
    pub n: u64,
    /// Elements from one row to the next.
    pub row_stride: i64,
}

impl Matrix {
    /// A dense matrix without zero point.
    pub fn dense(space: Space, format: ElementFormat, base: i64, m: u64, n: u64) -> Self {
        Self {
            space,
            format,
            base,
            zero_point: 0,
            m,
            n,
            row_stride: n as i64,
        }
    }
}

/// A program under construction.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// Code so far.
    pub code: Vec<Instruction>,
    segments: Vec<Segment>,
    dram_bytes: u64,
}

impl Builder {
    /// An empty program with this much DRAM.
    pub fn new(dram_bytes: u64) -> Self {
        Self {
            dram_bytes,
            ..Self::default()
        }
    }

    /// The index of the next instruction.
    pub fn here(&self) -> u32 {
        self.code.len() as u32
    }

    /// Appends an instruction and returns its index.
    pub fn op(&mut self, op: Op) -> u32 {
        self.with(op, Tokens::NONE)
    }

    /// Appends an instruction that waits and posts, and returns its index.
    pub fn with(&mut self, op: Op, tokens: Tokens) -> u32 {
        self.code.push(Instruction { op, tokens });
        self.here() - 1
    }

    /// Resets a descriptor with the first `split` levels as rows, and sets its innermost levels to `(count, stride)`.
    ///
    /// # Panics
    /// On more than five levels.
    pub fn view(
        &mut self,
        d: u8,
        (space, format): (Space, ElementFormat),
        (base, zero_point): (i64, i32),
        split: i64,
        levels: &[(u64, i64)],
    ) {
        let d = Desc::at(d);
        let zero_point = Imm(i64::from(zero_point));
        self.op(Op::Desc {
            d,
            space,
            format,
            base: Scalar::Imm(base),
            zero_point,
            split: Imm(split),
        });
        assert!(levels.len() <= N_LEVELS, "a descriptor has five levels");
        for (i, &(n, stride)) in levels.iter().enumerate() {
            let index = Imm((N_LEVELS - levels.len() + i) as i64);
            self.op(Op::Level {
                d,
                index,
                count: count(n),
                stride: Scalar::Imm(stride),
            });
        }
    }

    /// Lets a descriptor show a matrix.
    pub fn matrix(&mut self, d: u8, x: Matrix) {
        let levels = [(x.m, x.row_stride), (x.n, 1)];
        self.view(d, (x.space, x.format), (x.base, x.zero_point), 4, &levels);
    }

    /// Bounds an axis of a descriptor by levels `outer` and `inner`, each with step 1.
    pub fn window(
        &mut self,
        d: u8,
        axis: systole_isa::operand::Axis,
        (outer, inner): (i64, i64),
        origin: i64,
        extent: u64,
    ) {
        self.op(Op::Window {
            d: Desc::at(d),
            axis,
            outer: Imm(outer),
            outer_step: Imm(1),
            inner: Imm(inner),
            inner_step: Imm(1),
            origin: Coord::Imm(origin),
            extent: count(extent),
        });
    }

    /// `ld` of an `m` x `n` view.
    pub fn ld(&mut self, dst: u8, src: u8, (m, n): (u64, u64), tokens: Tokens) -> u32 {
        self.with(
            Op::Ld {
                dst: whole(dst),
                src: whole(src),
                m: count(m),
                n: count(n),
            },
            tokens,
        )
    }

    /// `st` of an `m` x `n` view.
    pub fn st(&mut self, dst: u8, src: u8, (m, n): (u64, u64), tokens: Tokens) -> u32 {
        self.with(
            Op::St {
                dst: whole(dst),
                src: whole(src),
                m: count(m),
                n: count(n),
            },
            tokens,
        )
    }

    /// Puts bytes into DRAM before the start.
    pub fn data(&mut self, address: u64, bytes: Vec<u8>) {
        let name = format!("data{}", self.segments.len());
        self.segments.push(Segment {
            name,
            address,
            bytes: bytes.into(),
        });
    }

    /// Puts values into DRAM, densely packed in whole-byte elements.
    pub fn values(&mut self, address: u64, format: ElementFormat, values: &[i32]) {
        let element_bytes = format.bits() as usize / 8;
        let bytes = values
            .iter()
            .flat_map(|&v| format.encode(v).to_le_bytes().into_iter().take(element_bytes));
        self.data(address, bytes.collect());
    }

    /// Makes a loop that was built with a placeholder end where the next instruction will be.
    ///
    /// # Panics
    /// If there is no `loop` at `pc`.
    pub fn close_loop(&mut self, pc: u32) {
        let next = self.here();
        match &mut self.code[pc as usize].op {
            Op::Loop { end, .. } => *end = Target(next),
            other => panic!("`{}` is no loop", other.mnemonic()),
        }
    }

    /// The program, ended with `halt`.
    pub fn halt(mut self) -> Program {
        self.op(Op::Halt {});
        self.finish()
    }

    /// The program as it is.
    pub fn finish(self) -> Program {
        Program {
            name: "test".into(),
            code: self.code,
            segments: self.segments,
            dram_bytes: self.dram_bytes,
            ..Program::default()
        }
    }
}

/// A program at cycle 0 of a machine, with values.
///
/// # Panics
/// If the machine refuses the program.
pub fn load(program: Program, description: &MachineDescription) -> Machine {
    Machine::new(Arc::new(program), Arc::new(description.clone()), Mode::Full).expect("the program fits the machine")
}

/// Reads whole-byte elements from a memory.
pub fn read_values(machine: &Machine, space: Space, format: ElementFormat, address: u64, n: usize) -> Vec<i32> {
    let element_bytes = format.bits() as usize / 8;
    let mut bytes = vec![0; n * element_bytes];
    machine.memory(space).read(address, &mut bytes);
    let pattern = |b: &[u8]| b.iter().rev().fold(0u32, |p, &byte| p << 8 | u32::from(byte));
    bytes
        .chunks_exact(element_bytes)
        .map(|b| format.decode(pattern(b)))
        .collect()
}
