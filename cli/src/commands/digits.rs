//! The main job: the embedded digits network, simulated and compared with what its reference runtime says.

use super::{print, print_json};
use crate::args::{DigitsArgs, ModelArgs};
use crate::arrays::{self, Array, reals};
use crate::commands::run::simulate;
use crate::error::CommandError;
use crate::model::compile;
use crate::outcome::{Outcome, argmax, compare};
use crate::print;
use crate::source::{Loaded, load_machine};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use systole_isa::{Diagnostic, MachineDescription};
use systole_programs::DIGITS;
use systole_simulator::Mode;
use systole_simulator::host::HostValues;

#[derive(Serialize)]
struct DigitsOutcome {
    predicted: usize,
    #[serde(rename = "true")]
    label: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

/// The embedded network compiled for a machine.
pub(crate) fn compile_digits(description: MachineDescription) -> Result<Loaded, CommandError> {
    let compiled = compile(DIGITS.model, DIGITS.name, &description, &ModelArgs::default())?;
    Ok(Loaded {
        program: Arc::new(compiled.program),
        description: Arc::new(description),
        diagnostics: compiled.diagnostics,
        n_images: compiled.n_images,
        text: None,
    })
}

/// The values of one of the embedded images.
pub(crate) fn image(loaded: &Loaded, index: usize) -> Result<HostValues, CommandError> {
    let images = arrays::parse(DIGITS.inputs, "embedded images")?;
    let tensor = loaded
        .program
        .inputs
        .first()
        .ok_or_else(|| Diagnostic::error("F0011", "the network has no input"))?;
    let mut inferences = images.inferences(tensor)?;
    if index >= inferences.len() {
        return Err(Diagnostic::error("F0012", format!("there is no image {index}"))
            .help(format!("choose one from 0 to {}", inferences.len() - 1))
            .into());
    }
    Ok(inferences.swap_remove(index))
}

pub(crate) fn run(args: &DigitsArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    let loaded = compile_digits(load_machine(&args.machine)?)?;
    let image = image(&loaded, args.image)?;
    let result = simulate(&loaded, Mode::Full, &[vec![image.clone()]], u64::MAX)?;
    let output = result.outputs.first().and_then(|outputs| outputs.first());
    let (Some(output), Some(tensor)) = (output, loaded.program.outputs.first()) else {
        return Err(Diagnostic::error("F0011", "the network has no output").into());
    };
    let label = arrays::parse(DIGITS.labels, "embedded labels")?.reals()[args.image] as usize;
    let comparison = compare(
        tensor,
        &[output],
        loaded.n_images,
        &expected(args.image, output.len())?,
        "embedded outputs",
    )?;
    let predicted = argmax(&reals(output));
    let outcome = Outcome::new(
        result.totals.report(&result.profile),
        &loaded.program,
        Some(comparison),
        start,
    );
    if args.json {
        return print_json(&DigitsOutcome {
            predicted,
            label,
            outcome,
        });
    }
    print(&picture(&image));
    print(&format!("\npredicted digit {predicted}, true digit {label}\n"));
    print(&print::outcome(&outcome));
    open_dashboard(args)
}

/// The reference runtime's outputs for one image.
fn expected(image: usize, n_values: usize) -> Result<Array, Diagnostic> {
    let all = arrays::parse(DIGITS.expected, "embedded outputs")?;
    let values = all.reals()[image * n_values..][..n_values]
        .iter()
        .map(|&v| v as f32)
        .collect();
    Ok(Array {
        shape: vec![1, n_values],
        values: HostValues::F32(values),
    })
}

/// The image as text, two rows of pixels in one line.
fn picture(image: &HostValues) -> String {
    let pixels = reals(image);
    let shade = |v: f64| [' ', '.', ':', '+', '*', '#', '@'][((v * 6.0).round() as usize).min(6)];
    let row = |rows: &[f64]| (0..28).map(|x| shade(rows[x].max(rows[x + 28]))).collect::<String>();
    pixels
        .chunks_exact(56)
        .map(|rows| row(rows).trim_end().to_owned())
        .filter(|row| !row.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(feature = "gui")]
fn open_dashboard(args: &DigitsArgs) -> Result<(), CommandError> {
    if args.headless || !super::gui::display_is_there() {
        return Ok(());
    }
    super::gui::open_digits(&args.machine, args.image)
}

#[cfg(not(feature = "gui"))]
fn open_dashboard(_: &DigitsArgs) -> Result<(), CommandError> {
    Ok(())
}
