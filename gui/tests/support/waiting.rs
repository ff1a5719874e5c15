//! How tests wait for what a dashboard shows late, because it is made on another thread.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::time::Duration;
use systole_gui::app::Dashboard;

/// Clicks and draws the frames that this leads to.
pub(crate) fn click(harness: &mut Harness<'_, Option<Dashboard>>, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(3);
}

/// Draws frames until a label is there.
pub(crate) fn wait_for(harness: &mut Harness<'_, Option<Dashboard>>, label: &str) {
    for _ in 0..500 {
        harness.run_steps(1);
        if harness.query_all_by_label_contains(label).next().is_some() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{label:?} does not appear: {harness:?}");
}
