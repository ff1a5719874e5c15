//! The instruction reference, written from the instruction table and the instruction tests: nothing in it is kept by hand.

use crate::instruction_test::{InstructionTest, read_all};
use crate::takes;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use systole_assembler::{describe_kind, format_instruction, signature};
use systole_isa::instruction::{OPCODES, OpcodeInfo, WORD_BYTES};
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
const WORD_BITS: u32 = 8 * WORD_BYTES as u32;
/// Bits in one line of an encoding's drawing.
const LINE_BITS: u32 = 32;
/// Characters for one bit, its border included.
const BIT_CHARS: usize = 2;
/// Characters in a line of the grammar.
const GRAMMAR_WIDTH: usize = 110;

/// The whole reference as Markdown, with examples from the instruction tests in a folder.
///
/// # Errors
/// If the tests cannot be read or a formula is malformed.
pub fn manual(tests: &Path) -> Result<String, String> {
    let tests = read_all(tests)?;
    let mut text = String::from(INTRODUCTION);
    grammar(&mut text);
    contents(&mut text);
    for unit in Unit::ALL {
        let _ = writeln!(text, "\n## {}", unit_heading(unit));
        for row in rows_of(unit) {
            instruction(&mut text, row, &tests).map_err(|why| format!("{}: {why}", row.mnemonic))?;
        }
    }
    Ok(text)
}

const INTRODUCTION: &str = "# Instructions

This page is written from the instruction table in `isa/src/instruction.rs` and the instruction tests in `tests/instructions/`; a test keeps it
true.

An instruction is a word of 128 bits, stored with its lowest byte first. Bits 0 to 27 are the same in all: the opcode and four token fields, which
hold 0 for none, else one more than the token's index. Operands follow in the order in which they are written, the first one lowest; a register
or constant takes one bit more than the constant, 1 for a register. Bits that no operand owns are zero.

In the drawings a line is 32 bits, the highest bit of the word is top left, and a name that does not fit its field is cut short; the table below
the drawing has it in full. A formula gives the cycles from an instruction's start to its completion on a machine with overlap; `ceil` rounds a
quotient up. In an example the lines with `;!` say on which machine it runs and what registers, memories and the end of the run are
afterwards; the tests run every one of them and compare.

## Grammar

In assembly, operands stand by position or as `name=value`; `?t1` after them waits for a token, `!t2` posts one, up to two of each.
Any instruction may wait and post.
";

fn rows_of(unit: Unit) -> impl Iterator<Item = &'static OpcodeInfo> {
    OPCODES.iter().filter(move |row| row.unit == unit)
}

fn unit_heading(unit: Unit) -> String {
    let meaning = match unit {
        Unit::Seq => "scalar sequencer",
        Unit::Ld => "load DMA",
        Unit::St => "store DMA",
        Unit::Mx => "PE array",
        Unit::Vx => "vector unit",
    };
    format!("{}: {meaning}", unit.name())
}

fn grammar(text: &mut String) {
    text.push_str("\n```text\n");
    text.push_str("instruction = mnemonic [ operand { \",\" operand } ] { \"?\" token } { \"!\" token }\n");
    text.push_str("operand     = value | name \"=\" value\n");
    text.push_str("value       = register | constant | descriptor [ \"[\" register \"]\" ] | token | label | word\n");
    let units: Vec<String> = Unit::ALL.iter().map(|unit| unit.name().to_lowercase()).collect();
    let _ = writeln!(text, "mnemonic    = {}\n", units.join(" | "));
    for unit in Unit::ALL {
        let prefix = format!("{}.", unit.name().to_lowercase());
        let (with, without): (Vec<&str>, Vec<&str>) = rows_of(unit)
            .map(|row| row.mnemonic)
            .partition(|mnemonic| mnemonic.starts_with(&prefix));
        let mut choices: Vec<String> = without.iter().map(|mnemonic| format!("\"{mnemonic}\"")).collect();
        if !with.is_empty() {
            let actions: Vec<String> = with
                .iter()
                .map(|mnemonic| format!("\"{}\"", &mnemonic[prefix.len()..]))
                .collect();
            choices.push(format!("\"{prefix}\" ( {} )", actions.join(" | ")));
        }
        production(text, &unit.name().to_lowercase(), &choices.join(" | "));
    }
    text.push_str("```\n");
}

/// A rule of the grammar, broken before a choice where the line is full.
fn production(text: &mut String, name: &str, choices: &str) {
    let mut line = format!("{name:11} =");
    for word in choices.split(' ') {
        if line.len() + word.len() > GRAMMAR_WIDTH && word == "|" {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(12);
        }
        line = line + " " + word;
    }
    let _ = writeln!(text, "{line}");
}

fn contents(text: &mut String) {
    text.push_str("\n## Contents\n\n");
    for unit in Unit::ALL {
        let heading = unit_heading(unit);
        let links: Vec<String> = rows_of(unit)
            .map(|row| format!("[`{}`](#{})", row.mnemonic, anchor(row.mnemonic)))
            .collect();
        let _ = writeln!(text, "- [{heading}](#{}): {}", anchor(&heading), links.join(", "));
    }
}

/// The anchor that Markdown renderers give a heading.
pub fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

fn instruction(text: &mut String, row: &OpcodeInfo, tests: &BTreeMap<String, InstructionTest>) -> Result<(), String> {
    let _ = writeln!(text, "\n### {}\n\n```text\n{}\n```\n", row.mnemonic, signature(row));
    let meaning: Vec<&str> = row.meaning.lines().map(str::trim).collect();
    let _ = writeln!(text, "{}\n", meaning.join(" ").trim());
    let _ = writeln!(text, "{}\n", latency(row)?);
    let _ = writeln!(text, "```text\n{}```\n", drawing(row));
    let _ = writeln!(
        text,
        "| field | bits | value |\n|---|---|---|\n| opcode | 7..0 | `{:#04x}` |",
        row.opcode
    );
    for operand in row.operands {
        let (high, low) = (operand.low_bit + operand.bits - 1, operand.low_bit);
        let kind = describe_kind(operand.kind).replace('|', "\\|");
        let _ = writeln!(text, "| {} | {high}..{low} | {kind} |", operand.name);
    }
    if let Some(example) = example(row) {
        let word = example.encode().map_err(|error| error.to_string())?;
        let line = format_instruction(&example, &|_| None);
        let _ = writeln!(text, "\n`{line}` is the word `{word:#034x}`.");
    }
    if let Some(case) = tests.get(row.mnemonic).and_then(|test| test.case("values")) {
        let program = case.text.split_once('\n').map_or("", |(_, program)| program);
        let _ = writeln!(text, "\nExample:\n\n```text\n{}\n```", program.trim_end());
    }
    Ok(())
}

/// The formula of a row with the names in it that are no operands.
fn latency(row: &OpcodeInfo) -> Result<String, String> {
    let names = takes::names(row.takes)?;
    let is_operand = |name: &str| row.operands.iter().any(|operand| operand.name == name);
    let explained: Vec<String> = takes::NAMES
        .iter()
        .filter(|(name, _)| names.contains(*name) && !is_operand(name))
        .map(|(name, meaning)| format!("`{name}`: {meaning}"))
        .collect();
    Ok(match (row.takes, explained.is_empty()) {
        ("0", _) => "Takes no time.".to_owned(),
        ("1", _) => "Takes 1 cycle.".to_owned(),
        (formula, true) => format!("Takes `{formula}` cycles."),
        (formula, false) => format!("Takes `{formula}` cycles. {}.", explained.join("; ")),
    })
}

/// The fields of a word as text, 32 bits in a line, the highest bit top left.
pub fn drawing(row: &OpcodeInfo) -> String {
    let fields = fields(row);
    let mut text = String::new();
    let mut border_above = vec![false; LINE_BITS as usize * BIT_CHARS + 1];
    for line in (0..WORD_BITS / LINE_BITS).rev() {
        let (low, high) = (line * LINE_BITS, (line + 1) * LINE_BITS);
        let mut names = String::from("|");
        let mut border = vec![true];
        for &(name, low_bit, bits) in fields.iter().rev() {
            let part = (low_bit + bits).min(high).saturating_sub(low_bit.max(low)) as usize;
            if part == 0 {
                continue;
            }
            let width = part * BIT_CHARS - 1;
            let short: String = name.chars().take(width).collect();
            let _ = write!(names, "{short:^width$}|");
            border.extend(std::iter::repeat_n(false, width).chain([true]));
        }
        let _ = writeln!(text, "     {}", ruler(&border, &border_above));
        let _ = writeln!(text, "{:>3}  {names}  {low}", high - 1);
        border_above = border;
    }
    let _ = writeln!(text, "     {}", ruler(&border_above, &border_above));
    text
}

/// The line between two lines of fields, with a cross where either has a border.
fn ruler(below: &[bool], above: &[bool]) -> String {
    below
        .iter()
        .zip(above)
        .map(|(below, above)| if *below || *above { '+' } else { '-' })
        .collect()
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
    if end < WORD_BITS {
        fields.push(("zero", end, WORD_BITS - end));
    }
    fields
}
