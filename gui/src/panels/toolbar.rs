//! Menus and toolbar, both generated from the command table.

use super::catalog::{examples_ui, lessons_ui};
use super::panes::PANES;
use super::recent_files::recent_files_ui;
use super::widgets::command_button_ui;
use crate::command::{COMMANDS, Command, Menu};
use crate::course::Course;
use crate::driver::Speed;
use crate::export::WINDOW;
use crate::format;
use crate::frame::Frame;
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Align, Button, ComboBox, Layout, Role, Sense, Slider, Ui, WidgetInfo};

/// The row of menus.
pub(crate) fn menu_bar_ui(ui: &mut Ui, frame: &Frame, view: &View, course: &Course, actions: &mut Vec<Action>) {
    egui::MenuBar::new().ui(ui, |ui| {
        for menu in Menu::ALL {
            let button = ui.menu_button(menu.title(), |ui| {
                for info in COMMANDS.iter().filter(|info| info.menu == menu) {
                    let keys = info
                        .shortcuts
                        .first()
                        .map(|shortcut| ui.ctx().format_shortcut(shortcut));
                    let item = Button::new(info.label).shortcut_text(keys.unwrap_or_default());
                    let response = ui.add_enabled(info.command.is_enabled(frame), item);
                    if response.accessible_name(info.label).on_hover_text(info.help).clicked() {
                        actions.push(Action::Command(info.command));
                        ui.close();
                    }
                }
                match menu {
                    Menu::File => {
                        examples_menu_ui(ui, actions);
                        recent_menu_ui(ui, view, actions);
                        exports_menu_ui(ui, frame, actions);
                    }
                    Menu::Learn => lessons_menu_ui(ui, course, actions),
                    Menu::Run => {}
                    Menu::View => panes_menu_ui(ui, view, actions),
                }
            });
            button.response.accessible_name(menu.accessible_label());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(program) = &frame.program {
                ui.weak(format!("{} on {}", program.name, program.machine.name));
            }
        });
    });
}

/// The menu of the shipped programs and models.
fn examples_menu_ui(ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.separator();
    ui.menu_button("Examples", |ui| {
        if examples_ui(ui, actions) {
            ui.close();
        }
    });
}

/// The menu items that open lessons.
fn lessons_menu_ui(ui: &mut Ui, course: &Course, actions: &mut Vec<Action>) {
    ui.separator();
    if lessons_ui(ui, course, actions) {
        ui.close();
    }
}

/// The menu items that open a file again.
fn recent_menu_ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    ui.separator();
    if recent_files_ui(ui, &view.recent, actions) {
        ui.close();
    }
}

/// The menu items that write what a panel shows into a file.
fn exports_menu_ui(ui: &mut Ui, frame: &Frame, actions: &mut Vec<Action>) {
    ui.separator();
    if ui.button(format!("Export: {}", WINDOW.label)).clicked() {
        actions.push(Action::AskExport(WINDOW.label));
        ui.close();
    }
    for info in PANES.iter().filter(|info| !info.exports.is_empty()) {
        ui.add_enabled_ui(frame.program.is_some(), |ui| {
            let submenu = ui.menu_button(format!("Export {}", info.title), |ui| {
                for export in info.exports {
                    if ui.button(format!("Export: {}", export.label)).clicked() {
                        actions.push(Action::AskExport(export.label));
                        ui.close();
                    }
                }
            });
            submenu.response.on_hover_text(info.help);
        });
    }
}

/// The menu items that show and hide the panels.
fn panes_menu_ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    ui.separator();
    for info in PANES {
        let mut is_shown = view.shown_panes.contains(&info.pane);
        let response = ui.checkbox(&mut is_shown, info.title);
        let response = response.accessible_name(format!("Panel: {}", info.title));
        if response.on_hover_text(info.help).changed() {
            actions.push(Action::ShowPane(info.pane, is_shown));
        }
    }
}

/// The row of command buttons, the speed choice and the cycle count.
pub(crate) fn toolbar_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let is_running = frame.run_state.is_moving();
        for info in COMMANDS.iter().filter(|info| info.button.is_some()) {
            // Run and Pause share one place, so that starting and stopping is one target for the pointer.
            let is_hidden = match info.command {
                Command::Run => is_running,
                Command::Pause => !is_running,
                _ => false,
            };
            if is_hidden {
                continue;
            }
            if command_button_ui(ui, info.command, frame) {
                actions.push(Action::Command(info.command));
            }
            if matches!(
                info.command,
                Command::Open | Command::StepInstruction | Command::Restart | Command::RunToEnd
            ) {
                ui.add_space(theme::GAP);
            }
        }
        speed_ui(ui, view, actions);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| cycle_readout_ui(ui, frame));
    });
}

/// The slider over the whole run, as far as it is known or expected.
pub(crate) fn scrubber_ui(ui: &mut Ui, frame: &Frame, actions: &mut Vec<Action>) {
    if frame.program.is_none() {
        return;
    }
    let mut cycle = frame.now.cycle;
    let last = frame.last_cycle.max(cycle).max(1);
    ui.spacing_mut().slider_width = ui.available_width();
    let slider = Slider::new(&mut cycle, 0..=last).show_value(false);
    let response = ui.add(slider).accessible_name("Cycle to show");
    if response.changed() {
        actions.push(Action::GoTo(cycle));
    }
    response.on_hover_text(format!("The run, to cycle {}", format::grouped(last)));
}

fn speed_ui(ui: &mut Ui, view: &View, actions: &mut Vec<Action>) {
    ui.weak("Speed");
    let combo = ComboBox::from_id_salt("speed")
        .width(150.0)
        .selected_text(speed_name(view.speed));
    let response = combo.show_ui(ui, |ui| {
        for speed in Speed::ALL {
            if ui.selectable_label(speed == view.speed, speed_name(speed)).clicked() {
                actions.push(Action::SetSpeed(speed));
            }
        }
    });
    response.response.accessible_name("Speed");
}

/// What a speed is called in menus.
pub(crate) fn speed_name(speed: Speed) -> String {
    match speed {
        Speed::CyclesPerSecond(n) => format!("{} per second", format::cycles(n)),
        Speed::Unlimited => "As fast as possible".to_owned(),
    }
}

fn cycle_readout_ui(ui: &mut Ui, frame: &Frame) {
    if frame.program.is_none() {
        return;
    }
    let palette = Palette::of(ui.visuals());
    let text = format::grouped(frame.now.cycle);
    let galley = ui
        .painter()
        .layout_no_wrap(text.clone(), theme::mono(20.0), palette.text);
    let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Cycle {text}")));
    ui.painter().galley(rect.min, galley, palette.text);
    ui.weak("cycle");
}
