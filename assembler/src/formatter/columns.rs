//! Where the columns of each line are. Lines that follow each other without a blank one share their columns.

use super::line::{Line, Place};
use super::{COMMENT_GAP, LOOP_INDENT, width};

/// Columns of a line, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// Where mnemonics start outside of loops.
    pub(super) head: usize,
    /// Width of the mnemonics.
    pub(super) mnemonic: usize,
    /// Where tokens start.
    pub(super) tokens: usize,
    /// Where comments start.
    pub(super) comment: usize,
}

/// Distance of the places at which mnemonics and comments may start.
const STEP: usize = 4;
/// Longest label, with its colon, behind which the statements of its neighbours move.
const WIDEST_LABEL: usize = 15;
/// The mnemonics' column has room for this many characters at least, and is not widened beyond that many.
const MNEMONIC_WIDTH: std::ops::RangeInclusive<usize> = 7..=15;
/// An instruction whose operands end behind this column moves no tokens but its own.
const LAST_TOKEN_COLUMN: usize = 48;
/// The first column of comments, unless a statement reaches further.
const COMMENT_COLUMN: usize = 40;
/// A statement that ends behind this column moves no comments but its own.
const LAST_COMMENT_COLUMN: usize = 52;

/// The columns of each line.
pub(super) fn group(lines: &[Line]) -> Vec<Columns> {
    let mut columns = Vec::with_capacity(lines.len());
    let mut start = 0;
    while start < lines.len() {
        let end = end_of_group(lines, start);
        let of_group = of_lines(&lines[start..end]);
        columns.resize(end, of_group);
        start = end;
    }
    columns
}

/// The line behind the last one that shares its columns with line `start`.
fn end_of_group(lines: &[Line], start: usize) -> usize {
    let mut place = None;
    for (i, line) in lines.iter().enumerate().skip(start) {
        if line.is_blank() {
            return i + 1;
        }
        if line.has_code() {
            if place.is_some_and(|place| place != line.place) {
                // Comments in front of what is different belong to it.
                let is_code = |i: &usize| lines[*i].has_code();
                return (start..i).rev().find(is_code).map_or(i, |last| last + 1);
            }
            place = Some(line.place);
        }
    }
    lines.len()
}

fn of_lines(lines: &[Line]) -> Columns {
    let widest = |widths: &mut dyn Iterator<Item = usize>, limit: usize| widths.filter(|w| *w <= limit).max();
    let mut labels = lines
        .iter()
        .filter(|line| !line.head.is_empty() && !line.labels.is_empty())
        .map(|line| width(&line.labels));
    let head = widest(&mut labels, WIDEST_LABEL).map_or(STEP, |label| (label + 1).next_multiple_of(STEP));
    let instructions = || lines.iter().filter(|line| !line.head.is_empty() && !line.is_directive);
    let mut mnemonics = instructions().map(|line| width(line.head));
    let (least, most) = MNEMONIC_WIDTH.into_inner();
    let mnemonic = widest(&mut mnemonics, most).unwrap_or(least).max(least);
    let mut columns = Columns {
        head,
        mnemonic,
        tokens: 0,
        comment: COMMENT_COLUMN,
    };
    let mut operands = instructions()
        .filter(|line| !line.tokens.is_empty())
        .map(|line| operands_end(line, &columns) + 1);
    columns.tokens = widest(&mut operands, LAST_TOKEN_COLUMN).unwrap_or(0);
    let mut statements = lines
        .iter()
        .filter(|line| !line.head.is_empty() && !line.comment.is_empty())
        .map(|line| (statement_end(line, &columns) + COMMENT_GAP).next_multiple_of(STEP));
    columns.comment = widest(&mut statements, LAST_COMMENT_COLUMN)
        .unwrap_or(0)
        .max(COMMENT_COLUMN);
    columns
}

/// Where the mnemonic or directive of a line starts.
fn head_start(line: &Line, columns: &Columns) -> usize {
    let labels = width(&line.labels);
    match line.place {
        Place::Margin => 0,
        Place::Body => columns.head.max(labels + usize::from(labels > 0)) + LOOP_INDENT * line.depth,
    }
}

/// The column behind the operands of a line.
fn operands_end(line: &Line, columns: &Columns) -> usize {
    let start = head_start(line, columns);
    let head_end = start + width(line.head);
    if line.is_directive {
        head_end + width(&line.operands)
    } else if line.operands.is_empty() {
        head_end
    } else {
        (start + columns.mnemonic + 1).max(head_end + 1) + width(&line.operands)
    }
}

/// The column behind everything of a line but its comment.
fn statement_end(line: &Line, columns: &Columns) -> usize {
    let operands_end = operands_end(line, columns);
    if line.tokens.is_empty() {
        operands_end
    } else {
        columns.tokens.max(operands_end + 1) + width(&line.tokens)
    }
}
