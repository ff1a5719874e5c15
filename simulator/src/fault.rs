//! Faults: a program's errors, as values.

use crate::order::Conflict;
use std::fmt;
use systole_isa::diagnostic::{CodeInfo, code_list};
use systole_isa::operand::{Space, Token};
use systole_isa::{Program, Unit};

/// Codes of faults, and of programs and inputs that a machine does not take.
pub const CODES: &[CodeInfo] = &code_list([
    (
        "S0001",
        "trap",
        "The program executed `trap`, which carries a number of the program's own choice.",
    ),
    (
        "S0002",
        "deadlock",
        "No unit can go on: each waits for a token that only another waiting unit would post, or that nothing posts at all. The message lists who waits for what, which instruction would post it, and the cycle that these waits make. Every wait needs a post, or a `credit` at the start; loads, products and stores that share a buffer need a token for full and one for free buffers.",
    ),
    (
        "S0003",
        "race",
        "Two instructions of different units touch the same byte, one of them writes, and no token, fence or dispatch orders them, so that the result would depend on timing even if it was right in this run. Units have no other interlock: let the first post a token (`!t`) that the second waits for (`?t`). A token that has several posting or waiting units orders by the order of this run; `systole check` reports such a token.",
    ),
    (
        "S0004",
        "access beyond a memory",
        "An element that a descriptor names lies outside its memory. Elements outside a window are not fetched and may lie anywhere; all others must exist. Check base, counts and strides.",
    ),
    (
        "S0005",
        "operand that the machine cannot execute",
        "A count is negative, a tile is larger than the array, a view is smaller than the instruction uses, or an operand is in a memory that the unit is not wired to. The message says which and what would be right.",
    ),
    (
        "S0006",
        "end of program without `halt`",
        "Execution ran past the last instruction.",
    ),
    (
        "S0007",
        "loops nested too deep",
        "The sequencer holds eight loops. Leave a loop before entering another, unroll the innermost one, or use a branch.",
    ),
    (
        "S0008",
        "accumulator overflow",
        "A sum left the 32 bits of an accumulator and wrapped, so results are wrong from there on. The program goes on: the first such place and the number of them are kept, `rdperf rd, overflows` reads the number. Split the reduction and requantize in between, or scale the operands down.",
    ),
    (
        "S0009",
        "program did not end",
        "The program ran up to the limit that was given. Raise `--limit`, or look for a loop that does not end.",
    ),
    (
        "S0010",
        "program for another machine",
        "Tile sizes, addresses and loops are fixed when a program is made, so it runs only on the machine it was made for. The message lists the fields that differ.",
    ),
    (
        "S0011",
        "DRAM too small",
        "The program's tensors and constants need more DRAM than the machine has.",
    ),
    (
        "S0012",
        "segment beyond the program's DRAM",
        "A segment's bytes reach beyond the DRAM that the program reserves with `.dram`.",
    ),
    (
        "S0020",
        "input that does not fit",
        "An input has another number or type of values than the program expects. Give one array per input, in the order of the model's inputs, with the inferences along axis 0.",
    ),
]);

/// What a program did wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It executed `trap`.
    Trap {
        /// The number that it carries.
        code: u16,
    },
    /// Nothing can happen any more.
    Deadlock {
        /// Who waits for what, the sequencer first.
        waits: Vec<Wait>,
        /// Units of which each waits for the next one and the last one for the first; empty if a token is never posted.
        cycle: Vec<Unit>,
    },
    /// Two instructions that no token orders touch the same bytes, and one of them writes.
    Race {
        /// The instruction that came before it.
        other_pc: u32,
        /// The memory.
        space: Space,
        /// First byte that both touch.
        address: i64,
        /// What the other instruction does, and what this one does.
        sides: [RaceSide; 2],
    },
    /// An instruction reaches beyond a memory.
    OutOfRange {
        /// The memory.
        space: Space,
        /// First byte of the access.
        first: i64,
        /// One past its last byte.
        end: i64,
        /// Size of the memory in bytes.
        capacity: u64,
    },
    /// An operand has a value that the machine cannot execute.
    BadOperand {
        /// What is wrong and what would be right.
        why: String,
    },
    /// Execution ran past the last instruction.
    EndOfProgram,
    /// More than eight loops are nested.
    LoopDepth,
}

/// The first accumulator that left its 32 bits. No fault: the sum wraps and the program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Overflow {
    /// The instruction.
    pub pc: u32,
    /// The cycle in which it was completed.
    pub cycle: u64,
    /// Byte address of the accumulator.
    pub address: i64,
}

/// A unit that waits in a deadlock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// The unit.
    pub unit: Unit,
    /// Its next instruction.
    pub pc: u32,
    /// Its source line, if there is one.
    pub line: Option<u32>,
    /// Tokens that are missing; empty if it waits for other units.
    pub tokens: Vec<Token>,
    /// For each missing token, where it could come from.
    pub supplies: Vec<Supply>,
}

/// Where a missing token could come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Supply {
    /// From an instruction in the queue of a unit that waits itself.
    Queued {
        /// The unit.
        unit: Unit,
        /// The instruction that posts it.
        pc: u32,
        /// Its source line, if there is one.
        line: Option<u32>,
    },
    /// From an instruction that the sequencer has not reached yet.
    Later {
        /// The unit that would execute it.
        unit: Unit,
        /// The instruction that posts it.
        pc: u32,
        /// Its source line, if there is one.
        line: Option<u32>,
    },
    /// From nowhere.
    Never {
        /// The last instruction that posted it, if one ever did.
        last: Option<u32>,
    },
}

/// One of two instructions that race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RaceSide {
    /// Its unit.
    pub unit: Unit,
    /// Its source line, if there is one.
    pub line: Option<u32>,
    /// Whether it writes; else it reads.
    pub writes: bool,
}

/// The race of an instruction with another one.
pub(crate) fn race(conflict: &Conflict, (unit, pc): (Unit, u32), program: &Program) -> FaultKind {
    let side = |unit, pc: u32, writes| RaceSide {
        unit,
        line: program.lines.get(pc as usize).copied(),
        writes,
    };
    FaultKind::Race {
        other_pc: conflict.other_pc,
        space: conflict.space,
        address: conflict.address,
        sides: [
            side(conflict.other.unit(), conflict.other_pc, conflict.other_writes),
            side(unit, pc, conflict.writes),
        ],
    }
}

/// A fault with its place in program and time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// The instruction.
    pub pc: u32,
    /// The cycle.
    pub cycle: u64,
}

impl Fault {
    /// Diagnostic code.
    pub fn code(&self) -> &'static str {
        match self.kind {
            FaultKind::Trap { .. } => "S0001",
            FaultKind::Deadlock { .. } => "S0002",
            FaultKind::Race { .. } => "S0003",
            FaultKind::OutOfRange { .. } => "S0004",
            FaultKind::BadOperand { .. } => "S0005",
            FaultKind::EndOfProgram => "S0006",
            FaultKind::LoopDepth => "S0007",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.kind {
            FaultKind::Trap { .. } => "the program asked for this; look at the code before the `trap`",
            FaultKind::Deadlock { .. } => {
                "post a token for every wait: give one of the instructions before it `!t`, or start with `credit`"
            }
            FaultKind::Race { .. } => {
                "order the two instructions: let the first post a token (`!t`) that the second waits for (`?t`)"
            }
            FaultKind::OutOfRange { .. } => {
                "check base, counts and strides of the descriptor against the size of the memory"
            }
            FaultKind::BadOperand { .. } => "see the instruction's description for the values that it takes",
            FaultKind::EndOfProgram => "end the program with `halt`",
            FaultKind::LoopDepth => "unroll the innermost loop, or use a branch",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (instruction {}, cycle {})", self.kind, self.pc, self.cycle)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Trap { code } => write!(f, "trap {code}")?,
            FaultKind::Deadlock { waits, cycle } => {
                f.write_str("deadlock:")?;
                for wait in waits {
                    write!(f, " {wait};")?;
                }
                if let [first, ..] = cycle[..] {
                    let names: Vec<&str> = cycle.iter().chain([&first]).map(|unit| unit.name()).collect();
                    write!(f, " the waits make a cycle: {}", names.join(" -> "))?;
                }
            }
            FaultKind::Race {
                other_pc,
                space,
                address,
                sides: [other, this],
            } => write!(
                f,
                "race with instruction {other_pc}: both touch {space} byte {address:#x} and no token orders them; {other} it before, {this} it"
            )?,
            FaultKind::OutOfRange {
                space,
                first,
                end,
                capacity,
            } => write!(
                f,
                "{space} bytes {first:#x}..{end:#x} reach beyond the memory of {capacity:#x} bytes"
            )?,
            FaultKind::BadOperand { why } => f.write_str(why)?,
            FaultKind::EndOfProgram => f.write_str("execution ran past the last instruction")?,
            FaultKind::LoopDepth => f.write_str("more than eight loops are nested")?,
        }
        Ok(())
    }
}

/// An instruction's source line in parentheses, or nothing.
fn line_note(line: Option<u32>) -> String {
    line.map_or(String::new(), |line| format!(" (line {line})"))
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at instruction {}{} waits for ",
            self.unit.name(),
            self.pc,
            line_note(self.line)
        )?;
        if self.tokens.is_empty() {
            return f.write_str("the other units");
        }
        let names: Vec<String> = self.tokens.iter().map(Token::to_string).collect();
        f.write_str(&names.join(" and "))?;
        for (token, supply) in self.tokens.iter().zip(&self.supplies) {
            let name = if self.tokens.len() > 1 {
                format!("{token}: ")
            } else {
                String::new()
            };
            write!(f, ", {name}{supply}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { unit, pc, line } => {
                write!(
                    f,
                    "which {} would post at instruction {pc}{}",
                    unit.name(),
                    line_note(*line)
                )
            }
            Self::Later { unit, pc, line } => write!(
                f,
                "which {} would post at instruction {pc}{}, not reached yet",
                unit.name(),
                line_note(*line)
            ),
            Self::Never { last: None } => f.write_str("which nobody posts"),
            Self::Never { last: Some(pc) } => write!(f, "which nobody posts any more; instruction {pc} did last"),
        }
    }
}

impl fmt::Display for RaceSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.writes { "writes" } else { "reads" };
        write!(f, "{}{} {verb}", self.unit.name(), line_note(self.line))
    }
}
