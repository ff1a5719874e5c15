//! Where operands of a PE come from, against what the view of the array shows in the same cycle.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    dead_code,
    reason = "the cases are shared with another suite, which uses more of them"
)]

mod array_case;

use array_case::{Case, run};
use proptest::prelude::*;
use systole_isa::machine::Overlap;
use systole_simulator::pe_view::{Detail, PeOrigins, Region};
use systole_simulator::{Machine, PeView};
use systole_testkit::build::load;

/// The first PE of which origins and view say different things, and the number of sums that were compared.
fn compare(machine: &Machine, view: &PeView) -> Result<usize, String> {
    let mut n_sums = 0;
    for (r, c) in (0..view.n_rows).flat_map(|r| (0..view.n_cols).map(move |c| (r, c))) {
        let (cell, origins) = (view.cell(r, c), machine.pe_origins(r, c));
        let PeOrigins {
            weights,
            activations,
            sum,
        } = &origins;
        let values = |origins: &[systole_simulator::pe_view::Origin]| -> Vec<i32> {
            origins.iter().filter_map(|origin| origin.value).collect()
        };
        let differs = |what: &str| {
            Err(format!(
                "cycle {}, PE ({r}, {c}): {what}: {cell:?}, {origins:?}",
                view.cycle
            ))
        };
        if sum.is_some_and(|sum| sum.n_passes > 1) {
            continue;
        }
        if view.pack(cell.weights) != values(weights) && !view.pack(cell.weights).is_empty() {
            return differs("weights");
        }
        if view.pack(cell.activations) != values(activations) {
            return differs("activations");
        }
        if cell.partial_sum != sum.and_then(|sum| sum.expected).filter(|_| cell.row.is_some())
            && cell.partial_sum.is_some()
        {
            return differs("sum");
        }
        n_sums += usize::from(cell.partial_sum.is_some());
    }
    Ok(n_sums)
}

fn case() -> impl Strategy<Value = Case> {
    let overlap = prop::sample::select(vec![Overlap::None, Overlap::Full]);
    (1usize..=6, 1usize..=6, 1usize..=8, 1usize..=3, overlap, any::<u64>())
        .prop_map(|(rows, cols, m, n_jobs, overlap, seed)| Case::random((rows, cols), m, n_jobs, overlap, seed))
}

proptest! {
    #[test]
    fn origins_are_what_the_array_holds_and_sums_are_the_schoolbook(case in case()) {
        let (_, times) = run(&case);
        let mut machine = load(case.program(), &case.description());
        machine.advance_to(times[0].start(), &mut ());
        for _ in times[0].start()..times.iter().map(|t| t.product.1).max().unwrap() + 2 {
            machine.step_cycle(&mut ());
            let view = machine.pe_view();
            compare(&machine, &view).map_err(TestCaseError::fail)?;
            // A part of the view is the same part of the whole.
            let (r, c) = (view.n_rows - 1, view.n_cols / 2);
            let cell = Region::of_cell(r, c);
            let part = machine.pe_view_of(&Detail { cells: cell.clone(), sums: cell.clone() });
            let (a, b) = (view.cell(r, c), part.cell(r, c));
            prop_assert_eq!((a.state, a.row, a.partial_sum, a.drain), (b.state, b.row, b.partial_sum, b.drain));
            prop_assert_eq!(view.pack(a.weights), part.pack(b.weights));
            prop_assert_eq!(view.pack(a.activations), part.pack(b.activations));
            let without_sums = machine.pe_view_of(&Detail { cells: cell, sums: Region::NOTHING });
            let cell = without_sums.cell(r, c);
            prop_assert_eq!((cell.partial_sum, cell.state), (None, a.state));
            prop_assert_eq!(view.pack(a.activations), without_sums.pack(cell.activations));
        }
    }
}

#[test]
fn origins_of_another_cycle_do_not_fit() {
    let case = Case::dense((4, 4), 8, 2, Overlap::Full);
    let (_, times) = run(&case);
    let mut machine = load(case.program(), &case.description());
    machine.advance_to(times[0].product.0 + 5, &mut ());
    let view = machine.pe_view();
    assert!(compare(&machine, &view).unwrap() > 0);
    machine.step_cycle(&mut ());
    assert!(compare(&machine, &view).is_err());
}

#[test]
fn a_sum_has_the_address_that_its_result_goes_to() {
    let case = Case::dense((4, 4), 8, 1, Overlap::Full);
    let (_, times) = run(&case);
    let mut machine = load(case.program(), &case.description());
    machine.advance_to(times[0].product.0 + 4, &mut ());
    // In its fourth cycle the first row is in the last PE of column 0.
    let sum = machine.pe_origins(3, 0).sum.unwrap();
    assert_eq!((sum.row, sum.column, sum.n_terms), (0, 0, 4));
    let mut expected = [0; 4];
    machine.advance_to(times[0].product.1 + 1, &mut ());
    machine
        .memory(systole_isa::operand::Space::Acc)
        .read(sum.address, &mut expected);
    assert_eq!(Some(i64::from(i32::from_le_bytes(expected))), sum.expected);
}
