//! The native window: starts the worker and hands both to the windowing system.

use crate::app::Dashboard;
use crate::engine::{Engine, EngineLoader, Opened};
use crate::simulation::{Simulation, Source};
use crate::worker::ThreadWorker;
use egui::{ViewportBuilder, vec2};
use std::path::Path;
use std::sync::Arc;

/// Opens a file that holds a program, without telling its progress.
pub type Loader = Box<dyn Fn(&Path) -> Result<Source, String> + Send + Sync>;

/// What the dashboard starts with.
pub struct LaunchOptions {
    /// The program that is open from the start, if any.
    pub source: Option<Source>,
    /// How files are opened.
    pub loader: EngineLoader,
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum GuiError {
    /// The windowing system or the graphics driver refused.
    #[error("the window cannot be opened: {0}")]
    Window(#[from] eframe::Error),
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// If there is no display or no usable graphics driver.
pub fn run(options: LaunchOptions) -> Result<(), GuiError> {
    let viewport = ViewportBuilder::default()
        .with_title("Systole")
        .with_app_id("systole")
        .with_inner_size(vec2(1_440.0, 900.0))
        .with_min_inner_size(vec2(720.0, 480.0));
    let native_options = eframe::NativeOptions {
        viewport,
        ..eframe::NativeOptions::default()
    };
    let create = move |context: &eframe::CreationContext<'_>| {
        let ctx = context.egui_ctx.clone();
        let worker = ThreadWorker::spawn(options.loader, options.source.map(engine), move || {
            ctx.request_repaint()
        })?;
        let mut dashboard = Dashboard::new(Box::new(worker), &context.egui_ctx);
        if let Some(storage) = context.storage {
            dashboard.restore(storage);
        }
        Ok(Box::new(dashboard) as Box<dyn eframe::App>)
    };
    eframe::run_native("Systole", native_options, Box::new(create))?;
    Ok(())
}

/// The simulator's engine for a source.
pub fn engine(source: Source) -> Box<dyn Engine> {
    Box::new(Simulation::new(source))
}

/// A loader of engines from a loader of sources.
pub fn engine_loader(loader: Loader) -> EngineLoader {
    Arc::new(move |path, _| loader(path).map(engine).map(Opened::Program))
}
