//! `trace`: a run as a timeline for Perfetto, waveform viewers or tables.

use super::{print, warn};
use crate::args::{TraceArgs, TraceFormatArg};
use crate::arrays;
use crate::commands::run::inferences;
use crate::error::CommandError;
use crate::print::grouped;
use crate::source::{load, load_machine};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::BufWriter;
use systole_isa::Diagnostic;
use systole_simulator::host::write_input;
use systole_simulator::trace::{TraceFormat, TraceOptions, TraceSummary, record};
use systole_simulator::{Machine, Mode, Status};

pub(crate) fn run(args: &TraceArgs) -> Result<(), CommandError> {
    let options = options(args)?;
    let loaded = load(&args.source, load_machine(&args.machine)?, &args.model)?;
    warn(&loaded.diagnostics);
    let mode = if args.input.is_empty() {
        Mode::TimingOnly
    } else {
        Mode::Full
    };
    let mut machine =
        Machine::new(loaded.program.clone(), loaded.description.clone(), mode).map_err(|error| error.0)?;
    if mode == Mode::Full {
        let arrays = args
            .input
            .iter()
            .map(|path| arrays::load(path))
            .collect::<Result<Vec<_>, _>>()?;
        let values = inferences(&loaded.program, &arrays, 1)?;
        let first = values.first().map_or(&[][..], Vec::as_slice);
        for (tensor, values) in loaded.program.inputs.iter().zip(first) {
            write_input(&mut machine, tensor, values)?;
        }
    }
    let summary = write(args, &options, &mut machine)?;
    if let Status::Faulted(fault) = machine.status() {
        return Err(CommandError::from_fault(fault, &loaded.program));
    }
    if *machine.status() == Status::Running && machine.now() >= args.limit {
        return Err(CommandError::Fault(
            Diagnostic::error("S0009", format!("the program did not end within {} cycles", args.limit))
                .help("raise `--limit`, or look for a loop that does not end"),
        ));
    }
    print(&format!(
        "{}: cycles {} to {}, {} spans",
        args.output.display(),
        grouped(summary.from),
        grouped(summary.to),
        grouped(summary.n_spans)
    ));
    Ok(())
}

fn options(args: &TraceArgs) -> Result<TraceOptions, Diagnostic> {
    let to = args.to.unwrap_or(u64::MAX);
    if args.from >= to {
        return Err(
            Diagnostic::error("F0030", format!("no cycle lies between {} and {to}", args.from))
                .help("give `--from` a cycle before `--to`"),
        );
    }
    Ok(TraceOptions {
        from: args.from,
        to,
        window_cycles: args.window,
    })
}

fn write(args: &TraceArgs, options: &TraceOptions, machine: &mut Machine) -> Result<TraceSummary, Diagnostic> {
    let refused = |error: std::io::Error| {
        Diagnostic::error(
            "F0002",
            format!("`{}` cannot be written: {error}", args.output.display()),
        )
        .help("check the folder, its permissions and the free space")
    };
    let file = File::create(&args.output).map_err(refused)?;
    let mut out = BufWriter::new(file);
    let format = match args.format {
        TraceFormatArg::Perfetto => TraceFormat::Perfetto,
        TraceFormatArg::Vcd => TraceFormat::Vcd,
        TraceFormatArg::Csv => TraceFormat::Csv,
    };
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} cycle {pos}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let summary = record(machine, format, options, args.limit, &mut out, |cycle| {
        bar.set_position(cycle)
    });
    bar.finish_and_clear();
    summary.map_err(refused)
}
