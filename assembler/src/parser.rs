//! Tokens to the parse tree, line by line. A mistake is reported and costs one argument, never the rest of the line or text.

use crate::codes;
use crate::lexer::{Mark, Token, TokenKind, lex};
use crate::literal;
use crate::problems::Problems;
use crate::source::{Source, Span};
use crate::syntax::{Argument, BinaryOp, Expr, ExprKind, Line, Statement, TokenUse, Tree};
use systole_isa::Diagnostic;

/// Operators, operands and names in one expression; bounds the depth of its tree, which later passes walk recursively.
const MAX_PARTS: u32 = 256;
/// Nested parentheses, brackets and signs in one expression; bounds the parser's own recursion.
const MAX_NESTING: u32 = 64;

/// The directive whose first argument needs no comma behind it.
const DEFINITION: &str = ".macro";

/// The tree of a text, whatever it holds.
pub(crate) fn parse(source: &Source, problems: &mut Problems) -> Tree {
    let mut tokens = lex(source.text());
    if source.base() > 0 {
        for token in &mut tokens {
            token.span = token.span.moved(0, source.base());
        }
    }
    let mut lines = Vec::new();
    for of_line in tokens.split_inclusive(|token| token.kind == TokenKind::Newline) {
        lines.push(Parser::new(source, problems, of_line).line());
    }
    Tree { lines }
}

/// The mistake was reported; the caller looks for a place to go on.
struct Reported;

type Parsed<T> = Result<T, Reported>;

/// Reads the tokens of one line.
struct Parser<'p, 's> {
    source: &'p Source<'s>,
    problems: &'p mut Problems,
    /// Without comment and line end.
    tokens: &'p [Token],
    comment: Option<Span>,
    at: usize,
    /// The empty range behind the last token.
    end: Span,
    n_parts: u32,
    nesting: u32,
}

impl<'p, 's> Parser<'p, 's> {
    fn new(source: &'p Source<'s>, problems: &'p mut Problems, of_line: &'p [Token]) -> Self {
        let start = of_line.first().map_or(0, |token| token.span.start);
        let is_content = |token: &&Token| !matches!(token.kind, TokenKind::Newline | TokenKind::Comment);
        let n_content = of_line.iter().take_while(is_content).count();
        let (tokens, rest) = of_line.split_at(n_content);
        let comment = rest.iter().find(|token| token.kind == TokenKind::Comment);
        Self {
            source,
            problems,
            tokens,
            comment: comment.map(|token| token.span),
            at: 0,
            end: tokens
                .last()
                .map_or(Span { start, end: start }, |token| token.span.after()),
            n_parts: 0,
            nesting: 0,
        }
    }

    fn line(&mut self) -> Line {
        self.report_bad_tokens();
        let mut line = Line {
            comment: self.comment,
            ..Line::default()
        };
        while let [name, colon, ..] = &self.tokens[self.at..] {
            if name.kind != TokenKind::Word || colon.kind != TokenKind::Mark(Mark::Colon) {
                break;
            }
            line.labels.push(name.span);
            self.at += 2;
        }
        if self.at < self.tokens.len() {
            match self.word("a label, an instruction or a directive") {
                Ok(head) => line.statement = Some(self.statement(head)),
                Err(Reported) => self.at = self.tokens.len(),
            }
        }
        line
    }

    /// Reports tokens that can stand nowhere; wherever one is met later, it was reported.
    fn report_bad_tokens(&mut self) {
        for token in self.tokens {
            let text = self.source.slice(token.span);
            if token.kind == TokenKind::Unknown {
                let message = format!("`{}` has no meaning here", text.escape_debug());
                let help = match text {
                    "#" => "a comment starts with `;` or `//`",
                    "'" => "texts stand in double quotes",
                    _ => "remove it, or put it in a comment after `;`",
                };
                let diagnostic = Diagnostic::error(codes::UNKNOWN_CHARACTER, message).help(help);
                self.problems.push(token.span, diagnostic);
            } else if token.kind == TokenKind::UnclosedText {
                let diagnostic = Diagnostic::error(codes::BAD_TEXT, "this text is not closed")
                    .because("a text ends on the line on which it began")
                    .help("add `\"` where it ends");
                self.problems.push(token.span, diagnostic);
            }
        }
    }

    fn statement(&mut self, head: Span) -> Statement {
        let mut arguments = Vec::new();
        let mut is_more = !matches!(self.mark(), Some(Mark::Wait | Mark::Post)) && self.at < self.tokens.len();
        while is_more {
            let start = self.at;
            arguments.push(self.argument().unwrap_or_else(|Reported| self.skip_argument(start)));
            is_more = match self.mark() {
                Some(Mark::Comma) => {
                    self.at += 1;
                    true
                }
                Some(Mark::Wait | Mark::Post) => false,
                None if self.at == self.tokens.len() => false,
                // The name of a macro and its first parameter may stand side by side.
                None if arguments.len() == 1 && self.source.slice(head) == DEFINITION => true,
                _ => {
                    let Reported = self.unexpected("`,` before the next operand");
                    // What follows stands for an argument, so that it is not reported as missing as well.
                    let rest = self.at;
                    arguments.push(self.skip_argument(rest));
                    self.take(Mark::Comma)
                }
            };
        }
        let tokens = self.token_uses();
        Statement {
            head,
            arguments,
            tokens,
        }
    }

    fn token_uses(&mut self) -> Vec<TokenUse> {
        let mut uses = Vec::new();
        while self.at < self.tokens.len() {
            let is_post = match self.mark() {
                Some(Mark::Wait) => false,
                Some(Mark::Post) => true,
                _ => {
                    let Reported = self.unexpected("`?` or `!` before a token, or the end of the line");
                    break;
                }
            };
            self.at += 1;
            match self.word("a token, `t0` to `t15`,") {
                Ok(token) => uses.push(TokenUse { is_post, token }),
                Err(Reported) => break,
            }
        }
        uses
    }

    /// Goes on behind an argument that began at token `start` and could not be read; what stands for it in the tree.
    fn skip_argument(&mut self, start: usize) -> Argument {
        self.at = self.argument_end(start);
        let first = self.tokens.get(start).map_or(self.end, |token| token.span);
        Argument {
            name: self.name_at(start),
            value: Expr {
                span: first,
                kind: ExprKind::Invalid,
            },
        }
    }

    /// The comma, token use or end of the line, here or further, at which the argument that began at token `start` ends.
    fn argument_end(&self, start: usize) -> usize {
        let mut depth = 0_i32;
        let mut first_comma = None;
        for (i, token) in self.tokens.iter().enumerate().skip(start) {
            let is_ahead = i >= self.at;
            match token.kind {
                TokenKind::Mark(Mark::OpenParenthesis | Mark::OpenBracket) => depth += 1,
                TokenKind::Mark(Mark::CloseParenthesis | Mark::CloseBracket) => depth -= 1,
                TokenKind::Mark(Mark::Comma) if is_ahead && depth <= 0 => return i,
                TokenKind::Mark(Mark::Comma) if is_ahead => first_comma = first_comma.or(Some(i)),
                // If a bracket was never closed, the commas behind it are probably those between operands.
                TokenKind::Mark(Mark::Wait | Mark::Post) if is_ahead => return first_comma.unwrap_or(i),
                _ => {}
            }
        }
        first_comma.unwrap_or(self.tokens.len())
    }

    /// The name of the argument that begins at a token, if it is given by name.
    fn name_at(&self, at: usize) -> Option<Span> {
        match self.tokens.get(at..)? {
            [name, equals, ..] if equals.kind == TokenKind::Mark(Mark::Equals) => {
                Some(name.span).filter(|_| name.kind == TokenKind::Word)
            }
            _ => None,
        }
    }

    fn argument(&mut self) -> Parsed<Argument> {
        (self.n_parts, self.nesting) = (0, 0);
        let name = self.name_at(self.at);
        if name.is_some() {
            self.at += 2;
        }
        let first = self.expression(0)?;
        let value = if self.take(Mark::DotDot) {
            let last = self.expression(0)?;
            Expr {
                span: first.span.to(last.span),
                kind: ExprKind::Range(Box::new((first, last))),
            }
        } else {
            first
        };
        Ok(Argument { name, value })
    }

    /// An expression whose operators bind more tightly than `above`.
    fn expression(&mut self, above: u8) -> Parsed<Expr> {
        let mut left = self.primary()?;
        while let Some(op) = self.mark().and_then(binary_op) {
            if op.precedence() <= above {
                break;
            }
            self.at += 1;
            let right = self.expression(op.precedence())?;
            left = Expr {
                span: left.span.to(right.span),
                kind: ExprKind::Binary(op, Box::new((left, right))),
            };
        }
        Ok(left)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        self.n_parts += 1;
        let Some(&Token { kind, span }) = self.tokens.get(self.at) else {
            return Err(self.unexpected("an operand"));
        };
        if self.n_parts > MAX_PARTS || self.nesting > MAX_NESTING {
            let message = "this expression is too long or nested too deep";
            let diagnostic = Diagnostic::error(codes::TOO_DEEP, message)
                .because(format!(
                    "an expression has at most {MAX_PARTS} parts and {MAX_NESTING} nested parentheses"
                ))
                .help("name a part of it with `.equ NAME, PART`");
            self.problems.push(span, diagnostic);
            return Err(Reported);
        }
        if kind == TokenKind::Word {
            return self.name(span);
        }
        if let TokenKind::Mark(mark) = kind {
            return self.compound(mark, span);
        }
        let text = self.source.slice(span);
        let read = match kind {
            TokenKind::Integer => literal::integer(text).map(ExprKind::Int),
            TokenKind::Float => Ok(ExprKind::Float),
            TokenKind::Text => literal::unescape(text).map(ExprKind::Text),
            _ => return Err(self.unexpected("an operand")),
        };
        self.at += 1;
        let kind = read.map_err(|problem| {
            self.problems.push(span, problem);
            Reported
        })?;
        Ok(Expr { span, kind })
    }

    /// A name, perhaps with a displacement in brackets.
    fn name(&mut self, base: Span) -> Parsed<Expr> {
        self.at += 1;
        if !self.take(Mark::OpenBracket) {
            return Ok(Expr {
                span: base,
                kind: ExprKind::Name,
            });
        }
        let displacement = self.word("the register that displaces the descriptor")?;
        let close = self.close(Mark::CloseBracket, "`]`")?;
        Ok(Expr {
            span: base.to(close),
            kind: ExprKind::Displaced(base, displacement),
        })
    }

    /// An expression that begins with a mark.
    fn compound(&mut self, mark: Mark, span: Span) -> Parsed<Expr> {
        if !matches!(mark, Mark::Minus | Mark::At | Mark::OpenParenthesis | Mark::OpenBracket) {
            return Err(self.unexpected("an operand"));
        }
        self.at += 1;
        self.nesting += 1;
        let (kind, end) = match mark {
            Mark::Minus => {
                let inner = self.primary()?;
                let end = inner.span;
                (ExprKind::Negate(Box::new(inner)), end)
            }
            Mark::At => {
                let inner = self.primary()?;
                let end = inner.span;
                (ExprKind::At(Box::new(inner)), end)
            }
            Mark::OpenParenthesis => {
                let inner = self.expression(0)?;
                (inner.kind, self.close(Mark::CloseParenthesis, "`)`")?)
            }
            _ => self.list()?,
        };
        self.nesting -= 1;
        Ok(Expr {
            span: span.to(end),
            kind,
        })
    }

    /// The rest of a list after its `[`, and the place of its `]`.
    fn list(&mut self) -> Parsed<(ExprKind, Span)> {
        let mut items = Vec::new();
        if self.mark() != Some(Mark::CloseBracket) {
            items.push(self.expression(0)?);
            while self.take(Mark::Comma) {
                items.push(self.expression(0)?);
            }
        }
        let close = self.close(Mark::CloseBracket, "`,` or `]`")?;
        Ok((ExprKind::List(items), close))
    }

    /// The mark that comes next, if a mark does.
    fn mark(&self) -> Option<Mark> {
        match self.tokens.get(self.at)?.kind {
            TokenKind::Mark(mark) => Some(mark),
            _ => None,
        }
    }

    /// Takes a mark if it comes next.
    fn take(&mut self, mark: Mark) -> bool {
        let is_next = self.mark() == Some(mark);
        self.at += usize::from(is_next);
        is_next
    }

    fn close(&mut self, mark: Mark, expected: &str) -> Parsed<Span> {
        if !self.take(mark) {
            return Err(self.unexpected(expected));
        }
        Ok(self.tokens[self.at - 1].span)
    }

    fn word(&mut self, expected: &str) -> Parsed<Span> {
        match self.tokens.get(self.at) {
            Some(token) if token.kind == TokenKind::Word => {
                self.at += 1;
                Ok(token.span)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// Reports that something else was expected in place of the next token.
    fn unexpected(&mut self, expected: &str) -> Reported {
        let (span, found) = match self.tokens.get(self.at) {
            Some(token) if matches!(token.kind, TokenKind::Unknown | TokenKind::UnclosedText) => return Reported,
            Some(token) => (token.span, format!("`{}`", self.source.slice(token.span))),
            None => (self.end, "the end of the line".to_owned()),
        };
        let diagnostic = Diagnostic::error(codes::SYNTAX, format!("expected {expected} but found {found}"))
            .because("a line is `label: instruction operand, operand ?token !token ; comment`, each part optional");
        self.problems.push(span, diagnostic);
        Reported
    }
}

fn binary_op(mark: Mark) -> Option<BinaryOp> {
    Some(match mark {
        Mark::Or => BinaryOp::Or,
        Mark::And => BinaryOp::And,
        Mark::ShiftLeft => BinaryOp::ShiftLeft,
        Mark::ShiftRight => BinaryOp::ShiftRight,
        Mark::Plus => BinaryOp::Add,
        Mark::Minus => BinaryOp::Subtract,
        Mark::Star => BinaryOp::Multiply,
        Mark::Slash => BinaryOp::Divide,
        Mark::Percent => BinaryOp::Remainder,
        _ => return None,
    })
}
