//! Energy and area as a report shows them: by component, with node, sources and how far to trust them.

use super::{Components, EnergyBreakdown};
use serde::Serialize;
use systole_isa::MachineDescription;
use systole_isa::energy::area::area_by_component;
use systole_isa::energy::figures::{Figure, SourceSet, dram_set, figures, leakage_set, logic_set, sram_set};

/// Energy in picojoules.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnergySummary {
    /// All components.
    pub total_pj: f64,
    /// The total if every source set is at its lower bound.
    pub low_pj: f64,
    /// The total if every source set is at its upper bound.
    pub high_pj: f64,
    /// Each component.
    pub by_component: Components<f64>,
    /// Technology node of the figures.
    pub node: &'static str,
    /// Supply voltage in millivolts.
    pub voltage_mv: u32,
    /// Class of transistors.
    pub transistors: &'static str,
    /// Sets of sources with their uncertainty.
    pub source_sets: Vec<SourceSetSummary>,
    /// Every figure of the chip; those of the DRAM stand with its standard.
    pub figures: Vec<Figure>,
}

/// Components whose figures share their sources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceSetSummary {
    /// Its name.
    pub name: &'static str,
    /// Components that rest on it.
    pub components: Vec<&'static str>,
    /// The truth may be as small as this times the figure.
    pub low: f64,
    /// The truth may be as large as this times the figure.
    pub high: f64,
    /// What the bounds rest on.
    pub why: &'static str,
}

/// Area of one component.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AreaSummary {
    /// Its name.
    pub component: &'static str,
    /// Its area in square millimetres.
    pub area_mm2: f64,
    /// Where the figures come from.
    pub source: &'static str,
}

/// The source set of each component, in the order of [`Components::entries`].
fn set_of(component: &str, machine: &MachineDescription) -> SourceSet {
    match component {
        "mac" | "vector" | "clock" => logic_set(machine.node),
        "dram" => dram_set(machine.node),
        "leakage" => leakage_set(machine.node),
        // Scratchpad, accumulators and instruction memory.
        _ => sram_set(machine.node),
    }
}

impl EnergySummary {
    /// The summary of an energy on a machine.
    pub fn new(energy: &EnergyBreakdown, machine: &MachineDescription) -> Self {
        let by_component = energy.picojoules();
        let (mut low_pj, mut high_pj) = (0.0, 0.0);
        let mut source_sets: Vec<SourceSetSummary> = Vec::new();
        for (component, pj) in by_component.entries() {
            let set = set_of(component, machine);
            low_pj += pj * set.low;
            high_pj += pj * set.high;
            match source_sets.iter_mut().find(|known| known.name == set.name) {
                Some(known) => known.components.push(component),
                None => source_sets.push(SourceSetSummary {
                    name: set.name,
                    components: vec![component],
                    low: set.low,
                    high: set.high,
                    why: set.why,
                }),
            }
        }
        Self {
            total_pj: energy.total().picojoules(),
            low_pj,
            high_pj,
            by_component,
            node: machine.node.word(),
            voltage_mv: machine.power.voltage_mv(machine.node),
            transistors: machine.power.transistors.word(),
            source_sets,
            figures: figures(machine),
        }
    }
}

impl AreaSummary {
    /// The area of every component of a machine.
    pub fn of(machine: &MachineDescription) -> Vec<Self> {
        area_by_component(machine)
            .into_iter()
            .map(|(component, area_mm2, source)| Self {
                component,
                area_mm2,
                source,
            })
            .collect()
    }
}
