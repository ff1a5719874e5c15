//! One source text, and places in it.

use std::borrow::Cow;
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

    /// The range that lies as far from `to` as this one lies from `from`.
    pub(crate) fn moved(self, from: u32, to: u32) -> Span {
        Span {
            start: self.start.wrapping_sub(from).wrapping_add(to),
            end: self.end.wrapping_sub(from).wrapping_add(to),
        }
    }
}

/// A source text with its name and an index of its lines.
///
/// Where several texts make one program, their offsets follow each other: an offset is unique among all of them.
#[derive(Clone, Debug)]
pub struct Source<'s> {
    text: Cow<'s, str>,
    file: Cow<'s, str>,
    /// Offset of the first byte.
    base: u32,
    /// Offsets in the text, without the base.
    line_starts: Vec<u32>,
}

impl<'s> Source<'s> {
    /// Indexes a text; `None` if it is 4 GiB or longer, which offsets cannot express.
    pub fn new(text: &'s str, file: &'s str) -> Option<Self> {
        Self::at(0, Cow::Borrowed(text), Cow::Borrowed(file))
    }

    /// A text whose offsets start at `base`; `None` if they do not fit.
    pub(crate) fn at(base: u32, text: Cow<'s, str>, file: Cow<'s, str>) -> Option<Self> {
        u32::try_from(text.len()).ok()?.checked_add(base)?;
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(i, _)| i as u32 + 1)).collect();
        Some(Self {
            text,
            file,
            base,
            line_starts,
        })
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Offset of the first byte.
    pub(crate) fn base(&self) -> u32 {
        self.base
    }

    /// Name of the file, as the user gave it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The text of a range; empty if the range is not one of this text.
    pub fn slice(&self, span: Span) -> &str {
        let local = span.moved(self.base, 0);
        self.text.get(local.start as usize..local.end as usize).unwrap_or("")
    }

    /// Index of the line that holds a byte, counted from 0.
    pub fn line_idx(&self, offset: u32) -> usize {
        let local = offset.saturating_sub(self.base);
        self.line_starts.partition_point(|&start| start <= local) - 1
    }

    /// Line, column and text of a range. A range over several lines is cut at the end of the first.
    pub fn place(&self, span: Span) -> Place {
        let line_idx = self.line_idx(span.start);
        let span = span.moved(self.base, 0);
        let start = self.line_starts[line_idx] as usize;
        let rest = &self.text[start..];
        let line = rest.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let n_chars = |to: usize| line.get(..to).unwrap_or(line).chars().count() as u32;
        let column = n_chars((span.start as usize).saturating_sub(start));
        Place {
            file: self.file.clone().into_owned(),
            line: line_idx as u32 + 1,
            column: column + 1,
            length: (n_chars((span.end as usize).saturating_sub(start)).saturating_sub(column)).max(1),
            text: line.to_owned(),
        }
    }
}
