//! `explain`: the long text of a diagnostic's code.

use super::print;
use crate::error::CommandError;
use systole_isa::Diagnostic;
use systole_isa::diagnostic::{CodeInfo, code_list};

/// Codes of files and arguments.
const CODES: &[CodeInfo] = &code_list([
    (
        "F0001",
        "file that cannot be read",
        "Check the path and its permissions.",
    ),
    (
        "F0002",
        "file that cannot be written",
        "Check the folder and its permissions.",
    ),
    (
        "F0003",
        "unknown machine",
        "`--machine` takes the name of a shipped machine (`systole machine list`) or the path of a RON description.",
    ),
    (
        "F0004",
        "file that is no text",
        "Assembly and machine descriptions are UTF-8 text.",
    ),
    (
        "F0005",
        "not a NumPy array",
        "Inputs and expected outputs are .npy files of float32, float64, uint8, int8, int16, int32 or int64.",
    ),
    (
        "F0006",
        "input of the wrong shape",
        "Inferences run along axis 0; the other axes are those of the model's input.",
    ),
    (
        "F0007",
        "wrong number of expected values",
        "Expected values are compared with the first output, for as many inferences as inputs.",
    ),
    (
        "F0008",
        "report that cannot be written",
        "The report holds a number that JSON cannot express.",
    ),
    (
        "F0009",
        "wrong number of inputs",
        "Give `--input` once per input of the model, in its order.",
    ),
    (
        "F0010",
        "inputs of different lengths",
        "All inputs hold the same number of inferences along axis 0.",
    ),
    (
        "F0011",
        "model without input or output",
        "The main job reads one image and compares one output.",
    ),
    ("F0012", "no such image", "Choose one of the embedded images."),
    (
        "F0013",
        "nothing to do",
        "Write the program with `-o P.elf`, or print it with `--emit asm`.",
    ),
    (
        "F0014",
        "array that does nothing",
        "The matrix product gave the array no work.",
    ),
    (
        "F0015",
        "unknown code",
        "Codes are a letter and four digits, as printed in brackets behind `error`.",
    ),
    (
        "F0030",
        "text that is not in its tidy form",
        "`systole fmt FILE` aligns the columns of an assembly text; `--check` only says whether it would change something.",
    ),
    (
        "F0031",
        "language server that lost its editor",
        "The editor closed the connection or sent a message that is not one of the language server protocol.",
    ),
    (
        "G0001",
        "no window",
        "The dashboard needs a display (DISPLAY or WAYLAND_DISPLAY) and OpenGL. Without one use `--headless`.",
    ),
    (
        "R0001",
        "no values were computed",
        "A timing-only run does not know which operands are zero, so every multiply-accumulate costs the energy of a full one.",
    ),
]);

/// Every code of every part.
pub(crate) fn all() -> impl Iterator<Item = &'static CodeInfo> {
    [
        systole_assembler::codes::CODES,
        systole_compiler::error::CODES,
        systole_isa::container::CODES,
        systole_isa::machine::CODES,
        systole_simulator::fault::CODES,
        CODES,
    ]
    .into_iter()
    .flatten()
}

pub(crate) fn run(code: &str) -> Result<(), CommandError> {
    let info = all().find(|info| info.code.eq_ignore_ascii_case(code)).ok_or_else(|| {
        Diagnostic::error("F0015", format!("there is no diagnostic `{code}`"))
            .help("a code is printed in brackets behind `error`, as in error[S0002]")
    })?;
    print(&format!("{}: {}\n\n{}", info.code, info.title, info.explanation));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Codes in quotes in the sources of a folder.
    fn used(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, codes);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                codes.extend(text.split('"').filter(|part| is_code(part)).map(str::to_owned));
            }
        }
    }

    fn is_code(text: &str) -> bool {
        text.len() == 5
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text[1..].bytes().all(|b| b.is_ascii_digit())
    }

    #[test]
    fn every_code_in_the_sources_is_explained_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut codes = BTreeSet::new();
        for part in ["isa", "assembler", "compiler", "simulator", "gui", "cli"] {
            used(&root.join(part).join("src"), &mut codes);
        }
        let explained: Vec<&str> = all().map(|info| info.code).collect();
        let unique: BTreeSet<String> = explained.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(unique.len(), explained.len(), "a code is explained twice");
        let missing: Vec<&String> = codes.difference(&unique).collect();
        assert!(missing.is_empty(), "not explained: {missing:?}");
    }
}
