//! Models that are too large for the repository, where they are there.

use std::path::{Path, PathBuf};

/// A path in the folder of shared models; `None` if it is not there, which is said.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/models")
        .join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}
