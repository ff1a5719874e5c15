//! What is known of a text: its parts, everything that is wrong with it, and where the lines of the running program stand in it.
//!
//! Reading a text takes time, so that it happens on a thread; [`Marks`] carry what was found over to what was typed meanwhile.

use crate::line_map::line_map;
use crate::source_text::SourceText;
use std::ops::Range;
use std::sync::Arc;
use systole_assembler::service::{Colour, Document};
use systole_isa::diagnostic::Severity;

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Check {
    /// The text.
    pub(crate) text: Arc<str>,
    /// Answers questions about it.
    pub(crate) document: Document,
    /// The text that runs.
    running: Arc<SourceText>,
    /// What is marked in it.
    marks: Marks,
}

/// What is marked in a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// Bytes that have a colour, in their order.
    pub(crate) colours: Vec<(Range<usize>, Colour)>,
    /// Everything that is wrong.
    pub(crate) problems: Vec<Problem>,
    /// For each instruction of the running program, its line.
    pub(crate) lines: Vec<Option<usize>>,
    /// The same by line, in order.
    pub(crate) instructions: Vec<(usize, u32)>,
}

/// Something that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The bytes that are meant.
    pub(crate) bytes: Range<usize>,
    /// Their line, counted from 0.
    pub(crate) line: usize,
    /// Whether the text is no program because of it.
    pub(crate) is_error: bool,
    /// What is wrong.
    pub(crate) message: String,
    /// Why, and what to do.
    pub(crate) help: String,
}

impl Check {
    /// Reads a text that may be run in the place of `running`.
    pub(crate) fn new(text: Arc<str>, source: &SourceText, running: &Arc<SourceText>) -> Self {
        let document = Document::with_files(text.to_string(), &source.file, &mut source.files.clone());
        let colours = document
            .colours()
            .into_iter()
            .map(|(span, colour)| (bytes(span), colour));
        let starts = line_starts(&text);
        let problems = document.diagnostics().map(|(span, diagnostic)| Problem {
            bytes: bytes(span),
            line: line_at(&starts, span.start as usize),
            is_error: diagnostic.severity == Severity::Error,
            message: diagnostic.message.clone(),
            help: [&diagnostic.reason, &diagnostic.help]
                .into_iter()
                .flatten()
                .map(|sentence| sentence.as_str())
                .collect::<Vec<_>>()
                .join("; "),
        });
        let map = line_map(&running.text, &text);
        let lines = running.lines.iter().map(|line| {
            let line = map.get((*line)? as usize)?;
            line.map(|line| line as usize)
        });
        let marks = Marks {
            colours: colours.collect(),
            problems: problems.collect(),
            lines: lines.collect(),
            instructions: Vec::new(),
        };
        Self {
            text,
            document,
            running: Arc::clone(running),
            marks: marks.indexed(),
        }
    }

    /// Whether it was made against the text that runs now.
    pub(crate) fn is_against(&self, running: &Arc<SourceText>) -> bool {
        Arc::ptr_eq(&self.running, running)
    }

    /// What is marked in a text that was changed since.
    pub(crate) fn marks_in(&self, text: &str) -> Marks {
        match Change::between(&self.text, text) {
            None => self.marks.clone(),
            Some(change) => self.marks.moved(&change),
        }
    }
}

impl Marks {
    fn indexed(mut self) -> Self {
        let lines = self.lines.iter().zip(0..);
        self.instructions = lines.filter_map(|(line, pc)| Some(((*line)?, pc))).collect();
        self.instructions.sort_unstable();
        self
    }

    fn moved(&self, change: &Change) -> Self {
        let colours = self.colours.iter();
        let problems = self.problems.iter().map(|problem| Problem {
            bytes: change.bytes(&problem.bytes).unwrap_or(change.start..change.start),
            line: change.line(problem.line).unwrap_or(change.start_line),
            ..problem.clone()
        });
        let lines = self.lines.iter().map(|line| change.line((*line)?));
        Self {
            colours: colours
                .filter_map(|(bytes, colour)| Some((change.bytes(bytes)?, *colour)))
                .collect(),
            problems: problems.collect(),
            lines: lines.collect(),
            instructions: Vec::new(),
        }
        .indexed()
    }

    /// The line of an instruction.
    pub(crate) fn line_of(&self, pc: u32) -> Option<usize> {
        *self.lines.get(pc as usize)?
    }

    /// The instructions that a line makes.
    pub(crate) fn instructions_of(&self, line: usize) -> impl Iterator<Item = u32> + Clone + '_ {
        let first = self.instructions.partition_point(|(of, _)| *of < line);
        let here = self.instructions[first..].iter().take_while(move |(of, _)| *of == line);
        here.map(|(_, pc)| *pc)
    }
}

/// The one stretch in which two texts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    start: usize,
    old_end: usize,
    new_end: usize,
    start_line: usize,
    old_end_line: usize,
    new_end_line: usize,
}

impl Change {
    /// `None` if they are equal.
    pub(crate) fn between(old: &str, new: &str) -> Option<Self> {
        if old == new {
            return None;
        }
        let (a, b) = (old.as_bytes(), new.as_bytes());
        let n_common =
            |n_most: usize, is_equal: &dyn Fn(usize) -> bool| (0..n_most).take_while(|i| is_equal(*i)).count();
        let shorter = a.len().min(b.len());
        let mut start = n_common(shorter, &|i| a[i] == b[i]);
        let mut n_behind = n_common(shorter - start, &|i| a[a.len() - 1 - i] == b[b.len() - 1 - i]);
        // Characters are not torn apart.
        while !(old.is_char_boundary(start) && new.is_char_boundary(start)) {
            start -= 1;
        }
        while !(old.is_char_boundary(a.len() - n_behind) && new.is_char_boundary(b.len() - n_behind)) {
            n_behind -= 1;
        }
        let (old_end, new_end) = (a.len() - n_behind, b.len() - n_behind);
        let n_lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
        let start_line = n_lines(&a[..start]);
        Some(Self {
            start,
            old_end,
            new_end,
            start_line,
            old_end_line: start_line + n_lines(&a[start..old_end]),
            new_end_line: start_line + n_lines(&b[start..new_end]),
        })
    }

    /// A range after the change; `None` if the change lies within it.
    pub(crate) fn bytes(&self, range: &Range<usize>) -> Option<Range<usize>> {
        if range.end <= self.start {
            Some(range.clone())
        } else if range.start >= self.old_end {
            Some(range.start - self.old_end + self.new_end..range.end - self.old_end + self.new_end)
        } else {
            None
        }
    }

    /// A line after the change; `None` if it is gone.
    fn line(&self, line: usize) -> Option<usize> {
        if line <= self.start_line {
            Some(line)
        } else if line >= self.old_end_line {
            Some(line - self.old_end_line + self.new_end_line)
        } else {
            None
        }
    }
}

/// The offset of the first byte of each line.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    let ends = text
        .bytes()
        .zip(1..)
        .filter(|(byte, _)| *byte == b'\n')
        .map(|(_, end)| end);
    std::iter::once(0).chain(ends).collect()
}

/// The line that holds a byte.
fn line_at(starts: &[usize], offset: usize) -> usize {
    starts.partition_point(|start| *start <= offset).saturating_sub(1)
}

fn bytes(span: systole_assembler::source::Span) -> Range<usize> {
    span.start as usize..span.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, running: &str) -> Check {
        let running = SourceText::of_example("t", running);
        let program = running.assemble().unwrap();
        let running = Arc::new(running.with_lines_of(&program));
        Check::new(Arc::from(text), &running, &running)
    }

    const TEXT: &str = "; größe\n    li r1, 3\n    halt\n";

    #[test]
    fn every_mistake_has_its_place_and_what_helps() {
        let check = check("    lii r1, 3\n    halt r99\n", TEXT);
        let problems = check.marks_in(&check.text).problems;
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [0, 1], "{problems:?}");
        assert!(problems[0].help.contains("li"), "{problems:?}");
        assert_eq!(&check.text[problems[0].bytes.clone()], "lii");
    }

    #[test]
    fn marks_move_with_what_is_typed_before_them() {
        let check = check(TEXT, TEXT);
        let before = check.marks_in(TEXT);
        assert_eq!(before.lines, [Some(1), Some(2)]);
        let edited = TEXT.replace("größe", "länge\n; und größe");
        let after = check.marks_in(&edited);
        assert_eq!(after.lines, [Some(2), Some(3)]);
        assert_eq!(after.instructions_of(3).collect::<Vec<_>>(), [1]);
        let words = |marks: &Marks, text: &str| {
            let word = |(bytes, colour): &(Range<usize>, Colour)| (text[bytes.clone()].to_owned(), *colour);
            marks.colours.iter().map(word).collect::<Vec<_>>()
        };
        // The comment in which something was typed has lost its colour, nothing else has.
        assert_eq!(words(&after, &edited), words(&before, TEXT)[1..]);
    }

    #[test]
    fn a_change_tears_no_character_apart() {
        for (old, new) in [("aä", "aö"), ("äb", "öb"), ("", "ä"), ("aa", "a"), ("a\nb", "a\n\nb")] {
            let change = Change::between(old, new).unwrap();
            assert_eq!(
                format!(
                    "{}{}{}",
                    &old[..change.start],
                    &new[change.start..change.new_end],
                    &old[change.old_end..]
                ),
                new
            );
        }
        assert_eq!(Change::between("a", "a"), None);
    }
}
