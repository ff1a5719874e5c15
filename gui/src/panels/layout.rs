//! Which panels there are, where they stand at first, and how their tabs look.

use super::array::array_ui;
use super::array_grid::ArrayTexture;
use super::counters::counters_ui;
use super::program::{Listing, program_ui};
use super::timeline::timeline_ui;
use crate::frame::Frame;
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Color32, Id, Margin, Stroke, Style, Ui, Visuals, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, TabState, TileId, Tiles, Tree, UiResponse,
};

/// A panel that can be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    /// The PE array.
    Array,
    /// The disassembly.
    Program,
    /// The lanes.
    Timeline,
    /// The counters.
    Counters,
}

impl Pane {
    /// All panels.
    pub(crate) const ALL: [Pane; 4] = [Pane::Array, Pane::Program, Pane::Timeline, Pane::Counters];

    /// The word by which a lesson names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Pane::Array => "array",
            Pane::Program => "program",
            Pane::Timeline => "timeline",
            Pane::Counters => "counters",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Pane::Array => "PE array",
            Pane::Program => "Program",
            Pane::Timeline => "Timeline",
            Pane::Counters => "Counters",
        }
    }
}

/// The layout at the first start: array beside program and counters, timeline below all of them.
pub(crate) fn default_tree() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let [array, program, counters, timeline] =
        [Pane::Array, Pane::Program, Pane::Counters, Pane::Timeline].map(|pane| tiles.insert_pane(pane));
    let right = split(&mut tiles, LinearDir::Vertical, [(program, 0.56), (counters, 0.44)]);
    let top = split(&mut tiles, LinearDir::Horizontal, [(array, 0.58), (right, 0.42)]);
    let root = split(&mut tiles, LinearDir::Vertical, [(top, 0.72), (timeline, 0.28)]);
    Tree::new(Id::unique("systole-panels"), root, tiles)
}

fn split(tiles: &mut Tiles<Pane>, direction: LinearDir, children: [(TileId, f32); 2]) -> TileId {
    let mut linear = Linear::new(direction, children.map(|(id, _)| id).to_vec());
    for (id, share) in children {
        linear.shares.set_share(id, share);
    }
    tiles.insert_container(Container::Linear(linear))
}

/// What panels remember that is not a choice of the user: textures and scroll positions.
#[derive(Default)]
pub(crate) struct PanelMemory {
    texture: ArrayTexture,
    listing: Listing,
}

/// Draws the panels of one frame and collects their actions.
pub(crate) struct Panels<'a> {
    /// The frame.
    pub(crate) frame: &'a Frame,
    /// What the user has chosen.
    pub(crate) view: &'a View,
    /// What panels remember.
    pub(crate) memory: &'a mut PanelMemory,
    /// What panels ask for.
    pub(crate) actions: &'a mut Vec<Action>,
}

impl Behavior<Pane> for Panels<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile_id: TileId, pane: &mut Pane) -> UiResponse {
        egui::Frame::new()
            .fill(ui.visuals().panel_fill)
            .inner_margin(Margin::same(theme::PANEL_MARGIN))
            .show(ui, |ui| {
                ui.set_min_size(ui.available_size());
                let (frame, view, memory) = (self.frame, self.view, &mut *self.memory);
                match pane {
                    Pane::Array => array_ui(ui, frame, view, &mut memory.texture, self.actions),
                    Pane::Program => program_ui(ui, frame, view, &mut memory.listing, self.actions),
                    Pane::Timeline => timeline_ui(ui, frame, view, self.actions),
                    Pane::Counters => counters_ui(ui, frame),
                }
            });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.title().into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            all_panes_must_have_tabs: true,
            ..SimplificationOptions::default()
        }
    }

    fn tab_bar_height(&self, _style: &Style) -> f32 {
        28.0
    }

    fn gap_width(&self, _style: &Style) -> f32 {
        theme::GAP
    }

    fn tab_title_spacing(&self, _visuals: &Visuals) -> f32 {
        12.0
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        Palette::of(visuals).backdrop
    }

    fn tab_bar_hline_stroke(&self, _visuals: &Visuals) -> Stroke {
        Stroke::NONE
    }

    fn tab_outline_stroke(&self, _visuals: &Visuals, _tiles: &Tiles<Pane>, _id: TileId, _state: &TabState) -> Stroke {
        Stroke::NONE
    }

    fn tab_text_color(&self, visuals: &Visuals, _tiles: &Tiles<Pane>, _id: TileId, state: &TabState) -> Color32 {
        let palette = Palette::of(visuals);
        if state.active { palette.text } else { palette.weak_text }
    }
}
