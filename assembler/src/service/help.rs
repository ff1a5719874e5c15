//! What there is to say about instructions, directives and other words of the language.

use crate::directives::{DirectiveInfo, directive};
use crate::operands::{describe_kind, signature};
use std::fmt::Write as _;
use systole_isa::instruction::{OpcodeInfo, opcode_by_mnemonic};

/// An explanation. Code in its texts stands between backquotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Help {
    /// How it is written.
    pub title: String,
    /// Paragraphs.
    pub paragraphs: Vec<String>,
    /// Its parts, one a row.
    pub rows: Vec<HelpRow>,
}

/// An operand and where it is in the instruction word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpRow {
    /// Name of the operand.
    pub name: String,
    /// What may be written for it.
    pub value: String,
    /// Highest and lowest bit of its field.
    pub bits: (u32, u32),
}

impl Help {
    /// The explanation as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("```systole\n{}\n```\n", self.title);
        for paragraph in &self.paragraphs {
            let _ = write!(text, "\n{paragraph}\n");
        }
        if !self.rows.is_empty() {
            text.push_str("\n| operand | is | bits |\n|---|---|---|\n");
        }
        for row in &self.rows {
            let value = row.value.replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {value} | {}..{} |", row.name, row.bits.0, row.bits.1);
        }
        text
    }

    /// The explanation as text without marks.
    pub fn plain(&self) -> String {
        let mut text = self.title.clone();
        for paragraph in &self.paragraphs {
            let _ = write!(text, "\n\n{paragraph}");
        }
        if !self.rows.is_empty() {
            text.push('\n');
        }
        for row in &self.rows {
            let (high, low) = row.bits;
            let _ = write!(text, "\n{}: {}; bits {high}..{low}", row.name, row.value);
        }
        text.replace('`', "")
    }
}

/// Quantities of latency formulas that are no operands.
const QUANTITIES: [(&str, &str); 8] = [
    ("R", "rows of the array"),
    ("C", "columns of the array"),
    ("lanes", "lanes of the vector unit"),
    ("taps", "elements of a pooling window"),
    ("dram", "cycles that the DRAM needs"),
    ("p", "multiply-accumulates of a PE per cycle, at least 1"),
    ("passes", "times that an activation enters the array"),
    ("live", "elements that are not skipped"),
];

/// What an instruction is for; `None` if there is none of this name.
pub fn instruction_help(mnemonic: &str) -> Option<Help> {
    opcode_by_mnemonic(mnemonic).map(help_of_row)
}

fn help_of_row(row: &OpcodeInfo) -> Help {
    let meaning: Vec<&str> = row.meaning.lines().map(str::trim).collect();
    let rows = row.operands.iter().map(|operand| HelpRow {
        name: operand.name.to_owned(),
        value: describe_kind(operand.kind),
        bits: (operand.low_bit + operand.bits - 1, operand.low_bit),
    });
    Help {
        title: signature(row),
        paragraphs: vec![
            meaning.join(" ").trim().to_owned(),
            format!(
                "Unit {}, opcode `{:#04x}`. {}",
                row.unit.name(),
                row.opcode,
                duration(row)
            ),
        ],
        rows: rows.collect(),
    }
}

/// How long an instruction takes, as a sentence.
fn duration(row: &OpcodeInfo) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> = row.takes.split(|c| !is_word(c)).collect();
    let is_operand = |name: &str| row.operands.iter().any(|operand| operand.name == name);
    let used = QUANTITIES
        .iter()
        .filter(|(name, _)| words.contains(name) && !is_operand(name));
    let meanings: Vec<String> = used.map(|(name, meaning)| format!("`{name}` {meaning}")).collect();
    match (row.takes, meanings.is_empty()) {
        ("0", _) => "Takes no time.".to_owned(),
        ("1", _) => "Takes 1 cycle.".to_owned(),
        (takes, true) => format!("Takes `{takes}` cycles."),
        (takes, false) => format!("Takes `{takes}` cycles, with {}.", meanings.join(", ")),
    }
}

/// What a directive is for; `None` if there is none of this name.
pub fn directive_help(name: &str) -> Option<Help> {
    directive(name).map(help_of_directive)
}

pub(super) fn help_of_directive(info: &DirectiveInfo) -> Help {
    Help {
        title: form_of(info),
        paragraphs: vec![info.meaning.to_owned()],
        rows: Vec::new(),
    }
}

/// How a directive is written.
pub(super) fn form_of(info: &DirectiveInfo) -> String {
    format!("{} {}", info.name, info.form).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::DIRECTIVES;
    use systole_isa::instruction::OPCODES;

    #[test]
    fn every_instruction_and_directive_is_explained_by_its_table() {
        for row in OPCODES {
            let help = instruction_help(row.mnemonic).unwrap();
            let markdown = help.markdown();
            assert_eq!(help.title, signature(row));
            assert!(
                markdown.contains(&format!("opcode `{:#04x}`", row.opcode)),
                "{markdown}"
            );
            assert!(row.takes.len() == 1 || markdown.contains(row.takes), "{markdown}");
            for operand in row.operands {
                assert!(markdown.contains(&format!("| `{}` |", operand.name)), "{markdown}");
            }
            assert!(!help.plain().contains('`'));
        }
        for info in DIRECTIVES {
            let help = directive_help(info.name).unwrap();
            assert!(help.markdown().contains(info.meaning) && help.title.starts_with(info.name));
        }
        assert_eq!(instruction_help("nothing"), None);
    }

    #[test]
    fn a_formula_names_its_quantities() {
        let help = instruction_help("mx.mm").unwrap();
        let duration = &help.paragraphs[1];
        assert!(
            duration.contains("`R` rows of the array, `C` columns of the array"),
            "{duration}"
        );
        assert!(!duration.contains("lanes"));
    }
}
