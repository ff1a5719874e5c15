//! Loading what the user names: machines, models, programs; models and programs are told apart by their content.

use crate::args::ModelArgs;
use crate::error::CommandError;
use crate::model::{Compiled, compile};
use std::path::Path;
use std::sync::Arc;
use systole_assembler::NextTo;
use systole_compiler::ModelFormat;
use systole_isa::{Diagnostic, MachineDescription, Program, container, machine};

/// A program with the machine to run it on.
pub(crate) struct Loaded {
    pub(crate) program: Arc<Program>,
    pub(crate) description: Arc<MachineDescription>,
    /// What the compiler had to say.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Images that a run computes.
    pub(crate) n_images: usize,
    /// The assembly text, if the program was made of one.
    #[cfg_attr(not(feature = "gui"), expect(dead_code, reason = "only the dashboard shows it"))]
    pub(crate) text: Option<String>,
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    std::fs::read(path).map_err(|error| {
        Diagnostic::error("F0001", format!("`{}` cannot be read: {error}", path.display()))
            .help("check the path and its permissions")
    })
}

/// The text of a file.
pub(crate) fn utf8(bytes: Vec<u8>, file: &str) -> Result<String, Diagnostic> {
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Diagnostic::error("F0004", format!("`{file}` is no text: byte {offset} is not UTF-8"))
            .help("assembly is UTF-8 text")
    })
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    std::fs::write(path, bytes).map_err(|error| {
        Diagnostic::error("F0002", format!("`{}` cannot be written: {error}", path.display()))
            .help("check the folder and its permissions")
    })
}

/// Makes a folder, if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Diagnostic> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Diagnostic::error("F0002", format!("`{}` cannot be made: {error}", folder.display()))
            .help("check the path and its permissions")
    })
}

/// A name as that of a file: other characters than letters, digits, `-`, `_` and `.` become `_`.
pub(crate) fn file_name(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

/// Assembles a text and the files that it names.
pub(crate) fn assemble(text: &str, file: &str) -> Result<Program, Vec<Diagnostic>> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| error.to_string());
    systole_assembler::assemble_with(text, file, &mut NextTo(read))
}

/// A machine by the name of a preset or the path of a description.
pub(crate) fn load_machine(name: &str) -> Result<MachineDescription, CommandError> {
    if let Some(preset) = machine::preset(name) {
        return Ok(preset);
    }
    let path = Path::new(name);
    if !path.exists() {
        let names: Vec<&str> = machine::preset_names().collect();
        return Err(
            Diagnostic::error("F0003", format!("`{name}` is neither a shipped machine nor a file"))
                .help(format!(
                    "choose one of {}, or the path of a RON description",
                    names.join(", ")
                ))
                .into(),
        );
    }
    load_machine_file(path)
}

/// A machine from a file.
pub(crate) fn load_machine_file(path: &Path) -> Result<MachineDescription, CommandError> {
    let bytes = read(path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Diagnostic::error(
            "F0004",
            format!("`{}` is no text: byte {offset} is not UTF-8", path.display()),
        )
        .help("machine descriptions are RON text; `systole machine show edge16x16` prints one")
    })?;
    Ok(MachineDescription::from_ron(&text, &path.display().to_string())?)
}

/// Loads a model, a program or an assembly text for a machine.
pub(crate) fn load(path: &Path, description: MachineDescription, args: &ModelArgs) -> Result<Loaded, CommandError> {
    let bytes = read(path)?;
    let file = path.display().to_string();
    let text = assembly_text(&bytes);
    let compiled = if container::is_elf(&bytes) {
        without_decisions(read_program(&bytes, &file)?, &file, args)?
    } else if let Some(text) = text {
        without_decisions(assemble(text, &file)?, &file, args)?
    } else {
        compile(&bytes, &stem(path), &description, args)?
    };
    Ok(Loaded {
        program: Arc::new(compiled.program),
        description: Arc::new(description),
        diagnostics: compiled.diagnostics,
        n_images: compiled.n_images,
        text: text.map(str::to_owned),
    })
}

/// The name of a file without folder and extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(
        || path.display().to_string(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

/// A program that was not compiled now, about which nothing can be decided any more.
fn without_decisions(program: Program, file: &str, args: &ModelArgs) -> Result<Compiled, Diagnostic> {
    if !args.is_empty() {
        return Err(
            Diagnostic::error("F0033", format!("`{file}` is a program, not a model"))
                .because("`--calibrate`, `--percentile` and `--bind` decide how a model is compiled")
                .help("leave them out, or give the model"),
        );
    }
    Ok(Compiled {
        program,
        tiles: Vec::new(),
        diagnostics: Vec::new(),
        n_images: 1,
    })
}

/// A program from the bytes of its file.
pub(crate) fn read_program(bytes: &[u8], file: &str) -> Result<Program, Diagnostic> {
    container::read(bytes).map_err(|error| {
        let diagnostic = error.diagnostic();
        Diagnostic {
            message: format!("`{file}`: {}", diagnostic.message),
            ..diagnostic
        }
    })
}

/// The text, if these bytes are one and it is no model. An ONNX model is never valid text: its first field has a control character as tag.
fn assembly_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    if ModelFormat::of_text(text).is_some() {
        return None;
    }
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (!text.is_empty() && text.chars().all(is_plain)).then_some(text)
}
