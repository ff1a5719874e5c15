//! The Systole dashboard: a window that steps through a program on a simulated systolic array.
//!
//! A worker thread owns the machine ([`worker`], [`driver`]) and publishes pictures of it ([`frame`]). Panels are functions
//! that read a frame and return actions, which [`app::Dashboard`] applies at one place. Behind the trait [`engine::Engine`] the
//! dashboard refuses to know how a program is simulated; it never compiles or parses anything itself.

pub mod app;
mod background;
pub mod bench;
pub mod command;
mod counters;
pub mod driver;
pub mod engine;
pub mod examples;
pub mod format;
pub mod frame;
mod icons;
pub mod lane_log;
pub mod launch;
pub mod lesson;
mod listing;
mod machine_bench;
mod machine_draft;
mod panels;
pub mod rig;
pub mod simulation;
mod theme;
pub mod until;
mod view;
pub mod worker;

pub use launch::{GuiError, LaunchOptions, Loader, run};
pub use rig::Recipe;
pub use simulation::Source;
