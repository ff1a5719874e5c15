//! What the parts of a text are, for colouring them.

use super::Document;
use super::index::NameKind;
use super::slots::{Slot, slot};
use crate::directives::directive;
use crate::registers;
use crate::source::Span;
use crate::syntax::{Expr, ExprKind, Statement};
use systole_isa::instruction::opcode_by_mnemonic;
use systole_isa::operand::OperandKind;

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Colour {
    /// A comment.
    Comment,
    /// The name of an instruction.
    Mnemonic,
    /// The name of a directive.
    Directive,
    /// A statement that is neither but is defined in the text.
    Macro,
    /// A label of an instruction.
    Label,
    /// A constant or an address.
    Symbol,
    /// A register, a descriptor or a token.
    Register,
    /// A word of an operand.
    Choice,
    /// The name of an operand or key.
    ArgumentName,
    /// A number.
    Number,
    /// A text in quotes.
    Text,
}

impl Colour {
    /// Every colour, in the order of its index.
    pub const ALL: [Colour; 11] = [
        Self::Comment,
        Self::Mnemonic,
        Self::Directive,
        Self::Macro,
        Self::Label,
        Self::Symbol,
        Self::Register,
        Self::Choice,
        Self::ArgumentName,
        Self::Number,
        Self::Text,
    ];
}

impl Document {
    /// The coloured parts in the order of the text; they do not overlap and each lies within a line. What means nothing has no colour.
    pub fn colours(&self) -> Vec<(Span, Colour)> {
        let mut parts = Vec::new();
        for line in &self.tree.lines {
            parts.extend(
                line.labels
                    .iter()
                    .map(|label| (*label, self.name_colour(*label).unwrap_or(Colour::Label))),
            );
            if let Some(statement) = &line.statement {
                self.colour_statement(statement, &mut parts);
            }
            parts.extend(line.comment.map(|comment| (comment, Colour::Comment)));
        }
        parts.sort_unstable();
        parts
    }

    fn colour_statement(&self, statement: &Statement, parts: &mut Vec<(Span, Colour)>) {
        let head = self.slice(statement.head);
        let of_head = if opcode_by_mnemonic(head).is_some() {
            Some(Colour::Mnemonic)
        } else if directive(head).is_some() {
            Some(Colour::Directive)
        } else {
            self.index.at(statement.head.start).map(|_| Colour::Macro)
        };
        parts.extend(of_head.map(|colour| (statement.head, colour)));
        for (i, argument) in statement.arguments.iter().enumerate() {
            let name = argument.name.map(|name| self.slice(name));
            parts.extend(argument.name.map(|name| (name, Colour::ArgumentName)));
            let is_choice = match slot(head, i, name) {
                Slot::Operand(_, operand) => matches!(operand.kind, OperandKind::Choice(_)),
                Slot::Words(_) => true,
                _ => false,
            };
            self.colour_expr(&argument.value, is_choice, parts);
        }
        let is_token = |span: &Span| registers::kind_of(self.slice(*span)).is_some();
        let tokens = statement.tokens.iter().map(|used| used.token).filter(is_token);
        parts.extend(tokens.map(|token| (token, Colour::Register)));
    }

    fn colour_expr(&self, expr: &Expr, is_choice: bool, parts: &mut Vec<(Span, Colour)>) {
        match &expr.kind {
            ExprKind::Invalid => {}
            ExprKind::Int(_) | ExprKind::Float => parts.push((expr.span, Colour::Number)),
            ExprKind::Text(_) => parts.push((expr.span, Colour::Text)),
            ExprKind::Name if is_choice => parts.push((expr.span, Colour::Choice)),
            ExprKind::Name => parts.extend(self.word_colour(expr.span).map(|colour| (expr.span, colour))),
            ExprKind::Displaced(base, displacement) => {
                let words = [*base, *displacement].into_iter();
                parts.extend(words.filter_map(|word| Some((word, self.word_colour(word)?))));
            }
            ExprKind::At(inner) | ExprKind::Negate(inner) => self.colour_expr(inner, false, parts),
            ExprKind::List(items) => items.iter().for_each(|item| self.colour_expr(item, false, parts)),
            ExprKind::Range(pair) | ExprKind::Binary(_, pair) => {
                self.colour_expr(&pair.0, false, parts);
                self.colour_expr(&pair.1, false, parts);
            }
        }
    }

    fn word_colour(&self, span: Span) -> Option<Colour> {
        match registers::kind_of(self.slice(span)) {
            Some(_) => Some(Colour::Register),
            None => self.name_colour(span),
        }
    }

    fn name_colour(&self, span: Span) -> Option<Colour> {
        self.definition(span.start).map(|definition| match definition.kind {
            NameKind::Label => Colour::Label,
            NameKind::Data | NameKind::Declared(_) => Colour::Symbol,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_dense_indices() {
        for (i, colour) in Colour::ALL.into_iter().enumerate() {
            assert_eq!(colour as usize, i);
        }
    }

    #[test]
    fn parts_are_coloured_by_what_they_mean() {
        use Colour::*;
        let text = ".equ N, 8 ; n\nx: desc d0, spm, i8, N + 1, 0, split=4 ?t1\n jmp x\n .f32 -1.5, \"a\", nowhere, [N, 2]\n frobnicate d1[r2]\n";
        let document = Document::new(text.to_owned(), "t");
        let colours: Vec<_> = document
            .colours()
            .into_iter()
            .map(|(span, colour)| (document.slice(span), colour))
            .collect();
        let expected = [
            (".equ", Directive),
            ("N", Symbol),
            ("8", Number),
            ("; n", Comment),
            ("x", Label),
            ("desc", Mnemonic),
            ("d0", Register),
            ("spm", Choice),
            ("i8", Choice),
            ("N", Symbol),
            ("1", Number),
            ("0", Number),
            ("split", ArgumentName),
            ("4", Number),
            ("t1", Register),
            ("jmp", Mnemonic),
            ("x", Label),
            (".f32", Directive),
            ("1.5", Number),
            ("\"a\"", Text),
            ("N", Symbol),
            ("2", Number),
            ("d1", Register),
            ("r2", Register),
        ];
        assert_eq!(colours, expected);
    }
}
