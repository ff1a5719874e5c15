//! The lines of a macro as lines of the program.
//!
//! Arguments replace `\parameter` as whole expressions, so that no parentheses are needed around them; within a longer word their
//! text becomes part of it. Texts in quotes and comments stay as they are.

use crate::codes;
use crate::directives::{BlockKind, DirectiveKind, directive};
use crate::macros::{longest_prefix, n_parts_of, plain_word};
use crate::problems::Problems;
use crate::source::Span;
use crate::sources::Sources;
use crate::syntax::{Argument, Expr, ExprKind, Line, Statement, TokenUse};
use systole_isa::Diagnostic;

/// Parts of one expression after arguments were put in; bounds the depth of later passes.
const MAX_EXPRESSION_PARTS: usize = 256;

/// Copies the lines of a macro for one of its uses.
pub(crate) struct Copier<'e, 's> {
    sources: &'e mut Sources<'s>,
    problems: &'e mut Problems,
    original: Span,
    base: u32,
    arguments: &'e [(&'e str, Expr)],
    /// What `\@` stands for.
    number: u32,
    /// Names that blocks around the current line declare anew, innermost block last.
    shadows: Vec<Vec<String>>,
    n_parts_of_arguments: usize,
}

impl<'e, 's> Copier<'e, 's> {
    pub(crate) fn new(
        sources: &'e mut Sources<'s>,
        problems: &'e mut Problems,
        original: Span,
        base: u32,
        arguments: &'e [(&'e str, Expr)],
        number: u32,
    ) -> Self {
        Self {
            sources,
            problems,
            original,
            base,
            arguments,
            number,
            shadows: Vec::new(),
            n_parts_of_arguments: 0,
        }
    }

    /// Parts of expressions that arguments have added.
    pub(crate) fn n_parts_of_arguments(&self) -> usize {
        self.n_parts_of_arguments
    }

    /// A line of the macro as a line of the program. What cannot stand where its argument does is reported and left out.
    pub(crate) fn line(&mut self, line: &Line) -> Line {
        let kind = line.statement.as_ref().and_then(|statement| {
            let head = self.sources.slice(self.moved(statement.head));
            directive(head).map(|info| info.kind)
        });
        if let Some(DirectiveKind::Block(BlockKind::EndMacro)) = kind {
            self.shadows.pop();
        }
        let copied = Line {
            labels: line.labels.iter().filter_map(|label| self.word(*label)).collect(),
            statement: line.statement.as_ref().and_then(|statement| self.statement(statement)),
            comment: None,
        };
        if let (Some(DirectiveKind::Block(BlockKind::Macro)), Some(statement)) = (kind, &copied.statement) {
            let names = statement.arguments.iter().filter_map(|a| a.name.or(plain_word(a)));
            let names = names.map(|name| self.sources.slice(name).to_owned()).collect();
            self.shadows.push(names);
        }
        copied
    }

    fn statement(&mut self, statement: &Statement) -> Option<Statement> {
        let head = self.word(statement.head)?;
        let arguments = statement.arguments.iter().map(|argument| {
            let name = argument.name.and_then(|name| self.word(name));
            let value = self.expression(&argument.value);
            Argument { name, value }
        });
        let arguments = arguments.collect();
        let tokens = statement.tokens.iter().filter_map(|used| {
            let token = self.word(used.token)?;
            Some(TokenUse { token, ..*used })
        });
        Some(Statement {
            head,
            arguments,
            tokens: tokens.collect(),
        })
    }

    fn expression(&mut self, expr: &Expr) -> Expr {
        let before = self.n_parts_of_arguments;
        let copied = self.copied(expr);
        let n_added = self.n_parts_of_arguments - before;
        if n_added == 0 || n_parts_of(&copied) <= MAX_EXPRESSION_PARTS {
            return copied;
        }
        let diagnostic = Diagnostic::error(codes::TOO_DEEP, "with its arguments this expression is too long")
            .because(format!("an expression has at most {MAX_EXPRESSION_PARTS} parts"))
            .help("name a part of it with `.equ NAME, PART`");
        self.problems.push(copied.span, diagnostic);
        Expr {
            span: copied.span,
            kind: ExprKind::Invalid,
        }
    }

    fn copied(&mut self, expr: &Expr) -> Expr {
        let span = self.moved(expr.span);
        let kind = match &expr.kind {
            ExprKind::Name => return self.name(expr.span),
            ExprKind::Displaced(base, displacement) => match (self.word(*base), self.word(*displacement)) {
                (Some(base), Some(displacement)) => ExprKind::Displaced(base, displacement),
                _ => ExprKind::Invalid,
            },
            ExprKind::At(inner) => ExprKind::At(Box::new(self.copied(inner))),
            ExprKind::Negate(inner) => ExprKind::Negate(Box::new(self.copied(inner))),
            ExprKind::List(items) => ExprKind::List(items.iter().map(|item| self.copied(item)).collect()),
            ExprKind::Range(pair) => ExprKind::Range(Box::new((self.copied(&pair.0), self.copied(&pair.1)))),
            ExprKind::Binary(op, pair) => ExprKind::Binary(*op, Box::new((self.copied(&pair.0), self.copied(&pair.1)))),
            other => other.clone(),
        };
        Expr { span, kind }
    }

    /// A name, or the argument that it stands for.
    fn name(&mut self, span: Span) -> Expr {
        let moved = self.moved(span);
        let text = self.sources.slice(moved);
        let whole = text.strip_prefix('\\').and_then(|name| self.argument(name));
        if let Some(argument) = whole {
            self.n_parts_of_arguments += n_parts_of(argument);
            return argument.clone();
        }
        let word = self.word(span);
        Expr {
            span: word.unwrap_or(moved),
            kind: if word.is_some() {
                ExprKind::Name
            } else {
                ExprKind::Invalid
            },
        }
    }

    fn is_shadowed(&self, name: &str) -> bool {
        self.shadows.iter().flatten().any(|shadow| shadow == name)
    }

    fn argument(&self, name: &str) -> Option<&'e Expr> {
        let (_, value) = self.arguments.iter().find(|(known, _)| *known == name)?;
        (!self.is_shadowed(name)).then_some(value)
    }

    /// A range of the macro as one of this copy.
    fn moved(&self, span: Span) -> Span {
        let is_inside = span.start >= self.original.start && span.end <= self.original.end;
        if is_inside {
            span.moved(self.original.start, self.base)
        } else {
            span
        }
    }

    /// A word with its parameters replaced; `None` is reported.
    fn word(&mut self, span: Span) -> Option<Span> {
        let moved = self.moved(span);
        let text = self.sources.slice(moved);
        if !text.contains('\\') {
            return Some(moved);
        }
        if let Some(argument) = text.strip_prefix('\\').and_then(|name| self.argument(name))
            && argument.kind == ExprKind::Name
        {
            return Some(argument.span);
        }
        match self.put_together(text) {
            Ok(word) if word == text => Some(moved),
            Ok(word) => self.sources.add_word(word, moved),
            Err(None) => None,
            Err(Some(name)) => {
                let message = format!("the argument `{name}` cannot be part of a word");
                let diagnostic = Diagnostic::error(codes::NOT_A_WORD, message).because(format!(
                    "`{text}` is one word, for which the argument has to be a word or a number"
                ));
                self.problems.push(moved, diagnostic);
                None
            }
        }
    }

    /// A word with the texts of its arguments; the name of an argument that has none, or nothing if that was reported.
    fn put_together(&self, text: &str) -> Result<String, Option<String>> {
        let mut parts = text.split('\\');
        let mut word = parts.next().unwrap_or("").to_owned();
        for part in parts {
            if let Some(rest) = part.strip_prefix('@').filter(|_| self.shadows.is_empty()) {
                word.push_str(&self.number.to_string());
                word.push_str(rest);
                continue;
            }
            let names = self.arguments.iter().map(|(name, _)| *name);
            let name = longest_prefix(part, names.filter(|name| !self.is_shadowed(name)));
            let value = name.and_then(|name| Some((name, self.argument(name)?)));
            let Some((name, value)) = value else {
                // It belongs to a block within this one, or was reported with the definition.
                word.push('\\');
                word.push_str(part);
                continue;
            };
            match value.kind {
                ExprKind::Name => word.push_str(self.sources.slice(value.span)),
                ExprKind::Int(number) => word.push_str(&number.to_string()),
                ExprKind::Invalid => return Err(None),
                _ => return Err(Some(name.to_owned())),
            }
            word.push_str(&part[name.len()..]);
        }
        Ok(word)
    }
}
