//! `explain`: the long text of a diagnostic's code, or the index of all of them.

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
        "empty trace",
        "A trace holds the cycles from `--from` up to, but not including, `--to`.",
    ),
    (
        "F0032",
        "text that is not in its tidy form",
        "`systole fmt FILE` aligns the columns of an assembly text; `--check` only says whether it would change something.",
    ),
    (
        "F0031",
        "language server that lost its editor",
        "The editor closed the connection or sent a message that is not one of the language server protocol.",
    ),
    (
        "F0033",
        "decision about a model that comes too late",
        "How a model is quantized, and which of its inputs are constants, is decided when it is compiled. A program in an ELF file or in assembly is beyond that.",
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
    (
        "R0002",
        "images that run one after the other",
        "`--batch` makes the first axis of every activation so many images long. Where a tensor has no such axis, the images run one by one instead.",
    ),
]);

/// The lists of every part.
fn lists() -> [&'static [CodeInfo]; 8] {
    [
        systole_assembler::codes::CODES,
        systole_compiler::error::CODES,
        systole_isa::container::CODES,
        systole_isa::machine::CODES,
        systole_simulator::fault::CODES,
        systole_simulator::check::CODES,
        systole_simulator::dram::CODES,
        CODES,
    ]
}

/// Every code of every part.
fn all() -> impl Iterator<Item = &'static CodeInfo> {
    lists().into_iter().flatten()
}

/// What the codes of one letter are about, in the order of the index.
const PARTS: &[(char, &str)] = &[
    ('A', "assembly text"),
    ('C', "compilation of a model"),
    ('F', "files and arguments"),
    ('G', "dashboard"),
    ('H', "machine descriptions"),
    ('K', "static check of a program"),
    ('M', "model files"),
    ('P', "program files"),
    ('R', "reports"),
    ('S', "faults of a running program"),
    ('T', "traces of DRAM requests"),
];

/// Every code with its texts, as Markdown.
fn index() -> String {
    let mut text = String::from(INTRODUCTION);
    for (letter, part) in PARTS {
        text += &format!("\n## {letter}: {part}\n");
        let mut codes: Vec<&CodeInfo> = all().filter(|info| info.code.starts_with(*letter)).collect();
        codes.sort_by_key(|info| info.code);
        for info in codes {
            text += &format!("\n### {}: {}\n\n{}\n", info.code, info.title, info.explanation);
        }
    }
    text
}

const INTRODUCTION: &str = "# Diagnostics

This page is what `systole explain` prints without a code; a test keeps it true. A diagnostic shows its code in brackets, the place, the reason
and what to do; `systole explain CODE` prints one entry of this page.
";

pub(crate) fn run(code: Option<&str>) -> Result<(), CommandError> {
    let Some(code) = code else {
        print(index().trim_end());
        return Ok(());
    };
    let info = all().find(|info| info.code.eq_ignore_ascii_case(code)).ok_or_else(|| {
        Diagnostic::error("F0015", format!("there is no diagnostic `{code}`"))
            .help("a code is printed in brackets behind `error`, as in error[S0002]; `systole explain` lists all")
    })?;
    print(&format!("{}: {}\n\n{}", info.code, info.title, info.explanation));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    /// The sources of every part but the tests, by file.
    fn sources() -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut folders: Vec<PathBuf> = ["isa", "assembler", "compiler", "simulator", "gui", "cli"]
            .iter()
            .map(|part| root().join(part).join("src"))
            .collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    // What a test mentions is neither raised nor explained by it.
                    let code = text.split("#[cfg(test)]").next().unwrap_or("").to_owned();
                    files.insert(path, code);
                }
            }
        }
        files
    }

    fn is_code(text: &str) -> bool {
        text.len() == 5
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text[1..].bytes().all(|b| b.is_ascii_digit())
    }

    /// Codes in quotes, with how often they stand there.
    fn quoted(sources: &BTreeMap<PathBuf, String>) -> BTreeMap<String, usize> {
        let mut codes = BTreeMap::new();
        for code in sources
            .values()
            .flat_map(|text| text.split('"'))
            .filter(|part| is_code(part))
        {
            *codes.entry(code.to_owned()).or_default() += 1;
        }
        codes
    }

    /// The name of the constant that stands for a code, where the list gives it one: `NAME "A0001" "title"`.
    fn constant_name<'a>(sources: &'a BTreeMap<PathBuf, String>, code: &str) -> Option<&'a str> {
        let quoted = format!(" \"{code}\" \"");
        let before = sources.values().find_map(|text| text.split_once(&quoted))?.0;
        before.split_whitespace().next_back()
    }

    #[test]
    fn every_code_that_is_raised_is_explained_once() {
        let explained: Vec<&str> = all().map(|info| info.code).collect();
        let unique: BTreeSet<&str> = explained.iter().copied().collect();
        assert_eq!(unique.len(), explained.len(), "a code is explained twice");
        let missing: Vec<String> = quoted(&sources())
            .into_keys()
            .filter(|code| !unique.contains(code.as_str()))
            .collect();
        assert!(missing.is_empty(), "not explained: {missing:?}");
    }

    #[test]
    fn every_code_that_is_explained_is_raised() {
        let sources = sources();
        let quoted = quoted(&sources);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut n_uses: BTreeMap<&str, usize> = BTreeMap::new();
        for word in sources.values().flat_map(|text| text.split(|c| !is_word(c))) {
            *n_uses.entry(word).or_default() += 1;
        }
        let is_raised = |code: &str| match constant_name(&sources, code) {
            Some(name) => n_uses[name] > 1,
            None => quoted[code] > 1,
        };
        let idle: Vec<&str> = all().map(|info| info.code).filter(|code| !is_raised(code)).collect();
        assert!(idle.is_empty(), "explained, but never raised: {idle:?}");
    }

    #[test]
    fn every_list_of_codes_is_known_here() {
        let n_lists = sources()
            .values()
            .map(|text| text.matches("CODES: &[CodeInfo] =").count())
            .sum::<usize>();
        assert_eq!(n_lists, lists().len(), "a list of codes is missing in `lists`");
    }

    /// `BLESS=1` writes it anew.
    #[test]
    fn the_index_is_up_to_date_and_holds_every_code() {
        let path = root().join("docs/diagnostics.md");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, index()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written == index(),
            "{} differs; run this test with BLESS=1",
            path.display()
        );
        for info in all() {
            assert!(
                written.contains(&format!("\n### {}: {}\n", info.code, info.title)),
                "{}",
                info.code
            );
        }
    }
}
