//! A program to text that assembles to an equal program.

use crate::lexer::{continues_word, starts_word};
use crate::literal::{escape, float_text, quote};
use crate::registers;
use crate::tensors::{HOST_TYPES, dense_strides};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use systole_isa::operand::{MarkKind, OperandKind, OperandValue, Reg};
use systole_isa::program::{IoTensor, Program, Symbol, SymbolKind};
use systole_isa::{Instruction, Op};

/// Bytes on one line of data.
const BYTES_PER_LINE: usize = 64;
const MNEMONIC_WIDTH: usize = 10;

/// The text of a program. Assembling it gives an equal program, and so the same file.
pub fn disassemble(program: &Program) -> String {
    let mut text = String::new();
    header(&mut text, program);
    code(&mut text, program);
    segments(&mut text, program);
    text
}

/// One instruction of a program with the names of labels; for an index beyond the code, words that say so.
pub fn disassemble_line(program: &Program, pc: u32) -> String {
    match program.code.get(pc as usize) {
        None => "(beyond the last instruction)".to_owned(),
        Some(instruction) => {
            format_instruction(instruction, &|target| program.label_at(target).map(str::to_owned))
        }
    }
}

/// One instruction as it is written in source. `label` gives the name of the instruction with an index; without one, the index
/// itself is written.
pub fn format_instruction(instruction: &Instruction, label: &dyn Fn(u32) -> Option<String>) -> String {
    let row = instruction.op.info();
    let values = instruction.op.operands();
    let operands = row.operands.iter().zip(values).map(|(operand, value)| operand_text(operand.kind, value, label));
    let mut text = format!("{:MNEMONIC_WIDTH$} {}", row.mnemonic, operands.collect::<Vec<_>>().join(", "));
    let tokens = &instruction.tokens;
    for (mark, slots) in [('?', tokens.waits), ('!', tokens.posts)] {
        for token in slots.into_iter().flatten() {
            let _ = write!(text, " {mark}{token}");
        }
    }
    text.trim_end().to_owned()
}

fn operand_text(kind: OperandKind, value: OperandValue, label: &dyn Fn(u32) -> Option<String>) -> String {
    match (value, kind) {
        (OperandValue::Reg(reg) | OperandValue::ValReg(reg), _) => reg.to_string(),
        (OperandValue::Desc(desc), _) => desc.to_string(),
        (OperandValue::DescRef(reference), _) if reference.offset == Reg::ZERO => reference.desc.to_string(),
        (OperandValue::DescRef(reference), _) => format!("{}[{}]", reference.desc, reference.offset),
        (OperandValue::Imm(value), _) => value.to_string(),
        (OperandValue::Target(target), _) => label(target).unwrap_or_else(|| format!("@{target}")),
        (OperandValue::Token(token), _) => token.to_string(),
        (OperandValue::Choice(index), OperandKind::Choice(words)) => {
            words.get(usize::from(index)).map_or_else(String::new, |word| (*word).to_owned())
        }
        (OperandValue::Choice(index), _) => index.to_string(),
    }
}

fn header(text: &mut String, program: &Program) {
    let _ = writeln!(text, ".program {}", quote(&program.name));
    if let Some(machine) = &program.machine {
        let _ = writeln!(text, ".machine {}, {:#018x}", quote(&machine.name), machine.hash);
    }
    let _ = writeln!(text, ".dram {}", program.dram_bytes);
    if program.lines.is_empty() {
        let _ = writeln!(text, ".generated");
    } else {
        lines(text, &program.lines);
    }
    if program.entry != 0 {
        let _ = writeln!(text, ".entry @{}", program.entry);
    }
    for (directive, tensors) in [(".input", &program.inputs), (".output", &program.outputs)] {
        for tensor in tensors {
            let _ = writeln!(text, "{directive} {}", tensor_text(tensor));
        }
    }
    for (id, mark) in program.marks.iter().enumerate() {
        let _ = writeln!(text, ".mark {id}, {}, {}", quote(&mark.name), quote(&mark.op));
    }
    for symbol in &program.symbols {
        let _ = writeln!(text, ".symbol {}", symbol_text(symbol));
    }
}

/// Source lines, runs of consecutive ones as ranges.
fn lines(text: &mut String, lines: &[u32]) {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &line in lines {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(line) => *last = line,
            _ => ranges.push((line, line)),
        }
    }
    for ranges in ranges.chunks(16) {
        let range = |&(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}..{last}") };
        let _ = writeln!(text, ".lines {}", ranges.iter().map(range).collect::<Vec<_>>().join(", "));
    }
}

fn tensor_text(tensor: &IoTensor) -> String {
    let list = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let host = HOST_TYPES.iter().find(|(_, kind)| *kind == tensor.host_type).map_or("", |(word, _)| word);
    let mut text = format!(
        "{}, shape=[{}], host={host}, format={}",
        quote(&tensor.name),
        list(&tensor.shape),
        tensor.format
    );
    if let Some(q) = &tensor.quantization {
        let _ = write!(text, ", scale={}, zero={}", float_text(q.scale), q.zero_point);
    }
    let _ = write!(text, ", address={:#x}", tensor.address);
    if tensor.strides != dense_strides(&tensor.shape) {
        let _ = write!(text, ", strides=[{}]", list(&tensor.strides));
    }
    text
}

fn symbol_text(symbol: &Symbol) -> String {
    let kind = match symbol.kind {
        SymbolKind::Label => "label",
        SymbolKind::Dram => "dram",
        SymbolKind::Spm => "spm",
        SymbolKind::Acc => "acc",
    };
    let name = quote(&symbol.name);
    let size = if symbol.size == 0 { String::new() } else { format!(", {}", symbol.size) };
    match symbol.kind {
        SymbolKind::Label => format!("{name}, {kind}, {}{size}", symbol.value),
        _ => format!("{name}, {kind}, {:#x}{size}", symbol.value),
    }
}

/// Whether a symbol's name can stand in front of an instruction.
fn is_label_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| starts_word(c) && c != '.') && chars.all(continues_word) && registers::kind_of(name).is_none()
}

/// The names of instructions: symbols where there are any, `.L` and the index elsewhere.
struct Labels<'p> {
    symbols: BTreeMap<u32, &'p str>,
    targets: BTreeSet<u32>,
}

impl<'p> Labels<'p> {
    fn of(program: &'p Program) -> Self {
        let mut symbols = BTreeMap::new();
        for symbol in program.symbols.iter().filter(|s| s.kind == SymbolKind::Label && is_label_name(&s.name)) {
            if let Ok(pc) = u32::try_from(symbol.value) {
                symbols.entry(pc).or_insert(symbol.name.as_str());
            }
        }
        let operands = program.code.iter().flat_map(|instruction| instruction.op.operands());
        let targets = operands
            .filter_map(|value| match value {
                OperandValue::Target(target) if target as usize <= program.code.len() => Some(target),
                _ => None,
            })
            .collect();
        Self { symbols, targets }
    }

    fn name(&self, pc: u32) -> Option<String> {
        let local = || self.targets.contains(&pc).then(|| format!(".L{pc}"));
        self.symbols.get(&pc).map(|name| (*name).to_owned()).or_else(local)
    }
}

fn code(text: &mut String, program: &Program) {
    let labels = Labels::of(program);
    let mut loop_ends: Vec<u32> = Vec::new();
    let _ = writeln!(text, "\n.code");
    for (pc, instruction) in program.code.iter().enumerate() {
        let pc = pc as u32;
        while loop_ends.last().is_some_and(|&end| end <= pc) {
            loop_ends.pop();
        }
        if let Some(name) = labels.name(pc) {
            let _ = writeln!(text, "{name}:");
        }
        if let Op::Mark { kind, id } = instruction.op
            && let Some(mark) = usize::try_from(id.0).ok().and_then(|id| program.marks.get(id))
        {
            let blank = if kind == MarkKind::Layer { "\n" } else { "" };
            let _ = writeln!(text, "{blank}    ; {} ({})", escape(&mark.name), escape(&mark.op));
        }
        let indent = 4 + 2 * loop_ends.len();
        let _ = writeln!(text, "{:indent$}{}", "", format_instruction(instruction, &|target| labels.name(target)));
        if let Op::Loop { end, .. } = instruction.op
            && end.0 > pc
        {
            loop_ends.push(end.0);
        }
    }
    if let Some(name) = labels.name(program.code.len() as u32) {
        let _ = writeln!(text, "{name}:");
    }
}

fn segments(text: &mut String, program: &Program) {
    for segment in &program.segments {
        let _ = writeln!(text, "\n.segment {}, {:#x}", quote(&segment.name), segment.address);
        for bytes in segment.bytes.chunks(BYTES_PER_LINE) {
            text.push_str("    .hex \"");
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
            text.push_str("\"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble;

    #[test]
    fn an_assembled_program_survives_with_its_names_lines_and_data() {
        let source = "\
.equ N, 3
.input \"x\", shape=[1, 2, 2], host=f32, format=i8, scale=0.1, zero=-3, address=0, strides=[4, 1, 2]
start:
    li r1, N
    loop r1, done ; three times
      vx.nop ?t0 !t1 !t2
      jmp again
again:
    mx.wload d3[r4], 4, r5
done: halt
.segment \"weights\", 0x40
table:
    .i8 -1, 2, 3
";
        let program = assemble(source, "a.sasm").unwrap();
        let text = disassemble(&program);
        let again = assemble(&text, "b.sasm").unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        assert_eq!(again, program, "{text}");
        assert!(text.contains("d3[r4], 4, r5") && text.contains("?t0 !t1 !t2") && text.contains("start:"), "{text}");
        assert_eq!(disassemble_line(&program, 3), "jmp        again");
    }
}
