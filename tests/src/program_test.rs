//! Programs that say themselves what they do: assembly files whose lines beginning with `;!` name the machine to run on, how the run ends
//! and what DRAM holds afterwards.
//!
//! ```text
//! ;! machine NAME                      the machine, a shipped one
//! ;! halted                            the run ends with `halt`, or
//! ;! fault CODE MNEMONIC               with this fault of this instruction
//! ;! dram ADDRESS FORMAT: VALUE ...    DRAM from this byte address on holds these values
//! ```

use std::sync::Arc;
use systole_isa::machine::preset;
use systole_isa::{ElementFormat, Program};
use systole_simulator::{Machine, Mode, Status};

/// Cycles after which a program that has not ended has failed its test.
const LIMIT: u64 = 1_000_000;

/// Runs a program as its lines say.
///
/// # Errors
/// What is not as they say, or cannot be understood in them.
pub fn check(source: &str, file: &str) -> Result<(), String> {
    let directives: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix(";!"))
        .map(str::trim)
        .collect();
    let program = systole_assembler::assemble(source, file).map_err(|diagnostics| {
        diagnostics
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    let name = directives
        .iter()
        .find_map(|line| line.strip_prefix("machine "))
        .ok_or("no line names the machine")?;
    let description = preset(name.trim()).ok_or_else(|| format!("there is no machine `{name}`"))?;
    let program = Arc::new(program);
    let mut machine =
        Machine::new(program.clone(), Arc::new(description), Mode::Full).map_err(|error| error.to_string())?;
    machine.advance_to(LIMIT, &mut ());
    let mut n_checks = 0;
    for line in directives.iter().filter(|line| !line.starts_with("machine ")) {
        check_line(line, &machine, &program).map_err(|why| format!("`{line}`: {why}"))?;
        n_checks += 1;
    }
    if n_checks == 0 {
        Err("nothing is checked".to_owned())
    } else {
        Ok(())
    }
}

fn check_line(line: &str, machine: &Machine, program: &Program) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, machine.status()) {
        ("halted", Status::Halted) => Ok(()),
        ("halted", status) => Err(format!("the run ended otherwise: {status:?}")),
        ("fault", Status::Faulted(fault)) => {
            let mnemonic = program
                .code
                .get(fault.pc as usize)
                .map_or("", |instruction| instruction.op.mnemonic());
            let found = format!("{} {mnemonic}", fault.code());
            if found == rest {
                Ok(())
            } else {
                Err(format!("found `{found}`: {fault}"))
            }
        }
        ("fault", status) => Err(format!("the run ended without a fault: {status:?}")),
        ("dram", _) => check_dram(rest, machine),
        _ => Err("this line cannot be understood".to_owned()),
    }
}

fn check_dram(text: &str, machine: &Machine) -> Result<(), String> {
    let (place, values) = text.split_once(':').ok_or("a colon is missing")?;
    let (address, format) = place.trim().split_once(' ').ok_or("address or format is missing")?;
    let digits = address
        .strip_prefix("0x")
        .ok_or("the address is written in hexadecimal")?;
    let address = u64::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
    let format = ElementFormat::ALL
        .iter()
        .find(|f| f.word() == format)
        .ok_or("there is no such format")?;
    let expected = values
        .split_whitespace()
        .map(|value| value.parse::<i32>().map_err(|error| format!("{value}: {error}")))
        .collect::<Result<Vec<_>, _>>()?;
    let element_bytes = format.bits() as usize / 8;
    let mut bytes = vec![0; expected.len() * element_bytes];
    machine
        .memory(systole_isa::operand::Space::Dram)
        .read(address, &mut bytes);
    let pattern = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0u32, |pattern, &byte| pattern << 8 | u32::from(byte))
    };
    let found: Vec<i32> = bytes
        .chunks(element_bytes)
        .map(|bytes| format.decode(pattern(bytes)))
        .collect();
    if found == expected {
        Ok(())
    } else {
        Err(format!("found {found:?}"))
    }
}
