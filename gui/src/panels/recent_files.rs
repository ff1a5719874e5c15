//! The files that were opened last, in the File menu and where nothing is open yet.

use crate::recent::RecentFiles;
use crate::view::Action;
use egui::{Button, Ui};
use std::path::Path;

/// Draws a button for each file that opens it; one that is not there says why it cannot. Returns whether one was clicked.
pub(crate) fn recent_files_ui(ui: &mut Ui, recent: &RecentFiles, actions: &mut Vec<Action>) -> bool {
    let mut is_clicked = false;
    for (path, missing) in recent.iter() {
        let name = name(path);
        let button = ui.add_enabled(missing.is_none(), Button::new(&name).truncate());
        let label = match missing {
            Some(reason) => format!("Recent file {name}, missing: {reason}"),
            None => format!("Recent file {name}"),
        };
        let button = button
            .accessible_name(label)
            .on_hover_text(path.display().to_string())
            .on_disabled_hover_text(format!(
                "{} cannot be opened: {}",
                path.display(),
                missing.unwrap_or_default()
            ));
        if button.clicked() {
            actions.push(Action::OpenPath(path.to_owned()));
            is_clicked = true;
        }
    }
    actions.push(Action::CheckRecent);
    is_clicked
}

/// The last part of a path.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
