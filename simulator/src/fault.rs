//! Faults: a program's errors, as values.

use std::fmt;
use systole_isa::Unit;
use systole_isa::operand::{Space, Token};

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
        /// Who waits for what.
        waits: Vec<Wait>,
    },
    /// Two instructions that no token orders touch the same bytes, and one of them writes.
    Race {
        /// The instruction that was under way.
        other_pc: u32,
        /// The memory.
        space: Space,
        /// First byte that both touch.
        address: i64,
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
    /// An accumulator went beyond 32 bits.
    Overflow {
        /// Byte address of the accumulator.
        address: i64,
    },
}

/// A unit that waits in a deadlock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// The unit.
    pub unit: Unit,
    /// Its next instruction.
    pub pc: u32,
    /// Tokens that are missing; empty if it waits for other units.
    pub tokens: Vec<Token>,
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
            FaultKind::Overflow { .. } => "S0008",
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
            FaultKind::Overflow { .. } => "split the reduction and requantize in between, or scale the operands down",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Trap { code } => write!(f, "trap {code}")?,
            FaultKind::Deadlock { waits } => {
                f.write_str("deadlock:")?;
                for wait in waits {
                    write!(f, " {} at instruction {} waits for ", wait.unit.name(), wait.pc)?;
                    if wait.tokens.is_empty() {
                        f.write_str("the other units;")?;
                    } else {
                        let names: Vec<String> = wait.tokens.iter().map(Token::to_string).collect();
                        write!(f, "{};", names.join(" and "))?;
                    }
                }
            }
            FaultKind::Race {
                other_pc,
                space,
                address,
            } => write!(
                f,
                "race with instruction {other_pc}: both touch {space} byte {address:#x} and no token orders them"
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
            FaultKind::Overflow { address } => write!(f, "the accumulator at byte {address:#x} went beyond 32 bits")?,
        }
        write!(f, " (instruction {}, cycle {})", self.pc, self.cycle)
    }
}
