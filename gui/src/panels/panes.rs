//! The one table of panels. Layout, menu, command palette, exports and tests read it; nothing else names a panel's title.

use super::array::array_ui;
use super::counters::{counters_csv, counters_ui};
use super::energy::energy_ui;
use super::graph::graph_ui;
use super::layout::Panels;
use super::lesson::lesson_ui;
use super::machine::machine_ui;
use super::memory::memory_ui;
use super::plots::plots_ui;
use super::program::program_ui;
use super::roofline::roofline_ui;
use super::source::source_ui;
use super::timeline::timeline_ui;
use super::timeline_density::DensityTexture;
use crate::csv::{energy_csv, plots_csv, roofline_csv, timeline_csv};
use crate::frame::Frame;
use crate::picture::{png, svg};
use crate::view::View;
use egui::Ui;

/// A panel that can be moved, shown and hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pane {
    /// The PE array.
    Array,
    /// The disassembly.
    Program,
    /// The text of the program.
    Source,
    /// The lanes.
    Timeline,
    /// The counters.
    Counters,
    /// The memories.
    Memory,
    /// The layers.
    Graph,
    /// Bandwidth and power over time.
    Plots,
    /// The roofline.
    Roofline,
    /// Energy by layer and component.
    Energy,
    /// The machine description.
    Machine,
    /// The lesson that is being taken.
    Lesson,
}

/// Where a panel stands in the default layout. Panels of one region share it as tabs, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// A column of its own on the left, over the whole height.
    Reading,
    /// The large part beside it.
    Main,
    /// The upper right.
    Right,
    /// Below that.
    RightBelow,
    /// Along the bottom, over the whole width.
    Bottom,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PaneInfo {
    /// The panel.
    pub(crate) pane: Pane,
    /// Its name in stored layouts, scripts and lessons; never changed once it is in use.
    pub(crate) name: &'static str,
    /// Its tab's title, also the text of its menu item.
    pub(crate) title: &'static str,
    /// What it shows, in one sentence.
    pub(crate) help: &'static str,
    /// Where it stands at first.
    pub(crate) region: Region,
    /// Whether it is visible at first.
    pub(crate) is_shown_first: bool,
    /// Draws it.
    pub(crate) ui: fn(&mut Ui, &mut Panels<'_>),
    /// What it can write into a file.
    pub(crate) exports: &'static [Export],
}

/// Something that a panel can write into a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export {
    /// The text of its menu item, unique among all exports.
    pub(crate) label: &'static str,
    /// The file name that is proposed.
    pub(crate) file_name: &'static str,
    /// Makes the file's content from what is shown, or says why there is none.
    pub(crate) content: fn(&Frame, &View) -> Result<Vec<u8>, String>,
}

/// All panels.
pub(crate) const PANES: &[PaneInfo] = &[
    PaneInfo {
        pane: Pane::Lesson,
        name: "lesson",
        title: "Lesson",
        help: "A lesson to read, with steps that it does on the machine and questions.",
        region: Region::Reading,
        is_shown_first: false,
        ui: |ui, p| lesson_ui(ui, p.course, &mut p.memory.lesson, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Array,
        name: "array",
        title: "PE array",
        help: "What every processing element holds and does in this cycle.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| array_ui(ui, p.frame, p.view, &mut p.memory.texture, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Machine,
        name: "machine",
        title: "Machine",
        help: "The machine description, and what the program would cost on another one.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| machine_ui(ui, p.bench, p.view, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Program,
        name: "program",
        title: "Program",
        help: "The instructions, with the one that each unit is at.",
        region: Region::Right,
        is_shown_first: true,
        ui: |ui, p| program_ui(ui, p.frame, p.view, &mut p.memory.listing, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Source,
        name: "source",
        title: "Source",
        help: "The text of the program, to be changed and assembled, with what each line cost.",
        region: Region::Right,
        is_shown_first: true,
        ui: |ui, p| source_ui(ui, p.frame, p.view, p.source, &mut p.memory.source, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Counters,
        name: "counters",
        title: "Counters",
        help: "How busy each unit was, and what was counted so far.",
        region: Region::RightBelow,
        is_shown_first: true,
        ui: |ui, p| counters_ui(ui, p.frame),
        exports: &[Export {
            label: "Counters as CSV",
            file_name: "counters.csv",
            content: counters_csv,
        }],
    },
    PaneInfo {
        pane: Pane::Memory,
        name: "memory",
        title: "Memory",
        help: "What lies where in each memory, byte by byte, and the DRAM's banks.",
        region: Region::RightBelow,
        is_shown_first: true,
        ui: |ui, p| memory_ui(ui, p.frame, p.view, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Graph,
        name: "graph",
        title: "Model graph",
        help: "The layers and the tensors between them, coloured by what bounds them.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| graph_ui(ui, p.frame, p.view, p.actions),
        exports: &[],
    },
    PaneInfo {
        pane: Pane::Timeline,
        name: "timeline",
        title: "Timeline",
        help: "What each unit does over time.",
        region: Region::Bottom,
        is_shown_first: true,
        ui: |ui, p| timeline_ui(ui, p.frame, p.view, &mut p.memory.density, p.actions),
        exports: &[
            Export {
                label: "Timeline as CSV",
                file_name: "timeline.csv",
                content: timeline_csv,
            },
            Export {
                label: "Timeline as SVG",
                file_name: "timeline.svg",
                content: |frame, view| {
                    let mut texture = DensityTexture::default();
                    svg(|ui| timeline_ui(ui, frame, view, &mut texture, &mut Vec::new()))
                },
            },
            Export {
                label: "Timeline as PNG",
                file_name: "timeline.png",
                content: |frame, view| {
                    let mut texture = DensityTexture::default();
                    png(|ui| timeline_ui(ui, frame, view, &mut texture, &mut Vec::new()))
                },
            },
        ],
    },
    PaneInfo {
        pane: Pane::Plots,
        name: "plots",
        title: "Bandwidth and power",
        help: "Traffic of each port, use of the DRAM, and power by component over the timeline's stretch of time.",
        region: Region::Bottom,
        is_shown_first: true,
        ui: |ui, p| plots_ui(ui, p.frame, p.view, p.actions),
        exports: &[
            Export {
                label: "Bandwidth and power as CSV",
                file_name: "bandwidth.csv",
                content: plots_csv,
            },
            Export {
                label: "Bandwidth and power as SVG",
                file_name: "bandwidth.svg",
                content: |frame, view| svg(|ui| plots_ui(ui, frame, view, &mut Vec::new())),
            },
            Export {
                label: "Bandwidth and power as PNG",
                file_name: "bandwidth.png",
                content: |frame, view| png(|ui| plots_ui(ui, frame, view, &mut Vec::new())),
            },
        ],
    },
    PaneInfo {
        pane: Pane::Roofline,
        name: "roofline",
        title: "Roofline",
        help: "How fast each layer is, and how fast array and DRAM would allow it to be.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| roofline_ui(ui, p.frame, p.view, p.actions),
        exports: &[
            Export {
                label: "Roofline as CSV",
                file_name: "roofline.csv",
                content: roofline_csv,
            },
            Export {
                label: "Roofline as SVG",
                file_name: "roofline.svg",
                content: |frame, view| svg(|ui| roofline_ui(ui, frame, view, &mut Vec::new())),
            },
            Export {
                label: "Roofline as PNG",
                file_name: "roofline.png",
                content: |frame, view| png(|ui| roofline_ui(ui, frame, view, &mut Vec::new())),
            },
        ],
    },
    PaneInfo {
        pane: Pane::Energy,
        name: "energy",
        title: "Energy",
        help: "Which layer and which component spent how much energy.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| energy_ui(ui, p.frame, p.view, p.actions),
        exports: &[
            Export {
                label: "Energy as CSV",
                file_name: "energy.csv",
                content: energy_csv,
            },
            Export {
                label: "Energy as SVG",
                file_name: "energy.svg",
                content: |frame, view| svg(|ui| energy_ui(ui, frame, view, &mut Vec::new())),
            },
            Export {
                label: "Energy as PNG",
                file_name: "energy.png",
                content: |frame, view| png(|ui| energy_ui(ui, frame, view, &mut Vec::new())),
            },
        ],
    },
];

impl Pane {
    /// The panel's row of the table.
    pub(crate) fn info(self) -> &'static PaneInfo {
        PANES
            .iter()
            .find(|info| info.pane == self)
            .expect("a test checks that every panel has a row")
    }

    /// The panel of a name.
    pub(crate) fn from_name(name: &str) -> Option<Pane> {
        PANES.iter().find(|info| info.name == name).map(|info| info.pane)
    }
}

/// All exports of all panels.
pub(crate) fn exports() -> impl Iterator<Item = &'static Export> {
    PANES.iter().flat_map(|info| info.exports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_titles_and_exports_are_unique() {
        for (i, a) in PANES.iter().enumerate() {
            assert_eq!(Pane::from_name(a.name), Some(a.pane));
            assert_eq!(a.pane.info().title, a.title);
            assert!(a.help.ends_with('.'), "{}", a.help);
            for b in &PANES[i + 1..] {
                assert!(a.pane != b.pane && a.title != b.title, "{} and {}", a.name, b.name);
            }
        }
        let labels: Vec<&str> = exports().map(|export| export.label).collect();
        for (i, label) in labels.iter().enumerate() {
            assert!(!labels[i + 1..].contains(label), "{label}");
        }
    }
}
