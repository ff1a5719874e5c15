//! Operands that the vector unit refuses, with their reasons, and races that it takes part in.

use super::bench::Bench;
use super::timing::{bench, cases};
use systole_isa::operand::{Accumulate, Axis, Divide, OperandValue, Reg, Rounding, Space};
use systole_isa::{ElementFormat, Op, Tokens};
use systole_simulator::FaultKind;
use systole_testkit::build::{Matrix, count, whole};
use systole_testkit::small::fault_of;

/// The reason for which an instruction is refused.
fn refusal(mut bench: Bench, op: Op) -> String {
    let pc = bench.b.op(op);
    let fault = fault_of(bench.b.halt());
    assert_eq!((fault.code(), fault.pc), ("S0005", pc), "{fault}");
    match fault.kind {
        FaultKind::BadOperand { why } => why,
        other => panic!("{other:?}"),
    }
}

/// The views of the timing tests with one of them replaced.
fn with(d: u8, space: Space, format: ElementFormat, (m, n): (u64, u64)) -> Bench {
    let mut bench = bench();
    bench.b.matrix(d, Matrix::dense(space, format, 1024, m, n));
    bench
}

#[test]
fn every_instruction_of_the_unit_is_among_the_cases() {
    let mut here: Vec<&str> = cases().iter().map(|(op, ..)| op.mnemonic()).collect();
    let rows = systole_isa::instruction::OPCODES.iter();
    let mut all: Vec<&str> = rows
        .filter(|row| row.unit == systole_isa::Unit::Vx)
        .map(|row| row.mnemonic)
        .collect();
    here.sort_unstable();
    all.sort_unstable();
    assert_eq!(here, all);
}

#[test]
fn no_operand_may_lie_in_dram() {
    let mut n_refused = 0;
    for (op, ..) in cases() {
        for (value, info) in op.operands().iter().zip(op.info().operands) {
            let OperandValue::DescRef(view) = value else { continue };
            let d = view.desc.index() as u8;
            let why = refusal(with(d, Space::Dram, ElementFormat::I32, (20, 300)), op);
            // A view may stand for two operands; the first is named.
            assert!(
                why.contains("is in dram; it has to be in spm"),
                "{} {}: {why}",
                op.mnemonic(),
                info.name
            );
            n_refused += 1;
        }
    }
    assert_eq!(n_refused, 37);
}

#[test]
fn a_view_smaller_than_what_is_used_is_refused() {
    let mut n_refused = 0;
    for (op, ..) in cases() {
        for value in op.operands() {
            let OperandValue::DescRef(view) = value else { continue };
            let mut small = bench();
            let d = view.desc.index() as u8;
            // All levels count once.
            let format = match (d, &op) {
                (4, _) | (2 | 8, _) => ElementFormat::I32,
                (5, _) => ElementFormat::B1,
                _ => ElementFormat::I8,
            };
            small.b.view(d, (Space::Spm, format), (1024, 0), 4, &[]);
            let why = refusal(small, op);
            let is_window = why.contains("innermost level of `src`, the channel, counts 1");
            assert!(
                is_window || why.contains("whose levels make a matrix of 1 x 1"),
                "{}: {why}",
                op.mnemonic()
            );
            n_refused += 1;
        }
    }
    assert_eq!(n_refused, 37);
}

#[test]
fn whatever_an_instruction_uses_races_with_a_load_to_it() {
    for (op, ..) in cases() {
        for (value, info) in op.operands().iter().zip(op.info().operands) {
            let OperandValue::DescRef(view) = value else { continue };
            let mut b = bench().b;
            b.matrix(20, Matrix::dense(Space::Dram, ElementFormat::I8, 0, 1, 1));
            b.op(op);
            b.ld(view.desc.index() as u8, 20, (1, 1), Tokens::NONE);
            let fault = fault_of(b.halt());
            assert_eq!(fault.code(), "S0003", "{} {}: {fault}", op.mnemonic(), info.name);
        }
    }
}

#[test]
fn formats_that_do_not_fit_are_refused_with_the_reason() {
    let (m, n, two, rounding) = (count(3), count(10), count(2), Rounding::Fixed);
    let (dst, src, words) = (whole(3), whole(0), whole(8));
    let i16_matrix = || with(0, Space::Spm, ElementFormat::I16, (3, 10));
    let lut = Op::VxLut {
        dst,
        src,
        table: whole(2),
        m,
        n,
    };
    let softmax = Op::VxSoftmax {
        dst,
        src,
        table: whole(2),
        m,
        n,
    };
    let norm = Op::VxLayerNorm {
        dst,
        src,
        par: words,
        m,
        n,
    };
    let requant = Op::VxRequant {
        dst,
        src,
        par: words,
        m,
        n,
        rounding,
    };
    let dwconv = Op::VxDwConv {
        dst: whole(4),
        src: whole(6),
        w: whole(9),
        m,
        n: two,
        mode: Accumulate::Over,
    };
    let mask = Op::VxMask { dst, src, m, n };
    let argmax = Op::VxArgMax {
        dst,
        src,
        m,
        n: count(0),
    };
    for (bench, op, part) in [
        (
            i16_matrix(),
            lut,
            "`src` has format i16; it has at most 8 bits, as a table has one entry per value",
        ),
        (
            i16_matrix(),
            softmax,
            "it has at most 8 bits, as the table has 256 exponentials",
        ),
        (
            with(0, Space::Acc, ElementFormat::I32, (3, 10)),
            norm,
            "it has at most 16 bits",
        ),
        (
            with(8, Space::Spm, ElementFormat::I16, (20, 6)),
            requant,
            "`par` has format i16; parameters are i32",
        ),
        (
            with(2, Space::Spm, ElementFormat::I8, (1, 300)),
            softmax,
            "`table` has format i8; exponentials are i32",
        ),
        (
            with(4, Space::Acc, ElementFormat::I16, (3, 2)),
            dwconv,
            "`dst` has format i16; sums are i32",
        ),
        (bench(), mask, "`dst` has format i8; a mask is b1"),
        (bench(), argmax, "an empty row has no largest element"),
    ] {
        let why = refusal(bench, op);
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn windows_leave_the_channel_alone() {
    let (m, n) = (count(3), count(2));
    let pools = [
        Op::VxMaxPool {
            dst: whole(7),
            src: whole(6),
            m,
            n,
        },
        Op::VxAvgPool {
            dst: whole(7),
            src: whole(6),
            par: whole(8),
            m,
            n,
            divide: Divide::All,
            rounding: Rounding::Float,
        },
        Op::VxDwConv {
            dst: whole(4),
            src: whole(6),
            w: whole(9),
            m,
            n,
            mode: Accumulate::Add,
        },
    ];
    for op in pools {
        let mut bench = bench();
        bench.b.window(6, Axis::X, (3, 4), 0, 3);
        let why = refusal(bench, op);
        assert!(why.contains("a window of `src` bounds level 4, the channel"), "{why}");
    }
    for op in [
        Op::VxMaxPool {
            dst: whole(7),
            src: whole(6),
            m,
            n: count(5),
        },
        Op::VxMaxPool {
            dst: whole(7),
            src: whole(6),
            m,
            n: count(0),
        },
    ] {
        assert!(refusal(bench(), op).contains("the channel, counts 2"));
    }
}

#[test]
fn no_rows_do_not_excuse_endless_columns() {
    let mut b = bench();
    b.b.op(Op::Li {
        rd: Reg::at(1),
        value: systole_isa::operand::Imm(1 << 40),
    });
    let (m, n, rounding) = (count(0), Reg::at(1).into(), Rounding::Fixed);
    let op = Op::VxRequant {
        dst: whole(3),
        src: whole(0),
        par: whole(8),
        m,
        n,
        rounding,
    };
    assert!(refusal(b, op).contains("more than one instruction may process"));
}
