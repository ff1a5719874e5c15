//! Which part of which view an operation of the vector unit uses, and what the views have to be. Bounds, races and counts of bytes are
//! derived from this one list.

use super::{VectorOp, VectorWork};
use crate::fault::FaultKind;
use crate::work::{ON_CHIP, in_space, require, within_view};
use systole_isa::descriptor::N_LEVELS;
use systole_isa::numerics::{AddParameters, MulParameters, PreluParameters, SOFTMAX_TABLE_WORDS};
use systole_isa::operand::{Accumulate, Space};
use systole_isa::{Descriptor, ElementFormat, MachineDescription};

/// What an operation does with a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It reads elements, from any on-chip memory.
    Input,
    /// It reads parameters, from the scratchpad.
    Table,
    /// It writes results.
    Output,
    /// It reads what it then overwrites.
    Update,
}

/// A view and how much of it an operation uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VectorOperand<'a> {
    pub(crate) name: &'static str,
    pub(crate) view: &'a Descriptor,
    pub(crate) n_rows: u64,
    pub(crate) n_columns: u64,
    pub(crate) role: Role,
}

/// The rows and columns that hold the first `n_elements` of a view that is read row after row.
fn listed(view: &Descriptor, n_elements: u64) -> (u64, u64) {
    let n_columns = view.n_columns().clamp(1, n_elements.max(1));
    (n_elements.div_ceil(n_columns), n_columns)
}

impl VectorWork {
    /// Entries of a lookup table for the format of `src`.
    pub(crate) fn n_entries(&self) -> u64 {
        1 << self.src.format.bits()
    }

    /// Every view with the part that is used.
    pub(crate) fn operands(&self) -> Vec<VectorOperand<'_>> {
        let (m, n) = (self.m, self.n);
        let operand = |name, view, (n_rows, n_columns), role| VectorOperand {
            name,
            view,
            n_rows,
            n_columns,
            role,
        };
        let source = |name, n_columns| operand(name, &self.src, (m, n_columns), Role::Input);
        let result = |n_columns| operand("dst", &self.dst, (m, n_columns), Role::Output);
        match &self.op {
            VectorOp::Requant { par, .. } => {
                vec![source("src", n), result(n), operand("par", par, (n, 3), Role::Table)]
            }
            VectorOp::Prelu { par, .. } => {
                let words = PreluParameters::N_WORDS as u64;
                vec![
                    source("src", n),
                    result(n),
                    operand("par", par, (n, words), Role::Table),
                ]
            }
            VectorOp::Lut { table } => {
                let entries = listed(table, self.n_entries());
                vec![
                    source("src", n),
                    result(n),
                    operand("table", table, entries, Role::Table),
                ]
            }
            VectorOp::Add { b, par, rounding } => {
                let words = AddParameters::n_words(*rounding) as u64;
                let b = operand("b", b, (m, n), Role::Input);
                vec![
                    source("a", n),
                    b,
                    result(n),
                    operand("par", par, (1, words), Role::Table),
                ]
            }
            VectorOp::Mul { b, par, rounding } => {
                let words = MulParameters::n_words(*rounding) as u64;
                let b = operand("b", b, (m, n), Role::Input);
                vec![
                    source("a", n),
                    b,
                    result(n),
                    operand("par", par, (1, words), Role::Table),
                ]
            }
            VectorOp::MaxPool => vec![source("src", self.src.n_columns()), result(n)],
            VectorOp::AvgPool { par, .. } => {
                let par = operand("par", par, (1, 2), Role::Table);
                vec![source("src", self.src.n_columns()), result(n), par]
            }
            VectorOp::DwConv { w, mode } => {
                let role = match mode {
                    Accumulate::Over => Role::Output,
                    Accumulate::Add => Role::Update,
                };
                let dst = operand("dst", &self.dst, (m, n), role);
                let w = operand("w", w, (self.n_taps(), n), Role::Table);
                vec![source("src", self.src.n_columns()), dst, w]
            }
            VectorOp::Softmax { table } => {
                let words = listed(table, SOFTMAX_TABLE_WORDS);
                vec![source("src", n), result(n), operand("table", table, words, Role::Table)]
            }
            VectorOp::LayerNorm { par } => {
                let par = operand("par", par, (n + 1, 2), Role::Table);
                vec![source("src", n), result(n), par]
            }
            VectorOp::ArgMax | VectorOp::Mask => vec![source("src", n), result(1)],
            VectorOp::Move => vec![source("src", n), result(n)],
        }
    }

    /// Checks what the machine has, memories, formats and sizes.
    pub(crate) fn check(&self, machine: &MachineDescription) -> Result<(), FaultKind> {
        require(machine.vector.pooling || !self.has_window(), || {
            let name = &machine.name;
            format!("the machine `{name}` lacks this: `vector.pooling` is false in its description")
        })?;
        for operand in self.operands() {
            let allowed = match operand.role {
                Role::Table => &[Space::Spm],
                Role::Input | Role::Output | Role::Update => ON_CHIP,
            };
            in_space(operand.name, operand.view, allowed)?;
        }
        self.check_formats()?;
        if self.has_window() {
            self.check_window()?;
        }
        for operand in self.operands() {
            within_view(operand.name, operand.view, operand.n_rows, operand.n_columns)?;
        }
        Ok(())
    }

    fn check_formats(&self) -> Result<(), FaultKind> {
        match &self.op {
            VectorOp::Requant { par, .. }
            | VectorOp::Prelu { par, .. }
            | VectorOp::Add { par, .. }
            | VectorOp::Mul { par, .. }
            | VectorOp::AvgPool { par, .. } => is_i32("par", par, "parameters"),
            VectorOp::Lut { .. } => self.at_most(8, "a table has one entry per value"),
            VectorOp::Softmax { table } => {
                is_i32("table", table, "exponentials")?;
                self.at_most(8, "the table has 256 exponentials")
            }
            VectorOp::LayerNorm { par } => {
                is_i32("par", par, "parameters")?;
                self.at_most(16, "sums of squares have a width")
            }
            VectorOp::DwConv { .. } => is_i32("dst", &self.dst, "sums"),
            VectorOp::Mask => require(self.dst.format == ElementFormat::B1, || {
                format!("`dst` has format {}; a mask is b1", self.dst.format)
            }),
            VectorOp::ArgMax => require(self.n > 0, || "`n` is 0; an empty row has no largest element".into()),
            VectorOp::MaxPool | VectorOp::Move => Ok(()),
        }
    }

    fn at_most(&self, bits: u32, why: &str) -> Result<(), FaultKind> {
        let format = self.src.format;
        require(format.bits() <= bits, || {
            format!("`src` has format {format}; it has at most {bits} bits, as {why}")
        })
    }

    /// The channel is the innermost level, and a window leaves it alone: all channels of a tap lie inside or outside together.
    fn check_window(&self) -> Result<(), FaultKind> {
        const CHANNEL: usize = N_LEVELS - 1;
        let (n, channels) = (self.n, u64::from(self.src.levels[CHANNEL].count));
        require(n > 0 && self.src.n_columns().is_multiple_of(n) && channels == n, || {
            format!("`n` is {n} but the innermost level of `src`, the channel, counts {channels}")
        })?;
        let bounds_channel = self.src.windows.iter().flatten().any(|window| {
            let steps = [(window.outer, window.outer_step), (window.inner, window.inner_step)];
            steps
                .iter()
                .any(|&(level, step)| usize::from(level) == CHANNEL && step != 0)
        });
        require(!bounds_channel, || {
            format!("a window of `src` bounds level {CHANNEL}, the channel; bound the levels of the taps")
        })
    }
}

fn is_i32(name: &str, view: &Descriptor, what: &str) -> Result<(), FaultKind> {
    require(view.format == ElementFormat::I32, || {
        format!("`{name}` has format {}; {what} are i32", view.format)
    })
}
