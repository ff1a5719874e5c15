//! Operands that the machine cannot execute: each is refused with its instruction and with what would be right.

use systole_isa::operand::{Count, Desc, Imm, Reg, Scalar, Space, Target, Weights};
use systole_isa::{ElementFormat, Op, Program, Tokens};
use systole_simulator::FaultKind;
use systole_testkit::build::{Builder, Matrix, count, whole};
use systole_testkit::small::{assert_halts, fault_of, matrix, mm, requant, views, wload};

const NONE: Tokens = Tokens::NONE;

/// The fault's reason, which has to be a bad operand.
fn bad_operand(program: Program, pc: u32) -> String {
    let fault = fault_of(program);
    assert_eq!((fault.code(), fault.pc), ("S0005", pc), "{fault}");
    match fault.kind {
        FaultKind::BadOperand { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tile_larger_than_the_array_is_refused() {
    for (k, n) in [(17, 4), (4, 5), (0, 4), (4, 0)] {
        let mut b = views();
        b.matrix(0, matrix(Space::Spm, 0, 32, 8));
        let pc = b.op(wload(0, k, n));
        let why = bad_operand(b.halt(), pc);
        assert_eq!(
            why,
            format!("a tile of {k} x {n} does not fit the array of 4 x 4 with up to 4 i8 operands per PE")
        );
    }
    // Four bytes share a PE with activations of two bits, but not with bytes.
    let mut b = views();
    b.matrix(0, matrix(Space::Spm, 0, 5, 4));
    b.op(wload(0, 5, 4));
    let pc = b.op(mm(2, 1, 4, Weights::Swap));
    assert_eq!(
        bad_operand(b.halt(), pc),
        "a tile of 5 rows does not fit 4 rows of PEs: with weights i8 and activations i8 a PE holds 1"
    );
}

#[test]
fn operands_in_the_wrong_memory_or_format_are_refused() {
    let product = |change: fn(&mut Builder)| {
        let mut b = views();
        change(&mut b);
        b.op(wload(0, 4, 4));
        let pc = b.op(mm(2, 1, 4, Weights::Swap));
        (b.halt(), pc)
    };
    let refused = |change: fn(&mut Builder), part: &str| {
        let (program, pc) = product(change);
        let why = bad_operand(program, pc);
        assert!(why.contains(part), "{why}");
    };
    assert_halts(product(|_| {}).0);
    refused(
        |b| b.matrix(2, matrix(Space::Spm, 512, 4, 4)),
        "`c` is in spm; it has to be in acc",
    );
    refused(
        |b| b.matrix(1, matrix(Space::Acc, 512, 4, 4)),
        "`a` is in acc; it has to be in spm",
    );
    refused(
        |b| {
            b.matrix(
                1,
                Matrix {
                    format: ElementFormat::I32,
                    ..matrix(Space::Spm, 512, 4, 4)
                },
            )
        },
        "`a` has format i32",
    );
    refused(
        |b| {
            b.matrix(
                2,
                Matrix {
                    format: ElementFormat::I16,
                    ..matrix(Space::Acc, 0, 4, 4)
                },
            )
        },
        "`c` has format i16",
    );
    refused(
        |b| b.matrix(2, matrix(Space::Acc, 0, 3, 4)),
        "uses 4 x 4 of `c`, whose levels make a matrix of 3 x 4",
    );
    refused(
        |b| b.matrix(1, matrix(Space::Spm, 16, 4, 3)),
        "uses 4 x 4 of `a`, whose levels make a matrix of 4 x 3",
    );
    let mut b = views();
    b.matrix(
        0,
        Matrix {
            format: ElementFormat::I32,
            ..matrix(Space::Spm, 0, 4, 4)
        },
    );
    let pc = b.op(wload(0, 4, 4));
    assert!(bad_operand(b.halt(), pc).contains("`w` has format i32"));
    let mut b = views();
    let pc = b.ld(5, 4, (4, 4), NONE);
    assert!(bad_operand(b.halt(), pc).contains("`dst` is in dram; it has to be in spm or acc"));
    let mut b = views();
    let pc = b.op(requant(4, 2, 5, 4, 4));
    assert!(bad_operand(b.halt(), pc).contains("`par` is in dram; it has to be in spm"));
}

#[test]
fn weights_are_neither_lost_nor_invented() {
    let mut b = views();
    b.op(wload(0, 4, 4));
    let pc = b.op(wload(0, 4, 4));
    let why = bad_operand(b.halt(), pc);
    assert!(why.contains("hold a tile that no product has swapped in"), "{why}");
    let mut b = views();
    let pc = b.op(mm(2, 1, 4, Weights::Swap));
    let why = bad_operand(b.halt(), pc);
    assert!(why.contains("no tile in the shadow registers to swap in"), "{why}");
    let mut b = views();
    let pc = b.op(mm(2, 1, 4, Weights::Keep));
    let why = bad_operand(b.halt(), pc);
    assert!(why.contains("the array holds no tile"), "{why}");
}

#[test]
fn negative_counts_huge_views_and_bad_levels_are_refused() {
    let with_register = |value: i64, op: fn(Count) -> Op| {
        let mut b = views();
        b.op(Op::Li {
            rd: Reg::at(1),
            value: Imm(value),
        });
        let pc = b.op(op(Reg::at(1).into()));
        bad_operand(b.halt(), pc)
    };
    let ld = |m| Op::Ld {
        dst: whole(4),
        src: whole(5),
        m,
        n: count(4),
    };
    assert_eq!(with_register(-2, ld), "`m` is -2; a count is not negative");
    assert!(with_register(i64::MAX, ld).contains("more than one instruction may process"));
    let level = |count| Op::Level {
        d: Desc::at(0),
        index: Imm(0),
        count,
        stride: Scalar::Imm(0),
    };
    assert!(
        with_register(0, level).contains("at least once")
            && with_register(1 << 32, level).contains("counts 4294967296")
    );
    let loops = Op::Loop {
        count: Scalar::Imm(1),
        end: Target(0),
    };
    let mut b = Builder::new(0);
    b.op(Op::Nop {});
    let pc = b.op(loops);
    assert!(bad_operand(b.halt(), pc).contains("before its body"));
    let mut b = Builder::new(0);
    let pc = b.op(Op::Level {
        d: Desc::at(0),
        index: Imm(5),
        count: count(1),
        stride: Scalar::Imm(0),
    });
    assert!(bad_operand(b.halt(), pc).contains("level 5 does not exist"));
    let mut b = Builder::new(0);
    let pc = b.op(Op::Clip {
        d: Desc::at(0),
        lo: Imm(3),
        hi: Imm(2),
    });
    assert!(bad_operand(b.halt(), pc).contains("lower limit 3 is above"));
}
