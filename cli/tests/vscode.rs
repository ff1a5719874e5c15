//! The editor's extension agrees with the tables of the language. `BLESS=1` rewrites the lists of words in its grammar.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use systole_assembler::directives::DIRECTIVES;
use systole_isa::instruction::OPCODES;
use systole_isa::operand::OperandKind;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vscode")
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A regular expression for one of these words, as a whole.
fn one_of(words: &[&str]) -> String {
    let escaped: Vec<String> = words.iter().map(|word| word.replace('.', "\\.")).collect();
    let part_of_word = "[\\p{L}\\p{N}_.$]";
    format!("(?<!{part_of_word})(?:{})(?!{part_of_word})", escaped.join("|"))
}

/// The words of all operands that are one of a few.
fn choices() -> Vec<&'static str> {
    let mut words: Vec<&str> = Vec::new();
    for operand in OPCODES.iter().flat_map(|row| row.operands) {
        if let OperandKind::Choice(of_operand) = operand.kind {
            words.extend(of_operand);
        }
    }
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn the_grammar_lists_the_words_of_the_tables() {
    let mnemonics: Vec<&str> = OPCODES.iter().map(|row| row.mnemonic).collect();
    let directives: Vec<&str> = DIRECTIVES.iter().map(|info| info.name).collect();
    let path = folder().join("syntaxes/systole.tmLanguage.json");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let grammar = json("syntaxes/systole.tmLanguage.json");
    let mut outdated = Vec::new();
    for (name, words) in [
        ("mnemonic", mnemonics),
        ("directive", directives),
        ("choice", choices()),
    ] {
        let found = grammar["repository"][name]["match"].as_str().unwrap();
        let expected = one_of(&words);
        if found != expected {
            outdated.push(name);
            // The list follows the name of its part.
            let part = text.find(&format!("\"{name}\": {{")).unwrap();
            let start = part + text[part..].find("\"match\": ").unwrap() + "\"match\": ".len();
            let end = start + text[start..].find('\n').unwrap();
            text.replace_range(start..end, &Value::from(expected).to_string());
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        assert!(
            outdated.is_empty(),
            "the lists {outdated:?} differ from the tables; run this test with BLESS=1"
        );
    }
}

#[test]
fn the_extension_consists_of_the_files_that_it_names() {
    let package = json("package.json");
    let contributes = &package["contributes"];
    let language = &contributes["languages"][0];
    let grammar = &contributes["grammars"][0];
    for file in [&package["main"], &language["configuration"], &grammar["path"]] {
        assert!(folder().join(file.as_str().unwrap()).is_file(), "{file}");
    }
    assert_eq!(language["id"], grammar["language"]);
    assert_eq!(
        json("syntaxes/systole.tmLanguage.json")["scopeName"],
        grammar["scopeName"]
    );
    assert_eq!(json("language-configuration.json")["comments"]["lineComment"], ";");
    let script = std::fs::read_to_string(folder().join("extension.js")).unwrap();
    assert!(script.contains("['lsp']") && contributes["configuration"]["properties"]["systole.path"].is_object());
}
