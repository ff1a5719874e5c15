//! Answers to an editor's questions about a source text: what is wrong with it, what stands at a place, what could stand there.
//!
//! A [`Document`] is one state of a text. Its answers are typed values with byte offsets; how an editor shows them, and how it
//! counts columns, is not known here. Every question has an answer for every text and every offset, however broken or large. What is
//! said of instructions and directives comes from their tables.

mod colours;
mod complete;
mod help;
mod hover;
mod index;
mod rename;
mod slots;
mod symbols;

pub use colours::Colour;
pub use complete::{Completion, CompletionKind};
pub use help::{Help, HelpRow, directive_help, instruction_help};
pub use hover::Hover;
pub use index::{Definition, NameKind};
pub use rename::RenameError;
pub use symbols::{Symbol, SymbolRole};

use crate::lexer::{Token, lex};
use crate::source::{Source, Span};
use crate::syntax::{Line, Tree};
use crate::{Loader, NoFiles, assemble_with, format_source, parse};
use index::Index;
use systole_isa::Diagnostic;

/// One state of a source text, read and indexed.
#[derive(Debug)]
pub struct Document {
    text: String,
    file: String,
    tree: Tree,
    /// Offset of the first byte of each line.
    line_starts: Vec<u32>,
    index: Index,
    diagnostics: Vec<Diagnostic>,
}

impl Document {
    /// Reads a text that names no other files. `file` is its name in diagnostics.
    pub fn new(text: String, file: &str) -> Self {
        Self::with_files(text, file, &mut NoFiles)
    }

    /// Reads a text and, for what is wrong with it, the files that it names. `file` is its name in diagnostics and for the loader.
    pub fn with_files(text: String, file: &str, loader: &mut dyn Loader) -> Self {
        let diagnostics = assemble_with(&text, file, loader).err().unwrap_or_default();
        let (tree, index) = match Source::new(&text, file) {
            Some(source) => {
                let tree = parse(&source).0;
                let index = Index::new(&source, &tree);
                (tree, index)
            }
            None => (Tree::default(), Index::default()),
        };
        let ends = text
            .bytes()
            .zip(1_u32..)
            .filter(|(byte, _)| *byte == b'\n')
            .map(|(_, end)| end);
        let line_starts = std::iter::once(0).chain(ends).collect();
        Self {
            text,
            file: file.to_owned(),
            tree,
            line_starts,
            index,
            diagnostics,
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Everything that is wrong with the text, each with its range. What is wrong in another file, which the text includes, has
    /// the range of its first character.
    pub fn diagnostics(&self) -> impl Iterator<Item = (Span, &Diagnostic)> {
        self.diagnostics
            .iter()
            .map(|diagnostic| (self.span_of(diagnostic), diagnostic))
    }

    /// The tidy form of the text.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn formatted(&self) -> Result<String, Vec<Diagnostic>> {
        format_source(&self.text, &self.file)
    }

    /// The definition of the name at an offset.
    pub fn definition(&self, offset: u32) -> Option<&Definition> {
        self.index.at(offset).map(|(_, definition)| definition)
    }

    /// Everywhere that the name at an offset stands, in the order of the text; its definition among them if asked for.
    pub fn references(&self, offset: u32, with_definition: bool) -> Vec<Span> {
        let Some((_, definition)) = self.index.at(offset) else {
            return Vec::new();
        };
        let uses = self.index.uses(definition);
        uses.filter(|span| with_definition || *span != definition.span)
            .collect()
    }

    /// The text of a range; empty if the range is not one of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// The range of a diagnostic's place.
    fn span_of(&self, diagnostic: &Diagnostic) -> Span {
        let Some(place) = diagnostic.place.as_ref().filter(|place| place.file == self.file) else {
            let first = self.text.chars().next().map_or(0, |c| c.len_utf8() as u32);
            return Span { start: 0, end: first };
        };
        let line_idx = (place.line as usize).saturating_sub(1);
        let line = self.line_span(line_idx);
        let text = self.slice(line);
        let offset = |n_chars: u32| {
            let found = text.char_indices().nth(n_chars as usize);
            line.start + found.map_or(text.len(), |(offset, _)| offset) as u32
        };
        Span {
            start: offset(place.column.saturating_sub(1)),
            end: offset((place.column + place.length).saturating_sub(1)),
        }
    }

    /// Index of the line that holds an offset.
    fn line_idx(&self, offset: u32) -> usize {
        self.line_starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1)
    }

    /// The range of a line without its end.
    fn line_span(&self, line_idx: usize) -> Span {
        let end_of_text = self.text.len() as u32;
        let start = self.line_starts.get(line_idx).copied().unwrap_or(end_of_text);
        let end = self.line_starts.get(line_idx + 1).map_or(end_of_text, |next| next - 1);
        Span { start, end }
    }

    fn line(&self, line_idx: usize) -> Option<&Line> {
        self.tree.lines.get(line_idx)
    }

    /// The tokens of the line from its start up to an offset.
    fn tokens_before(&self, offset: u32) -> Vec<Token> {
        let start = self.line_span(self.line_idx(offset)).start;
        let Some(text) = self.text.get(start as usize..offset as usize) else {
            return Vec::new();
        };
        let mut tokens = lex(text);
        for token in &mut tokens {
            token.span.start += start;
            token.span.end += start;
        }
        tokens
    }
}

/// Whether a cursor at this offset touches a range.
fn touches(span: Span, offset: u32) -> bool {
    span.start <= offset && offset <= span.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_are_where_their_characters_are() {
        let document = Document::new("  ; Größe\n    lï r1, 0\n    li r99, 1".to_owned(), "t");
        let found: Vec<_> = document
            .diagnostics()
            .map(|(span, diagnostic)| (document.slice(span), diagnostic.code))
            .collect();
        assert_eq!(found, [("lï", "A0010"), ("r99", "A0018")]);
    }

    #[test]
    fn a_name_is_found_at_its_definition_and_at_its_uses() {
        let text = "x:  add r1, r1, x - x\n    jmp x\ny:  jmp y\n";
        let document = Document::new(text.to_owned(), "t");
        let at_use = text.find("x\ny").unwrap() as u32;
        let definition = document.definition(at_use).unwrap();
        assert_eq!((definition.name.as_str(), definition.span.start), ("x", 0));
        for offset in [0, 1, at_use, at_use + 1] {
            assert_eq!(document.references(offset, true).len(), 4, "{offset}");
            assert_eq!(document.references(offset, false).len(), 3, "{offset}");
        }
        assert!(document.definition(5).is_none());
        assert!(document.references(u32::MAX, true).is_empty());
    }
}
