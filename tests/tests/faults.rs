//! Every fault that a program can commit, by a minimal program: kind, instruction, cycle and message; and that no program, however
//! absurd, makes the simulator panic.

use proptest::prelude::*;
use systole_isa::instruction::OPCODES;
use systole_isa::operand::{
    Accumulate, Axis, Count, Desc, DescRef, Imm, OperandKind, OperandValue, Reg, Rounding, Scalar, Space, Target,
    Token, Weights,
};
use systole_isa::{ElementFormat, Instruction, Op, Program, Tokens, Unit};
use systole_simulator::{Fault, FaultKind, Machine, Status};
use systole_testkit::build::{Builder, Matrix, count, load, tiny, tokens, whole};

const NONE: Tokens = Tokens::NONE;

/// The end of a program on the smallest machine.
fn end_of(program: Program) -> (Status, Machine) {
    let mut machine = load(program, &tiny());
    machine.advance_to(1_000_000, &mut ());
    (machine.status().clone(), machine)
}

fn fault_of(program: Program) -> Fault {
    match end_of(program).0 {
        Status::Faulted(fault) => fault,
        other => panic!("the program should fault, but: {other:?}"),
    }
}

fn assert_halts(program: Program) {
    assert_eq!(end_of(program).0, Status::Halted);
}

/// The fault's reason, which has to be a bad operand.
fn bad_operand(program: Program, pc: u32) -> String {
    let fault = fault_of(program);
    assert_eq!((fault.code(), fault.pc), ("S0005", pc), "{fault}");
    match fault.kind {
        FaultKind::BadOperand { why } => why,
        other => panic!("{other:?}"),
    }
}

fn matrix(space: Space, base: i64, m: u64, n: u64) -> Matrix {
    let format = if space == Space::Acc {
        ElementFormat::I32
    } else {
        ElementFormat::I8
    };
    Matrix::dense(space, format, base, m, n)
}

fn wload(d: u8, k: u64, n: u64) -> Op {
    Op::MxWload {
        w: whole(d),
        k: count(k),
        n: count(n),
    }
}

fn mm(c: u8, a: u8, m: u64, weights: Weights) -> Op {
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

fn requant(dst: u8, src: u8, par: u8, m: u64, n: u64) -> Op {
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
fn views() -> Builder {
    let mut b = Builder::new(4096);
    b.matrix(0, matrix(Space::Spm, 0, 4, 4));
    b.matrix(1, matrix(Space::Spm, 16, 4, 4));
    b.matrix(2, matrix(Space::Acc, 0, 4, 4));
    b.matrix(3, Matrix::dense(Space::Spm, ElementFormat::I32, 64, 4, 3));
    b.matrix(4, matrix(Space::Spm, 256, 4, 4));
    b.matrix(5, matrix(Space::Dram, 0, 4, 4));
    b
}

#[test]
fn a_trap_carries_its_number() {
    let mut b = Builder::new(0);
    b.op(Op::Nop {});
    b.op(Op::Nop {});
    b.op(Op::Trap { code: Imm(41) });
    let fault = fault_of(b.halt());
    assert_eq!(
        fault,
        Fault {
            kind: FaultKind::Trap { code: 41 },
            pc: 2,
            cycle: 2
        }
    );
    assert_eq!(fault.to_string(), "trap 41 (instruction 2, cycle 2)");
    assert_eq!(fault.code(), "S0001");
}

#[test]
fn a_cycle_of_waits_is_named_with_units_instructions_and_tokens() {
    let mut b = Builder::new(0);
    let mx = b.with(Op::MxNop {}, tokens(&[3], &[4]));
    let vx = b.with(Op::VxNop {}, tokens(&[4], &[5]));
    let st = b.with(Op::StNop {}, tokens(&[5, 6], &[3]));
    b.with(
        Op::Credit {
            token: Token::at(6),
            n: Imm(1),
        },
        NONE,
    );
    let fault = fault_of(b.halt());
    let FaultKind::Deadlock { waits } = &fault.kind else {
        panic!("{fault:?}")
    };
    let waits: Vec<_> = waits.iter().map(|w| (w.unit, w.pc, w.tokens.clone())).collect();
    let t = |i| vec![Token::at(i)];
    assert_eq!(
        waits,
        [
            (Unit::Seq, 4, vec![]),
            (Unit::St, st, t(5)),
            (Unit::Mx, mx, t(3)),
            (Unit::Vx, vx, t(4))
        ]
    );
    let message = fault.to_string();
    for part in [
        "MX at instruction 0 waits for t3",
        "VX at instruction 1 waits for t4",
        "ST at instruction 2 waits for t5",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(fault.help().contains("credit"), "{}", fault.help());
    assert_eq!((fault.code(), fault.cycle), ("S0002", 4));
}

#[test]
fn one_missing_post_is_a_deadlock_and_the_credit_it_lacks_resolves_it() {
    for with_credit in [false, true] {
        let mut b = Builder::new(0);
        if with_credit {
            b.op(Op::Credit {
                token: Token::at(9),
                n: Imm(1),
            });
        }
        let pc = b.with(Op::Nop {}, tokens(&[9], &[]));
        match end_of(b.halt()).0 {
            Status::Halted => assert!(with_credit),
            Status::Faulted(fault) => {
                assert!(
                    !with_credit && fault.pc == pc && fault.to_string().contains("SEQ at instruction 0 waits for t9"),
                    "{fault}"
                );
            }
            Status::Running => panic!("it ends"),
        }
    }
}

/// `ld` writes what `mx.wload` reads.
fn load_then_weights(post: Tokens, wait: Tokens, base: i64) -> (Program, u32, u32) {
    let mut b = views();
    b.matrix(0, matrix(Space::Spm, base, 4, 4));
    let ld = b.ld(4, 5, (4, 4), post);
    let mx = b.with(wload(0, 4, 4), wait);
    (b.halt(), ld, mx)
}

#[test]
fn a_race_of_load_and_array_names_both_instructions() {
    let (program, ld, mx) = load_then_weights(NONE, NONE, 256 + 15);
    let fault = fault_of(program);
    let FaultKind::Race {
        other_pc,
        space,
        address,
    } = fault.kind
    else {
        panic!("{fault:?}")
    };
    assert_eq!((fault.pc, other_pc, space, address), (mx, ld, Space::Spm, 256 + 15));
    let message = fault.to_string();
    assert!(
        message.contains(&format!("race with instruction {ld}: both touch spm byte 0x10f")),
        "{message}"
    );
    assert!(
        message.contains(&format!("(instruction {mx}, cycle ")) && fault.help().contains("!t"),
        "{message}"
    );
    assert_eq!(
        (fault.code(), fault.cycle),
        ("S0003", u64::from(mx)),
        "each instruction before it took one cycle"
    );
    assert_halts(load_then_weights(tokens(&[], &[1]), tokens(&[1], &[]), 256 + 15).0);
    assert_halts(load_then_weights(NONE, NONE, 256 + 16).0);
}

#[test]
fn a_race_of_vector_unit_and_store_names_both_instructions() {
    let build = |post, wait, space| {
        let mut b = views();
        b.op(Op::Clip {
            d: Desc::at(4),
            lo: Imm(-128),
            hi: Imm(127),
        });
        b.matrix(
            6,
            Matrix {
                base: if space == Space::Spm { 256 } else { 0 },
                ..matrix(space, 0, 4, 4)
            },
        );
        let out = if space == Space::Spm { 5 } else { 7 };
        b.matrix(
            7,
            Matrix {
                space: Space::Dram,
                ..matrix(Space::Acc, 512, 4, 4)
            },
        );
        let vx = b.with(requant(4, 2, 3, 4, 4), post);
        let st = b.st(out, 6, (4, 4), wait);
        (b.halt(), vx, st)
    };
    let (program, vx, st) = build(NONE, NONE, Space::Spm);
    let fault = fault_of(program);
    assert!(
        matches!(fault.kind, FaultKind::Race { other_pc, space: Space::Spm, address: 256 } if other_pc == vx),
        "{fault}"
    );
    assert_eq!(fault.pc, st);
    assert_halts(build(tokens(&[], &[2]), tokens(&[2], &[]), Space::Spm).0);
    // Two readers of the accumulators do not race.
    assert_halts(build(NONE, NONE, Space::Acc).0);
}

#[test]
fn interleaved_rows_that_share_no_byte_do_not_race() {
    for (offset, races) in [(4, false), (3, true)] {
        let mut b = views();
        b.matrix(
            4,
            Matrix {
                row_stride: 8,
                ..matrix(Space::Spm, 256, 4, 4)
            },
        );
        b.matrix(
            0,
            Matrix {
                row_stride: 8,
                ..matrix(Space::Spm, 256 + offset, 4, 4)
            },
        );
        b.ld(4, 5, (4, 4), NONE);
        b.op(wload(0, 4, 4));
        let status = end_of(b.halt()).0;
        assert_eq!(
            matches!(
                status,
                Status::Faulted(Fault {
                    kind: FaultKind::Race { .. },
                    ..
                })
            ),
            races,
            "{status:?}"
        );
        assert_eq!(status == Status::Halted, !races);
    }
}

#[test]
fn ranges_end_where_the_memories_end() {
    let (spm, acc) = (tiny().spm.capacity_bytes() as i64, tiny().acc.capacity_bytes() as i64);
    let from_dram = |base, to| {
        let mut b = views();
        b.matrix(5, matrix(Space::Dram, base, 4, 4));
        b.matrix(4, to);
        b.ld(4, 5, (4, 4), NONE);
        b.halt()
    };
    let cases = [
        (Space::Spm, spm, spm - 16, from_dram as fn(_, _) -> _, 1),
        (Space::Acc, acc, acc - 64, from_dram, 4),
    ];
    for (space, capacity, last, build, element_bytes) in cases {
        assert_halts(build(0, matrix(space, last, 4, 4)));
        let fault = fault_of(build(0, matrix(space, last + element_bytes, 4, 4)));
        let FaultKind::OutOfRange {
            space: named,
            end,
            capacity: size,
            ..
        } = fault.kind
        else {
            panic!("{fault:?}")
        };
        assert_eq!(
            (named, end, size),
            (space, capacity + element_bytes, capacity as u64),
            "{fault}"
        );
        assert_eq!((fault.pc, fault.code()), (24, "S0004"));
        assert!(
            fault
                .to_string()
                .contains(&format!("reach beyond the memory of {capacity:#x} bytes")),
            "{fault}"
        );
    }
    assert_halts(from_dram(4096 - 16, matrix(Space::Spm, 0, 4, 4)));
    for base in [4096 - 15, -1, -4096, i64::from(u32::MAX)] {
        let fault = fault_of(from_dram(base, matrix(Space::Spm, 0, 4, 4)));
        assert!(
            matches!(
                fault.kind,
                FaultKind::OutOfRange {
                    space: Space::Dram,
                    capacity: 4096,
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn what_lies_outside_a_window_may_lie_outside_the_memory() {
    for (origin, is_fault) in [(-1, false), (0, true)] {
        let mut b = views();
        b.matrix(5, matrix(Space::Dram, -4, 4, 4));
        b.window(5, Axis::Y, (3, 2), origin, 100);
        b.ld(4, 5, (4, 4), NONE);
        let status = end_of(b.halt()).0;
        assert_eq!(
            matches!(
                status,
                Status::Faulted(Fault {
                    kind: FaultKind::OutOfRange { first: -4, .. },
                    ..
                })
            ),
            is_fault,
            "{status:?}"
        );
    }
}

#[test]
fn addresses_beyond_64_bits_are_out_of_range_and_do_not_wrap_around() {
    let huge = Reg::at(1);
    for (value, on_base) in [
        (1i64 << 61, true),
        (i64::MAX, true),
        (i64::MIN, true),
        (1 << 60, false),
        (i64::MIN, false),
    ] {
        let mut b = views();
        b.op(Op::Li {
            rd: huge,
            value: Imm(value),
        });
        if on_base {
            b.op(Op::Move {
                d: Desc::at(5),
                bytes: huge.into(),
            });
        } else {
            // Rows 0 and 2 would both wrap around to byte 0, row 1 would lie far outside.
            b.op(Op::Level {
                d: Desc::at(5),
                index: Imm(3),
                count: count(3),
                stride: huge.into(),
            });
        }
        b.ld(4, 5, (3, 4), NONE);
        let fault = fault_of(b.halt());
        assert!(
            matches!(fault.kind, FaultKind::OutOfRange { space: Space::Dram, .. }),
            "{value:#x} {fault}"
        );
    }
}

#[test]
fn a_tile_larger_than_the_array_is_refused() {
    for (k, n) in [(5, 4), (4, 5), (0, 4), (4, 0)] {
        let mut b = views();
        b.matrix(0, matrix(Space::Spm, 0, 8, 8));
        let pc = b.op(wload(0, k, n));
        let why = bad_operand(b.halt(), pc);
        assert_eq!(
            why,
            format!("a weight tile of {k} x {n} does not fit the array of 4 x 4")
        );
    }
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
    assert!(why.contains("hold weights that no `mx.mm` has swapped in"), "{why}");
    let mut b = views();
    let pc = b.op(mm(2, 1, 4, Weights::Swap));
    let why = bad_operand(b.halt(), pc);
    assert!(why.contains("no weights in the shadow registers to swap in"), "{why}");
    let mut b = views();
    let pc = b.op(mm(2, 1, 4, Weights::Keep));
    let why = bad_operand(b.halt(), pc);
    assert!(why.contains("the array holds no weights"), "{why}");
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

#[test]
fn a_program_without_an_end_is_told_so() {
    let mut b = Builder::new(0);
    b.op(Op::Nop {});
    let fault = fault_of(b.finish());
    assert_eq!(
        fault,
        Fault {
            kind: FaultKind::EndOfProgram,
            pc: 1,
            cycle: 1
        }
    );
    assert!(fault.help().contains("halt"));
    let mut b = Builder::new(0);
    b.op(Op::Jmp { target: Target(77) });
    assert_eq!(
        fault_of(b.halt()),
        Fault {
            kind: FaultKind::EndOfProgram,
            pc: 77,
            cycle: 1
        }
    );
    assert_eq!(fault_of(Program::default()).kind, FaultKind::EndOfProgram);
}

#[test]
fn eight_loops_nest_and_nine_do_not() {
    for depth in [8, 9] {
        let mut b = Builder::new(0);
        let loops: Vec<u32> = (0..depth)
            .map(|_| {
                b.op(Op::Loop {
                    count: Scalar::Imm(2),
                    end: Target(0),
                })
            })
            .collect();
        b.op(Op::Add {
            rd: Reg::at(1),
            ra: Reg::at(1),
            b: Scalar::Imm(1),
        });
        loops.into_iter().rev().for_each(|pc| b.close_loop(pc));
        let (status, machine) = end_of(b.halt());
        match status {
            Status::Halted => assert_eq!((depth, machine.registers()[1]), (8, 256)),
            Status::Faulted(fault) => {
                assert_eq!(
                    (depth, fault.clone()),
                    (
                        9,
                        Fault {
                            kind: FaultKind::LoopDepth,
                            pc: 8,
                            cycle: 8
                        }
                    )
                );
                assert_eq!(fault.code(), "S0007");
            }
            Status::Running => panic!("it ends"),
        }
    }
}

#[test]
fn an_accumulator_beyond_32_bits_is_located() {
    for (weight, overflows) in [(32_769, true), (32_768, false)] {
        let mut b = views();
        for (d, base) in [(0, 0), (1, 64)] {
            b.matrix(d, Matrix::dense(Space::Spm, ElementFormat::U16, base, 2, 2));
            b.matrix(d + 8, Matrix::dense(Space::Dram, ElementFormat::U16, base, 2, 2));
            b.ld(d, d + 8, (2, 2), tokens(&[], &[0]));
        }
        b.values(0, ElementFormat::U16, &[0, 0, 0, weight]);
        b.values(64, ElementFormat::U16, &[0, 0, 0, 65_535]);
        b.with(wload(0, 2, 2), tokens(&[0], &[]));
        let pc = b.with(mm(2, 1, 2, Weights::Swap), tokens(&[0], &[]));
        let (status, machine) = end_of(b.halt());
        let Status::Faulted(fault) = status else {
            assert!(!overflows);
            continue;
        };
        assert!(overflows);
        // Row 1, column 1 of rows of four accumulators of four bytes.
        assert_eq!(
            (fault.pc, fault.kind.clone()),
            (pc, FaultKind::Overflow { address: 20 })
        );
        assert_eq!((fault.code(), fault.cycle), ("S0008", machine.now()));
        assert!(
            fault
                .to_string()
                .contains("the accumulator at byte 0x14 went beyond 32 bits"),
            "{fault}"
        );
    }
}

/// An integer near the places where something may break.
fn integer(lo: i64, hi: i64) -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => (0i64..=5).prop_map(move |v| v.clamp(lo, hi)),
        3 => (-300i64..=300).prop_map(move |v| v.clamp(lo, hi)),
        1 => lo..=hi,
        1 => prop::sample::select(vec![lo, hi, lo / 2, hi / 2]),
    ]
}

fn operand(kind: OperandKind) -> BoxedStrategy<OperandValue> {
    // Few registers, descriptors and tokens, so that instructions meet.
    let reg = || (0u8..5).prop_map(Reg::at);
    let desc = || (0u8..5).prop_map(Desc::at);
    match kind {
        OperandKind::Reg => reg().prop_map(OperandValue::Reg).boxed(),
        OperandKind::Desc => desc().prop_map(OperandValue::Desc).boxed(),
        OperandKind::DescRef => (desc(), prop_oneof![4 => Just(Reg::ZERO), 1 => reg()])
            .prop_map(|(desc, offset)| OperandValue::DescRef(DescRef { desc, offset }))
            .boxed(),
        OperandKind::Val { .. } => {
            let (lo, hi) = kind.range().unwrap();
            prop_oneof![6 => integer(lo, hi).prop_map(OperandValue::Imm), 1 => reg().prop_map(OperandValue::ValReg)]
                .boxed()
        }
        OperandKind::Imm { .. } => {
            let (lo, hi) = kind.range().unwrap();
            integer(lo, hi).prop_map(OperandValue::Imm).boxed()
        }
        OperandKind::Target => prop_oneof![20 => 0u32..70, 1 => Just((1 << 24) - 1)]
            .prop_map(OperandValue::Target)
            .boxed(),
        OperandKind::Token => (0u8..3).prop_map(|t| OperandValue::Token(Token::at(t))).boxed(),
        OperandKind::Choice(words) => (0..words.len() as u8).prop_map(OperandValue::Choice).boxed(),
    }
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let token = || prop::option::weighted(0.15, (0u8..3).prop_map(Token::at));
    let op = prop::sample::select(OPCODES).prop_flat_map(|row| {
        let operands: Vec<_> = row.operands.iter().map(|info| operand(info.kind)).collect();
        operands
            .prop_map(move |values| Op::from_operands(row.opcode, &values).expect("values are of their kind and range"))
    });
    (op, token(), token()).prop_map(|(op, wait, post)| Instruction {
        op,
        tokens: Tokens {
            waits: [wait, None],
            posts: [post, None],
        },
    })
}

/// Descriptors that show small matrices of random format and step, so that random instructions find something to work on.
fn views_at_random() -> impl Strategy<Value = Vec<Instruction>> {
    let view = (
        prop::sample::select(Space::ALL),
        prop::sample::select(ElementFormat::ALL),
        0i64..200,
        integer(-65_536, 65_535),
        prop::collection::vec((1u64..6, integer(-8, 8)), 2..5),
        1i64..5,
    );
    prop::collection::vec(view, 5).prop_map(|views| {
        let mut b = Builder::default();
        for (d, (space, format, base, zero_point, levels, split)) in views.into_iter().enumerate() {
            let format = if space == Space::Acc {
                ElementFormat::I32
            } else {
                format
            };
            b.view(d as u8, (space, format), (64 * base, zero_point as i32), split, &levels);
        }
        b.code
    })
}

fn random_program() -> impl Strategy<Value = (Program, Vec<u8>)> {
    let body = prop::collection::vec(instruction(), 1..60);
    let noise = prop::collection::vec(
        prop_oneof![2 => any::<u8>(), 1 => Just(0), 1 => Just(0x80), 1 => Just(0xff)],
        256,
    );
    (prop::bool::weighted(0.8), views_at_random(), body, noise).prop_map(|(with_views, views, body, noise)| {
        let mut b = Builder::new(16 << 10);
        b.code = if with_views { views } else { vec![] };
        b.code.extend(body);
        (b.halt(), noise)
    })
}

/// The machine with every byte of its memories filled.
fn filled(program: Program, noise: &[u8]) -> Machine {
    let mut machine = load(program, &tiny());
    for &space in Space::ALL {
        let memory = machine.memory_mut(space);
        for address in (0..memory.capacity_bytes()).step_by(noise.len()) {
            memory.write(address, noise);
        }
    }
    machine
}

/// Runs a program in steps, looking at the PEs in between, and at once; both must end alike.
fn check_run(program: Program, noise: &[u8], steps: &[u64]) -> Result<Status, TestCaseError> {
    let mut machine = filled(program, noise);
    let mut leapt = machine.clone();
    for step in steps {
        machine.advance_to(2_000.min(machine.now() + step), &mut ());
        machine.pe_view();
    }
    machine.advance_to(2_000, &mut ());
    leapt.advance_to(2_000, &mut ());
    prop_assert_eq!(machine.status(), leapt.status());
    prop_assert_eq!(machine.state_hash(), leapt.state_hash());
    for unit in Unit::ALL {
        prop_assert_eq!(machine.unit_cycles(unit).total(), machine.now());
    }
    Ok(machine.status().clone())
}

proptest! {
    #[test]
    fn no_program_makes_the_simulator_panic((mut program, noise) in random_program(), steps in prop::collection::vec(1u64..80, 1..20)) {
        // Most programs fault at once. Without the offending instruction the rest has its turn.
        for _ in 0..24 {
            let Status::Faulted(fault) = check_run(program.clone(), &noise, &steps)? else { break };
            let place = format!("(instruction {}, cycle {})", fault.pc, fault.cycle);
            prop_assert!(fault.cycle < 2_000 && fault.to_string().ends_with(&place), "{}", fault);
            let Some(instruction) = program.code.get_mut(fault.pc as usize) else { break };
            *instruction = Op::Nop {}.into();
        }
    }
}
