//! Stages in pieces: boxes of equal size that are loaded, computed and stored one after the other.
//!
//! Every axis is cut into as many pieces as needed, all of one size: where the size does not divide the axis, the last piece begins
//! earlier and computes a few results a second time. So no size of a program stands in a register. A plan is the sizes with the least
//! estimated time by the latency formulas; inputs and outputs have two buffers each where that fits.

use super::FitError;
use super::emitter::Emitter;
use super::handover::Ring;
use systole_isa::operand::{Reg, Token};
use systole_isa::{MachineDescription, Op, Unit};

pub(super) const INPUT_FULL: Token = Token::at(0);
pub(super) const INPUT_FREE: Token = Token::at(1);
pub(super) const ACC_FULL: Token = Token::at(4);
pub(super) const ACC_FREE: Token = Token::at(5);
pub(super) const OUTPUT_FULL: Token = Token::at(6);
pub(super) const OUTPUT_FREE: Token = Token::at(7);

/// Index of the first element of the present piece along each axis.
const AT: [Reg; 8] = [
    Reg::at(1),
    Reg::at(2),
    Reg::at(3),
    Reg::at(4),
    Reg::at(5),
    Reg::at(6),
    Reg::at(7),
    Reg::at(8),
];
const SCRATCH: Reg = Reg::at(9);
/// Byte offsets of what is loaded and stored.
pub(super) const OFFSETS: [Reg; 4] = [Reg::at(10), Reg::at(11), Reg::at(12), Reg::at(13)];
/// Byte offsets of the present buffers.
pub(super) const BUFFERS: [Reg; 4] = [Reg::at(14), Reg::at(15), Reg::at(16), Reg::at(17)];

/// Most elements that an instruction may process.
pub(super) const MAX_ELEMENTS: u64 = 1 << 24;
/// Cycles between the request of a burst and its data, roughly.
const DRAM_LATENCY_CYCLES: u64 = 60;
/// Cycles of the sequencer per piece, roughly.
const SEQUENCER_CYCLES: u64 = 24;
/// Smaller pieces than this many are not worth looking at once they fit.
const ENOUGH_PIECES: u64 = 64;

/// An axis along which a stage is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Length of the axis.
    pub(super) total: u64,
    /// Length of a piece.
    pub(super) size: u64,
}

impl Cut {
    pub(super) fn n_pieces(self) -> u64 {
        self.total.div_ceil(self.size)
    }

    /// The next smaller size worth a look.
    fn smaller(self) -> Option<Self> {
        let n_pieces = self.n_pieces() + self.n_pieces().div_ceil(4);
        let size = self.total.div_ceil(n_pieces).min(self.size.saturating_sub(1));
        (size > 0).then_some(Self { size, ..self })
    }
}

/// What a piece needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PieceWork {
    /// Bytes of scratchpad of one buffer of everything that is loaded and stored per piece.
    pub(super) spm: u64,
    /// Bytes of scratchpad of what stays.
    pub(super) spm_fixed: u64,
    /// Bytes of accumulators.
    pub(super) acc: u64,
    /// Elements of the largest instruction.
    pub(super) elements: u64,
    /// Cycles of the DRAM, of loads and of stores.
    pub(super) loads: u64,
    pub(super) stores: u64,
    /// Cycles of the unit that computes.
    pub(super) compute: u64,
}

/// Sizes of pieces, and how many buffers there are.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) cuts: Vec<Cut>,
    pub(super) n_buffers: u64,
    pub(super) cycles: u64,
}

impl Plan {
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.cuts.iter().map(|cut| cut.size).collect()
    }
}

fn n_pieces(cuts: &[Cut]) -> u64 {
    cuts.iter().map(|cut| cut.n_pieces()).product()
}

fn fits(work: &PieceWork, n_buffers: u64, machine: &MachineDescription) -> bool {
    n_buffers * work.spm + work.spm_fixed <= machine.spm.capacity_bytes()
        && work.acc <= machine.acc.capacity_bytes()
        && work.elements <= MAX_ELEMENTS
}

/// Estimated cycles of a stage in so many pieces.
fn cycles(work: &PieceWork, n_pieces: u64, n_buffers: u64) -> u64 {
    let dram = work.loads + work.stores;
    let ends = dram + work.compute + 2 * DRAM_LATENCY_CYCLES;
    match n_buffers {
        1 => n_pieces * (dram + work.compute + 2 * DRAM_LATENCY_CYCLES),
        _ => (n_pieces - 1) * dram.max(work.compute).max(SEQUENCER_CYCLES) + ends,
    }
}

/// Chooses the sizes of pieces, from `cuts` on downwards.
///
/// # Errors
/// What the smallest pieces need.
pub(super) fn plan(
    cuts: &[Cut],
    machine: &MachineDescription,
    work: impl Fn(&[u64]) -> PieceWork,
) -> Result<Plan, PieceWork> {
    let of = |cuts: &[Cut]| work(&cuts.iter().map(|cut| cut.size).collect::<Vec<_>>());
    let mut cuts = cuts.to_vec();
    let mut best: Option<Plan> = None;
    loop {
        let (present, n) = (of(&cuts), n_pieces(&cuts));
        for n_buffers in [1, 2] {
            if (n_buffers == 1 || n > 1) && fits(&present, n_buffers, machine) {
                let cycles = cycles(&present, n, n_buffers);
                if best.as_ref().is_none_or(|best| cycles < best.cycles) {
                    best = Some(Plan {
                        cuts: cuts.clone(),
                        n_buffers,
                        cycles,
                    });
                }
            }
        }
        if best.is_some() && (n >= ENOUGH_PIECES || best.as_ref().is_some_and(|best| n > 8 * n_pieces(&best.cuts))) {
            break;
        }
        // Of all axes the one whose cut costs least among those that make the piece smaller.
        let next = (0..cuts.len()).filter_map(|axis| {
            let mut next = cuts.clone();
            next[axis] = next[axis].smaller()?;
            let smaller = of(&next);
            let shrinks = smaller.spm + smaller.spm_fixed < present.spm + present.spm_fixed
                || smaller.acc < present.acc
                || smaller.elements < present.elements;
            shrinks.then(|| (cycles(&smaller, n_pieces(&next), 2), next))
        });
        match next.min_by_key(|(cycles, _)| *cycles) {
            Some((_, next)) => cuts = next,
            None => break,
        }
    }
    best.ok_or_else(|| of(&cuts))
}

/// The error that a stage does not fit even in the pieces that need this.
pub(super) fn does_not_fit(layer: &str, work: &PieceWork, machine: &MachineDescription) -> FitError {
    FitError::new(layer, work.spm + work.spm_fixed, work.acc, machine)
}

/// Cycles in which the DRAM moves `n_runs` runs of `bytes` each.
pub(super) fn dram_cycles(machine: &MachineDescription, n_runs: u64, bytes: u64) -> u64 {
    let burst = machine.dram.standard.organization().burst_bytes;
    let moved = match n_runs {
        1 => bytes.next_multiple_of(burst),
        _ => n_runs * (bytes.next_multiple_of(burst) + burst / 2),
    };
    (moved as f64 / machine.peak_dram_bytes_per_cycle() * 1.08) as u64 + 8
}

/// Cycles in which the DRAM moves a box of (length, stride) axes, outermost first.
pub(super) fn box_cycles(machine: &MachineDescription, axes: &[(u64, i64)]) -> u64 {
    let (mut run, mut n_runs) = (1, 1);
    for &(length, stride) in axes.iter().rev().filter(|(length, stride)| *length > 1 && *stride != 0) {
        if n_runs == 1 && stride == run as i64 {
            run *= length;
        } else {
            n_runs *= length;
        }
    }
    dram_cycles(machine, n_runs, run)
}

/// The walk over all pieces, outermost axis first.
pub(super) struct Walk<'a> {
    pub(super) cuts: &'a [Cut],
}

impl Walk<'_> {
    /// The register with the index of the present piece's first element, if there is more than one piece along the axis.
    pub(super) fn at(&self, axis: usize) -> Option<Reg> {
        let cut = self.cuts.get(axis)?;
        (cut.n_pieces() > 1).then_some(AT[axis])
    }

    /// Runs `body` for every piece.
    pub(super) fn each(&self, e: &mut Emitter, body: impl FnOnce(&mut Emitter)) {
        self.nest(e, 0, Box::new(body));
    }

    fn nest<'b>(&'b self, e: &mut Emitter, axis: usize, body: Box<dyn FnOnce(&mut Emitter) + 'b>) {
        let Some(&cut) = self.cuts.get(axis) else {
            return body(e);
        };
        let Some(at) = self.at(axis) else {
            return self.nest(e, axis + 1, body);
        };
        e.set(at, 0);
        e.repeat(cut.n_pieces(), |e| {
            self.nest(e, axis + 1, body);
            e.add(at, cut.size as i64);
            if !cut.total.is_multiple_of(cut.size) {
                e.op(Op::Min {
                    rd: at,
                    ra: at,
                    b: ((cut.total - cut.size) as i64).into(),
                });
            }
        });
    }

    /// Puts the sum of index times stride over all axes into `register`, or says that it is zero for every piece. Strides of axes that are
    /// left out are zero.
    pub(super) fn offset(&self, e: &mut Emitter, register: Reg, strides: &[i64]) -> Reg {
        let moving = strides.iter().enumerate().filter(|(_, stride)| **stride != 0);
        let mut result = Reg::ZERO;
        for (at, stride) in moving.filter_map(|(axis, &stride)| Some((self.at(axis)?, stride))) {
            let term = if result == Reg::ZERO { register } else { SCRATCH };
            e.op(Op::Mul {
                rd: term,
                ra: at,
                b: stride.into(),
            });
            if result != Reg::ZERO {
                e.add(register, SCRATCH);
            }
            result = register;
        }
        result
    }
}

/// The rings of inputs, which the vector unit frees, and of outputs.
pub(super) fn rings(n_buffers: u64) -> [Ring; 2] {
    [
        Ring::new(INPUT_FREE, n_buffers, Unit::Vx),
        Ring::new(OUTPUT_FREE, n_buffers, Unit::St),
    ]
}

/// Begins every ring at its first buffer.
pub(super) fn begin_buffers(e: &mut Emitter, n_buffers: u64) {
    if n_buffers > 1 {
        BUFFERS.iter().for_each(|&register| e.set(register, 0));
    }
}

/// The register with the offset of the present buffer of a ring.
pub(super) fn buffer(ring: usize, n_buffers: u64) -> Reg {
    if n_buffers > 1 { BUFFERS[ring] } else { Reg::ZERO }
}
