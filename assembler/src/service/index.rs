//! Where names are defined and used.

use super::slots::{Slot, slot};
use super::touches;
use crate::assemble::values;
use crate::directives::{DirectiveInfo, DirectiveKind, directive};
use crate::registers;
use crate::source::{Source, Span};
use crate::syntax::{Expr, ExprKind, Line, Statement, Tree};
use std::collections::BTreeMap;
use systole_isa::instruction::opcode_by_mnemonic;
use systole_isa::operand::OperandKind;

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum NameKind {
    /// A label in front of an instruction; its value is the instruction's index.
    Label,
    /// A label in front of data; its value is a DRAM address.
    Data,
    /// What a directive defines.
    Declared(&'static DirectiveInfo),
}

impl NameKind {
    /// What it is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Data => "address of data",
            Self::Declared(info) if info.kind == DirectiveKind::Equ => "constant",
            Self::Declared(info) => info.name.trim_start_matches('.'),
        }
    }
}

/// The place at which a name is defined.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name.
    pub name: String,
    /// Its place, without quotes.
    pub span: Span,
    /// What it stands for.
    pub kind: NameKind,
    /// Its value, if it has one.
    pub value: Option<i128>,
    scope: usize,
}

/// All names of a text.
#[derive(Debug, Default)]
pub(super) struct Index {
    definitions: Vec<Definition>,
    /// Places of names with the index of their definition, in the order of the text.
    uses: Vec<(Span, usize)>,
    /// The scope that holds each scope; the first one holds itself.
    parents: Vec<usize>,
}

/// Directives around lines some of whose names are known only there: how they begin and end, and whether all names are
/// meant or only those that start with a point.
const SCOPES: [(&str, &str, bool); 2] = [(".macro", ".endm", true), (".scope", ".endscope", false)];

struct Scope {
    parent: usize,
    end: &'static str,
    holds_all: bool,
}

impl Index {
    pub(super) fn new(source: &Source, tree: &Tree) -> Self {
        let mut walk = Walk {
            source,
            scopes: vec![Scope {
                parent: 0,
                end: "",
                holds_all: true,
            }],
            scope: 0,
            is_in_segment: false,
            definitions: Vec::new(),
            mentions: Vec::new(),
        };
        for line in &tree.lines {
            walk.line(line);
        }
        walk.finish(&values(source))
    }

    /// Every definition, in the order of the text.
    pub(super) fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The name that a cursor touches, with its definition.
    pub(super) fn at(&self, offset: u32) -> Option<(Span, &Definition)> {
        let next = self.uses.partition_point(|(span, _)| span.start <= offset);
        let (span, definition) = self.uses.get(next.checked_sub(1)?)?;
        touches(*span, offset).then_some((*span, self.definitions.get(*definition)?))
    }

    /// Everywhere that a definition's name stands, itself included.
    pub(super) fn uses(&self, definition: &Definition) -> impl Iterator<Item = Span> {
        let is_meant = |idx: usize| self.definitions.get(idx).is_some_and(|d| d.span == definition.span);
        self.uses
            .iter()
            .filter(move |(_, idx)| is_meant(*idx))
            .map(|(span, _)| *span)
    }

    /// Another definition of a name whose scope holds that of a definition or lies within it, so that one would hide the other.
    pub(super) fn other_of_name(&self, definition: &Definition, name: &str) -> Option<&Definition> {
        self.definitions.iter().find(|other| {
            let is_near =
                self.is_within(other.scope, definition.scope) || self.is_within(definition.scope, other.scope);
            other.name == name && other.span != definition.span && is_near
        })
    }

    fn is_within(&self, mut scope: usize, outer: usize) -> bool {
        // A scope is younger than the one that holds it.
        while scope > outer {
            scope = self.parents.get(scope).copied().unwrap_or(0);
        }
        scope == outer
    }
}

struct Walk<'s, 't> {
    source: &'t Source<'s>,
    scopes: Vec<Scope>,
    scope: usize,
    is_in_segment: bool,
    definitions: Vec<Definition>,
    /// Names that may be uses, with their scope.
    mentions: Vec<(Span, usize)>,
}

impl Walk<'_, '_> {
    fn line(&mut self, line: &Line) {
        for &label in &line.labels {
            let kind = if self.is_in_segment {
                NameKind::Data
            } else {
                NameKind::Label
            };
            let name = self.source.slice(label).to_owned();
            self.define(name, label, kind);
        }
        let Some(statement) = &line.statement else { return };
        let head = self.source.slice(statement.head).to_owned();
        if !head.starts_with('.') && opcode_by_mnemonic(&head).is_none() {
            self.mentions.push((statement.head, self.scope));
        }
        let info = directive(&head);
        match info.map(|info| info.kind) {
            Some(DirectiveKind::Segment) => self.is_in_segment = true,
            Some(DirectiveKind::Code) => self.is_in_segment = false,
            _ => {}
        }
        if self.scope > 0 && self.scopes[self.scope].end == head {
            self.scope = self.scopes[self.scope].parent;
        }
        self.arguments(&head, info, statement);
        if let Some((_, end, holds_all)) = SCOPES.into_iter().find(|(start, ..)| *start == head) {
            self.scopes.push(Scope {
                parent: self.scope,
                end,
                holds_all,
            });
            self.scope = self.scopes.len() - 1;
        }
    }

    fn arguments(&mut self, head: &str, info: Option<&'static DirectiveInfo>, statement: &Statement) {
        for (i, argument) in statement.arguments.iter().enumerate() {
            let name = argument.name.map(|name| self.source.slice(name).to_owned());
            match slot(head, i, name.as_deref()) {
                Slot::Definition => {
                    if let (Some(info), Some((name, span))) = (info, self.defined(&argument.value)) {
                        self.define(name, span, NameKind::Declared(info));
                    }
                }
                Slot::Operand(_, operand) if matches!(operand.kind, OperandKind::Choice(_)) => {}
                Slot::Words(_) | Slot::Other => {}
                Slot::Operand(..) | Slot::Label | Slot::Expression => self.expression(&argument.value),
            }
        }
    }

    /// The name that an expression in the place of a definition gives.
    fn defined(&self, expr: &Expr) -> Option<(String, Span)> {
        match &expr.kind {
            ExprKind::Name => Some((self.source.slice(expr.span).to_owned(), expr.span)),
            ExprKind::Text(text) if expr.span.end >= expr.span.start + 2 => {
                let inner = Span {
                    start: expr.span.start + 1,
                    end: expr.span.end - 1,
                };
                Some((text.clone(), inner))
            }
            _ => None,
        }
    }

    fn define(&mut self, name: String, span: Span, kind: NameKind) {
        if registers::kind_of(&name).is_some() {
            return;
        }
        let mut scope = self.scope;
        if !name.starts_with('.') {
            while !self.scopes[scope].holds_all {
                scope = self.scopes[scope].parent;
            }
        }
        self.definitions.push(Definition {
            name,
            span,
            kind,
            value: None,
            scope,
        });
    }

    fn expression(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name => self.mentions.push((expr.span, self.scope)),
            ExprKind::At(inner) | ExprKind::Negate(inner) => self.expression(inner),
            ExprKind::List(parts) => parts.iter().for_each(|part| self.expression(part)),
            ExprKind::Range(pair) | ExprKind::Binary(_, pair) => {
                self.expression(&pair.0);
                self.expression(&pair.1);
            }
            _ => {}
        }
    }

    /// Finds the definition of each mention.
    fn finish(mut self, values: &BTreeMap<u32, i128>) -> Index {
        let mut known: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for (idx, definition) in self.definitions.iter().enumerate() {
            // Of several definitions the first one counts, as for the assembler.
            known.entry((definition.scope, &definition.name)).or_insert(idx);
        }
        let mut uses: Vec<(Span, usize)> = Vec::new();
        for (span, scope) in &self.mentions {
            let name = self.source.slice(*span);
            let mut scope = *scope;
            let found = loop {
                match known.get(&(scope, name)) {
                    None if scope > 0 => scope = self.scopes[scope].parent,
                    found => break found,
                }
            };
            uses.extend(found.map(|idx| (*span, *idx)));
        }
        // A label may repeat a symbol: both are one name.
        let first = |definition: &Definition| known.get(&(definition.scope, definition.name.as_str())).copied();
        uses.extend(
            self.definitions
                .iter()
                .filter_map(|definition| Some((definition.span, first(definition)?))),
        );
        uses.sort_unstable();
        for definition in &mut self.definitions {
            // The value of a name in quotes is found at the quote.
            let start = definition.span.start;
            let value = values.get(&start).or_else(|| values.get(&start.checked_sub(1)?));
            definition.value = value.copied();
        }
        Index {
            definitions: self.definitions,
            uses,
            parents: self.scopes.iter().map(|scope| scope.parent).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Document;

    #[test]
    fn names_of_a_macro_are_its_own() {
        let text = ".equ N, 1\n.macro copy\nx: jmp x\n li r1, N\n.endm\nx: jmp x\n copy\n";
        let document = Document::new(text.to_owned(), "t");
        let n_uses = |what: &str| document.references(text.find(what).unwrap() as u32, true).len();
        assert_eq!((n_uses("x: jmp x\n li"), n_uses("x: jmp x\n copy")), (2, 2));
        assert_eq!(n_uses("N,"), 2);
        let of_macro = text.find("x: jmp x\n li").unwrap() as u32;
        assert!(document.rename(of_macro, "N").is_err());
        assert!(document.rename(of_macro, "y").is_ok());
    }
}
