//! The data of the panels along time as tables of comma-separated values, one header line, plain numbers, units in the names.

use crate::dram_lanes::{ChannelLanes, DramTimeline, Strip, activity_name};
use crate::export::Shown;
use crate::format::grouped;
use crate::frame::{ActivityId, Bins, Lane, UNIT_NAMES};
use crate::overview::PORTS;
use std::fmt::Write;

/// A field that may hold any text.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The spans of the visible stretch, or the cycles per activity where spans are too many.
pub(crate) fn timeline_csv(shown: &Shown<'_>) -> Result<String, String> {
    let frame = shown.frame;
    let program = frame.program.as_ref().ok_or("no program is open")?;
    let timeline = &frame.now.timeline;
    let mut text = "lane,start_cycle,end_cycle,activity,cycles,instruction,layer\n".to_owned();
    let activity = |idx: usize| {
        program
            .activities
            .get(idx)
            .map_or_else(String::new, |info| info.title())
    };
    for (lane, name) in timeline.lanes.iter().zip(UNIT_NAMES) {
        match lane {
            Lane::Spans(spans) => {
                for span in spans {
                    let line = span.pc.and_then(|pc| program.lines.get(pc as usize));
                    let layer = line.and_then(|line| program.layers.get(line.layer_idx?));
                    let pc = span.pc.map_or_else(String::new, |pc| pc.to_string());
                    let _ = writeln!(
                        text,
                        "{name},{},{},{},{},{pc},{}",
                        span.start,
                        span.end,
                        quoted(&activity(usize::from(span.activity.0))),
                        span.end - span.start,
                        quoted(layer.map_or("", String::as_str))
                    );
                }
            }
            Lane::Bins(bins) => {
                for (start, end, idx, n) in shares(bins, (timeline.start, timeline.end)) {
                    let _ = writeln!(text, "{name},{start},{end},{},{n},,", quoted(&activity(idx)));
                }
            }
        }
    }
    Ok(text)
}

/// Bins as start, end, index of the activity, and how much of it there is, without the empty ones.
fn shares(bins: &Bins, (start, end): (u64, u64)) -> impl Iterator<Item = (u64, u64, usize, u64)> {
    let edge = move |idx: usize| {
        let width = u128::from(end - start);
        start + (width * idx as u128 / bins.n_bins.max(1) as u128) as u64
    };
    let of_bin = move |bin_idx: usize| {
        let parts = bins.bin(bin_idx).iter().enumerate().filter(|(_, n)| **n > 0);
        parts.map(move |(idx, n)| (edge(bin_idx), edge(bin_idx + 1), idx, *n))
    };
    (0..bins.n_bins).flat_map(of_bin)
}

/// What the DRAM's channels did in the visible stretch: commands, or clocks per activity where those are too many.
pub(crate) fn dram_csv(shown: &Shown<'_>) -> Result<String, String> {
    let dram = &shown.frame.now.timeline.dram;
    let mut text =
        "channel,lane,start_clock,end_clock,activity,clocks,instruction,bank,row,column,outcome,rank\n".to_owned();
    for (channel_idx, channel) in dram.channels.iter().enumerate() {
        for (strip, lane) in Strip::ALL.into_iter().zip(channel.lanes()) {
            let name = format!("{channel_idx},{}", strip.name());
            match lane {
                Lane::Spans(_) if !channel.commands.is_empty() => commands_into(&mut text, &name, channel, strip),
                lane => lane_into(&mut text, &name, lane, dram),
            }
        }
    }
    Ok(text)
}

fn commands_into(text: &mut String, name: &str, channel: &ChannelLanes, strip: Strip) {
    for command in channel.commands.iter().filter(|command| command.strip() == strip) {
        let activity = activity_name(command.activity);
        let clocks = command.end - command.start;
        let _ = write!(text, "{name},{},{},{activity},{clocks}", command.start, command.end);
        let rank = command.rank.map_or_else(String::new, |rank| rank.to_string());
        let _ = match command.request {
            Some(r) => writeln!(text, ",{},{},{},{},{},{rank}", r.pc, r.bank, r.row, r.column, r.outcome),
            None => writeln!(text, ",,,,,,{rank}"),
        };
    }
}

fn lane_into(text: &mut String, name: &str, lane: &Lane, dram: &DramTimeline) {
    match lane {
        Lane::Spans(spans) => {
            for span in spans {
                let (activity, clocks) = (activity_name(span.activity), span.end - span.start);
                let pc = span.pc.map_or_else(String::new, |pc| pc.to_string());
                let _ = writeln!(text, "{name},{},{},{activity},{clocks},{pc},,,,,", span.start, span.end);
            }
        }
        Lane::Bins(bins) => {
            for (start, end, idx, n) in shares(bins, (dram.start, dram.end)) {
                let activity = activity_name(ActivityId(idx as u8));
                let _ = writeln!(text, "{name},{start},{end},{activity},{n},,,,,,");
            }
        }
    }
}

/// Traffic and power of each window.
pub(crate) fn plots_csv(shown: &Shown<'_>) -> Result<String, String> {
    let frame = shown.frame;
    let program = frame.program.as_ref().ok_or("no program is open")?;
    let (series, overview) = (&frame.now.series, &frame.now.overview);
    if series.n_windows() == 0 {
        return Err(format!("nothing has happened up to cycle {}", grouped(frame.now.cycle)));
    }
    let mut text = "start_cycle,end_cycle".to_owned();
    for port in PORTS {
        let _ = write!(text, ",{}_bytes_per_cycle", port.to_lowercase().replace(' ', "_"));
    }
    for component in overview.components {
        let _ = write!(text, ",{component}_watts");
    }
    text.push('\n');
    for window_idx in 0..series.n_windows() {
        let (start, end) = series.windows.cycles(window_idx);
        let _ = write!(text, "{start},{end}");
        for port_idx in 0..PORTS.len() {
            let _ = write!(text, ",{}", series.bytes_per_cycle(port_idx, window_idx));
        }
        for component_idx in 0..overview.components.len() {
            let watts = series.watts(component_idx, window_idx, program.machine.clock_mhz);
            let _ = write!(text, ",{watts}");
        }
        text.push('\n');
    }
    Ok(text)
}

/// The points of the roofline.
pub(crate) fn roofline_csv(shown: &Shown<'_>) -> Result<String, String> {
    let mut text = "name,macs_per_byte,macs_per_second,share_of_roofline\n".to_owned();
    for point in &shown.frame.now.overview.roofline.points {
        let intensity = point.macs_per_byte.map_or_else(String::new, |value| value.to_string());
        let (rate, ratio) = (point.macs_per_second, point.ratio);
        let _ = writeln!(text, "{},{intensity},{rate},{ratio}", quoted(&point.name));
    }
    Ok(text)
}

/// Energy of every layer by component.
pub(crate) fn energy_csv(shown: &Shown<'_>) -> Result<String, String> {
    let overview = &shown.frame.now.overview;
    let mut text = "layer,operation,start_cycle,end_cycle".to_owned();
    for component in overview.components {
        let _ = write!(text, ",{component}_femtojoules");
    }
    text.push('\n');
    for layer in &overview.layers {
        let _ = write!(
            text,
            "{},{},{},{}",
            quoted(&layer.name),
            quoted(&layer.op),
            layer.start,
            layer.end
        );
        for energy in layer.energy_fj {
            let _ = write!(text, ",{energy}");
        }
        text.push('\n');
    }
    Ok(text)
}
