//! What a command adds to the simulator's report: outputs, comparison with expected values, the host's own figures.

use crate::arrays::{Array, reals};
use serde::Serialize;
use std::time::Instant;
use systole_isa::program::{HostType, IoTensor};
use systole_isa::{Diagnostic, Program};
use systole_simulator::Report;
use systole_simulator::host::HostValues;
use systole_simulator::roofline::Roofline;

/// An output tensor.
#[derive(Debug, Serialize)]
pub(crate) struct OutputSummary {
    name: String,
    shape: Vec<u64>,
    dtype: String,
}

impl OutputSummary {
    pub(crate) fn of(tensor: &IoTensor, n_inferences: u64) -> Self {
        let mut shape = tensor.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first *= n_inferences;
        }
        let dtype = match tensor.host_type {
            HostType::F32 => "f32".to_owned(),
            HostType::Integer => tensor.format.word().to_owned(),
        };
        Self {
            name: tensor.name.clone(),
            shape,
            dtype,
        }
    }
}

/// How the first output compares with expected values.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Comparison {
    /// Output values that differ.
    pub(crate) mismatches: u64,
    /// Number of values compared.
    pub(crate) compared: u64,
    /// Largest difference.
    pub(crate) max_abs_error: f64,
    /// Largest difference in steps of the output's quantization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_error_steps: Option<f64>,
    /// Share of inferences whose largest output is at the same place.
    pub(crate) top1_agreement: f64,
}

/// Index of the largest value, the first one of several.
pub(crate) fn argmax(values: &[f64]) -> usize {
    values
        .iter()
        .enumerate()
        .fold(0, |best, (i, v)| if *v > values[best] { i } else { best })
}

/// Compares the outputs of runs, each of so many images, with an array.
///
/// # Errors
/// If the numbers of values differ.
pub(crate) fn compare(
    tensor: &IoTensor,
    outputs: &[&HostValues],
    n_images: usize,
    expected: &Array,
    name: &str,
) -> Result<Comparison, Diagnostic> {
    let expected = expected.reals();
    let n_values: usize = outputs.iter().map(|values| values.len()).sum();
    if n_values != expected.len() {
        return Err(Diagnostic::error(
            "F0007",
            format!("`{name}` holds {} values, the run gave {n_values}", expected.len()),
        )
        .because(format!(
            "output `{}` has {} values per inference",
            tensor.name,
            tensor.n_elements()
        ))
        .help("give expected values for as many inferences as inputs"));
    }
    let (mut mismatches, mut max_abs_error, mut agreeing) = (0, 0f64, 0);
    let size = tensor.n_elements() as usize / n_images;
    let values: Vec<f64> = outputs.iter().flat_map(|values| reals(values)).collect();
    for (values, expected) in values.chunks(size).zip(expected.chunks(size)) {
        mismatches += values.iter().zip(expected).filter(|(a, b)| a != b).count() as u64;
        max_abs_error = values
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(max_abs_error, f64::max);
        agreeing += usize::from(argmax(values) == argmax(expected));
    }
    Ok(Comparison {
        mismatches,
        compared: n_values as u64,
        max_abs_error,
        max_error_steps: tensor.quantization.map(|q| max_abs_error / f64::from(q.scale)),
        top1_agreement: agreeing as f64 / (outputs.len() * n_images).max(1) as f64,
    })
}

/// The host's own figures; the only part of a report that may differ between two runs.
#[derive(Debug, Serialize)]
pub(crate) struct Host {
    wall_seconds: f64,
    peak_rss_bytes: u64,
}

impl Host {
    pub(crate) fn since(start: Instant) -> Self {
        Self {
            wall_seconds: start.elapsed().as_secs_f64(),
            peak_rss_bytes: peak_rss_bytes(),
        }
    }
}

/// Largest resident size of this process so far; 0 where the system does not tell.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// Everything that `run` reports.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) report: Report,
    pub(crate) outputs: Vec<OutputSummary>,
    #[serde(flatten)]
    pub(crate) comparison: Option<Comparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roofline: Option<Roofline>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) host: Host,
}

impl Outcome {
    pub(crate) fn new(report: Report, program: &Program, comparison: Option<Comparison>, start: Instant) -> Self {
        let outputs = program
            .outputs
            .iter()
            .map(|tensor| OutputSummary::of(tensor, report.inferences))
            .collect();
        let report_diagnostics = report.diagnostics.clone();
        Self {
            report,
            outputs,
            comparison,
            roofline: None,
            diagnostics: report_diagnostics,
            host: Host::since(start),
        }
    }
}
