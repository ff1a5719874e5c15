//! `compile`: a model to a program, or to any stage on the way.

use super::{print, print_json, warn};
use crate::args::{CompileArgs, Emit};
use crate::error::CommandError;
use crate::model::{Compiled, Model, StepTime};
use crate::outcome::Host;
use crate::print::{self, grouped};
use crate::source::{load_machine, read, stem, write};
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::Instant;
use systole_compiler::passes::{Pass, find_pass};
use systole_compiler::{Graph, ModelFormat, check_supported};
use systole_isa::{Diagnostic, MachineDescription, container};

pub(crate) fn run(args: &CompileArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    for name in args.dump_after.iter().chain(&args.stop_after) {
        find_pass(name).map_err(|error| vec![error])?;
    }
    let description = load_machine(&args.machine)?;
    let bytes = read(&args.source)?;
    let mut model = Model::read(&bytes, &args.model)?;
    let mut times = vec![StepTime {
        step: "import",
        seconds: start.elapsed().as_secs_f64(),
        n_nodes: Some(model.graph.nodes.len()),
    }];
    if args.emit == Some(Emit::Graph) && args.stop_after.is_none() {
        return print_graph(&model);
    }
    times.extend(model.run_passes(&mut |pass, graph| observe(args, pass, graph))?);
    if args.stop_after.is_some() {
        return print_graph(&model);
    }
    if args.output.is_none() && args.emit.is_none() {
        return match args.dump_after.as_slice() {
            [] => Err(nothing_to_do()),
            _ => Ok(()),
        };
    }
    let generation = Instant::now();
    let compiled = model.generate(&stem(&args.source), &description)?;
    times.push(StepTime {
        step: "code-generation",
        seconds: generation.elapsed().as_secs_f64(),
        n_nodes: None,
    });
    if let Some(path) = &args.output {
        let elf = container::write(&compiled.program).map_err(|error| error.diagnostic())?;
        write(path, &elf)?;
    }
    match args.emit {
        Some(Emit::Asm) => print(systole_assembler::disassemble(&compiled.program).trim_end()),
        Some(Emit::Report) if args.json => {
            let format = ModelFormat::of(&bytes).name();
            return print_json(&Report::new(format, &compiled, &description, times, start));
        }
        Some(Emit::Report) => print(&report_text(&compiled, &description, &times)),
        Some(Emit::Graph) | None => {}
    }
    warn(&compiled.diagnostics);
    Ok(())
}

/// Prints the listings asked for, and stops where asked to.
fn observe(args: &CompileArgs, pass: &Pass, graph: &Graph) -> ControlFlow<()> {
    if args.dump_after.iter().any(|name| name == pass.name) {
        print(graph.to_string().trim_end());
    }
    match args.stop_after.as_deref() == Some(pass.name) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// Prints the graph, and says on standard error what could not be compiled.
fn print_graph(model: &Model) -> Result<(), CommandError> {
    print(systole_compiler::graph_file::write(&model.graph).trim_end());
    warn(&model.context.diagnostics);
    if let CommandError::User(errors) = CommandError::from(check_supported(&model.graph)) {
        let as_warning = |error: Diagnostic| Diagnostic {
            severity: systole_isa::diagnostic::Severity::Warning,
            ..error
        };
        warn(&errors.into_iter().map(as_warning).collect::<Vec<_>>());
    }
    Ok(())
}

fn nothing_to_do() -> CommandError {
    Diagnostic::error("F0013", "there is nothing to do with the program")
        .help("write it with `-o P.elf`, or print it with `--emit asm`")
        .into()
}

/// A layer as the compiler sees it.
#[derive(Serialize)]
struct Layer<'a> {
    name: &'a str,
    op: &'a str,
    /// What the layer will take.
    estimated_cycles: Option<u64>,
    /// DRAM traffic that no schedule can avoid.
    compulsory_bytes: Option<u64>,
}

/// The report of `--emit report --json`.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    format: &'a str,
    machine: &'a str,
    instructions: usize,
    dram_bytes: u64,
    layers: Vec<Layer<'a>>,
    diagnostics: &'a [Diagnostic],
    host: ReportHost,
}

/// The only part that may differ between two runs.
#[derive(Serialize)]
struct ReportHost {
    steps: Vec<StepTime>,
    #[serde(flatten)]
    host: Host,
}

impl<'a> Report<'a> {
    fn new(
        format: &'a str,
        compiled: &'a Compiled,
        machine: &'a MachineDescription,
        steps: Vec<StepTime>,
        start: Instant,
    ) -> Self {
        let program = &compiled.program;
        Self {
            model: &program.name,
            format,
            machine: &machine.name,
            instructions: program.code.len(),
            dram_bytes: program.dram_bytes,
            layers: layers(compiled),
            diagnostics: &compiled.diagnostics,
            host: ReportHost {
                steps,
                host: Host::since(start),
            },
        }
    }
}

fn layers(compiled: &Compiled) -> Vec<Layer<'_>> {
    let marks = compiled.program.marks.iter();
    marks
        .map(|mark| Layer {
            name: &mark.name,
            op: &mark.op,
            estimated_cycles: mark.plan.map(|plan| plan.estimated_cycles),
            compulsory_bytes: mark.plan.map(|plan| plan.compulsory_bytes),
        })
        .collect()
}

fn report_text(compiled: &Compiled, machine: &MachineDescription, steps: &[StepTime]) -> String {
    let or_dash = |value: Option<u64>| value.map_or("-".to_owned(), grouped);
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let n_nodes = or_dash(step.n_nodes.map(|n| n as u64));
            vec![step.step.to_owned(), format!("{:.3}", step.seconds * 1e3), n_nodes]
        })
        .collect();
    let steps = print::table(&["step", "time [ms]", "nodes after it"], &rows, 1);
    let rows: Vec<Vec<String>> = layers(compiled)
        .iter()
        .map(|layer| {
            let (cycles, bytes) = (or_dash(layer.estimated_cycles), or_dash(layer.compulsory_bytes));
            vec![layer.name.to_owned(), layer.op.to_owned(), cycles, bytes]
        })
        .collect();
    let header = ["layer", "op", "estimated cycles", "compulsory DRAM bytes"];
    let layers = print::table(&header, &rows, 2);
    let program = &compiled.program;
    format!(
        "{} for {}: {} instructions, {} bytes of DRAM\n\n{steps}\n\n{layers}",
        program.name,
        machine.name,
        grouped(program.code.len() as u64),
        grouped(program.dram_bytes)
    )
}
