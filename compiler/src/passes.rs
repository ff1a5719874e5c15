//! The rewriting of a graph, from the operators of a model file to machine-level integer operators.
//!
//! One pass is one file with one function. [`PASSES`] lists them in the order in which they run, with the reason for
//! the place of each; the [verifier](crate::graph::verify()) runs after every one of them. Passes collect errors and
//! never stop at the first.

mod attach_quantization;
mod canonicalize;
mod check_machine_level;
mod dead_code;
mod drop_redundant_requantize;
mod expand_batch_norm;
mod fold_affine;
mod fold_constants;
mod fuse_activation;
mod fuse_qdq;
mod infer_shapes;
mod integer_borders;
mod lower_qoperator;
mod merge_pads;
mod move_quantize;
mod nhwc_layout;
mod pointwise;
mod quantize_floats;
mod support;

use crate::error::{CompileError, CompileErrorKind, Subject};
use crate::graph::{Graph, Op, TensorData, verify};
use crate::post_training::LowerOptions;
use crate::quantized::QuantizedGraph;
use std::ops::ControlFlow;
use systole_isa::Diagnostic;

type Errors = Vec<CompileError>;

/// What passes know beside the graph, and what they have to say about it.
#[derive(Debug, Default)]
pub struct Context {
    /// What the user decided.
    pub options: LowerOptions,
    /// Warnings, in the order in which they came up.
    pub diagnostics: Vec<Diagnostic>,
}

impl Context {
    /// A context without warnings.
    pub fn new(options: LowerOptions) -> Self {
        Self {
            options,
            diagnostics: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Rewrite {
    Graph(fn(&mut Graph) -> Result<(), Errors>),
    InContext(fn(&mut Graph, &mut Context) -> Result<(), Errors>),
}

/// One rewriting step.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its kebab-case name, also for `--dump-after` and `--stop-after`.
    pub name: &'static str,
    /// What it does, in one line.
    pub description: &'static str,
    run: Rewrite,
}

impl Pass {
    /// Runs this pass alone as if the user had decided nothing, and the verifier after it.
    ///
    /// # Errors
    /// What the pass cannot rewrite, or, if it left a broken graph, what is broken.
    pub fn run(&self, graph: &mut Graph) -> Result<(), Vec<CompileError>> {
        self.run_in(graph, &mut Context::default())
    }

    /// Runs this pass alone, and the verifier after it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_in(&self, graph: &mut Graph, context: &mut Context) -> Result<(), Vec<CompileError>> {
        match self.run {
            Rewrite::Graph(run) => run(graph)?,
            Rewrite::InContext(run) => run(graph, context)?,
        }
        verify(graph)
    }
}

const fn pass(
    name: &'static str,
    description: &'static str,
    run: fn(&mut Graph) -> Result<(), Vec<CompileError>>,
) -> Pass {
    Pass {
        name,
        description,
        run: Rewrite::Graph(run),
    }
}

const fn pass_in_context(
    name: &'static str,
    description: &'static str,
    run: fn(&mut Graph, &mut Context) -> Result<(), Vec<CompileError>>,
) -> Pass {
    Pass {
        name,
        description,
        run: Rewrite::InContext(run),
    }
}

/// All passes in the order in which they run.
pub const PASSES: &[Pass] = &[
    // First: everything later relies on shapes, and windows are resolved with them.
    pass(
        "infer-shapes",
        "give every tensor its shape and type, every window its padding",
        infer_shapes::run,
    ),
    // Before quantization is attached, so that weights quantized inside the graph are integers by then.
    pass(
        "fold-constants",
        "compute what depends on constants only; reshapes become views",
        fold_constants::run,
    ),
    // After folding, which tells what is constant.
    pass(
        "canonicalize",
        "one spelling for poolings of whole images, views, sums and products",
        canonicalize::run,
    ),
    pass(
        "merge-pads",
        "convolutions and poolings do the padding before them",
        merge_pads::run,
    ),
    pass(
        "expand-batch-norm",
        "BatchNormalization becomes a product and a sum per channel",
        expand_batch_norm::run,
    ),
    // After batch normalizations have become products and sums.
    pass(
        "fold-affine",
        "products and sums per channel move into weights and biases",
        fold_affine::run,
    ),
    // Before any lowering: from here on scales belong to tensors, not to nodes.
    pass(
        "attach-quantization",
        "move scales and zero points from operands to tensors",
        attach_quantization::run,
    ),
    // Before lowering, so that quantized models and float ones go one way.
    pass_in_context(
        "quantize-floats",
        "give a float model scales: observed ranges, symmetric weights",
        quantize_floats::run,
    ),
    pass(
        "lower-qoperator",
        "QLinearConv, QGemm, .. become machine-level operators",
        lower_qoperator::run,
    ),
    // Before fusing, so that fusing has to know arithmetic operators only.
    pass(
        "move-quantize",
        "move (de)quantization across operators that only move elements",
        move_quantize::run,
    ),
    pass(
        "fuse-qdq",
        "Dequantize -> operator -> Quantize becomes one machine-level operator",
        fuse_qdq::run,
    ),
    // After fusing, when quantization is left only at the borders.
    pass(
        "integer-borders",
        "let the host quantize the inputs and dequantize the outputs",
        integer_borders::run,
    ),
    pass(
        "drop-redundant-requantize",
        "remove rescaling between equal scales",
        drop_redundant_requantize::run,
    ),
    // After the redundant ones are gone, those left over between equal scales only clip.
    pass(
        "fuse-activation",
        "let a producer do the clipping of the rescaling after it",
        fuse_activation::run,
    ),
    // Before layouts: the passes from here on know machine-level operators only.
    pass(
        "check-machine-level",
        "report what the machine cannot run",
        check_machine_level::run,
    ),
    pass(
        "nhwc-layout",
        "images with channels last, weights as k x n matrices",
        nhwc_layout::run,
    ),
    // Last: removes what the others left behind.
    pass(
        "dead-code",
        "remove what nobody reads and renumber the rest",
        dead_code::run,
    ),
];

/// The pass of a name.
///
/// # Errors
/// If there is none; the error lists those there are.
pub fn find_pass(name: &str) -> Result<&'static Pass, CompileError> {
    PASSES.iter().find(|pass| pass.name == name).ok_or_else(|| {
        let names: Vec<_> = PASSES.iter().map(|pass| pass.name).collect();
        CompileError::new(
            CompileErrorKind::UnknownPass,
            Subject::Pass(name.into()),
            "a name no pass has",
            format!("one of {}", names.join(", ")),
            "correct the name",
        )
    })
}

/// Lists the operators of a graph that the compiler does not know, all of them.
pub fn check_supported(graph: &Graph) -> Vec<CompileError> {
    let consumers = graph.consumers();
    let mut errors = Vec::new();
    for node in &graph.nodes {
        let mut report = |what: String| {
            errors.push(CompileError::new(
                CompileErrorKind::UnsupportedOperator,
                Subject::node(&node.name),
                what,
                "an operator the compiler knows",
                "replace it when exporting the model",
            ));
        };
        match &node.op {
            Op::Unsupported {
                domain,
                op_type,
                reason,
            } => {
                let domain = if domain.is_empty() {
                    String::new()
                } else {
                    format!("{domain}.")
                };
                let reason = reason
                    .as_ref()
                    .map_or(String::new(), |reason| format!(" with {reason}"));
                report(format!("operator {domain}{op_type}{reason}"));
            }
            Op::Identity if is_training(graph, node) => report("Dropout in training mode".into()),
            _ => {}
        }
        let is_read =
            |output: &crate::graph::TensorId| !consumers[output.index()].is_empty() || graph.is_output(*output);
        let has_one = !matches!(node.op, Op::Unsupported { .. } | Op::Split { .. });
        if has_one && node.outputs.iter().skip(1).any(is_read) {
            report(format!("{} of which a second output is read", node.op.name()));
        }
    }
    errors
}

/// Dropout is read as identity; its third operand can ask for more.
fn is_training(graph: &Graph, node: &crate::graph::Node) -> bool {
    let mode = node.input(2).map(|id| &graph.tensor(id).data);
    mode.is_some_and(|data| data != &Some(TensorData::Bool(vec![false])))
}

/// Runs the passes in order as if the user had decided nothing. `observe` sees the graph after each pass and may stop there.
///
/// # Errors
/// Operators nobody knows, all at once; otherwise everything the first failing pass found.
pub fn run_passes(
    graph: Graph,
    observe: &mut dyn FnMut(&Pass, &Graph) -> ControlFlow<()>,
) -> Result<Graph, Vec<CompileError>> {
    run_passes_in(graph, &mut Context::default(), observe)
}

/// Runs the passes in order. `observe` sees the graph after each pass and may stop there; of a graph with operators nobody knows it sees
/// only the first pass.
///
/// # Errors
/// As [`run_passes`].
pub fn run_passes_in(
    mut graph: Graph,
    context: &mut Context,
    observe: &mut dyn FnMut(&Pass, &Graph) -> ControlFlow<()>,
) -> Result<Graph, Vec<CompileError>> {
    let unsupported = check_supported(&graph);
    for pass in PASSES {
        match pass.run_in(&mut graph, context) {
            Err(errors) if unsupported.is_empty() => return Err(errors),
            Err(_) => return Err(unsupported),
            Ok(()) => {}
        }
        if observe(pass, &graph).is_break() {
            break;
        }
        // The first pass knows all operators or leaves them alone, so that the graph can be shown with its shapes.
        if !unsupported.is_empty() {
            return Err(unsupported);
        }
    }
    Ok(graph)
}

/// Runs all passes as if the user had decided nothing and turns the result into a quantized graph. Warnings are dropped.
///
/// # Errors
/// As [`run_passes`], and what keeps a layer from being computed in integers.
pub fn lower(graph: Graph) -> Result<QuantizedGraph, Vec<CompileError>> {
    lower_in(graph, &mut Context::default())
}

/// Runs all passes and turns the result into a quantized graph. Warnings are left in the context.
///
/// # Errors
/// As [`lower`].
pub fn lower_in(graph: Graph, context: &mut Context) -> Result<QuantizedGraph, Vec<CompileError>> {
    let graph = run_passes_in(graph, context, &mut |_, _| ControlFlow::Continue(()))?;
    QuantizedGraph::from_graph(&graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique() {
        for (index, pass) in PASSES.iter().enumerate() {
            assert!(
                pass.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{}",
                pass.name
            );
            assert!(!pass.description.is_empty());
            assert!(
                PASSES[..index].iter().all(|other| other.name != pass.name),
                "{}",
                pass.name
            );
        }
        assert_eq!(find_pass("fuse-qdq").unwrap().name, "fuse-qdq");
        assert!(find_pass("fuse").unwrap_err().expected.contains("nhwc-layout"));
    }
}
