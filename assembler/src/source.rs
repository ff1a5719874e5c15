//! Source text, places in it, and the collection of everything that is wrong with it.

use std::collections::BTreeMap;
use systole_isa::Diagnostic;
use systole_isa::diagnostic::Place;

/// A range of bytes in a source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest range that holds both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The empty range after this one.
    pub fn after(self) -> Span {
        Span {
            start: self.end,
            end: self.end,
        }
    }
}

/// A source text with its name and an index of its lines.
#[derive(Clone, Debug)]
pub struct Source<'s> {
    text: &'s str,
    file: &'s str,
    line_starts: Vec<u32>,
}

impl<'s> Source<'s> {
    /// Indexes a text; `None` if it is 4 GiB or longer, which offsets cannot express.
    pub fn new(text: &'s str, file: &'s str) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(i, _)| i as u32 + 1)).collect();
        Some(Self {
            text,
            file,
            line_starts,
        })
    }

    /// The whole text.
    pub fn text(&self) -> &'s str {
        self.text
    }

    /// Name of the file, as the user gave it.
    pub fn file(&self) -> &'s str {
        self.file
    }

    /// The text of a range; empty if the range is not one of this text.
    pub fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Index of the line that holds a byte, counted from 0.
    pub fn line_idx(&self, offset: u32) -> usize {
        self.line_starts.partition_point(|&start| start <= offset) - 1
    }

    /// Line, column and text of a range. A range over several lines is cut at the end of the first.
    pub fn place(&self, span: Span) -> Place {
        let line_idx = self.line_idx(span.start);
        let start = self.line_starts[line_idx] as usize;
        let rest = &self.text[start..];
        let line = rest.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let n_chars = |to: usize| line.get(..to).unwrap_or(line).chars().count() as u32;
        let column = n_chars(span.start as usize - start);
        Place {
            file: self.file.to_owned(),
            line: line_idx as u32 + 1,
            column: column + 1,
            length: (n_chars(span.end as usize - start) - column).max(1),
            text: line.to_owned(),
        }
    }
}

/// Diagnostics of one line that are kept. Each carries its line's text, so that without a limit a single long line of
/// nonsense would take memory quadratic in its length.
const MAX_PER_LINE: u32 = 24;

/// Collects what is wrong with a source text.
pub(crate) struct Problems<'s> {
    source: &'s Source<'s>,
    found: Vec<(Span, Diagnostic)>,
    n_of_line: BTreeMap<usize, u32>,
}

impl<'s> Problems<'s> {
    pub(crate) fn new(source: &'s Source<'s>) -> Self {
        Self {
            source,
            found: Vec::new(),
            n_of_line: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Adds a diagnostic at a place.
    pub(crate) fn push(&mut self, span: Span, diagnostic: Diagnostic) {
        let n = self.n_of_line.entry(self.source.line_idx(span.start)).or_insert(0);
        *n += 1;
        let diagnostic = match *n {
            n if n < MAX_PER_LINE => diagnostic,
            MAX_PER_LINE => Diagnostic::error(crate::codes::TOO_MANY, "this line has more errors, which are not shown")
                .because(format!("{} errors of one line are shown", MAX_PER_LINE - 1))
                .help("correct those first"),
            _ => return,
        };
        self.found.push((span, diagnostic.at(self.source.place(span))));
    }

    /// Everything found, in the order of the text.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|(span, _)| *span);
        self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }
}
