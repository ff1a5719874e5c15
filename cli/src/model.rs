//! From a model file and what the user decides about it to a program.

use crate::args::ModelArgs;
use crate::arrays;
use crate::error::CommandError;
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::Instant;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_compiler::graph::TensorData;
use systole_compiler::passes::Pass;
use systole_compiler::post_training::{QuantizationOptions, RangeRule, Sample};
use systole_compiler::{CompileError, Context, Graph, LowerOptions, QuantizedGraph};
use systole_isa::{Diagnostic, MachineDescription, Program};
use systole_simulator::host::HostValues;

/// A graph with what the passes have to know about it.
pub(crate) struct Model {
    pub(crate) graph: Graph,
    pub(crate) context: Context,
    /// Images that the program is to compute at once.
    n_images: usize,
}

/// How long one step of the compilation took.
#[derive(Debug, Serialize)]
pub(crate) struct StepTime {
    pub(crate) step: &'static str,
    pub(crate) seconds: f64,
    /// Nodes of the graph afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n_nodes: Option<usize>,
}

/// A program with what was to be said on the way to it.
pub(crate) struct Compiled {
    pub(crate) program: Program,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Images that a run of it computes.
    pub(crate) n_images: usize,
}

impl Model {
    /// Reads a model, binds inputs and reads the arrays for calibration.
    pub(crate) fn read(bytes: &[u8], args: &ModelArgs) -> Result<Self, CommandError> {
        let mut graph = systole_compiler::import(bytes)?;
        let mut errors = Vec::new();
        for (name, path) in &args.bind {
            let array = arrays::load(path)?;
            let values = match array.values {
                HostValues::F32(values) => TensorData::F32(values),
                HostValues::Integer(values) => TensorData::I64(values),
            };
            errors.extend(graph.bind_input(name, &array.shape, &values).err());
        }
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let options = LowerOptions {
            quantization: QuantizationOptions {
                range_rule: args.percentile.map_or(RangeRule::MinMax, RangeRule::Percentile),
                ..QuantizationOptions::default()
            },
            calibration: samples(&graph, args)?,
        };
        Ok(Self {
            graph,
            context: Context::new(options),
            n_images: args.batch.unwrap_or(1),
        })
    }

    /// Runs the passes; `observe` sees the graph after each of them and may stop there. Gives the time of each pass.
    pub(crate) fn run_passes(
        &mut self,
        observe: &mut dyn FnMut(&Pass, &Graph) -> ControlFlow<()>,
    ) -> Result<Vec<StepTime>, CommandError> {
        let mut times = Vec::new();
        let mut start = Instant::now();
        let mut timed = |pass: &Pass, graph: &Graph| {
            times.push(StepTime {
                step: pass.name,
                seconds: start.elapsed().as_secs_f64(),
                n_nodes: Some(graph.nodes.len()),
            });
            let flow = observe(pass, graph);
            start = Instant::now();
            flow
        };
        let graph = std::mem::take(&mut self.graph);
        self.graph = systole_compiler::run_passes_in(graph, &mut self.context, &mut timed)?;
        Ok(times)
    }

    /// The program of a graph that has been through all passes.
    pub(crate) fn generate(self, name: &str, description: &MachineDescription) -> Result<Compiled, CommandError> {
        let mut graph = QuantizedGraph::from_graph(&self.graph)?;
        drop(self.graph);
        let (mut n_images, mut diagnostics) = (self.n_images, self.context.diagnostics);
        if let Err(errors) = graph.batch(n_images) {
            diagnostics.push(one_by_one(n_images, &errors));
            n_images = 1;
        }
        let mut program = codegen::generate(&graph, description, TilingPolicy::Fastest)?;
        program.name = name.to_owned();
        Ok(Compiled {
            program,
            diagnostics,
            n_images,
        })
    }
}

/// A warning that the images of a batch run one after the other.
fn one_by_one(n_images: usize, errors: &[CompileError]) -> Diagnostic {
    let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Diagnostic::warning(
        "R0002",
        format!("{n_images} images cannot be computed at once and run one after the other"),
    )
    .because(reasons.join("; "))
    .help("export the model with the batch as first axis of every activation")
}

/// Compiles a model.
pub(crate) fn compile(
    bytes: &[u8],
    name: &str,
    description: &MachineDescription,
    args: &ModelArgs,
) -> Result<Compiled, CommandError> {
    let mut model = Model::read(bytes, args)?;
    model.run_passes(&mut |_, _| ControlFlow::Continue(()))?;
    model.generate(name, description)
}

/// The inferences of the arrays for calibration.
fn samples(graph: &Graph, args: &ModelArgs) -> Result<Vec<Sample>, CommandError> {
    let mut per_input: Vec<Vec<Vec<f32>>> = Vec::new();
    for (index, path) in args.calibrate.iter().enumerate() {
        let shape = graph.inputs.get(index).and_then(|io| io.shape.as_deref());
        per_input.push(arrays::load(path)?.rows(shape));
    }
    let n = per_input.iter().map(Vec::len).min().unwrap_or(0);
    if let Some(odd) = per_input.iter().position(|rows| rows.len() != n || n == 0) {
        let path = args.calibrate[odd].display();
        return Err(Diagnostic::error(
            "F0010",
            format!("`{path}` holds {} inferences for calibration", per_input[odd].len()),
        )
        .because(format!("another array for calibration holds {n}"))
        .help("give every array the same length along axis 0, at least 1")
        .into());
    }
    let mut columns: Vec<_> = per_input.into_iter().map(Vec::into_iter).collect();
    Ok((0..n)
        .map(|_| columns.iter_mut().filter_map(Iterator::next).collect())
        .collect())
}
