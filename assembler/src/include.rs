//! Files that a text names. This crate opens none: the caller hands in a [`Loader`].

use crate::codes;
use std::path::{Component, Path, PathBuf};
use systole_isa::Diagnostic;

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedFile {
    /// Its name in diagnostics and line tables, and what paths in it are relative to. Equal names mean the same file.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Reads the files that assembly texts name.
pub trait Loader {
    /// Reads a file. `path` is what is written in the file named `from`, which is the name given to
    /// [`crate::assemble_with`] or that of an earlier [`LoadedFile`].
    ///
    /// # Errors
    /// Why it cannot be read, in a few words.
    fn load(&mut self, path: &str, from: &str) -> Result<LoadedFile, String>;
}

/// A loader that has no files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn load(&mut self, _: &str, _: &str) -> Result<LoadedFile, String> {
        Err("there are no files here: only the text itself was given".to_owned())
    }
}

impl<F: FnMut(&str, &str) -> Result<LoadedFile, String>> Loader for F {
    fn load(&mut self, path: &str, from: &str) -> Result<LoadedFile, String> {
        self(path, from)
    }
}

/// A loader for texts that lie in a folder: what a text names is relative to the folder of the file in which it is written. The
/// function in it reads a file.
#[derive(Clone, Copy, Debug)]
pub struct NextTo<R>(pub R);

impl<R: FnMut(&Path) -> Result<Vec<u8>, String>> Loader for NextTo<R> {
    fn load(&mut self, path: &str, from: &str) -> Result<LoadedFile, String> {
        let folder = Path::new(from).parent().unwrap_or(Path::new(""));
        let path = normal(&folder.join(path));
        let bytes = (self.0)(&path)?;
        let name = path.display().to_string();
        Ok(LoadedFile { name, bytes })
    }
}

/// The path without detours, so that a file that includes itself is recognized by its name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            _ => normal.push(component),
        }
    }
    normal
}

/// The diagnostic for a file that the loader refuses.
pub(crate) fn not_loaded(path: &str, reason: String) -> Diagnostic {
    let message = format!("`{}` cannot be read", crate::literal::escape(path));
    Diagnostic::error(codes::NO_FILE, message)
        .because(reason)
        .help("paths are relative to the file in which they are written")
}

/// The text of a file.
pub(crate) fn text_of(file: LoadedFile) -> Result<String, Diagnostic> {
    String::from_utf8(file.bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let message = format!("`{}` is no text", crate::literal::escape(&file.name));
        Diagnostic::error(codes::NO_FILE, message).because(format!("byte {offset} is not UTF-8"))
    })
}

/// The diagnostic for a file that includes itself. `open` are the files around the place, outermost first.
pub(crate) fn cycle(name: &str, open: &[String]) -> Diagnostic {
    let start = open.iter().position(|file| file == name).unwrap_or(0);
    let way: Vec<&str> = open[start..].iter().map(String::as_str).chain([name]).collect();
    let message = format!("`{}` includes itself", crate::literal::escape(name));
    Diagnostic::error(codes::INCLUDE_CYCLE, message)
        .because(format!("the way is {}", way.join(" -> ")))
        .help("put what both need into a third file")
}
