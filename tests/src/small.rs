//! Minimal programs on the smallest machine: a few views, the instructions of the array and the vector unit, and how a run ends.

use crate::build::{Builder, Matrix, count, load, tiny, whole};
use systole_isa::operand::{Accumulate, Rounding, Space, Weights};
use systole_isa::{ElementFormat, Op, Program};
use systole_simulator::{Fault, Machine, Status};

/// The end of a program on the smallest machine.
pub fn end_of(program: Program) -> (Status, Machine) {
    let mut machine = load(program, &tiny());
    machine.advance_to(1_000_000, &mut ());
    (machine.status().clone(), machine)
}

/// The fault that ends a program.
///
/// # Panics
/// If it ends otherwise.
pub fn fault_of(program: Program) -> Fault {
    match end_of(program).0 {
        Status::Faulted(fault) => fault,
        other => panic!("the program should fault, but: {other:?}"),
    }
}

/// Asserts that a program ends with `halt`.
///
/// # Panics
/// If it does not.
pub fn assert_halts(program: Program) {
    assert_eq!(end_of(program).0, Status::Halted);
}

/// A dense matrix: i32 in the accumulators, i8 elsewhere.
pub fn matrix(space: Space, base: i64, m: u64, n: u64) -> Matrix {
    let format = if space == Space::Acc {
        ElementFormat::I32
    } else {
        ElementFormat::I8
    };
    Matrix::dense(space, format, base, m, n)
}

/// Loads a `k` x `n` tile.
pub fn wload(d: u8, k: u64, n: u64) -> Op {
    Op::MxWload {
        w: whole(d),
        k: count(k),
        n: count(n),
    }
}

/// Multiplies the first `m` rows, overwriting.
pub fn mm(c: u8, a: u8, m: u64, weights: Weights) -> Op {
    Op::MxMm {
        c: whole(c),
        a: whole(a),
        m0: count(0),
        m: count(m),
        k0: count(0),
        mode: Accumulate::Over,
        weights,
    }
}

/// Requantizes in fixed point.
pub fn requant(dst: u8, src: u8, par: u8, m: u64, n: u64) -> Op {
    let (m, n) = (count(m), count(n));
    Op::VxRequant {
        dst: whole(dst),
        src: whole(src),
        par: whole(par),
        m,
        n,
        rounding: Rounding::Fixed,
    }
}

/// d0: weights and d1: activations in the scratchpad, d2: accumulators, d3: requantization parameters, d4: a result in the scratchpad,
/// d5: DRAM; all 4 x 4 but the parameters.
pub fn views() -> Builder {
    let mut b = Builder::new(4096);
    b.matrix(0, matrix(Space::Spm, 0, 4, 4));
    b.matrix(1, matrix(Space::Spm, 16, 4, 4));
    b.matrix(2, matrix(Space::Acc, 0, 4, 4));
    b.matrix(3, Matrix::dense(Space::Spm, ElementFormat::I32, 64, 4, 3));
    b.matrix(4, matrix(Space::Spm, 256, 4, 4));
    b.matrix(5, matrix(Space::Dram, 0, 4, 4));
    b
}
