//! The panels: functions that read a frame and what the user has chosen, draw, and push actions. None of them changes a
//! state of the dashboard or knows where frames come from.

pub(crate) mod array;
pub(crate) mod array_detail;
pub(crate) mod array_grid;
pub(crate) mod counters;
pub(crate) mod energy;
pub(crate) mod graph;
pub(crate) mod instruction_help;
pub(crate) mod layout;
pub(crate) mod load_bar;
pub(crate) mod machine;
pub(crate) mod machine_compare;
pub(crate) mod memory;
pub(crate) mod notice;
pub(crate) mod palette;
pub(crate) mod panes;
pub(crate) mod path_dialogs;
pub(crate) mod plots;
pub(crate) mod program;
pub(crate) mod recent_files;
pub(crate) mod roofline;
pub(crate) mod span_report;
pub(crate) mod status_bar;
pub(crate) mod stored_layout;
pub(crate) mod timeline;
pub(crate) mod timeline_density;
pub(crate) mod timeline_lanes;
pub(crate) mod timeline_scale;
pub(crate) mod toolbar;
pub(crate) mod treemap;
pub(crate) mod welcome;
pub(crate) mod widgets;
