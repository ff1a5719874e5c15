//! What every pass over the tree needs: the text, the names, the collected problems, and the reading of single arguments.

use crate::codes;
use crate::directives::DirectiveInfo;
use crate::literal;
use crate::names::Names;
use crate::npy::NpyArray;
use crate::problems::Problems;
use crate::scope::ScopeId;
use crate::source::Span;
use crate::sources::Sources;
use crate::suggest::Suggester;
use crate::syntax::{Expr, ExprKind, Statement};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use systole_isa::Diagnostic;

pub(crate) struct Context<'a> {
    pub(crate) source: &'a Sources<'a>,
    pub(crate) names: Names<'a>,
    pub(crate) problems: Problems,
    /// Arrays by the place of the directive that names their file.
    pub(crate) arrays: &'a BTreeMap<Span, NpyArray>,
    /// Names of all macros.
    pub(crate) macros: &'a [String],
}

impl<'a> Context<'a> {
    /// Says what the following expressions and problems belong to.
    pub(crate) fn enter(&mut self, scope: ScopeId, statement: Span) {
        self.names.enter(scope);
        self.problems.enter(statement);
    }

    pub(crate) fn slice(&self, span: Span) -> &'a str {
        self.source.slice(span)
    }

    pub(crate) fn report(&mut self, span: Span, diagnostic: Diagnostic) {
        self.problems.push(span, diagnostic);
    }

    /// Help that names the nearest of some candidates, or else all of them.
    pub(crate) fn help_choose(&self, name: &str, candidates: &[&str]) -> String {
        help_choose(&self.names.suggester, name, candidates)
    }

    /// How to name the place of something else to the reader of a range.
    pub(crate) fn name_of_place(&self, other: Span, seen_from: Span) -> String {
        self.source.name_of_place(other, seen_from)
    }

    /// Whether a directive has as many arguments as it takes, all by position, and no tokens; reported if not.
    pub(crate) fn check_form(
        &mut self,
        statement: &Statement,
        info: &DirectiveInfo,
        n_allowed: RangeInclusive<usize>,
    ) -> bool {
        match form_problem(statement, info, n_allowed) {
            None => true,
            Some(problem) => {
                if let Some((span, diagnostic)) = problem {
                    self.report(span, diagnostic);
                }
                false
            }
        }
    }

    /// Whether a directive has no tokens; reported if it has.
    pub(crate) fn check_no_tokens(&mut self, statement: &Statement, info: &DirectiveInfo) -> bool {
        if let Some(token) = statement.tokens.first() {
            let message = format!("`{}` is a directive and neither waits nor posts", info.name);
            self.report(token.token, bad_argument(info, message));
        }
        statement.tokens.is_empty()
    }

    /// The value of an integer argument within a range; `None` is reported.
    pub(crate) fn integer(&mut self, expr: &Expr, range: RangeInclusive<i128>, what: &str) -> Option<i128> {
        let value = self.names.evaluate(expr, &mut self.problems)?;
        if range.contains(&value) {
            return Some(value);
        }
        let (lo, hi) = (range.start(), range.end());
        let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, format!("{what} is {value}, outside {lo}..={hi}"))
            .help(format!("choose a value from {lo} to {hi}"));
        self.report(expr.span, diagnostic);
        None
    }

    /// The value of an argument that is an address or a number of bytes.
    pub(crate) fn unsigned(&mut self, expr: &Expr, what: &str) -> Option<u64> {
        let value = self.integer(expr, 0..=i128::from(u64::MAX), what)?;
        u64::try_from(value).ok()
    }

    /// The content of a text argument; `None` is reported.
    pub(crate) fn text(&mut self, expr: &'a Expr, info: &DirectiveInfo, what: &str) -> Option<&'a str> {
        match &expr.kind {
            ExprKind::Text(text) => Some(text),
            ExprKind::Invalid => None,
            _ => {
                let message = format!("{what} is a text in double quotes");
                self.report(expr.span, bad_argument(info, message));
                None
            }
        }
    }

    /// The word that an argument consists of; `None` is reported.
    pub(crate) fn word(&mut self, expr: &Expr, info: &DirectiveInfo, what: &str) -> Option<&'a str> {
        match expr.kind {
            ExprKind::Name => Some(self.slice(expr.span)),
            ExprKind::Invalid => None,
            _ => {
                self.report(expr.span, bad_argument(info, format!("{what} is a word")));
                None
            }
        }
    }

    /// One of a list of words by its index; `None` is reported.
    pub(crate) fn choice(&mut self, expr: &Expr, info: &DirectiveInfo, what: &str, words: &[&str]) -> Option<usize> {
        let word = self.word(expr, info, what)?;
        let found = words.iter().position(|known| *known == word);
        if found.is_none() {
            let message = format!("`{word}` is no {what}");
            let help = self.help_choose(word, words);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_CHOICE, message)
                .because(format!("{what} is one of {}", words.join(", ")))
                .help(help);
            self.report(expr.span, diagnostic);
        }
        found
    }

    /// A binary32 number; `None` is reported.
    pub(crate) fn float(&mut self, expr: &Expr, what: &str) -> Option<f32> {
        let (sign, magnitude) = match &expr.kind {
            ExprKind::Negate(inner) => (-1.0, &**inner),
            ExprKind::Invalid => return None,
            _ => (1.0, expr),
        };
        let text = self.slice(magnitude.span);
        let value = match magnitude.kind {
            ExprKind::Float => literal::float(text),
            ExprKind::Int(value) => Some(value as f32),
            ExprKind::Name if matches!(text, "inf" | "NaN") => literal::float(text),
            _ => None,
        };
        if value.is_none() {
            let diagnostic = Diagnostic::error(codes::WRONG_KIND, format!("{what} is a number such as 0.125 or 1e-3"));
            self.report(expr.span, diagnostic);
        }
        value.map(|value| sign * value)
    }
}

/// A wrong argument of a directive, with the directive's form as help.
pub(crate) fn bad_argument(info: &DirectiveInfo, message: String) -> Diagnostic {
    Diagnostic::error(codes::BAD_ARGUMENT, message).help(format!("the form is `{} {}`", info.name, info.form))
}

/// Help that names the nearest of some candidates, or else all of them.
pub(crate) fn help_choose(suggester: &Suggester, name: &str, candidates: &[&str]) -> String {
    match suggester.nearest(name, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("choose one of {}", candidates.join(", ")),
    }
}

/// Whether all arguments could be read. What could not was reported, and says nothing about their number.
pub(crate) fn is_clear(statement: &Statement) -> bool {
    let mut arguments = statement.arguments.iter();
    arguments.all(|argument| argument.value.kind != ExprKind::Invalid)
}

/// What is wrong with the form of a directive that takes arguments by position and no tokens. The inner `None` stands for
/// what was reported already.
pub(crate) fn form_problem(
    statement: &Statement,
    info: &DirectiveInfo,
    n_allowed: RangeInclusive<usize>,
) -> Option<Option<(Span, Diagnostic)>> {
    if !is_clear(statement) {
        return Some(None);
    }
    let n_given = statement.arguments.len();
    let named = statement.arguments.iter().find(|argument| argument.name.is_some());
    let (span, message) = if let Some(named) = named {
        (named.span(), format!("`{}` takes its arguments by position", info.name))
    } else if n_given > *n_allowed.end() {
        let extra = statement.arguments[*n_allowed.end()].span();
        (extra, format!("`{}` takes no further argument", info.name))
    } else if n_given < *n_allowed.start() {
        (statement.head, format!("`{}` needs more arguments", info.name))
    } else {
        let token = statement.tokens.first()?;
        let message = format!("`{}` is a directive and neither waits nor posts", info.name);
        (token.token, message)
    };
    Some(Some((span, bad_argument(info, message))))
}
