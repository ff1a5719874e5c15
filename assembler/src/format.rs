//! One instruction as text.

use crate::registers;
use systole_isa::instruction::{Instruction, OpcodeInfo};
use systole_isa::operand::{DescRef, Operand, OperandKind, OperandValue, Reg, Space};

/// Names for the numbers in an instruction.
pub(crate) trait Naming {
    /// The label of an instruction.
    fn label(&self, pc: u32) -> Option<String>;
    /// An expression for a byte address.
    fn address(&self, space: Space, address: i64) -> Option<String>;
}

struct LabelsOnly<'f>(&'f dyn Fn(u32) -> Option<String>);

impl Naming for LabelsOnly<'_> {
    fn label(&self, pc: u32) -> Option<String> {
        (self.0)(pc)
    }
    fn address(&self, _: Space, _: i64) -> Option<String> {
        None
    }
}

/// An instruction on one line. `label` names the targets of jumps; one without a name is written as `@index`.
pub fn format_instruction(instruction: &Instruction, label: &dyn Fn(u32) -> Option<String>) -> String {
    Parts::new(instruction, &LabelsOnly(label)).to_string()
}

/// The text of an instruction, column by column.
pub(crate) struct Parts {
    pub(crate) mnemonic: &'static str,
    pub(crate) operands: String,
    pub(crate) tokens: String,
}

impl Parts {
    pub(crate) fn new(instruction: &Instruction, naming: &dyn Naming) -> Self {
        let row = instruction.op.info();
        let values = instruction.op.operands();
        let space = space_of(row, &values);
        let operands: Vec<String> = row
            .operands
            .iter()
            .zip(&values)
            .map(|(operand, value)| {
                let space = space.filter(|_| operand.name == ADDRESS_OPERAND);
                operand_text(operand.kind, *value, space, naming)
            })
            .collect();
        let tokens = instruction.tokens;
        let waits = tokens.waits.iter().flatten().map(|token| format!("?{token}"));
        let posts = tokens.posts.iter().flatten().map(|token| format!("!{token}"));
        Self {
            mnemonic: row.mnemonic,
            operands: operands.join(", "),
            tokens: waits.chain(posts).collect::<Vec<_>>().join(" "),
        }
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.mnemonic)?;
        for part in [&self.operands, &self.tokens] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        Ok(())
    }
}

/// In an instruction that names a memory, the operand of this name is an address in it and is written by its symbol.
const ADDRESS_OPERAND: &str = "base";

/// The memory that an instruction names by one of its operands.
fn space_of(row: &OpcodeInfo, values: &[OperandValue]) -> Option<Space> {
    let place = row.operands.iter().position(|operand| operand.kind == Space::KIND)?;
    Space::from_value(*values.get(place)?)
}

fn operand_text(kind: OperandKind, value: OperandValue, space: Option<Space>, naming: &dyn Naming) -> String {
    match value {
        OperandValue::Reg(reg) | OperandValue::ValReg(reg) => reg.to_string(),
        OperandValue::Desc(desc) => desc.to_string(),
        OperandValue::DescRef(DescRef { desc, offset }) if offset == Reg::ZERO => desc.to_string(),
        OperandValue::DescRef(DescRef { desc, offset }) => format!("{desc}[{offset}]"),
        OperandValue::Token(token) => token.to_string(),
        OperandValue::Target(pc) => naming.label(pc).unwrap_or_else(|| format!("@{pc}")),
        OperandValue::Imm(value) => {
            let symbolic = space.and_then(|space| naming.address(space, value));
            symbolic.unwrap_or_else(|| integer_text(kind, value))
        }
        OperandValue::Choice(index) => match kind {
            OperandKind::Choice(words) => words.get(usize::from(index)).copied().unwrap_or("?").to_owned(),
            _ => index.to_string(),
        },
    }
}

/// Constants from here on are hexadecimal where the field is wide enough to hold an address or a mask.
const HEX_FROM: i64 = 1 << 16;
/// Width of the fields in which large constants are hexadecimal.
const HEX_FIELD_BITS: u32 = 40;

fn integer_text(kind: OperandKind, value: i64) -> String {
    let is_wide = match kind {
        OperandKind::Val { bits, .. } | OperandKind::Imm { bits, .. } => bits >= HEX_FIELD_BITS,
        _ => false,
    };
    if is_wide && value >= HEX_FROM {
        format!("{value:#x}")
    } else {
        value.to_string()
    }
}

/// Whether a name can be written as it is, and means nothing else.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c != '.' && crate::lexer::starts_word(c))
        && chars.all(crate::lexer::continues_word)
        && registers::kind_of(name).is_none()
}
