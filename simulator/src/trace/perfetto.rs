//! Trace-event JSON, the format that Perfetto and Chrome's tracing open: one process for the units, one for layers and tiles, one for
//! counters.

use super::{Change, Section, Span, Subject, Window, Writer, bytes_per_cycle};
use crate::activity::Activity;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};
use systole_isa::operand::MarkKind;
use systole_isa::{Femtojoules, Unit};

const UNITS: u32 = 1;
const SECTIONS: u32 = 2;
const COUNTERS: u32 = 3;

/// An event of the format. `ts` and `dur` are in microseconds, written so that whole nanoseconds survive.
#[derive(Serialize)]
struct TraceEvent<'a> {
    ph: &'static str,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<u32>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: Value,
}

pub(super) struct Perfetto<'w> {
    subject: Subject,
    out: &'w mut dyn Write,
    is_first: bool,
    /// Traffic and power as last written.
    counters: [Option<f64>; 2],
}

/// Microseconds of the format: a cycle is a nanosecond.
fn microseconds(cycles: u64) -> f64 {
    cycles as f64 / 1000.0
}

impl<'w> Perfetto<'w> {
    pub(super) fn new(subject: Subject, out: &'w mut dyn Write) -> Self {
        Self {
            subject,
            out,
            is_first: true,
            counters: [None; 2],
        }
    }

    fn put(&mut self, event: &TraceEvent<'_>) -> io::Result<()> {
        let separator: &[u8] = if self.is_first { b"\n" } else { b",\n" };
        self.is_first = false;
        self.out.write_all(separator)?;
        serde_json::to_writer(&mut self.out, event).map_err(io::Error::from)
    }

    /// Names a process or one of its threads, which the viewer shows in the order of their numbers.
    fn name(&mut self, pid: u32, tid: Option<u32>, name: &str) -> io::Result<()> {
        let (about, sort) = match tid {
            None => ("process_name", ("process_sort_index", pid)),
            Some(tid) => ("thread_name", ("thread_sort_index", tid)),
        };
        for (event, args) in [
            (about, json!({ "name": name })),
            (sort.0, json!({ "sort_index": sort.1 })),
        ] {
            self.put(&TraceEvent {
                ph: "M",
                pid,
                tid,
                name: event,
                cat: None,
                ts: None,
                dur: None,
                args,
            })?;
        }
        Ok(())
    }

    fn slice(
        &mut self,
        (pid, tid): (u32, u32),
        name: &str,
        cat: &'static str,
        cycles: (u64, u64),
        args: Value,
    ) -> io::Result<()> {
        self.put(&TraceEvent {
            ph: "X",
            pid,
            tid: Some(tid),
            name,
            cat: Some(cat),
            ts: Some(microseconds(cycles.0)),
            dur: Some(microseconds(cycles.1 - cycles.0)),
            args,
        })
    }

    /// Writes a counter's value from `at` on, if it differs from the one before.
    fn counter(&mut self, at: u64, index: usize, (name, unit): (&str, &str), value: f64) -> io::Result<()> {
        if self.counters[index] == Some(value) {
            return Ok(());
        }
        self.counters[index] = Some(value);
        self.put(&TraceEvent {
            ph: "C",
            pid: COUNTERS,
            tid: None,
            name,
            cat: None,
            ts: Some(microseconds(at)),
            dur: None,
            args: json!({ unit: value }),
        })
    }
}

impl Writer for Perfetto<'_> {
    fn begin(&mut self, _: u64) -> io::Result<()> {
        let about = json!({
            "program": self.subject.program.name,
            "machine": self.subject.description.name,
            "clock_mhz": self.subject.description.clock_mhz,
            "time_unit": "one nanosecond is one core cycle",
        });
        write!(
            self.out,
            "{{\"displayTimeUnit\":\"ns\",\"otherData\":{about},\"traceEvents\":["
        )?;
        let machine = self.subject.description.name.clone();
        self.name(UNITS, None, &format!("units of {machine}"))?;
        for unit in Unit::ALL {
            self.name(UNITS, Some(unit.index() as u32), unit.name())?;
        }
        self.name(SECTIONS, None, "program")?;
        self.name(SECTIONS, Some(MarkKind::Layer as u32), "layers")?;
        self.name(SECTIONS, Some(MarkKind::Tile as u32), "tiles")?;
        self.name(COUNTERS, None, "DRAM traffic and power")
    }

    fn span(&mut self, span: &Span) -> io::Result<()> {
        let cat = match span.activity {
            Activity::Busy(_) => "busy",
            Activity::Stalled(_) => "stall",
            // A gap says it as well.
            Activity::Idle => return Ok(()),
        };
        let args = json!({
            "start_cycle": span.start,
            "cycles": span.end - span.start,
            "pc": span.pc,
            "instruction": span.pc.and_then(|pc| self.subject.program.mnemonic(pc)),
            "line": span.pc.and_then(|pc| self.subject.program.lines.get(pc as usize)),
            "layer": self.subject.layer(span.layer),
        });
        let track = (UNITS, span.unit.index() as u32);
        self.slice(track, span.activity.name(), cat, (span.start, span.end), args)
    }

    fn section(&mut self, section: &Section) -> io::Result<()> {
        let mark = self.subject.program.marks.get(section.id as usize);
        let (name, op) = mark.map_or(("?".to_owned(), String::new()), |mark| {
            (mark.name.clone(), mark.op.clone())
        });
        let cat = match section.kind {
            MarkKind::Layer => "layer",
            MarkKind::Tile => "tile",
        };
        let args = json!({ "start_cycle": section.start, "cycles": section.end - section.start, "op": op });
        self.slice(
            (SECTIONS, section.kind as u32),
            &name,
            cat,
            (section.start, section.end),
            args,
        )
    }

    fn change(&mut self, _: &Change) -> io::Result<()> {
        Ok(())
    }

    fn window(&mut self, window: &Window) -> io::Result<()> {
        let watts = self
            .subject
            .model
            .watts(Femtojoules(window.energy_fj), window.end - window.start);
        self.counter(
            window.start,
            0,
            ("DRAM traffic", "bytes per cycle"),
            bytes_per_cycle(window),
        )?;
        self.counter(window.start, 1, ("power", "W"), watts)
    }

    fn end(&mut self, at: u64) -> io::Result<()> {
        // Closes both counters, so that their last value does not seem to last for ever.
        for (index, name) in [("DRAM traffic", "bytes per cycle"), ("power", "W")]
            .into_iter()
            .enumerate()
        {
            self.counter(at, index, name, 0.0)?;
        }
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }
}
