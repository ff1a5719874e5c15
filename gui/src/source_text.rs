//! The text of a program: what it was assembled from, or its disassembly, with the line in which each instruction stands.

use crate::npy;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use systole_assembler::{LoadedFile, Loader, NextTo, NoFiles, assemble_with, source_line};
use systole_isa::instruction::opcode_by_mnemonic;
use systole_isa::program::Segment;
use systole_isa::{Diagnostic, Program};

/// Constants of more bytes than this are no pleasure to read in a text.
const MOST_BYTES_IN_TEXT: usize = 1024;

/// A text that is a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// Its name in messages; a path if it has a file.
    pub file: String,
    /// The text.
    pub text: Arc<str>,
    /// Where it comes from.
    pub origin: Origin,
    /// The line in which each instruction stands, counted from 0; `None` for those of included files.
    pub lines: Arc<[Option<u32>]>,
    /// The files that it names.
    pub(crate) files: Files,
}

/// Where a text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, into which it can be written.
    File(PathBuf),
    /// An example that is shipped.
    Example,
    /// A program that was not written as text.
    Disassembly,
}

/// The files that a text names.
#[derive(Clone, Default)]
pub(crate) struct Files {
    /// Constants that are in memory, by the path in the text.
    arrays: Arc<BTreeMap<String, Segment>>,
    /// Whether there may be others on disk, relative to the text's own file.
    is_on_disk: bool,
}

impl Loader for Files {
    fn load(&mut self, path: &str, from: &str) -> Result<LoadedFile, String> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| error.to_string());
        match self.arrays.get(path) {
            Some(segment) => Ok(LoadedFile {
                name: path.to_owned(),
                bytes: npy::of_bytes(&segment.bytes),
            }),
            None if self.is_on_disk => NextTo(read).load(path, from),
            None => NoFiles.load(path, from),
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.arrays.keys()).finish()
    }
}

impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.arrays, &other.arrays) && self.is_on_disk == other.is_on_disk
    }
}

impl Eq for Files {}

impl SourceText {
    /// The text of a file.
    pub fn of_file(path: &Path, text: &str) -> Self {
        let files = Files {
            is_on_disk: true,
            ..Files::default()
        };
        Self::new(path.display().to_string(), text, Origin::File(path.to_owned()), files)
    }

    /// The text in an assembly file; `None` if it is none or cannot be read.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let is_assembly = path.extension().is_some_and(|extension| extension == "sasm");
        let text = is_assembly.then(|| std::fs::read_to_string(path).ok()).flatten()?;
        Some(Self::of_file(path, &text))
    }

    /// The text of a shipped example.
    pub(crate) fn of_example(name: &str, text: &str) -> Self {
        Self::new(name.to_owned(), text, Origin::Example, Files::default())
    }

    /// A program as text. Long constants are left to arrays that the text names.
    pub(crate) fn of_program(program: &Program) -> Self {
        // Lines of a text that is not there mean nothing, and those of this one are found when it is assembled.
        let program = Program {
            lines: Vec::new(),
            ..program.clone()
        };
        let mut arrays = BTreeMap::new();
        let text = systole_assembler::disassemble_with_files(&program, &mut |segment| {
            if segment.bytes.len() <= MOST_BYTES_IN_TEXT {
                return None;
            }
            let path = format!("{}.constants/{:04}.npy", file_name(&program.name), arrays.len());
            arrays.insert(path.clone(), segment.clone());
            Some(path)
        });
        let text = text.strip_prefix(".generated\n").unwrap_or(&text);
        let files = Files {
            arrays: Arc::new(arrays),
            is_on_disk: false,
        };
        let mut source = Self::new(program.name.clone(), text, Origin::Disassembly, files);
        let lines: Vec<Option<u32>> = instruction_lines(text).map(Some).collect();
        if lines.len() == program.code.len() {
            source.lines = lines.into();
        }
        source
    }

    fn new(file: String, text: &str, origin: Origin, files: Files) -> Self {
        Self {
            file,
            text: Arc::from(text),
            origin,
            lines: Arc::from([]),
            files,
        }
    }

    /// The same with the lines of the instructions of a program that it is.
    pub(crate) fn with_lines_of(mut self, program: &Program) -> Self {
        let line = |pc| match source_line(program, pc) {
            Some((None, line)) => line.checked_sub(1),
            _ => None,
        };
        self.lines = (0..program.code.len() as u32).map(line).collect();
        self
    }

    /// Another text in its place: with the same name and files, without lines.
    pub(crate) fn with_text(&self, text: Arc<str>) -> Self {
        Self {
            text,
            lines: Arc::from([]),
            ..self.clone()
        }
    }

    /// The same as the text of a file.
    pub(crate) fn moved_to(&self, path: &Path) -> Self {
        Self {
            file: path.display().to_string(),
            origin: Origin::File(path.to_owned()),
            files: Files {
                is_on_disk: true,
                ..self.files.clone()
            },
            ..self.clone()
        }
    }

    /// The constants that are in memory as files, for a text that is written to `path`.
    pub(crate) fn arrays_beside(&self, path: &Path) -> Vec<(PathBuf, Arc<[u8]>)> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let arrays = self.files.arrays.iter();
        arrays
            .map(|(name, segment)| (folder.join(name), Arc::from(npy::of_bytes(&segment.bytes))))
            .collect()
    }

    /// The program.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub(crate) fn assemble(&self) -> Result<Program, Vec<Diagnostic>> {
        assemble_with(&self.text, &self.file, &mut self.files.clone())
    }

    /// The file that the text was read from.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Example | Origin::Disassembly => None,
        }
    }
}

/// A name as that of a folder: other characters than letters, digits, `-`, `_` and `.` become `_`.
fn file_name(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// The lines of a disassembly that are instructions.
fn instruction_lines(text: &str) -> impl Iterator<Item = u32> {
    let lines = text.lines().zip(0..);
    lines.filter_map(|(line, line_idx)| {
        let word = line.split_whitespace().find(|word| !word.ends_with(':'))?;
        opcode_by_mnemonic(word).map(|_| line_idx)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{example, examples};

    #[test]
    fn a_disassembly_assembles_to_the_same_program_and_its_lines_are_those_of_the_assembler() {
        for info in examples() {
            let program = example(info.name, None).unwrap().machine.program().clone();
            let source = SourceText::of_program(&program);
            let again = source
                .assemble()
                .unwrap_or_else(|errors| panic!("{}: {errors:?}", info.name));
            assert_eq!(again.hash(), program.hash(), "{}", info.name);
            assert_eq!((&again.inputs, &again.outputs), (&program.inputs, &program.outputs));
            let lines = source.clone().with_lines_of(&again).lines;
            assert_eq!(source.lines, lines, "{}", info.name);
            assert_eq!(lines.len(), program.code.len(), "{}", info.name);
        }
    }

    #[test]
    fn lines_are_those_in_which_the_instructions_are_written() {
        let text = "; a comment\n\n    li r1, 3\nend: halt\n";
        let source = SourceText::of_example("t", text);
        let program = source.assemble().unwrap();
        assert_eq!(*source.with_lines_of(&program).lines, [Some(2), Some(3)]);
    }
}
