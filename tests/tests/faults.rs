//! Every fault that a program can commit but bad operands, by a minimal program: kind, instruction, cycle and message.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use systole_isa::operand::{Axis, Desc, Imm, PerfCounter, Reg, Scalar, Space, Target, Token, Weights};
use systole_isa::{ElementFormat, Op, Program, Tokens, Unit};
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::report::RunTotals;
use systole_simulator::{Fault, FaultKind, Status};
use systole_testkit::build::{Builder, Matrix, count, read_values, tiny, tokens};
use systole_testkit::small::{assert_halts, end_of, fault_of, matrix, mm, requant, views, wload};

const NONE: Tokens = Tokens::NONE;

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
    let FaultKind::Deadlock { waits, cycle } = &fault.kind else {
        panic!("{fault:?}")
    };
    assert_eq!(*cycle, [Unit::St, Unit::Vx, Unit::Mx]);
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
        "MX at instruction 0 waits for t3, which ST would post at instruction 2;",
        "VX at instruction 1 waits for t4, which MX would post at instruction 0;",
        "ST at instruction 2 waits for t5, which VX would post at instruction 1;",
        "the waits make a cycle: ST -> VX -> MX -> ST",
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
        sides,
    } = fault.kind
    else {
        panic!("{fault:?}")
    };
    assert_eq!(
        sides.map(|side| (side.unit, side.writes)),
        [(Unit::Ld, true), (Unit::Mx, false)]
    );
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
        matches!(fault.kind, FaultKind::Race { other_pc, space: Space::Spm, address: 256, .. } if other_pc == vx),
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
fn an_accumulator_beyond_32_bits_wraps_and_is_located() {
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
        // The same once more: the first place stays, the number grows.
        b.op(mm(2, 1, 2, Weights::Keep));
        b.op(Op::Fence {});
        b.op(Op::RdPerf {
            rd: Reg::at(3),
            counter: PerfCounter::Overflows,
        });
        let (status, machine) = end_of(b.halt());
        assert_eq!(status, Status::Halted);
        let n_overflows = if overflows { 2 } else { 0 };
        assert_eq!(
            (machine.registers()[3], machine.counts().overflows),
            (n_overflows, n_overflows as u64)
        );
        // Row 1, column 1 of rows of four accumulators of four bytes.
        let place = machine.first_overflow().map(|o| (o.pc, o.address));
        assert_eq!(place, overflows.then_some((pc, 20)));
        let sum = read_values(&machine, Space::Acc, ElementFormat::I32, 20, 1);
        assert_eq!(sum, [(i64::from(weight) * 65_535) as i32]);
        let mut totals = RunTotals::new(machine.program().clone(), machine.description().clone());
        totals.add(&machine);
        let report = totals.report(&PowerProfile::new(EnergyModel::of(machine.description())));
        assert_eq!(report.diagnostics.len(), usize::from(overflows));
        if let Some(warning) = report.diagnostics.first() {
            let text = warning.to_string();
            assert!(
                text.contains("2 sums left") && text.contains("byte 0x14 by instruction"),
                "{text}"
            );
        }
    }
}
