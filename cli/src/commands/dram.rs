//! `dram`: the DRAM model alone, on a trace of requests.

use super::{print, print_json};
use crate::args::DramArgs;
use crate::error::CommandError;
use crate::print::{grouped, percent, scaled};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;
use systole_isa::Diagnostic;
use systole_simulator::dram::{DramConfig, TraceReader, TraceRun, TraceSummary};

/// Bytes of the trace that are read at once.
const CHUNK_BYTES: usize = 1 << 22;
/// Shorter traces need no progress bar.
const MIN_BYTES_WITH_BAR: u64 = 32 << 20;

#[derive(Serialize)]
struct DramOutcome {
    trace: String,
    dram: String,
    mapping: String,
    page_policy: String,
    channels: u32,
    ranks: u32,
    requests: u64,
    bytes: u64,
    cycles: u64,
    clock_ps: u64,
    seconds: f64,
    bandwidth_bytes_per_second: f64,
    peak_bytes_per_second: f64,
    peak_share: f64,
    row_hit_rate: f64,
    read_row_hits: u64,
    write_row_hits: u64,
    row_misses: u64,
    row_conflicts: u64,
    forwarded_reads: u64,
    merged_writes: u64,
    average_read_latency_cycles: f64,
    commands: BTreeMap<&'static str, u64>,
    energy: EnergyOutcome,
    host: HostOutcome,
}

#[derive(Serialize)]
struct EnergyOutcome {
    total_pj: f64,
    pj_per_bit: f64,
    by_cause: BTreeMap<&'static str, f64>,
}

#[derive(Serialize)]
struct HostOutcome {
    wall_seconds: f64,
    bursts_per_second: f64,
}

pub(crate) fn run(args: &DramArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    let config = DramConfig {
        standard: args.dram,
        n_channels: args.channels,
        n_ranks: args.ranks,
        mapping: args.mapping,
        page_policy: args.page,
    };
    let summary = time_trace(&args.trace, config)?;
    let outcome = outcome(&args.trace, &summary, start);
    if args.json {
        print_json(&outcome)?;
    } else {
        print(&table(&outcome));
    }
    Ok(())
}

/// Reads the trace piece by piece, so that its length does not matter.
fn time_trace(path: &Path, config: DramConfig) -> Result<TraceSummary, CommandError> {
    let unreadable = |error: std::io::Error| {
        Diagnostic::error("F0001", format!("`{}` cannot be read: {error}", path.display()))
            .help("check the path and its permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress_bar(length);
    let mut input = BufReader::with_capacity(CHUNK_BYTES, file);
    let mut reader = TraceReader::new(&path.display().to_string());
    let mut run = TraceRun::new(config);
    let (mut requests, mut rest) = (Vec::new(), Vec::new());
    loop {
        let chunk = input.fill_buf().map_err(unreadable)?;
        let n = chunk.len();
        requests.clear();
        if n == 0 {
            if !rest.is_empty() {
                reader.read(&rest, &mut requests);
            }
        } else if let Some(end) = chunk.iter().rposition(|&byte| byte == b'\n') {
            rest.extend_from_slice(&chunk[..=end]);
            reader.read(&rest, &mut requests);
            rest.clear();
            rest.extend_from_slice(&chunk[end + 1..]);
        } else {
            rest.extend_from_slice(chunk);
        }
        input.consume(n);
        run.feed(&requests);
        bar.inc(n as u64);
        if n == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    reader.finish()?;
    Ok(run.finish())
}

fn progress_bar(length: u64) -> ProgressBar {
    if length < MIN_BYTES_WITH_BAR {
        return ProgressBar::hidden();
    }
    let template = "{bar:40} {bytes}/{total_bytes} of the trace, {eta} left";
    let bar = ProgressBar::new(length);
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn outcome(trace: &Path, summary: &TraceSummary, start: Instant) -> DramOutcome {
    let (config, counts) = (&summary.config, &summary.counts);
    let energy = summary.energy();
    let total_pj = energy.total().picojoules();
    let wall_seconds = start.elapsed().as_secs_f64();
    let bursts = counts.bursts() as f64;
    DramOutcome {
        trace: trace.display().to_string(),
        dram: config.standard.to_string(),
        mapping: config.mapping.to_string(),
        page_policy: config.page_policy.to_string(),
        channels: config.n_channels,
        ranks: config.n_ranks,
        requests: summary.n_requests,
        bytes: summary.bytes(),
        cycles: summary.clocks,
        clock_ps: config.standard.timing().clock_ps,
        seconds: summary.seconds(),
        bandwidth_bytes_per_second: summary.bytes_per_second(),
        peak_bytes_per_second: config.peak_bytes_per_second(),
        peak_share: summary.bytes_per_second() / config.peak_bytes_per_second(),
        row_hit_rate: counts.row_hits() as f64 / bursts.max(1.0),
        read_row_hits: counts.read_row_hits,
        write_row_hits: counts.write_row_hits,
        row_misses: counts.row_misses,
        row_conflicts: counts.row_conflicts,
        forwarded_reads: counts.forwarded_reads,
        merged_writes: counts.merged_writes,
        average_read_latency_cycles: counts.read_latency_clocks as f64 / (counts.reads as f64).max(1.0),
        commands: BTreeMap::from([
            ("ACT", counts.activates),
            ("PRE", counts.precharges),
            ("RD", counts.reads),
            ("WR", counts.writes),
            ("REF", counts.refreshes),
        ]),
        energy: EnergyOutcome {
            total_pj,
            pj_per_bit: total_pj / (summary.bytes() * 8) as f64,
            by_cause: energy.entries().map(|(name, part)| (name, part.picojoules())).into(),
        },
        host: HostOutcome {
            wall_seconds,
            bursts_per_second: bursts / wall_seconds.max(f64::MIN_POSITIVE),
        },
    }
}

fn table(o: &DramOutcome) -> String {
    let commands: Vec<String> = ["ACT", "PRE", "RD", "WR", "REF"]
        .iter()
        .map(|name| format!("{name} {}", grouped(o.commands[name])))
        .collect();
    let causes: Vec<String> = o
        .energy
        .by_cause
        .iter()
        .map(|(name, pj)| format!("{name} {}", scaled(pj * 1e-12, "J")))
        .collect();
    let rows = [
        (
            "DRAM",
            format!(
                "{}, {} channel(s) of {} rank(s), mapping {}, {} page policy",
                o.dram, o.channels, o.ranks, o.mapping, o.page_policy
            ),
        ),
        (
            "requests",
            format!("{} of 64 bytes, {} bytes", grouped(o.requests), grouped(o.bytes)),
        ),
        (
            "cycles",
            format!(
                "{} of {} ps ({})",
                grouped(o.cycles),
                o.clock_ps,
                scaled(o.seconds, "s")
            ),
        ),
        (
            "bandwidth",
            format!(
                "{}, {} of the peak of {}",
                scaled(o.bandwidth_bytes_per_second, "B/s"),
                percent(o.peak_share),
                scaled(o.peak_bytes_per_second, "B/s")
            ),
        ),
        (
            "row hits",
            format!(
                "{} ({} misses, {} conflicts)",
                percent(o.row_hit_rate),
                grouped(o.row_misses),
                grouped(o.row_conflicts)
            ),
        ),
        (
            "read latency",
            format!(
                "{:.1} cycles on average, waiting included",
                o.average_read_latency_cycles
            ),
        ),
        ("commands", commands.join(", ")),
        (
            "energy",
            format!(
                "{}, {:.2} pJ/bit",
                scaled(o.energy.total_pj * 1e-12, "J"),
                o.energy.pj_per_bit
            ),
        ),
        ("", causes.join(", ")),
    ];
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:<14}{value}")).collect();
    lines.join("\n")
}
