//! What stands at a place.

use super::help::{Help, form_of, help_of_directive, instruction_help};
use super::slots::{Slot, slot};
use super::{Document, touches};
use crate::directives::directive;
use crate::operands::{describe_kind, signature};
use crate::registers::{DESCRIPTORS, Family, REGISTERS, TOKENS};
use crate::source::Span;
use crate::syntax::{Argument, Expr, ExprKind, Line, Statement};

/// What is known of something in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub help: Help,
}

impl Document {
    /// What stands at an offset, if anything can be said of it.
    pub fn hover(&self, offset: u32) -> Option<Hover> {
        let line = self.line(self.line_idx(offset))?;
        if let Some((span, _)) = self.index.at(offset) {
            let help = self.name_help(span.start)?;
            return Some(Hover { span, help });
        }
        let statement = line.statement.as_ref()?;
        if touches(statement.head, offset) {
            let head = self.slice(statement.head);
            let help = instruction_help(head).or_else(|| directive(head).map(help_of_directive))?;
            return Some(Hover {
                span: statement.head,
                help,
            });
        }
        self.token_hover(line, offset)
            .or_else(|| self.argument_hover(statement, offset))
    }

    fn name_help(&self, offset: u32) -> Option<Help> {
        let definition = self.definition(offset)?;
        let value = definition
            .value
            .map_or(String::new(), |value| format!(" = {}", number(value)));
        let line_number = self.line_idx(definition.span.start) + 1;
        let mut paragraphs = vec![format!("Defined in line {line_number}.")];
        if let Some(comment) = self.comment_of(line_number - 1) {
            paragraphs.push(comment.to_owned());
        }
        Some(Help {
            title: format!("{}: {}{value}", definition.name, definition.kind.noun()),
            paragraphs,
            rows: Vec::new(),
        })
    }

    /// The comment behind the statement of a line.
    fn comment_of(&self, line_idx: usize) -> Option<&str> {
        let comment = self.slice(self.line(line_idx)?.comment?);
        Some(comment.trim_start_matches([';', '/']).trim()).filter(|text| !text.is_empty())
    }

    fn token_hover(&self, line: &Line, offset: u32) -> Option<Hover> {
        let used = line
            .statement
            .as_ref()?
            .tokens
            .iter()
            .find(|used| touches(used.token, offset))?;
        let name = self.slice(used.token);
        TOKENS.index(name)?;
        let meaning = if used.is_post {
            "Posted: its counter is raised by one when the instruction is done."
        } else {
            "Waited for: the instruction starts when its counter is above zero, and lowers it by one."
        };
        let mut help = family_help(name)?;
        help.paragraphs.insert(0, meaning.to_owned());
        Some(Hover { span: used.token, help })
    }

    fn argument_hover(&self, statement: &Statement, offset: u32) -> Option<Hover> {
        let is_here = |argument: &Argument| touches(argument.span(), offset);
        let position = statement.arguments.iter().position(is_here)?;
        let argument = &statement.arguments[position];
        let head = self.slice(statement.head);
        let name = argument.name.map(|name| self.slice(name));
        let place = match slot(head, position, name) {
            Slot::Operand(row, operand) => Some(format!(
                "`{}` of `{}` is {}.",
                operand.name,
                signature(row),
                describe_kind(operand.kind)
            )),
            Slot::Other if directive(head).is_none() => None,
            _ => directive(head).map(|info| format!("An argument of `{}`.", form_of(info))),
        };
        if let Some(name) = argument.name.filter(|name| touches(*name, offset)) {
            let help = Help {
                title: self.slice(name).to_owned(),
                paragraphs: place.into_iter().collect(),
                rows: Vec::new(),
            };
            return Some(Hover { span: name, help });
        }
        let (span, mut help) = self.leaf_help(&argument.value, offset)?;
        help.paragraphs.extend(place);
        Some(Hover { span, help })
    }

    /// The smallest part of an expression that a cursor touches.
    fn leaf_help(&self, expr: &Expr, offset: u32) -> Option<(Span, Help)> {
        let of_word = |span: Span| {
            let word = self.slice(span);
            let titled = || Help {
                title: word.to_owned(),
                ..Help::default()
            };
            (span, family_help(word).unwrap_or_else(titled))
        };
        if !touches(expr.span, offset) {
            return None;
        }
        match &expr.kind {
            ExprKind::Name => Some(of_word(expr.span)),
            ExprKind::Int(value) => {
                let title = number(*value);
                Some((
                    expr.span,
                    Help {
                        title,
                        ..Help::default()
                    },
                ))
            }
            ExprKind::Displaced(base, displacement) => {
                let part = [*displacement, *base].into_iter().find(|part| touches(*part, offset));
                part.map(of_word)
            }
            ExprKind::At(inner) | ExprKind::Negate(inner) => self.leaf_help(inner, offset),
            ExprKind::List(parts) => parts.iter().find_map(|part| self.leaf_help(part, offset)),
            ExprKind::Range(pair) | ExprKind::Binary(_, pair) => self
                .leaf_help(&pair.0, offset)
                .or_else(|| self.leaf_help(&pair.1, offset)),
            ExprKind::Invalid | ExprKind::Float | ExprKind::Text(_) => None,
        }
    }
}

/// What a name with an index is.
fn family_help(name: &str) -> Option<Help> {
    let families: [(Family, &str); 3] = [
        (REGISTERS, "A scalar register of 64 bits. `r0` is always zero."),
        (
            DESCRIPTORS,
            "A descriptor: which elements of which memory an instruction reads or writes, and in which order.",
        ),
        (
            TOKENS,
            "A counting token, by which instructions of different units wait for each other.",
        ),
    ];
    let (family, meaning) = families.into_iter().find(|(family, _)| family.index(name).is_some())?;
    Some(Help {
        title: format!("{name}: {}", family.name),
        paragraphs: vec![meaning.to_owned()],
        rows: Vec::new(),
    })
}

/// An integer in decimal and, unless it is a digit or negative, in hexadecimal.
pub(super) fn number(value: i128) -> String {
    if value < 10 {
        value.to_string()
    } else {
        format!("{value} ({value:#x})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
.equ BLOCK, 4 * 8       ; bytes of a block
start: li r1, BLOCK
    mx.wload d5[r2], k=16, 4 ?t0 !t1
    desc d0, spm, i8, w, -12, 4
    jmp start
.segment \"w\", 0x40
w:  .i8 1, 2
";

    /// Title and text of what stands at the first place of `what` behind `line`.
    fn hover(line: &str, what: &str) -> Option<(String, String)> {
        let document = Document::new(TEXT.to_owned(), "t");
        let start = TEXT.find(line).unwrap();
        let offset = start + TEXT[start..].find(what).unwrap();
        let hover = document.hover(offset as u32)?;
        assert_eq!(document.slice(hover.span), what);
        Some((hover.help.title, hover.help.paragraphs.join(" ")))
    }

    #[test]
    fn everything_in_a_line_is_explained() {
        for (line, what, title, text) in [
            ("    mx", "mx.wload", "mx.wload w, k, n", "shadow registers"),
            (".equ", ".equ", ".equ NAME, VALUE", "constant"),
            (
                ".equ",
                "BLOCK",
                "BLOCK: constant = 32 (0x20)",
                "Defined in line 1. bytes of a block",
            ),
            ("start: li", "BLOCK", "BLOCK: constant = 32 (0x20)", "line 1"),
            ("    jmp", "start", "start: label = 0", "line 2"),
            ("i8, w", "w", "w: address of data = 64 (0x40)", "line 7"),
            ("    mx", "d5", "d5: descriptor", "`w` of `mx.wload w, k, n`"),
            ("    mx", "r2", "r2: register", "64 bits"),
            ("    mx", "k", "k", "a register or a constant of 24 bits"),
            ("    mx", "16", "16 (0x10)", "`k` of"),
            ("    mx", "t0", "t0: token", "Waited for"),
            ("    mx", "t1", "t1: token", "Posted"),
            ("    desc", "spm", "spm", "one of spm, acc, dram"),
            ("    desc", "12", "12 (0xc)", "`zero_point`"),
        ] {
            let (found_title, found_text) = hover(line, what).unwrap_or_else(|| panic!("{what}"));
            assert_eq!(found_title, title);
            assert!(found_text.contains(text), "{what}: {found_text}");
        }
    }

    #[test]
    fn nothing_is_said_of_comments_and_blanks() {
        let document = Document::new(TEXT.to_owned(), "t");
        for offset in [
            TEXT.find("; bytes").unwrap() + 3,
            TEXT.find("    mx").unwrap(),
            TEXT.len(),
            usize::MAX >> 33,
        ] {
            assert_eq!(document.hover(offset as u32), None, "{offset}");
        }
    }
}
