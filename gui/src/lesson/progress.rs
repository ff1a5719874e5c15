//! What is remembered of the lessons between two starts of the dashboard.

use super::player::{Attempt, Place};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How far a lesson is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonProgress {
    /// The page that was open.
    pub page_idx: usize,
    /// Steps that were done.
    pub done: BTreeSet<Place>,
    /// What was done about questions.
    pub attempts: BTreeMap<Place, Attempt>,
}
