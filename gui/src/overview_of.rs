//! Totals per layer and the roofline of a machine at one cycle, as panels read them. Every figure is the report's.

use crate::overview::{LayerOverview, N_COMPONENTS, Overview, RooflinePoint, RooflineView};
use systole_simulator::Machine;
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::report::{LayerSummary, RunTotals, layer_spans};
use systole_simulator::roofline::Roofline;

/// The overview of a machine that has run so far; `nothing` are the totals of its program before any run.
pub(crate) fn overview(machine: &Machine, nothing: &RunTotals) -> Overview {
    let description = machine.description();
    let model = EnergyModel::of(description);
    let mut totals = nothing.clone();
    totals.add(machine);
    let report = totals.report(&PowerProfile::new(model));
    // The report lists layers by slot and leaves out those without instructions.
    let slots = (0..machine.layers().len()).filter(|&slot| machine.layers()[slot].counts.instructions > 0);
    let spans = layer_spans(machine);
    let layer = |(slot, summary): (usize, &LayerSummary)| {
        let span = spans[slot].clone();
        let energy = model.total(&machine.layers()[slot].counts, span.end - span.start);
        LayerOverview {
            layer_idx: slot.checked_sub(1),
            name: summary.name.clone(),
            op: summary.op.clone(),
            start: span.start,
            end: span.end,
            energy_fj: energy.entries().map(|(_, part)| part.0),
            dram_bytes: summary.dram_bytes,
            macs: summary.macs,
            bound_by: summary.bound_by,
        }
    };
    let layers: Vec<LayerOverview> = slots.zip(&report.layers).map(layer).collect();
    let roofline = roofline_view(&Roofline::of(&report, description), &layers);
    Overview {
        components: model.of_cycles(0).entries().map(|(name, _)| name),
        layers,
        dram_peak_bytes_per_cycle: description.peak_dram_bytes_per_cycle(),
        roofline,
    }
}

/// Energy by component that passes in every cycle, in femtojoules.
pub(crate) fn idle_fj_per_cycle(machine: &Machine) -> [f64; N_COMPONENTS] {
    const N_CYCLES: u64 = 1 << 20;
    let passed = EnergyModel::of(machine.description()).of_cycles(N_CYCLES);
    passed.entries().map(|(_, part)| part.0 as f64 / N_CYCLES as f64)
}

fn roofline_view(roofline: &Roofline, layers: &[LayerOverview]) -> RooflineView {
    let with_macs = layers
        .iter()
        .filter(|layer| layer.macs > 0)
        .map(|layer| layer.layer_idx);
    // The network, if there is a point at all, comes first.
    let layer_indices = std::iter::once(None).chain(with_macs);
    RooflineView {
        compute_roofs: roofline
            .compute_roofs
            .iter()
            .map(|roof| (roof.precisions.join(", "), roof.macs_per_second))
            .collect(),
        memory_roofs: roofline
            .memory_roofs
            .iter()
            .map(|roof| (roof.name.to_owned(), roof.bytes_per_second))
            .collect(),
        ridge_macs_per_byte: roofline.ridge_macs_per_byte,
        points: roofline
            .points
            .iter()
            .zip(layer_indices)
            .map(|(point, layer_idx)| RooflinePoint {
                name: point.name.clone(),
                layer_idx,
                macs_per_byte: point.macs_per_byte,
                macs_per_second: point.macs_per_second,
                ratio: point.ratio,
            })
            .collect(),
    }
}
