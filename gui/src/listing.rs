//! A program as lines of text for the program panel, made from the instruction table.

use crate::frame::ProgramLine;
use systole_assembler::format_instruction;
use systole_isa::operand::MarkKind;
use systole_isa::{Instruction, Op, Program};

/// One line per instruction.
pub(crate) fn lines(program: &Program) -> Vec<ProgramLine> {
    let mut layer_idx = None;
    let code = program.code.iter().enumerate();
    code.map(|(pc, instruction)| {
        let mark = match instruction.op {
            Op::Mark { kind, id } => Some((kind, usize::try_from(id.0).unwrap_or(usize::MAX))),
            _ => None,
        };
        if let Some((MarkKind::Layer, id)) = mark {
            layer_idx = Some(id).filter(|id| *id < program.marks.len());
        }
        ProgramLine {
            unit: instruction.op.unit().index(),
            mnemonic: instruction.op.mnemonic().to_owned(),
            operands: operands_text(instruction, program),
            label: u32::try_from(pc)
                .ok()
                .and_then(|pc| program.label_at(pc))
                .map(str::to_owned),
            layer_idx,
            is_mark: matches!(mark, Some((MarkKind::Layer, _))),
        }
    })
    .collect()
}

/// Operands and tokens as the assembler writes them, without the mnemonic.
fn operands_text(instruction: &Instruction, program: &Program) -> String {
    let text = format_instruction(instruction, &|pc| program.label_at(pc).map(str::to_owned));
    text.strip_prefix(instruction.op.mnemonic())
        .unwrap_or(&text)
        .trim_start()
        .to_owned()
}
