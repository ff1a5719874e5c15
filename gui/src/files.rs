//! Opening files: reads one, tells by its content what it is, and makes a machine at cycle 0 of it.
//!
//! Programs (ELF, assembly text) are loaded, models (ONNX, TensorFlow Lite, graph text, SCALE-Sim topology) compiled. Once a file is
//! open it is not read again: another machine starts from what was read.

use crate::engine::{EngineLoader, Opened};
use crate::launch;
use crate::loading::LoadProgress;
use crate::rig::Recipe;
use crate::simulation::Source;
use crate::source_text::SourceText;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::{Context, ModelFormat, PASSES, QuantizedGraph};
use systole_isa::program::{HostType, IoTensor};
use systole_isa::{MachineDescription, Program, container};
use systole_simulator::host::{HostValues, write_input};
use systole_simulator::{Machine, Mode};

/// Shares of the time that opening a model takes, at which its parts begin.
const READING: f32 = 0.0;
const PASSES_FROM: f32 = 0.15;
const CODE_FROM: f32 = 0.6;
const PLACING: f32 = 0.9;

/// Errors of a file that are told at once.
const MOST_ERRORS: usize = 8;

/// Opens files for a machine.
pub fn loader(machine: MachineDescription) -> EngineLoader {
    Arc::new(move |path, progress| open(path, &machine, progress))
}

/// Opens a file.
fn open(path: &Path, machine: &MachineDescription, progress: &LoadProgress) -> Result<Opened, String> {
    progress.enter("reading", READING)?;
    let bytes = std::fs::read(path).map_err(|error| format!("{error}. Check the path and its permissions."))?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| is_plain(text));
    if let Some(text) = text.filter(|text| is_machine(text)) {
        let description = MachineDescription::from_ron(text, &path.display().to_string());
        return description
            .map(|_| Opened::Machine(Arc::from(text)))
            .map_err(|problems| lines(&problems));
    }
    let code = Code::read(&bytes, text, path, progress)?;
    let (name, text) = (code.name(path), code.text().cloned());
    let recipe = Recipe::watched(move |description, mode, progress| code.machine(description, mode, progress));
    let machine = recipe.make_watched(machine, Mode::Full, progress)?;
    progress.enter("listing the program", 0.95)?;
    Ok(Opened::Program(launch::engine(Source {
        name,
        machine,
        recipe,
        text,
    })))
}

/// What is in a file, as far as that does not depend on the machine.
enum Code {
    Program(Arc<Program>, Option<SourceText>),
    Model(Box<QuantizedGraph>, String),
}

impl Code {
    fn read(bytes: &[u8], text: Option<&str>, path: &Path, progress: &LoadProgress) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("the file is empty. Choose a program or a model.".to_owned());
        }
        if container::is_elf(bytes) {
            let program = container::read(bytes).map_err(|error| error.diagnostic().to_string())?;
            return Ok(Self::Program(Arc::new(program), None));
        }
        if let Some(text) = text.filter(|text| ModelFormat::of_text(text).is_none()) {
            progress.enter("assembling", 0.3)?;
            let text = SourceText::of_file(path, text);
            let program = text.assemble().map_err(|errors| lines(&errors))?;
            return Ok(Self::Program(Arc::new(program), Some(text)));
        }
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Self::Model(
            Box::new(lower(bytes, progress)?),
            stem.to_string_lossy().into_owned(),
        ))
    }

    fn name(&self, path: &Path) -> String {
        match self {
            Self::Program(program, _) if !program.name.is_empty() => program.name.clone(),
            Self::Program(..) => path.display().to_string(),
            Self::Model(_, name) => name.clone(),
        }
    }

    /// What the program was assembled from.
    fn text(&self) -> Option<&SourceText> {
        match self {
            Self::Program(_, text) => text.as_ref(),
            Self::Model(..) => None,
        }
    }

    /// A machine at cycle 0 with zeros as inputs.
    fn machine(
        &self,
        description: &MachineDescription,
        mode: Mode,
        progress: &LoadProgress,
    ) -> Result<Machine, String> {
        let program = match self {
            Self::Program(program, _) => Arc::clone(program),
            Self::Model(graph, name) => Arc::new(Program {
                name: name.clone(),
                ..generate(graph, description, progress)?
            }),
        };
        progress.enter("placing the program", PLACING)?;
        let description = Arc::new(description.clone());
        let mut machine = Machine::new(Arc::clone(&program), description, mode).map_err(|error| error.0.to_string())?;
        if mode == Mode::Full {
            for tensor in &program.inputs {
                write_input(&mut machine, tensor, &zeros(tensor)).map_err(|error| error.to_string())?;
            }
        }
        Ok(machine)
    }
}

/// Whether a text has no characters that only binary files have. An ONNX model is never such a text: its first field has a control character
/// as tag.
fn is_plain(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    !text.is_empty() && text.chars().all(is_plain)
}

/// Whether a text is in the notation of machine descriptions: behind comments it opens a parenthesis, as no assembly text does.
fn is_machine(text: &str) -> bool {
    let mut code = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    ModelFormat::of_text(text).is_none() && code.next().is_some_and(|line| line.starts_with('('))
}

/// Reads a model and runs the passes.
fn lower(bytes: &[u8], progress: &LoadProgress) -> Result<QuantizedGraph, String> {
    progress.enter("reading the model", READING)?;
    let graph = systole_compiler::import(bytes).map_err(|errors| lines(&errors))?;
    let mut next = PASSES.iter().enumerate();
    let mut enter_next = || {
        let (idx, pass) = next.next().unwrap_or((PASSES.len(), &PASSES[PASSES.len() - 1]));
        let share = PASSES_FROM + (CODE_FROM - PASSES_FROM) * idx as f32 / PASSES.len() as f32;
        progress.enter(pass.name, share)
    };
    enter_next()?;
    let graph = systole_compiler::run_passes_in(graph, &mut Context::default(), &mut |_, _| match enter_next() {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    let graph = graph.map_err(|errors| lines(&errors))?;
    progress.enter("quantizing", CODE_FROM)?;
    QuantizedGraph::from_graph(&graph).map_err(|errors| lines(&errors))
}

fn generate(
    graph: &QuantizedGraph,
    description: &MachineDescription,
    progress: &LoadProgress,
) -> Result<Program, String> {
    let mut watch = |idx: usize, n_layers: usize| {
        let share = CODE_FROM + (PLACING - CODE_FROM) * idx as f32 / n_layers.max(1) as f32;
        match progress.enter(format!("compiling layer {} of {n_layers}", idx + 1), share) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let generated = codegen::generate_watched(graph, description, TilingPolicy::Fastest, &mut watch);
    progress.enter("planning", PLACING)?;
    generated.map(|(program, _)| program).map_err(|errors| lines(&errors))
}

fn zeros(tensor: &IoTensor) -> HostValues {
    let n_elements = tensor.n_elements() as usize;
    match tensor.host_type {
        HostType::F32 => HostValues::F32(vec![0.0; n_elements]),
        HostType::Integer => HostValues::Integer(vec![0; n_elements]),
    }
}

/// The first errors in words, one in a line.
fn lines<T: ToString>(errors: &[T]) -> String {
    let mut lines: Vec<String> = errors.iter().take(MOST_ERRORS).map(T::to_string).collect();
    if errors.len() > MOST_ERRORS {
        lines.push(format!("and {} more.", errors.len() - MOST_ERRORS));
    }
    lines.join("\n")
}
