//! `gemm`: one matrix product, timed.

use super::{print, print_json};
use crate::args::{GemmArgs, OverlapArg};
use crate::commands::run::simulate;
use crate::error::CommandError;
use crate::outcome::Outcome;
use crate::print;
use crate::source::{Loaded, load_machine};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use systole_compiler::QuantizedGraph;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::gemm::{gemm, splitmix64};
use systole_isa::machine::{MachineDescription, Overlap};
use systole_isa::{Diagnostic, Unit};
use systole_simulator::host::HostValues;
use systole_simulator::{Activity, BusyKind, Mode};

#[derive(Serialize)]
struct GemmOutcome {
    m: u32,
    k: u32,
    n: u32,
    dataflow: &'static str,
    overlap: Overlap,
    rows: u32,
    cols: u32,
    array_cycles: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

pub(crate) fn run(args: &GemmArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    let description = machine(args)?;
    let graph = gemm(args.m as usize, args.k as usize, args.n as usize);
    let array_cycles = array_cycles(&graph, &description)?;
    let loaded = load(&graph, description, TilingPolicy::Fastest)?;
    let mode = if args.timing_only { Mode::TimingOnly } else { Mode::Full };
    let mut seed = 0xA11CE;
    let inputs = (0..u64::from(args.m) * u64::from(args.k))
        .map(|_| i64::from(splitmix64(&mut seed) as i8))
        .collect();
    let inferences = [vec![HostValues::Integer(if args.timing_only {
        Vec::new()
    } else {
        inputs
    })]];
    let result = simulate(&loaded, mode, &inferences, u64::MAX)?;
    let outcome = Outcome::new(result.totals.report(&result.profile), &loaded.program, None, start);
    let (rows, cols, overlap) = (
        loaded.description.rows,
        loaded.description.cols,
        loaded.description.overlap,
    );
    let outcome = GemmOutcome {
        m: args.m,
        k: args.k,
        n: args.n,
        dataflow: "ws",
        overlap,
        rows,
        cols,
        array_cycles,
        outcome,
    };
    if args.json {
        return print_json(&outcome);
    }
    let peak = loaded.description.peak_macs_per_cycle() as f64;
    let share = outcome.outcome.report.macs as f64 / (array_cycles as f64 * peak);
    print(&print::outcome(&outcome.outcome));
    print(&format!(
        "\narray alone           {} cycles with all operands in the scratchpad, {:.1} % PE use",
        print::grouped(array_cycles),
        100.0 * share
    ));
    Ok(())
}

fn machine(args: &GemmArgs) -> Result<MachineDescription, CommandError> {
    let mut description = load_machine(&args.machine)?;
    if let Some((rows, cols)) = args.array {
        (description.rows, description.cols) = (rows, cols);
        description.name = format!("{}-{rows}x{cols}", description.name);
    }
    match args.overlap {
        Some(OverlapArg::None) => description.overlap = Overlap::None,
        Some(OverlapArg::Full) => description.overlap = Overlap::Full,
        None => {}
    }
    let problems = description.problems();
    if problems.is_empty() {
        Ok(description)
    } else {
        Err(problems.into())
    }
}

fn load(graph: &QuantizedGraph, description: MachineDescription, policy: TilingPolicy) -> Result<Loaded, CommandError> {
    let program = codegen::generate(graph, &description, policy)?;
    Ok(Loaded {
        program: Arc::new(program),
        description: Arc::new(description),
    })
}

/// Cycles in which the array loads, streams or drains when all operands lie in the scratchpad, measured on the same machine with
/// memories that are large enough.
fn array_cycles(graph: &QuantizedGraph, description: &MachineDescription) -> Result<u64, CommandError> {
    let mut roomy = description.clone();
    (roomy.spm.capacity_kib, roomy.acc.capacity_kib) = (1 << 20, 1 << 20);
    let loaded = load(graph, roomy, TilingPolicy::Resident)?;
    let mut machine =
        systole_simulator::Machine::new(loaded.program.clone(), loaded.description.clone(), Mode::TimingOnly)
            .map_err(|error| error.0)?;
    machine.advance_to(u64::MAX, &mut ());
    if let systole_simulator::Status::Faulted(fault) = machine.status() {
        return Err(CommandError::from_fault(fault, &loaded.program));
    }
    let cycles = machine.unit_cycles(Unit::Mx);
    let working = [BusyKind::WeightLoad, BusyKind::Stream, BusyKind::Drain];
    let sum = working.into_iter().map(|kind| cycles.of(Activity::Busy(kind))).sum();
    if sum == 0 {
        Err(Diagnostic::error("F0014", "the array did nothing").into())
    } else {
        Ok(sum)
    }
}
