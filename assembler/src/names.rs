//! What names mean, and the values of expressions.

use crate::codes;
use crate::registers;
use crate::source::{Problems, Source, Span};
use crate::suggest::Suggester;
use crate::syntax::{BinaryOp, Expr, ExprKind};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use systole_isa::Diagnostic;
use systole_isa::program::SymbolKind;

/// Expressions and definitions nested into each other while one value is sought; bounds the recursion.
const MAX_DEPTH: u32 = 320;

/// What a name stands for.
#[derive(Clone, Copy)]
pub(crate) enum Meaning<'a> {
    /// A constant.
    Constant(&'a Expr),
    /// A symbol that is declared with its value.
    Symbol(SymbolKind, &'a Expr),
    /// A label in front of an instruction.
    Label(u32),
    /// A label within a segment; its address comes with the layout.
    Data,
}

/// How much is known of a name's value.
#[derive(Clone, Copy)]
enum State {
    /// Not asked for yet.
    Unknown,
    /// Being computed; meeting it again means that it depends on itself.
    Active,
    /// Known.
    Known(i128),
    /// It has none, which was reported.
    Failed,
}

/// A name's meaning and place.
pub(crate) struct Definition<'a> {
    pub(crate) span: Span,
    pub(crate) meaning: Meaning<'a>,
    state: Cell<State>,
}

/// All names of a source.
pub(crate) struct Names<'a> {
    source: &'a Source<'a>,
    /// Constants, symbols and labels.
    globals: BTreeMap<Cow<'a, str>, Definition<'a>>,
    /// Labels that start with a point, and the index of their instruction.
    locals: BTreeMap<&'a str, (Span, u32)>,
    pub(crate) suggester: Suggester,
}

impl<'a> Names<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            globals: BTreeMap::new(),
            locals: BTreeMap::new(),
            suggester: Suggester::new(),
        }
    }

    /// Defines a name; if it is defined already, the other definition.
    pub(crate) fn define(
        &mut self,
        name: Cow<'a, str>,
        span: Span,
        meaning: Meaning<'a>,
    ) -> Result<(), &Definition<'a>> {
        let state = match meaning {
            Meaning::Label(pc) => State::Known(i128::from(pc)),
            _ => State::Unknown,
        };
        match self.globals.entry(name) {
            Entry::Occupied(other) => Err(other.into_mut()),
            Entry::Vacant(vacant) => {
                vacant.insert(Definition {
                    span,
                    meaning,
                    state: Cell::new(state),
                });
                Ok(())
            }
        }
    }

    /// Defines a local label; if it is defined already, the place of the other one.
    pub(crate) fn define_local(&mut self, name: &'a str, span: Span, pc: u32) -> Result<(), Span> {
        match self.locals.entry(name) {
            Entry::Occupied(other) => Err(other.get().0),
            Entry::Vacant(vacant) => {
                vacant.insert((span, pc));
                Ok(())
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Definition<'a>> {
        self.globals.get(name)
    }

    /// Sets the address of a label within a segment.
    pub(crate) fn set_address(&self, name: &str, address: Option<u64>) {
        if let Some(definition) = self.globals.get(name) {
            let known = address.map_or(State::Failed, |address| State::Known(i128::from(address)));
            definition.state.set(known);
        }
    }

    /// The value of a defined name; `None` if it has none, which is reported once.
    pub(crate) fn value(&self, name: &str, problems: &mut Problems) -> Option<i128> {
        let definition = self.globals.get(name)?;
        self.value_of(definition, definition.span, problems, 0)
    }

    /// The values of all names that have one, by the offset at which each is defined.
    pub(crate) fn values(&self, problems: &mut Problems) -> BTreeMap<u32, i128> {
        let locals = self.locals.values().map(|(span, pc)| (span.start, i128::from(*pc)));
        let mut values: BTreeMap<u32, i128> = locals.collect();
        for definition in self.globals.values() {
            if let Some(value) = self.value_of(definition, definition.span, problems, 0) {
                values.insert(definition.span.start, value);
            }
        }
        values
    }

    /// The value of an integer expression; `None` if it has none, which is reported.
    pub(crate) fn evaluate(&self, expr: &Expr, problems: &mut Problems) -> Option<i128> {
        self.evaluate_at(expr, problems, 0)
    }

    fn evaluate_at(&self, expr: &Expr, problems: &mut Problems, depth: u32) -> Option<i128> {
        if depth > MAX_DEPTH {
            return self.fail(expr.span, problems, too_deep);
        }
        match &expr.kind {
            ExprKind::Invalid => None,
            ExprKind::Int(value) => Some(*value),
            ExprKind::Name => self.name_value(expr.span, problems, depth),
            ExprKind::Negate(inner) => {
                let value = self.evaluate_at(inner, problems, depth + 1)?;
                self.computed(value.checked_neg(), expr.span, problems)
            }
            ExprKind::Binary(op, operands) => {
                // Both sides are evaluated, so that the mistakes of both are reported.
                let left = self.evaluate_at(&operands.0, problems, depth + 1);
                let right = self.evaluate_at(&operands.1, problems, depth + 1);
                let (left, right) = (left?, right?);
                if right == 0 && matches!(op, BinaryOp::Divide | BinaryOp::Remainder) {
                    return self.fail(operands.1.span, problems, division_by_zero);
                }
                self.computed(apply(*op, left, right), expr.span, problems)
            }
            ExprKind::Float
            | ExprKind::Text(_)
            | ExprKind::At(_)
            | ExprKind::Displaced(..)
            | ExprKind::List(_)
            | ExprKind::Range(_) => self.fail(expr.span, problems, no_integer),
        }
    }

    fn computed(&self, value: Option<i128>, span: Span, problems: &mut Problems) -> Option<i128> {
        match value {
            Some(value) => Some(value),
            None => self.fail(span, problems, no_value),
        }
    }

    /// Reports that the text of a range has no value. Apart from its callers, which recurse and should need little stack.
    #[inline(never)]
    fn fail(&self, span: Span, problems: &mut Problems, reason: fn(&str) -> Diagnostic) -> Option<i128> {
        problems.push(span, reason(self.source.slice(span)));
        None
    }

    fn name_value(&self, span: Span, problems: &mut Problems, depth: u32) -> Option<i128> {
        let name = self.source.slice(span);
        if name.starts_with('.') {
            if let Some((_, pc)) = self.locals.get(name) {
                return Some(i128::from(*pc));
            }
        } else if let Some(definition) = self.globals.get(name) {
            return self.value_of(definition, span, problems, depth);
        }
        self.report_unknown(name, span, problems);
        None
    }

    #[inline(never)]
    fn report_unknown(&self, name: &str, span: Span, problems: &mut Problems) {
        let diagnostic = match registers::kind_of(name) {
            Some(kind) => Diagnostic::error(codes::WRONG_KIND, format!("`{name}` is a {kind}, not a constant"))
                .because("constants and addresses are known when the program is assembled"),
            None => self.unknown(name),
        };
        problems.push(span, diagnostic);
    }

    fn unknown(&self, name: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, format!("`{name}` is not defined"));
        let known = self.globals.keys().map(Cow::as_ref).chain(self.locals.keys().copied());
        match self.suggester.nearest(name, known) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!(
                "define it as a label, `{name}:`, or a constant, `.equ {name}, VALUE`"
            )),
        }
    }

    fn value_of(&self, definition: &Definition<'a>, span: Span, problems: &mut Problems, depth: u32) -> Option<i128> {
        match definition.state.get() {
            State::Known(value) => Some(value),
            State::Failed => None,
            State::Active => self.fail(span, problems, cycle),
            State::Unknown => match definition.meaning {
                Meaning::Constant(expr) | Meaning::Symbol(_, expr) => {
                    definition.state.set(State::Active);
                    let value = self.evaluate_at(expr, problems, depth + 1);
                    definition.state.set(value.map_or(State::Failed, State::Known));
                    value
                }
                Meaning::Label(pc) => Some(i128::from(pc)),
                Meaning::Data => self.fail(span, problems, not_yet_known),
            },
        }
    }

    /// The index of the instruction that an expression names; `None` if it names none, which is reported.
    pub(crate) fn target(&self, expr: &Expr, problems: &mut Problems) -> Option<i128> {
        if let ExprKind::At(index) = &expr.kind {
            return self.evaluate(index, problems);
        }
        let is_known_wrong = match self.check_labels(expr, problems) {
            Some(n_labels) => n_labels == 0,
            None => return None,
        };
        let value = self.evaluate(expr, problems)?;
        if is_known_wrong {
            let text = self.source.slice(expr.span);
            let diagnostic = Diagnostic::error(codes::NO_LABEL, format!("`{text}` is a number, not a label"))
                .because("a jump goes to an instruction, which is named by a label")
                .help(format!(
                    "put a label there, or write `@{value}` for the instruction with this index"
                ));
            problems.push(expr.span, diagnostic);
            return None;
        }
        Some(value)
    }

    /// Number of labels in an expression; `None` if it holds an address, which is reported. Constants count as neither.
    fn check_labels(&self, expr: &Expr, problems: &mut Problems) -> Option<u32> {
        match &expr.kind {
            ExprKind::Name => {
                let name = self.source.slice(expr.span);
                // A symbol in quotes may look like a local label, but cannot be meant by one.
                let global = self.globals.get(name).filter(|_| !name.starts_with('.'));
                match global.map(|definition| definition.meaning) {
                    Some(Meaning::Constant(_)) => Some(0),
                    Some(Meaning::Data | Meaning::Symbol(SymbolKind::Dram | SymbolKind::Spm | SymbolKind::Acc, _)) => {
                        let message = format!("`{name}` is the address of data, not a label");
                        let diagnostic = Diagnostic::error(codes::NO_LABEL, message)
                            .because("a jump goes to an instruction, which is named by a label");
                        problems.push(expr.span, diagnostic);
                        None
                    }
                    // What is not defined is reported when it is evaluated.
                    Some(Meaning::Label(_) | Meaning::Symbol(SymbolKind::Label, _)) | None => Some(1),
                }
            }
            ExprKind::Negate(inner) => self.check_labels(inner, problems),
            ExprKind::Binary(_, operands) => {
                let left = self.check_labels(&operands.0, problems)?;
                Some(left + self.check_labels(&operands.1, problems)?)
            }
            _ => Some(0),
        }
    }
}

fn too_deep(_: &str) -> Diagnostic {
    Diagnostic::error(codes::TOO_DEEP, "this value is defined through too many others")
        .because(format!("at most {MAX_DEPTH} definitions and operators are followed"))
        .help("define constants before their first use")
}

fn division_by_zero(_: &str) -> Diagnostic {
    Diagnostic::error(codes::ARITHMETIC, "this divides by zero")
}

fn no_integer(text: &str) -> Diagnostic {
    Diagnostic::error(codes::WRONG_KIND, format!("`{text}` is no integer"))
        .because("an integer, a constant or an address is needed here")
}

fn no_value(text: &str) -> Diagnostic {
    Diagnostic::error(codes::ARITHMETIC, format!("`{text}` has no value"))
        .because("it exceeds 128 bits, or shifts by a negative amount or by more than 127")
}

fn cycle(text: &str) -> Diagnostic {
    Diagnostic::error(codes::CYCLE, format!("`{text}` is defined by itself"))
        .help("give one of the names in the circle a number")
}

fn not_yet_known(text: &str) -> Diagnostic {
    Diagnostic::error(
        codes::NOT_YET_KNOWN,
        format!("the address of `{text}` is not known yet"),
    )
    .because("it depends on the place or length that is being determined here")
}

fn apply(op: BinaryOp, left: i128, right: i128) -> Option<i128> {
    let amount = || u32::try_from(right).ok().filter(|amount| *amount < 128);
    match op {
        BinaryOp::Or => Some(left | right),
        BinaryOp::And => Some(left & right),
        BinaryOp::ShiftLeft => {
            let shifted = left << amount()?;
            (shifted >> amount()? == left).then_some(shifted)
        }
        BinaryOp::ShiftRight => Some(left >> amount()?),
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        BinaryOp::Multiply => left.checked_mul(right),
        BinaryOp::Divide => left.checked_div(right),
        BinaryOp::Remainder => left.checked_rem(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;

    /// The value of an expression, or the codes of what is wrong with it.
    fn value(text: &str) -> Result<i128, Vec<&'static str>> {
        let line = format!("x {text}");
        let source = Source::new(&line, "t").unwrap();
        let mut problems = Problems::new(&source);
        let tree = parse(&source, &mut problems);
        let names = Names::new(&source);
        let expr = &tree.lines[0].statement.as_ref().unwrap().arguments[0].value;
        let value = names.evaluate(expr, &mut problems);
        let codes: Vec<_> = problems.into_diagnostics().iter().map(|d| d.code).collect();
        value.filter(|_| codes.is_empty()).ok_or(codes)
    }

    #[test]
    fn expressions_have_the_usual_precedence() {
        for (text, expected) in [
            ("1 + 2 * 3", 7),
            ("(1 + 2) * 3", 9),
            ("10 - 4 - 3", 3),
            ("1 << 4 | 3 & 6", 18),
            ("-7 / 2", -3),
            ("-7 % 2", -1),
            ("--5", 5),
            ("1 << 2 + 1", 8),
            ("-(1 << 63)", i128::from(i64::MIN)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn expressions_without_a_value_say_why() {
        for (text, code) in [
            ("1 / 0", codes::ARITHMETIC),
            ("1 % (2 - 2)", codes::ARITHMETIC),
            ("1 << 127", codes::ARITHMETIC),
            ("1 >> 128", codes::ARITHMETIC),
            ("1 << -1", codes::ARITHMETIC),
            ("r1 + 2", codes::WRONG_KIND),
            ("nowhere", codes::UNKNOWN_NAME),
        ] {
            assert_eq!(value(text), Err(vec![code]), "{text}");
        }
    }
}
