//! The command palette: every command, panel, export, example and lesson, found by typing a few of its letters.

use super::catalog::example_label;
use super::panes::{PANES, PaneInfo};
use crate::command::{COMMANDS, Command};
use crate::course::{CourseAction, lessons};
use crate::examples::examples;
use crate::frame::Frame;
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Align2, Area, Id, Key, Modal, Modifiers, Order, Role, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, vec2};

/// Most entries that are shown.
const MAX_SHOWN: usize = 12;

/// One thing that can be chosen.
pub(crate) struct Entry {
    label: String,
    keys: String,
    action: Action,
}

/// Everything that can be chosen now.
fn entries(ui: &Ui, frame: &Frame, view: &View) -> Vec<Entry> {
    let is_offered = |command: Command| command.is_enabled(frame) && command != Command::Palette;
    let commands = COMMANDS
        .iter()
        .filter(|info| is_offered(info.command))
        .map(|info| Entry {
            label: info.label.to_owned(),
            keys: info
                .shortcuts
                .first()
                .map(|shortcut| ui.ctx().format_shortcut(shortcut))
                .unwrap_or_default(),
            action: Action::Command(info.command),
        });
    let pane = |info: &PaneInfo, verb: &str, is_shown: bool| Entry {
        label: format!("{verb} panel: {}", info.title),
        keys: String::new(),
        action: Action::ShowPane(info.pane, is_shown),
    };
    // A panel that is shown may stand behind another tab.
    let shown = PANES.iter().map(|info| pane(info, "Show", true));
    let hidden = PANES.iter().filter(|info| view.shown_panes.contains(&info.pane));
    let panes = shown.chain(hidden.map(|info| pane(info, "Hide", false)));
    let exports = PANES.iter().flat_map(|info| info.exports).map(|export| Entry {
        label: format!("Export: {}", export.label),
        keys: String::new(),
        action: Action::AskExport(export.label),
    });
    let lessons = lessons().map(|info| Entry {
        label: info.label(),
        keys: String::new(),
        action: Action::Course(CourseAction::Open(info.name)),
    });
    let examples = examples().map(|info| Entry {
        label: example_label(info.name),
        keys: String::new(),
        action: Action::OpenExample(info.name),
    });
    let offers = lessons.chain(examples);
    commands.chain(panes).chain(exports).chain(offers).collect()
}

/// How well a text matches a query: its letters in order, better at the beginning of words and side by side; `None` if one is
/// missing. An empty query matches everything equally.
fn score(text: &str, query: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut total, mut last) = (0, 0, None);
    for wanted in query.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = at + text.get(at..)?.iter().position(|c| *c == wanted)?;
        let is_word_start = found == 0 || !text[found - 1].is_alphanumeric();
        let is_neighbour = last.is_some_and(|last| last + 1 == found);
        total += 1 + if is_word_start { 4 } else { 0 } + if is_neighbour { 3 } else { 0 };
        (last, at) = (Some(found), found + 1);
    }
    Some(total * 32 - i32::try_from(text.len()).unwrap_or(i32::MAX / 2))
}

/// The entries that match, best first.
fn ranked(entries: Vec<Entry>, query: &str) -> Vec<Entry> {
    let is_empty = query.trim().is_empty();
    let mut scored: Vec<(i32, Entry)> = entries
        .into_iter()
        .filter_map(|entry| Some((if is_empty { 0 } else { score(&entry.label, query)? }, entry)))
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, entry)| entry).take(MAX_SHOWN).collect()
}

/// Draws the palette with what was typed so far and the position of the chosen entry.
pub(crate) fn palette_ui(ui: &Ui, frame: &Frame, view: &View, query: &str, chosen: usize, actions: &mut Vec<Action>) {
    let found = ranked(entries(ui, frame, view), query);
    let area = Area::new(Id::unique("palette"))
        .order(Order::Foreground)
        .anchor(Align2::CENTER_TOP, vec2(0.0, 80.0));
    let last = found.len().saturating_sub(1);
    // The arrows would move the cursor in the text field.
    let (is_up, is_down, is_confirmed) = ui.ctx().input_mut(|input| {
        (
            input.consume_key(Modifiers::NONE, Key::ArrowUp),
            input.consume_key(Modifiers::NONE, Key::ArrowDown),
            input.consume_key(Modifiers::NONE, Key::Enter),
        )
    });
    let chosen = chosen.min(last);
    let response = Modal::new(Id::unique("palette")).area(area).show(ui.ctx(), |ui| {
        ui.set_width(520.0);
        let mut text = query.to_owned();
        let edit = TextEdit::singleline(&mut text)
            .hint_text("What do you want to do?")
            .desired_width(f32::INFINITY);
        let response = ui
            .add(edit.margin(egui::Margin::symmetric(8, 6)))
            .accessible_name("Find command");
        if !response.has_focus() {
            response.request_focus();
        }
        if response.changed() {
            actions.push(Action::EditDialog(text));
        }
        ui.add_space(theme::GAP);
        if found.is_empty() {
            ui.weak("Nothing matches.");
        }
        ScrollArea::vertical().show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (idx, entry) in found.iter().enumerate() {
                if entry_ui(ui, entry, idx == chosen) {
                    actions.push(Action::CloseDialog);
                    actions.push(entry.action.clone());
                }
            }
        });
    });
    if is_confirmed && let Some(entry) = found.get(chosen) {
        actions.push(Action::CloseDialog);
        actions.push(entry.action.clone());
    } else if is_up || is_down {
        let next = if is_up {
            chosen.saturating_sub(1)
        } else {
            (chosen + 1).min(last)
        };
        actions.push(Action::ChooseEntry(next));
    } else if response.should_close() {
        actions.push(Action::CloseDialog);
    }
}

/// Draws one entry; returns whether it was clicked.
fn entry_ui(ui: &mut Ui, entry: &Entry, is_chosen: bool) -> bool {
    let palette = Palette::of(ui.visuals());
    let size = vec2(ui.available_width(), theme::BUTTON_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, is_chosen, &entry.label));
    if is_chosen || response.hovered() {
        ui.painter()
            .rect_filled(rect, 4.0, if is_chosen { palette.hovered } else { palette.raised });
    }
    let font = egui::TextStyle::Body.resolve(ui.style());
    let inner = rect.shrink2(vec2(8.0, 0.0));
    let at = inner.left_center();
    ui.painter()
        .text(at, Align2::LEFT_CENTER, &entry.label, font, palette.text);
    let at = inner.right_center();
    ui.painter().text(
        at,
        Align2::RIGHT_CENTER,
        &entry.keys,
        theme::mono(11.5),
        palette.weak_text,
    );
    response.clicked()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(query: &str) -> &'static str {
        let scored = COMMANDS
            .iter()
            .filter_map(|info| Some((score(info.label, query)?, info.label)));
        scored
            .max_by_key(|(score, _)| *score)
            .map_or("nothing", |(_, label)| label)
    }

    #[test]
    fn a_few_letters_find_a_command() {
        for (query, label) in [
            ("step lay", "Step layer"),
            ("rte", "Run to end"),
            ("restart", "Restart"),
            ("stall", "Run to stall"),
            ("undo", "Undo"),
            ("qqq", "nothing"),
        ] {
            assert_eq!(best(query), label, "{query}");
        }
    }
}
