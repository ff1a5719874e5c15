//! A program as lines of text for the program panel, made from the instruction table.

use crate::frame::ProgramLine;
use systole_isa::instruction::Tokens;
use systole_isa::operand::{MarkKind, OperandKind, OperandValue};
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
            label: u32::try_from(pc).ok().and_then(|pc| program.label_at(pc)).map(str::to_owned),
            layer_idx,
            is_mark: matches!(mark, Some((MarkKind::Layer, _))),
        }
    })
    .collect()
}

fn operands_text(instruction: &Instruction, program: &Program) -> String {
    let infos = instruction.op.info().operands;
    let operands = instruction.op.operands();
    let texts: Vec<String> =
        operands.iter().zip(infos).map(|(operand, info)| operand_text(*operand, info.kind, program)).collect();
    let tokens = tokens_text(&instruction.tokens);
    format!("{}{tokens}", texts.join(", "))
}

fn operand_text(operand: OperandValue, kind: OperandKind, program: &Program) -> String {
    match (operand, kind) {
        (OperandValue::Reg(reg) | OperandValue::ValReg(reg), _) => reg.to_string(),
        (OperandValue::Desc(desc), _) => desc.to_string(),
        (OperandValue::DescRef(view), _) if view.offset.index() == 0 => view.desc.to_string(),
        (OperandValue::DescRef(view), _) => format!("{}[{}]", view.desc, view.offset),
        (OperandValue::Imm(value), _) => value.to_string(),
        (OperandValue::Target(pc), _) => program.label_at(pc).map_or_else(|| format!("@{pc}"), str::to_owned),
        (OperandValue::Token(token), _) => token.to_string(),
        (OperandValue::Choice(index), OperandKind::Choice(words)) => words.get(usize::from(index)).unwrap_or(&"").to_string(),
        (OperandValue::Choice(index), _) => index.to_string(),
    }
}

fn tokens_text(tokens: &Tokens) -> String {
    let waits = tokens.waits.iter().flatten().map(|token| format!("  ?{token}"));
    let posts = tokens.posts.iter().flatten().map(|token| format!("  !{token}"));
    waits.chain(posts).collect()
}
