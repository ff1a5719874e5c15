//! What names mean, and the values of expressions.

use crate::codes;
use crate::problems::Problems;
use crate::registers;
use crate::scope::{ScopeId, Scopes};
use crate::shape::{self, Attribute, TensorPlan};
use crate::source::Span;
use crate::sources::Sources;
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
    /// A tensor, by its place in [`Names::tensors`]; its address may come with the layout.
    Tensor(usize),
    /// Live blocks of data; the bits come with the layout.
    Mask,
}

/// How much is known of a name's value.
#[derive(Clone, Copy)]
pub(crate) enum State {
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
    /// Where the names in its expression are looked for.
    scope: ScopeId,
    state: Cell<State>,
}

/// What a use of a name means.
enum Found<'n, 'a> {
    Definition(&'n Definition<'a>),
    /// What is known of the tensor with this index.
    Attribute(usize, Attribute),
}

/// All names of a source.
pub(crate) struct Names<'a> {
    source: &'a Sources<'a>,
    /// Constants, symbols and labels.
    globals: BTreeMap<Cow<'a, str>, Definition<'a>>,
    /// Labels and constants that start with a point.
    locals: BTreeMap<(ScopeId, &'a str), Definition<'a>>,
    pub(crate) scopes: Scopes<'a>,
    pub(crate) tensors: Vec<TensorPlan<'a>>,
    /// Where the names of the expression at hand are looked for.
    scope: Cell<ScopeId>,
    pub(crate) suggester: Suggester,
}

impl<'a> Names<'a> {
    pub(crate) fn new(source: &'a Sources<'a>) -> Self {
        Self {
            source,
            globals: BTreeMap::new(),
            locals: BTreeMap::new(),
            scopes: Scopes::new(),
            tensors: Vec::new(),
            scope: Cell::new(ScopeId::default()),
            suggester: Suggester::new(),
        }
    }

    /// Says where the names of the following expressions are looked for.
    pub(crate) fn enter(&self, scope: ScopeId) {
        self.scope.set(scope);
    }

    /// The scope in which a local name belongs.
    fn home(&self, span: Span) -> ScopeId {
        self.scopes.home(self.scope.get(), self.source.frame(span))
    }

    /// Defines a name, one that starts with a point in the current scope; if it is defined already, the other definition.
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
        let definition = Definition {
            span,
            meaning,
            scope: self.scope.get(),
            state: Cell::new(state),
        };
        match self.globals.entry(name) {
            Entry::Occupied(other) => Err(other.into_mut()),
            Entry::Vacant(vacant) => {
                vacant.insert(definition);
                Ok(())
            }
        }
    }

    /// Defines a local name; if it is defined already in its scope, the place of the other definition.
    pub(crate) fn define_local(&mut self, name: &'a str, span: Span, meaning: Meaning<'a>) -> Result<(), Span> {
        let state = match meaning {
            Meaning::Label(pc) => State::Known(i128::from(pc)),
            _ => State::Unknown,
        };
        match self.locals.entry((self.home(span), name)) {
            Entry::Occupied(other) => Err(other.get().span),
            Entry::Vacant(vacant) => {
                vacant.insert(Definition {
                    span,
                    meaning,
                    scope: self.scope.get(),
                    state: Cell::new(state),
                });
                Ok(())
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Definition<'a>> {
        self.globals.get(name)
    }

    /// The definition that a word means where it is written.
    pub(crate) fn definition(&self, span: Span) -> Option<&Definition<'a>> {
        match self.find(span)? {
            Found::Definition(definition) => Some(definition),
            Found::Attribute(..) => None,
        }
    }

    fn local(&self, from: ScopeId, name: &'a str) -> Option<&Definition<'a>> {
        let mut scopes = self.scopes.seen_from(from);
        scopes.find_map(|scope| self.locals.get(&(scope, name)))
    }

    fn find(&self, span: Span) -> Option<Found<'_, 'a>> {
        let name = self.source.slice(span);
        if name.starts_with('.') {
            return self.local(self.home(span), name).map(Found::Definition);
        }
        if let Some(definition) = self.globals.get(name) {
            return Some(Found::Definition(definition));
        }
        let (points, _): (Vec<usize>, Vec<&str>) = name.match_indices('.').unzip();
        points.iter().rev().find_map(|&point| {
            let (base, rest) = name.split_at(point);
            if let Some(Meaning::Tensor(tensor)) = self.globals.get(base).map(|definition| definition.meaning) {
                let n_axes = self.tensors.get(tensor)?.n_axes();
                return Attribute::from_name(&rest[1..], n_axes).map(|attribute| Found::Attribute(tensor, attribute));
            }
            let scope = self.scopes.of_label(base)?;
            self.locals.get(&(scope, rest)).map(Found::Definition)
        })
    }

    /// Sets the address of a label or tensor within a segment.
    pub(crate) fn set_address(&self, name: &str, address: Option<u64>) {
        if let Some(definition) = self.globals.get(name) {
            let known = address.map_or(State::Failed, |address| State::Known(i128::from(address)));
            definition.state.set(known);
        }
    }

    /// Sets the value of a name that is defined at a place.
    pub(crate) fn set_value(&self, name: Span, value: Option<i128>) {
        if let Some(definition) = self.definition(name).filter(|definition| definition.span == name) {
            definition.state.set(value.map_or(State::Failed, State::Known));
        }
    }

    /// The value of a defined name; `None` if it has none, which is reported once.
    pub(crate) fn value(&self, name: &str, problems: &mut Problems) -> Option<i128> {
        let definition = self.globals.get(name)?;
        self.value_of(definition, definition.span, problems, 0)
    }

    /// The value of the name that is defined at a place, as [`Self::value`].
    pub(crate) fn value_at(&self, name: Span, problems: &mut Problems) -> Option<i128> {
        let definition = self.definition(name)?;
        self.value_of(definition, name, problems, 0)
    }

    /// Elements along each axis of a tensor; `None` is reported.
    pub(crate) fn shape(&self, tensor: usize, problems: &mut Problems) -> Option<Vec<u64>> {
        // What can be counted can be multiplied.
        self.attribute(tensor, Attribute::Elements, Span::default(), problems, 0)?;
        let n_axes = self.tensors.get(tensor)?.n_axes();
        let lengths: Vec<Option<i128>> = (0..n_axes)
            .map(|axis| self.length(tensor, axis, Span::default(), problems, 0))
            .collect();
        lengths.into_iter().map(|length| u64::try_from(length?).ok()).collect()
    }

    /// Bytes of a tensor; `None` is reported.
    pub(crate) fn tensor_bytes(&self, tensor: usize, problems: &mut Problems) -> Option<u64> {
        let n_bytes = self.attribute(tensor, Attribute::Bytes, Span::default(), problems, 0)?;
        u64::try_from(n_bytes).ok()
    }

    /// Elements along one axis.
    fn length(&self, tensor: usize, axis: usize, span: Span, problems: &mut Problems, depth: u32) -> Option<i128> {
        let plan = self.tensors.get(tensor)?;
        let (expr, state) = plan.axes.get(axis)?;
        let value = self.lazily(expr, plan.scope, state, span, problems, depth)?;
        if (1..=shape::MAX_LENGTH).contains(&value) {
            return Some(value);
        }
        state.set(State::Failed);
        let message = format!("the length of an axis is {value}, outside 1..={}", shape::MAX_LENGTH);
        problems.push(expr.span, Diagnostic::error(codes::OUT_OF_RANGE, message));
        None
    }

    fn attribute(
        &self,
        tensor: usize,
        attribute: Attribute,
        span: Span,
        problems: &mut Problems,
        depth: u32,
    ) -> Option<i128> {
        let plan = self.tensors.get(tensor)?;
        if let Attribute::Length(axis) = attribute {
            return self.length(tensor, axis, span, problems, depth);
        }
        let mut n_elements: i128 = 1;
        for axis in 0..plan.n_axes() {
            let length = self.length(tensor, axis, span, problems, depth)?;
            n_elements = n_elements.saturating_mul(length).min(shape::MAX_ELEMENTS + 1);
        }
        if n_elements > shape::MAX_ELEMENTS {
            let message = format!("`{}` has too many elements", self.source.slice(plan.name));
            let diagnostic = Diagnostic::error(codes::BAD_TENSOR, message)
                .because(format!("a tensor has at most {} elements", shape::MAX_ELEMENTS));
            problems.push(plan.name, diagnostic);
            return None;
        }
        match attribute {
            Attribute::Bytes => Some(i128::from(plan.format.bytes_from_elements(n_elements as u64))),
            _ => Some(n_elements),
        }
    }

    /// The values of all names that have one, by the offset at which each is defined.
    pub(crate) fn values(&self, problems: &mut Problems) -> BTreeMap<u32, i128> {
        let mut values = BTreeMap::new();
        for definition in self.globals.values().chain(self.locals.values()) {
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
        match self.find(span) {
            Some(Found::Definition(definition)) => self.value_of(definition, span, problems, depth),
            Some(Found::Attribute(tensor, attribute)) => self.attribute(tensor, attribute, span, problems, depth),
            None => {
                self.report_unknown(self.source.slice(span), span, problems);
                None
            }
        }
    }

    #[inline(never)]
    fn report_unknown(&self, name: &str, span: Span, problems: &mut Problems) {
        let diagnostic = match registers::kind_of(name) {
            Some(kind) => Diagnostic::error(codes::WRONG_KIND, format!("`{name}` is a {kind}, not a constant"))
                .because("constants and addresses are known when the program is assembled"),
            None => self.unknown(name, span),
        };
        problems.push(span, diagnostic);
    }

    fn unknown(&self, name: &str, span: Span) -> Diagnostic {
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, format!("`{name}` is not defined"));
        if name.contains('\\') {
            return diagnostic
                .because("a backslash and a name stand for the parameter of a macro or the counter of a repetition")
                .help("there is none of this name around this line");
        }
        if let Some((base, rest)) = name.rsplit_once('.')
            && let Some(Meaning::Tensor(tensor)) = self.globals.get(base).map(|definition| definition.meaning)
        {
            let n_axes = self.tensors.get(tensor).map_or(0, TensorPlan::n_axes);
            return diagnostic
                .because(format!("nothing called `{rest}` is known of tensor `{base}`"))
                .help(format!("known are {}", Attribute::names(base, n_axes).join(", ")));
        }
        let near = if name.starts_with('.') {
            let scopes: Vec<ScopeId> = self.scopes.seen_from(self.home(span)).collect();
            let of_scope = |scope: ScopeId| {
                self.locals
                    .range((scope, "")..)
                    .take_while(move |((s, _), _)| *s == scope)
            };
            let seen = scopes.into_iter().flat_map(of_scope);
            self.suggester.nearest(name, seen.map(|((_, name), _)| *name))
        } else {
            self.suggester.nearest(name, self.globals.keys().map(Cow::as_ref))
        };
        match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if name.starts_with('.') => diagnostic
                .because(
                    "a name with a point belongs to the last label without one, or to the macro or block around it",
                )
                .help(format!("from elsewhere it is called `LABEL{name}`")),
            None => diagnostic.help(format!(
                "define it as a label, `{name}:`, or a constant, `.equ {name}, VALUE`"
            )),
        }
    }

    fn value_of(&self, definition: &Definition<'a>, span: Span, problems: &mut Problems, depth: u32) -> Option<i128> {
        let expr = match definition.meaning {
            Meaning::Constant(expr) | Meaning::Symbol(_, expr) => Some(expr),
            Meaning::Tensor(tensor) => self.tensors.get(tensor).and_then(|plan| plan.address),
            Meaning::Label(_) | Meaning::Data | Meaning::Mask => None,
        };
        if let Some(expr) = expr {
            return self.lazily(expr, definition.scope, &definition.state, span, problems, depth);
        }
        match definition.state.get() {
            State::Known(value) => Some(value),
            State::Failed => None,
            State::Active | State::Unknown => self.fail(span, problems, not_yet_known),
        }
    }

    /// The value of an expression that is computed when it is needed first.
    fn lazily(
        &self,
        expr: &Expr,
        scope: ScopeId,
        state: &Cell<State>,
        span: Span,
        problems: &mut Problems,
        depth: u32,
    ) -> Option<i128> {
        match state.get() {
            State::Known(value) => Some(value),
            State::Failed => None,
            State::Active => self.fail(span, problems, cycle),
            State::Unknown => {
                state.set(State::Active);
                let scope_of_use = self.scope.replace(scope);
                let value = self.evaluate_at(expr, problems, depth + 1);
                self.scope.set(scope_of_use);
                state.set(value.map_or(State::Failed, State::Known));
                value
            }
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
                // A symbol in quotes may look like a local label, but cannot be meant by one.
                match self.find(expr.span) {
                    Some(Found::Attribute(..)) => Some(0),
                    Some(Found::Definition(definition)) => match definition.meaning {
                        Meaning::Constant(_) | Meaning::Mask => Some(0),
                        Meaning::Label(_) | Meaning::Symbol(SymbolKind::Label, _) => Some(1),
                        Meaning::Data
                        | Meaning::Tensor(_)
                        | Meaning::Symbol(SymbolKind::Dram | SymbolKind::Spm | SymbolKind::Acc, _) => {
                            let name = self.source.slice(expr.span);
                            let message = format!("`{name}` is the address of data, not a label");
                            let diagnostic = Diagnostic::error(codes::NO_LABEL, message)
                                .because("a jump goes to an instruction, which is named by a label");
                            problems.push(expr.span, diagnostic);
                            None
                        }
                    },
                    // What is not defined is reported when it is evaluated.
                    None => Some(1),
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

pub(crate) fn apply(op: BinaryOp, left: i128, right: i128) -> Option<i128> {
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
        let sources = Sources::new(&line, "t").unwrap();
        let mut problems = Problems::default();
        let tree = parse(sources.source_at(0).unwrap(), &mut problems);
        let names = Names::new(&sources);
        let expr = &tree.lines[0].statement.as_ref().unwrap().arguments[0].value;
        let value = names.evaluate(expr, &mut problems);
        let codes: Vec<_> = problems.into_diagnostics(&sources).iter().map(|d| d.code).collect();
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
