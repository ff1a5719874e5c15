//! The one table of panels. Layout, menu, command palette, exports and tests read it; nothing else names a panel's title.

use super::array::array_ui;
use super::counters::counters_ui;
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
use crate::csv::{dram_csv, energy_csv, plots_csv, roofline_csv, timeline_csv};
use crate::csv_state::{
    array_csv, comparison_csv, counters_csv, graph_csv, layer_comparison_csv, layers_csv, memory_csv, program_csv,
};
use crate::export::{Export, draw};
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
        exports: &[
            Export::csv("PE array as CSV", "array.csv", array_csv),
            Export::svg("PE array as SVG", "array.svg", draw::array),
            Export::png("PE array as PNG", "array.png", draw::array),
        ],
    },
    PaneInfo {
        pane: Pane::Machine,
        name: "machine",
        title: "Machine",
        help: "The machine description, and what the program would cost on another one.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| machine_ui(ui, p.bench, p.view, p.actions),
        exports: &[
            Export::csv(
                "Machines by layer as CSV",
                "machines-by-layer.csv",
                layer_comparison_csv,
            ),
            Export::csv("Comparison of machines as CSV", "comparison.csv", comparison_csv),
            Export::svg("Machine as SVG", "machine.svg", draw::machine),
            Export::png("Machine as PNG", "machine.png", draw::machine),
        ],
    },
    PaneInfo {
        pane: Pane::Program,
        name: "program",
        title: "Program",
        help: "The instructions, with the one that each unit is at.",
        region: Region::Right,
        is_shown_first: true,
        ui: |ui, p| program_ui(ui, p.frame, p.view, &mut p.memory.listing, p.actions),
        exports: &[
            Export::csv("Program as CSV", "program.csv", program_csv),
            Export::svg("Program as SVG", "program.svg", draw::program),
            Export::png("Program as PNG", "program.png", draw::program),
        ],
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
        exports: &[
            Export::csv("Counters as CSV", "counters.csv", counters_csv),
            Export::svg("Counters as SVG", "counters.svg", draw::counters),
            Export::png("Counters as PNG", "counters.png", draw::counters),
        ],
    },
    PaneInfo {
        pane: Pane::Memory,
        name: "memory",
        title: "Memory",
        help: "What lies where in each memory, byte by byte, and the DRAM's banks.",
        region: Region::RightBelow,
        is_shown_first: true,
        ui: |ui, p| memory_ui(ui, p.frame, p.view, p.actions),
        exports: &[
            Export::csv("Memory as CSV", "memory.csv", memory_csv),
            Export::svg("Memory as SVG", "memory.svg", draw::memory),
            Export::png("Memory as PNG", "memory.png", draw::memory),
        ],
    },
    PaneInfo {
        pane: Pane::Graph,
        name: "graph",
        title: "Model graph",
        help: "The layers and the tensors between them, coloured by what bounds them.",
        region: Region::Main,
        is_shown_first: true,
        ui: |ui, p| graph_ui(ui, p.frame, p.view, p.actions),
        exports: &[
            Export::csv("Model graph as CSV", "graph.csv", graph_csv),
            Export::csv("Layers as CSV", "layers.csv", layers_csv),
            Export::svg("Model graph as SVG", "graph.svg", draw::graph),
            Export::png("Model graph as PNG", "graph.png", draw::graph),
        ],
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
            Export::csv("Timeline as CSV", "timeline.csv", timeline_csv),
            Export::csv("DRAM channels as CSV", "dram.csv", dram_csv),
            Export::svg("Timeline as SVG", "timeline.svg", draw::timeline),
            Export::png("Timeline as PNG", "timeline.png", draw::timeline),
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
            Export::csv("Bandwidth and power as CSV", "bandwidth.csv", plots_csv),
            Export::svg("Bandwidth and power as SVG", "bandwidth.svg", draw::plots),
            Export::png("Bandwidth and power as PNG", "bandwidth.png", draw::plots),
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
            Export::csv("Roofline as CSV", "roofline.csv", roofline_csv),
            Export::svg("Roofline as SVG", "roofline.svg", draw::roofline),
            Export::png("Roofline as PNG", "roofline.png", draw::roofline),
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
            Export::csv("Energy as CSV", "energy.csv", energy_csv),
            Export::svg("Energy as SVG", "energy.svg", draw::energy),
            Export::png("Energy as PNG", "energy.png", draw::energy),
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
