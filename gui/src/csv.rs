//! The data of the panels along time as tables of comma-separated values, one header line, plain numbers, units in the names.

use crate::format::grouped;
use crate::frame::{Frame, Lane, UNIT_NAMES};
use crate::overview::PORTS;
use crate::view::View;
use std::fmt::Write;

/// A field that may hold any text.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The spans of the visible stretch, or the cycles per activity where spans are too many.
pub(crate) fn timeline_csv(frame: &Frame, _: &View) -> Result<Vec<u8>, String> {
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
                let edge = |idx: usize| {
                    let width = u128::from(timeline.end - timeline.start);
                    timeline.start + (width * idx as u128 / bins.n_bins.max(1) as u128) as u64
                };
                for bin_idx in 0..bins.n_bins {
                    for (idx, n) in bins.bin(bin_idx).iter().enumerate().filter(|(_, n)| **n > 0) {
                        let (start, end) = (edge(bin_idx), edge(bin_idx + 1));
                        let _ = writeln!(text, "{name},{start},{end},{},{n},,", quoted(&activity(idx)));
                    }
                }
            }
        }
    }
    Ok(text.into_bytes())
}

/// Traffic and power of each window.
pub(crate) fn plots_csv(frame: &Frame, _: &View) -> Result<Vec<u8>, String> {
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
    Ok(text.into_bytes())
}

/// The points of the roofline.
pub(crate) fn roofline_csv(frame: &Frame, _: &View) -> Result<Vec<u8>, String> {
    let mut text = "name,macs_per_byte,macs_per_second,share_of_roofline\n".to_owned();
    for point in &frame.now.overview.roofline.points {
        let intensity = point.macs_per_byte.map_or_else(String::new, |value| value.to_string());
        let (rate, ratio) = (point.macs_per_second, point.ratio);
        let _ = writeln!(text, "{},{intensity},{rate},{ratio}", quoted(&point.name));
    }
    Ok(text.into_bytes())
}

/// Energy of every layer by component.
pub(crate) fn energy_csv(frame: &Frame, _: &View) -> Result<Vec<u8>, String> {
    let overview = &frame.now.overview;
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
    Ok(text.into_bytes())
}
