//! Files of `tests/instructions/`, one for each instruction: cases, each a whole program that says what it does.
//!
//! A case begins with a line `;! case NAME` and reaches to the next one. Three names have a meaning: `values` shows what the instruction
//! does and is the executed example of the reference, `trap` lets it fault, and `timing` compares the cycles it takes with the formula of
//! the instruction table. An instruction that cannot fault says so before the first case: `;! never_traps REASON`.

use crate::program_test::{blessed, check, statement};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use systole_isa::instruction::OPCODES;

/// Words that begin a line of values.
const VALUE_WORDS: [&str; 4] = ["dram", "spm", "acc", "reg"];

/// The folder of the files.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instructions")
}

/// One program of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Lines of the file before it.
    pub n_lines_before: usize,
    /// Its lines, the first of which names it.
    pub text: String,
}

impl Case {
    /// The text with as many empty lines before it that places in messages are those in the file.
    fn source(&self) -> String {
        "\n".repeat(self.n_lines_before) + &self.body()
    }

    /// The text with its first line, which is not for the run, emptied.
    fn body(&self) -> String {
        let rest = self.text.split_once('\n').map_or("", |(_, rest)| rest);
        format!("\n{rest}")
    }

    /// What its lines say about the run.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        self.text.lines().skip(1).filter_map(statement)
    }

    /// Runs it as its lines say.
    ///
    /// # Errors
    /// What is not as they say.
    pub fn check(&self, file: &str) -> Result<(), String> {
        check(&self.source(), file).map_err(|why| format!("{file}: case {}: {why}", self.name))
    }

    fn says(&self, is_meant: impl Fn(&[&str]) -> bool) -> bool {
        self.statements()
            .any(|line| is_meant(&line.split_whitespace().collect::<Vec<_>>()))
    }
}

/// A file: what stands before its first case, and the cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstructionTest {
    /// Lines before the first case.
    pub head: String,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

impl InstructionTest {
    /// Splits a file into its cases.
    ///
    /// # Errors
    /// If two cases have one name, or there is something else than comments before the first.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut head = String::new();
        let mut cases: Vec<Case> = Vec::new();
        for (n_lines_before, line) in text.split_inclusive('\n').enumerate() {
            if let Some(name) = statement(line).and_then(|line| line.strip_prefix("case ")) {
                let name = name.trim().to_owned();
                if cases.iter().any(|case| case.name == name) {
                    return Err(format!("two cases are named `{name}`"));
                }
                cases.push(Case {
                    name,
                    n_lines_before,
                    text: String::new(),
                });
            }
            cases.last_mut().map_or(&mut head, |case| &mut case.text).push_str(line);
        }
        let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with(';');
        match head.lines().find(|line| !is_comment(line)) {
            Some(line) => Err(format!("`{line}` belongs to no case")),
            None => Ok(Self { head, cases }),
        }
    }

    /// The case of this name.
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }

    /// Why the instruction cannot fault, if the file says so.
    pub fn never_traps(&self) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(statement);
        lines.find_map(|line| line.strip_prefix("never_traps ")).map(str::trim)
    }

    /// The file with the run's numbers in every line of values.
    ///
    /// # Errors
    /// If a program does not run at all.
    pub fn blessed(&self, file: &str) -> Result<String, String> {
        let mut text = self.head.clone();
        for case in &self.cases {
            let first = case.text.split_inclusive('\n').next().unwrap_or("");
            let rest = blessed(&case.source(), file).map_err(|why| format!("{file}: case {}: {why}", case.name))?;
            text += first;
            text.extend(rest.split_inclusive('\n').skip(case.n_lines_before + 1));
        }
        Ok(text)
    }

    /// What the file lacks to be the test of an instruction; empty if nothing.
    pub fn lacks(&self, mnemonic: &str) -> Vec<String> {
        let mut lacks = Vec::new();
        let mut need = |is_there: bool, what: String| {
            if !is_there {
                lacks.push(what);
            }
        };
        let case_says =
            |name: &str, is_meant: &dyn Fn(&[&str]) -> bool| self.case(name).is_some_and(|c| c.says(is_meant));
        need(
            case_says("values", &|words| VALUE_WORDS.contains(&words[0])),
            "a case `values` with a line of values".to_owned(),
        );
        let faults = case_says("trap", &|words| words[0] == "fault" && words.last() == Some(&mnemonic));
        need(
            faults || self.never_traps().is_some(),
            format!("a case `trap` with `;! fault CODE {mnemonic}`, or a line `;! never_traps REASON`"),
        );
        need(
            !(faults && self.never_traps().is_some()),
            "either `trap` or `never_traps`, not both".to_owned(),
        );
        need(
            case_says("timing", &|words| {
                words[0] == "takes" && words.get(1) == Some(&mnemonic)
            }),
            format!("a case `timing` with `;! takes {mnemonic} ...`"),
        );
        lacks
    }
}

/// The files in a folder by mnemonic.
///
/// # Errors
/// If the folder or a file cannot be read or split.
pub fn read_all(folder: &Path) -> Result<BTreeMap<String, InstructionTest>, String> {
    let mut files = BTreeMap::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let named = |why: String| format!("{}: {why}", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let mnemonic = name
            .strip_suffix(".sasm")
            .ok_or_else(|| named("a file here is named MNEMONIC.sasm".to_owned()))?;
        let text = std::fs::read_to_string(&path).map_err(|error| named(error.to_string()))?;
        files.insert(mnemonic.to_owned(), InstructionTest::parse(&text).map_err(named)?);
    }
    Ok(files)
}

/// What is missing for every instruction to have a complete test, one line for each instruction; empty if nothing.
pub fn incomplete(files: &BTreeMap<String, InstructionTest>) -> Vec<String> {
    let of_row = OPCODES.iter().filter_map(|row| match files.get(row.mnemonic) {
        None => Some(format!("{}: no file tests/instructions/{0}.sasm", row.mnemonic)),
        Some(file) => {
            let lacks = file.lacks(row.mnemonic);
            (!lacks.is_empty()).then(|| format!("{}: lacks {}", row.mnemonic, lacks.join("; ")))
        }
    });
    let strangers = files
        .keys()
        .filter(|name| !OPCODES.iter().any(|row| row.mnemonic == **name));
    of_row
        .chain(strangers.map(|name| format!("{name}: there is a file, but no such instruction")))
        .collect()
}
