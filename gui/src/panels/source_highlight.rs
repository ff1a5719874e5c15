//! The colours of a source text, laid out once for each state of text and marks.

use crate::source_check::{Change, Marks};
use crate::source_editor::SourceEditor;
use crate::theme::{self, Palette};
use egui::text::LayoutJob;
use egui::{Color32, Galley, Stroke, TextFormat, Ui};
use std::ops::Range;
use std::sync::Arc;
use systole_assembler::service::Colour;
use systole_isa::instruction::opcode_by_mnemonic;

/// Size of the text, in points.
const FONT_SIZE: f32 = 12.5;

/// The text that was laid out last.
#[derive(Default)]
pub(crate) struct Highlighter {
    key: u64,
    galley: Option<Arc<Galley>>,
    /// A short text from the cache of the fonts: it is another one when they were loaded anew, and then the large one is void too.
    sentinel: Option<Arc<Galley>>,
}

impl Highlighter {
    /// Lays a text out that is the editor's, or what it has become in this very frame.
    pub(crate) fn galley(&mut self, ui: &Ui, editor: &SourceEditor, text: &str) -> Arc<Galley> {
        let palette = Palette::of(ui.visuals());
        let sentinel = ui
            .fonts_mut(|fonts| fonts.layout_no_wrap("source".to_owned(), theme::mono(FONT_SIZE), Color32::PLACEHOLDER));
        let is_void = !self.sentinel.as_ref().is_some_and(|old| Arc::ptr_eq(old, &sentinel));
        let place = (editor.document_number(), editor.version(), palette.panel.to_array());
        let key = egui::util::hash((place, text));
        if let Some(galley) = self.galley.as_ref().filter(|_| !is_void && key == self.key) {
            return Arc::clone(galley);
        }
        let job = job(text, editor.text(), editor.marks(), palette);
        let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
        (self.key, self.sentinel, self.galley) = (key, Some(sentinel), Some(Arc::clone(&galley)));
        galley
    }
}

/// A text with the colours that were found in `marked`.
fn job(text: &str, marked: &str, marks: &Marks, palette: &Palette) -> LayoutJob {
    let change = Change::between(marked, text);
    let moved = |bytes: &Range<usize>| match &change {
        None => Some(bytes.clone()),
        Some(change) => change.bytes(bytes),
    };
    let coloured = marks.colours.iter();
    let coloured: Vec<(Range<usize>, Color32)> = coloured
        .filter_map(|(bytes, colour)| {
            let bytes = moved(bytes)?;
            let word = text.get(bytes.clone())?;
            Some((bytes, color(*colour, word, palette)))
        })
        .collect();
    let mut wrong: Vec<Range<usize>> = marks
        .problems
        .iter()
        .filter_map(|problem| moved(&problem.bytes))
        .collect();
    wrong.sort_unstable_by_key(|bytes| (bytes.start, bytes.end));
    let mut job = LayoutJob {
        keep_trailing_whitespace: true,
        ..LayoutJob::default()
    };
    let mut append = |bytes: Range<usize>, color: Color32, is_wrong: bool| {
        if let Some(part) = text.get(bytes).filter(|part| !part.is_empty()) {
            let underline = if is_wrong {
                Stroke::new(1.5, palette.error)
            } else {
                Stroke::NONE
            };
            let format = TextFormat {
                underline,
                ..TextFormat::simple(theme::mono(FONT_SIZE), color)
            };
            job.append(part, 0.0, format);
        }
    };
    let mut wrong = wrong.into_iter().peekable();
    let mut stretch = |bytes: Range<usize>, color: Color32| {
        let mut at = bytes.start;
        while at < bytes.end {
            while wrong.next_if(|wrong| wrong.end <= at).is_some() {}
            let (end, is_wrong) = match wrong.peek() {
                Some(wrong) if wrong.start <= at => (wrong.end, true),
                Some(wrong) => (wrong.start, false),
                None => (bytes.end, false),
            };
            let end = end.min(bytes.end);
            append(at..end, color, is_wrong);
            at = end;
        }
    };
    let mut at = 0;
    for (bytes, color) in coloured {
        stretch(at..bytes.start, palette.text);
        stretch(bytes.clone(), color);
        at = at.max(bytes.end);
    }
    stretch(at..text.len(), palette.text);
    job
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
        let text = "li rr, 1 ; ä\n";
        let marks = marks(&[(0..2, Colour::Mnemonic), (9..13, Colour::Comment)], &[3..5, 4..8]);
        let found = job(text, text, &marks, palette);
        assert_eq!(found.text, text);
        let underlined: String = (found.sections.iter())
            .filter(|section| section.format.underline != Stroke::NONE)
            .map(|section| &text[section.byte_range.start.0..section.byte_range.end.0])
            .collect();
        assert_eq!(underlined, "rr, 1");
        assert_eq!(found.sections[0].format.color, palette.units[0]);
        // What was typed since moves the colours behind it.
        let typed = job("x li rr, 1 ; ä\n", text, &marks, palette);
        assert_eq!(typed.text, "x li rr, 1 ; ä\n");
        assert_eq!(typed.sections[1].format.color, palette.units[0]);
    }
}
