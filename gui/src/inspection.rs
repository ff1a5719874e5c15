//! Close-ups of the simulator's machine: one PE with its past and its operands, stretches of memory, DRAM banks, layers.
//!
//! What the scratchpad holds is told by the transfers: each that completes names the tensor on its other side.

use crate::engine::Engine;
use crate::frame::N_UNITS;
use crate::inspect::{
    Bound, CloseUp, DramChannel, Focus, LayerState, MemoryContent, MemorySpace, MemoryWindow, Operand, PeCloseUp,
    PeMoment, Piece, Sum,
};
use crate::model_graph::TensorNames;
use crate::simulation::pe_state;
use std::collections::VecDeque;
use std::sync::Arc;
use systole_isa::operand::Space;
use systole_isa::program::SymbolKind;
use systole_isa::{ElementFormat, Program, Unit};
use systole_simulator::observer::Transfer;
use systole_simulator::pe_view::{Detail, Origin, Region};
use systole_simulator::{Event, Machine, Observer, Status};

/// Cycles of a PE's past that are shown.
const N_MOMENTS: u64 = 16;

/// Cycles by which the machine that is kept for replays may be older than the past that is shown.
const MAX_REPLAY: u64 = 64;

/// Cycles that are replayed at most when a PE is chosen.
const MAX_FIRST_REPLAY: u64 = 50_000;

/// Transfers that are remembered; the scratchpad is usually filled anew by fewer.
const MAX_TRANSFERS: usize = 4_096;

/// Names of the formats in which memory can be shown, by the index that windows use.
pub fn format_names() -> impl Iterator<Item = &'static str> {
    ElementFormat::ALL.iter().map(|format| format.word())
}

/// What is needed for close-ups besides the machine.
pub(crate) struct Inspection {
    pub(crate) focus: Focus,
    names: TensorNames,
    symbols: Vec<Piece>,
    /// Transfers in order of their end.
    transfers: VecDeque<Held>,
    /// The machine some cycles ago, from which the past of a PE is replayed.
    recent: Option<Machine>,
}

/// A tensor in a memory on chip, since a transfer put it there or took it from there.
struct Held {
    space: MemorySpace,
    piece: Piece,
}

impl Inspection {
    /// Nothing has happened yet.
    pub(crate) fn new(program: &Program, names: TensorNames) -> Self {
        Self {
            focus: Focus::default(),
            symbols: symbol_pieces(program),
            names,
            transfers: VecDeque::new(),
            recent: None,
        }
    }

    /// Sees to it that the past can be replayed once the machine has come from cycle `now` to `target`; returns the cycle at which the
    /// machine is to be kept on the way, if it is.
    pub(crate) fn stop_on_the_way(&mut self, now: u64, target: u64) -> Option<u64> {
        self.focus.pe?;
        let from = target.saturating_sub(N_MOMENTS);
        if from > now {
            return Some(from);
        }
        match &mut self.recent {
            Some(recent) if from.saturating_sub(recent.now()) > MAX_REPLAY => {
                recent.advance_to(from, &mut ());
                None
            }
            Some(_) => None,
            None => Some(now),
        }
    }

    /// Looks at something else; `before` is the machine at an earlier cycle, from which the past of a newly chosen PE is replayed if it
    /// is not too far away.
    pub(crate) fn look_at(&mut self, focus: &Focus, before: impl FnOnce(u64) -> Machine, now: u64) {
        self.focus = focus.clone();
        self.look_back(before, now);
    }

    /// Keeps an earlier machine for the past of the PE in focus, if none is kept; `before` and `now` as for [`look_at`](Self::look_at).
    pub(crate) fn look_back(&mut self, before: impl FnOnce(u64) -> Machine, now: u64) {
        if self.focus.pe.is_some() && self.recent.is_none() {
            let from = now.saturating_sub(N_MOMENTS);
            let mut machine = before(from);
            if from.saturating_sub(machine.now()) <= MAX_FIRST_REPLAY {
                machine.advance_to(from, &mut ());
                self.recent = Some(machine);
            }
        }
    }

    /// Keeps the machine for replays.
    pub(crate) fn keep(&mut self, machine: &Machine) {
        self.recent = Some(machine.clone());
    }

    /// Forgets what happened in cycle `cycle` or later.
    pub(crate) fn truncate(&mut self, cycle: u64) {
        while self
            .transfers
            .back()
            .is_some_and(|held| held.piece.since.is_some_and(|(end, _)| end > cycle))
        {
            self.transfers.pop_back();
        }
        self.recent = None;
    }

    /// Everything that is in focus.
    pub(crate) fn close_up(&self, machine: &Machine) -> CloseUp {
        CloseUp {
            pe: self.focus.pe.and_then(|pe| self.pe(machine, pe)),
            memory: self.memory(machine, self.focus.memory),
            channels: machine.dram_channels().into_iter().map(channel).collect(),
            layers: layers(machine),
        }
    }

    fn pe(&self, machine: &Machine, (row_idx, col_idx): (usize, usize)) -> Option<PeCloseUp> {
        let description = machine.description();
        if row_idx >= description.rows as usize || col_idx >= description.cols as usize {
            return None;
        }
        let origins = machine.pe_origins(row_idx, col_idx);
        let history = self.history(machine, (row_idx, col_idx));
        let actual = history.last().and_then(|moment| moment.partial_sum);
        Some(PeCloseUp {
            row_idx,
            col_idx,
            weights: origins.weights.iter().map(|origin| self.operand(origin)).collect(),
            activations: origins.activations.iter().map(|origin| self.operand(origin)).collect(),
            sum: origins.sum.map(|sum| Sum {
                row: sum.row,
                column: sum.column,
                address: sum.address,
                n_terms: sum.n_terms,
                expected: sum.expected,
                actual,
                pc: sum.pc,
            }),
            history,
        })
    }

    /// The last moments of a PE: replayed from the machine that was kept, if it is old enough, else the present one alone.
    fn history(&self, machine: &Machine, pe: (usize, usize)) -> Vec<PeMoment> {
        let now = machine.now();
        let is_past = |recent: &&Machine| recent.now() < now && now - recent.now() <= 2 * MAX_REPLAY + N_MOMENTS;
        let mut moments = Vec::new();
        if let Some(recent) = self.recent.as_ref().filter(is_past) {
            let mut past = recent.clone();
            past.advance_to(now.saturating_sub(N_MOMENTS), &mut ());
            while past.now() + 1 < now && *past.status() == Status::Running {
                past.step_cycle(&mut ());
                moments.extend(moment(&past, pe));
            }
        }
        moments.extend(moment(machine, pe));
        moments
    }

    fn operand(&self, origin: &Origin) -> Operand {
        let (space, address) = (space_of(origin.space), origin.bit_address.map(|bit| bit / 8));
        Operand {
            value: origin.value,
            tensor: address.and_then(|address| self.tensor_at(space, address)),
            row: origin.row,
            column: origin.column,
            space,
            address,
            format: origin.format.word(),
            pc: origin.pc,
        }
    }

    /// The tensor that a byte belongs to.
    fn tensor_at(&self, space: MemorySpace, address: u64) -> Option<Arc<str>> {
        let holds = |piece: &Piece| (piece.start..piece.end).contains(&address);
        match space {
            MemorySpace::Dram => self.names.at(address).map(|(_, name)| Arc::clone(name)),
            MemorySpace::Spm | MemorySpace::Acc => {
                let transfers = self.transfers.iter().rev().filter(|held| held.space == space);
                let newest = transfers.map(|held| &held.piece).find(|piece| holds(piece));
                newest.map(|piece| Arc::clone(&piece.name))
            }
        }
    }

    fn memory(&self, machine: &Machine, wanted: MemoryWindow) -> MemoryContent {
        let memory = machine.memory(isa_space(wanted.space));
        let capacity_bytes = memory.capacity_bytes();
        let n_bytes = (wanted.n_bytes as u64).min(capacity_bytes);
        let window = MemoryWindow {
            address: wanted.address.min(capacity_bytes - n_bytes),
            n_bytes: n_bytes as usize,
            ..wanted
        };
        let mut bytes = vec![0; window.n_bytes];
        memory.read(window.address, &mut bytes);
        let format = ElementFormat::ALL[window.format_idx % ElementFormat::ALL.len()];
        MemoryContent {
            window,
            capacity_bytes,
            elements: elements(&bytes, format),
            element_bits: format.bits(),
            bytes,
            pieces: self.pieces(wanted.space),
        }
    }

    /// What lies where, oldest first. Pieces that newer ones cover entirely are left out.
    fn pieces(&self, space: MemorySpace) -> Vec<Piece> {
        if space == MemorySpace::Dram {
            let pieces = self
                .names
                .iter()
                .enumerate()
                .map(|(tensor_idx, (start, end, name))| Piece {
                    start: *start,
                    end: *end,
                    name: Arc::clone(name),
                    tensor_idx,
                    since: None,
                });
            return pieces.collect();
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for held in self.transfers.iter().rev().filter(|held| held.space == space) {
            let piece = &held.piece;
            if !pieces
                .iter()
                .any(|newer| newer.start <= piece.start && piece.end <= newer.end)
            {
                pieces.push(piece.clone());
            }
        }
        let kind = |piece: &&Piece| piece.tensor_idx == space as usize;
        pieces.extend(self.symbols.iter().filter(kind).cloned());
        pieces.reverse();
        pieces
    }

    /// Writes bytes into the machine that replays start from as well: there is none any more.
    pub(crate) fn edited(&mut self) {
        self.recent = None;
    }
}

impl Observer for Inspection {
    fn event(&mut self, _: &Event) {}

    fn transfer(&mut self, transfer: &Transfer<'_>) {
        let (on_chip, dram) = match transfer.unit {
            Unit::Ld => (transfer.dst, transfer.src),
            _ => (transfer.src, transfer.dst),
        };
        let span = |view: &systole_isa::Descriptor| view.byte_span(0, transfer.m, 0, transfer.n);
        let (Some((start, end)), Some((address, _))) = (span(on_chip), span(dram)) else {
            return;
        };
        let (Ok(start), Ok(end), Ok(address)) = (u64::try_from(start), u64::try_from(end), u64::try_from(address))
        else {
            return;
        };
        let Some((tensor_idx, name)) = self.names.at(address) else {
            return;
        };
        if self.transfers.len() == MAX_TRANSFERS {
            self.transfers.pop_front();
        }
        self.transfers.push_back(Held {
            space: space_of(on_chip.space),
            piece: Piece {
                start,
                end,
                name: Arc::clone(name),
                tensor_idx,
                since: Some((transfer.end, transfer.pc)),
            },
        });
    }
}

/// A way to write into memory by way of an engine, checked against the size of the memory.
pub(crate) fn check_range(
    machine: &Machine,
    space: MemorySpace,
    address: u64,
    n_bytes: usize,
) -> Result<Space, String> {
    let memory = machine.memory(isa_space(space));
    if memory.holds(address, n_bytes as u64) {
        return Ok(isa_space(space));
    }
    Err(format!(
        "{} has {} bytes; {n_bytes} at address {address:#x} do not lie inside. Choose a smaller address.",
        space.name(),
        memory.capacity_bytes()
    ))
}

/// A place in memory whose changes pause a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) space: MemorySpace,
    pub(crate) address: u64,
    pub(crate) n_bytes: usize,
    /// Its bytes when last looked at.
    pub(crate) before: Vec<u8>,
}

impl Watch {
    /// Whether its bytes differ from those at the last look.
    pub(crate) fn has_changed(&mut self, engine: &dyn Engine) -> bool {
        let now = engine.read_memory(self.space, self.address, self.n_bytes);
        let has_changed = now != self.before;
        self.before = now;
        has_changed
    }
}

fn symbol_pieces(program: &Program) -> Vec<Piece> {
    let space = |kind| match kind {
        SymbolKind::Spm => Some(MemorySpace::Spm),
        SymbolKind::Acc => Some(MemorySpace::Acc),
        SymbolKind::Label | SymbolKind::Dram => None,
    };
    let symbols = program.symbols.iter().filter(|symbol| symbol.size > 0);
    symbols
        .filter_map(|symbol| {
            Some(Piece {
                start: symbol.value,
                end: symbol.value.saturating_add(symbol.size),
                name: Arc::from(symbol.name.as_str()),
                tensor_idx: space(symbol.kind)? as usize,
                since: None,
            })
        })
        .collect()
}

fn moment(machine: &Machine, (row_idx, col_idx): (usize, usize)) -> Option<PeMoment> {
    let cell = Region::of_cell(row_idx, col_idx);
    let view = machine.pe_view_of(&Detail {
        cells: cell.clone(),
        sums: cell,
    });
    let cell = view.cell(row_idx, col_idx);
    (machine.now() > 0).then(|| PeMoment {
        cycle: view.cycle,
        state: pe_state(cell.state),
        weights: view.pack(cell.weights).to_vec(),
        next_weights: view.pack(cell.shadows).to_vec(),
        activations: view.pack(cell.activations).to_vec(),
        partial_sum: cell.partial_sum.or(cell.drain),
    })
}

fn channel(view: systole_simulator::machine::DramChannelView) -> DramChannel {
    DramChannel {
        open_rows: view.open_rows,
        n_reads: view.n_reads,
        n_writes: view.n_writes,
    }
}

fn layers(machine: &Machine) -> Vec<LayerState> {
    let mut end_before = machine.layers().first().map_or(0, |layer| layer.end);
    let slots = machine.layers().iter().skip(1);
    slots
        .map(|layer| {
            let cycles = layer.end.saturating_sub(end_before);
            end_before = end_before.max(layer.end);
            let counts = &layer.counts;
            let has_completed_work = cycles > 0 && layer.busy.iter().any(|&busy| busy > 0);
            LayerState {
                busy_cycles: busy_cycles(&layer.busy),
                cycles,
                macs: counts.macs,
                dram_bytes: counts.dram_read_bytes + counts.dram_write_bytes,
                bound: has_completed_work
                    .then(|| Bound::from_name(systole_simulator::report::bound_by(&layer.busy, cycles)))
                    .flatten(),
            }
        })
        .collect()
}

fn busy_cycles(busy: &[u64]) -> [u64; N_UNITS] {
    std::array::from_fn(|idx| busy.get(idx).copied().unwrap_or(0))
}

/// Values of bytes in a format, lowest bits first; a rest of less than an element is left out.
fn elements(bytes: &[u8], format: ElementFormat) -> Vec<i32> {
    let bits = format.bits() as usize;
    let pattern = |idx: usize| {
        let first = idx * bits;
        let n_bytes = bits.div_ceil(8);
        let whole = (0..n_bytes).map(|i| u32::from(bytes[first / 8 + i]) << (8 * i));
        whole.fold(0, |pattern, byte| pattern | byte) >> (first % 8)
    };
    (0..bytes.len() * 8 / bits)
        .map(|idx| format.decode(pattern(idx)))
        .collect()
}

fn space_of(space: Space) -> MemorySpace {
    match space {
        Space::Spm => MemorySpace::Spm,
        Space::Acc => MemorySpace::Acc,
        Space::Dram => MemorySpace::Dram,
    }
}

pub(crate) fn isa_space(space: MemorySpace) -> Space {
    match space {
        MemorySpace::Spm => Space::Spm,
        MemorySpace::Acc => Space::Acc,
        MemorySpace::Dram => Space::Dram,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_every_format() {
        let bytes = [0x80, 0x7f, 0xff, 0x01];
        assert_eq!(elements(&bytes, ElementFormat::I8), [-128, 127, -1, 1]);
        assert_eq!(elements(&bytes, ElementFormat::U8), [128, 127, 255, 1]);
        assert_eq!(elements(&bytes, ElementFormat::I16), [0x7f80, 0x01ff]);
        assert_eq!(elements(&bytes, ElementFormat::I32), [0x01ff_7f80]);
        assert_eq!(elements(&bytes, ElementFormat::I4), [0, -8, -1, 7, -1, -1, 1, 0]);
        assert_eq!(
            elements(&bytes[..1], ElementFormat::B1),
            [-1, -1, -1, -1, -1, -1, -1, 1]
        );
        assert_eq!(elements(&bytes[..3], ElementFormat::I16), [0x7f80]);
    }
}
