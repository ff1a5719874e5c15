//! One table: a row per span, per section and per window and quantity.

use super::{Change, Section, Span, Subject, Window, Writer};
use crate::activity::Activity;
use std::io::{self, Write};
use systole_isa::Femtojoules;
use systole_isa::operand::MarkKind;

/// Names of the columns. `value` is in the unit that `name` ends with, and in cycles for spans and sections.
const HEADER: &str = "track,state,name,pc,instruction,layer,start_cycle,end_cycle,value";

pub(super) struct Csv<'w> {
    subject: Subject,
    out: &'w mut dyn Write,
}

impl<'w> Csv<'w> {
    pub(super) fn new(subject: Subject, out: &'w mut dyn Write) -> Self {
        Self { subject, out }
    }
}

/// A cell: quoted where a separator, quote or line break stands in it.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

impl Writer for Csv<'_> {
    fn begin(&mut self, _: u64) -> io::Result<()> {
        writeln!(self.out, "{HEADER}")
    }

    fn span(&mut self, span: &Span) -> io::Result<()> {
        let state = match span.activity {
            Activity::Busy(_) => "busy",
            Activity::Stalled(_) => "stall",
            Activity::Idle => "idle",
        };
        let pc = span.pc.map_or(String::new(), |pc| pc.to_string());
        let instruction = span.pc.and_then(|pc| self.subject.program.mnemonic(pc)).unwrap_or("");
        let layer = cell(self.subject.layer(span.layer).unwrap_or(""));
        let (unit, name) = (span.unit.name(), span.activity.name());
        let (start, end, cycles) = (span.start, span.end, span.end - span.start);
        writeln!(
            self.out,
            "{unit},{state},{name},{pc},{instruction},{layer},{start},{end},{cycles}"
        )
    }

    fn section(&mut self, section: &Section) -> io::Result<()> {
        let track = match section.kind {
            MarkKind::Layer => "layers",
            MarkKind::Tile => "tiles",
        };
        let name = cell(self.subject.mark(section.id).unwrap_or("?"));
        let (start, end) = (section.start, section.end);
        writeln!(self.out, "{track},section,{name},,,,{start},{end},{}", end - start)
    }

    fn change(&mut self, _: &Change) -> io::Result<()> {
        Ok(())
    }

    fn window(&mut self, window: &Window) -> io::Result<()> {
        let (start, end) = (window.start, window.end);
        let watts = self.subject.model.watts(Femtojoules(window.energy_fj), end - start);
        writeln!(
            self.out,
            "dram,counter,traffic_bytes,,,,{start},{end},{}",
            window.dram_bytes
        )?;
        writeln!(
            self.out,
            "power,counter,energy_fj,,,,{start},{end},{}",
            window.energy_fj
        )?;
        writeln!(self.out, "power,counter,average_w,,,,{start},{end},{watts:.9}")
    }

    fn end(&mut self, _: u64) -> io::Result<()> {
        self.out.flush()
    }
}
