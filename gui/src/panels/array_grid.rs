//! Geometry and painting of the PE grid: where a cell is, and what is drawn into it.

use crate::format::{self, Radix};
use crate::frame::{ArrayState, PeCell, PeState};
use crate::look::ArrayZoom;
use crate::theme::{self, Palette};
use crate::view::ArrayValue;
use egui::{
    Align2, Color32, ColorImage, CornerRadius, Mesh, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, pos2, vec2,
};
use std::ops::Range;

/// Room for row numbers on the left and column numbers on top, in points.
const GUTTER: f32 = 34.0;

/// Arrays with more cells than this are drawn as one texture.
const MAX_PAINTED_CELLS: usize = 1_024;

/// Where the cells are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// All cells, without the numbers around them.
    pub(crate) rect: Rect,
    /// Side of a cell in points.
    pub(crate) cell: f32,
    /// The part of it that is visible.
    pub(crate) clip: Rect,
    n_rows: usize,
    n_cols: usize,
}

/// How cells are painted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellStyle {
    /// What colour and number stand for.
    pub(crate) value: ArrayValue,
    /// How numbers are written.
    pub(crate) radix: Radix,
}

impl Grid {
    /// The largest grid of square cells that fits, centred, then enlarged; `None` for an array without cells.
    pub(crate) fn fit(area: Rect, array: &ArrayState, zoom: ArrayZoom) -> Option<Self> {
        let (n_rows, n_cols) = (array.n_rows, array.n_cols);
        if n_rows == 0 || n_cols == 0 || area.width() <= GUTTER || area.height() <= GUTTER {
            return None;
        }
        let room = area.size() - vec2(GUTTER, GUTTER);
        let mut cell = (room.x / n_cols as f32)
            .min(room.y / n_rows as f32)
            .min(theme::MAX_CELL);
        if cell >= 4.0 {
            cell = cell.floor();
        }
        let cell = (cell * zoom.level.max(1.0)).min(theme::MAX_CELL);
        let size = cell * vec2(n_cols as f32, n_rows as f32);
        let offset = |room: f32, size: f32, center: f32| {
            if size <= room {
                (room - size) / 2.0
            } else {
                (room / 2.0 - size * center).clamp(room - size, 0.0)
            }
        };
        let offset = vec2(
            offset(room.x, size.x, zoom.center[0]),
            offset(room.y, size.y, zoom.center[1]),
        );
        let place = Rect::from_min_size(area.min + vec2(GUTTER, GUTTER), room);
        let rect = Rect::from_min_size((place.min + offset).round(), size);
        Some(Self {
            rect,
            cell,
            clip: rect.intersect(place),
            n_rows,
            n_cols,
        })
    }

    /// The row and column under a point.
    pub(crate) fn cell_at(&self, pos: Pos2) -> Option<(usize, usize)> {
        if !self.rect.contains(pos) || !self.clip.contains(pos) {
            return None;
        }
        let offset = (pos - self.rect.min) / self.cell;
        Some((
            (offset.y as usize).min(self.n_rows - 1),
            (offset.x as usize).min(self.n_cols - 1),
        ))
    }

    /// The zoom that makes cells `factor` times as large and leaves what is at `pos` where it is.
    pub(crate) fn zoomed(&self, zoom: ArrayZoom, factor: f32, pos: Pos2) -> ArrayZoom {
        let level = (zoom.level * factor).max(1.0);
        let factor = (level / zoom.level).min(theme::MAX_CELL / self.cell);
        let center = pos + (self.clip.center() - pos) / factor;
        self.centered(zoom.level * factor, center)
    }

    /// The zoom of a level with what is at `pos` in the middle.
    pub(crate) fn centered(&self, level: f32, pos: Pos2) -> ArrayZoom {
        let share = (pos - self.rect.min) / self.rect.size();
        ArrayZoom {
            level,
            center: [share.x.clamp(0.0, 1.0), share.y.clamp(0.0, 1.0)],
        }
    }

    /// Rows and columns of the visible cells.
    pub(crate) fn visible(&self) -> (Range<usize>, Range<usize>) {
        let range = |from: f32, until: f32, n: usize| {
            let first = (from / self.cell).floor().max(0.0) as usize;
            first.min(n)..((until / self.cell).ceil().max(0.0) as usize).min(n)
        };
        let (min, max) = (self.clip.min - self.rect.min, self.clip.max - self.rect.min);
        (range(min.y, max.y, self.n_rows), range(min.x, max.x, self.n_cols))
    }

    /// Whether cells are large enough for numbers.
    pub(crate) fn has_numbers(&self) -> bool {
        self.cell >= theme::CELL_WITH_NUMBER
    }

    /// The rectangle of a cell.
    pub(crate) fn cell_rect(&self, row_idx: usize, col_idx: usize) -> Rect {
        let min = self.rect.min + self.cell * vec2(col_idx as f32, row_idx as f32);
        Rect::from_min_size(min, vec2(self.cell, self.cell))
    }

    /// Paints row and column numbers as often as there is room for them, with an arrow in the direction of the data.
    pub(crate) fn paint_rulers(&self, painter: &Painter, palette: &Palette) {
        let font = theme::mono(11.0);
        let color = palette.weak_text;
        // Powers of two, because sides of arrays and tiles are.
        let stride = |min_distance: f32| ((min_distance / self.cell).ceil().max(1.0) as usize).next_power_of_two();
        let (rows, cols) = self.visible();
        let is_due = |idx: &usize, distance: f32| idx.is_multiple_of(stride(distance));
        for row_idx in rows.filter(|idx| is_due(idx, 18.0)) {
            let at = pos2(self.clip.min.x - 14.0, self.cell_rect(row_idx, 0).center().y);
            painter.text(at, Align2::RIGHT_CENTER, row_idx, font.clone(), color);
            arrow_head(painter, at + vec2(5.0, 0.0), vec2(1.0, 0.0), color);
        }
        for col_idx in cols.filter(|idx| is_due(idx, 26.0)) {
            let at = pos2(self.cell_rect(0, col_idx).center().x, self.clip.min.y - 13.0);
            painter.text(at, Align2::CENTER_BOTTOM, col_idx, font.clone(), color);
            arrow_head(painter, at + vec2(0.0, 5.0), vec2(0.0, 1.0), color);
        }
    }

    /// Paints all cells.
    pub(crate) fn paint_cells(
        &self,
        ui: &Ui,
        array: &ArrayState,
        style: CellStyle,
        texture: &mut ArrayTexture,
        sequence: u64,
    ) {
        let palette = Palette::of(ui.visuals());
        let value = style.value;
        let painter = ui.painter_at(self.clip);
        let magnitude = magnitude(array, value);
        let fill = |cell: &PeCell| cell_fill(cell, value, magnitude, palette);
        if array.cells.len() > MAX_PAINTED_CELLS {
            let id = texture.update(ui, array, (sequence, value, ui.visuals().dark_mode), fill);
            let mut mesh = Mesh::with_texture(id);
            mesh.add_rect_with_uv(
                self.rect,
                Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0)),
                Color32::WHITE,
            );
            painter.add(Shape::mesh(mesh));
        } else {
            for (row_idx, col_idx, cell) in self.visible_cells(array) {
                self.paint_cell(&painter, (row_idx, col_idx), cell, fill(cell), palette);
            }
        }
        if self.has_numbers() {
            for (row_idx, col_idx, cell) in self.visible_cells(array) {
                self.paint_numbers(&painter, (row_idx, col_idx), cell, style, palette.ink_on(fill(cell)));
            }
        }
    }

    fn paint_cell(
        &self,
        painter: &Painter,
        (row_idx, col_idx): (usize, usize),
        cell: &PeCell,
        fill: Color32,
        palette: &Palette,
    ) {
        let gap = if self.cell >= 12.0 { 1.0 } else { 0.25 };
        let rect = self.cell_rect(row_idx, col_idx).shrink(gap);
        let radius = CornerRadius::same(if self.cell >= 40.0 { 6 } else { 2 });
        painter.rect_filled(rect, radius, fill);
        if matches!(cell.state, PeState::Gated | PeState::Zero) && self.cell >= 12.0 {
            let outline = Stroke::new(1.0, palette.pe_state(PeState::Active));
            painter.rect_stroke(rect, radius, outline, StrokeKind::Inside);
        }
    }

    /// The cells that are visible, with their rows and columns.
    fn visible_cells<'a>(&self, array: &'a ArrayState) -> impl Iterator<Item = (usize, usize, &'a PeCell)> + use<'a> {
        let (rows, cols) = self.visible();
        rows.flat_map(move |row_idx| cols.clone().map(move |col_idx| (row_idx, col_idx)))
            .filter_map(|(row_idx, col_idx)| Some((row_idx, col_idx, array.cell(row_idx, col_idx)?)))
    }

    fn paint_numbers(
        &self,
        painter: &Painter,
        (row_idx, col_idx): (usize, usize),
        cell: &PeCell,
        style: CellStyle,
        ink: Color32,
    ) {
        let rect = self.cell_rect(row_idx, col_idx);
        if self.cell < theme::CELL_WITH_DETAILS {
            if let Some(number) = style.value.of(cell) {
                let n_characters = if self.cell < 36.0 { 4 } else { 5 };
                let number = number_text(number, style.radix, n_characters);
                // Five characters, each 0.6 of the size wide, fit between the borders of a cell; longer ones are smaller.
                let n_characters = number.len().max(5) as f32;
                let size = (self.cell * 1.5 / n_characters).min(15.0);
                if size < 5.0 {
                    return;
                }
                let size = size.max(if n_characters > 5.0 { 5.0 } else { 9.0 });
                let ink = if is_at_rest(cell) { ink.gamma_multiply(0.5) } else { ink };
                painter.text(rect.center(), Align2::CENTER_CENTER, number, theme::mono(size), ink);
            }
            return;
        }
        let size = (self.cell * 0.13).clamp(10.0, 15.0);
        let inner = rect.shrink(self.cell * 0.12);
        let weight = match cell.next_weight {
            Some(_) if cell.state == PeState::Loading => ("next", cell.next_weight.map(i64::from)),
            _ => ("w", cell.weight.map(i64::from)),
        };
        let rows = [weight, ("a", cell.activation.map(i64::from)), ("sum", cell.partial_sum)];
        for (i, (name, number)) in rows.into_iter().enumerate() {
            let Some(number) = number else { continue };
            let y = inner.min.y + inner.height() * (i as f32 + 0.5) / rows.len() as f32;
            let color = if is_at_rest(cell) { ink.gamma_multiply(0.5) } else { ink };
            painter.text(
                pos2(inner.min.x, y),
                Align2::LEFT_CENTER,
                name,
                theme::mono(size),
                color.gamma_multiply(0.75),
            );
            let number = number_text(number, style.radix, 5);
            // Between the name and the border.
            let room = (inner.width() - 0.65 * size * (name.len() + 1) as f32) / (0.6 * number.len() as f32);
            painter.text(
                pos2(inner.max.x, y),
                Align2::RIGHT_CENTER,
                number,
                theme::mono(size.min(room.max(4.0))),
                color,
            );
        }
    }
}

/// A number for a cell: short in decimal, exact in the other radices.
fn number_text(number: i64, radix: Radix, n_characters: usize) -> String {
    match radix {
        Radix::Decimal => format::compact(number, n_characters),
        Radix::Hexadecimal | Radix::Binary => format::in_radix(number, radix),
    }
}

fn is_at_rest(cell: &PeCell) -> bool {
    cell.state == PeState::Idle
}

#[cfg(test)]
fn cells(array: &ArrayState) -> impl Iterator<Item = (usize, usize, &PeCell)> {
    let n_cols = array.n_cols.max(1);
    array
        .cells
        .iter()
        .enumerate()
        .map(move |(idx, cell)| (idx / n_cols, idx % n_cols, cell))
}

/// The largest absolute value that the array shows, at least 1.
pub(crate) fn magnitude(array: &ArrayState, value: ArrayValue) -> u64 {
    let largest = array.largest();
    let of_value = match value {
        // States have colours of their own.
        ArrayValue::State => 1,
        ArrayValue::Weight => largest.weight,
        ArrayValue::NextWeight => largest.next_weight,
        ArrayValue::Activation => largest.activation,
        ArrayValue::PartialSum => largest.partial_sum,
    };
    of_value.max(1)
}

fn cell_fill(cell: &PeCell, value: ArrayValue, magnitude: u64, palette: &Palette) -> Color32 {
    match value {
        ArrayValue::State => palette.pe_state(cell.state),
        _ => palette.value(value.of(cell).unwrap_or(0), magnitude),
    }
}

fn arrow_head(painter: &Painter, tip_base: Pos2, direction: egui::Vec2, color: Color32) {
    let side = direction.rot90() * 2.5;
    let corners = vec![tip_base - side, tip_base + side, tip_base + direction * 4.5];
    painter.add(Shape::convex_polygon(corners, color, Stroke::NONE));
}

/// The texture of a large array, one texel per PE, uploaded again only when its content changes.
#[derive(Default)]
pub(crate) struct ArrayTexture {
    handle: Option<TextureHandle>,
    key: Option<(u64, ArrayValue, bool)>,
}

impl ArrayTexture {
    fn update(
        &mut self,
        ui: &Ui,
        array: &ArrayState,
        key: (u64, ArrayValue, bool),
        fill: impl Fn(&PeCell) -> Color32,
    ) -> egui::TextureId {
        let image = || ColorImage::new([array.n_cols, array.n_rows], array.cells.iter().map(&fill).collect());
        match &mut self.handle {
            Some(handle) if self.key == Some(key) => handle.id(),
            Some(handle) => {
                handle.set(image(), TextureOptions::NEAREST);
                self.key = Some(key);
                handle.id()
            }
            None => {
                let handle = ui.ctx().load_texture("pe-array", image(), TextureOptions::NEAREST);
                self.key = Some(key);
                self.handle.insert(handle).id()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_found_at_its_centre() {
        let array = ArrayState::new((3, 5), vec![PeCell::default(); 15], String::new());
        let area = Rect::from_min_size(pos2(10.0, 20.0), vec2(400.0, 300.0));
        let grid = Grid::fit(area, &array, ArrayZoom::default()).unwrap();
        for (row_idx, col_idx, _) in cells(&array) {
            let rect = grid.cell_rect(row_idx, col_idx);
            assert!(area.contains_rect(rect));
            assert_eq!(grid.cell_at(rect.center()), Some((row_idx, col_idx)));
        }
        assert_eq!(grid.cell_at(grid.rect.max + vec2(1.0, 1.0)), None);
        assert!(Grid::fit(area, &ArrayState::default(), ArrayZoom::default()).is_none());
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let array = ArrayState::new((64, 64), vec![PeCell::default(); 64 * 64], String::new());
        let area = Rect::from_min_size(pos2(0.0, 0.0), vec2(434.0, 434.0));
        let whole = Grid::fit(area, &array, ArrayZoom::default()).unwrap();
        assert_eq!(whole.visible(), (0..64, 0..64));
        let pos = whole.cell_rect(20, 30).center();
        let zoom = whole.zoomed(ArrayZoom::default(), 6.0, pos);
        let near = Grid::fit(area, &array, zoom).unwrap();
        assert_eq!(near.cell_at(pos), Some((20, 30)));
        let (rows, cols) = near.visible();
        assert!(
            rows.len() < 16 && rows.contains(&20) && cols.contains(&30),
            "{rows:?} {cols:?}"
        );
        assert!(near.has_numbers() && !whole.has_numbers());
        // It cannot become smaller than its place, nor leave a gap at its border.
        assert_eq!(near.zoomed(zoom, 0.01, pos).level, 1.0);
        let corner = Grid::fit(area, &array, whole.zoomed(ArrayZoom::default(), 4.0, whole.rect.min)).unwrap();
        assert_eq!(corner.visible().0.start, 0);
    }
}
