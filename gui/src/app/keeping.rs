//! What the dashboard keeps between two starts.

use super::Dashboard;
use crate::driver::Request;
use crate::keeping::Kept;
use crate::panels::layout::shown_panes;
use crate::panels::stored_layout::StoredLayout;
use crate::theme;
use eframe::Storage;

impl Dashboard {
    /// Takes over what was kept at the last start. What cannot be used stays as at the first start, and the user is told.
    pub fn restore(&mut self, storage: &dyn Storage) {
        let (kept, mut problems) = Kept::read(storage);
        match kept.layout.as_ref().map(StoredLayout::tree) {
            Some(Ok(tree)) => self.tree = tree,
            Some(Err(reason)) => problems.push(format!(
                "The layout of the last start cannot be used ({reason}), so it is that of the first start again."
            )),
            None => {}
        }
        self.view.shown_panes = shown_panes(&self.tree);
        if let Some(look) = kept.look {
            theme::use_look(&self.ctx, look);
        }
        if let Some(zoom) = kept.zoom {
            self.ctx.set_zoom_factor(zoom);
        }
        if let Some(speed) = kept.speed {
            self.view.speed = speed;
            self.worker.send(Request::SetSpeed(speed));
        }
        if let Some(recent) = kept.recent {
            self.view.recent = recent;
        }
        problems.extend(self.course.load(storage).err());
        if !problems.is_empty() {
            self.notice = Some(problems.join("\n"));
        }
    }

    /// Keeps what the user has arranged for the next start.
    pub fn keep(&self, storage: &mut dyn Storage) {
        let kept = Kept {
            layout: StoredLayout::of(&self.tree),
            look: Some(theme::look(&self.ctx)),
            zoom: Some(self.ctx.zoom_factor()),
            speed: Some(self.view.speed),
            recent: Some(self.view.recent.clone()),
        };
        kept.write(storage);
        self.course.save(storage);
    }
}
