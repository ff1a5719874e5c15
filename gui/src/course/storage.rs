//! How the course outlives the window.

use super::{Course, OpenLesson, lessons};
use crate::keeping::{keep, kept};
use crate::lesson::LessonProgress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The key in the storage.
const KEY: &str = "course";

/// How far a lesson is, as long as its text stays the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredLesson {
    /// Hash of the text.
    text_hash: u64,
    /// How many questions were answered, and how many there are.
    pub(super) score: (usize, usize),
    /// Whether nothing is left to do.
    pub(super) is_complete: bool,
    pub(super) progress: LessonProgress,
}

impl StoredLesson {
    fn of(open: &OpenLesson) -> Self {
        Self {
            text_hash: hash_of(open.info.text),
            score: open.player.score(),
            is_complete: open.player.is_complete(),
            progress: open.player.progress(),
        }
    }

    /// Whether it belongs to this text.
    pub(super) fn is_of(&self, text: &str) -> bool {
        self.text_hash == hash_of(text)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredCourse {
    /// Name of the lesson that was open.
    open: Option<String>,
    lessons: BTreeMap<String, StoredLesson>,
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Course {
    /// Remembers how far the open lesson is.
    pub(super) fn store_open(&mut self) {
        if let Some(open) = &self.open {
            self.stored.insert(open.info.name.to_owned(), StoredLesson::of(open));
        }
    }

    /// Keeps how far every lesson is.
    pub(crate) fn save(&self, storage: &mut dyn eframe::Storage) {
        let mut lessons = self.stored.clone();
        lessons.extend(
            self.open
                .iter()
                .map(|open| (open.info.name.to_owned(), StoredLesson::of(open))),
        );
        let open = self.open.as_ref().map(|open| open.info.name.to_owned());
        keep(storage, KEY, &StoredCourse { open, lessons });
    }

    /// Takes up what was kept. Lessons that are no longer shipped, or whose text has changed, begin anew.
    ///
    /// # Errors
    /// If it cannot be read, so that every lesson begins anew.
    pub(crate) fn load(&mut self, storage: &dyn eframe::Storage) -> Result<(), String> {
        let stored: Option<StoredCourse> = kept(storage, KEY).map_err(|reason| {
            format!("How far you were in the lessons cannot be read ({reason}), so they begin anew.")
        })?;
        let stored = stored.unwrap_or_default();
        let is_shipped =
            |name: &str, lesson: &StoredLesson| lessons().any(|info| info.name == name && lesson.is_of(info.text));
        self.stored = stored.lessons;
        self.stored.retain(|name, lesson| is_shipped(name, lesson));
        match stored.open.filter(|name| lessons().any(|info| info.name == name)) {
            Some(name) => self.open_lesson(&name),
            None => Ok(()),
        }
    }

    /// What a menu says about how far a lesson is; nothing if it has not been taken.
    pub(crate) fn standing(&self, name: &str) -> String {
        let open = self.open.as_ref().filter(|open| open.info.name == name);
        let now = open.map(|open| (open.player.score(), open.player.is_complete()));
        let before = || self.stored.get(name).map(|stored| (stored.score, stored.is_complete));
        match now.or_else(before) {
            None => String::new(),
            Some(((n_right, n_questions), true)) => format!("complete, {n_right} of {n_questions}"),
            Some(((n_right, n_questions), false)) => format!("{n_right} of {n_questions}"),
        }
    }
}
