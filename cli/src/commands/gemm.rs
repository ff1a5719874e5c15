//! `gemm`: one matrix product, timed.

use super::{print, print_json};
use crate::args::{Dataflow, GemmArgs, OverlapArg};
use crate::commands::run::simulate;
use crate::error::CommandError;
use crate::outcome::Outcome;
use crate::print;
use crate::source::{Loaded, load_machine};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::gemm::{self, Gemm, splitmix64};
use systole_isa::machine::{MachineDescription, Overlap};
use systole_isa::throughput::PE_TIME_PARTS;
use systole_isa::{Diagnostic, ElementFormat, FormatPair, Unit};
use systole_simulator::host::HostValues;
use systole_simulator::{Activity, BusyKind, Mode};

#[derive(Serialize)]
struct GemmOutcome {
    m: u32,
    k: u32,
    n: u32,
    dataflow: &'static str,
    weights: ElementFormat,
    activations: ElementFormat,
    density: f64,
    /// How zeros are dealt with.
    sparsity: &'static str,
    overlap: Overlap,
    rows: u32,
    cols: u32,
    array_cycles: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// The product that the arguments describe.
fn product(args: &GemmArgs) -> Gemm {
    Gemm {
        m: args.m.into(),
        k: args.k.into(),
        n: args.n.into(),
        dataflow: match args.dataflow {
            Dataflow::Ws => gemm::Dataflow::Ws,
            Dataflow::Os => gemm::Dataflow::Os,
            Dataflow::Is => gemm::Dataflow::Is,
        },
        weights: args.weights,
        activations: args.activations,
        density: args.density,
    }
}

/// Whether the product is one that a model could contain: that runs as the compiler would have it.
fn is_plain(args: &GemmArgs) -> bool {
    let bytes = [args.weights, args.activations] == [ElementFormat::I8; 2];
    bytes && args.dataflow == Dataflow::Ws && args.density >= 1.0
}

/// The program on a machine, how it deals with zeros, and the values of its inputs.
fn load(
    args: &GemmArgs,
    description: MachineDescription,
    policy: TilingPolicy,
) -> Result<(Loaded, &'static str, Vec<HostValues>), CommandError> {
    let (program, sparsity, inputs) = if is_plain(args) {
        let graph = gemm::gemm(args.m as usize, args.k as usize, args.n as usize);
        let program = codegen::generate(&graph, &description, policy)?;
        let mut seed = 0xA11CE;
        let n_values = if args.timing_only {
            0
        } else {
            u64::from(args.m) * u64::from(args.k)
        };
        let inputs = (0..n_values).map(|_| i64::from(splitmix64(&mut seed) as i8));
        (program, "dense", vec![HostValues::Integer(inputs.collect())])
    } else {
        let product = product(args).program(&description, policy)?;
        (product.program, product.sparsity, Vec::new())
    };
    let loaded = Loaded {
        program: Arc::new(program),
        description: Arc::new(description),
        diagnostics: Vec::new(),
        n_images: 1,
        text: None,
    };
    Ok((loaded, sparsity, inputs))
}

pub(crate) fn run(args: &GemmArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    let description = machine(args)?;
    let array_cycles = array_cycles(args, &description)?;
    let (loaded, sparsity, inputs) = load(args, description, TilingPolicy::Fastest)?;
    let mode = if args.timing_only { Mode::TimingOnly } else { Mode::Full };
    let result = simulate(&loaded, mode, &[inputs], u64::MAX)?;
    let outcome = Outcome::new(result.totals.report(&result.profile), &loaded.program, None, start);
    let description = &loaded.description;
    let outcome = GemmOutcome {
        m: args.m,
        k: args.k,
        n: args.n,
        dataflow: match args.dataflow {
            Dataflow::Ws => "ws",
            Dataflow::Os => "os",
            Dataflow::Is => "is",
        },
        weights: args.weights,
        activations: args.activations,
        density: args.density,
        sparsity,
        overlap: description.overlap,
        rows: description.rows,
        cols: description.cols,
        array_cycles,
        outcome,
    };
    if args.json {
        return print_json(&outcome);
    }
    let rate = description.rate(FormatPair {
        weights: args.weights,
        activations: args.activations,
    });
    let pe_time = rate.pe_time(outcome.outcome.report.macs_executed) as f64 / PE_TIME_PARTS as f64;
    let share = pe_time / (array_cycles as f64 * f64::from(description.rows) * f64::from(description.cols));
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

/// Cycles in which the array loads, streams or drains when all operands lie in the scratchpad, measured on the same machine with
/// memories that are large enough. Sums that stay in the PEs shift out afterwards, which SCALE-Sim leaves out and this, too; it is the
/// array's busy kind `unload`.
fn array_cycles(args: &GemmArgs, description: &MachineDescription) -> Result<u64, CommandError> {
    let mut roomy = description.clone();
    (roomy.spm.capacity_kib, roomy.acc.capacity_kib) = (1 << 20, 1 << 20);
    roomy.dram.capacity_mib = 1 << 20;
    let policy = TilingPolicy::Resident;
    let program = if is_plain(args) {
        let graph = gemm::timing_gemm(args.m as usize, args.k as usize, args.n as usize);
        codegen::generate(&graph, &roomy, policy)?
    } else {
        product(args).timing_program(&roomy, policy)?
    };
    let program = Arc::new(program);
    let mut machine =
        systole_simulator::Machine::new(program.clone(), Arc::new(roomy), Mode::TimingOnly).map_err(|error| error.0)?;
    machine.advance_to(u64::MAX, &mut ());
    if let systole_simulator::Status::Faulted(fault) = machine.status() {
        return Err(CommandError::from_fault(fault, &program));
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
