//! The rules of the repository as tests: which crate knows which, whose types stay inside, and what does not stand in a source file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates by folder, with the crates of the project that each may depend on.
const KNOWS: [(&str, &[&str]); 8] = [
    ("isa", &[]),
    ("assembler", &["isa"]),
    ("compiler", &["isa"]),
    ("simulator", &["isa"]),
    ("gui", &["isa", "assembler", "compiler", "simulator", "programs"]),
    ("programs", &[]),
    ("cli", &["isa", "assembler", "compiler", "simulator", "gui", "programs"]),
    ("tests", &["isa", "assembler", "compiler", "simulator", "programs"]),
];
/// Crates that compute and neither read nor write files.
const CORE: [&str; 4] = ["isa", "assembler", "compiler", "simulator"];
/// Libraries whose types stay inside one crate: name in the manifest, and the folder of the only crate that uses it outside of tests.
const INSIDE: [(&str, &str); 9] = [
    ("nom", "assembler"),
    ("nom_locate", "assembler"),
    ("rten-onnx", "compiler"),
    ("object", "isa"),
    ("egui", "gui"),
    ("eframe", "gui"),
    ("egui_tiles", "gui"),
    ("clap", "cli"),
    ("indicatif", "cli"),
];
/// Lines of the longest head of a function that is looked at.
const MAX_HEADER_LINES: usize = 16;
/// Lines of the longest file.
const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a folder of the repository.
fn sources(folder: &str) -> Vec<(String, String)> {
    let (mut files, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The part of a file that is not its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or("")
}

/// Dependencies in a manifest by section, such as `dependencies` and `dev-dependencies`.
fn dependencies(manifest: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in manifest
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
            // A table of its own, as in `[dependencies.nom]`.
            if let Some((kind, name)) = section.clone().rsplit_once("dependencies.") {
                sections
                    .entry(format!("{kind}dependencies"))
                    .or_default()
                    .insert(name.to_owned());
            }
        } else if section.ends_with("dependencies") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or("").trim_matches('"');
            sections.entry(section.clone()).or_default().insert(name.to_owned());
        }
    }
    sections
}

fn manifest(folder: &str) -> String {
    std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap()
}

/// What a crate's manifest depends on against the rules.
fn forbidden_dependencies(folder: &str, manifest: &str) -> Vec<String> {
    let known = KNOWS.iter().find(|(name, _)| *name == folder).unwrap().1;
    let mut found = Vec::new();
    for (section, names) in dependencies(manifest) {
        for name in names {
            let is_foreign_part = name.strip_prefix("systole-").is_some_and(|part| !known.contains(&part));
            let is_inside_elsewhere = !section.contains("dev-")
                && INSIDE
                    .iter()
                    .any(|(library, owner)| *library == name && *owner != folder);
            if is_foreign_part || is_inside_elsewhere {
                found.push(format!("{folder}: [{section}] {name}"));
            }
        }
    }
    found
}

#[test]
fn dependencies_run_in_one_direction() {
    let found: Vec<String> = KNOWS
        .iter()
        .flat_map(|(folder, _)| forbidden_dependencies(folder, &manifest(folder)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    for (folder, known) in KNOWS {
        let all: BTreeSet<String> = dependencies(&manifest(folder)).into_values().flatten().collect();
        let mine = all.iter().filter(|name| name.starts_with("systole-")).count();
        assert!(
            mine <= known.len() && (known.is_empty() || mine > 0),
            "{folder}: {all:?}"
        );
    }
}

#[test]
fn a_dependency_in_the_wrong_direction_is_found() {
    for (folder, line) in [
        ("simulator", "[dependencies]\nsystole-compiler.workspace = true"),
        (
            "compiler",
            "[dev-dependencies]\nsystole-simulator = { path = \"../simulator\" }",
        ),
        ("isa", "[dependencies.systole-assembler]\nworkspace = true"),
        ("assembler", "[build-dependencies]\nsystole-gui.workspace = true"),
        ("simulator", "[target.'cfg(unix)'.dependencies]\nnom = \"8\""),
        ("cli", "[dependencies]\nrten-onnx.workspace = true"),
    ] {
        assert_eq!(forbidden_dependencies(folder, line).len(), 1, "{folder}: {line}");
    }
}

#[test]
fn every_crate_is_listed_and_takes_the_lints_of_the_workspace() {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace
        .lines()
        .find_map(|line| line.strip_prefix("members = "))
        .unwrap();
    let members: BTreeSet<&str> = members.split('"').skip(1).step_by(2).collect();
    assert_eq!(members, KNOWS.iter().map(|(folder, _)| *folder).collect());
    for member in members {
        assert!(manifest(member).contains("[lints]\nworkspace = true"), "{member}");
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

/// The names that a file imports from a library, and the library's own.
fn names_of<'a>(text: &'a str, library: &'a str) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> = [library].into();
    for part in text.split("\nuse ").skip(1) {
        let import = part.split(';').next().unwrap_or("");
        if words(import).next() == Some(library) {
            names.extend(words(import).filter(|word| !["self", "as", "_"].contains(word)));
        }
    }
    names
}

/// The public declarations of a file: headers of items up to their body, fields, and conversions from other types.
fn public_declarations(text: &str) -> Vec<String> {
    let lines: Vec<&str> = without_tests(text).lines().map(str::trim).collect();
    let is_start = |line: &str| line.starts_with("pub ") || line.starts_with("impl") && line.contains("From<");
    let declaration = |i: usize| {
        let is_field = lines[i]
            .split_whitespace()
            .nth(1)
            .is_some_and(|word| word.ends_with(':'));
        let text = lines[i..lines.len().min(i + if is_field { 1 } else { MAX_HEADER_LINES })].join(" ");
        // What a type alias or an import names stands behind its end.
        let ends: &[char] = if text.starts_with("pub type") || text.starts_with("pub use") {
            &[';']
        } else {
            &['{', ';', '=']
        };
        text.split(ends).next().unwrap_or("").to_owned()
    };
    (0..lines.len())
        .filter(|&i| is_start(lines[i]))
        .map(declaration)
        .collect()
}

/// Public declarations of a file that name a type of the library.
fn leaks(text: &str, library: &str) -> Vec<String> {
    let module = library.replace('-', "_");
    // Names that the library shares with the language or the project say nothing.
    let common = ["fn", "str", "Result", "Error", "Endianness", "value", "tag", "char"];
    let mut names = names_of(text, &module);
    names.retain(|name| *name == module || !common.contains(name));
    public_declarations(text)
        .into_iter()
        .filter(|declaration| words(declaration).any(|word| names.contains(word) && is_type_or(word, &module)))
        .collect()
}

/// Types start with a capital letter; modules and functions of the library are harmless by themselves.
fn is_type_or(word: &str, module: &str) -> bool {
    word == module || word.starts_with(|c: char| c.is_ascii_uppercase())
}

#[test]
fn no_type_of_a_library_crosses_its_crates_border() {
    let mut found = Vec::new();
    for folder in CORE {
        for (file, text) in sources(&format!("{folder}/src")) {
            for (library, _) in INSIDE {
                found.extend(leaks(&text, library).into_iter().map(|leak| format!("{file}: {leak}")));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_type_that_crosses_the_border_is_found() {
    for (library, text) in [
        (
            "nom",
            "\nuse nom::{IResult, Parser};\npub fn parse(text: &str) -> IResult<&str, u8> {}",
        ),
        ("nom", "pub struct Error {\n    pub inner: nom::error::ErrorKind,\n}"),
        (
            "rten-onnx",
            "\nuse rten_onnx::onnx::NodeProto;\nimpl From<&NodeProto> for Node {\n}",
        ),
        (
            "rten-onnx",
            "\nuse rten_onnx::onnx::{\n    GraphProto, NodeProto,\n};\npub fn read(\n    graph: &GraphProto,\n) -> Graph {",
        ),
        (
            "nom_locate",
            "\nuse nom_locate::LocatedSpan;\npub type Input<'a> = LocatedSpan<&'a str>;",
        ),
        ("object", "pub use object::elf;"),
    ] {
        assert_eq!(leaks(text, library).len(), 1, "{text}");
    }
    let harmless =
        "\nuse nom::IResult;\npub(crate) fn parse(text: &str) -> IResult<&str, u8> {}\npub fn read(text: &str) -> u8 {";
    assert_eq!(leaks(harmless, "nom"), Vec::<String>::new());
}

/// What stands in a file against the rules of style.
fn faults_of_style(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > MAX_LINES {
        faults.push(format!("{file}: {n_lines} lines"));
    }
    if !text.starts_with("//!") {
        faults.push(format!("{file}: no module documentation"));
    }
    let is_test = file.ends_with("/tests.rs")
        || file.contains("/tests/")
        || file.contains("/examples/")
        || file.contains("/benches/");
    let code = if is_test { "" } else { without_tests(text) };
    let is_core = CORE.iter().any(|folder| file.starts_with(&format!("{folder}/src")));
    // Written in two parts, so that this list is not what it forbids.
    let everywhere = [
        ["todo", "!("],
        ["unimplemented", "!("],
        ["dbg", "!("],
        ["keep in", " sync"],
        ["#[ignore", "]"],
        ["FIX", "ME"],
        ["TO", "DO"],
    ];
    let in_code = [[".unwrap", "()"], ["unsafe", " {"], ["unsafe", " fn"]];
    let in_core = [
        ["std::", "fs"],
        ["io::", "std"],
        ["std::", "net"],
        ["std::", "env"],
        ["print", "ln!("],
        ["System", "Time"],
        ["Inst", "ant::now"],
    ];
    let in_state = [["Hash", "Map"], ["Hash", "Set"]];
    // The static check has no state that evolves; it asks its sets only whether something is there.
    let is_state = is_core && !file.starts_with("simulator/src/check");
    let places = [
        (text, &everywhere[..], true),
        (code, &in_code[..], !file.ends_with("/tests.rs")),
        (code, &in_core[..], is_core),
        (code, &in_state[..], is_state),
    ];
    for (text, list, _) in places.iter().filter(|(_, _, holds)| *holds) {
        for (i, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            for parts in list.iter().map(|parts| parts.concat()) {
                let counts = !is_comment || parts.starts_with(char::is_alphabetic);
                if counts && line.contains(&parts) {
                    faults.push(format!("{file}:{}: {parts}", i + 1));
                }
            }
        }
    }
    faults
}

#[test]
fn every_file_keeps_the_rules_of_style() {
    let folders = KNOWS.iter().map(|(folder, _)| *folder).chain(["fuzz/fuzz_targets"]);
    let files: Vec<(String, String)> = folders
        .flat_map(sources)
        .filter(|(file, _)| !file.contains("/target/"))
        .collect();
    assert!(files.len() > 150, "{} files", files.len());
    let faults: Vec<String> = files
        .iter()
        .flat_map(|(file, text)| faults_of_style(file, text))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn faults_of_style_are_found() {
    let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
    let unwrap = format!("//! Doc.\nfn f() {{ x{}; }}", [".unwrap", "()"].concat());
    let map = format!("//! Doc.\nuse std::collections::{};", ["Hash", "Map"].concat());
    let unfinished = format!("//! Doc.\nfn f() {{ {}) }}", ["todo", "!("].concat());
    for text in [
        long.as_str(),
        unwrap.as_str(),
        map.as_str(),
        unfinished.as_str(),
        "fn f() {}",
    ] {
        assert_eq!(faults_of_style("simulator/src/x.rs", text).len(), 1, "{text}");
    }
    assert!(faults_of_style("cli/src/x.rs", &map).is_empty());
    assert!(faults_of_style("simulator/tests/x.rs", &unwrap).is_empty());
    assert!(faults_of_style("simulator/src/x.rs", &format!("//! Doc.\n#[cfg(test)]\n{unwrap}")).is_empty());
}

#[test]
fn every_folder_of_the_project_is_on_the_map() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (folder, _) in KNOWS {
        assert!(map.contains(&format!("| `{folder}/` |")), "{folder}");
        assert!(Path::new(&root()).join(folder).is_dir(), "{folder}");
    }
}
