//! What stands in one line of a text, each part in its tidy form but not yet in its column.

use super::spacing;
use crate::directives::{DirectiveKind, directive};
use crate::lexer::{Mark, Token, TokenKind, lex};

/// Where the statement of a line starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the first column.
    Margin,
    /// Behind the column of labels.
    Body,
}

/// A line in parts.
pub(super) struct Line<'t> {
    /// Labels, each with its colon.
    pub(super) labels: String,
    /// Mnemonic or directive.
    pub(super) head: &'t str,
    /// Operands; those of a directive with the blanks in front of them.
    pub(super) operands: String,
    /// Tokens to wait for and to post.
    pub(super) tokens: String,
    /// The comment with its mark.
    pub(super) comment: &'t str,
    pub(super) is_directive: bool,
    /// Whether the line was written without a blank in front.
    pub(super) is_at_margin: bool,
    pub(super) place: Place,
    /// Loops around the line.
    pub(super) depth: usize,
    /// Labels without their colons.
    pub(super) defines: Vec<&'t str>,
    /// The label at which the loop ends that this line begins.
    pub(super) loop_end: Option<&'t str>,
}

impl<'t> Line<'t> {
    /// The line that starts at a byte of a text and has these tokens.
    pub(super) fn new(text: &'t str, start: usize, tokens: &[Token]) -> Self {
        let slice = |token: &Token| &text[token.span.start as usize..token.span.end as usize];
        let is_content = |token: &&Token| !matches!(token.kind, TokenKind::Newline | TokenKind::Comment);
        let n_content = tokens.iter().take_while(is_content).count();
        let (content, rest) = tokens.split_at(n_content);
        let mut defines = Vec::new();
        let mut code = content;
        while let [name, colon, ..] = code
            && name.kind == TokenKind::Word
            && colon.kind == TokenKind::Mark(Mark::Colon)
        {
            defines.push(slice(name));
            code = &code[2..];
        }
        let comment = rest.first().filter(|token| token.kind == TokenKind::Comment);
        let first = content.first().or(comment);
        let mut line = Self {
            labels: defines
                .iter()
                .map(|name| format!("{name}:"))
                .collect::<Vec<_>>()
                .join(" "),
            head: code.first().map_or("", slice),
            operands: String::new(),
            tokens: String::new(),
            comment: comment.map_or("", slice).trim_end(),
            is_directive: false,
            is_at_margin: first.is_some_and(|token| token.span.start as usize == start),
            place: Place::Body,
            depth: 0,
            defines,
            loop_end: None,
        };
        line.is_directive = line.head.starts_with('.');
        line.statement(text, code);
        line
    }

    fn statement(&mut self, text: &'t str, code: &[Token]) {
        let [_, arguments @ ..] = code else { return };
        if self.is_directive {
            self.operands = spacing::as_written(text, code);
            self.place = self.directive_place();
            return;
        }
        let is_token_mark = |token: &Token| matches!(token.kind, TokenKind::Mark(Mark::Wait | Mark::Post));
        let n_operands = arguments.iter().position(is_token_mark).unwrap_or(arguments.len());
        let (operands, tokens) = arguments.split_at(n_operands);
        self.operands = spacing::tidy(text, operands);
        self.tokens = spacing::tidy(text, tokens);
        if !is_same(text, arguments, &format!("{} {}", self.operands, self.tokens)) {
            // A form that the rules of spacing do not know stays as it is.
            self.operands = spacing::as_written(text, code).trim_start().to_owned();
            self.tokens.clear();
        }
        self.loop_end = super::loops::end_label(text, self.head, operands);
    }

    /// Data stand in the body and what describes the program at the margin; any other directive stays where it was put.
    fn directive_place(&self) -> Place {
        let is_at_margin = match directive(self.head).map(|info| info.kind) {
            Some(DirectiveKind::Data(_)) => false,
            Some(
                DirectiveKind::Program
                | DirectiveKind::Machine
                | DirectiveKind::Dram
                | DirectiveKind::Entry
                | DirectiveKind::Generated
                | DirectiveKind::Lines
                | DirectiveKind::Mark
                | DirectiveKind::Plan
                | DirectiveKind::Input
                | DirectiveKind::Output
                | DirectiveKind::Equ
                | DirectiveKind::Symbol
                | DirectiveKind::Segment
                | DirectiveKind::Code,
            ) => true,
            _ => self.is_at_margin,
        };
        if is_at_margin && self.labels.is_empty() {
            Place::Margin
        } else {
            Place::Body
        }
    }

    /// Whether nothing stands in the line.
    pub(super) fn is_blank(&self) -> bool {
        !self.has_code() && self.comment.is_empty()
    }

    /// Whether a label or a statement stands in the line.
    pub(super) fn has_code(&self) -> bool {
        !self.labels.is_empty() || !self.head.is_empty()
    }
}

/// Whether a text in tidy form has the tokens from which it was made.
fn is_same(text: &str, tokens: &[Token], tidy: &str) -> bool {
    let read = lex(tidy);
    read.len() == tokens.len()
        && read.iter().zip(tokens).all(|(new, old)| {
            new.kind == old.kind
                && tidy[new.span.start as usize..new.span.end as usize]
                    == text[old.span.start as usize..old.span.end as usize]
        })
}
