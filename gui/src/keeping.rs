//! What stays between two starts of the dashboard: each part under a key of its own, as RON text, so that a broken one costs
//! nothing but itself. Whoever has something of their own to keep uses [`keep`] and [`kept`] with another key.

use crate::driver::Speed;
use crate::panels::stored_layout::StoredLayout;
use crate::recent::RecentFiles;
use crate::theme::Look;
use eframe::Storage;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the panels stand.
pub(crate) const LAYOUT: &str = "layout";
/// The theme.
pub(crate) const LOOK: &str = "theme";
/// How large everything is drawn.
pub(crate) const ZOOM: &str = "zoom";
/// How fast a run is.
pub(crate) const SPEED: &str = "speed";
/// Files that were opened.
pub(crate) const RECENT: &str = "recent files";

/// Magnifications that leave something to read and to click.
const ZOOMS: std::ops::RangeInclusive<f32> = 0.4..=4.0;

/// Keeps a value.
pub(crate) fn keep(storage: &mut dyn Storage, key: &str, value: &impl Serialize) {
    // What has no text, such as a path that is not Unicode, is not kept.
    if let Ok(text) = ron::to_string(value) {
        storage.set_string(key, text);
    }
}

/// A value that was kept; `None` if there is none.
///
/// # Errors
/// Why its text cannot be read.
pub(crate) fn kept<T: DeserializeOwned>(storage: &dyn Storage, key: &str) -> Result<Option<T>, String> {
    let Some(text) = storage.get_string(key) else {
        return Ok(None);
    };
    ron::from_str(&text).map(Some).map_err(|error| error.to_string())
}

/// Everything that the dashboard itself keeps. What is `None` has its value of the first start.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) layout: Option<StoredLayout>,
    pub(crate) look: Option<Look>,
    pub(crate) zoom: Option<f32>,
    pub(crate) speed: Option<Speed>,
    pub(crate) recent: Option<RecentFiles>,
}

impl Kept {
    /// Reads what was kept, and says of each part that cannot be read why.
    pub(crate) fn read(storage: &dyn Storage) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let kept = Self {
            layout: part(storage, LAYOUT, &mut problems),
            look: part(storage, LOOK, &mut problems),
            zoom: part(storage, ZOOM, &mut problems).filter(|zoom| ZOOMS.contains(zoom)),
            speed: part(storage, SPEED, &mut problems).filter(|speed| Speed::ALL.contains(speed)),
            recent: part(storage, RECENT, &mut problems),
        };
        (kept, problems)
    }

    /// Keeps everything that there is.
    pub(crate) fn write(&self, storage: &mut dyn Storage) {
        let Self {
            layout,
            look,
            zoom,
            speed,
            recent,
        } = self;
        if let Some(layout) = layout {
            keep(storage, LAYOUT, layout);
        }
        if let Some(look) = look {
            keep(storage, LOOK, look);
        }
        if let Some(zoom) = zoom {
            keep(storage, ZOOM, zoom);
        }
        if let Some(speed) = speed {
            keep(storage, SPEED, speed);
        }
        if let Some(recent) = recent {
            keep(storage, RECENT, recent);
        }
    }
}

fn part<T: DeserializeOwned>(storage: &dyn Storage, key: &str, problems: &mut Vec<String>) -> Option<T> {
    kept(storage, key).unwrap_or_else(|reason| {
        problems.push(format!(
            "The {key} of the last start cannot be read ({reason}), so it is that of the first start again."
        ));
        None
    })
}
