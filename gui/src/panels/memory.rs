//! The memory panel: what lies where in each memory, its bytes and the values that they mean, and the DRAM's banks. Bytes can be changed
//! and watched.

use super::widgets::switch_ui;
use crate::format::{self, Radix};
use crate::frame::Frame;
use crate::inspect::{CloseUp, DramChannel, MemoryContent, MemorySpace, MemoryWindow, Piece};
use crate::inspection::format_names;
use crate::look::{LookAction, ROW_BYTES};
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{
    Align, Align2, ComboBox, Key, Layout, Rect, RichText, Role, Sense, Stroke, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

/// Height of the map of a memory, in points.
const MAP_HEIGHT: f32 = 26.0;

/// Room for an address, in points.
const ADDRESS_WIDTH: f32 = 84.0;

/// Room for a byte, in points.
const BYTE_WIDTH: f32 = 21.0;

/// Draws the panel.
pub(crate) fn memory_ui(ui: &mut Ui, frame: &Frame, view: &View, actions: &mut Vec<Action>) {
    let close_up = &*frame.now.close_up;
    let content = &close_up.memory;
    header_ui(ui, content, view, actions);
    map_ui(ui, content, actions);
    if content.window.space == MemorySpace::Dram {
        banks_ui(ui, close_up);
    }
    edit_ui(ui, frame, content, view, actions);
    bytes_ui(ui, frame, content, view, actions);
}

fn header_ui(ui: &mut Ui, content: &MemoryContent, view: &View, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let window = view.look.memory;
        let names = MemorySpace::ALL.map(MemorySpace::name);
        if let Some(idx) = switch_ui(ui, &names, Some(window.space as usize), "Memory") {
            let window = MemoryWindow {
                space: MemorySpace::ALL[idx],
                address: 0,
                ..window
            };
            actions.push(Action::Look(LookAction::SetMemory(window)));
        }
        ui.weak(format::bytes(content.capacity_bytes));
        let mut text = view.look.address_text.clone();
        let edit = TextEdit::singleline(&mut text)
            .hint_text("address or tensor")
            .desired_width(110.0);
        let response = ui.add(edit).accessible_name("Go to address");
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            if let Some(address) = place_named(&text, content) {
                actions.push(Action::Look(LookAction::GoToByte(window.space, address)));
            }
        } else if text != view.look.address_text {
            actions.push(Action::Look(LookAction::EditAddress(text)));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            format_ui(ui, window, actions)
        });
    });
}

/// The address that a text means: a number or the name of a tensor in this memory.
fn place_named(text: &str, content: &MemoryContent) -> Option<u64> {
    let number = format::parse_integer(text).and_then(|address| u64::try_from(address).ok());
    let named = || {
        let pieces = content.pieces.iter().rev();
        pieces
            .filter(|piece| !text.is_empty() && piece.name.contains(text.trim()))
            .map(|piece| piece.start)
            .next()
    };
    number.or_else(named)
}

fn format_ui(ui: &mut Ui, window: MemoryWindow, actions: &mut Vec<Action>) {
    let name = format_names().nth(window.format_idx).unwrap_or_default();
    let combo = ComboBox::from_id_salt("memory-format").width(60.0).selected_text(name);
    let response = combo.show_ui(ui, |ui| {
        for (format_idx, name) in format_names().enumerate() {
            if ui.selectable_label(format_idx == window.format_idx, name).clicked() {
                actions.push(Action::Look(LookAction::SetMemory(MemoryWindow {
                    format_idx,
                    ..window
                })));
            }
        }
    });
    response.response.accessible_name("Element format");
    ui.weak("values as");
}

/// A strip for the whole memory, coloured by tensor; a click shows the place.
fn map_ui(ui: &mut Ui, content: &MemoryContent, actions: &mut Vec<Action>) {
    let palette = Palette::of(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), MAP_HEIGHT), Sense::click());
    let label = format!(
        "Map of {}, {}",
        content.window.space.name(),
        format::counted(content.pieces.len() as u64, "tensor")
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &label));
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 3.0, palette.raised);
    let capacity = content.capacity_bytes.max(1) as f32;
    let x = |address: u64| rect.min.x + rect.width() * address as f32 / capacity;
    for piece in &content.pieces {
        // A tensor of a few bytes in a large memory is still a visible line.
        let right = x(piece.end).max(x(piece.start) + 1.0);
        let part = Rect::from_x_y_ranges(x(piece.start)..=right, rect.min.y..=rect.max.y - 6.0);
        painter.rect_filled(part.shrink2(vec2(0.25, 0.0)), 2.0, palette.tensor(piece.tensor_idx));
        if part.width() > 50.0 {
            let fill = palette.tensor(piece.tensor_idx);
            let text = painter.with_clip_rect(part.intersect(rect));
            text.text(
                part.left_center() + vec2(4.0, 0.0),
                Align2::LEFT_CENTER,
                &piece.name,
                theme::mono(10.0),
                palette.ink_on(fill),
            );
        }
    }
    let window = &content.window;
    let shown = Rect::from_x_y_ranges(
        x(window.address)..=x(window.address + window.n_bytes as u64).max(x(window.address) + 3.0),
        rect.max.y - 5.0..=rect.max.y,
    );
    painter.rect_filled(shown, 1.0, palette.accent);
    let address_at = |x: f32| (f64::from((x - rect.min.x) / rect.width()) * content.capacity_bytes as f64) as u64;
    if let Some(pos) = response.hover_pos() {
        let address = address_at(pos.x).min(content.capacity_bytes.saturating_sub(1));
        let text = describe(content, address);
        let response = response.on_hover_text_at_pointer(text);
        if response.clicked() {
            actions.push(Action::Look(LookAction::GoToByte(window.space, address)));
        }
    }
}

/// The newest piece that holds a byte.
fn piece_at(content: &MemoryContent, address: u64) -> Option<&Piece> {
    content
        .pieces
        .iter()
        .rev()
        .find(|piece| (piece.start..piece.end).contains(&address))
}

fn describe(content: &MemoryContent, address: u64) -> String {
    let place = format!("{} {}", content.window.space.name(), format::address(address));
    let Some(piece) = piece_at(content, address) else {
        return format!("{place}: nothing known");
    };
    let span = format!(
        "{} to {}, {}",
        format::address(piece.start),
        format::address(piece.end),
        format::bytes(piece.end - piece.start)
    );
    match piece.since {
        None => format!("{place}: {} ({span})", piece.name),
        Some((cycle, pc)) => {
            format!(
                "{place}: {} ({span}), moved in cycle {} by instruction {pc}",
                piece.name,
                format::grouped(cycle)
            )
        }
    }
}

/// One square per bank, filled where a row is open, and the lengths of the queues.
fn banks_ui(ui: &mut Ui, close_up: &CloseUp) {
    for (channel_idx, channel) in close_up.channels.iter().enumerate() {
        channel_ui(ui, channel_idx, channel);
    }
}

fn channel_ui(ui: &mut Ui, channel_idx: usize, channel: &DramChannel) {
    const BANK: f32 = 12.0;
    let palette = Palette::of(ui.visuals());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.small(format!("channel {channel_idx}"));
        ui.add_space(6.0);
        for (bank_idx, row) in channel.open_rows.iter().enumerate() {
            let (rect, response) = ui.allocate_exact_size(vec2(BANK, BANK), Sense::hover());
            let text = match row {
                Some(row) => format!("Channel {channel_idx}, bank {bank_idx}: row {row} open"),
                None => format!("Channel {channel_idx}, bank {bank_idx}: closed"),
            };
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &text));
            let fill = row.map_or(palette.raised, |_| palette.units[1]);
            ui.painter().rect_filled(rect, 2.0, fill);
            response.on_hover_text(text);
        }
        ui.add_space(6.0);
        let n_open = channel.open_rows.iter().flatten().count() as u64;
        ui.small(format!(
            "{} open, {} and {} waiting",
            format::counted(n_open, "row"),
            format::counted(channel.n_reads as u64, "read"),
            format::counted(channel.n_writes as u64, "write")
        ));
    });
}

/// The selected byte: what it belongs to, a field that changes it, and its watchpoint.
fn edit_ui(ui: &mut Ui, frame: &Frame, content: &MemoryContent, view: &View, actions: &mut Vec<Action>) {
    let space = content.window.space;
    ui.horizontal(|ui| {
        let Some(address) = view.look.selected_byte else {
            ui.weak("Select a byte to change or watch it.");
            return;
        };
        let is_watched = frame.watchpoints.iter().any(|(s, a, _)| (*s, *a) == (space, address));
        let n_bytes = (content.element_bits as usize).div_ceil(8).max(1);
        let mut is_checked = is_watched;
        let response = ui.checkbox(&mut is_checked, "watch");
        let help = "Pause a run when the bytes of this element change.";
        if response
            .accessible_name(format!("Watch {} {}", space.name(), format::address(address)))
            .on_hover_text(help)
            .changed()
        {
            actions.push(Action::Look(LookAction::ToggleWatch(space, address, n_bytes)));
        }
        let mut text = view.look.edit_text.clone();
        let hint = element_at(content, address).map_or_else(String::new, |value| format::signed(value.into()));
        let edit = TextEdit::singleline(&mut text).hint_text(hint).desired_width(70.0);
        let response = ui.add(edit).accessible_name("New value");
        let bytes = new_bytes(&text, content.element_bits);
        let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let button = ui.add_enabled(bytes.is_ok(), egui::Button::new("Write"));
        let is_clicked = button.accessible_name("Write memory").clicked();
        match bytes {
            Ok(bytes) if is_entered || is_clicked => {
                actions.push(Action::Look(LookAction::Write(space, address, bytes)));
                actions.push(Action::Look(LookAction::EditValue(String::new())));
            }
            Err(reason) if !text.is_empty() => {
                let palette = Palette::of(ui.visuals());
                ui.label(RichText::new(reason).color(palette.error).small());
            }
            _ => {}
        }
        if text != view.look.edit_text {
            actions.push(Action::Look(LookAction::EditValue(text)));
        }
        ui.add(egui::Label::new(RichText::new(describe(content, address)).small()).truncate());
    });
}

/// The element that begins at a byte, or holds it.
fn element_at(content: &MemoryContent, address: u64) -> Option<i32> {
    let bit = address.checked_sub(content.window.address)? * 8;
    content
        .elements
        .get((bit / u64::from(content.element_bits.max(1))) as usize)
        .copied()
}

/// The bytes of a typed value; elements of less than a byte are changed as whole bytes.
fn new_bytes(text: &str, element_bits: u32) -> Result<Vec<u8>, String> {
    let value = format::parse_integer(text).ok_or("a number, decimal or with 0x")?;
    let bits = element_bits.max(8);
    let range = -(1i64 << (bits - 1))..1i64 << bits;
    if !range.contains(&value) {
        return Err(format!(
            "at most {bits} bits: {} to {}",
            format::signed(range.start),
            format::signed(range.end - 1)
        ));
    }
    Ok(value.to_le_bytes()[..bits as usize / 8].to_vec())
}

/// Rows of bytes with the values that they mean beside them.
fn bytes_ui(ui: &mut Ui, frame: &Frame, content: &MemoryContent, view: &View, actions: &mut Vec<Action>) {
    let n_rows = (ui.available_height() / theme::ROW_HEIGHT).floor().clamp(1.0, 256.0) as usize;
    let wanted = n_rows * ROW_BYTES as usize;
    let window = view.look.memory;
    if window.n_bytes != wanted {
        actions.push(Action::Look(LookAction::SetMemory(MemoryWindow {
            n_bytes: wanted,
            ..window
        })));
    }
    let area = ui.available_rect_before_wrap();
    if ui.rect_contains_pointer(area) {
        let scroll = ui.input(|input| input.smooth_scroll_delta().y);
        let n_lines = (scroll / theme::ROW_HEIGHT).round() as i64;
        if n_lines != 0 {
            let last = content.capacity_bytes.saturating_sub(content.bytes.len() as u64);
            let address = content
                .window
                .address
                .saturating_add_signed(-n_lines * ROW_BYTES as i64)
                .min(last);
            actions.push(Action::Look(LookAction::SetMemory(MemoryWindow { address, ..window })));
        }
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    for (row_idx, bytes) in content.bytes.chunks(ROW_BYTES as usize).take(n_rows).enumerate() {
        let address = content.window.address + row_idx as u64 * ROW_BYTES;
        row_ui(ui, frame, content, view, (address, bytes), actions);
    }
}

fn row_ui(
    ui: &mut Ui,
    frame: &Frame,
    content: &MemoryContent,
    view: &View,
    (address, bytes): (u64, &[u8]),
    actions: &mut Vec<Action>,
) {
    let palette = Palette::of(ui.visuals());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::ROW_HEIGHT), Sense::click());
    let values = row_values(content, address, bytes.len());
    let label = format!(
        "Bytes at {} {}: {values}",
        content.window.space.name(),
        format::address(address)
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, &label));
    let painter = ui.painter_at(rect);
    let y = rect.center().y;
    painter.text(
        pos2(rect.min.x, y),
        Align2::LEFT_CENTER,
        format::address(address),
        theme::mono(11.0),
        palette.weak_text,
    );
    let byte_x = |idx: usize| rect.min.x + ADDRESS_WIDTH + BYTE_WIDTH * idx as f32 + if idx >= 8 { 8.0 } else { 0.0 };
    for (idx, byte) in bytes.iter().enumerate() {
        let at = address + idx as u64;
        let cell =
            Rect::from_min_size(pos2(byte_x(idx), rect.min.y), vec2(BYTE_WIDTH, rect.height())).shrink2(vec2(0.5, 1.0));
        if let Some(piece) = piece_at(content, at) {
            painter.rect_filled(cell, 2.0, palette.tensor(piece.tensor_idx).gamma_multiply(0.28));
        }
        let is_watched = |(space, start, n_bytes): &(MemorySpace, u64, usize)| {
            *space == content.window.space && (*start..*start + *n_bytes as u64).contains(&at)
        };
        if frame.watchpoints.iter().any(is_watched) {
            painter.rect_stroke(cell, 2.0, Stroke::new(1.0, palette.error), egui::StrokeKind::Inside);
        }
        if view.look.selected_byte == Some(at) {
            painter.rect_stroke(cell, 2.0, Stroke::new(1.5, palette.accent), egui::StrokeKind::Inside);
        }
        let color = if *byte == 0 { palette.weak_text } else { palette.text };
        let text = format::byte(*byte);
        painter.text(cell.center(), Align2::CENTER_CENTER, text, theme::mono(12.0), color);
    }
    let values_x = byte_x(ROW_BYTES as usize) + 12.0;
    let color = palette.units[1];
    painter.text(pos2(values_x, y), Align2::LEFT_CENTER, values, theme::mono(12.0), color);
    let pointed = response.interact_pointer_pos().or(response.hover_pos());
    let idx = pointed.and_then(|pos| (0..bytes.len()).rev().find(|idx| pos.x >= byte_x(*idx)));
    if let Some(at) = idx.map(|idx| address + idx as u64) {
        let response = response.on_hover_text_at_pointer(describe(content, at));
        if response.clicked() {
            let selected = (view.look.selected_byte != Some(at)).then_some(at);
            actions.push(Action::Look(LookAction::SelectByte(selected)));
        }
    }
}

/// The elements that begin in a row of bytes.
fn row_values(content: &MemoryContent, address: u64, n_bytes: usize) -> String {
    let bits = u64::from(content.element_bits.max(1));
    let first = (address - content.window.address) * 8 / bits;
    let n = n_bytes as u64 * 8 / bits;
    let elements = content.elements.iter().skip(first as usize).take(n as usize);
    let texts: Vec<String> = elements
        .map(|&value| format::in_radix(value.into(), Radix::Decimal))
        .collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_values_become_bytes_of_the_format() {
        assert_eq!(new_bytes("-1", 8), Ok(vec![0xff]));
        assert_eq!(new_bytes("0xff", 8), Ok(vec![0xff]));
        assert_eq!(new_bytes("258", 16), Ok(vec![2, 1]));
        assert_eq!(new_bytes("-2", 32), Ok(vec![0xfe, 0xff, 0xff, 0xff]));
        assert_eq!(new_bytes("7", 4), Ok(vec![7]));
        assert!(new_bytes("256", 8).unwrap_err().contains("-128 to 255"));
        assert!(new_bytes("seven", 8).is_err());
    }

    #[test]
    fn a_place_is_found_by_number_and_by_name() {
        let content = MemoryContent {
            pieces: vec![Piece {
                start: 64,
                end: 128,
                name: "conv1.weight".into(),
                tensor_idx: 0,
                since: Some((7, 3)),
            }],
            ..MemoryContent::default()
        };
        assert_eq!(place_named("0x40", &content), Some(64));
        assert_eq!(place_named("weight", &content), Some(64));
        assert_eq!((place_named("bias", &content), place_named("", &content)), (None, None));
        assert!(describe(&content, 70).contains("conv1.weight"));
        assert!(describe(&content, 128).contains("nothing known"));
    }
}
