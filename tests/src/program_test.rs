//! Programs that say themselves what they do: assembly files whose lines beginning with `;!` name the machine to run on, how the run ends,
//! what its memories and registers hold afterwards and how long an instruction took.
//!
//! ```text
//! ;! machine NAME                            the machine, a shipped one
//! ;! halted                                  the run ends with `halt`, or
//! ;! fault CODE MNEMONIC                     with this fault of this instruction
//! ;! dram|spm|acc ADDRESS FORMAT: VALUE ...  a memory from this byte address on holds these values, packed
//! ;! reg REGISTER VALUE                      a register holds this value
//! ;! cycles MNEMONIC N                       the first execution of this instruction took so many cycles
//! ;! takes MNEMONIC NAME=VALUE ...           it took as many as the instruction table's formula says with these numbers
//! ```
//!
//! Names of a formula that a `takes` line does not give are the machine's (`R`, `C`, `lanes`) or the instruction's operands, where those are
//! constants. A given number comes first: `k=R` makes a formula right for a machine without overlap.
//!
//! Lines with values can be written by the run instead of compared with it, see [`blessed`].

use crate::takes;
use std::collections::BTreeMap;
use std::sync::Arc;
use systole_isa::instruction::opcode_by_mnemonic;
use systole_isa::machine::preset;
use systole_isa::operand::{OperandValue, Space};
use systole_isa::{ElementFormat, Program};
use systole_simulator::observer::Watch;
use systole_simulator::{Event, FaultKind, Machine, Mode, Status};

/// Cycles after which a program that has not ended has failed its test.
const LIMIT: u64 = 1_000_000;

/// What marks a line that says something about the run.
pub const MARK: &str = ";!";

/// What a line says, without its mark; `None` if it says nothing.
pub fn statement(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix(MARK).map(str::trim)
}

/// Runs a program as its lines say.
///
/// # Errors
/// What is not as they say, or cannot be understood in them.
pub fn check(source: &str, file: &str) -> Result<(), String> {
    let run = Run::of(source, file)?;
    let mut n_checks = 0;
    for line in source.lines().filter_map(statement) {
        n_checks += u32::from(run.check(line).map_err(|why| format!("`{line}`: {why}"))?);
    }
    if n_checks == 0 {
        Err("nothing is checked".to_owned())
    } else {
        Ok(())
    }
}

/// The text with the run's numbers in its lines of values (`dram`, `spm`, `acc`, `reg`, `cycles`); everything else stays.
///
/// # Errors
/// If a line cannot be understood, or the program does not run at all.
pub fn blessed(source: &str, file: &str) -> Result<String, String> {
    let run = Run::of(source, file)?;
    let mut text = String::new();
    for line in source.split_inclusive('\n') {
        let said = statement(line).unwrap_or("");
        let found = run.found(said).map_err(|why| format!("`{said}`: {why}"))?;
        match found {
            Some((place, found)) if !said.starts_with(&place) || !same_values(&said[place.len()..], &found) => {
                text += &format!("{MARK} {place} {found}\n");
            }
            _ => text += line,
        }
    }
    Ok(text)
}

fn same_values(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// The first execution of an instruction.
struct Execution {
    pc: u32,
    start: u64,
    cycles: u64,
}

/// A program that has run.
struct Run {
    machine: Machine,
    executions: BTreeMap<&'static str, Execution>,
}

impl Run {
    fn of(source: &str, file: &str) -> Result<Self, String> {
        let program = systole_assembler::assemble(source, file).map_err(|diagnostics| {
            let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        let name = source
            .lines()
            .filter_map(statement)
            .find_map(|line| line.strip_prefix("machine "))
            .ok_or("no line names the machine")?;
        let description = preset(name.trim()).ok_or_else(|| format!("there is no machine `{name}`"))?;
        let program = Arc::new(program);
        let mut machine =
            Machine::new(program.clone(), Arc::new(description), Mode::Full).map_err(|error| error.to_string())?;
        let mut executions = BTreeMap::new();
        let note = |event: &Event| note(&mut executions, &program, event);
        machine.advance_to(LIMIT, &mut Watch(note));
        // `trap` is never completed, since it ends the run; like `halt` it has the last cycle.
        if let Status::Faulted(fault) = machine.status()
            && matches!(fault.kind, FaultKind::Trap { .. })
        {
            note_execution(&mut executions, &program, fault.pc, fault.cycle, fault.cycle + 1);
        }
        Ok(Self { machine, executions })
    }

    /// Compares what a line says with the run. False if the line is not for comparing.
    fn check(&self, line: &str) -> Result<bool, String> {
        if let Some((place, found)) = self.found(line)? {
            let said = line.strip_prefix(&place).ok_or("it is not written in its usual form")?;
            return if same_values(said, &found) {
                Ok(true)
            } else {
                Err(format!("found {found}"))
            };
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, self.machine.status()) {
            ("machine", _) => Ok(false),
            ("halted", Status::Halted) => Ok(true),
            ("halted", Status::Faulted(fault)) => Err(format!("the run ended with a fault: {fault}")),
            ("halted", Status::Running) => Err(format!("the run did not end within {LIMIT} cycles")),
            ("fault", _) => self.check_fault(rest),
            ("takes", _) => self.check_takes(rest),
            _ => Err("this line cannot be understood".to_owned()),
        }
    }

    fn check_fault(&self, said: &str) -> Result<bool, String> {
        let Status::Faulted(fault) = self.machine.status() else {
            return Err(format!("the run ended without a fault: {:?}", self.machine.status()));
        };
        let mnemonic = self.machine.program().mnemonic(fault.pc).unwrap_or("");
        let found = format!("{} {mnemonic}", fault.code());
        if same_values(said, &found) {
            Ok(true)
        } else {
            Err(format!("found `{found}`: {fault}"))
        }
    }

    fn execution(&self, mnemonic: &str) -> Result<&Execution, String> {
        self.executions
            .get(mnemonic)
            .ok_or_else(|| format!("no `{mnemonic}` was completed"))
    }

    fn check_takes(&self, said: &str) -> Result<bool, String> {
        let mut words = said.split_whitespace();
        let mnemonic = words.next().ok_or("the mnemonic is missing")?;
        let formula = opcode_by_mnemonic(mnemonic)
            .ok_or_else(|| format!("there is no instruction `{mnemonic}`"))?
            .takes;
        let execution = self.execution(mnemonic)?;
        let mut values = self.names_of(execution.pc);
        let machine_values = values.clone();
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is not NAME=VALUE"))?;
            if !takes::names(formula)?.contains(name) {
                return Err(format!("`{name}` does not occur in `{formula}`"));
            }
            values.insert(name.to_owned(), takes::evaluate(value, &machine_values)?);
        }
        let expected = takes::evaluate(formula, &values)?;
        if expected == i128::from(execution.cycles) {
            Ok(true)
        } else {
            Err(format!(
                "`{formula}` gives {expected}, but it took {} cycles",
                execution.cycles
            ))
        }
    }

    /// What formulas may name: facts of the machine, and the operands of an instruction that are constants.
    fn names_of(&self, pc: u32) -> takes::Values {
        let description = self.machine.description();
        let op = self.machine.program().code[pc as usize].op;
        let operands = op.info().operands.iter().zip(op.operands());
        let constants = operands.filter_map(|(info, value)| match value {
            OperandValue::Imm(value) => Some((info.name, i128::from(value))),
            _ => None,
        });
        [
            ("R", i128::from(description.rows)),
            ("C", i128::from(description.cols)),
            ("lanes", i128::from(description.vector.n_lanes)),
        ]
        .into_iter()
        .chain(constants)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// For a line of values: its beginning up to them, and the values that the run gives.
    fn found(&self, line: &str) -> Result<Option<(String, String)>, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let in_memory = |space| self.found_in_memory(space, rest).map(Some);
        match word {
            "dram" => in_memory(Space::Dram),
            "spm" => in_memory(Space::Spm),
            "acc" => in_memory(Space::Acc),
            "reg" => {
                let name = rest.split_whitespace().next().ok_or("the register is missing")?;
                let index = name.strip_prefix('r').and_then(|digits| digits.parse::<usize>().ok());
                let value = index
                    .and_then(|index| self.machine.registers().get(index))
                    .ok_or_else(|| format!("there is no register `{name}`"))?;
                Ok(Some((format!("reg {name}"), value.to_string())))
            }
            "cycles" => {
                let mnemonic = rest.split_whitespace().next().ok_or("the mnemonic is missing")?;
                let cycles = self.execution(mnemonic)?.cycles;
                Ok(Some((format!("cycles {mnemonic}"), cycles.to_string())))
            }
            _ => Ok(None),
        }
    }

    fn found_in_memory(&self, space: Space, text: &str) -> Result<(String, String), String> {
        let (place, values) = text.split_once(':').ok_or("a colon is missing")?;
        let (address_text, format_text) = place.trim().split_once(' ').ok_or("address or format is missing")?;
        let digits = address_text
            .strip_prefix("0x")
            .ok_or("the address is written in hexadecimal")?;
        let address = u64::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
        let format = *ElementFormat::ALL
            .iter()
            .find(|format| format.word() == format_text.trim())
            .ok_or("there is no such format")?;
        let n_elements = values.split_whitespace().count() as u64;
        if n_elements == 0 {
            return Err("there is no value".to_owned());
        }
        let memory = self.machine.memory(space);
        let mut bytes = vec![0; format.bytes_from_elements(n_elements) as usize];
        if !memory.holds(address, bytes.len() as u64) {
            return Err(format!("{space} holds {:#x} bytes", memory.capacity_bytes()));
        }
        memory.read(address, &mut bytes);
        let found: Vec<String> = (0..n_elements)
            .map(|i| element(&bytes, format, i as usize).to_string())
            .collect();
        Ok((format!("{} {} {}:", space, address_text, format), found.join(" ")))
    }
}

fn note(executions: &mut BTreeMap<&'static str, Execution>, program: &Program, event: &Event) {
    if let Event::Completed { pc, start, end, .. } = *event {
        note_execution(executions, program, pc, start, end);
    }
}

fn note_execution(
    executions: &mut BTreeMap<&'static str, Execution>,
    program: &Program,
    pc: u32,
    start: u64,
    end: u64,
) {
    let execution = Execution {
        pc,
        start,
        cycles: end - start,
    };
    let first = executions
        .entry(program.code[pc as usize].op.mnemonic())
        .or_insert_with(|| Execution { ..execution });
    if start < first.start {
        *first = execution;
    }
}

/// Element `i` of packed elements, lowest bits first.
fn element(bytes: &[u8], format: ElementFormat, i: usize) -> i32 {
    let bits = format.bits() as usize;
    let pattern = (0..bits).rev().fold(0u32, |pattern, bit| {
        let at = i * bits + bit;
        pattern << 1 | u32::from(bytes[at / 8] >> (at % 8) & 1)
    });
    format.decode(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_elements_are_read_lowest_bits_first() {
        let bytes = [0b1101_0010, 0xff];
        let read = |format, n| (0..n).map(|i| element(&bytes, format, i)).collect::<Vec<_>>();
        assert_eq!(read(ElementFormat::B1, 9), [-1, 1, -1, -1, 1, -1, 1, 1, 1]);
        assert_eq!(read(ElementFormat::I2, 4), [-2, 0, 1, -1]);
        assert_eq!(read(ElementFormat::U4, 3), [2, 13, 15]);
        assert_eq!(read(ElementFormat::I16, 1), [-46]);
    }
}
