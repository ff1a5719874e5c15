//! How the course outlives the window.

use super::{Course, lessons};
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
            let stored = StoredLesson {
                text_hash: hash_of(open.info.text),
                score: open.player.score(),
                is_complete: open.player.is_complete(),
                progress: open.player.progress(),
            };
            self.stored.insert(open.info.name.to_owned(), stored);
        }
    }

    /// Writes how far every lesson is.
    pub(crate) fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.store_open();
        let stored = StoredCourse {
            open: self.open.as_ref().map(|open| open.info.name.to_owned()),
            lessons: self.stored.clone(),
        };
        eframe::set_value(storage, KEY, &stored);
    }

    /// Takes up what was written; what cannot be read is as if nothing had been taken yet.
    pub(crate) fn load(&mut self, storage: &dyn eframe::Storage) {
        let stored: StoredCourse = eframe::get_value(storage, KEY).unwrap_or_default();
        self.stored = stored.lessons;
        self.stored
            .retain(|name, stored| lessons().any(|info| info.name == name && stored.is_of(info.text)));
        if let Some(name) = stored.open {
            // A lesson that is no longer shipped stays closed.
            let _ = self.open_lesson(&name);
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
