//! All texts of a program: the one that is assembled, those that it includes, and the copies that its macros make.
//!
//! Every text has a range of offsets of its own, so that a [`Span`] alone says where something is written, and in which of
//! the uses of a macro. A copy holds no text: its offsets lead back to the text that was copied.

use crate::source::{Source, Span};
use std::borrow::Cow;
use systole_isa::diagnostic::Place;

/// Texts by ascending offset.
pub(crate) struct Sources<'s> {
    chunks: Vec<Chunk<'s>>,
    /// The first offset that is not in use.
    end: u32,
}

struct Chunk<'s> {
    base: u32,
    content: Content<'s>,
}

enum Content<'s> {
    /// A text that was read, and where it was asked for.
    File(Source<'s>, Option<Span>),
    /// A part of another text, used once more.
    Copy(Copy),
    /// A word that was put together at a place.
    Word(String, Span),
}

/// A use of a macro or one turn of a repetition.
#[derive(Clone, Copy)]
pub(crate) struct Copy {
    /// What was copied.
    pub(crate) original: Span,
    /// Where it was asked for.
    pub(crate) call: Span,
    /// Name of the macro; `None` for a repetition.
    pub(crate) name: Option<Span>,
}

/// One step from a place in a copy to where the copy was asked for.
pub(crate) struct Call<'a> {
    /// Name of the macro; `None` for a repetition.
    pub(crate) name: Option<&'a str>,
    pub(crate) place: Place,
}

impl<'s> Sources<'s> {
    /// The texts of a program that consists of one; `None` if it is 4 GiB or longer.
    pub(crate) fn new(text: &'s str, file: &'s str) -> Option<Self> {
        let root = Source::at(0, Cow::Borrowed(text), Cow::Borrowed(file))?;
        Some(Self::single(root))
    }

    /// One text.
    pub(crate) fn single(root: Source<'s>) -> Self {
        let end = root.base() + root.text().len() as u32;
        let base = root.base();
        Self {
            chunks: vec![Chunk {
                base,
                content: Content::File(root, None),
            }],
            end: end.saturating_add(1),
        }
    }

    /// Takes `length` bytes of offsets and one more, so that the end of a text belongs to it alone.
    fn push(&mut self, length: u32, content: impl FnOnce(u32) -> Option<Content<'s>>) -> Option<u32> {
        let base = self.end;
        let end = base.checked_add(length)?.checked_add(1)?;
        let content = content(base)?;
        self.chunks.push(Chunk { base, content });
        self.end = end;
        Some(base)
    }

    /// Adds a file that was asked for at a place. The offset of its first byte; `None` if no offsets are left.
    pub(crate) fn add_file(&mut self, text: String, file: String, asked_for: Span) -> Option<u32> {
        let length = u32::try_from(text.len()).ok()?;
        self.push(length, |base| {
            let source = Source::at(base, Cow::Owned(text), Cow::Owned(file))?;
            Some(Content::File(source, Some(asked_for)))
        })
    }

    /// Adds a copy. The offset of its first byte; `None` if no offsets are left.
    pub(crate) fn add_copy(&mut self, copy: Copy) -> Option<u32> {
        let length = copy.original.end.saturating_sub(copy.original.start);
        self.push(length, |_| Some(Content::Copy(copy)))
    }

    /// Adds a word that was put together at a place; `None` if no offsets are left.
    pub(crate) fn add_word(&mut self, word: String, place: Span) -> Option<Span> {
        let length = u32::try_from(word.len()).ok()?;
        let start = self.push(length, |_| Some(Content::Word(word, place)))?;
        Some(Span {
            start,
            end: start + length,
        })
    }

    /// The file that is assembled.
    pub(crate) fn root_file(&self) -> &str {
        match &self.chunks[0].content {
            Content::File(source, _) => source.file(),
            Content::Copy(_) | Content::Word(..) => "",
        }
    }

    /// The text with this first offset.
    pub(crate) fn source_at(&self, base: u32) -> Option<&Source<'s>> {
        match &self.chunks[self.chunk_idx(base)].content {
            Content::File(source, _) => Some(source),
            Content::Copy(_) | Content::Word(..) => None,
        }
    }

    fn chunk_idx(&self, offset: u32) -> usize {
        match self.chunks.get(1) {
            Some(second) if offset >= second.base => self.chunks.partition_point(|chunk| chunk.base <= offset) - 1,
            _ => 0,
        }
    }

    fn chunk(&self, offset: u32) -> &Chunk<'s> {
        &self.chunks[self.chunk_idx(offset)]
    }

    /// The text of a range; empty if the range is not one of a text.
    pub(crate) fn slice(&self, span: Span) -> &str {
        let mut span = span;
        loop {
            let chunk = self.chunk(span.start);
            match &chunk.content {
                Content::File(source, _) => return source.slice(span),
                Content::Copy(copy) => span = span.moved(chunk.base, copy.original.start),
                Content::Word(word, _) => {
                    let local = span.moved(chunk.base, 0);
                    return word.get(local.start as usize..local.end as usize).unwrap_or("");
                }
            }
        }
    }

    /// Where a range is written.
    pub(crate) fn written(&self, span: Span) -> (&Source<'s>, Span) {
        let mut span = span;
        loop {
            let chunk = self.chunk(span.start);
            match &chunk.content {
                Content::File(source, _) => return (source, span),
                Content::Copy(copy) => span = span.moved(chunk.base, copy.original.start),
                Content::Word(_, place) => span = *place,
            }
        }
    }

    /// Line, column and text of a range.
    pub(crate) fn place(&self, span: Span) -> Place {
        let (source, span) = self.written(span);
        source.place(span)
    }

    /// File and line in which a range is written, the line counted from 1.
    fn file_and_line(&self, span: Span) -> (&str, u32) {
        let (source, span) = self.written(span);
        (source.file(), source.line_idx(span.start) as u32 + 1)
    }

    /// The place to which a copy belongs: where a user asked for it, outside of all copies.
    fn outermost(&self, span: Span) -> Span {
        let mut span = span;
        loop {
            match &self.chunk(span.start).content {
                Content::File(..) => return span,
                Content::Copy(copy) => span = copy.call,
                Content::Word(_, place) => span = *place,
            }
        }
    }

    /// Number of the line, counted from 1, in which something was asked for, outside of all copies.
    pub(crate) fn line_number(&self, span: Span) -> u32 {
        self.file_and_line(self.outermost(span)).1
    }

    /// The included files around a place, innermost first, each by its first offset.
    pub(crate) fn files_around(&self, span: Span) -> Vec<u32> {
        let mut files = Vec::new();
        let mut span = self.outermost(span);
        loop {
            let chunk = self.chunk(span.start);
            match &chunk.content {
                Content::File(_, Some(asked_for)) => {
                    files.push(chunk.base);
                    span = self.outermost(*asked_for);
                }
                Content::File(_, None) | Content::Copy(_) | Content::Word(..) => return files,
            }
        }
    }

    /// How to name the place of another range to somebody who looks at this one: "line 5", "line 5 of `lib.sasm`".
    pub(crate) fn name_of_place(&self, other: Span, seen_from: Span) -> String {
        let (file, line) = self.file_and_line(other);
        let mut name = format!("line {line}");
        if file != self.file_and_line(seen_from).0 {
            name.push_str(&format!(" of `{file}`"));
        }
        if let Some(call) = self.calls(other).first() {
            name.push_str(&format!(", used in line {} of `{}`", call.place.line, call.place.file));
        }
        name
    }

    /// The calls that lead to a range, innermost first.
    pub(crate) fn calls(&self, span: Span) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        let mut span = span;
        loop {
            match &self.chunk(span.start).content {
                Content::File(..) => return calls,
                Content::Word(_, place) => span = *place,
                Content::Copy(copy) => {
                    calls.push(Call {
                        name: copy.name.map(|name| self.slice(name)),
                        place: self.place(copy.call),
                    });
                    span = copy.call;
                }
            }
        }
    }

    /// The use of a macro within which a range is written, by its first offset; 0 outside of all.
    pub(crate) fn frame(&self, span: Span) -> u32 {
        let mut span = span;
        loop {
            let chunk = self.chunk(span.start);
            match &chunk.content {
                Content::File(..) => return 0,
                Content::Copy(copy) if copy.name.is_some() => return chunk.base,
                Content::Copy(copy) => span = span.moved(chunk.base, copy.original.start),
                Content::Word(_, place) => span = *place,
            }
        }
    }

    /// Offsets by which ranges are sorted as a reader meets them: first where the outermost text asks for something.
    pub(crate) fn reading_order(&self, span: Span) -> Vec<Span> {
        let mut path = Vec::new();
        let mut span = span;
        loop {
            path.push(span);
            span = match &self.chunk(span.start).content {
                Content::File(_, None) => break,
                Content::File(_, Some(call)) => *call,
                Content::Copy(copy) => copy.call,
                Content::Word(_, place) => *place,
            };
        }
        path.reverse();
        path
    }
}
