//! Which lines stand in loops.

use super::MAX_DEPTH;
use super::line::Line;
use crate::lexer::{Mark, Token, TokenKind};
use std::collections::BTreeMap;
use systole_isa::instruction::opcode_by_mnemonic;
use systole_isa::operand::OperandKind;

/// The operand that names the end of a block of instructions.
const END_OPERAND: &str = "end";

/// The label that an instruction names as the end of its block. It is the last operand, unless it is given by name.
pub(super) fn end_label<'t>(text: &'t str, head: &str, operands: &[Token]) -> Option<&'t str> {
    let row = opcode_by_mnemonic(head)?;
    let is_end = |kind: OperandKind, name: &str| kind == OperandKind::Target && name == END_OPERAND;
    row.operands.iter().find(|operand| is_end(operand.kind, operand.name))?;
    let slice = |token: &Token| &text[token.span.start as usize..token.span.end as usize];
    let by_name = operands
        .windows(3)
        .find(|triple| slice(&triple[0]) == END_OPERAND && triple[1].kind == TokenKind::Mark(Mark::Equals));
    let token = by_name.map_or(operands.last(), |triple| triple.last())?;
    (token.kind == TokenKind::Word).then(|| slice(token))
}

/// Counts the loops around each line. A loop reaches up to the next line that defines its label.
pub(super) fn set_depths(lines: &mut [Line]) {
    let mut defined: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        for name in &line.defines {
            defined.entry(name).or_default().push(i);
        }
    }
    let mut ends = vec![0_usize; lines.len()];
    let mut depth = 0;
    for i in 0..lines.len() {
        depth -= ends[i];
        lines[i].depth = depth.min(MAX_DEPTH);
        let end = lines[i].loop_end.and_then(|name| {
            let places = defined.get(name)?;
            places.get(places.partition_point(|place| *place <= i)).copied()
        });
        if let Some(end) = end {
            depth += 1;
            ends[end] += 1;
        }
    }
}
