//! A dense layer as the first TPU runs it: weight tiles stream from DRAM through a FIFO of four, activations and sums stay on chip.

use crate::build::{Builder, Matrix, count, tokens, whole};
use systole_isa::operand::{
    Accumulate, Count, Desc, DescRef, Imm, MarkKind, Reg, Scalar, Space, Target, Token, Weights,
};
use systole_isa::program::Mark;
use systole_isa::{ElementFormat, MachineDescription, Op, Program};

/// Tiles that the weight FIFO holds.
pub const FIFO_TILES: i64 = 4;

/// A layer of `batch` rows and `n_tiles` weight tiles of the size of the array. All tiles multiply the same activations, which changes no
/// cycle: what a tile costs depends on sizes alone.
///
/// Tokens: t0 counts tiles in the FIFO, t1 free places of it.
pub fn dense_layer(machine: &MachineDescription, batch: u64, n_tiles: u64) -> Program {
    let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
    let tile_bytes = (rows * cols) as i64;
    let fifo_bytes = FIFO_TILES * tile_bytes;
    let mut b = Builder::new(tile_bytes as u64 * n_tiles);
    b.matrix(0, Matrix::dense(Space::Dram, ElementFormat::I8, 0, rows, cols));
    b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I8, 0, rows, cols));
    b.matrix(2, Matrix::dense(Space::Spm, ElementFormat::I8, fifo_bytes, batch, rows));
    b.matrix(3, Matrix::dense(Space::Acc, ElementFormat::I32, 0, batch, cols));
    let (source, place) = (Reg::at(1), Reg::at(2));
    b.op(Op::Credit {
        token: Token::at(1),
        n: Imm(FIFO_TILES),
    });
    b.op(Op::Mark {
        kind: MarkKind::Layer,
        id: Imm(0),
    });
    let tiles = b.op(Op::Loop {
        count: Scalar::Imm(n_tiles as i64),
        end: Target(0),
    });
    let displaced = |d: u8, offset: Reg| DescRef {
        desc: Desc::at(d),
        offset,
    };
    let load = Op::Ld {
        dst: displaced(1, place),
        src: displaced(0, source),
        m: count(rows),
        n: count(cols),
    };
    b.with(load, tokens(&[1], &[0]));
    let shift = Op::MxWload {
        w: displaced(1, place),
        k: count(rows),
        n: count(cols),
    };
    b.with(shift, tokens(&[0], &[1]));
    b.op(Op::MxMm {
        c: whole(3),
        a: whole(2),
        m0: count(0),
        m: Count::Imm(batch as i64),
        k0: count(0),
        mode: Accumulate::Over,
        weights: Weights::Swap,
    });
    advance(&mut b, source, place, tile_bytes);
    b.close_loop(tiles);
    let mut program = b.halt();
    program.name = format!("dense layer, batch {batch}, {n_tiles} tiles");
    program.marks = vec![Mark {
        name: "dense".into(),
        op: "dense".into(),
        plan: None,
    }];
    program
}

/// The next tile in DRAM, the next place of the FIFO.
fn advance(b: &mut Builder, source: Reg, place: Reg, tile_bytes: i64) {
    b.op(Op::Add {
        rd: source,
        ra: source,
        b: Scalar::Imm(tile_bytes),
    });
    b.op(Op::Add {
        rd: place,
        ra: place,
        b: Scalar::Imm(tile_bytes),
    });
    // The size of the FIFO is a power of two, as the array's sides are.
    b.op(Op::And {
        rd: place,
        ra: place,
        b: Scalar::Imm(FIFO_TILES * tile_bytes - 1),
    });
}
