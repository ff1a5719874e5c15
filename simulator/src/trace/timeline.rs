//! From the event stream to records in order: cuts to the wanted cycles, spreads what instructions did over windows, and hands everything
//! that is settled to a file format.

use super::windows::Windows;
use super::{Change, Section, Span, TraceOptions, TraceSummary, Window, Writer};
use crate::energy::EnergyModel;
use crate::machine::Machine;
use crate::observer::{Event, Observer};
use std::io;
use std::sync::Arc;
use systole_isa::operand::MarkKind;
use systole_isa::{Op, Program, Unit};

pub(super) struct Timeline<'w> {
    sink: Sink<'w>,
    program: Arc<Program>,
    model: EnergyModel,
    from: u64,
    to: u64,
    /// Marks under which the sequencer works, each with its cycle: layer, tile.
    open_sections: [Option<(u32, u64)>; 2],
    /// Start of the newest status of each unit that is in `changes` or has been written.
    announced: [Option<u64>; Unit::ALL.len()],
    changes: Vec<Change>,
    windows: Windows,
    n_spans: u64,
    max_pending: usize,
}

/// A file format with the first error that it met; nothing is written after it.
struct Sink<'w> {
    writer: Box<dyn Writer + 'w>,
    result: io::Result<()>,
}

impl Sink<'_> {
    fn put(&mut self, write: impl FnOnce(&mut dyn Writer) -> io::Result<()>) {
        if self.result.is_ok() {
            self.result = write(&mut *self.writer);
        }
    }
}

const LAYER: usize = 0;
const TILE: usize = 1;

impl<'w> Timeline<'w> {
    pub(super) fn new(writer: Box<dyn Writer + 'w>, machine: &Machine, options: &TraceOptions) -> Self {
        let mut sink = Sink { writer, result: Ok(()) };
        sink.put(|writer| writer.begin(options.from));
        Self {
            sink,
            program: machine.program().clone(),
            model: EnergyModel::of(machine.description()),
            from: options.from,
            to: options.to,
            open_sections: [None; 2],
            announced: [None; Unit::ALL.len()],
            changes: Vec::new(),
            windows: Windows::new(options.from, options.to, options.window_cycles),
            n_spans: 0,
            max_pending: 0,
        }
    }

    /// Writes what can no longer change. To be called between two slices of a run.
    pub(super) fn settle(&mut self, machine: &Machine) -> io::Result<()> {
        let now = machine.now();
        for unit in Unit::ALL {
            let status = machine.unit_status(unit);
            if status.since < now && now > self.from {
                self.announce(Change {
                    unit,
                    activity: status.activity,
                    pc: status.pc,
                    layer: status.layer,
                    at: status.since,
                });
            }
        }
        self.max_pending = self.max_pending.max(self.changes.len() + self.windows.n_pending());
        let settled = machine.oldest_start().map_or(now, |start| start.min(now));
        self.changes.sort_by_key(|change| (change.at, change.unit.index()));
        while let Some(window) = self.windows.pop_before(settled) {
            self.write_window(window);
        }
        let first_pending = self.windows.first_pending();
        self.write_changes(|change| change.at < first_pending.min(settled));
        std::mem::replace(&mut self.sink.result, Ok(()))
    }

    /// Writes the rest.
    pub(super) fn finish(mut self, machine: &Machine) -> io::Result<TraceSummary> {
        self.settle(machine)?;
        let end = machine.now().min(self.to).max(self.from);
        self.close_section(LAYER, end);
        self.close_section(TILE, end);
        for window in self.windows.take_until(end) {
            self.write_window(window);
        }
        self.write_changes(|_| true);
        self.sink.put(|writer| writer.end(end));
        self.sink.result.map(|()| TraceSummary {
            from: self.from,
            to: end,
            n_spans: self.n_spans,
            max_pending: self.max_pending,
        })
    }

    /// Writes a window with what passes whatever happens, behind the changes before it.
    fn write_window(&mut self, window: Window) {
        self.write_changes(|change| change.at < window.start);
        let idle_until = |cycle: u64| self.model.of_cycles(cycle).total().0;
        let energy_fj = window.energy_fj + idle_until(window.end) - idle_until(window.start);
        self.sink.put(|writer| writer.window(&Window { energy_fj, ..window }));
    }

    fn write_changes(&mut self, is_due: impl Fn(&Change) -> bool) {
        let n_due = self.changes.partition_point(is_due);
        for change in self.changes.drain(..n_due) {
            self.sink.put(|writer| writer.change(&change));
        }
    }

    /// Queues the start of a status, unless that has been done before.
    fn announce(&mut self, change: Change) {
        let index = change.unit.index();
        if self.announced[index] == Some(change.at) || change.at >= self.to {
            return;
        }
        self.announced[index] = Some(change.at);
        let at = change.at.max(self.from);
        self.changes.push(Change { at, ..change });
    }

    fn span(&mut self, span: Span) {
        let (start, end) = (span.start.max(self.from), span.end.min(self.to));
        if start >= end {
            return;
        }
        self.announce(Change {
            unit: span.unit,
            activity: span.activity,
            pc: span.pc,
            layer: span.layer,
            at: span.start,
        });
        self.n_spans += 1;
        self.sink.put(|writer| writer.span(&Span { start, end, ..span }));
    }

    /// Notes that the sequencer passes a mark.
    fn mark(&mut self, kind: MarkKind, id: u32, at: u64) {
        self.close_section(TILE, at);
        let index = match kind {
            MarkKind::Layer => {
                self.close_section(LAYER, at);
                LAYER
            }
            MarkKind::Tile => TILE,
        };
        self.open_sections[index] = Some((id, at));
    }

    fn close_section(&mut self, index: usize, at: u64) {
        let Some((id, since)) = self.open_sections[index].take() else {
            return;
        };
        let kind = if index == LAYER {
            MarkKind::Layer
        } else {
            MarkKind::Tile
        };
        let (start, end) = (since.max(self.from), at.min(self.to));
        if start < end {
            self.sink
                .put(|writer| writer.section(&Section { kind, id, start, end }));
        }
    }
}

impl Observer for Timeline<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            &Event::Span {
                unit,
                activity,
                pc,
                layer,
                start,
                end,
            } => self.span(Span {
                unit,
                activity,
                pc,
                layer,
                start,
                end,
            }),
            Event::Completed {
                unit,
                pc,
                start,
                end,
                counts,
                ..
            } => {
                let op = self.program.code.get(*pc as usize).map(|i| i.op);
                if let (Unit::Seq, Some(Op::Mark { kind, id })) = (*unit, op) {
                    self.mark(kind, id.0 as u32, *start);
                }
                let dram_bytes = counts.dram_read_bytes + counts.dram_write_bytes;
                let energy_fj = self.model.of_events(counts).total().0;
                self.windows.spread(*start, *end, dram_bytes, energy_fj);
            }
        }
    }
}
