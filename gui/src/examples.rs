//! The shipped programs and models, ready to run: the only place of the dashboard that assembles or compiles.

use crate::simulation::Source;
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
    if name == DIGITS.name {
        return digits(&description(machine.unwrap_or(DIGITS_MACHINE))?);
    }
    let Some(program) = ASSEMBLY.iter().find(|program| program.name == name) else {
        let names: Vec<&str> = examples().map(|example| example.name).collect();
        return Err(format!(
            "there is no example `{name}`; the examples are {}",
            names.join(", ")
        ));
    };
    let machine = machine.or(program.machine()).unwrap_or("tiny4x4");
    assembled(program, &description(machine)?)
}

fn description(name: &str) -> Result<MachineDescription, String> {
    preset(name).ok_or_else(|| {
        let names: Vec<&str> = preset_names().collect();
        format!("there is no machine `{name}`; the machines are {}", names.join(", "))
    })
}

fn assembled(text: &Text, description: &MachineDescription) -> Result<Source, String> {
    let program = systole_assembler::assemble(text.text, text.name).map_err(|errors| lines(&errors))?;
    source(text.name, program, description)
}

/// The network, with the first of its images in place.
fn digits(description: &MachineDescription) -> Result<Source, String> {
    let graph = systole_compiler::import(DIGITS.model).map_err(|errors| lines(&errors))?;
    let graph = systole_compiler::lower(graph).map_err(|errors| lines(&errors))?;
    let program = codegen::generate(&graph, description, TilingPolicy::Fastest).map_err(|errors| lines(&errors))?;
    let mut source = source(DIGITS.name, program, description)?;
    let program = Arc::clone(source.machine.program());
    let pixels = DIGITS.image(0).unwrap_or_default();
    for tensor in &program.inputs {
        write_input(&mut source.machine, tensor, &HostValues::F32(pixels.clone()))
            .map_err(|error| error.to_string())?;
    }
    Ok(source)
}

fn source(name: &str, program: Program, description: &MachineDescription) -> Result<Source, String> {
    let machine = Machine::new(Arc::new(program), Arc::new(description.clone()), Mode::Full);
    Ok(Source {
        name: name.to_owned(),
        machine: machine.map_err(|error| error.0.to_string())?,
    })
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
