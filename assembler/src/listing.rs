//! The text of a whole program: description, symbols, code, data.

use crate::disassemble::Disassembler;
use crate::flow::Flow;
use crate::format::{Naming, Parts, is_plain_name};
use crate::literal::{escape, float_text, quote};
use crate::shape;
use crate::tensors::HOST_TYPES;
use std::fmt::Write as _;
use systole_isa::instruction::OPCODES;
use systole_isa::program::{IoTensor, Segment, Symbol, SymbolKind};
use systole_isa::{ElementFormat, Instruction, Op, Program};

/// Bytes on a line of data.
const DATA_LINE_BYTES: usize = 64;
/// Column of an instruction outside of loops. A shorter local label stands before it; other labels stand above.
const LABEL_WIDTH: usize = 8;
/// Loops deeper than this are indented no further.
const MAX_INDENT: usize = 8;
/// Column at which tokens start, counted from the start of the operands.
const OPERANDS_WIDTH: usize = 36;

/// Column at which comments start.
const COMMENT_COLUMN: usize = 68;

/// Appends a line. Writing to a `String` cannot fail.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {{
        let _ = writeln!($text, $($argument)*);
    }};
}

/// The text of a program.
pub(crate) fn text(names: &Disassembler, file_of: &mut dyn FnMut(&Segment) -> Option<String>) -> String {
    let mut text = String::new();
    header(&mut text, names);
    let (before_code, behind_code) = names.declarations();
    declarations(&mut text, before_code);
    code(&mut text, names);
    declarations(&mut text, behind_code);
    for segment in &names.program().segments {
        match file_of(segment) {
            Some(file) => {
                segment_start(&mut text, segment);
                line!(text, ".npy {}, u8", quote(&file));
            }
            None => data(&mut text, segment),
        }
    }
    lines(&mut text, &names.program().lines);
    text
}

fn header(text: &mut String, names: &Disassembler) {
    let program = names.program();
    line!(text, ".generated");
    line!(text, ".program {}", quote(&program.name));
    if let Some(machine) = &program.machine {
        line!(text, ".machine {}, {:#018x}", quote(&machine.name), machine.hash);
    }
    line!(text, ".dram    {:#x}", program.dram_bytes);
    if program.entry != 0 {
        let entry = names
            .seen_from_above()
            .label(program.entry)
            .filter(|_| !names.labels(program.entry).is_empty());
        line!(
            text,
            ".entry   {}",
            entry.unwrap_or_else(|| format!("@{}", program.entry))
        );
    }
    if !program.inputs.is_empty() || !program.outputs.is_empty() {
        line!(text, "");
    }
    for tensor in &program.inputs {
        line!(text, ".input  {}", tensor_text(tensor));
    }
    for tensor in &program.outputs {
        line!(text, ".output {}", tensor_text(tensor));
    }
    if !program.marks.is_empty() {
        line!(text, "");
    }
    for (id, mark) in program.marks.iter().enumerate() {
        line!(text, ".mark {id}, {}, {}", quote(&mark.name), quote(&mark.op));
        if let Some(plan) = mark.plan {
            let (cycles, bytes) = (plan.estimated_cycles, plan.compulsory_bytes);
            line!(text, ".plan {cycles}, {bytes}, {}, {}", plan.macs, plan.weight_bytes);
        }
    }
}

fn tensor_text(tensor: &IoTensor) -> String {
    let host = HOST_TYPES.iter().find(|(_, host_type)| *host_type == tensor.host_type);
    let mut text = quote(&tensor.name);
    let _ = write!(text, ", shape={:?}", tensor.shape);
    let _ = write!(text, ", host={}", host.map_or("", |(word, _)| word));
    let _ = write!(text, ", format={}", tensor.format.word());
    if let Some(quantization) = tensor.quantization {
        let scale = float_text(quantization.scale);
        let _ = write!(text, ", scale={scale}, zero={}", quantization.zero_point);
    }
    let _ = write!(text, ", address={:#x}, strides={:?}", tensor.address, tensor.strides);
    text
}

fn declarations(text: &mut String, symbols: &[Symbol]) {
    if !symbols.is_empty() {
        line!(text, "");
    }
    let mut symbols = symbols.iter().peekable();
    while let Some(symbol) = symbols.next() {
        let name = if is_plain_name(&symbol.name) {
            symbol.name.clone()
        } else {
            quote(&symbol.name)
        };
        let (kind, value) = match symbol.kind {
            SymbolKind::Label => ("label", symbol.value.to_string()),
            SymbolKind::Dram => ("dram", format!("{:#x}", symbol.value)),
            SymbolKind::Spm => ("spm", format!("{:#x}", symbol.value)),
            SymbolKind::Acc => ("acc", format!("{:#x}", symbol.value)),
        };
        match symbols.peek().and_then(|next| tensor_type(symbol, next)) {
            Some((format, shape)) => {
                symbols.next();
                line!(text, ".tensor {name}, {}, {shape:?}, {kind}, {value}", format.word());
            }
            None => line!(text, ".symbol {name}, {kind}, {value}, {}", symbol.size),
        }
    }
}

/// Format and shape of a symbol, if the one behind it says them and both together are what `.tensor` makes.
fn tensor_type(symbol: &Symbol, typed: &Symbol) -> Option<(ElementFormat, Vec<u64>)> {
    let (format, shape) = shape::type_from_name(&symbol.name, &typed.name)?;
    let n_elements = shape
        .iter()
        .try_fold(1_u64, |product, length| product.checked_mul(*length));
    let n_elements = n_elements.filter(|n| i128::from(*n) <= shape::MAX_ELEMENTS)?;
    let is_tensor = symbol.kind != SymbolKind::Label
        && (symbol.kind, symbol.value, symbol.size) == (typed.kind, typed.value, typed.size)
        && symbol.size == format.bytes_from_elements(n_elements)
        && shape.len() <= shape::MAX_AXES
        && is_plain_name(&symbol.name);
    is_tensor.then_some((format, shape))
}

fn code(text: &mut String, names: &Disassembler) {
    let program = names.program();
    let mnemonic_width = OPCODES.iter().map(|row| row.mnemonic.len()).max().unwrap_or(0) + 1;
    line!(text, "");
    let flow = Flow::new(program);
    // The ends of the loops around the current instruction, innermost last.
    let mut loop_ends: Vec<u32> = Vec::new();
    for (pc, instruction) in (0_u32..).zip(&program.code) {
        while loop_ends.last().is_some_and(|end| *end <= pc) {
            loop_ends.pop();
        }
        mark_comment(text, program, instruction);
        let indent = LABEL_WIDTH + 2 * loop_ends.len().min(MAX_INDENT);
        let head = labels_before(text, names.labels(pc));
        let seen = names.seen_from(pc);
        let parts = Parts::new(instruction, &seen);
        let mut written = format!("{head:indent$}{:mnemonic_width$}", parts.mnemonic);
        if parts.tokens.is_empty() {
            written.push_str(&parts.operands);
        } else {
            let _ = write!(written, "{:OPERANDS_WIDTH$} {}", parts.operands, parts.tokens);
        }
        let written = written.trim_end();
        let views = flow.views(pc, instruction, &seen);
        if views.is_empty() {
            line!(text, "{written}");
        } else {
            line!(text, "{written:COMMENT_COLUMN$} ; {}", views.join(", "));
        }
        if let Op::Loop { end, .. } = instruction.op
            && end.0 > pc
        {
            loop_ends.push(end.0);
        }
    }
    for label in names.labels(program.code.len() as u32) {
        line!(text, "{label}:");
    }
}

/// Writes labels on lines of their own, except for a local one that fits before its instruction: returns that.
fn labels_before(text: &mut String, mut labels: Vec<String>) -> String {
    let inline = labels.pop_if(|label| label.starts_with('.') && label.len() + 1 < LABEL_WIDTH);
    for label in labels {
        line!(text, "{label}:");
    }
    inline.map(|label| label + ":").unwrap_or_default()
}

/// Puts the name of a layer or tile above the instruction that marks its beginning.
fn mark_comment(text: &mut String, program: &Program, instruction: &Instruction) {
    if let Op::Mark { kind, id } = instruction.op
        && let Some(mark) = usize::try_from(id.0).ok().and_then(|id| program.marks.get(id))
    {
        line!(text, "\n; {kind} {} ({})", escape(&mark.name), escape(&mark.op));
    }
}

fn segment_start(text: &mut String, segment: &Segment) {
    line!(text, "\n.segment {}, {:#x}", quote(&segment.name), segment.address);
}

fn data(text: &mut String, segment: &Segment) {
    segment_start(text, segment);
    let mut n_zeros = 0;
    for bytes in segment.bytes.chunks(DATA_LINE_BYTES) {
        if bytes.iter().all(|byte| *byte == 0) {
            n_zeros += bytes.len();
            continue;
        }
        zeros(text, &mut n_zeros);
        text.push_str(".hex \"");
        for byte in bytes {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        }
        text.push_str("\"\n");
    }
    zeros(text, &mut n_zeros);
}

fn zeros(text: &mut String, n_zeros: &mut usize) {
    if *n_zeros > 0 {
        line!(text, ".zero {n_zeros}");
    }
    *n_zeros = 0;
}

/// Runs of source lines on one line of text.
const LINE_RUNS: usize = 12;

fn lines(text: &mut String, lines: &[u32]) {
    if lines.is_empty() {
        return;
    }
    line!(text, "\n; source line of each instruction");
    let runs: Vec<String> = lines
        .chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .map(|run| match run {
            [first, .., last] => format!("{first}..{last}"),
            _ => run[0].to_string(),
        })
        .collect();
    for runs in runs.chunks(LINE_RUNS) {
        line!(text, ".lines {}", runs.join(", "));
    }
}
