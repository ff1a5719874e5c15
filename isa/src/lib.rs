//! What a Systole machine *is*: its instruction table and encoding, the program container, the machine description, latency
//! formulas, numerics, energy figures, units and diagnostics.
//!
//! Every other crate reads these facts from here and none of them repeats one. This crate refuses to know how text becomes a
//! program, how a model becomes a program, or how a program becomes a state over time; it does no input or output.

mod bits;
pub mod container;
pub mod descriptor;
pub mod diagnostic;
pub mod dram;
pub mod energy;
pub mod format;
pub mod hash;
pub mod instruction;
pub mod latency;
pub mod machine;
pub mod numerics;
pub mod operand;
pub mod program;
pub mod throughput;
mod tokens;
mod unit;
pub mod units;

pub use descriptor::Descriptor;
pub use diagnostic::Diagnostic;
pub use format::ElementFormat;
pub use instruction::{Instruction, Op, Tokens, Unit};
pub use machine::MachineDescription;
pub use program::Program;
pub use throughput::FormatPair;
pub use units::{Bytes, Cycle, Cycles, Femtojoules};
