//! What panels along time read beside the lanes: amounts per window, totals per layer, the roofline, and what is known of one span.
//!
//! Plain data like the rest of a [`Frame`](crate::frame::Frame); no simulator type is in it.

use crate::frame::Span;
use crate::profile::Windows;

/// Number of amounts that are recorded over time.
pub const N_AMOUNTS: usize = 13;

/// Number of components between which energy is divided.
pub const N_COMPONENTS: usize = 8;

/// The ports whose traffic is recorded, in bytes: the first amounts of a window, in this order.
pub const PORTS: [&str; 6] = [
    "DRAM read",
    "DRAM write",
    "Scratchpad read",
    "Scratchpad write",
    "Accumulator read",
    "Accumulator write",
];

/// Index of the first amount of energy, in femtojoules; one for each component that spends by event follows.
pub const FIRST_ENERGY: usize = PORTS.len();

/// Components that spend energy by event. The others, clock and leakage, pass with time alone.
pub const N_EVENT_COMPONENTS: usize = 6;

/// Index of the number of multiply-accumulates.
pub const MACS: usize = FIRST_ENERGY + N_EVENT_COMPONENTS;

/// Amounts over the visible stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What instructions did, by window.
    pub windows: Windows<N_AMOUNTS>,
    /// Energy by component that passes in every cycle, in femtojoules.
    pub idle_fj_per_cycle: [f64; N_COMPONENTS],
}

impl Series {
    /// Bytes per cycle that a port moved in a window.
    pub fn bytes_per_cycle(&self, port_idx: usize, window_idx: usize) -> f64 {
        self.amount(port_idx, window_idx) / self.length(window_idx)
    }

    /// Power in watts of a component in a window, at a clock in MHz.
    pub fn watts(&self, component_idx: usize, window_idx: usize, clock_mhz: f64) -> f64 {
        let of_events = if component_idx < N_EVENT_COMPONENTS {
            self.amount(FIRST_ENERGY + component_idx, window_idx) / self.length(window_idx)
        } else {
            0.0
        };
        // 1 fJ per cycle is 1 nW per MHz.
        (of_events + self.idle_fj_per_cycle[component_idx]) * clock_mhz * 1e-9
    }

    /// Number of windows.
    pub fn n_windows(&self) -> usize {
        self.windows.amounts.len()
    }

    /// The window around a cycle.
    pub fn window_at(&self, cycle: u64) -> Option<usize> {
        let offset = cycle.checked_sub(self.windows.start)?;
        let idx = usize::try_from(offset / self.windows.width.max(1)).ok()?;
        (idx < self.n_windows() && cycle < self.windows.end).then_some(idx)
    }

    fn amount(&self, amount_idx: usize, window_idx: usize) -> f64 {
        self.windows
            .amounts
            .get(window_idx)
            .map_or(0.0, |amounts| amounts[amount_idx] as f64)
    }

    fn length(&self, window_idx: usize) -> f64 {
        let (start, end) = self.windows.cycles(window_idx);
        end.saturating_sub(start).max(1) as f64
    }
}

/// Totals of the run so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// Names of the components of energy.
    pub components: [&'static str; N_COMPONENTS],
    /// Layers that have done something, in program order.
    pub layers: Vec<LayerOverview>,
    /// Peak bandwidth of the DRAM in bytes per cycle.
    pub dram_peak_bytes_per_cycle: f64,
    /// The roofline.
    pub roofline: RooflineView,
}

impl Overview {
    /// Energy of all layers in femtojoules.
    pub fn total_fj(&self) -> u64 {
        self.layers.iter().map(LayerOverview::total_fj).sum()
    }

    /// The layer that a cycle belongs to.
    pub fn layer_at(&self, cycle: u64) -> Option<&LayerOverview> {
        self.layers
            .iter()
            .find(|layer| layer.start <= cycle && cycle < layer.end)
    }
}

/// What one layer did so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerOverview {
    /// Index into the program's layers; `None` for what comes before the first mark.
    pub layer_idx: Option<usize>,
    /// Its name.
    pub name: String,
    /// Its operation.
    pub op: String,
    /// First of its cycles: the completion of the layer before.
    pub start: u64,
    /// First cycle behind it: its own completion.
    pub end: u64,
    /// Energy by component in femtojoules.
    pub energy_fj: [u64; N_COMPONENTS],
    /// Bytes that it moved to or from DRAM.
    pub dram_bytes: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// The resource that was busy longest.
    pub bound_by: &'static str,
}

impl LayerOverview {
    /// Energy of all components in femtojoules.
    pub fn total_fj(&self) -> u64 {
        self.energy_fj.iter().sum()
    }
}

/// Roofs of the machine and points of the run so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RooflineView {
    /// Roofs of the array by precision, in multiply-accumulates per second, lowest first.
    pub compute_roofs: Vec<(String, f64)>,
    /// Roofs of the DRAM by name, in bytes per second, highest first.
    pub memory_roofs: Vec<(String, f64)>,
    /// Intensity at which the 8 x 8 bit roof meets the peak bandwidth, in multiply-accumulates per byte.
    pub ridge_macs_per_byte: f64,
    /// The network, then every layer with multiply-accumulates.
    pub points: Vec<RooflinePoint>,
}

/// A layer, or the whole run, in the roofline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RooflinePoint {
    /// Name of the layer, or `network`.
    pub name: String,
    /// Index into the program's layers; `None` for the network.
    pub layer_idx: Option<usize>,
    /// Multiply-accumulates per DRAM byte; `None` if nothing was moved.
    pub macs_per_byte: Option<f64>,
    /// Multiply-accumulates per second.
    pub macs_per_second: f64,
    /// Reached over allowed.
    pub ratio: f64,
}

/// What is known of one span: what the lane did, for which instruction, and what it waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanReport {
    /// Index of the lane.
    pub lane_idx: usize,
    /// The span.
    pub span: Span,
    /// One sentence.
    pub title: String,
    /// What there is to say, in order.
    pub facts: Vec<Fact>,
}

/// One line of a report, with the places that it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What the line is about.
    pub label: &'static str,
    /// What it says.
    pub text: String,
    /// An instruction that it names.
    pub pc: Option<u32>,
    /// A cycle that it names.
    pub cycle: Option<u64>,
}

/// A span that a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Number of the search, so that the same answer is not acted upon twice.
    pub search_number: u64,
    /// Index of the lane and the span; `None` if nothing matches.
    pub place: Option<(usize, Span)>,
}
