//! The parts of a text as a tree, for an overview of it.

use super::Document;
use super::hover::number;
use super::index::NameKind;
use crate::directives::{DirectiveKind, directive};
use crate::source::Span;
use crate::syntax::{ExprKind, Statement};

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolRole {
    /// A label of an instruction.
    Label,
    /// A label of data.
    Data,
    /// A constant or a declared address.
    Constant,
    /// A segment.
    Segment,
    /// An input or output of the program.
    Tensor,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// A few words on it.
    pub detail: String,
    /// What it is.
    pub role: SymbolRole,
    /// All of it.
    pub span: Span,
    /// Where its name stands.
    pub name_span: Span,
    /// Its own parts.
    pub children: Vec<Symbol>,
}

impl Document {
    /// Labels, constants, segments with their labels, and tensors, in the order of the text.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut parts = self.directive_symbols();
        parts.extend(self.index.definitions().iter().map(|definition| {
            let line = self.line_span(self.line_idx(definition.span.start));
            let value = definition
                .value
                .map_or(String::new(), |value| format!(" = {}", number(value)));
            Symbol {
                name: definition.name.clone(),
                detail: format!("{}{value}", definition.kind.noun()),
                role: match definition.kind {
                    NameKind::Label => SymbolRole::Label,
                    NameKind::Data => SymbolRole::Data,
                    NameKind::Declared(_) => SymbolRole::Constant,
                },
                span: line,
                name_span: definition.span,
                children: Vec::new(),
            }
        }));
        parts.sort_by_key(|part| part.name_span);
        nest(parts)
    }

    /// Segments and tensors, which are called by texts in quotes. A segment reaches up to the next one or back to code.
    fn directive_symbols(&self) -> Vec<Symbol> {
        let mut found: Vec<Symbol> = Vec::new();
        let mut open: Option<usize> = None;
        let end_of_text = self.text.len() as u32;
        for line in &self.tree.lines {
            let Some(statement) = &line.statement else { continue };
            let kind = directive(self.slice(statement.head)).map(|info| info.kind);
            if let (Some(DirectiveKind::Segment | DirectiveKind::Code), Some(open)) =
                (kind, open.take_if(|_| ends(kind)))
            {
                found[open].span.end = statement.head.start;
            }
            let role = match kind {
                Some(DirectiveKind::Segment) => SymbolRole::Segment,
                Some(DirectiveKind::Input | DirectiveKind::Output) => SymbolRole::Tensor,
                _ => continue,
            };
            let Some(mut symbol) = self.named_by_text(statement, role) else {
                continue;
            };
            if role == SymbolRole::Segment {
                symbol.span.end = end_of_text;
                open = Some(found.len());
            }
            found.push(symbol);
        }
        found
    }

    fn named_by_text(&self, statement: &Statement, role: SymbolRole) -> Option<Symbol> {
        let name = &statement.arguments.first()?.value;
        let ExprKind::Text(text) = &name.kind else { return None };
        let last = statement.arguments.last()?;
        Some(Symbol {
            // An empty name cannot be shown.
            name: if text.is_empty() {
                "\"\"".to_owned()
            } else {
                text.clone()
            },
            detail: self.slice(statement.head).trim_start_matches('.').to_owned(),
            role,
            span: statement.head.to(last.span()),
            name_span: name.span,
            children: Vec::new(),
        })
    }
}

fn ends(kind: Option<DirectiveKind>) -> bool {
    matches!(kind, Some(DirectiveKind::Segment | DirectiveKind::Code))
}

/// Moves parts into the segment that they lie in.
fn nest(parts: Vec<Symbol>) -> Vec<Symbol> {
    let mut nested: Vec<Symbol> = Vec::new();
    for part in parts {
        match nested.last_mut() {
            Some(last)
                if last.role == SymbolRole::Segment
                    && part.span.end <= last.span.end
                    && part.span.start >= last.span.start =>
            {
                last.children.push(part);
            }
            _ => nested.push(part),
        }
    }
    nested
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_data_lie_in_their_segment() {
        let text = ".input \"image\", shape=[1], host=f32, format=i8, address=x\n.equ N, 3\nstart: halt\n.segment \"x\", N << 4\nx: .i8 1\ny: .i8 2\n.segment \"\", 0x80\n.code\nend:\n";
        let document = Document::new(text.to_owned(), "t");
        let symbols = document.symbols();
        let names: Vec<(&str, &str, usize)> = symbols
            .iter()
            .map(|s| (s.name.as_str(), s.detail.as_str(), s.children.len()))
            .collect();
        assert_eq!(
            names,
            [
                ("image", "input", 0),
                ("N", "constant = 3", 0),
                ("start", "label = 0", 0),
                ("x", "segment", 2),
                ("\"\"", "segment", 0),
                ("end", "label = 1", 0),
            ]
        );
        assert_eq!(symbols[3].children[1].detail, "address of data = 49 (0x31)");
        for symbol in symbols.iter().flat_map(|s| s.children.iter().chain([s])) {
            assert!(symbol.span.start <= symbol.name_span.start && symbol.name_span.end <= symbol.span.end);
        }
    }
}
