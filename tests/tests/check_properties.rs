//! Properties of the static check: what it proves runs alike whatever the timing, and what it calls a race is one to the simulator too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::sync::Arc;
use systole_isa::machine::Overlap;
use systole_isa::operand::{Scalar, Space, Target, Token, Weights};
use systole_isa::{ElementFormat, MachineDescription, Op, Program, Tokens};
use systole_simulator::check::{CheckReport, DEFAULT_LIMIT, check};
use systole_simulator::{Machine, Mode, Status};
use systole_testkit::build::{Builder, Matrix, count, tiny, whole};
use systole_testkit::small::{matrix, mm, wload};

/// One step of a small program: what it does, on which of a few buffers.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(u8),
    Store(u8),
    StoreSums(u8),
    Pool(u8, u8),
    Product(u8, u8, u8),
}

/// A token from step `from` to step `to`; backwards it makes a deadlock.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: usize,
    to: usize,
}

#[derive(Clone, Debug)]
struct Plan {
    steps: Vec<Step>,
    edges: Vec<Edge>,
    rounds: i64,
    fences: bool,
}

const N_BUFFERS: u8 = 3;

fn step() -> impl Strategy<Value = Step> {
    let buffer = 0..N_BUFFERS;
    prop_oneof![
        buffer.clone().prop_map(Step::Load),
        buffer.clone().prop_map(Step::Store),
        (0u8..2).prop_map(Step::StoreSums),
        (buffer.clone(), buffer.clone()).prop_map(|(a, b)| Step::Pool(a, b)),
        (buffer.clone(), buffer, 0u8..2).prop_map(|(w, a, c)| Step::Product(w, a, c)),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (2usize..7)
        .prop_flat_map(|n| {
            let edges = prop::collection::vec((0..n, 0..n, 0u8..10), n..2 * n + 3);
            // Most programs have a token from each step to the next one.
            let chain = prop::collection::vec(prop::bool::weighted(0.9), n - 1);
            (prop::collection::vec(step(), n), chain, edges, 1i64..3, any::<bool>())
        })
        .prop_map(|(steps, chain, extra, rounds, fences)| {
            let links = chain.iter().enumerate().filter(|(_, link)| **link);
            let mut edges: Vec<Edge> = links.map(|(i, _)| Edge { from: i, to: i + 1 }).collect();
            for (a, b, kind) in extra {
                let (from, to) = if kind == 0 {
                    (a.max(b), a.min(b))
                } else {
                    (a.min(b), a.max(b))
                };
                if from != to && edges.len() < 16 && kind < 4 {
                    edges.push(Edge { from, to });
                }
            }
            Plan {
                steps,
                edges,
                rounds,
                fences,
            }
        })
}

/// The program of a plan; every edge has a token of its own, as far as instructions have places for them.
fn program(plan: &Plan) -> Program {
    let mut b = Builder::new(4096);
    b.values(
        0,
        ElementFormat::I8,
        &(0..64).map(|i| i * 7 % 100 - 50).collect::<Vec<_>>(),
    );
    for buffer in 0..N_BUFFERS {
        // Buffers overlap by half, so that there is something to race for.
        b.matrix(buffer, matrix(Space::Spm, i64::from(buffer) * 8, 4, 4));
        b.matrix(8 + buffer, matrix(Space::Dram, i64::from(buffer) * 16, 4, 4));
        b.matrix(16 + buffer, matrix(Space::Dram, 512 + i64::from(buffer) * 8, 4, 4));
    }
    for sums in 0..2 {
        b.matrix(4 + sums, matrix(Space::Acc, i64::from(sums) * 32, 4, 4));
        let out = Matrix::dense(Space::Dram, ElementFormat::I32, 1024 + i64::from(sums) * 64, 4, 4);
        b.matrix(20 + sums, out);
    }
    let mut tokens = vec![Tokens::NONE; plan.steps.len()];
    for (index, edge) in plan.edges.iter().enumerate() {
        let token = Token::at(index as u8);
        if let (Some(post), Some(wait)) = (tokens[edge.from].and_post(token), tokens[edge.to].and_wait(token)) {
            tokens[edge.from].posts = post.posts;
            tokens[edge.to].waits = wait.waits;
        }
    }
    let head = (plan.rounds > 1).then(|| {
        b.op(Op::Loop {
            count: Scalar::Imm(plan.rounds),
            end: Target(0),
        })
    });
    for (step, &tokens) in plan.steps.iter().zip(&tokens) {
        emit(&mut b, *step, tokens);
    }
    if plan.fences {
        b.op(Op::Fence {});
    }
    if let Some(head) = head {
        b.op(Op::Nop {});
        b.close_loop(head);
    }
    b.halt()
}

fn emit(b: &mut Builder, step: Step, tokens: Tokens) {
    match step {
        Step::Load(buffer) => {
            b.ld(buffer, 8 + buffer, (4, 4), tokens);
        }
        Step::Store(buffer) => {
            b.st(16 + buffer, buffer, (4, 4), tokens);
        }
        Step::StoreSums(sums) => {
            b.st(20 + sums, 4 + sums, (4, 4), tokens);
        }
        Step::Pool(dst, src) => {
            let op = Op::VxMaxPool {
                dst: whole(dst),
                src: whole(src),
                m: count(4),
                n: count(4),
            };
            b.with(op, tokens);
        }
        Step::Product(w, a, c) => {
            b.with(
                wload(w, 4, 4),
                Tokens {
                    posts: [None; 2],
                    ..tokens
                },
            );
            b.with(
                mm(4 + c, a, 4, Weights::Swap),
                Tokens {
                    waits: [None; 2],
                    ..tokens
                },
            );
        }
    }
}

/// The smallest machine with a queue of one, so that every other one has at least as much room; and machines that differ in timing only.
fn machines() -> (MachineDescription, Vec<MachineDescription>) {
    let strict = MachineDescription {
        queue_depth: 1,
        ..tiny()
    };
    let with = |f: &dyn Fn(&mut MachineDescription)| {
        let mut machine = strict.clone();
        f(&mut machine);
        assert_eq!(machine.problems(), []);
        machine
    };
    let others = vec![
        strict.clone(),
        with(&|m| m.clock_mhz = 10_000),
        with(&|m| (m.clock_mhz, m.vector.n_lanes) = (1, 64)),
        with(&|m| (m.queue_depth, m.overlap) = (16, Overlap::None)),
        with(&|m| (m.queue_depth, m.dram.max_outstanding, m.vector.n_lanes) = (3, 1, 1)),
    ];
    (strict, others)
}

/// How a program ends on a machine, and what its memories hold then.
fn outcome(program: &Program, machine: &MachineDescription) -> (Status, Vec<Vec<u8>>) {
    let mut machine = Machine::new(Arc::new(program.clone()), Arc::new(machine.clone()), Mode::Full).unwrap();
    machine.advance_to(10_000_000, &mut ());
    let contents = [(Space::Spm, 64), (Space::Acc, 256), (Space::Dram, 4096)].map(|(space, n)| {
        let mut bytes = vec![0; n];
        machine.memory(space).read(0, &mut bytes);
        bytes
    });
    (machine.status().clone(), contents.to_vec())
}

fn has(report: &CheckReport, code: &str) -> bool {
    report.findings.iter().any(|finding| finding.code == code)
}

fn verify(plan: &Plan) -> Result<CheckReport, TestCaseError> {
    let program = program(plan);
    let (strict, machines) = machines();
    let report = check(&program, &strict, DEFAULT_LIMIT).unwrap();
    let outcomes: Vec<_> = machines.iter().map(|machine| outcome(&program, machine)).collect();
    if report.is_proven() {
        for (status, memories) in &outcomes {
            prop_assert_eq!(status, &Status::Halted);
            prop_assert_eq!(memories, &outcomes[0].1);
        }
    }
    let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    if has(&report, "K0002") && !has(&report, "K0001") {
        for (status, _) in &outcomes {
            let found = matches!(status, Status::Faulted(fault) if fault.code() == "S0003");
            prop_assert!(found, "{codes:?}, but: {status:?}");
        }
    }
    if has(&report, "K0001") {
        let (status, _) = &outcomes[0];
        let found = matches!(status, Status::Faulted(fault) if matches!(fault.code(), "S0002" | "S0003"));
        prop_assert!(found, "{codes:?}, but: {status:?}");
    }
    Ok(report)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn what_is_proven_runs_alike_at_every_timing_and_a_race_is_found_at_every_timing(plan in plan()) {
        let proven = verify(&plan)?.is_proven();
        // Without one of its tokens, a program is proven again, and runs alike again, or the check says what is wrong.
        if proven && !plan.edges.is_empty() {
            let mut poorer = plan.clone();
            poorer.edges.remove(plan.steps.len() % plan.edges.len());
            verify(&poorer)?;
        }
    }
}

/// The properties above say nothing if nothing is proven, or nothing refused.
#[test]
fn the_plans_are_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let (strict, _) = machines();
    let (mut n_proven, mut n_racing, mut n_deadlocks) = (0, 0, 0);
    for _ in 0..300 {
        let plan = plan().new_tree(&mut runner).unwrap().current();
        let report = check(&program(&plan), &strict, DEFAULT_LIMIT).unwrap();
        n_proven += usize::from(report.is_proven());
        n_racing += usize::from(has(&report, "K0002"));
        n_deadlocks += usize::from(has(&report, "K0001"));
    }
    let found = format!("{n_proven} proven, {n_racing} with races, {n_deadlocks} with deadlocks");
    assert!(n_proven > 60 && n_racing > 40 && n_deadlocks > 40, "{found}");
}

/// In a chain of load, product and store, every token is needed: without any one of them the check names what is wrong.
#[test]
fn a_chain_without_any_one_of_its_tokens_is_found() {
    let plan = Plan {
        steps: vec![Step::Load(0), Step::Product(0, 0, 0), Step::StoreSums(0), Step::Load(0)],
        edges: vec![
            Edge { from: 0, to: 1 },
            Edge { from: 1, to: 2 },
            Edge { from: 1, to: 3 },
        ],
        rounds: 1,
        fences: false,
    };
    assert!(verify(&plan).unwrap().is_proven());
    for removed in 0..plan.edges.len() {
        let mut poorer = plan.clone();
        poorer.edges.remove(removed);
        let report = verify(&poorer).unwrap();
        assert!(has(&report, "K0002"), "without token {removed}: {report:?}");
    }
    let looped = Plan { rounds: 2, ..plan };
    assert!(
        has(&verify(&looped).unwrap(), "K0002"),
        "the second round loads before the first one has stored"
    );
}
