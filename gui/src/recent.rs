//! The files that were opened last.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files that are remembered.
const MAX_FILES: usize = 10;

/// The files that were opened last, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<PathBuf>", into = "Vec<PathBuf>")]
pub(crate) struct RecentFiles {
    paths: Vec<PathBuf>,
    /// Why a file cannot be opened any more, as far as that was looked at.
    missing: BTreeMap<PathBuf, String>,
}

impl From<Vec<PathBuf>> for RecentFiles {
    fn from(paths: Vec<PathBuf>) -> Self {
        let mut recent = Self::default();
        for path in paths.into_iter().rev() {
            recent.add(path);
        }
        recent
    }
}

impl From<RecentFiles> for Vec<PathBuf> {
    fn from(recent: RecentFiles) -> Self {
        // A path that is not Unicode cannot be written as text.
        recent
            .paths
            .into_iter()
            .filter(|path| path.to_str().is_some())
            .collect()
    }
}

impl RecentFiles {
    /// Puts a file that was opened first.
    pub(crate) fn add(&mut self, path: PathBuf) {
        self.missing.remove(&path);
        self.paths.retain(|other| *other != path);
        self.paths.insert(0, path);
        self.paths.truncate(MAX_FILES);
    }

    /// The files, newest first, each with the reason why it cannot be opened, if there is one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, Option<&str>)> {
        let missing = |path: &PathBuf| self.missing.get(path).map(String::as_str);
        self.paths.iter().map(move |path| (path.as_path(), missing(path)))
    }

    /// The files.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Takes over what a [look at the files](look_at) has found.
    pub(crate) fn set_missing(&mut self, missing: BTreeMap<PathBuf, String>) {
        self.missing = missing;
    }
}

/// Looks which of some files are not there, and why. May take long where a network is slow.
pub(crate) fn look_at(paths: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let reason = |path: &PathBuf| match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Some("it is a folder now".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    paths
        .iter()
        .filter_map(|path| Some((path.clone(), reason(path)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_first_and_the_eleventh_goes() {
        let mut recent = RecentFiles::default();
        for i in 0..12 {
            recent.add(PathBuf::from(format!("{i}.onnx")));
        }
        recent.add(PathBuf::from("7.onnx"));
        let names: Vec<String> = recent.iter().map(|(path, _)| path.display().to_string()).collect();
        let expected = [7, 11, 10, 9, 8, 6, 5, 4, 3, 2].map(|i| format!("{i}.onnx"));
        assert_eq!(names, expected);
        let text = ron::to_string(&recent).unwrap();
        assert_eq!(ron::from_str::<RecentFiles>(&text).unwrap(), recent);
    }

    #[test]
    fn a_file_that_is_gone_has_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let (there, gone) = (folder.path().join("there"), folder.path().join("gone"));
        std::fs::write(&there, "").unwrap();
        let mut recent = RecentFiles::from(vec![there.clone(), gone.clone()]);
        recent.set_missing(look_at(recent.paths()));
        let found: Vec<bool> = recent.iter().map(|(_, reason)| reason.is_some()).collect();
        assert_eq!(found, [false, true]);
        recent.add(gone);
        assert!(
            recent.iter().all(|(_, reason)| reason.is_none()),
            "it was opened just now"
        );
    }
}
