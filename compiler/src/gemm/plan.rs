//! What a matrix product becomes: the dataflow's tiles, how sparse weights are encoded, and blocks that fit the memories.

use super::{Dataflow, Gemm};
use crate::codegen::TilingPolicy;
use crate::codegen::tiling::{DoesNotFit, PARAMETER_BYTES, aligned};
use std::ops::Range;
use systole_isa::operand::Pattern;
use systole_isa::throughput::Rate;
use systole_isa::{ElementFormat, FormatPair, MachineDescription};

/// Blocks that a mask in a register can tell apart.
const MAX_BLOCKS: u64 = 64;
/// Elements to which rows are padded, so that every row begins at a whole byte whatever the format.
pub(super) const ROW_ALIGNMENT: u64 = 8;

/// How weights that are zero are dealt with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Encoding {
    /// There are none.
    Dense,
    /// They are stored and multiplied; their multipliers may be gated.
    Zeros,
    /// Whole blocks of `2^block` rows of K are zero and left out; the pattern of live blocks repeats every `period` rows.
    Blocks { block: u32, period: u64 },
    /// N of M neighbours along K are stored with their positions.
    Pattern(Pattern),
}

impl Encoding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Zeros => "gating",
            Self::Blocks { .. } => "skip",
            Self::Pattern(_) => "n_m",
        }
    }
}

/// Sizes of a block whose operands are in the scratchpad at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) m: u64,
    pub(super) n: u64,
    pub(super) k: u64,
}

/// A matrix product with everything decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) gemm: Gemm,
    pub(super) rate: Rate,
    pub(super) encoding: Encoding,
    /// Rows and columns of the array, as far as instructions can say them.
    pub(super) rows: u64,
    pub(super) cols: u64,
    /// Rows of K that one instruction brings into the array (or through it, where sums stay).
    pub(super) k_tile: u64,
    /// Rows of K, filled up to whole groups.
    pub(super) k: u64,
    pub(super) block: Block,
    /// Buffers for the operands of a block.
    pub(super) n_buffers: u64,
}

/// Live blocks among the first `n`: the share `density` of them, spread evenly, the first one always.
fn n_live_blocks(n: u64, density: f64) -> u64 {
    (n as f64 * density).ceil() as u64
}

impl Plan {
    pub(super) fn new(gemm: Gemm, machine: &MachineDescription, policy: TilingPolicy) -> Result<Self, DoesNotFit> {
        let pair = FormatPair {
            weights: gemm.weights,
            activations: gemm.activations,
        };
        let rate = machine.rate(pair);
        // The sizes of an output-stationary product have ten bits.
        let side = |n: u32| u64::from(n).min(1023);
        let mut plan = Self {
            gemm,
            rate,
            encoding: Encoding::Dense,
            rows: side(machine.rows),
            cols: side(machine.cols),
            k_tile: 0,
            k: gemm.k,
            block: Block {
                m: gemm.m,
                n: gemm.n,
                k: gemm.k,
            },
            n_buffers: 1,
        };
        plan.encode(machine);
        if let Encoding::Pattern(pattern) = plan.encoding {
            plan.k = gemm.k.next_multiple_of(pattern.group());
            plan.block.k = plan.k;
        }
        if policy == TilingPolicy::Resident {
            plan.shrink_to_masks();
            return plan.fits(machine).map(|()| plan);
        }
        plan.n_buffers = 2;
        while let Err(needs) = plan.fits(machine) {
            if !plan.shrink(machine) {
                return Err(needs);
            }
        }
        plan.shrink_to_masks();
        Ok(plan)
    }

    /// Chooses encoding and length of a tile.
    fn encode(&mut self, machine: &MachineDescription) {
        let (gemm, most) = (&self.gemm, self.rows * self.rate.packing());
        self.k_tile = match gemm.dataflow {
            Dataflow::Ws => most,
            Dataflow::Os => self.k,
            // Tiles of activations begin at whole bytes.
            Dataflow::Is => (1..=most)
                .rev()
                .find(|k| k * u64::from(gemm.activations.bits()) % 8 == 0)
                .unwrap_or(ROW_ALIGNMENT),
        };
        if gemm.density >= 1.0 {
            return;
        }
        let pattern = match gemm.density {
            0.25 => Some(Pattern::OneOf4),
            0.5 => Some(Pattern::TwoOf4),
            _ => None,
        };
        if let Some(pattern) = pattern
            && gemm.dataflow == Dataflow::Ws
            && machine.sparsity.n_m
            && most >= pattern.kept()
            // A bit has no zero to fill up the last group with.
            && (gemm.weights != ElementFormat::B1 || self.k.is_multiple_of(pattern.group()))
        {
            self.encoding = Encoding::Pattern(pattern);
            self.k_tile = most / pattern.kept() * pattern.group();
        } else if machine.sparsity.skip && gemm.dataflow != Dataflow::Is {
            let block = (most / ROW_ALIGNMENT).max(1).ilog2().min(7);
            // Where sums stay, a reduction may be of any length.
            let fits = |n: &u64| gemm.dataflow == Dataflow::Os || n_live_blocks(*n, gemm.density) << block <= most;
            let n_blocks = (1..=MAX_BLOCKS).rev().find(fits).unwrap_or(1);
            let period = n_blocks << block;
            self.encoding = Encoding::Blocks { block, period };
            if gemm.dataflow == Dataflow::Ws {
                self.k_tile = period;
            }
        } else if gemm.weights != ElementFormat::B1 {
            self.encoding = Encoding::Zeros;
        }
    }

    /// Where sums stay, one mask covers a whole block of K.
    fn shrink_to_masks(&mut self) {
        if let (Encoding::Blocks { period, .. }, Dataflow::Os) = (self.encoding, self.gemm.dataflow) {
            self.block.k = self.block.k.min(period.next_multiple_of(self.k_unit()));
            self.k_tile = self.block.k;
        }
    }

    /// Blocks of K begin at tiles and at whole bytes.
    fn k_unit(&self) -> u64 {
        match (self.gemm.dataflow, self.encoding) {
            (Dataflow::Os, Encoding::Blocks { period, .. }) => lcm(period, ROW_ALIGNMENT),
            (Dataflow::Os, _) => ROW_ALIGNMENT,
            (Dataflow::Ws | Dataflow::Is, _) => lcm(self.k_tile, ROW_ALIGNMENT),
        }
    }

    /// Makes the block smaller where it is largest; `false` if it is as small as it can be.
    fn shrink(&mut self, machine: &MachineDescription) -> bool {
        let (m_unit, n_unit, k_unit) = (self.m_unit(), self.cols, self.k_unit());
        let half = |size: u64, unit: u64| (size > unit).then(|| (size.div_ceil(unit) / 2).max(1) * unit);
        let Block { m, n, k } = self.block;
        let acc_is_full = self.acc_bytes() > machine.acc.capacity_bytes();
        let by_k = half(k, k_unit).filter(|_| !acc_is_full);
        let by_m = half(m, m_unit).map(|m| Block { m, ..self.block });
        let by_n = half(n, n_unit).map(|n| Block { n, ..self.block });
        let smaller = by_k.map(|k| Block { k, ..self.block });
        let smaller = smaller.or(if m >= n { by_m.or(by_n) } else { by_n.or(by_m) });
        if let Some(block) = smaller {
            self.block = block;
        }
        smaller.is_some()
    }

    fn m_unit(&self) -> u64 {
        match self.gemm.dataflow {
            Dataflow::Ws => 1,
            Dataflow::Os => self.rows,
            Dataflow::Is => self.cols,
        }
    }

    fn fits(&self, machine: &MachineDescription) -> Result<(), DoesNotFit> {
        let needs = DoesNotFit {
            spm_needed: self.rings().map(|(bytes, n)| bytes * n).into_iter().sum(),
            acc_needed: self.acc_bytes(),
        };
        let (spm, acc) = (machine.spm.capacity_bytes(), machine.acc.capacity_bytes());
        if needs.spm_needed <= spm && needs.acc_needed <= acc {
            Ok(())
        } else {
            Err(needs)
        }
    }

    fn acc_bytes(&self) -> u64 {
        4 * self.block.m * self.block.n
    }

    /// Bytes and number of buffers of activations, weights, positions, outputs and parameters in the scratchpad.
    pub(super) fn rings(&self) -> [(u64, u64); 5] {
        let Block { m, n, k } = self.block;
        let activations = m * k.next_multiple_of(ROW_ALIGNMENT);
        [
            (
                aligned(self.gemm.activations.bytes_from_elements(activations)),
                self.n_buffers,
            ),
            (aligned(self.weight_bytes(n, k)), self.n_buffers),
            (aligned(self.index_bytes(n, k)), self.n_buffers),
            (aligned(m * n), 1),
            // One row serves every column.
            (aligned(PARAMETER_BYTES), 1),
        ]
    }

    /// Columns of a panel of weights with their padding.
    pub(super) fn panel(&self) -> u64 {
        self.cols.next_multiple_of(ROW_ALIGNMENT)
    }

    /// Rows that `k` rows of K are stored as.
    pub(super) fn stored_rows(&self, k: u64) -> u64 {
        match self.encoding {
            Encoding::Pattern(pattern) => k / pattern.group() * pattern.kept(),
            _ => k,
        }
    }

    /// Elements of a block of weights: panels of as many columns as the array has.
    pub(super) fn weight_elements(&self, n: u64, k: u64) -> u64 {
        n.div_ceil(self.cols) * self.stored_rows(k) * self.panel()
    }

    pub(super) fn weight_bytes(&self, n: u64, k: u64) -> u64 {
        self.gemm.weights.bytes_from_elements(self.weight_elements(n, k))
    }

    pub(super) fn index_bytes(&self, n: u64, k: u64) -> u64 {
        match self.encoding {
            Encoding::Pattern(pattern) => pattern.index_format().bytes_from_elements(self.weight_elements(n, k)),
            _ => 0,
        }
    }

    /// The panels of weights in the order in which they are loaded; calls `visit` with (stored rows, first column, columns).
    pub(super) fn panels(&self, mut visit: impl FnMut(Range<u64>, u64, u64)) {
        let sized = |whole, full| {
            let pieces = pieces(whole, full).into_iter();
            pieces.flat_map(|(count, size)| std::iter::repeat_n(size, count as usize))
        };
        let mut n0 = 0;
        for n in sized(self.gemm.n, self.block.n) {
            let mut k0 = 0;
            for k in sized(self.k, self.block.k) {
                let first = self.stored_rows(k0);
                let mut column = n0;
                for width in sized(n, self.cols) {
                    visit(first..first + self.stored_rows(k), column, width);
                    column += width;
                }
                k0 += k;
            }
            n0 += n;
        }
    }

    /// Bytes in DRAM of all activations, all weights, and the positions of all kept weights.
    pub(super) fn operand_bytes(&self) -> [u64; 3] {
        let activations = self.gemm.m * self.k.next_multiple_of(ROW_ALIGNMENT);
        let mut weights = 0;
        self.panels(|rows, _, _| weights += (rows.end - rows.start) * self.panel());
        let positions = match self.encoding {
            Encoding::Pattern(pattern) => pattern.index_format().bytes_from_elements(weights),
            _ => 0,
        };
        [
            self.gemm.activations.bytes_from_elements(activations),
            self.gemm.weights.bytes_from_elements(weights),
            positions,
        ]
    }

    /// Mask of the live blocks among `k` rows from the beginning of a period on.
    pub(super) fn mask(&self, k: u64) -> u64 {
        let Encoding::Blocks { block, .. } = self.encoding else {
            return u64::MAX;
        };
        let is_live = |b: &u64| n_live_blocks(b + 1, self.gemm.density) > n_live_blocks(*b, self.gemm.density);
        (0..k.div_ceil(1 << block)).filter(is_live).map(|b| 1 << b).sum()
    }

    /// Whether a row of K takes part.
    pub(super) fn is_live(&self, row: u64) -> bool {
        match self.encoding {
            Encoding::Blocks { block, period } => {
                let within = row % self.block.k % period;
                self.mask(period) >> (within >> block) & 1 == 1
            }
            _ => true,
        }
    }
}

fn lcm(a: u64, b: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    a / gcd(a, b) * b
}

/// A length in pieces: as many of the full size as there are, then the rest.
pub(super) fn pieces(whole: u64, full: u64) -> Vec<(u64, u64)> {
    let (n_full, rest) = (whole / full, whole % full);
    [(n_full, full), (u64::from(rest > 0), rest)]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .collect()
}
