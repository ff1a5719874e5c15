//! The Systole dashboard: a window that steps through a program on a simulated systolic array.
//!
//! A worker thread owns the machine ([`worker`], [`driver`]) and publishes pictures of it ([`frame`]). Panels are functions
//! that read a frame and return actions, which [`app::Dashboard`] applies at one place. Behind the trait [`engine::Engine`] the
//! dashboard refuses to know how a program is simulated. Only [`examples`] and [`files`] compile anything; they and [`source_text`] assemble.

pub mod app;
mod background;
pub mod bench;
mod coarse_log;
pub mod command;
mod counters;
mod course;
mod csv;
mod csv_state;
pub mod dram_lanes;
mod dram_log;
pub mod driver;
mod edits;
pub mod engine;
pub mod examples;
mod explain;
mod export;
pub mod files;
pub mod format;
pub mod frame;
mod icons;
pub mod inspect;
pub mod inspection;
mod keeping;
mod landmarks;
pub mod lane_log;
pub mod launch;
pub mod lesson;
mod line_map;
mod listing;
pub mod loading;
mod look;
mod machine_bench;
mod machine_draft;
mod model_graph;
mod npy;
pub mod overview;
mod overview_of;
mod panels;
mod picture;
pub mod profile;
mod reassembly;
mod recent;
mod recording;
pub mod rig;
mod search;
pub mod simulation;
mod source_check;
mod source_editor;
pub mod source_text;
mod theme;
pub mod token_log;
mod view;
pub mod worker;

pub use launch::{GuiError, LaunchOptions, Loader, run};
pub use rig::Recipe;
pub use simulation::Source;
pub use source_text::SourceText;
