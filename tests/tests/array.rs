//! The machine against an array of registers: values, cycles, and what every PE holds in every cycle, for every dataflow, pair of
//! formats and mechanism for sparse operands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod array_case;

use array_case::{Case, Job, Times, run};
use proptest::prelude::*;
use systole_isa::ElementFormat;
use systole_isa::machine::Overlap;
use systole_isa::operand::Space;
use systole_simulator::{Machine, PeState, PeView};
use systole_testkit::array::{Edge, Output, ReferenceArray, Skew, Slot};
use systole_testkit::build::{load, read_values};

fn case() -> impl Strategy<Value = Case> {
    let overlap = prop::sample::select(vec![Overlap::None, Overlap::Full]);
    (1usize..=8, 1usize..=8, 1usize..=12, 1usize..=3, overlap, any::<u64>())
        .prop_map(|(rows, cols, m, n_jobs, overlap, seed)| Case::random((rows, cols), m, n_jobs, overlap, seed))
}

/// What is presented at the edges of the array in a cycle, given when the machine started its instructions.
fn edge(case: &Case, times: &[Times], cycle: u64) -> Edge {
    let mut edge = Edge::default();
    for (i, (job, times)) in case.jobs.iter().zip(times).enumerate() {
        if let (Some(tile), Some(item)) = (job.load(), cycle.checked_sub(times.load.0)) {
            let row = case.tile_row(tile, item as usize);
            edge.weights = row.or(edge.weights);
        }
        let Some(wave) = cycle.checked_sub(times.product.0) else {
            continue;
        };
        match job {
            Job::Product(_) => {
                let rows = case.wave(i, wave as usize);
                edge.rows = rows.unwrap_or(edge.rows);
            }
            Job::OutputStationary(product) => {
                if let Some(step) = case.step(product, wave as usize) {
                    (edge.rows, edge.falling) = (step.rows, step.falling);
                }
            }
        }
    }
    edge
}

/// The first PE whose registers differ from the view.
fn difference(array: &ReferenceArray, view: &PeView) -> Option<String> {
    let values = |slots: &[Slot]| slots.iter().map(|slot| slot.value).collect::<Vec<_>>();
    (0..view.n_rows)
        .flat_map(|r| (0..view.n_cols).map(move |c| (r, c)))
        .find_map(|(r, c)| {
            let (pe, cell) = (array.pe(r, c), view.cell(r, c));
            let held = [values(&pe.weights), values(&pe.shadow), pe.activations.clone()];
            let shown = [cell.weights, cell.shadows, cell.activations].map(|pack| view.pack(pack).to_vec());
            let firsts = [cell.weight, cell.shadow, cell.activation];
            let state = match cell.state {
                PeState::Active | PeState::Zero => Some(false),
                PeState::Gated => Some(true),
                PeState::Idle | PeState::Loading | PeState::Passing => None,
            };
            let held = (held, pe.partial_sum, pe.drain, pe.is_gated());
            let shown = (shown, cell.partial_sum, cell.drain, state);
            let first_of = |values: &Vec<i32>| values.first().copied();
            let agree = held == shown && firsts[..] == held.0.iter().map(first_of).collect::<Vec<_>>();
            (!agree).then(|| {
                format!(
                    "cycle {}, PE ({r}, {c}): holds {held:?}, is shown {shown:?}",
                    view.cycle
                )
            })
        })
}

/// Steps machine and array side by side. Returns what left the array, or the first difference.
fn compare_views(case: &Case, times: &[Times], skew: Skew) -> Result<Vec<Output>, String> {
    let first = times[0].start();
    let last = times.iter().map(|t| t.product.1).max().unwrap_or(0);
    let mut machine = load(case.program(), &case.description());
    machine.advance_to(first, &mut ());
    let mut array = ReferenceArray::new(case.rows, case.cols, skew, first);
    let mut n_products = 0;
    for cycle in first..last + 2 {
        array.clock(&edge(case, times, cycle));
        machine.step_cycle(&mut ());
        let view = machine.pe_view();
        if (view.cycle, view.n_rows, view.n_cols) != (cycle, case.rows, case.cols) {
            return Err(format!("cycle {cycle} is shown as {}", view.cycle));
        }
        n_products += view
            .cells
            .iter()
            .map(|cell| view.pack(cell.activations).len())
            .sum::<usize>();
        if let Some(difference) = difference(&array, &view) {
            return Err(difference);
        }
    }
    // Every multiplication was on view once per pass, and no two sums met in a drain chain.
    assert_eq!(n_products, case.n_products());
    assert_eq!(array.n_collisions(), 0);
    Ok(array.outputs().to_vec())
}

/// The accumulators per job, joined from what left the array, and the last cycle in which one of its sums did.
fn accumulate(case: &Case, outputs: &[Output]) -> Vec<(Vec<i64>, u64)> {
    let (mut sums, mut last) = (Vec::new(), Vec::new());
    for (i, job) in case.jobs.iter().enumerate() {
        sums.push(vec![0; job.m() * case.width(i)]);
        last.push(0);
    }
    for column in 0..case.cols {
        let mut left = outputs.iter().filter(|output| output.column == column);
        for (i, sums) in sums.iter_mut().enumerate().filter(|(i, _)| column < case.width(*i)) {
            for (row, shift) in case.leaving(i) {
                let output = left.next().expect("every sum leaves");
                sums[row * case.width(i) + column] += output.value << shift;
                last[i] = output.cycle.max(last[i]);
            }
        }
        assert_eq!(left.next(), None, "nothing else leaves column {column}");
    }
    sums.into_iter().zip(last).collect()
}

fn check_values(case: &Case, machine: &Machine, sums: &[(Vec<i64>, u64)]) -> Result<(), TestCaseError> {
    let mut n_overflows = 0;
    for (i, (sums, _)) in sums.iter().enumerate() {
        let stored = read_values(
            machine,
            Space::Acc,
            ElementFormat::I32,
            case.c_address(i) as u64,
            sums.len(),
        );
        let wrapped: Vec<i32> = sums.iter().map(|&sum| sum as i32).collect();
        prop_assert_eq!(&stored, &wrapped, "job {}", i);
        prop_assert_eq!(sums, &case.schoolbook(i), "job {}", i);
        n_overflows += sums.iter().filter(|&&sum| i32::try_from(sum).is_err()).count() as u64;
    }
    let counts = machine.counts();
    prop_assert_eq!(counts.overflows, n_overflows);
    prop_assert_eq!(machine.first_overflow().is_some(), n_overflows > 0);
    let n_macs = case.n_macs();
    prop_assert_eq!([counts.macs, counts.gated_macs, counts.skipped_macs], n_macs);
    prop_assert_eq!(counts.macs_by_width.0.iter().sum::<u64>(), n_macs[0]);
    prop_assert_eq!(counts.gated_by_width.0.iter().sum::<u64>(), n_macs[1]);
    Ok(())
}

proptest! {
    #[test]
    fn the_machine_equals_the_register_level_array(case in case()) {
        let (machine, times) = run(&case);
        let outputs = compare_views(&case, &times, Skew::Exact).map_err(TestCaseError::fail)?;
        let sums = accumulate(&case, &outputs);
        check_values(&case, &machine, &sums)?;
        for (i, (times, (_, last))) in times.iter().zip(&sums).enumerate() {
            // Results stand in the accumulators when the last one has left the last column; unused columns keep their cycle, and so do
            // unused rows of sums that stay.
            if let Some(unused) = case.unused_cycles(i) {
                prop_assert_eq!(times.product.1, last + 1 + unused, "job {}", i);
            }
        }
    }

    #[test]
    fn instructions_of_the_array_start_and_end_when_the_rules_say(case in case()) {
        let (_, times) = run(&case);
        prop_assert_eq!(&times, &case.expected_times(times[0].start()));
    }

    #[test]
    fn a_shifted_array_is_found_out(case in case()) {
        prop_assume!(case.n_products() > 0);
        let (_, times) = run(&case);
        prop_assert!(compare_views(&case, &times, Skew::LateFrom(0)).is_err());
        if case.uses_row(1) {
            prop_assert!(compare_views(&case, &times, Skew::LateFrom(1)).is_err());
        }
        // So is a machine that started a cycle earlier than it says.
        let mut late = times.clone();
        late.iter_mut().for_each(|t| (t.load.0, t.product.0) = (t.load.0 + 1, t.product.0 + 1));
        prop_assert!(compare_views(&case, &late, Skew::Exact).is_err());
    }
}

#[test]
fn every_kind_of_job_is_among_random_cases() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..400 {
        let case = Case::random((4, 4), 6, 3, Overlap::Full, seed);
        for (i, job) in case.jobs.iter().enumerate() {
            *seen.entry(job.kind()).or_insert(0) += 1;
            let (_, passes) = case.rate(i);
            *seen
                .entry(if passes > 1 { "in passes" } else { "in one pass" })
                .or_insert(0) += 1;
        }
    }
    let kinds = [
        "activations stay",
        "blocks skipped",
        "in one pass",
        "in passes",
        "n of m",
        "rows skipped",
        "sums stay",
        "weights stay",
    ];
    for kind in kinds {
        assert!(seen.get(kind).is_some_and(|&n| n >= 20), "{kind}: {seen:?}");
    }
}

#[test]
fn three_overlapped_tiles_stream_without_a_gap() {
    let case = Case::dense((4, 4), 8, 3, Overlap::Full);
    let (_, times) = run(&case);
    let first = times[0].start();
    let starts: Vec<u64> = times.iter().map(|t| t.product.0 - first).collect();
    assert_eq!(starts, [4, 12, 20]);
    assert_eq!(
        times[2].product.1 - first,
        4 + 3 * 8 + 6,
        "weight load, three streams, one drain"
    );
    let (_, times) = run(&Case::dense((4, 4), 8, 3, Overlap::None));
    assert_eq!(times[2].product.1 - times[0].start(), 3 * (4 + 8 + 6));
}
