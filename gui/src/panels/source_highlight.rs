//! The colours of a source text, laid out once for each state of text and marks.

use crate::source_check::{Change, Marks};
use crate::source_editor::SourceEditor;
use crate::theme::{self, Palette};
use egui::text::LayoutJob;
use egui::{Color32, Galley, Stroke, TextFormat, Ui};
use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;
use systole_assembler::service::Colour;
use systole_isa::instruction::opcode_by_mnemonic;

/// Size of the text, in points.
const FONT_SIZE: f32 = 12.5;

/// The text that was laid out last, as a whole and line by line.
#[derive(Default)]
pub(crate) struct Highlighter {
    key: u64,
    galley: Option<Arc<Galley>>,
    /// Lines by what they look like, so that a change costs only the lines that it touches.
    lines: HashMap<u64, Arc<Galley>>,
    /// A short text from the cache of the fonts: it is another one when they were loaded anew, and then all lines are void too.
    sentinel: Option<Arc<Galley>>,
}

/// A stretch of one line that looks the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    /// Bytes of the line.
    bytes: Range<usize>,
    color: Color32,
    is_wrong: bool,
}

impl Highlighter {
    /// Lays a text out that is the editor's, or what it has become in this very frame.
    pub(crate) fn galley(&mut self, ui: &Ui, editor: &SourceEditor, text: &str) -> Arc<Galley> {
        let palette = Palette::of(ui.visuals());
        let sentinel = ui
            .fonts_mut(|fonts| fonts.layout_no_wrap("source".to_owned(), theme::mono(FONT_SIZE), Color32::PLACEHOLDER));
        if !self.sentinel.as_ref().is_some_and(|old| Arc::ptr_eq(old, &sentinel)) {
            (self.galley, self.sentinel) = (None, Some(sentinel));
            self.lines.clear();
        }
        let place = (editor.document_number(), editor.version(), palette.panel.to_array());
        let key = egui::util::hash((place, text));
        if let Some(galley) = self.galley.as_ref().filter(|_| key == self.key) {
            return Arc::clone(galley);
        }
        let lines = lines(text, editor.text(), editor.marks(), palette);
        let galley = Arc::new(self.layout(ui, text, &lines, palette));
        (self.key, self.galley) = (key, Some(Arc::clone(&galley)));
        galley
    }

    /// Puts the lines below each other; those that look as before are laid out already.
    fn layout(&mut self, ui: &Ui, text: &str, lines: &[Vec<Part>], palette: &Palette) -> Galley {
        let mut before = std::mem::take(&mut self.lines);
        let mut galleys = Vec::with_capacity(lines.len());
        for (line, parts) in text.split('\n').zip(lines) {
            let key = egui::util::hash((line, parts));
            let known = self.lines.get(&key).cloned().or_else(|| before.remove(&key));
            let galley =
                known.unwrap_or_else(|| ui.fonts_mut(|fonts| fonts.layout_job(line_job(line, parts, palette))));
            self.lines.insert(key, Arc::clone(&galley));
            galleys.push(galley);
        }
        // The colours are those of the lines; but what has no section counts as empty and is not painted.
        let job = LayoutJob::simple(text.to_owned(), theme::mono(FONT_SIZE), palette.text, f32::INFINITY);
        Galley::concat(Arc::new(job), &galleys, ui.pixels_per_point())
    }
}

fn line_job(line: &str, parts: &[Part], palette: &Palette) -> LayoutJob {
    let mut job = LayoutJob {
        keep_trailing_whitespace: true,
        ..LayoutJob::default()
    };
    for part in parts {
        let underline = if part.is_wrong {
            Stroke::new(1.5, palette.error)
        } else {
            Stroke::NONE
        };
        let format = TextFormat {
            underline,
            ..TextFormat::simple(theme::mono(FONT_SIZE), part.color)
        };
        job.append(&line[part.bytes.clone()], 0.0, format);
    }
    if parts.is_empty() {
        job.append(line, 0.0, TextFormat::simple(theme::mono(FONT_SIZE), palette.text));
    }
    job
}

/// The parts of each line of a text, with the colours that were found in `marked`.
fn lines(text: &str, marked: &str, marks: &Marks, palette: &Palette) -> Vec<Vec<Part>> {
    let change = Change::between(marked, text);
    let moved = |bytes: &Range<usize>| match &change {
        None => Some(bytes.clone()),
        Some(change) => change.bytes(bytes),
    };
    let mut wrong: Vec<Range<usize>> = marks
        .problems
        .iter()
        .filter_map(|problem| moved(&problem.bytes))
        .collect();
    wrong.sort_unstable_by_key(|bytes| (bytes.start, bytes.end));
    let mut page = Page {
        text,
        lines: vec![Vec::new()],
        line_start: 0,
        wrong: wrong.into_iter().peekable(),
    };
    let mut at = 0;
    for (bytes, colour) in &marks.colours {
        let Some((bytes, word)) = moved(bytes).and_then(|bytes| Some((bytes.clone(), text.get(bytes)?))) else {
            continue;
        };
        page.stretch(at..bytes.start, palette.text);
        page.stretch(bytes.clone(), color(*colour, word, palette));
        at = at.max(bytes.end);
    }
    page.stretch(at..text.len(), palette.text);
    page.lines
}

/// Lines in the making.
struct Page<'a> {
    text: &'a str,
    lines: Vec<Vec<Part>>,
    /// Offset of the first byte of the last line.
    line_start: usize,
    /// What is wrong from here on, by its first byte.
    wrong: Peekable<std::vec::IntoIter<Range<usize>>>,
}

impl Page<'_> {
    /// Adds a stretch of one colour, divided where something wrong begins or ends.
    fn stretch(&mut self, bytes: Range<usize>, color: Color32) {
        let mut at = bytes.start;
        while at < bytes.end {
            while self.wrong.next_if(|wrong| wrong.end <= at).is_some() {}
            let (end, is_wrong) = match self.wrong.peek() {
                Some(wrong) if wrong.start <= at => (wrong.end, true),
                Some(wrong) => (wrong.start, false),
                None => (bytes.end, false),
            };
            let end = end.min(bytes.end);
            self.append(at..end, color, is_wrong);
            at = end;
        }
    }

    fn append(&mut self, bytes: Range<usize>, color: Color32, is_wrong: bool) {
        let Some(text) = self.text.get(bytes.clone()) else {
            return;
        };
        let mut at = bytes.start;
        for (i, part) in text.split('\n').enumerate() {
            if i > 0 {
                self.lines.push(Vec::new());
                self.line_start = at;
            }
            let bytes = at - self.line_start..at - self.line_start + part.len();
            if let Some(line) = self.lines.last_mut().filter(|_| !part.is_empty()) {
                line.push(Part { bytes, color, is_wrong });
            }
            at += part.len() + 1;
        }
    }
}

/// The colour of a part. A mnemonic has that of the unit that executes it, as everywhere.
fn color(colour: Colour, word: &str, palette: &Palette) -> Color32 {
    match colour {
        Colour::Mnemonic => opcode_by_mnemonic(word).map_or(palette.text, |row| palette.units[row.unit.index()]),
        _ => palette.token(colour),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_check::Problem;

    fn marks(colours: &[(Range<usize>, Colour)], wrong: &[Range<usize>]) -> Marks {
        let problem = |bytes: &Range<usize>| Problem {
            bytes: bytes.clone(),
            line: 0,
            is_error: true,
            message: String::new(),
            help: String::new(),
        };
        Marks {
            colours: colours.to_vec(),
            problems: wrong.iter().map(problem).collect(),
            ..Marks::default()
        }
    }

    #[test]
    fn the_text_is_complete_and_what_is_wrong_is_underlined() {
        let ctx = egui::Context::default();
        theme::apply(&ctx);
        let palette = Palette::of(&ctx.global_style().visuals);
        let text = "li rr, 1 ; ä\n\nhalt";
        let marks = marks(&[(0..2, Colour::Mnemonic), (9..13, Colour::Comment)], &[3..5, 4..8]);
        let found = lines(text, text, &marks, palette);
        let written = |text: &str, found: &[Vec<Part>], is_wanted: &dyn Fn(&Part) -> bool| {
            let line = |(line, parts): (&str, &Vec<Part>)| {
                let parts = parts.iter().filter(|part| is_wanted(part));
                parts
                    .map(|part| line[part.bytes.clone()].to_owned())
                    .collect::<String>()
            };
            text.split('\n').zip(found).map(line).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(written(text, &found, &|_| true), text);
        assert_eq!(written(text, &found, &|part| part.is_wrong), "rr, 1\n\n");
        assert_eq!(found[0][0].color, palette.units[0]);
        // What was typed since moves the colours behind it.
        let after = format!("x {text}");
        let typed = lines(&after, text, &marks, palette);
        assert_eq!(written(&after, &typed, &|_| true), after);
        assert_eq!((typed[0][1].bytes.clone(), typed[0][1].color), (2..4, palette.units[0]));
    }
}
