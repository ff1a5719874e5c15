//! What panels write into files: their data as tables, what they show as pictures.

use crate::frame::Frame;
use crate::machine_bench::MachineBench;
use crate::picture;
use crate::view::View;
use egui::Ui;

/// What is on the screen when something is exported.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The frame.
    pub(crate) frame: &'a Frame,
    /// What the user has chosen.
    pub(crate) view: &'a View,
    /// What the machine panel shows.
    pub(crate) bench: &'a MachineBench,
}

/// Something that a panel can write into a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export {
    /// The text of its menu item, unique among all exports.
    pub(crate) label: &'static str,
    /// The file name that is proposed.
    pub(crate) file_name: &'static str,
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Table(fn(&Shown<'_>) -> Result<String, String>),
    Svg(fn(&mut Ui, &Shown<'_>)),
    Png(fn(&mut Ui, &Shown<'_>)),
    /// What the window shows, which only the window itself can tell.
    Window,
}

/// The whole window as it is on the screen.
pub(crate) const WINDOW: Export = Export {
    label: "Window as PNG",
    file_name: "window.png",
    content: Content::Window,
};

impl Export {
    /// Comma-separated values.
    pub(crate) const fn csv(
        label: &'static str,
        file_name: &'static str,
        table: fn(&Shown<'_>) -> Result<String, String>,
    ) -> Self {
        Self {
            label,
            file_name,
            content: Content::Table(table),
        }
    }

    /// What a panel draws, as lines and text.
    pub(crate) const fn svg(label: &'static str, file_name: &'static str, draw: fn(&mut Ui, &Shown<'_>)) -> Self {
        Self {
            label,
            file_name,
            content: Content::Svg(draw),
        }
    }

    /// What a panel draws, as pixels.
    pub(crate) const fn png(label: &'static str, file_name: &'static str, draw: fn(&mut Ui, &Shown<'_>)) -> Self {
        Self {
            label,
            file_name,
            content: Content::Png(draw),
        }
    }

    /// Whether it is the window's pixels and not what [`Self::bytes`] gives.
    pub(crate) fn is_of_window(&self) -> bool {
        matches!(self.content, Content::Window)
    }

    /// The file's content.
    ///
    /// # Errors
    /// Why there is nothing to write.
    pub(crate) fn bytes(&self, shown: &Shown<'_>) -> Result<Vec<u8>, String> {
        self.bytes_at(picture::PIXELS_PER_POINT, shown)
    }

    /// The same, of so many pixels per point if it is made of pixels.
    fn bytes_at(&self, pixels_per_point: f32, shown: &Shown<'_>) -> Result<Vec<u8>, String> {
        if shown.frame.program.is_none() {
            return Err("no program is open".to_owned());
        }
        match self.content {
            Content::Table(table) => table(shown).map(String::into_bytes),
            Content::Svg(draw) => picture::svg(|ui| draw(ui, shown)),
            Content::Png(draw) => picture::png(pixels_per_point, |ui| draw(ui, shown)),
            Content::Window => Err("only the window itself knows its pixels".to_owned()),
        }
    }
}

/// The panels as pictures: drawn anew, and what they ask for is left undone.
pub(crate) mod draw {
    use super::Shown;
    use crate::panels::array::array_ui;
    use crate::panels::array_grid::ArrayTexture;
    use crate::panels::counters::counters_ui;
    use crate::panels::energy::energy_ui;
    use crate::panels::graph::graph_ui;
    use crate::panels::machine::machine_ui;
    use crate::panels::memory::memory_ui;
    use crate::panels::plots::plots_ui;
    use crate::panels::program::{Listing, program_ui};
    use crate::panels::roofline::roofline_ui;
    use crate::panels::timeline::timeline_ui;
    use crate::panels::timeline_density::LaneTextures;
    use egui::Ui;

    pub(crate) fn array(ui: &mut Ui, shown: &Shown<'_>) {
        array_ui(
            ui,
            shown.frame,
            shown.view,
            &mut ArrayTexture::default(),
            &mut Vec::new(),
        );
    }

    pub(crate) fn counters(ui: &mut Ui, shown: &Shown<'_>) {
        counters_ui(ui, shown.frame);
    }

    pub(crate) fn energy(ui: &mut Ui, shown: &Shown<'_>) {
        energy_ui(ui, shown.frame, shown.view, &mut Vec::new());
    }

    pub(crate) fn graph(ui: &mut Ui, shown: &Shown<'_>) {
        graph_ui(ui, shown.frame, shown.view, &mut Vec::new());
    }

    pub(crate) fn machine(ui: &mut Ui, shown: &Shown<'_>) {
        machine_ui(ui, shown.bench, shown.view, &mut Vec::new());
    }

    pub(crate) fn memory(ui: &mut Ui, shown: &Shown<'_>) {
        memory_ui(ui, shown.frame, shown.view, &mut Vec::new());
    }

    pub(crate) fn plots(ui: &mut Ui, shown: &Shown<'_>) {
        plots_ui(ui, shown.frame, shown.view, &mut Vec::new());
    }

    pub(crate) fn program(ui: &mut Ui, shown: &Shown<'_>) {
        program_ui(ui, shown.frame, shown.view, &mut Listing::default(), &mut Vec::new());
    }

    pub(crate) fn roofline(ui: &mut Ui, shown: &Shown<'_>) {
        roofline_ui(ui, shown.frame, shown.view, &mut Vec::new());
    }

    pub(crate) fn timeline(ui: &mut Ui, shown: &Shown<'_>) {
        timeline_ui(
            ui,
            shown.frame,
            shown.view,
            &mut LaneTextures::default(),
            &mut Vec::new(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::example;
    use crate::frame::{Frame, RunState, TimelineView};
    use crate::launch::engine;
    use crate::machine_bench::BenchAction;
    use crate::panels::panes::{PANES, Pane, exports};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// A frame in the middle of the first example's run, as a worker makes it.
    fn frame() -> Frame {
        let mut engine = engine(example("digits", Some("edge16x16")).expect("the example is shipped"));
        engine.advance_to(5_000);
        Frame {
            sequence: 1,
            run_state: RunState::Paused,
            program: Some(engine.program()),
            now: engine.observe(TimelineView::Fit, 600),
            last_cycle: 5_000,
            breakpoints: Arc::default(),
            watchpoints: Vec::new(),
            loading: None,
            opened: None,
            notice: None,
            rejected: None,
            ticket: 1,
            selected_span: None,
            found: None,
        }
    }

    /// A machine panel that has compared the program's own machine with itself.
    fn bench(frame: &Frame) -> MachineBench {
        let mut bench = MachineBench::default();
        bench.update(frame.program.as_ref());
        bench.apply(BenchAction::Start, || ());
        let deadline = Instant::now() + Duration::from_secs(120);
        while bench.reference().is_none() {
            assert!(Instant::now() < deadline, "the run does not end");
            std::thread::sleep(Duration::from_millis(20));
            bench.update(frame.program.as_ref());
        }
        bench
    }

    /// The fields of each line, quotes taken off.
    fn table(text: &str) -> Vec<Vec<String>> {
        let line = |line: &str| {
            let (mut fields, mut is_quoted) = (vec![String::new()], false);
            for c in line.chars() {
                match c {
                    '"' => is_quoted = !is_quoted,
                    ',' if !is_quoted => fields.push(String::new()),
                    c => fields.last_mut().expect("there is always a field").push(c),
                }
            }
            assert!(!is_quoted, "{line}");
            fields
        };
        text.lines().map(line).collect()
    }

    fn check_table(label: &str, bytes: Vec<u8>, least_rows: usize) {
        let text = String::from_utf8(bytes).expect("a table is text");
        let rows = table(&text);
        assert!(rows.len() > least_rows && rows[0].len() > 2, "{label}: {text}");
        for row in &rows {
            assert_eq!(row.len(), rows[0].len(), "{label}: {row:?} under {:?}", rows[0]);
        }
        assert!(rows[0].iter().all(|name| !name.is_empty()), "{label}: {:?}", rows[0]);
    }

    #[test]
    fn every_export_of_every_panel_can_be_read() {
        let frame = frame();
        let (view, bench) = (View::default(), bench(&frame));
        let shown = Shown {
            frame: &frame,
            view: &view,
            bench: &bench,
        };
        for export in exports() {
            // Few pixels, because painting them takes long where nothing is optimised.
            let bytes = export.bytes_at(0.5, &shown);
            let bytes = bytes.unwrap_or_else(|reason| panic!("{}: {reason}", export.label));
            match export.content {
                Content::Table(_) => {
                    let is_of_edges = export.file_name == "graph.csv";
                    let n_edges = frame.program.as_ref().map_or(0, |program| program.graph.edges.len());
                    check_table(export.label, bytes, if is_of_edges { n_edges } else { 1 });
                }
                Content::Svg(_) => {
                    let text = String::from_utf8(bytes).expect("SVG is text");
                    let document = roxmltree::Document::parse(&text).expect("SVG is XML");
                    let n_texts = document.descendants().filter(|node| node.has_tag_name("text")).count();
                    let n_nodes = document.descendants().count();
                    assert!(n_texts > 2 && n_nodes > 20, "{}: {n_texts} of {n_nodes}", export.label);
                }
                Content::Window => panic!("{} belongs to no panel", export.label),
                Content::Png(_) => {
                    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
                        .read_info()
                        .expect("it is PNG");
                    let mut pixels = vec![0; reader.output_buffer_size().expect("it fits into memory")];
                    reader.next_frame(&mut pixels).expect("it is whole");
                    let n_other = pixels.chunks(4).filter(|pixel| *pixel != &pixels[..4]).count();
                    assert!(n_other > 1_000, "{}: {n_other} pixels are not background", export.label);
                }
            }
        }
    }

    #[test]
    fn every_panel_is_exported_as_table_and_as_picture() {
        // A lesson is a text that is shipped, and the source is saved by a command of its own.
        let is_text = |pane: Pane| matches!(pane, Pane::Lesson | Pane::Source);
        for info in PANES.iter().filter(|info| !is_text(info.pane)) {
            let has = |is: fn(&Content) -> bool| info.exports.iter().any(|export| is(&export.content));
            assert!(has(|content| matches!(content, Content::Table(_))), "{}", info.name);
            assert!(has(|content| matches!(content, Content::Svg(_))), "{}", info.name);
            assert!(has(|content| matches!(content, Content::Png(_))), "{}", info.name);
        }
    }

    #[test]
    fn a_row_that_lacks_a_field_is_found() {
        assert_eq!(table("a,\"b,c\"\n1,2"), [["a", "b,c"], ["1", "2"]]);
        let ragged = std::panic::catch_unwind(|| check_table("ragged", b"a,b,c\n1,2\n".to_vec(), 1));
        assert!(ragged.is_err());
    }

    #[test]
    fn without_a_program_there_is_nothing_to_write() {
        let frame = Frame {
            program: None,
            ..frame()
        };
        let (view, bench) = (View::default(), MachineBench::default());
        let shown = Shown {
            frame: &frame,
            view: &view,
            bench: &bench,
        };
        assert!(exports().all(|export| export.bytes(&shown).is_err()));
    }
}
