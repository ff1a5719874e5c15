//! What holds for every run of small random programs: each unit-cycle is counted once, DRAM bytes are those of the descriptors, a
//! snapshot is independent of its original, and going back leads to where a fresh run would be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_isa::latency::banks::SpmBanks;
use systole_isa::operand::{Accumulate, Imm, MarkKind, Rounding, Scalar, Space, Target, Weights};
use systole_isa::program::Mark;
use systole_isa::{Descriptor, ElementFormat, Op, Program, Tokens, Unit};
use systole_simulator::{Event, History, Machine, Status, observer::Watch};
use systole_testkit::build::{Builder, Matrix, count, load, tiny, tokens, whole};

/// A piece of work with a place of its own in every memory, so that nothing races.
#[derive(Clone, Debug)]
enum Job {
    Load(Copy),
    Store(Copy),
    Product { m: u64, k: u64, n: u64 },
    Requantize { m: u64, n: u64 },
    Wait(Unit),
    Scalar(u64),
}

#[derive(Clone, Debug)]
struct Copy {
    format: ElementFormat,
    m: u64,
    n: u64,
    /// Elements between the rows in DRAM.
    gap: u64,
}

#[derive(Clone, Debug)]
struct Recipe {
    /// With each job: whether it waits for the one before it.
    jobs: Vec<(Job, bool)>,
    n_rounds: u64,
    /// Whether the scratchpad has so few banks that units wait for each other.
    has_few_banks: bool,
}

fn job() -> impl Strategy<Value = Job> {
    let copy = (prop::sample::select(ElementFormat::ALL), 1u64..6, 1u64..9, 0u64..20)
        .prop_map(|(format, m, n, gap)| Copy { format, m, n, gap });
    let store = copy.clone().prop_map(Job::Store);
    prop_oneof![
        3 => copy.prop_map(Job::Load),
        3 => store,
        3 => (1u64..9, 1u64..5, 1u64..5).prop_map(|(m, k, n)| Job::Product { m, k, n }),
        2 => (1u64..5, 1u64..5).prop_map(|(m, n)| Job::Requantize { m, n }),
        1 => prop::sample::select(&Unit::ALL[1..]).prop_map(Job::Wait),
        1 => (1u64..30).prop_map(Job::Scalar),
    ]
}

fn recipe() -> impl Strategy<Value = Recipe> {
    (
        prop::collection::vec((job(), any::<bool>()), 1..10),
        1u64..12,
        any::<bool>(),
    )
        .prop_map(|(jobs, n_rounds, has_few_banks)| Recipe {
            jobs,
            n_rounds,
            has_few_banks,
        })
}

/// Bytes of a place in scratchpad, accumulators and DRAM.
const PLACE: [i64; 3] = [1024, 512, 2048];

/// The program, with the DRAM bytes that its descriptors read and write.
fn program(recipe: &Recipe) -> (Program, u64, u64) {
    let mut b = Builder::new(PLACE[2] as u64 * 16);
    let (mut read, mut written) = (0, 0);
    let rounds = b.op(Op::Loop {
        count: Scalar::Imm(recipe.n_rounds as i64),
        end: Target(0),
    });
    for (i, (job, waits)) in recipe.jobs.iter().enumerate() {
        b.op(Op::Mark {
            kind: MarkKind::Layer,
            id: Imm((i % 3) as i64),
        });
        let next_waits = recipe.jobs.get(i + 1).is_some_and(|(_, waits)| *waits);
        let token = i as u8;
        let waits = if i > 0 && *waits { vec![token - 1] } else { vec![] };
        let order = tokens(&waits, if next_waits { std::slice::from_ref(&token) } else { &[] });
        if let Some((is_load, bytes)) = add_job(&mut b, job, i as i64, order) {
            *(if is_load { &mut read } else { &mut written }) += bytes * recipe.n_rounds;
        }
    }
    b.close_loop(rounds);
    let mut program = b.halt();
    program.marks = ["a", "b", "c"]
        .map(|name| Mark {
            name: name.into(),
            op: "test".into(),
            plan: None,
        })
        .to_vec();
    (program, read, written)
}

/// Appends a job in place `i`; returns whether it loads, and how many DRAM bytes.
fn add_job(b: &mut Builder, job: &Job, i: i64, order: Tokens) -> Option<(bool, u64)> {
    let [spm, acc, dram] = PLACE.map(|bytes| bytes * i);
    let waits = Tokens {
        posts: [None; 2],
        ..order
    };
    match *job {
        Job::Load(ref copy) | Job::Store(ref copy) => {
            let (m, n) = (copy.m, copy.n);
            let inside = Matrix::dense(Space::Spm, copy.format, spm, m, n);
            let outside = Matrix {
                space: Space::Dram,
                base: dram,
                row_stride: (n + copy.gap) as i64,
                ..inside
            };
            b.matrix(0, inside);
            b.matrix(1, outside);
            let is_load = matches!(job, Job::Load(_));
            if is_load {
                b.ld(0, 1, (m, n), order)
            } else {
                b.st(1, 0, (m, n), order)
            };
            let mut view = Descriptor::new(Space::Dram, copy.format, dram, 0, 4);
            (view.levels[3].count, view.levels[3].stride) = (m as u32, outside.row_stride);
            (view.levels[4].count, view.levels[4].stride) = (n as u32, 1);
            return Some((is_load, view.bytes_touched(0, m, 0, n)));
        }
        Job::Product { m, k, n } => {
            b.matrix(0, Matrix::dense(Space::Spm, ElementFormat::I8, spm, k, n));
            b.matrix(1, Matrix::dense(Space::Spm, ElementFormat::I8, spm + 64, m, k));
            b.matrix(2, Matrix::dense(Space::Acc, ElementFormat::I32, acc, m, n));
            b.with(
                Op::MxWload {
                    w: whole(0),
                    k: count(k),
                    n: count(n),
                },
                waits,
            );
            let (m0, m, k0) = (count(0), count(m), count(0));
            let mm = Op::MxMm {
                c: whole(2),
                a: whole(1),
                m0,
                m,
                k0,
                mode: Accumulate::Over,
                weights: Weights::Swap,
            };
            b.with(
                mm,
                Tokens {
                    waits: [None; 2],
                    ..order
                },
            );
        }
        Job::Requantize { m, n } => {
            b.matrix(0, Matrix::dense(Space::Spm, ElementFormat::I8, spm, m, n));
            b.matrix(1, Matrix::dense(Space::Acc, ElementFormat::I32, acc, m, n));
            b.matrix(2, Matrix::dense(Space::Spm, ElementFormat::I32, spm + 64, n, 3));
            let (m, n) = (count(m), count(n));
            let (dst, src, par) = (whole(0), whole(1), whole(2));
            b.with(
                Op::VxRequant {
                    dst,
                    src,
                    par,
                    m,
                    n,
                    rounding: Rounding::Fixed,
                },
                order,
            );
        }
        Job::Wait(unit) => {
            let op = match unit {
                Unit::Seq => Op::Nop {},
                Unit::Ld => Op::LdNop {},
                Unit::St => Op::StNop {},
                Unit::Mx => Op::MxNop {},
                Unit::Vx => Op::VxNop {},
            };
            b.with(op, order);
        }
        Job::Scalar(n_cycles) => {
            let spin = b.with(Op::Nop {}, waits) + 1;
            b.op(Op::Loop {
                count: Scalar::Imm(n_cycles as i64),
                end: Target(spin + 2),
            });
            b.op(Op::Nop {});
            b.with(
                Op::Nop {},
                Tokens {
                    waits: [None; 2],
                    ..order
                },
            );
        }
    }
    None
}

fn at_start(recipe: &Recipe) -> Machine {
    let mut description = tiny();
    description.spm_banks = recipe.has_few_banks.then_some(SpmBanks {
        n_banks: 2,
        word_bytes: 4,
        ports: 1,
    });
    let mut machine = load(program(recipe).0, &description);
    let noise: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(167) ^ 0x5a).collect();
    for (space, places) in [(Space::Spm, 32), (Space::Dram, 64)] {
        (0..places).for_each(|i| machine.memory_mut(space).write(256 * i, &noise));
    }
    machine
}

/// The machine after a fresh run to this cycle.
fn fresh(recipe: &Recipe, cycle: u64) -> Machine {
    let mut machine = at_start(recipe);
    machine.advance_to(cycle, &mut ());
    machine
}

proptest! {
    #[test]
    fn cycles_and_bytes_are_conserved(recipe in recipe(), parts in prop::collection::vec(1u64..600, 0..10)) {
        let (_, read, written) = program(&recipe);
        let mut machine = at_start(&recipe);
        for part in parts {
            machine.advance_to(machine.now() + part, &mut ());
            for unit in Unit::ALL {
                prop_assert_eq!(machine.unit_cycles(unit).total(), machine.now(), "{:?}", unit);
            }
        }
        machine.advance_to(u64::MAX, &mut ());
        prop_assert_eq!(machine.status(), &Status::Halted);
        for unit in Unit::ALL {
            let cycles = machine.unit_cycles(unit);
            prop_assert_eq!(cycles.total(), machine.now(), "{:?}", unit);
            let by_layer: u64 = machine.layers().iter().map(|layer| layer.busy[unit.index()]).sum();
            prop_assert_eq!(cycles.busy(), by_layer, "{:?}", unit);
        }
        let counts = machine.counts();
        prop_assert_eq!((counts.dram_read_bytes, counts.dram_write_bytes), (read, written));
        let burst_bytes = tiny().dram.standard.organization().burst_bytes;
        let n_bursts = counts.dram_read_bursts + counts.dram_write_bursts;
        prop_assert!(n_bursts * burst_bytes >= read + written, "every byte is on the bus");
        // A row may be opened twice for one burst when a refresh comes between.
        prop_assert!(counts.dram_row_hits <= n_bursts && counts.dram_row_hits + counts.dram_activates >= n_bursts);
        let commands = machine.dram_counts();
        prop_assert_eq!((commands.reads, commands.writes), (counts.dram_read_bursts, counts.dram_write_bursts));
    }

    #[test]
    fn events_carry_every_count_once(recipe in recipe()) {
        let mut machine = at_start(&recipe);
        let mut sums = systole_simulator::EventCounts::default();
        let mut busy = [0; Unit::ALL.len()];
        machine.advance_to(u64::MAX, &mut Watch(|event: &Event| match event {
            Event::Completed { counts, .. } => sums.add(counts),
            Event::Span { unit, activity: systole_simulator::Activity::Busy(_), start, end, .. } => busy[unit.index()] += end - start,
            Event::Span { .. } => {}
        }));
        prop_assert_eq!(sums, machine.counts());
        prop_assert_eq!(busy, Unit::ALL.map(|unit| machine.unit_cycles(unit).busy()));
    }

    #[test]
    fn a_snapshot_and_its_original_do_not_affect_each_other(recipe in recipe(), at in 0.0f64..1.0, further in 1u64..2000) {
        let end = fresh(&recipe, u64::MAX);
        let mut original = fresh(&recipe, (at * end.now() as f64) as u64);
        let hash = original.state_hash();
        let mut snapshot = original.clone();
        prop_assert_eq!(snapshot.state_hash(), hash);
        snapshot.advance_to(original.now() + further, &mut ());
        snapshot.memory_mut(Space::Spm).write(0, &[1, 2, 3, 4, 5, 6, 7, 8]);
        snapshot.memory_mut(Space::Dram).write(100, &[9; 5000]);
        prop_assert_eq!(original.state_hash(), hash);
        prop_assert_ne!(snapshot.state_hash(), hash);
        original.advance_to(u64::MAX, &mut ());
        prop_assert_eq!(original.state_hash(), end.state_hash());
    }

    #[test]
    fn going_back_leads_to_where_a_fresh_run_would_be(
        recipe in recipe(),
        turns in prop::collection::vec((0.0f64..1.1, 1u64..1500), 1..6),
    ) {
        let end = fresh(&recipe, u64::MAX).now();
        let mut history = History::new(at_start(&recipe));
        for (fraction, back) in turns {
            history.advance_to((fraction * end as f64) as u64, &mut ());
            let expected = history.machine().now().saturating_sub(back);
            history.step_back(back, &mut ());
            prop_assert_eq!(history.machine().now(), expected);
            prop_assert_eq!(history.machine().state_hash(), fresh(&recipe, expected).state_hash());
        }
    }
}
