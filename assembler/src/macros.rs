//! Macros: what a definition says, and which arguments a use gives to its parameters.

use crate::codes;
use crate::context::{bad_argument, help_choose};
use crate::directives::{BlockKind, DirectiveInfo, DirectiveKind, directive};
use crate::problems::Problems;
use crate::registers;
use crate::source::Span;
use crate::sources::Sources;
use crate::suggest::Suggester;
use crate::syntax::{Argument, Expr, ExprKind, Line, Statement};
use systole_isa::Diagnostic;
use systole_isa::instruction::opcode_by_mnemonic;

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
        if !is_free(name, sources, problems) {
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
                _ => help_choose(suggester, &name, &known),
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
        let mut binding = Binding {
            definition: self,
            sources,
            suggester,
            bound: vec![None; self.parameters.len()],
            found: Vec::new(),
        };
        binding.arguments(&statement.arguments);
        if binding.found.is_empty() {
            binding.check_missing(statement);
        }
        if let Some(token) = statement.tokens.first() {
            let message = "the use of a macro neither waits nor posts";
            let diagnostic = Diagnostic::error(codes::BAD_ARGUMENT, message)
                .because("it may stand for any number of instructions")
                .help("give the token as an argument and write `?\\parameter` in the macro");
            binding.found.push((token.token, diagnostic));
        }
        let is_good = binding.found.is_empty();
        for (span, diagnostic) in binding.found {
            problems.push(span, diagnostic);
        }
        let values = self.parameters.iter().zip(binding.bound);
        let values = values.map(|(parameter, value)| {
            let value = value.or(parameter.default.as_ref())?;
            Some((parameter.name.as_str(), value.clone()))
        });
        let values: Option<Vec<_>> = values.collect();
        values.filter(|_| is_good)
    }
}

/// Gives the arguments of one use to the parameters.
struct Binding<'b> {
    definition: &'b MacroDefinition,
    sources: &'b Sources<'b>,
    suggester: &'b Suggester,
    /// The argument of each parameter.
    bound: Vec<Option<&'b Expr>>,
    found: Vec<(Span, Diagnostic)>,
}

impl<'b> Binding<'b> {
    fn name(&self) -> &'b str {
        self.sources.slice(self.definition.name)
    }

    fn form(&self) -> String {
        format!("the form is `{}`", self.definition.form(self.sources))
    }

    fn report(&mut self, span: Span, code: &'static str, message: String, reason: &str) {
        let mut diagnostic = Diagnostic::error(code, message).help(self.form());
        if !reason.is_empty() {
            diagnostic = diagnostic.because(reason);
        }
        self.found.push((span, diagnostic));
    }

    fn arguments(&mut self, arguments: &'b [Argument]) {
        let mut is_by_name = false;
        for (i, argument) in arguments.iter().enumerate() {
            is_by_name |= argument.name.is_some();
            let place = match argument.name {
                Some(name) => self.place_by_name(name),
                None if is_by_name => {
                    let message = "this argument is given by position after one by name".to_owned();
                    let reason = "after an argument by name, positions say nothing any more";
                    self.report(argument.span(), codes::POSITION_AFTER_NAME, message, reason);
                    None
                }
                None if i < self.bound.len() => Some(i),
                None => {
                    let message = format!("macro `{}` takes {} arguments", self.name(), self.bound.len());
                    let reason = format!("{} are given", arguments.len());
                    self.report(argument.span(), codes::TOO_MANY_OPERANDS, message, &reason);
                    return;
                }
            };
            let Some(place) = place else { continue };
            if self.bound[place].is_some() {
                let message = format!("argument `{}` is given twice", self.definition.parameters[place].name);
                self.report(argument.span(), codes::DUPLICATE_OPERAND, message, "");
            }
            self.bound[place] = Some(&argument.value);
        }
    }

    fn place_by_name(&mut self, name: Span) -> Option<usize> {
        let text = self.sources.slice(name);
        let known: Vec<&str> = self.definition.parameters.iter().map(|p| p.name.as_str()).collect();
        let place = known.iter().position(|parameter| *parameter == text);
        if place.is_none() {
            let message = format!("macro `{}` has no parameter `{text}`", self.name());
            let help = match known[..] {
                [] => "it has no parameters".to_owned(),
                _ => help_choose(self.suggester, text, &known),
            };
            let diagnostic = Diagnostic::error(codes::UNKNOWN_OPERAND, message).because(self.form());
            self.found.push((name, diagnostic.help(help)));
        }
        place
    }

    fn check_missing(&mut self, statement: &Statement) {
        let missing = self.definition.parameters.iter().zip(&self.bound);
        let missing: Vec<String> = missing
            .filter(|(parameter, value)| value.is_none() && parameter.default.is_none())
            .map(|(parameter, _)| format!("`{}`", parameter.name))
            .collect();
        if !missing.is_empty() {
            let message = format!("macro `{}` lacks {}", self.name(), missing.join(", "));
            let reason = "only a parameter with a default may be left out";
            self.report(statement.head, codes::MISSING_OPERAND, message, reason);
        }
    }
}

/// Whether a macro may have this name; reported if not.
fn is_free(name: Span, sources: &Sources, problems: &mut Problems) -> bool {
    let text = sources.slice(name);
    let reason = if opcode_by_mnemonic(text).is_some() {
        "it is the name of an instruction"
    } else if text.starts_with('.') {
        "a word that starts with a point is a directive"
    } else if registers::kind_of(text).is_some() {
        "a letter and a number name a register, a descriptor or a token"
    } else {
        return true;
    };
    let diagnostic = Diagnostic::error(codes::RESERVED_NAME, format!("`{text}` cannot be a macro"))
        .because(reason)
        .help("choose another name");
    problems.push(name, diagnostic);
    false
}

/// The word that an argument by position consists of.
pub(crate) fn plain_word(argument: &Argument) -> Option<Span> {
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

pub(crate) fn n_parts_of(expr: &Expr) -> usize {
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
pub(crate) fn longest_prefix<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
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
