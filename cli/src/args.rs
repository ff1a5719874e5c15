//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use systole_isa::ElementFormat;
use systole_isa::dram::{DramStandard, MAX_RANKS, Mapping, PagePolicy};

/// A systolic-array accelerator in your hands: instruction set, assembler, compiler, cycle-level simulator and dashboard.
///
/// Without a verb, runs the embedded handwritten-digits network and opens the dashboard on it if there is a display.
#[derive(Debug, Parser)]
#[command(
    name = "systole",
    version,
    after_help = "Examples:
  systole --headless
  systole run model.onnx --input images.npy --expect logits.npy --machine mid32x32
  systole gemm 128 768 768 --machine big128x128 --json

Exit codes: 0 success, 1 an error in what you gave, 2 wrong usage, 3 a fault of the program that ran."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) digits: DigitsArgs,
}

/// Options of the main job.
#[derive(Args, Debug)]
pub(crate) struct DigitsArgs {
    /// Print the report and open no window
    #[arg(long)]
    pub(crate) headless: bool,
    /// Which of the embedded images to read, from 0
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    pub(crate) image: usize,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
    /// Print one JSON object instead of tables; opens no window
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile a model if it is one, simulate it, compare its outputs
    #[command(after_help = "Example:
  systole run digits.onnx --input images.npy --expect logits.npy --machine edge16x16 --json
  systole run digits_fp32.onnx --calibrate typical.npy --input images.npy --output results
  systole run product.onnx --bind b=weights.npy --input a.npy")]
    Run(RunArgs),
    /// Compile a model to a program
    #[command(after_help = "Examples:
  systole compile digits.onnx -o digits.elf
  systole compile digits.onnx --emit asm
  systole compile digits_fp32.onnx --calibrate images.npy --percentile 99.99 -o digits.elf
  systole compile digits.onnx --emit report --json
  systole compile digits.onnx --dump-after fuse-qdq
  systole compile digits.onnx --emit graph > digits.ron

A model is an ONNX or TensorFlow Lite file, a graph as `--emit graph` prints it, or a topology table of SCALE-Sim. A float model is quantized with the ranges that its
activations have on the arrays of `--calibrate`; without any they come from seeded noise, and a warning says so.")]
    Compile(CompileArgs),
    /// Assemble a text to a program
    #[command(after_help = "Example:
  systole asm product.sasm -o product.elf

Files that the text names with `.include` and `.npy` are looked for next to the file in which they are named.")]
    Asm(AsmArgs),
    /// Print the assembly text of a program
    #[command(after_help = "Example:
  systole disasm digits.elf > digits.sasm
  systole disasm resnet50.elf --constants weights > resnet50.sasm")]
    Disasm(DisasmArgs),
    /// Prove a program free of deadlocks, races and accesses out of range before it runs
    #[command(after_help = "Examples:
  systole check product.sasm --machine tiny4x4
  systole check digits.onnx --machine edge16x16 --json

The check executes the scalar instructions alone, loops included, and looks at tokens, order and ranges independent of any timing.
It exits 1 if something is wrong or cannot be proven; warnings alone do not count.")]
    Check(CheckArgs),
    /// Bring assembly texts into their tidy form
    #[command(after_help = "Examples:
  systole fmt product.sasm
  systole fmt --check programs/asm/*.sasm
  systole fmt - < product.sasm > tidy.sasm

Columns are aligned, comments and blank lines stay (of several blank lines one). A text whose form has mistakes is left as it is.
With `--check` the exit code is 1 if a text is not in its tidy form.")]
    Fmt(FmtArgs),
    /// Answer an editor's questions about assembly texts (language server on standard input and output)
    #[command(after_help = "Example: the editor starts
  systole lsp

and talks to it in the language server protocol. `docs/vscode` in the project is such an editor's extension.")]
    Lsp,
    /// Time one matrix product of M x K by K x N
    #[command(after_help = "Example:
  systole gemm 128 768 768 --machine mid32x32 --overlap none --json
  systole gemm 128 768 768 --dataflow os --weights i4 --activations u8
  systole gemm 128 768 768 --density 0.5

`array_cycles` counts the cycles in which the array works when all operands are in the scratchpad; `cycles` is the whole run
with DRAM.")]
    Gemm(GemmArgs),
    /// Write the timeline of a run for Perfetto, waveform viewers or tables
    #[command(after_help = "Examples:
  systole trace digits.onnx -o digits.json --format perfetto
  systole trace digits.elf -o digits.vcd --format vcd --from 10000 --to 20000
  systole trace digits.onnx --input images.npy -o digits.csv --format csv --window 64

Open the first in https://ui.perfetto.dev, the second in a waveform viewer such as GTKWave or Surfer. One nanosecond there is one
core cycle. Spans are those of the report: busy by kind, stalled by reason.")]
    Trace(TraceArgs),
    /// Time a trace of requests on the DRAM model alone
    #[command(after_help = "Example:
  systole dram reads.trc --dram ddr4-2400 --mapping rochrababgco --json

A trace has one request for 64 bytes per line, a hexadecimal byte address and R or W:
  0x7C2A6D00 R
Requests arrive in order, as fast as the queues take them. The name of a mapping lists the address fields from the most to the
least significant: ro row, ch channel, ra rank, ba bank, bg bank group, co column. `cycles` are those of the DRAM's command clock.")]
    Dram(DramArgs),
    /// Explain the code of a diagnostic, or list all of them
    #[command(after_help = "Examples:
  systole explain S0002
  systole explain")]
    Explain {
        /// The code, as printed in brackets behind `error`; without one, the index of all
        code: Option<String>,
    },
    /// List, show and check machine descriptions
    #[command(after_help = "Examples:
  systole machine list
  systole machine show edge16x16 > mine.ron
  systole machine check mine.ron")]
    Machine(MachineArgs),
    /// Open the dashboard
    #[cfg(feature = "gui")]
    #[command(after_help = "Example:
  systole gui digits.onnx --input images.npy --machine tiny4x4")]
    Gui(GuiArgs),
}

/// What a user may decide about a model.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ModelArgs {
    /// NumPy array of typical inputs, inferences along axis 0, from which the integers of a float model get their scales; once per
    /// input, in the order of the model
    #[arg(long, value_name = "X.npy")]
    pub(crate) calibrate: Vec<PathBuf>,
    /// Let scales cover this share of the values seen in calibration, in percent, and clip the others; all of them if absent
    #[arg(long, value_name = "P", value_parser = parse_percentile)]
    pub(crate) percentile: Option<f32>,
    /// Make an input of the model a constant
    #[arg(long, value_name = "NAME=X.npy", value_parser = parse_binding)]
    pub(crate) bind: Vec<(String, PathBuf)>,
    /// Compute so many inferences at once, which share the loads of weights. Without an input they run on zeros
    #[arg(long, value_name = "N", value_parser = parse_batch)]
    pub(crate) batch: Option<usize>,
}

impl ModelArgs {
    /// Whether anything was decided.
    pub(crate) fn is_empty(&self) -> bool {
        self.calibrate.is_empty() && self.percentile.is_none() && self.bind.is_empty()
    }
}

fn parse_batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=4096) => Ok(n),
        _ => Err(format!("`{text}` is no number of inferences from 1 to 4096")),
    }
}

fn parse_percentile(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(percent) if (50.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err(format!("`{text}` is no percentage from 50 to 100")),
    }
}

fn parse_binding(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err(format!("`{text}` is not of the form NAME=X.npy")),
    }
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Model, ELF program or assembly text, told apart by content
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// NumPy array of an input, inferences along axis 0; once per input, in the order of the model
    #[arg(long, value_name = "X.npy")]
    pub(crate) input: Vec<PathBuf>,
    /// NumPy array to compare the first output with
    #[arg(long, value_name = "Y.npy")]
    pub(crate) expect: Option<PathBuf>,
    /// Folder to write the outputs to, one .npy each
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
    /// Compute no values
    #[arg(long)]
    pub(crate) timing_only: bool,
    /// End a program that has not ended after so many cycles
    #[arg(long, value_name = "CYCLES", default_value_t = 1 << 40)]
    pub(crate) limit: u64,
    /// Where to draw the roofline of machine and layers
    #[arg(long, value_name = "OUT.svg")]
    pub(crate) roofline: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// Format of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormatArg {
    /// Trace-event JSON.
    Perfetto,
    /// Value change dump.
    Vcd,
    /// One table.
    Csv,
}

#[derive(Args, Debug)]
pub(crate) struct TraceArgs {
    /// Model, ELF program or assembly text, told apart by content
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Where to write the trace
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Format of the trace
    #[arg(long, value_enum)]
    pub(crate) format: TraceFormatArg,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
    /// NumPy array of an input; the first inference along axis 0 runs. Without inputs no values are computed, and a
    /// multiply-accumulate with a zero operand costs as much as any other
    #[arg(long, value_name = "X.npy")]
    pub(crate) input: Vec<PathBuf>,
    /// First cycle of the trace
    #[arg(long, value_name = "C", default_value_t = 0)]
    pub(crate) from: u64,
    /// One past the last cycle of the trace; the end of the run if absent
    #[arg(long, value_name = "C")]
    pub(crate) to: Option<u64>,
    /// Cycles over which DRAM traffic and power are averaged
    #[arg(long, value_name = "CYCLES", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub(crate) window: u64,
    /// End a program that has not ended after so many cycles
    #[arg(long, value_name = "CYCLES", default_value_t = 1 << 40)]
    pub(crate) limit: u64,
}

/// What `compile` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Emit {
    /// The program as assembly text.
    Asm,
    /// The graph as it was read, or as it is after `--stop-after`, as a text that is a model itself.
    Graph,
    /// The tiles of convolutions and matrix products, and how often they are loaded.
    Tiles,
    /// What the passes did, how long they took, and the layers of the program.
    Report,
}

#[derive(Args, Debug)]
pub(crate) struct CompileArgs {
    /// Model, its format told by its content
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Where to write the program (ELF)
    #[arg(short, long, value_name = "P.elf")]
    pub(crate) output: Option<PathBuf>,
    /// Print this
    #[arg(long)]
    pub(crate) emit: Option<Emit>,
    /// Print a listing of the graph after this pass, and go on if anything else is asked for; an unknown name lists all passes
    #[arg(long, value_name = "PASS")]
    pub(crate) dump_after: Vec<String>,
    /// End after this pass and print the graph as `--emit graph` does
    #[arg(long, value_name = "PASS", conflicts_with = "output")]
    pub(crate) stop_after: Option<String>,
    /// Print report or tiles as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
}

#[derive(Args, Debug)]
pub(crate) struct AsmArgs {
    /// Assembly text
    pub(crate) source: PathBuf,
    /// Where to write the program (ELF)
    #[arg(short, long, value_name = "P.elf")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct DisasmArgs {
    /// Program (ELF)
    pub(crate) program: PathBuf,
    /// Folder for constants of more than 1,024 bytes, which the text then names as NumPy arrays; relative to the folder of the text
    #[arg(long, value_name = "FOLDER")]
    pub(crate) constants: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Assembly text, ELF program or model, told apart by content; a model is compiled first
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
    /// Give up after so many instructions of the sequencer
    #[arg(long, value_name = "INSTRUCTIONS", default_value_t = systole_simulator::check::DEFAULT_LIMIT)]
    pub(crate) limit: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct FmtArgs {
    /// Assembly texts; `-` is standard input, whose tidy form is printed
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; say which texts are not in their tidy form
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the tidy form and change no file
    #[arg(long, conflicts_with = "check")]
    pub(crate) stdout: bool,
}

/// Which operand stays in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dataflow {
    /// Weight-stationary.
    Ws,
    /// Output-stationary.
    Os,
    /// Input-stationary.
    Is,
}

/// See [`systole_isa::machine::Overlap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverlapArg {
    /// Weight load, stream and drain of a tile end before the next begins.
    None,
    /// Neighbouring tiles overlap.
    Full,
}

#[derive(Args, Debug)]
pub(crate) struct GemmArgs {
    /// Rows of the left operand
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 22))]
    pub(crate) m: u32,
    /// Columns of the left operand, rows of the right one
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 22))]
    pub(crate) k: u32,
    /// Columns of the right operand
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 22))]
    pub(crate) n: u32,
    /// Which operand stays in the array
    #[arg(long, value_enum, default_value_t = Dataflow::Ws)]
    pub(crate) dataflow: Dataflow,
    /// Format of the right operand: b1, i2, u2, i4, u4, i8, u8, i16 or u16
    #[arg(long, value_name = "FMT", default_value = "i8", value_parser = parse_format)]
    pub(crate) weights: ElementFormat,
    /// Format of the left operand
    #[arg(long, value_name = "FMT", default_value = "i8", value_parser = parse_format)]
    pub(crate) activations: ElementFormat,
    /// Share of the weights that are not zero, above 0 and at most 1. With 0.5 or 0.25 (weight-stationary) two or one of four
    /// neighbours are kept, else whole blocks of K are left out; single weights are zero where the machine can do neither
    #[arg(long, value_name = "D", default_value_t = 1.0, value_parser = parse_density)]
    pub(crate) density: f64,
    /// Overlap of tiles, instead of the machine's own
    #[arg(long, value_enum)]
    pub(crate) overlap: Option<OverlapArg>,
    /// Size of the array, instead of the machine's own, as RxC
    #[arg(long, value_name = "RxC", value_parser = parse_array)]
    pub(crate) array: Option<(u32, u32)>,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
    /// Compute no values
    #[arg(long)]
    pub(crate) timing_only: bool,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_format(text: &str) -> Result<ElementFormat, String> {
    let format = ElementFormat::try_from(text.to_owned())?;
    if format.bits() > 16 {
        return Err(format!(
            "the array multiplies elements of at most 16 bits, not `{text}`"
        ));
    }
    Ok(format)
}

fn parse_density(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(density) if density > 0.0 && density <= 1.0 => Ok(density),
        _ => Err(format!("`{text}` is no share above 0 and at most 1")),
    }
}

fn parse_array(text: &str) -> Result<(u32, u32), String> {
    let (rows, cols) = text.split_once('x').ok_or("write rows and columns as in 8x8")?;
    let number = |part: &str| {
        part.parse()
            .map_err(|_| format!("`{part}` is no number; write rows and columns as in 8x8"))
    };
    Ok((number(rows)?, number(cols)?))
}

#[derive(Args, Debug)]
pub(crate) struct DramArgs {
    /// Trace, one `0xADDRESS R` or `0xADDRESS W` per line
    pub(crate) trace: PathBuf,
    /// Standard and speed grade: ddr3-1866, ddr3-2133, ddr4-2400, ddr4-3200, lpddr4-3200, lpddr5-6400, hbm2 or gddr6
    #[arg(long, value_name = "NAME", value_parser = word::<DramStandard>)]
    pub(crate) dram: DramStandard,
    /// Order of the address fields, the most significant first
    #[arg(long, value_name = "NAME", default_value_t)]
    pub(crate) mapping: Mapping,
    /// What happens to rows that no waiting request wants: open or closed
    #[arg(long, value_name = "POLICY", default_value = "open", value_parser = word::<PagePolicy>)]
    pub(crate) page: PagePolicy,
    /// Channels: a power of two
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| power_of_two(text, 64))]
    pub(crate) channels: u32,
    /// Ranks per channel: 1, 2 or 4
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| power_of_two(text, MAX_RANKS))]
    pub(crate) ranks: u32,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// One of the words of a list; the error names them all.
fn word<T: TryFrom<String, Error = String>>(text: &str) -> Result<T, String> {
    T::try_from(text.to_owned())
}

fn power_of_two(text: &str, most: u32) -> Result<u32, String> {
    let number: Option<u32> = text.parse().ok();
    let fits = |n: &u32| n.is_power_of_two() && *n <= most;
    number
        .filter(fits)
        .ok_or_else(|| format!("write a power of two from 1 to {most}"))
}

#[derive(Args, Debug)]
pub(crate) struct MachineArgs {
    #[command(subcommand)]
    pub(crate) verb: MachineVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MachineVerb {
    /// List the shipped machines
    List,
    /// Print the description of a shipped machine
    Show {
        /// Name of the machine
        name: String,
    },
    /// Check a description
    Check {
        /// Path of a RON description
        file: PathBuf,
    },
}

#[cfg(feature = "gui")]
#[derive(Args, Debug)]
pub(crate) struct GuiArgs {
    /// Model, ELF program or assembly text; the embedded digits network if absent
    pub(crate) source: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// NumPy array of an input, inferences along axis 0; the first one is used
    #[arg(long, value_name = "X.npy")]
    pub(crate) input: Vec<PathBuf>,
    /// Machine: name of a preset or path of a RON description
    #[arg(long, default_value = "edge16x16", value_name = "M")]
    pub(crate) machine: String,
}
