//! A program from an edited text, on the machine and with the inputs of the program before.

use crate::rig::Recipe;
use crate::simulation::Source;
use crate::source_text::SourceText;
use std::sync::Arc;
use systole_isa::{Diagnostic, MachineDescription, Program};
use systole_simulator::host::{HostValues, read_output, write_input};
use systole_simulator::{Machine, Mode};

/// The program of a text at cycle 0, on the machine that `before` is at cycle 0. Inputs of the same name and size get the same values.
pub(crate) fn assembled(text: &SourceText, before: &Machine) -> Result<Source, String> {
    let program = Arc::new(text.assemble().map_err(|errors| summary(&errors))?);
    let inputs = common_inputs(before, &program);
    let name = program.name.clone();
    let recipe = Recipe::new(move |description, mode| machine(&program, &inputs, description, mode));
    Ok(Source {
        name,
        machine: recipe.make(before.description(), Mode::Full)?,
        recipe,
        text: Some(text.clone()),
    })
}

/// The values of the inputs that two programs share, by their number in the new one.
fn common_inputs(before: &Machine, program: &Program) -> Vec<(usize, HostValues)> {
    let values = program.inputs.iter().enumerate().filter_map(|(i, tensor)| {
        let old = before.program().inputs.iter().find(|old| old.name == tensor.name)?;
        let is_same = old.n_elements() == tensor.n_elements() && old.host_type == tensor.host_type;
        is_same.then(|| (i, read_output(before, old)))
    });
    values.collect()
}

fn machine(
    program: &Arc<Program>,
    inputs: &[(usize, HostValues)],
    description: &MachineDescription,
    mode: Mode,
) -> Result<Machine, String> {
    let machine = Machine::new(Arc::clone(program), Arc::new(description.clone()), mode);
    let mut machine = machine.map_err(|error| error.0.to_string())?;
    if mode == Mode::Full {
        for (i, values) in inputs {
            write_input(&mut machine, &program.inputs[*i], values).map_err(|error| error.to_string())?;
        }
    }
    Ok(machine)
}

/// How much is wrong, and the first of it; the whole list stands below the text.
fn summary(errors: &[Diagnostic]) -> String {
    let first = errors.first().map_or(String::new(), |error| match &error.place {
        Some(place) => format!("line {}: {}", place.line, error.message),
        None => error.message.clone(),
    });
    match errors.len() {
        0 | 1 => format!("{first}. The program from before stays."),
        n => format!("{n} errors, the first in {first}. The program from before stays."),
    }
}
