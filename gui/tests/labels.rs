//! Whoever cannot see the dashboard gets a name for everything that can be operated, in every panel, menu and dialog; and no two
//! names in one place are the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;
#[path = "support/window.rs"]
mod window;

use egui::accesskit::{Action, Role};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{AccessKitNode, NodeT, Queryable};
use std::collections::BTreeMap;
use systole_gui::launch::engine_loader;
use window::{Window, frame, window};

fn dashboard() -> Window {
    let mut harness = window(
        || engine_loader(Box::new(|_| Err("there are no files here".to_owned()))),
        true,
    );
    harness.run();
    harness
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(4);
}

fn is_operable(node: &AccessKitNode<'_>) -> bool {
    let has_role = matches!(
        node.role(),
        Role::Button
            | Role::CheckBox
            | Role::RadioButton
            | Role::Slider
            | Role::SpinButton
            | Role::TextInput
            | Role::MultilineTextInput
            | Role::ComboBox
            | Role::Link
            | Role::Tab
            | Role::MenuItem
    );
    // Areas that take clicks for what is drawn in them have no role of their own.
    let takes_clicks =
        node.data().supports_action(Action::Click) && !matches!(node.role(), Role::Unknown | Role::ScrollBar);
    !node.is_hidden() && (has_role || takes_clicks)
}

fn label(node: &AccessKitNode<'_>) -> String {
    node.label().unwrap_or_default().trim().to_owned()
}

/// What the nodes above are called, from the inside out.
fn context(node: &AccessKitNode<'_>) -> Vec<String> {
    let above = std::iter::successors(node.parent(), AccessKitNode::parent);
    above
        .map(|node| label(&node))
        .filter(|label| !label.is_empty())
        .collect()
}

/// What is wrong with the names of a window's nodes.
fn problems<State>(harness: &Harness<'_, State>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: BTreeMap<(String, String, Vec<String>), usize> = BTreeMap::new();
    for node in harness.root().children_recursive() {
        let node = node.accesskit_node();
        if !is_operable(&node) {
            continue;
        }
        let (label, role) = (label(&node), format!("{:?}", node.role()));
        if label.is_empty() {
            let at = node.bounding_box().map(|b| (b.x0.round(), b.y0.round()));
            found.push(format!("a {role} at {at:?} within {:?} has no name", context(&node)));
        }
        *seen.entry((role, label, context(&node))).or_default() += 1;
    }
    // The cross of each tab is drawn and named by the library of tabs.
    let may_repeat = |role: &str, label: &str| label.is_empty() || (role == "Button" && label == "Close");
    let twice = seen
        .into_iter()
        .filter(|((role, label, _), n)| *n > 1 && !may_repeat(role, label));
    found.extend(twice.map(|((role, label, context), n)| format!("{n} times {role} {label:?} within {context:?}")));
    found
}

#[track_caller]
fn check(harness: &Window, place: &str) {
    let problems = problems(harness);
    assert!(problems.is_empty(), "{place}:\n{}", problems.join("\n"));
}

/// The titles of all panels, as the view menu tells them.
fn titles(harness: &mut Window) -> Vec<String> {
    click(harness, "View menu");
    let nodes = harness.query_all_by_label_contains("Panel: ");
    let labels = nodes.map(|node| label(&node.accesskit_node()));
    let titles = labels
        .filter_map(|label| Some(label.strip_prefix("Panel: ")?.to_owned()))
        .collect();
    check(harness, "view menu");
    harness.key_press(Key::Escape);
    harness.run_steps(4);
    titles
}

/// Hides a panel and shows it, which brings it in front of its tabs.
fn bring_to_front(harness: &mut Window, title: &str) {
    for _ in 0..2 {
        click(harness, "View menu");
        click(harness, &format!("Panel: {title}"));
        harness.key_press(Key::Escape);
        harness.run_steps(4);
    }
}

#[test]
fn everything_in_every_panel_has_a_name_of_its_own() {
    let mut harness = dashboard();
    check(&harness, "first frame");
    let titles = titles(&mut harness);
    assert!(titles.len() >= 10, "{titles:?}");
    click(&mut harness, "Step 10");
    for moment in ["in the run", "after the run"] {
        for title in &titles {
            bring_to_front(&mut harness, title);
            check(&harness, &format!("panel {title}, {moment}"));
        }
        click(&mut harness, "Run to end");
    }
    assert!(frame(&harness).run_state.has_ended());
}

#[test]
fn everything_in_every_menu_and_dialog_has_a_name_of_its_own() {
    let mut harness = dashboard();
    for menu in ["File menu", "Run menu", "View menu"] {
        click(&mut harness, menu);
        check(&harness, menu);
        harness.key_press(Key::Escape);
        harness.run_steps(4);
    }
    click(&mut harness, "Open");
    harness.get_by_label("Path of the file");
    check(&harness, "dialog to open a file");
    click(&mut harness, "Cancel");

    click(&mut harness, "File menu");
    click(&mut harness, "Export Counters");
    check(&harness, "menu of exports");
    click(&mut harness, "Export: Counters as CSV");
    harness.get_by_label("Path of the new file");
    check(&harness, "dialog to export");
    click(&mut harness, "Cancel");

    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::CTRL, Key::K);
    harness.run_steps(4);
    check(&harness, "command palette");
}

#[test]
fn a_name_that_is_missing_or_there_twice_is_found() {
    let draw = |ui: &mut egui::Ui| {
        let _ = ui.button("");
        let _ = ui.button("Go");
        let _ = ui.button("Go");
        let mut text = String::new();
        ui.text_edit_singleline(&mut text);
        let _ = ui.button("Stop");
    };
    let mut harness = Harness::builder().with_accessibility_check(false).build_ui(draw);
    harness.run();
    let problems = problems(&harness);
    let n_nameless = problems
        .iter()
        .filter(|problem| problem.contains("has no name"))
        .count();
    assert_eq!(n_nameless, 2, "{problems:?}");
    assert!(
        problems.iter().any(|problem| problem.contains("2 times Button \"Go\"")),
        "{problems:?}"
    );
    assert_eq!(problems.len(), 3, "{problems:?}");
}
