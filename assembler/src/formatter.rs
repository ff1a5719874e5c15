//! Source text in its tidy form: columns for labels, mnemonics, operands, tokens and comments.
//!
//! It works on the tokens of each line, so that what it does not know, such as a new directive, keeps the form that its author gave
//! it. Comments, the order of lines and the text within quotes are never changed; of several blank lines one stays. The arguments of
//! directives are tables that people align by hand, so their inner blanks stay, too.
//!
//! The tidy form of a tidy text is the text itself, and assembles to the same program but for the numbers of its lines.

mod columns;
mod line;
mod loops;
mod spacing;

use crate::lexer::{TokenKind, lex};
use crate::source::Source;
use crate::{codes, parse};
use columns::{Columns, group};
use line::{Line, Place};
use systole_isa::Diagnostic;

/// Columns by which the body of a loop is further to the right than the loop.
const LOOP_INDENT: usize = 4;
/// Loops deeper than this are indented no further.
const MAX_DEPTH: usize = 8;
/// Blanks between a statement and its comment, at least.
const COMMENT_GAP: usize = 2;

/// The tidy form of a source text. `file` is its name in diagnostics.
///
/// # Errors
/// What is wrong with the form of the text; what it means is not looked at.
pub fn format_source(text: &str, file: &str) -> Result<String, Vec<Diagnostic>> {
    let Some(source) = Source::new(text, file) else {
        return Err(vec![Diagnostic::error(
            codes::TOO_LARGE,
            "a source text of 4 GiB or more cannot be formatted",
        )]);
    };
    let (_, problems) = parse(&source);
    if !problems.is_empty() {
        return Err(problems);
    }
    let tokens = lex(text);
    let mut start = 0;
    let mut lines: Vec<Line> = Vec::new();
    for of_line in tokens.split_inclusive(|token| token.kind == TokenKind::Newline) {
        lines.push(Line::new(text, start, of_line));
        start = of_line.last().map_or(start, |token| token.span.end as usize);
    }
    loops::set_depths(&mut lines);
    Ok(written(&lines))
}

fn written(lines: &[Line]) -> String {
    let columns = group(lines);
    let mut text = String::new();
    let mut is_blank_due = false;
    for (i, (line, columns)) in lines.iter().zip(&columns).enumerate() {
        if line.is_blank() {
            is_blank_due = !text.is_empty();
            continue;
        }
        if is_blank_due {
            text.push('\n');
            is_blank_due = false;
        }
        let written = if line.has_code() {
            with_code(line, columns)
        } else {
            let indent = comment_indent(lines, i, columns);
            format!("{:indent$}{}", "", line.comment)
        };
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

/// The column of a comment on a line of its own: that of the code that it stands above, unless it was written at the margin.
fn comment_indent(lines: &[Line], i: usize, columns: &Columns) -> usize {
    let next = lines[i..].iter().find(|line| line.has_code());
    if lines[i].is_at_margin || next.is_some_and(|next| next.place == Place::Margin) {
        0
    } else {
        columns.head + LOOP_INDENT * lines[i].depth
    }
}

fn with_code(line: &Line, columns: &Columns) -> String {
    let mut text = String::from(&line.labels);
    if line.head.is_empty() {
        if !line.comment.is_empty() {
            pad(&mut text, columns.head, 1);
            text.push_str(line.comment);
        }
        return text;
    }
    if line.place == Place::Body {
        let n_least = usize::from(!text.is_empty());
        pad(&mut text, columns.head, n_least);
        text.push_str(&" ".repeat(LOOP_INDENT * line.depth));
    }
    let start = width(&text);
    text.push_str(line.head);
    if line.is_directive {
        text.push_str(&line.operands);
    } else {
        if !line.operands.is_empty() {
            pad(&mut text, start + columns.mnemonic + 1, 1);
            text.push_str(&line.operands);
        }
        if !line.tokens.is_empty() {
            pad(&mut text, columns.tokens, 1);
            text.push_str(&line.tokens);
        }
    }
    if !line.comment.is_empty() {
        pad(&mut text, columns.comment, COMMENT_GAP);
        text.push_str(line.comment);
    }
    text
}

/// Fills a line with blanks up to a column, with at least `n_least` of them.
fn pad(text: &mut String, column: usize, n_least: usize) {
    let n_blanks = column.saturating_sub(width(text)).max(n_least);
    text.push_str(&" ".repeat(n_blanks));
}

/// Characters in a text.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidy(text: &str) -> String {
        format_source(text, "t").unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
    }

    #[test]
    fn columns_are_aligned_and_a_loop_is_indented() {
        let text = "\n\n.equ N,3 ; rows\n  .code\nli r1, 0; start\nstart:loop N , .end\n\tadd r1,r1 , -  8\n mx.mm d5[ r2 ],d1, m0 = 0,2,0,over,keep ?t0!t1 // add\n.end: halt\n\n\n  ; end\n\n";
        let expected = "\
.equ N, 3                               ; rows
.code
        li      r1, 0                   ; start
start:  loop    N, .end
            add     r1, r1, -8
            mx.mm   d5[r2], d1, m0=0, 2, 0, over, keep ?t0 !t1  // add
.end:   halt

    ; end
";
        assert_eq!(tidy(text), expected);
        assert_eq!(tidy(expected), expected);
    }

    #[test]
    fn tables_keep_their_blanks_and_unknown_directives_their_place() {
        for (text, expected) in [
            (
                ".segment \"x\",0\nx:  .i8  1, 9,   2\n  .i8 10,-3,   2\n",
                ".segment \"x\", 0\nx:  .i8  1, 9,   2\n    .i8 10, -3,   2\n",
            ),
            (
                ".later  a, [1,   2]\n  .later 3\n",
                ".later  a, [1,   2]\n    .later 3\n",
            ),
        ] {
            assert_eq!(tidy(text), expected);
            assert_eq!(tidy(expected), expected);
        }
    }

    #[test]
    fn a_text_with_a_mistake_in_its_form_is_refused() {
        let problems = format_source("  li r1, (\n", "t").unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(tidy("  undefined r1,nowhere"), "    undefined r1, nowhere\n");
    }

    #[test]
    fn a_text_without_lines_stays_empty() {
        assert_eq!(tidy(""), "");
        assert_eq!(tidy("\n \r\n\t\n"), "");
    }
}
