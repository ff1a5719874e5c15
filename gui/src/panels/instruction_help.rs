//! What an instruction does, as a tooltip: the words are those that the assembler's editor service has for it.

use crate::theme;
use egui::{FontId, Grid, Label, TextFormat, TextStyle, Ui, text::LayoutJob};
use systole_assembler::service::{Help, instruction_help};

/// Widest line of a tooltip, in points.
const WIDTH: f32 = 460.0;

/// Explains an instruction; nothing if there is none of this name.
pub(crate) fn instruction_help_ui(ui: &mut Ui, mnemonic: &str) {
    if let Some(help) = instruction_help(mnemonic) {
        help_ui(ui, &help);
    }
}

/// Explains something that stands in a text.
pub(crate) fn help_ui(ui: &mut Ui, help: &Help) {
    ui.set_max_width(WIDTH);
    ui.label(egui::RichText::new(&help.title).font(theme::mono(12.5)).strong());
    for paragraph in &help.paragraphs {
        ui.add(Label::new(with_code(ui, paragraph)).wrap());
    }
    if help.rows.is_empty() {
        return;
    }
    ui.add_space(4.0);
    Grid::new("operands")
        .num_columns(3)
        .spacing([12.0, 2.0])
        .show(ui, |ui| {
            for row in &help.rows {
                ui.monospace(&row.name);
                ui.label(with_code(ui, &row.value));
                ui.weak(format!("bits {}..{}", row.bits.0, row.bits.1));
                ui.end_row();
            }
        });
}

/// A text in which what stands between backquotes is code.
fn with_code(ui: &Ui, text: &str) -> LayoutJob {
    let color = ui.visuals().text_color();
    let fonts: [FontId; 2] = [TextStyle::Body.resolve(ui.style()), theme::mono(12.0)];
    let mut job = LayoutJob::default();
    for (i, part) in text.split('`').enumerate() {
        job.append(part, 0.0, TextFormat::simple(fonts[i % 2].clone(), color));
    }
    job
}
