//! Where the panels stand at first, how they are shown and hidden, and how their tabs look.

use super::array_grid::ArrayTexture;
use super::lesson::LessonMemory;
use super::panes::{PANES, Pane, Region};
use super::program::Listing;
use super::source::SourceMemory;
use super::timeline_density::LaneTextures;
use crate::course::Course;
use crate::frame::Frame;
use crate::machine_bench::MachineBench;
use crate::source_editor::SourceEditor;
use crate::theme::{self, Palette};
use crate::view::{Action, View};
use egui::{Color32, Id, Margin, Stroke, Style, Ui, Visuals, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, TabState, Tabs, Tile, TileId, Tiles, Tree,
    UiResponse,
};

/// Identifies the panels for the windowing library.
pub(crate) const LAYOUT_ID: &str = "systole-panels";

/// The layout at the first start: the panels of each region of the table as tabs, beside and below each other.
pub(crate) fn default_tree() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let [reading, main, right, right_below, bottom] = [
        Region::Reading,
        Region::Main,
        Region::Right,
        Region::RightBelow,
        Region::Bottom,
    ]
    .map(|region| region_tabs(&mut tiles, region));
    let right = split(&mut tiles, LinearDir::Vertical, &[(right, 0.56), (right_below, 0.44)]);
    let top = split(&mut tiles, LinearDir::Horizontal, &[(main, 0.61), (right, 0.39)]);
    let machine = split(&mut tiles, LinearDir::Vertical, &[(top, 0.66), (bottom, 0.34)]);
    let root = split(&mut tiles, LinearDir::Horizontal, &[(reading, 0.27), (machine, 0.73)]);
    Tree::new(Id::unique(LAYOUT_ID), root, tiles)
}

/// The panels of a region as tabs, the first visible one in front.
fn region_tabs(tiles: &mut Tiles<Pane>, region: Region) -> TileId {
    let mut tabs = Tabs::default();
    for info in PANES.iter().filter(|info| info.region == region) {
        let tile_id = tiles.insert_pane(info.pane);
        tiles.set_visible(tile_id, info.is_shown_first);
        tabs.add_child(tile_id);
        if info.is_shown_first && tabs.active.is_none() {
            tabs.set_active(tile_id);
        }
    }
    tabs.active = tabs.active.or(tabs.children.first().copied());
    tiles.insert_container(tabs)
}

/// A row or column of parts with their shares.
pub(crate) fn split(tiles: &mut Tiles<Pane>, direction: LinearDir, children: &[(TileId, f32)]) -> TileId {
    let mut linear = Linear::new(direction, children.iter().map(|(id, _)| *id).collect());
    for (id, share) in children {
        linear.shares.set_share(*id, *share);
    }
    tiles.insert_container(Container::Linear(linear))
}

/// The panels that are not hidden, whether or not another tab is in front of them.
pub(crate) fn shown_panes(tree: &Tree<Pane>) -> Vec<Pane> {
    let is_shown = |pane: &Pane| tree.tiles.find_pane(pane).is_some_and(|id| tree.is_visible(id));
    PANES.iter().map(|info| info.pane).filter(is_shown).collect()
}

/// Shows a panel in front of its tabs, or hides it.
pub(crate) fn set_shown(tree: &mut Tree<Pane>, pane: Pane, is_shown: bool) {
    let Some(tile_id) = tree.tiles.find_pane(&pane) else {
        return;
    };
    tree.set_visible(tile_id, is_shown);
    if is_shown {
        tree.make_active(|id, _| id == tile_id);
    }
}

/// What panels remember that is not a choice of the user: textures and scroll positions.
#[derive(Default)]
pub(crate) struct PanelMemory {
    pub(crate) texture: ArrayTexture,
    pub(crate) listing: Listing,
    pub(crate) density: LaneTextures,
    pub(crate) lesson: LessonMemory,
    pub(crate) source: SourceMemory,
}

/// Draws the panels of one frame and collects their actions.
pub(crate) struct Panels<'a> {
    /// The frame.
    pub(crate) frame: &'a Frame,
    /// What the user has chosen.
    pub(crate) view: &'a View,
    /// The lessons.
    pub(crate) course: &'a Course,
    /// What the machine panel shows.
    pub(crate) bench: &'a MachineBench,
    /// What the source panel shows.
    pub(crate) source: &'a SourceEditor,
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
                (pane.info().ui)(ui, self);
            });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        if *pane == Pane::Source && self.source.is_edited() {
            return format!("{} *", pane.info().title).into();
        }
        pane.info().title.into()
    }

    fn is_tab_closable(&self, _tiles: &Tiles<Pane>, _tile_id: TileId) -> bool {
        true
    }

    /// A closed panel keeps its place, so that it comes back where it was.
    fn on_tab_close(&mut self, tiles: &mut Tiles<Pane>, tile_id: TileId) -> bool {
        if let Some(Tile::Pane(pane)) = tiles.get(tile_id) {
            self.actions.push(Action::ShowPane(*pane, false));
        }
        false
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
