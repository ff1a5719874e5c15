//! No program makes the simulator or the static check panic, however absurd: random instructions of every kind end in a fault, a halt, or
//! run on, and what the check proves commits no fault. The test
//! profile checks arithmetic, so that an overflow counts as a panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_isa::instruction::OPCODES;
use systole_isa::operand::{
    Accumulate, Count, Desc, DescRef, Divide, OperandKind, OperandValue, Reg, Rounding, Space, Token, Weights,
};
use systole_isa::{ElementFormat, Instruction, Op, Program, Tokens, Unit};
use systole_simulator::{Machine, Status};
use systole_testkit::build::{Builder, count, load, tiny, whole};

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

/// Any row of the table with any operands.
fn any_op() -> impl Strategy<Value = Op> {
    prop::sample::select(OPCODES).prop_flat_map(|row| {
        let operands: Vec<_> = row.operands.iter().map(|info| operand(info.kind)).collect();
        operands
            .prop_map(move |values| Op::from_operands(row.opcode, &values).expect("values are of their kind and range"))
    })
}

/// The vector unit's operations, by number.
fn vector_work(
    which: i32,
    [dst, src, b, par]: [DescRef; 4],
    (m, n): (Count, Count),
    mode: Accumulate,
    rounding: Rounding,
) -> Op {
    let (a, table, acc) = (src, par, whole(2));
    let divide = Divide::ALL[which as usize % Divide::ALL.len()];
    match which {
        0 => Op::VxRequant {
            dst,
            src,
            par,
            m,
            n,
            rounding,
        },
        1 => Op::VxPrelu {
            dst,
            src,
            par,
            m,
            n,
            rounding,
        },
        2 => Op::VxLut { dst, src, table, m, n },
        3 => Op::VxAdd {
            dst,
            a,
            b,
            par,
            m,
            n,
            rounding,
        },
        4 => Op::VxMul {
            dst,
            a,
            b,
            par,
            m,
            n,
            rounding,
        },
        5 => Op::VxMaxPool { dst, src, m, n },
        6 => Op::VxAvgPool {
            dst,
            src,
            par,
            m,
            n,
            divide,
            rounding,
        },
        7 => Op::VxDwConv {
            dst: acc,
            src,
            w: b,
            m,
            n,
            mode,
        },
        8 => Op::VxSoftmax { dst, src, table, m, n },
        9 => Op::VxLayerNorm { dst, src, par, m, n },
        10 => Op::VxArgMax { dst, src, m, n },
        11 => Op::VxMove { dst, src, m, n },
        12 => Op::VxMask { dst, src, m, n },
        _ => Op::VxNop {},
    }
}

/// Work for a unit in small sizes on views that are mostly in the right memory: d0 in DRAM, d1 and d3 in the scratchpad, d2 in the
/// accumulators; d3 shows words, as tables of parameters do.
fn likely_work() -> impl Strategy<Value = Op> {
    let on_chip = || {
        prop_oneof![4 => Just(1u8), 2 => Just(3u8), 1 => 0u8..5]
            .prop_map(whole)
            .boxed()
    };
    let table = || prop_oneof![8 => Just(3u8), 1 => 0u8..5].prop_map(whole).boxed();
    let size = || (1u64..5).prop_map(count);
    let choices = (
        prop::sample::select(Accumulate::ALL),
        prop::sample::select(Weights::ALL),
        any::<bool>(),
    );
    (
        0..20,
        [on_chip(), on_chip(), table()],
        [size(), size(), size()],
        choices,
    )
        .prop_map(|(which, [x, y, par], [m, n, k], (mode, weights, over_acc))| {
            let (mode, weights, rounding) = (mode, weights, Rounding::ALL[usize::from(over_acc)]);
            let x_or_acc = if over_acc { whole(2) } else { x };
            match which {
                0 => Op::Ld {
                    dst: x_or_acc,
                    src: whole(0),
                    m,
                    n,
                },
                1 => Op::St {
                    dst: whole(0),
                    src: x_or_acc,
                    m,
                    n,
                },
                2 | 3 => Op::MxWload { w: x, k, n },
                4 | 5 => Op::MxMm {
                    c: whole(2),
                    a: x,
                    m0: count(0),
                    m,
                    k0: count(0),
                    mode,
                    weights,
                },
                _ => vector_work(which - 6, [x, x_or_acc, y, par], (m, n), mode, rounding),
            }
        })
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let token = || prop::option::weighted(0.15, (0u8..3).prop_map(Token::at));
    (prop_oneof![any_op(), likely_work()], token(), token()).prop_map(|(op, wait, post)| Instruction {
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
        0i64..8,
        prop_oneof![Just(0), integer(-65_536, 65_535)],
        prop::collection::vec((2u64..6, integer(-8, 8)), 2..5),
        prop_oneof![1 => 1i64..5, 3 => Just(4)],
    );
    prop::collection::vec(view, 5).prop_map(|views| {
        let mut b = Builder::default();
        for (d, (any_space, format, base, zero_point, levels, split)) in views.into_iter().enumerate() {
            let space = [Space::Dram, Space::Spm, Space::Acc, Space::Spm, any_space][d];
            // Accumulators and the table of parameters.
            let is_i32 = space == Space::Acc || d == 3;
            let format = if is_i32 { ElementFormat::I32 } else { format };
            let levels = if d == 3 { vec![(20, 7), (20, 1)] } else { levels };
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
            let status = check_run(program.clone(), &noise, &steps)?;
            let report = systole_simulator::check(&program, &tiny(), 5_000).unwrap();
            if let (Status::Faulted(fault), true) = (&status, report.is_proven()) {
                // The check knows no values, so it cannot know of sums that are too large.
                prop_assert_eq!(fault.code(), "S0008", "{}", fault);
            }
            let Status::Faulted(fault) = status else { break };
            let place = format!("(instruction {}, cycle {})", fault.pc, fault.cycle);
            prop_assert!(fault.cycle < 2_000 && fault.to_string().ends_with(&place), "{}", fault);
            let Some(instruction) = program.code.get_mut(fault.pc as usize) else { break };
            *instruction = Op::Nop {}.into();
        }
    }
}
