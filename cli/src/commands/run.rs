//! `run`: a model or program on the user's arrays.

use super::{print, print_json, warn};
use crate::args::RunArgs;
use crate::arrays::{self, Array};
use crate::error::CommandError;
use crate::outcome::{Outcome, compare};
use crate::print;
use crate::source::{Loaded, file_name, load, load_machine, make_folder, write};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use systole_isa::{Diagnostic, MachineDescription, Program};
use systole_simulator::Mode;
use systole_simulator::host::HostValues;
use systole_simulator::roofline::{Roofline, to_svg};
use systole_simulator::session::{self, SessionError, SessionResult};

pub(crate) fn run(args: &RunArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    let loaded = load(&args.source, load_machine(&args.machine)?, &args.model)?;
    let program = &loaded.program;
    let inputs = args
        .input
        .iter()
        .map(|path| arrays::load(path))
        .collect::<Result<Vec<_>, _>>()?;
    let expected = args.expect.as_deref().map(arrays::load).transpose()?;
    let n_runs = args.model.batch.unwrap_or(1).div_ceil(loaded.n_images);
    let inferences = inferences(program, &inputs, n_runs)?;
    let mode = if args.timing_only { Mode::TimingOnly } else { Mode::Full };
    let result = simulate(&loaded, mode, &inferences, args.limit)?;
    let comparison = match (&expected, mode, program.outputs.first()) {
        (Some(expected), Mode::Full, Some(tensor)) => {
            let outputs: Vec<&HostValues> = result.outputs.iter().filter_map(|outputs| outputs.first()).collect();
            let name = args
                .expect
                .as_deref()
                .map_or(String::new(), |path| path.display().to_string());
            Some(compare(tensor, &outputs, loaded.n_images, expected, &name)?)
        }
        _ => None,
    };
    if let Some(folder) = &args.output {
        save_outputs(folder, program, &result)?;
    }
    let mut outcome = Outcome::new(result.totals.report(&result.profile), program, comparison, start);
    outcome.report.inferences *= loaded.n_images as u64;
    let roofline = Roofline::of(&outcome.report, &loaded.description);
    if let Some(path) = &args.roofline {
        write(path, to_svg(&roofline).as_bytes())?;
    }
    outcome.roofline = Some(roofline);
    if mode == Mode::TimingOnly {
        outcome.diagnostics.push(
            Diagnostic::warning(
                "R0001",
                "no values were computed, so multiply-accumulates with a zero operand count as full ones",
            )
            .help("leave out `--timing-only` for the energy that gating saves"),
        );
    }
    outcome.diagnostics.extend(loaded.diagnostics);
    if args.json {
        print_json(&outcome)?
    } else {
        warn(&outcome.diagnostics);
        print(&print::outcome(&outcome))
    }
    Ok(())
}

/// One list of input values per run; without arrays, so many runs on zeros.
pub(crate) fn inferences(
    program: &Program,
    inputs: &[Array],
    n_runs: usize,
) -> Result<Vec<Vec<HostValues>>, CommandError> {
    if inputs.is_empty() {
        let zeros = |tensor: &systole_isa::program::IoTensor| match tensor.host_type {
            systole_isa::program::HostType::F32 => HostValues::F32(vec![0.0; tensor.n_elements() as usize]),
            systole_isa::program::HostType::Integer => HostValues::Integer(vec![0; tensor.n_elements() as usize]),
        };
        return Ok(vec![program.inputs.iter().map(zeros).collect(); n_runs]);
    }
    if inputs.len() != program.inputs.len() {
        let names: Vec<&str> = program.inputs.iter().map(|tensor| tensor.name.as_str()).collect();
        return Err(Diagnostic::error(
            "F0009",
            format!("{} input arrays for {} inputs", inputs.len(), names.len()),
        )
        .because(format!("the program's inputs are {}", names.join(", ")))
        .help("give `--input` once per input, in this order")
        .into());
    }
    let mut per_input = Vec::new();
    for (array, tensor) in inputs.iter().zip(&program.inputs) {
        per_input.push(array.inferences(tensor)?);
    }
    let n = per_input.iter().map(Vec::len).min().unwrap_or(0);
    if per_input.iter().any(|values| values.len() != n) {
        let lengths: Vec<String> = per_input.iter().map(|values| values.len().to_string()).collect();
        return Err(
            Diagnostic::error("F0010", format!("the inputs hold {} inferences", lengths.join(", ")))
                .help("give every input the same length along axis 0")
                .into(),
        );
    }
    Ok((0..n)
        .map(|i| per_input.iter().map(|values| values[i].clone()).collect())
        .collect())
}

/// Runs all inferences, with a progress bar on a terminal; a fault becomes the command's error.
pub(crate) fn simulate(
    loaded: &Loaded,
    mode: Mode,
    inferences: &[Vec<HostValues>],
    limit: u64,
) -> Result<SessionResult, CommandError> {
    let bar = if inferences.len() > 1 {
        ProgressBar::new(inferences.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    let template = "{bar:40} {pos}/{len} inferences, {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let progress = |done: usize| bar.set_position(done as u64);
    let result = session(&loaded.program, &loaded.description, mode, inferences, limit, progress);
    bar.finish_and_clear();
    let result = result?;
    match &result.fault {
        Some(fault) => Err(CommandError::from_fault(fault, &loaded.program)),
        None => Ok(result),
    }
}

fn session(
    program: &Arc<Program>,
    description: &Arc<MachineDescription>,
    mode: Mode,
    inferences: &[Vec<HostValues>],
    limit: u64,
    progress: impl FnMut(usize),
) -> Result<SessionResult, CommandError> {
    session::run(program, description, mode, inferences, limit, progress).map_err(|error| match error {
        SessionError::Load(error) => error.0.into(),
        SessionError::Input(diagnostic) => diagnostic.into(),
        SessionError::Limit { .. } => CommandError::Fault(
            Diagnostic::error("S0009", error.to_string()).help("raise `--limit`, or look for a loop that does not end"),
        ),
    })
}

fn save_outputs(folder: &Path, program: &Program, result: &SessionResult) -> Result<(), CommandError> {
    make_folder(folder)?;
    for (index, tensor) in program.outputs.iter().enumerate() {
        let values: Vec<&HostValues> = result.outputs.iter().filter_map(|outputs| outputs.get(index)).collect();
        let name = file_name(&tensor.name);
        arrays::save(&folder.join(format!("{name}.npy")), tensor, &values)?;
    }
    Ok(())
}
