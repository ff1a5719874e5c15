//! The dashboard on a synchronous worker, without a window, as tests drive it.

use crate::support::sample_source;
use egui_kittest::Harness;
use std::sync::Arc;
use systole_gui::app::Dashboard;
use systole_gui::engine::EngineLoader;
use systole_gui::frame::Frame;
use systole_gui::launch::engine;
use systole_gui::worker::SynchronousWorker;

/// A dashboard, from its first frame on.
pub(crate) type Window = Harness<'static, Option<Dashboard>>;

/// A dashboard that opens files in this way, with the small product loaded on the smallest machine or nothing. No frame is drawn yet.
pub(crate) fn window(loader: fn() -> EngineLoader, is_loaded: bool) -> Window {
    let app = move |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| {
            let source = is_loaded.then(|| engine(sample_source("tiny4x4", 12)));
            Dashboard::new(Box::new(SynchronousWorker::new(loader(), source)), &ctx)
        });
        dashboard.dashboard_ui(ui);
    };
    Harness::builder()
        .with_max_steps(400)
        .with_size([1_600.0, 1_000.0])
        .build_ui_state(app, None)
}

/// The frame that is shown.
pub(crate) fn frame(window: &Window) -> &Arc<Frame> {
    window.state().as_ref().unwrap().frame()
}
