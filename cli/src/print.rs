//! Reports as tables for people. Every number carries its unit.

use crate::outcome::{Comparison, Outcome};
use std::fmt::Write;
use systole_simulator::Report;

/// An integer with thousands separators.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A quantity with the prefix that leaves one to three digits before the point.
pub(crate) fn scaled(value: f64, unit: &str) -> String {
    const PREFIXES: [(f64, &str); 9] = [
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
        (1.0, ""),
        (1e-3, "m"),
        (1e-6, "u"),
        (1e-9, "n"),
        (1e-12, "p"),
    ];
    let magnitude = value.abs();
    let (factor, prefix) = PREFIXES
        .into_iter()
        .find(|(factor, _)| magnitude >= *factor)
        .unwrap_or(if magnitude == 0.0 { (1.0, "") } else { (1e-12, "p") });
    format!("{:.2} {prefix}{unit}", value / factor)
}

pub(crate) fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// Rows of cells as aligned columns; the first `n_left` columns are left-aligned, the others right-aligned.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], n_left: usize) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([header[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let aligned = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < n_left {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        aligned.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    let mut lines = vec![line(&header), rule];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// One row per layer.
pub(crate) fn layers(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .layers
        .iter()
        .map(|layer| {
            vec![
                layer.name.clone(),
                layer.op.clone(),
                grouped(layer.cycles),
                grouped(layer.macs),
                percent(layer.utilization),
                grouped(layer.lower_bound_cycles.ceil() as u64),
                layer.estimated_cycles.map_or("-".to_owned(), grouped),
                format!("{:.3}", layer.roofline_ratio),
                grouped(layer.dram_bytes),
                format!("{:.3}", layer.energy_pj * 1e-6),
                layer.bound_by.to_owned(),
            ]
        })
        .collect();
    let header = [
        "layer",
        "op",
        "cycles",
        "MACs",
        "PE use",
        "lower bound",
        "estimate",
        "roofline",
        "DRAM bytes",
        "energy [uJ]",
        "bound by",
    ];
    table(&header, &rows, 2)
}

/// What each unit did with its cycles.
pub(crate) fn units(report: &Report) -> String {
    let list = |entries: &std::collections::BTreeMap<&'static str, u64>| {
        let items: Vec<String> = entries
            .iter()
            .map(|(name, cycles)| format!("{name} {}", grouped(*cycles)))
            .collect();
        if items.is_empty() {
            "-".to_owned()
        } else {
            items.join(", ")
        }
    };
    let rows: Vec<Vec<String>> = ["SEQ", "LD", "ST", "MX", "VX"]
        .iter()
        .filter_map(|name| report.units.get(name).map(|unit| (name, unit)))
        .map(|(name, unit)| {
            vec![
                (*name).to_owned(),
                list(&unit.busy),
                list(&unit.stall),
                grouped(unit.idle),
            ]
        })
        .collect();
    table(
        &["unit", "busy [cycles]", "stalled [cycles]", "idle [cycles]"],
        &rows,
        3,
    )
}

/// Totals, one a line.
pub(crate) fn totals(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<22}{value}");
    };
    line(
        "cycles",
        format!("{} ({})", grouped(report.cycles), scaled(report.seconds, "s")),
    );
    line(
        "MACs",
        format!(
            "{} of the model, {} by the array ({} with a zero operand, gated)",
            grouped(report.macs),
            grouped(report.macs_executed),
            grouped(report.macs_gated)
        ),
    );
    if report.program.weight_bytes > 0 {
        line(
            "weights",
            format!("{:.3} MB", report.program.weight_bytes as f64 * 1e-6),
        );
    }
    line("PE utilization", percent(report.utilization));
    line(
        "roofline",
        format!(
            "{:.3}: at least {} cycles{}",
            report.roofline_ratio,
            grouped(report.lower_bound_cycles.ceil() as u64),
            report
                .estimated_cycles
                .map_or(String::new(), |cycles| format!(", {} estimated", grouped(cycles)))
        ),
    );
    line(
        "DRAM",
        format!(
            "{} bytes read, {} written, {}, {} row hits",
            grouped(report.dram.read_bytes),
            grouped(report.dram.write_bytes),
            scaled(report.dram.bandwidth_bytes_per_second, "B/s"),
            percent(report.dram.row_hit_rate)
        ),
    );
    line(
        "scratchpad",
        format!(
            "{} bytes read, {} written, {} used at most",
            grouped(report.spm.read_bytes),
            grouped(report.spm.write_bytes),
            grouped(report.spm.peak_bytes)
        ),
    );
    line(
        "energy",
        format!(
            "{} ({} to {} by the sources' uncertainty) at {}, {} mV, {}",
            scaled(report.energy.total_pj * 1e-12, "J"),
            scaled(report.energy.low_pj * 1e-12, "J"),
            scaled(report.energy.high_pj * 1e-12, "J"),
            report.energy.node,
            report.energy.voltage_mv,
            report.energy.transistors.replace('_', " ")
        ),
    );
    let components = report.energy.by_component.entries();
    let parts: Vec<String> = components
        .iter()
        .map(|(name, pj)| format!("{name} {}", scaled(pj * 1e-12, "J")))
        .collect();
    line("", parts.join(", "));
    for (index, set) in report.energy.source_sets.iter().enumerate() {
        let text = format!(
            "{} ({}): x{} to x{}",
            set.name,
            set.components.join(", "),
            set.low,
            set.high
        );
        line(if index == 0 { "energy sources" } else { "" }, text);
    }
    line(
        "power",
        format!(
            "{} average, {} peak over {} cycles",
            scaled(report.power.average_w, "W"),
            scaled(report.power.peak_w, "W"),
            grouped(report.power.window_cycles)
        ),
    );
    let areas: Vec<String> = report
        .area_by_component
        .iter()
        .map(|part| format!("{} {:.3}", part.component, part.area_mm2))
        .collect();
    line("area", format!("{:.2} mm2 ({})", report.area_mm2, areas.join(", ")));
    text.trim_end().to_owned()
}

fn comparison(c: &Comparison) -> String {
    let steps = c
        .max_error_steps
        .map_or(String::new(), |steps| format!(", {steps:.2} quantization steps"));
    format!(
        "{} of {} output values differ from the reference (largest difference {:.6}{steps}); top-1 agreement {}",
        grouped(c.mismatches),
        grouped(c.compared),
        c.max_abs_error,
        percent(c.top1_agreement)
    )
}

/// The whole report.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let mut sections = vec![
        format!(
            "{} on {}: {} inference{}, {} instructions",
            report.program.name,
            report.machine.name,
            grouped(report.inferences),
            if report.inferences == 1 { "" } else { "s" },
            grouped(report.program.instructions)
        ),
        layers(report),
        units(report),
        totals(report),
    ];
    if let Some(c) = &outcome.comparison {
        sections.push(comparison(c));
    }
    sections.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.0, 1.5e-6, 12_345.0].map(|v| scaled(v, "s")),
            ["0.00 s", "1.50 us", "12.35 ks"]
        );
    }
}
