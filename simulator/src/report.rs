//! The report of a run: what the human table and the JSON object are made of.

use crate::activity::{Activity, ActivityCycles, BusyKind, StallReason};
use crate::counts::EventCounts;
use crate::energy::{AreaSummary, EnergyModel, EnergySummary, PowerProfile};
use crate::fault::Overflow;
use crate::machine::Machine;
use crate::roofline::lower_bound_cycles;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use systole_isa::program::LayerPlan;
use systole_isa::throughput::PE_TIME_PARTS;
use systole_isa::{Diagnostic, MachineDescription, Program, Unit};

/// What one layer did, over all inferences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerTotals {
    /// Cycles from the completion of the layer before to its own; these sum to the run's cycles.
    pub cycles: u64,
    /// Events.
    pub counts: EventCounts,
    /// Busy cycles by [`Unit::index`].
    pub busy: [u64; Unit::ALL.len()],
}

/// Sums over inferences.
#[derive(Clone, Debug)]
pub struct RunTotals {
    program: Arc<Program>,
    description: Arc<MachineDescription>,
    /// Of the program, which takes long where it has many constants, and of the machine.
    hashes: [u64; 2],
    n_inferences: u64,
    cycles: u64,
    units: [ActivityCycles; Unit::ALL.len()],
    /// By layer slot: 0 before the first mark, else one more than the mark's id.
    layers: Vec<LayerTotals>,
    spm_peak_bytes: u64,
    first_overflow: Option<Overflow>,
}

impl RunTotals {
    /// Nothing run yet.
    pub fn new(program: Arc<Program>, description: Arc<MachineDescription>) -> Self {
        let layers = vec![LayerTotals::default(); program.marks.len() + 1];
        let hashes = [program.hash(), description.hash()];
        Self {
            program,
            description,
            hashes,
            n_inferences: 0,
            cycles: 0,
            units: Default::default(),
            layers,
            spm_peak_bytes: 0,
            first_overflow: None,
        }
    }

    /// Adds a machine that has run one inference, to its end or not.
    pub fn add(&mut self, machine: &Machine) {
        self.n_inferences += 1;
        self.cycles += machine.now();
        self.spm_peak_bytes = self.spm_peak_bytes.max(machine.spm_peak_bytes());
        self.first_overflow = self.first_overflow.or(machine.first_overflow());
        for unit in Unit::ALL {
            self.units[unit.index()].merge(&machine.unit_cycles(unit));
        }
        for (slot, span) in layer_spans(machine).into_iter().enumerate() {
            let stats = &machine.layers()[slot];
            let totals = &mut self.layers[slot];
            totals.cycles += span.end - span.start;
            totals.counts.add(&stats.counts);
            totals
                .busy
                .iter_mut()
                .zip(stats.busy)
                .for_each(|(sum, busy)| *sum += busy);
        }
    }

    /// Cycles of all inferences.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Events of all inferences.
    pub fn counts(&self) -> EventCounts {
        let mut counts = EventCounts::default();
        self.layers.iter().for_each(|layer| counts.add(&layer.counts));
        counts
    }

    /// The report. `profile` has observed one of the inferences.
    pub fn report(&self, profile: &PowerProfile) -> Report {
        let model = EnergyModel::of(&self.description);
        let counts = self.counts();
        let seconds = self.cycles as f64 / (f64::from(self.description.clock_mhz) * 1e6);
        let energy = model.total(&counts, self.cycles);
        let total_pj = energy.total().picojoules();
        let bursts = counts.dram_read_bursts + counts.dram_write_bursts;
        let slots = 0..self.layers.len();
        let lower_bound_cycles = slots.clone().map(|slot| self.lower_bound_cycles(slot)).sum();
        Report {
            program: ProgramSummary {
                name: self.program.name.clone(),
                instructions: self.program.code.len() as u64,
                bytes: self.program.code_bytes(),
                weight_bytes: self.plans().map(|plan| plan.weight_bytes).sum(),
                hash: format!("{:016x}", self.hashes[0]),
            },
            machine: MachineSummary {
                name: self.description.name.clone(),
                hash: format!("{:016x}", self.hashes[1]),
            },
            inferences: self.n_inferences,
            cycles: self.cycles,
            seconds,
            macs: slots.map(|slot| self.model_macs(slot)).sum(),
            macs_executed: counts.macs,
            macs_skipped: counts.skipped_macs,
            macs_gated: counts.gated_macs,
            utilization: self.utilization(&counts, self.cycles),
            lower_bound_cycles,
            estimated_cycles: self.estimated_cycles(),
            roofline_ratio: ratio_of(lower_bound_cycles, self.cycles),
            dram: DramSummary {
                read_bytes: counts.dram_read_bytes,
                write_bytes: counts.dram_write_bytes,
                bandwidth_bytes_per_second: (counts.dram_read_bytes + counts.dram_write_bytes) as f64
                    / seconds.max(f64::MIN_POSITIVE),
                row_hit_rate: ratio(counts.dram_row_hits, bursts),
                outstanding_cycles: counts.outstanding_cycles,
                queue_cycles: counts.dram_queue_cycles,
            },
            spm: SpmSummary {
                read_bytes: counts.spm_read_bytes,
                write_bytes: counts.spm_write_bytes,
                peak_bytes: self.spm_peak_bytes,
            },
            energy: EnergySummary::new(&energy, &self.description),
            power: PowerSummary {
                average_w: total_pj * 1e-12 / seconds.max(f64::MIN_POSITIVE),
                peak_w: profile.peak_w(),
                window_cycles: profile.window_cycles(),
            },
            area_mm2: systole_isa::energy::area_mm2(&self.description),
            area_by_component: AreaSummary::of(&self.description),
            units: Unit::ALL
                .iter()
                .map(|&unit| (unit.name(), UnitSummary::of(&self.units[unit.index()])))
                .collect(),
            layers: self.layer_summaries(&model),
            diagnostics: self.overflow(counts.overflows).into_iter().collect(),
        }
    }

    fn plan(&self, slot: usize) -> Option<LayerPlan> {
        self.program.marks.get(slot.checked_sub(1)?)?.plan
    }

    /// The fewest cycles of a layer over all inferences. Without a plan nobody knows which bytes had to be moved, so all that were count.
    fn lower_bound_cycles(&self, slot: usize) -> f64 {
        let counts = &self.layers[slot].counts;
        let moved = counts.dram_read_bytes + counts.dram_write_bytes;
        let compulsory = self.plan(slot).map(|plan| plan.compulsory_bytes * self.n_inferences);
        let performed = (counts.macs + counts.skipped_macs).max(1);
        // Multiplications with zeros that only fill a tile are no need of the model.
        let needed = counts.mac_pe_time as f64 * (self.model_macs(slot) as f64 / performed as f64).min(1.0);
        lower_bound_cycles(
            &self.description,
            needed,
            counts.vector_elements,
            compulsory.unwrap_or(moved).min(moved),
        )
    }

    /// Multiply-accumulates of the model in a layer: as its compiler counted them or, without a plan or where the array sums what the model
    /// does not multiply, those performed.
    fn model_macs(&self, slot: usize) -> u64 {
        let counts = &self.layers[slot].counts;
        let planned = self.plan(slot).map(|plan| plan.macs * self.n_inferences);
        planned
            .filter(|macs| *macs > 0)
            .unwrap_or(counts.macs + counts.skipped_macs)
    }

    fn plans(&self) -> impl Iterator<Item = LayerPlan> {
        self.program.marks.iter().filter_map(|mark| mark.plan)
    }

    /// Sum of the layers' estimates; `None` if no layer has one.
    fn estimated_cycles(&self) -> Option<u64> {
        let cycles = self.plans().map(|plan| plan.estimated_cycles).reduce(|a, b| a + b)?;
        Some(cycles * self.n_inferences)
    }

    /// PE time of the executed multiply-accumulates over all PE time: the share of the peak at the formats used.
    fn utilization(&self, counts: &EventCounts, cycles: u64) -> f64 {
        let n_pes = u64::from(self.description.rows) * u64::from(self.description.cols);
        ratio(counts.mac_pe_time, cycles * n_pes * PE_TIME_PARTS)
    }

    /// A warning about accumulators that wrapped.
    fn overflow(&self, n_overflows: u64) -> Option<Diagnostic> {
        let Overflow { pc, cycle, address } = self.first_overflow?;
        let mnemonic = self.program.mnemonic(pc).unwrap_or("?");
        Some(
            Diagnostic::warning(
                "S0008",
                format!(
                    "{n_overflows} sums left the 32 bits of their accumulator and wrapped, first at byte {address:#x} by instruction {pc} (`{mnemonic}`) in cycle {cycle}"
                ),
            )
            .because("results that depend on these sums are wrong")
            .help("split the reduction and requantize in between, or scale the operands down"),
        )
    }

    fn layer_summaries(&self, model: &EnergyModel) -> Vec<LayerSummary> {
        let summaries = self
            .layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.cycles > 0 || layer.counts.instructions > 0);
        summaries
            .map(|(slot, layer)| {
                let lower_bound_cycles = self.lower_bound_cycles(slot);
                let mark = slot.checked_sub(1).and_then(|id| self.program.marks.get(id));
                LayerSummary {
                    name: mark.map_or_else(|| "(start)".to_owned(), |mark| mark.name.clone()),
                    op: mark.map_or_else(|| "-".to_owned(), |mark| mark.op.clone()),
                    cycles: layer.cycles,
                    macs: self.model_macs(slot),
                    utilization: self.utilization(&layer.counts, layer.cycles),
                    lower_bound_cycles,
                    estimated_cycles: self.plan(slot).map(|plan| plan.estimated_cycles * self.n_inferences),
                    roofline_ratio: ratio_of(lower_bound_cycles, layer.cycles),
                    dram_bytes: layer.counts.dram_read_bytes + layer.counts.dram_write_bytes,
                    energy_pj: model.total(&layer.counts, layer.cycles).total().picojoules(),
                    bound_by: bound_by(&layer.busy, layer.cycles),
                }
            })
            .collect()
    }
}

fn ratio_of(bound: f64, cycles: u64) -> f64 {
    if cycles == 0 { 0.0 } else { bound / cycles as f64 }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Cycles of each layer slot (0 before the first mark, else one more than the mark's id): from the completion of the slot that ended
/// before to its own completion. The rest of the run, up to the halt, belongs to the slot that ended last.
pub fn layer_spans(machine: &Machine) -> Vec<Range<u64>> {
    let layers = machine.layers();
    let mut by_end: Vec<usize> = (0..layers.len())
        .filter(|&slot| layers[slot].counts.instructions > 0)
        .collect();
    by_end.sort_by_key(|&slot| (layers[slot].end, slot));
    let mut spans = vec![0..0; layers.len()];
    let mut before = 0;
    for &slot in &by_end {
        spans[slot] = before..layers[slot].end;
        before = layers[slot].end;
    }
    if let Some(&last) = by_end.last() {
        spans[last].end = machine.now().max(before);
    }
    spans
}

/// The resource that is busy longest, given busy cycles by [`Unit::index`]: `compute`, `bandwidth` or `vector`; `control` if none is busy
/// half of the `cycles`.
pub fn bound_by(busy: &[u64; Unit::ALL.len()], cycles: u64) -> &'static str {
    let busy = |unit: Unit| busy[unit.index()];
    let resources = [
        ("compute", busy(Unit::Mx)),
        ("bandwidth", busy(Unit::Ld).max(busy(Unit::St))),
        ("vector", busy(Unit::Vx)),
    ];
    let (name, longest) = resources
        .into_iter()
        .rev()
        .max_by_key(|&(_, cycles)| cycles)
        .unwrap_or(("control", 0));
    if 2 * longest < cycles { "control" } else { name }
}

/// The program of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProgramSummary {
    /// Its name.
    pub name: String,
    /// Number of instructions.
    pub instructions: u64,
    /// Bytes of code.
    pub bytes: u64,
    /// Bytes of the model's weights; 0 where no compiler said so.
    pub weight_bytes: u64,
    /// Hash of code and constants.
    pub hash: String,
}

/// The machine of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachineSummary {
    /// Its name.
    pub name: String,
    /// Hash of its description.
    pub hash: String,
}

/// Off-chip traffic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DramSummary {
    /// Bytes that load descriptors fetched.
    pub read_bytes: u64,
    /// Bytes that store descriptors wrote.
    pub write_bytes: u64,
    /// Read and written bytes over elapsed time.
    pub bandwidth_bytes_per_second: f64,
    /// Share of bursts that found their row open.
    pub row_hit_rate: f64,
    /// Transfer cycles, over both DMA units, in which the next burst waited because as many as allowed were under way.
    pub outstanding_cycles: u64,
    /// Transfer cycles, over both DMA units, in which the next burst waited because the DRAM's queue was full.
    pub queue_cycles: u64,
}

/// Scratchpad traffic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpmSummary {
    /// Bytes that units read.
    pub read_bytes: u64,
    /// Bytes that units wrote.
    pub write_bytes: u64,
    /// One past the highest byte touched.
    pub peak_bytes: u64,
}

/// Power in watts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PowerSummary {
    /// Energy over elapsed time.
    pub average_w: f64,
    /// Largest average over one window, of the first inference.
    pub peak_w: f64,
    /// Length of the window in cycles.
    pub window_cycles: u64,
}

/// Cycles of one unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitSummary {
    /// Busy cycles by kind.
    pub busy: BTreeMap<&'static str, u64>,
    /// Stalled cycles by reason.
    pub stall: BTreeMap<&'static str, u64>,
    /// Idle cycles.
    pub idle: u64,
}

impl UnitSummary {
    fn of(cycles: &ActivityCycles) -> Self {
        let entry = |activity: Activity| Some((activity.name(), cycles.of(activity))).filter(|&(_, n)| n > 0);
        Self {
            busy: BusyKind::ALL
                .iter()
                .filter_map(|&kind| entry(Activity::Busy(kind)))
                .collect(),
            stall: StallReason::ALL
                .iter()
                .filter_map(|&reason| entry(Activity::Stalled(reason)))
                .collect(),
            idle: cycles.of(Activity::Idle),
        }
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSummary {
    /// Its name.
    pub name: String,
    /// Its operation.
    pub op: String,
    /// Cycles from the completion of the layer before to its own.
    pub cycles: u64,
    /// Multiply-accumulates of the model.
    pub macs: u64,
    /// Executed multiply-accumulates over cycles times the peak at the formats used.
    pub utilization: f64,
    /// The fewest cycles that array, vector unit and DRAM need at their peaks, for the bytes that have to be moved.
    pub lower_bound_cycles: f64,
    /// Cycles that the compiler expected.
    pub estimated_cycles: Option<u64>,
    /// The lower bound over the cycles that it took.
    pub roofline_ratio: f64,
    /// Bytes read and written off chip.
    pub dram_bytes: u64,
    /// Energy of its events and of its cycles.
    pub energy_pj: f64,
    /// The resource that was busy longest.
    pub bound_by: &'static str,
}

/// Everything that a run says about the machine. Values and comparisons are added by whoever holds the expected ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The program.
    pub program: ProgramSummary,
    /// The machine.
    pub machine: MachineSummary,
    /// Number of inferences; every total below is over all of them.
    pub inferences: u64,
    /// Core clock cycles.
    pub cycles: u64,
    /// Cycles over clock frequency.
    pub seconds: f64,
    /// Multiply-accumulates of the model.
    pub macs: u64,
    /// Those that the array performed, gated ones and those with zeros that fill a tile included; the vector unit's are not among them.
    pub macs_executed: u64,
    /// Those that the array left out.
    pub macs_skipped: u64,
    /// Executed ones whose multiplier was gated because an operand was zero.
    pub macs_gated: u64,
    /// Executed multiply-accumulates over cycles times the peak at the formats used.
    pub utilization: f64,
    /// Sum of the layers' lower bounds.
    pub lower_bound_cycles: f64,
    /// Sum of the cycles that the compiler expected.
    pub estimated_cycles: Option<u64>,
    /// The lower bound over the cycles that it took.
    pub roofline_ratio: f64,
    /// Off-chip traffic.
    pub dram: DramSummary,
    /// Scratchpad traffic.
    pub spm: SpmSummary,
    /// Energy.
    pub energy: EnergySummary,
    /// Power.
    pub power: PowerSummary,
    /// Area estimate in square millimetres.
    pub area_mm2: f64,
    /// The same by component.
    pub area_by_component: Vec<AreaSummary>,
    /// Each unit's cycles; busy, stalled and idle sum to `cycles`.
    pub units: BTreeMap<&'static str, UnitSummary>,
    /// Layers in program order.
    pub layers: Vec<LayerSummary>,
    /// What the user should know about the run; printed with the diagnostics of whoever ran it.
    #[serde(skip)]
    pub diagnostics: Vec<Diagnostic>,
}
