//! `gui`: the dashboard.

use super::warn;
use crate::args::GuiArgs;
use crate::arrays::{self, Array};
use crate::commands::digits::{compile_digits, image};
use crate::commands::run::inferences;
use crate::error::CommandError;
use crate::source::{Loaded, load, load_machine};
use std::path::Path;
use systole_gui::{LaunchOptions, Recipe, Source, SourceText};
use systole_isa::{Diagnostic, MachineDescription};
use systole_simulator::host::{self, HostValues};
use systole_simulator::{Machine, Mode};

/// Whether a window could be opened.
pub(crate) fn display_is_there() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

pub(crate) fn run(args: &GuiArgs) -> Result<(), CommandError> {
    match &args.source {
        None => open_digits(&args.machine, 0),
        Some(path) => {
            let loaded = load(path, load_machine(&args.machine)?, &args.model)?;
            warn(&loaded.diagnostics);
            let input = args
                .input
                .iter()
                .map(|path| arrays::load(path))
                .collect::<Result<Vec<_>, _>>()?;
            let inputs = first_inference(&loaded, &input)?;
            let (given, path, model) = (path, path.clone(), args.model.clone());
            let recipe = recipe(move |description| {
                let loaded = load(&path, description.clone(), &model)?;
                let inputs = first_inference(&loaded, &input)?;
                Ok((loaded, inputs))
            });
            open(Some(source(&loaded, &inputs, recipe, Some(given))?), &args.machine)
        }
    }
}

/// Opens the dashboard on one of the images of the embedded network.
pub(crate) fn open_digits(machine: &str, image_idx: usize) -> Result<(), CommandError> {
    let digits = move |description: &MachineDescription| {
        let loaded = compile_digits(description.clone())?;
        let image = image(&loaded, image_idx)?;
        Ok((loaded, vec![image]))
    };
    let (loaded, inputs) = digits(&load_machine(machine)?)?;
    open(Some(source(&loaded, &inputs, recipe(digits), None)?), machine)
}

/// Opens the dashboard and returns when it is closed.
fn open(first: Option<Source>, machine: &str) -> Result<(), CommandError> {
    systole_gui::run(LaunchOptions {
        source: first,
        loader: systole_gui::files::loader(load_machine(machine)?),
    })
    .map_err(|error| {
        Diagnostic::error("G0001", error.to_string())
            .help("check that a display is there (DISPLAY or WAYLAND_DISPLAY), or use `--headless`")
            .into()
    })
}

/// The values of the first inference in the arrays; zeros without arrays.
fn first_inference(loaded: &Loaded, arrays: &[Array]) -> Result<Vec<HostValues>, CommandError> {
    Ok(inferences(&loaded.program, arrays, 1)?
        .into_iter()
        .next()
        .unwrap_or_default())
}

/// How a program and its inputs come onto another machine.
fn recipe(
    prepare: impl Fn(&MachineDescription) -> Result<(Loaded, Vec<HostValues>), CommandError> + Send + Sync + 'static,
) -> Recipe {
    Recipe::new(move |description, mode| {
        prepare(description)
            .and_then(|(loaded, inputs)| machine(&loaded, &inputs, mode))
            .map_err(|error| error.to_string())
    })
}

fn machine(loaded: &Loaded, inputs: &[HostValues], mode: Mode) -> Result<Machine, CommandError> {
    let mut machine =
        Machine::new(loaded.program.clone(), loaded.description.clone(), mode).map_err(|error| error.0)?;
    if mode == Mode::Full {
        for (tensor, values) in loaded.program.inputs.iter().zip(inputs) {
            host::write_input(&mut machine, tensor, values)?;
        }
    }
    Ok(machine)
}

/// What the dashboard opens; `path` is the file that was loaded.
fn source(loaded: &Loaded, inputs: &[HostValues], recipe: Recipe, path: Option<&Path>) -> Result<Source, CommandError> {
    let text = path.zip(loaded.text.as_deref());
    Ok(Source {
        name: loaded.program.name.clone(),
        machine: machine(loaded, inputs, Mode::Full)?,
        recipe,
        text: text.map(|(path, text)| SourceText::of_file(path, text)),
    })
}
