//! Macros: what a definition says, and what a use makes of it.
//!
//! Arguments replace `\parameter` as whole expressions, so that no parentheses are needed around them; within a longer word their
//! text becomes part of it. Texts in quotes and comments stay as they are.

use crate::codes;
use crate::context::bad_argument;
use crate::directives::{BlockKind, DirectiveInfo, DirectiveKind, directive};
use crate::expand::help_for;
use crate::problems::Problems;
use crate::registers;
use crate::source::Span;
use crate::sources::Sources;
use crate::suggest::Suggester;
use crate::syntax::{Argument, Expr, ExprKind, Line, Statement, TokenUse};
use systole_isa::Diagnostic;
use systole_isa::instruction::opcode_by_mnemonic;

/// Parts of one expression after arguments were put in; bounds the depth of later passes.
const MAX_EXPRESSION_PARTS: usize = 256;

/// A macro.
pub(crate) struct MacroDefinition {
    pub(crate) name: Span,
    parameters: Vec<Parameter>,
    pub(crate) lines: Vec<Line>,
    /// All of it, from its first directive to its last.
    pub(crate) extent: Span,
    pub(crate) n_parts: usize,
}

struct Parameter {
    name: String,
    default: Option<Expr>,
}

impl MacroDefinition {
    /// The macro of a definition; `None` is reported.
    pub(crate) fn new(
        info: &'static DirectiveInfo,
        statement: &Statement,
        lines: Vec<Line>,
        end: Span,
        sources: &Sources,
        problems: &mut Problems,
        suggester: &Suggester,
    ) -> Option<Self> {
        let [name, parameters @ ..] = &statement.arguments[..] else {
            problems.push(statement.head, bad_argument(info, "a macro has a name".to_owned()));
            return None;
        };
        let name = plain_word(name).or_else(|| {
            problems.push(
                name.span(),
                bad_argument(info, "the name of a macro is a word".to_owned()),
            );
            None
        })?;
        if let Some(token) = statement.tokens.first() {
            let message = "`.macro` is a directive and neither waits nor posts";
            problems.push(token.token, bad_argument(info, message.to_owned()));
        }
        let text = sources.slice(name);
        let reason = if opcode_by_mnemonic(text).is_some() {
            Some("it is the name of an instruction")
        } else if text.starts_with('.') {
            Some("a word that starts with a point is a directive")
        } else if registers::kind_of(text).is_some() {
            Some("a letter and a number name a register, a descriptor or a token")
        } else {
            None
        };
        if let Some(reason) = reason {
            let diagnostic = Diagnostic::error(codes::RESERVED_NAME, format!("`{text}` cannot be a macro"))
                .because(reason)
                .help("choose another name");
            problems.push(name, diagnostic);
            return None;
        }
        let definition = Self {
            name,
            parameters: parameters_of(info, parameters, sources, problems),
            extent: statement.head.to(end),
            n_parts: n_parts(&lines),
            lines,
        };
        definition.check_words(sources, problems, suggester);
        Some(definition)
    }

    /// Reports words that name a parameter that neither this macro nor one within it has.
    fn check_words(&self, sources: &Sources, problems: &mut Problems, suggester: &Suggester) {
        let mut known: Vec<&str> = self
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        for line in &self.lines {
            let Some(statement) = &line.statement else { continue };
            if declares_parameters(statement, sources) {
                let names = statement.arguments.iter().filter_map(|a| a.name.or(plain_word(a)));
                known.extend(names.map(|name| sources.slice(name)));
            }
        }
        let mut unknown = Vec::new();
        for line in &self.lines {
            for_each_word(line, &mut |word| {
                if let Some(name) = first_unknown(sources.slice(word), &known) {
                    unknown.push((word, name.to_owned()));
                }
            });
        }
        for (word, name) in unknown {
            let message = format!("macro `{}` has no parameter `{name}`", sources.slice(self.name));
            let help = match known[..] {
                [] => "it has no parameters".to_owned(),
                _ => help_for(suggester, &name, &known),
            };
            let diagnostic = Diagnostic::error(codes::UNKNOWN_PARAMETER, message)
                .because("in a macro a backslash and a name stand for an argument")
                .help(help);
            problems.push(word, diagnostic);
        }
    }

    /// How the macro is used.
    fn form(&self, sources: &Sources) -> String {
        let names: Vec<&str> = self
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        format!("{} {}", sources.slice(self.name), names.join(", "))
            .trim_end()
            .to_owned()
    }

    /// The argument of each parameter; `None` is reported.
    pub(crate) fn bind(
        &self,
        statement: &Statement,
        sources: &Sources,
        problems: &mut Problems,
        suggester: &Suggester,
    ) -> Option<Vec<(&str, Expr)>> {
        let form = format!("the form is `{}`", self.form(sources));
        let mut bound: Vec<Option<&Expr>> = vec![None; self.parameters.len()];
        let mut found = Vec::new();
        let mut is_by_name = false;
        for (i, argument) in statement.arguments.iter().enumerate() {
            is_by_name |= argument.name.is_some();
            let place = match argument.name.map(|name| (name, sources.slice(name))) {
                Some((name, text)) => {
                    let place = self.parameters.iter().position(|parameter| parameter.name == text);
                    if place.is_none() {
                        let known: Vec<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
                        let message = format!("macro `{}` has no parameter `{text}`", sources.slice(self.name));
                        let help = match known[..] {
                            [] => "it has no parameters".to_owned(),
                            _ => help_for(suggester, text, &known),
                        };
                        let diagnostic = Diagnostic::error(codes::UNKNOWN_OPERAND, message).because(form.clone());
                        found.push((name, diagnostic.help(help)));
                    }
                    place
                }
                None if is_by_name => {
                    let message = "this argument is given by position after one by name";
                    let diagnostic = Diagnostic::error(codes::POSITION_AFTER_NAME, message)
                        .because("after an argument by name, positions say nothing any more");
                    found.push((argument.span(), diagnostic.help(form.clone())));
                    None
                }
                None if i < bound.len() => Some(i),
                None => {
                    let message = format!("macro `{}` takes {} arguments", sources.slice(self.name), bound.len());
                    let diagnostic = Diagnostic::error(codes::TOO_MANY_OPERANDS, message)
                        .because(format!("{} are given", statement.arguments.len()));
                    found.push((argument.span(), diagnostic.help(form.clone())));
                    break;
                }
            };
            let Some(place) = place else { continue };
            if bound[place].is_some() {
                let message = format!("argument `{}` is given twice", self.parameters[place].name);
                let diagnostic = Diagnostic::error(codes::DUPLICATE_OPERAND, message).help(form.clone());
                found.push((argument.span(), diagnostic));
            }
            bound[place] = Some(&argument.value);
        }
        let missing = self.parameters.iter().zip(&bound);
        let missing: Vec<String> = missing
            .filter(|(parameter, value)| value.is_none() && parameter.default.is_none())
            .map(|(parameter, _)| format!("`{}`", parameter.name))
            .collect();
        if !missing.is_empty() && found.is_empty() {
            let message = format!("macro `{}` lacks {}", sources.slice(self.name), missing.join(", "));
            let diagnostic = Diagnostic::error(codes::MISSING_OPERAND, message)
                .because("only a parameter with a default may be left out")
                .help(form);
            found.push((statement.head, diagnostic));
        }
        if let Some(token) = statement.tokens.first() {
            let message = "the use of a macro neither waits nor posts";
            let diagnostic = Diagnostic::error(codes::BAD_ARGUMENT, message)
                .because("it may stand for any number of instructions")
                .help("give the token as an argument and write `?\\parameter` in the macro");
            found.push((token.token, diagnostic));
        }
        let is_good = found.is_empty();
        for (span, diagnostic) in found {
            problems.push(span, diagnostic);
        }
        let values = self.parameters.iter().zip(bound);
        let values = values.map(|(parameter, value)| {
            let value = value.or(parameter.default.as_ref())?;
            Some((parameter.name.as_str(), value.clone()))
        });
        let values: Option<Vec<_>> = values.collect();
        values.filter(|_| is_good)
    }
}

/// The word that an argument by position consists of.
fn plain_word(argument: &Argument) -> Option<Span> {
    (argument.name.is_none() && argument.value.kind == ExprKind::Name).then_some(argument.value.span)
}

fn parameters_of(
    info: &'static DirectiveInfo,
    arguments: &[Argument],
    sources: &Sources,
    problems: &mut Problems,
) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for argument in arguments {
        let Some(name) = argument.name.or(plain_word(argument)) else {
            let message = "a parameter is a word, or a word and its default as in `n=16`";
            problems.push(argument.span(), bad_argument(info, message.to_owned()));
            continue;
        };
        let text = sources.slice(name);
        if parameters.iter().any(|other| other.name == text) {
            let diagnostic = Diagnostic::error(codes::DUPLICATE_NAME, format!("parameter `{text}` is named twice"))
                .help("rename one of them");
            problems.push(name, diagnostic);
            continue;
        }
        parameters.push(Parameter {
            name: text.to_owned(),
            default: argument.name.map(|_| argument.value.clone()),
        });
    }
    parameters
}

/// Whether a statement begins a block with parameters of its own.
fn declares_parameters(statement: &Statement, sources: &Sources) -> bool {
    let kind = directive(sources.slice(statement.head)).map(|info| info.kind);
    matches!(kind, Some(DirectiveKind::Block(BlockKind::Macro | BlockKind::Repeat)))
}

/// Lines and expressions, which is what a copy of the lines costs.
pub(crate) fn n_parts(lines: &[Line]) -> usize {
    let of_line = |line: &Line| {
        let arguments = line.statement.iter().flat_map(|statement| &statement.arguments);
        1 + arguments.map(|argument| n_parts_of(&argument.value)).sum::<usize>()
    };
    lines.iter().map(of_line).sum()
}

fn n_parts_of(expr: &Expr) -> usize {
    1 + match &expr.kind {
        ExprKind::At(inner) | ExprKind::Negate(inner) => n_parts_of(inner),
        ExprKind::List(items) => items.iter().map(n_parts_of).sum(),
        ExprKind::Range(pair) | ExprKind::Binary(_, pair) => n_parts_of(&pair.0) + n_parts_of(&pair.1),
        ExprKind::Invalid
        | ExprKind::Int(_)
        | ExprKind::Float
        | ExprKind::Text(_)
        | ExprKind::Name
        | ExprKind::Displaced(..) => 0,
    }
}

/// Calls `visit` with every word of a line.
fn for_each_word(line: &Line, visit: &mut dyn FnMut(Span)) {
    line.labels.iter().copied().for_each(&mut *visit);
    let Some(statement) = &line.statement else { return };
    visit(statement.head);
    for argument in &statement.arguments {
        argument.name.into_iter().for_each(&mut *visit);
        for_each_name(&argument.value, visit);
    }
    statement.tokens.iter().map(|used| used.token).for_each(&mut *visit);
}

fn for_each_name(expr: &Expr, visit: &mut dyn FnMut(Span)) {
    match &expr.kind {
        ExprKind::Name => visit(expr.span),
        ExprKind::Displaced(base, displacement) => {
            visit(*base);
            visit(*displacement);
        }
        ExprKind::At(inner) | ExprKind::Negate(inner) => for_each_name(inner, visit),
        ExprKind::List(items) => items.iter().for_each(|item| for_each_name(item, visit)),
        ExprKind::Range(pair) | ExprKind::Binary(_, pair) => {
            for_each_name(&pair.0, visit);
            for_each_name(&pair.1, visit);
        }
        ExprKind::Invalid | ExprKind::Int(_) | ExprKind::Float | ExprKind::Text(_) => {}
    }
}

/// The longest of some names with which a text begins.
fn longest_prefix<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .filter(|name| text.starts_with(name))
        .max_by_key(|name| name.len())
}

/// The first `\name` in a word that is none of the known ones.
fn first_unknown<'w>(word: &'w str, known: &[&str]) -> Option<&'w str> {
    let parts = word.split('\\').skip(1);
    let mut unknown =
        parts.filter(|part| !part.starts_with('@') && longest_prefix(part, known.iter().copied()).is_none());
    unknown.next()
}

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
            let info = directive(self.sources.slice(self.moved(statement.head)));
            info.map(|info| info.kind)
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
        if let Some(argument) = text.strip_prefix('\\').and_then(|name| self.argument(name)) {
            if argument.kind == ExprKind::Name {
                return Some(argument.span);
            }
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
