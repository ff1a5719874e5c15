//! How long vector instructions take and what they count, on four lanes.

use super::bench::*;
use systole_isa::operand::{Accumulate, Divide, PerfCounter, Reg, Rounding, Space};
use systole_isa::{ElementFormat, Op};
use systole_testkit::build::{Matrix, count, whole};

/// d0, d1: 3 x 10 of i8; d2: parameters of i32; d3: 3 x 10 of i8 as result; d4: 3 x 10 of i32; d5: a mask; d6: three windows of five taps and
/// two channels; d7: results of two channels; d8:
/// rows of parameters; d9: weights of five taps.
pub(super) fn bench() -> Bench {
    let mut bench = Bench::new();
    let i8_matrix = |base, n| Matrix::dense(Space::Spm, ElementFormat::I8, base, 3, n);
    bench.b.matrix(0, i8_matrix(0, 10));
    bench.b.matrix(1, i8_matrix(32, 10));
    bench
        .b
        .matrix(2, Matrix::dense(Space::Spm, ElementFormat::I32, 4096, 1, 300));
    bench.b.matrix(3, i8_matrix(64, 10));
    bench
        .b
        .matrix(4, Matrix::dense(Space::Acc, ElementFormat::I32, 0, 3, 2));
    bench
        .b
        .matrix(5, Matrix::dense(Space::Spm, ElementFormat::B1, 128, 3, 1));
    bench.b.view(
        6,
        (Space::Spm, ElementFormat::I8),
        (0, 0),
        3,
        &[(3, 10), (5, 2), (2, 1)],
    );
    bench.b.matrix(7, i8_matrix(64, 2));
    bench
        .b
        .matrix(8, Matrix::dense(Space::Spm, ElementFormat::I32, 4096, 20, 6));
    bench
        .b
        .matrix(9, Matrix::dense(Space::Spm, ElementFormat::I8, 256, 5, 2));
    bench
}

/// Every operation with its cycles and lane operations, worked out by hand: 30 elements are 8 groups of 4 lanes.
pub(super) fn cases() -> Vec<(Op, u64, u64)> {
    let (m, n, two) = (count(3), count(10), count(2));
    let (dst, src, par) = (whole(3), whole(0), whole(8));
    let (a, b, rounding) = (src, whole(1), Rounding::Fixed);
    let (table, windows, pooled) = (whole(2), whole(6), whole(7));
    let (divide, mode) = (Divide::Valid, Accumulate::Over);
    vec![
        (
            Op::VxRequant {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            },
            8 + 4,
            30,
        ),
        (
            Op::VxPrelu {
                dst,
                src,
                par,
                m,
                n,
                rounding,
            },
            8 + 4,
            2 * 30,
        ),
        (
            Op::VxAdd {
                dst,
                a,
                b,
                par: table,
                m,
                n,
                rounding,
            },
            8 + 4,
            3 * 30,
        ),
        (
            Op::VxMul {
                dst,
                a,
                b,
                par: table,
                m,
                n,
                rounding,
            },
            8 + 4,
            2 * 30,
        ),
        (Op::VxLut { dst, src, table, m, n }, 256 / 4 + 8 + 4, 30),
        (Op::VxMove { dst, src, m, n }, 8 + 4, 30),
        (
            Op::VxMaxPool {
                dst: pooled,
                src: windows,
                m,
                n: two,
            },
            8 + 4,
            3 * 5 * 2,
        ),
        (
            Op::VxDwConv {
                dst: whole(4),
                src: windows,
                w: whole(9),
                m,
                n: two,
                mode,
            },
            8 + 4,
            3 * 5 * 2,
        ),
        // 3 x 6 x 2 = 36
        (
            Op::VxAvgPool {
                dst: pooled,
                src: windows,
                par,
                m,
                n: two,
                divide,
                rounding,
            },
            9 + 4,
            36,
        ),
        (
            Op::VxSoftmax { dst, src, table, m, n },
            65 + 3 * (3 * 3 + 8) + 4,
            3 * 30,
        ),
        (Op::VxLayerNorm { dst, src, par, m, n }, 3 * (4 * 3 + 20) + 4, 4 * 30),
        (Op::VxArgMax { dst, src, m, n }, 3 * 3 + 8, 30),
        (
            Op::VxMask {
                dst: whole(5),
                src,
                m,
                n,
            },
            3 * 3 + 8,
            30,
        ),
        (Op::VxNop {}, 1, 0),
    ]
}

#[test]
fn every_operation_takes_its_cycles_and_counts_its_lane_operations() {
    for (op, cycles, lane_ops) in cases() {
        let machine = bench().run(op);
        let is_nop = matches!(op, Op::VxNop {});
        assert_eq!(
            vector_cycles(&machine),
            if is_nop { 0 } else { cycles },
            "{}",
            op.mnemonic()
        );
        assert_eq!(machine.counts().vector_ops, lane_ops, "{}", op.mnemonic());
    }
}

#[test]
fn counters_of_the_vector_unit_can_be_read() {
    let mut bench = bench();
    let read = |rd, counter| Op::RdPerf {
        rd: Reg::at(rd),
        counter,
    };
    let (dst, src, m, n) = (whole(3), whole(0), count(3), count(10));
    bench.b.op(Op::VxMove { dst, src, m, n });
    bench.b.op(Op::VxArgMax { dst, src, m, n });
    bench.b.op(Op::Fence {});
    bench.b.op(read(1, PerfCounter::VectorOps));
    bench.b.op(read(2, PerfCounter::VxBusy));
    let machine = bench.run(Op::VxNop {});
    assert_eq!(machine.registers()[1..3], [60, 12 + 17]);
}

#[test]
fn bytes_are_those_of_the_views() {
    let (dst, src, par, m, n) = (whole(3), whole(0), whole(8), count(3), count(10));
    let counts = bench()
        .run(Op::VxPrelu {
            dst,
            src,
            par,
            m,
            n,
            rounding: Rounding::Fixed,
        })
        .counts();
    assert_eq!((counts.spm_read_bytes, counts.spm_write_bytes), (30 + 10 * 6 * 4, 30));
    let (mode, n) = (Accumulate::Add, count(2));
    let op = Op::VxDwConv {
        dst: whole(4),
        src: whole(6),
        w: whole(9),
        m,
        n,
        mode,
    };
    let counts = bench().run(op).counts();
    assert_eq!(
        (counts.acc_reads, counts.acc_writes, counts.spm_read_bytes),
        (6, 6, 30 + 10)
    );
}
