//! What the user has chosen to see, and the actions with which panels ask for a change.
//!
//! Panels read the [`View`] and never write it; [`crate::app::Dashboard::update`] is the only writer.

use crate::command::Command;
use crate::course::CourseAction;
use crate::driver::Speed;
use crate::export::Export;
use crate::frame::{PeCell, TimelineView};
use crate::look::{Look, LookAction};
use crate::machine_bench::BenchAction;
use crate::panels::panes::Pane;
use crate::recent::RecentFiles;
use crate::source_editor::SourceAction;
use std::path::PathBuf;

/// What the user has chosen to see.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The visible stretch of the timeline.
    pub(crate) timeline: TimelineView,
    /// What the colour of a PE stands for.
    pub(crate) array_value: ArrayValue,
    /// The PE whose numbers are shown, by row and column.
    pub(crate) selected_pe: Option<(usize, usize)>,
    /// The instruction that is marked in listing and timeline.
    pub(crate) selected_pc: Option<u32>,
    /// The unit whose current instruction the listing keeps in sight.
    pub(crate) followed_unit: Option<usize>,
    /// Text that the listing searches for.
    pub(crate) search: String,
    /// How fast a run is.
    pub(crate) speed: Speed,
    /// What is looked at closely.
    pub(crate) look: Look,
    /// Whether the machine panel shows the description as text.
    pub(crate) is_machine_text: bool,
    /// The dialog that is open.
    pub(crate) dialog: Option<Dialog>,
    /// The files that were opened last.
    pub(crate) recent: RecentFiles,
    /// The panels that are not hidden.
    pub(crate) shown_panes: Vec<Pane>,
    /// The cycle under the pointer, in whichever panel along time that is.
    pub(crate) cursor: Option<u64>,
    /// The lane and the cycle of the span that is explained.
    pub(crate) selected_span: Option<(usize, u64)>,
    /// Whether the timeline shows the DRAM's channels.
    pub(crate) has_dram_lanes: bool,
    /// Lanes that stand first.
    pub(crate) pinned_lanes: Vec<usize>,
    /// Text that the lanes are searched for.
    pub(crate) lane_search: String,
    /// The latest search in the lanes whose answer has been shown.
    pub(crate) shown_search: u64,
    /// What is plotted over time.
    pub(crate) plot: PlotChoice,
    /// Whether energy is divided by layer first, and not by component.
    pub(crate) is_energy_by_layer: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            timeline: TimelineView::default(),
            array_value: ArrayValue::State,
            selected_pe: None,
            selected_pc: None,
            followed_unit: Some(crate::frame::MX),
            search: String::new(),
            speed: Speed::CyclesPerSecond(10),
            look: Look::default(),
            is_machine_text: false,
            dialog: None,
            recent: RecentFiles::default(),
            shown_panes: Vec::new(),
            cursor: None,
            selected_span: None,
            has_dram_lanes: true,
            pinned_lanes: Vec::new(),
            lane_search: String::new(),
            shown_search: 0,
            plot: PlotChoice::Bandwidth,
            is_energy_by_layer: true,
        }
    }
}

/// A dialog in front of the panels, with what was typed so far.
#[derive(Clone, Debug)]
pub(crate) enum Dialog {
    /// Which file to open.
    Open(String),
    /// Where to write an export.
    Export(&'static Export, String),
    /// Where to write the text of the program.
    SaveSource(String),
    /// What becomes of a text that is not written yet.
    Unsaved,
    /// Which command to run, with the position of the entry that is chosen.
    Palette(String, usize),
}

/// What is plotted over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlotChoice {
    /// Bytes per cycle of each port.
    Bandwidth,
    /// Share of the DRAM's peak bandwidth.
    Efficiency,
    /// Power by component.
    Power,
}

impl PlotChoice {
    /// All choices, in the order of the switch.
    pub(crate) const ALL: [PlotChoice; 3] = [PlotChoice::Bandwidth, PlotChoice::Efficiency, PlotChoice::Power];

    /// The switch's text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            PlotChoice::Bandwidth => "Bandwidth",
            PlotChoice::Efficiency => "DRAM efficiency",
            PlotChoice::Power => "Power",
        }
    }
}

/// What the colour of a PE stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArrayValue {
    /// What the PE does.
    State,
    /// The weight it holds.
    Weight,
    /// The weight of the next tile.
    NextWeight,
    /// The activation that passes through it.
    Activation,
    /// The partial sum that leaves it.
    PartialSum,
}

impl ArrayValue {
    /// All values, in the order of the switch.
    pub(crate) const ALL: [ArrayValue; 5] = [
        ArrayValue::State,
        ArrayValue::Weight,
        ArrayValue::NextWeight,
        ArrayValue::Activation,
        ArrayValue::PartialSum,
    ];

    /// The switch's text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ArrayValue::State => "State",
            ArrayValue::Weight => "Weight",
            ArrayValue::NextWeight => "Next weight",
            ArrayValue::Activation => "Activation",
            ArrayValue::PartialSum => "Partial sum",
        }
    }

    /// The number that a small cell shows. For `State` that is the partial sum of a PE that has one, else its weight.
    pub(crate) fn of(self, cell: &PeCell) -> Option<i64> {
        match self {
            ArrayValue::State => cell.partial_sum.or(cell.weight.map(i64::from)),
            ArrayValue::PartialSum => cell.partial_sum,
            ArrayValue::Weight => cell.weight.map(i64::from),
            ArrayValue::NextWeight => cell.next_weight.map(i64::from),
            ArrayValue::Activation => cell.activation.map(i64::from),
        }
    }
}

/// A change that a panel asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// A command of the table.
    Command(Command),
    /// Change the text in the dialog that is open.
    EditDialog(String),
    /// A change of the lesson that is being taken.
    Course(CourseAction),
    /// Open a shipped program or model, by its name.
    OpenExample(&'static str),
    /// Open this file and close the dialog.
    OpenPath(PathBuf),
    /// Stop what is being opened.
    CancelLoad,
    /// Show the user a message.
    Tell(String),
    /// Look which of the recent files are still there.
    CheckRecent,
    /// Show the system's file chooser.
    Browse,
    /// Close the dialog.
    CloseDialog,
    /// Choose an entry of the command palette by its position.
    ChooseEntry(usize),
    /// Ask where to write an export, by its label.
    AskExport(&'static str),
    /// Write the export of the dialog to this file.
    Export(PathBuf),
    /// Show a panel in front of its tabs, or hide it.
    ShowPane(Pane, bool),
    /// Show another stretch of time.
    SetTimeline(TimelineView),
    /// The timeline's width changed, in pixels.
    SetTimelineWidth(usize),
    /// Move the machine to a cycle.
    GoTo(u64),
    /// Mark an instruction.
    SelectInstruction(Option<u32>),
    /// Show a PE's numbers.
    SelectPe(Option<(usize, usize)>),
    /// Look at something else, or change it.
    Look(LookAction),
    /// Let colour stand for something else.
    SetArrayValue(ArrayValue),
    /// Keep another unit's instruction in sight.
    SetFollowedUnit(Option<usize>),
    /// Search the listing.
    SetSearch(String),
    /// Set or clear a breakpoint.
    ToggleBreakpoint(u32),
    /// Choose how fast a run is.
    SetSpeed(Speed),
    /// A change of the source panel.
    Source(SourceAction),
    /// A change of the machine panel.
    Bench(BenchAction),
    /// Show the machine of the draft as form or as text.
    SetMachineAsText(bool),
    /// Load the program on the machine of the draft.
    UseMachine,
    /// Take the message away.
    DismissNotice,
    /// The pointer is at this cycle in a panel along time.
    SetCursor(u64),
    /// Explain the span at a cycle of a lane, or none.
    SelectSpan(Option<(usize, u64)>),
    /// Show the DRAM's channels in the timeline, or hide them.
    ShowDramLanes(bool),
    /// Let a lane stand first, or no longer.
    PinLane(usize, bool),
    /// Change the text that the lanes are searched for.
    SetLaneSearch(String),
    /// Show the next span that matches, or the one before.
    FindSpan {
        /// Whether to search in the direction of time.
        is_forward: bool,
    },
    /// Show these cycles and a little around them.
    ShowCycles(u64, u64),
    /// Show a cycle in the middle, as much of time as now.
    CenterOn(u64),
    /// Show the cycles of a layer and mark its first instruction; `None` is what comes before the first layer.
    ShowLayer(Option<usize>),
    /// Plot something else over time.
    SetPlot(PlotChoice),
    /// Divide energy by layer first, or by component.
    SetEnergyByLayer(bool),
}
