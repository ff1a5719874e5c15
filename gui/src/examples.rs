//! The shipped programs and models, ready to run: the only place of the dashboard that compiles.

use crate::rig::Recipe;
use crate::simulation::Source;
use crate::source_text::SourceText;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::machine::{preset, preset_names};
use systole_isa::{MachineDescription, Program};
use systole_programs::{ASSEMBLY, DIGITS, Text};
use systole_simulator::host::{HostValues, write_input};
use systole_simulator::{Machine, Mode};

/// The machine of the digits network, unless another one is named.
const DIGITS_MACHINE: &str = "edge16x16";

/// An example that can be opened by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExampleInfo {
    /// The name.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
}

/// All examples: models first, then programs.
pub fn examples() -> impl Iterator<Item = ExampleInfo> {
    let digits = ExampleInfo {
        name: DIGITS.name,
        summary: "A trained network that reads a handwritten digit: three convolutions, two dense layers",
    };
    std::iter::once(digits).chain(ASSEMBLY.iter().map(|program| ExampleInfo {
        name: program.name,
        summary: program.summary(),
    }))
}

/// An example at cycle 0, on its own machine or another shipped one.
///
/// # Errors
/// If there is no such example or machine, or one does not fit the other.
pub(crate) fn example(name: &str, machine: Option<&str>) -> Result<Source, String> {
    let Some(info) = examples().find(|info| info.name == name) else {
        let names: Vec<&str> = examples().map(|example| example.name).collect();
        return Err(format!(
            "there is no example `{name}`; the examples are {}",
            names.join(", ")
        ));
    };
    let program = ASSEMBLY.iter().find(|program| program.name == name);
    let own_machine = program.and_then(Text::machine).unwrap_or(DIGITS_MACHINE);
    let description = description(machine.unwrap_or(own_machine))?;
    let recipe = Recipe::new(move |description, mode| match program {
        Some(program) => assembled(program, description, mode),
        None => digits(description, mode),
    });
    Ok(Source {
        name: info.name.to_owned(),
        machine: recipe.make(&description, Mode::Full)?,
        recipe,
        text: program.map(|program| SourceText::of_example(program.name, program.text)),
    })
}

fn description(name: &str) -> Result<MachineDescription, String> {
    preset(name).ok_or_else(|| {
        let names: Vec<&str> = preset_names().collect();
        format!("there is no machine `{name}`; the machines are {}", names.join(", "))
    })
}

fn assembled(text: &Text, description: &MachineDescription, mode: Mode) -> Result<Machine, String> {
    let program = systole_assembler::assemble(text.text, text.name).map_err(|errors| lines(&errors))?;
    machine(program, description, mode)
}

/// The network, with the first of its images in place where values are computed.
fn digits(description: &MachineDescription, mode: Mode) -> Result<Machine, String> {
    let graph = systole_compiler::import(DIGITS.model).map_err(|errors| lines(&errors))?;
    let graph = systole_compiler::lower(graph).map_err(|errors| lines(&errors))?;
    let program = codegen::generate(&graph, description, TilingPolicy::Fastest).map_err(|errors| lines(&errors))?;
    let mut machine = machine(program, description, mode)?;
    if mode == Mode::Full {
        let pixels = HostValues::F32(DIGITS.image(0).unwrap_or_default());
        let program = Arc::clone(machine.program());
        for tensor in &program.inputs {
            write_input(&mut machine, tensor, &pixels).map_err(|error| error.to_string())?;
        }
    }
    Ok(machine)
}

fn machine(program: Program, description: &MachineDescription, mode: Mode) -> Result<Machine, String> {
    let machine = Machine::new(Arc::new(program), Arc::new(description.clone()), mode);
    machine.map_err(|error| error.0.to_string())
}

fn lines<T: ToString>(errors: &[T]) -> String {
    errors.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_opens_on_its_own_machine() {
        assert!(examples().count() > 19);
        for info in examples() {
            let source = example(info.name, None).unwrap_or_else(|reason| panic!("{}: {reason}", info.name));
            assert_eq!(source.name, info.name);
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let error = |name, machine| example(name, machine).map(|_| ()).unwrap_err();
        assert!(error("matmull", None).contains("the examples are digits, argmax_and_mask"));
        assert!(error("matmul", Some("huge")).contains("the machines are tiny4x4"));
    }
}
