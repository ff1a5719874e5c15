//! The instruction reference, written from the instruction table: nothing in it is kept by hand.

use std::fmt::Write;
use systole_assembler::{describe_kind, format_instruction, signature};
use systole_isa::instruction::{OPCODES, OpcodeInfo};
use systole_isa::operand::{Desc, DescRef, OperandKind, OperandValue, Reg, Token};
use systole_isa::{Instruction, Op, Unit};

/// Names of the fields that every word has, with their lowest bit and width.
const HEADER: [(&str, u32, u32); 5] = [
    ("opcode", 0, 8),
    ("wait 0", 8, 5),
    ("wait 1", 13, 5),
    ("post 0", 18, 5),
    ("post 1", 23, 5),
];

/// The whole reference as Markdown.
pub fn manual() -> String {
    let mut text = String::from(INTRODUCTION);
    for unit in Unit::ALL {
        let _ = writeln!(text, "\n## {}: {}", unit.name(), unit_meaning(unit));
        for row in OPCODES.iter().filter(|row| row.unit == unit) {
            instruction(&mut text, row);
        }
    }
    text
}

const INTRODUCTION: &str = "# Instructions

This page is written from the instruction table in `isa/src/instruction.rs`; a test keeps it true.

An instruction is a word of 128 bits, stored with its lowest byte first. Bits 0 to 27 are the same in all: the opcode and four token fields, which
hold 0 for none, else one more than the token's index. Operands follow in the order in which they are written, the first one lowest; a register
or constant takes one bit more than the constant, 1 for a register. Bits that no operand owns are zero.

In assembly, operands stand by position or as `name=value`; `?t1` after them waits for a token, `!t2` posts one, up to two of each.
Any instruction may wait and post.
";

const fn unit_meaning(unit: Unit) -> &'static str {
    match unit {
        Unit::Seq => "scalar sequencer",
        Unit::Ld => "load DMA",
        Unit::St => "store DMA",
        Unit::Mx => "PE array",
        Unit::Vx => "vector unit",
    }
}

fn instruction(text: &mut String, row: &OpcodeInfo) {
    let _ = writeln!(text, "\n### `{}`\n", signature(row));
    let _ = writeln!(
        text,
        "{}\n",
        row.meaning.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    );
    let _ = writeln!(
        text,
        "| field | bits | value |\n|---|---|---|\n| opcode | 7..0 | `{:#04x}` |",
        row.opcode
    );
    for operand in row.operands {
        let (high, low) = (operand.low_bit + operand.bits - 1, operand.low_bit);
        let _ = writeln!(
            text,
            "| {} | {high}..{low} | {} |",
            operand.name,
            describe_kind(operand.kind).replace('|', "\\|")
        );
    }
    if let Some(example) = example(row) {
        let word = example
            .encode()
            .map_or_else(|error| error.to_string(), |word| format!("{word:#034x}"));
        let line = format_instruction(&example, &|_| None);
        let _ = writeln!(text, "\n```\n{line}\n```\n\nis the word `{word}`.");
    }
}

/// An instruction of this row with operands that its fields hold.
pub fn example(row: &OpcodeInfo) -> Option<Instruction> {
    let operands: Vec<OperandValue> = row
        .operands
        .iter()
        .enumerate()
        .map(|(i, operand)| sample(operand.kind, i))
        .collect();
    Op::from_operands(row.opcode, &operands).map(Instruction::from)
}

fn sample(kind: OperandKind, place: usize) -> OperandValue {
    let index = place as u8 + 1;
    match kind {
        OperandKind::Reg => OperandValue::Reg(Reg::at(index)),
        OperandKind::Desc => OperandValue::Desc(Desc::at(index)),
        OperandKind::DescRef => OperandValue::DescRef(DescRef {
            desc: Desc::at(index),
            offset: if place == 1 { Reg::at(4) } else { Reg::ZERO },
        }),
        OperandKind::Val { signed: true, .. } => OperandValue::ValReg(Reg::at(index)),
        OperandKind::Val { .. } => OperandValue::Imm(4 + place as i64),
        OperandKind::Imm { .. } => OperandValue::Imm(i64::from(place as u8 % 4)),
        OperandKind::Target => OperandValue::Target(0),
        OperandKind::Token => OperandValue::Token(Token::at(index)),
        OperandKind::Choice(words) => OperandValue::Choice((words.len() > 1) as u8),
    }
}

/// The fields of a row that cover its word, lowest first, as (name, lowest bit, width); what is reserved is named so.
pub fn fields(row: &OpcodeInfo) -> Vec<(&'static str, u32, u32)> {
    let operands = row
        .operands
        .iter()
        .map(|operand| (operand.name, operand.low_bit, operand.bits));
    let mut fields: Vec<_> = HEADER.into_iter().chain(operands).collect();
    let end = fields.last().map_or(0, |(_, low, bits)| low + bits);
    if end < 128 {
        fields.push(("reserved", end, 128 - end));
    }
    fields
}
