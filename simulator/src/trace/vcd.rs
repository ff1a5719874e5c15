//! Value change dump (IEEE 1364-2005, clause 18), with string variables as waveform viewers understand them.

use super::{Change, Section, Span, Subject, Window, Writer, bytes_per_cycle};
use crate::activity::Activity;
use std::io::{self, Write};
use systole_isa::{Femtojoules, Unit};

/// Variables of a unit, in the order of their codes.
const UNIT_VARIABLES: [(&str, u32, &str); 5] = [
    ("string", 1, "kind"),
    ("string", 1, "stall"),
    ("wire", 1, "busy"),
    ("wire", 32, "pc"),
    ("string", 1, "layer"),
];
const N_UNIT_VARIABLES: usize = UNIT_VARIABLES.len();

/// What a unit's variables show.
type Shown = [String; N_UNIT_VARIABLES];

pub(super) struct Vcd<'w> {
    subject: Subject,
    out: &'w mut dyn Write,
    /// Time stamp under which changes are written.
    now: Option<u64>,
    units: [Shown; Unit::ALL.len()],
    /// Traffic and power as last written.
    counters: [Option<String>; 2],
}

/// The identifier code of a variable: one printable character.
fn code(index: usize) -> char {
    char::from(b'!' + index as u8)
}

fn unit_code(unit: Unit, variable: usize) -> char {
    code(unit.index() * N_UNIT_VARIABLES + variable)
}

fn counter_code(counter: usize) -> char {
    code(Unit::ALL.len() * N_UNIT_VARIABLES + counter)
}

/// A string's value: the format separates by white space, so a string holds none.
fn word(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c })
        .collect()
}

impl<'w> Vcd<'w> {
    pub(super) fn new(subject: Subject, out: &'w mut dyn Write) -> Self {
        Self {
            subject,
            out,
            now: None,
            units: Default::default(),
            counters: [None, None],
        }
    }

    fn stamp(&mut self, at: u64) -> io::Result<()> {
        if self.now == Some(at) {
            return Ok(());
        }
        self.now = Some(at);
        writeln!(self.out, "#{at}")
    }

    /// The values of a unit's variables as they stand in the file.
    fn shown(&self, change: &Change) -> Shown {
        let (kind, stall, busy) = match change.activity {
            Activity::Busy(kind) => (kind.name(), "-", 1),
            Activity::Stalled(reason) => ("stalled", reason.name(), 0),
            Activity::Idle => ("idle", "-", 0),
        };
        let layer = self.subject.layer(change.layer).filter(|name| !name.is_empty());
        [
            format!("s{kind} "),
            format!("s{stall} "),
            busy.to_string(),
            change.pc.map_or("bx ".to_owned(), |pc| format!("b{pc:b} ")),
            format!("s{} ", word(layer.unwrap_or("-"))),
        ]
    }

    fn counter(&mut self, at: u64, counter: usize, value: f64) -> io::Result<()> {
        let text = format!("r{value} ");
        if self.counters[counter].as_ref() == Some(&text) {
            return Ok(());
        }
        self.stamp(at)?;
        writeln!(self.out, "{text}{}", counter_code(counter))?;
        self.counters[counter] = Some(text);
        Ok(())
    }
}

impl Writer for Vcd<'_> {
    fn begin(&mut self, _: u64) -> io::Result<()> {
        let (program, machine) = (word(&self.subject.program.name), word(&self.subject.description.name));
        writeln!(
            self.out,
            "$comment One nanosecond is one core cycle of {machine}; program {program}. $end"
        )?;
        writeln!(self.out, "$timescale 1 ns $end\n$scope module systole $end")?;
        for unit in Unit::ALL {
            writeln!(self.out, "$scope module {} $end", unit.name())?;
            for (index, (kind, bits, name)) in UNIT_VARIABLES.iter().enumerate() {
                writeln!(self.out, "$var {kind} {bits} {} {name} $end", unit_code(unit, index))?;
            }
            writeln!(self.out, "$upscope $end")?;
        }
        for (index, name) in ["dram_bytes_per_cycle", "power_w"].iter().enumerate() {
            writeln!(self.out, "$var real 64 {} {name} $end", counter_code(index))?;
        }
        writeln!(self.out, "$upscope $end\n$enddefinitions $end")
    }

    fn span(&mut self, _: &Span) -> io::Result<()> {
        Ok(())
    }

    fn section(&mut self, _: &Section) -> io::Result<()> {
        Ok(())
    }

    fn change(&mut self, change: &Change) -> io::Result<()> {
        let shown = self.shown(change);
        self.stamp(change.at)?;
        let before = std::mem::replace(&mut self.units[change.unit.index()], shown);
        let shown = &self.units[change.unit.index()];
        for (variable, (value, _)) in shown.iter().zip(&before).enumerate().filter(|(_, (a, b))| a != b) {
            writeln!(self.out, "{value}{}", unit_code(change.unit, variable))?;
        }
        Ok(())
    }

    fn window(&mut self, window: &Window) -> io::Result<()> {
        let watts = self
            .subject
            .model
            .watts(Femtojoules(window.energy_fj), window.end - window.start);
        self.counter(window.start, 0, bytes_per_cycle(window))?;
        self.counter(window.start, 1, watts)
    }

    fn end(&mut self, at: u64) -> io::Result<()> {
        self.stamp(at)?;
        self.out.flush()
    }
}
