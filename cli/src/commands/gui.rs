//! `gui`: the dashboard.

use super::warn;
use crate::args::{GuiArgs, ModelArgs};
use crate::arrays;
use crate::commands::digits::{image, load_digits};
use crate::commands::run::inferences;
use crate::error::CommandError;
use crate::source::{Loaded, load, load_machine};
use std::path::Path;
use systole_gui::{LaunchOptions, Source};
use systole_isa::Diagnostic;
use systole_simulator::host::{self, HostValues};
use systole_simulator::{Machine, Mode};

/// Whether a window could be opened.
pub(crate) fn display_is_there() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

pub(crate) fn run(args: &GuiArgs) -> Result<(), CommandError> {
    let first = match &args.source {
        None => {
            let loaded = load_digits(&args.machine)?;
            let image = image(&loaded, 0)?;
            (loaded, vec![image])
        }
        Some(path) => {
            let loaded = load(path, load_machine(&args.machine)?, &args.model)?;
            warn(&loaded.diagnostics);
            let arrays = args
                .input
                .iter()
                .map(|path| arrays::load(path))
                .collect::<Result<Vec<_>, _>>()?;
            let inputs = inferences(&loaded.program, &arrays, 1)?
                .into_iter()
                .next()
                .unwrap_or_default();
            (loaded, inputs)
        }
    };
    open(Some(first), &args.machine)
}

/// Opens the dashboard on a program with its inputs and returns when it is closed.
pub(crate) fn open(first: Option<(Loaded, Vec<HostValues>)>, machine: &str) -> Result<(), CommandError> {
    let first = first.map(|(loaded, inputs)| source(&loaded, &inputs)).transpose()?;
    let machine = machine.to_owned();
    let loader = move |path: &Path| -> Result<Source, String> {
        let loaded = load_machine(&machine)
            .and_then(|m| load(path, m, &ModelArgs::default()))
            .map_err(|error| error.to_string())?;
        let inputs = inferences(&loaded.program, &[], 1).map_err(|error| error.to_string())?;
        source(&loaded, inputs.first().map_or(&[][..], Vec::as_slice)).map_err(|error| error.to_string())
    };
    systole_gui::run(LaunchOptions {
        source: first,
        loader: Box::new(loader),
    })
    .map_err(|error| {
        Diagnostic::error("G0001", error.to_string())
            .help("check that a display is there (DISPLAY or WAYLAND_DISPLAY), or use `--headless`")
            .into()
    })
}

fn source(loaded: &Loaded, inputs: &[HostValues]) -> Result<Source, CommandError> {
    let mut machine =
        Machine::new(loaded.program.clone(), loaded.description.clone(), Mode::Full).map_err(|error| error.0)?;
    for (tensor, values) in loaded.program.inputs.iter().zip(inputs) {
        host::write_input(&mut machine, tensor, values)?;
    }
    Ok(Source {
        name: loaded.program.name.clone(),
        machine,
    })
}
