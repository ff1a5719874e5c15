//! The layout as it is kept between two starts: containers and panels by name, in a form of its own, so that neither a panel that
//! is gone nor a new version of the tiles library makes it useless. Reading it refuses whatever is not a layout, and never panics.

use super::layout::{LAYOUT_ID, split};
use super::panes::{PANES, Pane};
use egui::Id;
use egui_tiles::{Container, LinearDir, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

/// The form that this version writes and reads.
const VERSION: u32 = 1;

/// Shares of a row or column that make sense, relative to 1.
const SHARES: std::ops::RangeInclusive<f32> = 0.01..=100.0;

/// A layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredLayout {
    version: u32,
    root: Node,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Node {
    /// A panel by its name, and whether it is not hidden.
    Panel(String, bool),
    /// Parts behind each other, and the position of the one in front.
    Tabs(Vec<Node>, Option<usize>),
    /// Parts beside each other, with their shares of the width.
    Row(Vec<(f32, Node)>),
    /// Parts below each other, with their shares of the height.
    Column(Vec<(f32, Node)>),
}

impl StoredLayout {
    /// The layout of a tree; `None` of an empty one.
    pub(crate) fn of(tree: &Tree<Pane>) -> Option<Self> {
        Some(Self {
            version: VERSION,
            root: node_of(tree, tree.root()?)?,
        })
    }

    /// The tree of the layout. Panels that there are no longer are left out, new ones are put where panels of their region are.
    ///
    /// # Errors
    /// Why it is of no use.
    pub(crate) fn tree(&self) -> Result<Tree<Pane>, String> {
        if self.version != VERSION {
            return Err(format!("it is of version {}, this is version {VERSION}", self.version));
        }
        let mut tiles = Tiles::default();
        let mut root = insert(&mut tiles, &self.root).ok_or("it names no panel that there is")?;
        if !tiles
            .tiles()
            .any(|tile| matches!(tile, Tile::Container(Container::Tabs(_))))
        {
            root = tiles.insert_tab_tile(vec![root]);
        }
        for info in PANES {
            if tiles.find_pane(&info.pane).is_none() {
                insert_new(&mut tiles, info.pane);
            }
        }
        Ok(Tree::new(Id::unique(LAYOUT_ID), root, tiles))
    }
}

fn node_of(tree: &Tree<Pane>, tile_id: TileId) -> Option<Node> {
    let nodes = |children: &[TileId]| children.iter().filter_map(|child| node_of(tree, *child)).collect();
    Some(match tree.tiles.get(tile_id)? {
        Tile::Pane(pane) => Node::Panel(pane.info().name.to_owned(), tree.is_visible(tile_id)),
        Tile::Container(Container::Tabs(tabs)) => {
            let front = tabs.children.iter().position(|child| Some(*child) == tabs.active);
            Node::Tabs(nodes(&tabs.children), front)
        }
        Tile::Container(Container::Linear(linear)) => {
            let part = |child: &TileId| Some((linear.shares[*child], node_of(tree, *child)?));
            let parts = linear.children.iter().filter_map(part).collect();
            match linear.dir {
                LinearDir::Horizontal => Node::Row(parts),
                LinearDir::Vertical => Node::Column(parts),
            }
        }
        Tile::Container(Container::Grid(grid)) => {
            let children: Vec<TileId> = grid.children().copied().collect();
            Node::Tabs(nodes(&children), None)
        }
    })
}

/// Inserts what a node stands for; `None` if that is nothing.
fn insert(tiles: &mut Tiles<Pane>, node: &Node) -> Option<TileId> {
    match node {
        Node::Panel(name, is_shown) => {
            let pane = Pane::from_name(name).filter(|pane| tiles.find_pane(pane).is_none())?;
            let tile_id = tiles.insert_pane(pane);
            tiles.set_visible(tile_id, *is_shown);
            Some(tile_id)
        }
        Node::Tabs(nodes, front) => {
            let children: Vec<Option<TileId>> = nodes.iter().map(|node| insert(tiles, node)).collect();
            let mut tabs = Tabs::new(children.iter().flatten().copied().collect());
            let front = front.and_then(|idx| children.get(idx).copied().flatten());
            tabs.active = front.or(tabs.active);
            (!tabs.children.is_empty()).then(|| tiles.insert_container(tabs))
        }
        Node::Row(parts) => insert_parts(tiles, LinearDir::Horizontal, parts),
        Node::Column(parts) => insert_parts(tiles, LinearDir::Vertical, parts),
    }
}

fn insert_parts(tiles: &mut Tiles<Pane>, direction: LinearDir, parts: &[(f32, Node)]) -> Option<TileId> {
    let mut children = Vec::new();
    for (share, node) in parts {
        let share = if SHARES.contains(share) { *share } else { 1.0 };
        children.extend(insert(tiles, node).map(|tile_id| (tile_id, share)));
    }
    (!children.is_empty()).then(|| split(tiles, direction, &children))
}

/// Inserts a panel that the layout does not name behind the tabs of its region, or else behind any.
fn insert_new(tiles: &mut Tiles<Pane>, pane: Pane) {
    let region = pane.info().region;
    let neighbours = PANES.iter().filter(|info| info.region == region && info.pane != pane);
    let containers = neighbours.filter_map(|info| tiles.parent_of(tiles.find_pane(&info.pane)?));
    let is_tabs = |tile_id: &TileId| matches!(tiles.get_container(*tile_id), Some(Container::Tabs(_)));
    let mut containers = containers.filter(is_tabs);
    let Some(container) = containers.next().or_else(|| tiles.tile_ids().find(is_tabs)) else {
        return;
    };
    let tile_id = tiles.insert_pane(pane);
    tiles.set_visible(tile_id, pane.info().is_shown_first);
    if let Some(Tile::Container(Container::Tabs(tabs))) = tiles.get_mut(container) {
        tabs.add_child(tile_id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{default_tree, set_shown, shown_panes};
    use super::*;

    fn round_trip(text: &str) -> Result<Tree<Pane>, String> {
        let layout: StoredLayout = ron::from_str(text).map_err(|error| error.to_string())?;
        layout.tree()
    }

    fn text(tree: &Tree<Pane>) -> String {
        ron::to_string(&StoredLayout::of(tree).unwrap()).unwrap()
    }

    /// Every panel is there exactly once.
    fn check_complete(tree: &Tree<Pane>) {
        let n_panes = tree.tiles.tiles().filter(|tile| matches!(tile, Tile::Pane(_))).count();
        assert_eq!(n_panes, PANES.len());
        assert!(PANES.iter().all(|info| tree.tiles.find_pane(&info.pane).is_some()));
    }

    #[test]
    fn a_layout_comes_back_as_it_was() {
        let mut tree = default_tree();
        set_shown(&mut tree, Pane::Energy, false);
        set_shown(&mut tree, Pane::Machine, true);
        let back = round_trip(&text(&tree)).unwrap();
        assert_eq!(StoredLayout::of(&back), StoredLayout::of(&tree));
        assert_eq!(shown_panes(&back), shown_panes(&tree));
        check_complete(&back);
    }

    #[test]
    fn unknown_and_doubled_panels_are_left_out_and_missing_ones_come_back() {
        let tree = round_trip(
            r#"(version: 1, root: Row([(0.3, Tabs([Panel("array", true), Panel("oscilloscope", true)], Some(1))),
                (-5.0, Tabs([Panel("array", true), Panel("program", false), Tabs([], None)], Some(7)))]))"#,
        )
        .unwrap();
        check_complete(&tree);
        assert!(shown_panes(&tree).contains(&Pane::Array));
        assert!(!shown_panes(&tree).contains(&Pane::Program));
        let front_of = |pane: Pane| tree.tiles.parent_of(tree.tiles.find_pane(&pane).unwrap()).unwrap();
        let machine_is_beside_the_array = front_of(Pane::Machine) == front_of(Pane::Array);
        assert!(machine_is_beside_the_array, "both are in the main region");
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        for text in [
            "",
            "(",
            "(version: 1)",
            "(version: 0, root: Panel(\"array\", true))",
            "(version: 1, root: Panel(\"oscilloscope\", true))",
            "(version: 1, root: Tabs([], None))",
            "(version: 1, root: Row([(1.0, Tabs([], Some(3)))]))",
        ] {
            assert!(round_trip(text).is_err(), "{text}");
        }
        let deep = format!("(version: 1, root: {}", "Row([(1.0,".repeat(100_000));
        assert!(round_trip(&deep).is_err());
    }
}
