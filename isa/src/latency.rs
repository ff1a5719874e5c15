//! Latency formulas: the one place that says how long an instruction takes. The simulator runs on them and the compiler
//! chooses by them.

use crate::machine::{MachineDescription, Overlap};
use crate::units::Cycles;

/// Cycles from the first element entering the vector unit's pipeline to its result being written.
pub const VECTOR_PIPELINE_CYCLES: u64 = 4;
/// Cycles from a DMA instruction's start to its first burst request.
pub const DMA_SETUP_CYCLES: u64 = 4;

/// Weight load: one row shifts in per cycle. Without overlap the whole chain of `R` rows shifts; with overlap only the `k` rows of
/// the tile.
pub fn weight_load(machine: &MachineDescription, k: u64) -> Cycles {
    match machine.overlap {
        Overlap::None => Cycles(u64::from(machine.rows)),
        Overlap::Full => Cycles(k.max(1)),
    }
}

/// Cycles in which `m` activation rows enter the array.
pub fn stream(m: u64) -> Cycles {
    Cycles(m)
}

/// Cycles from the last activation row entering row 0 to its last partial sum leaving column `C - 1`: the wavefront crosses
/// `R - 1` rows and `C - 1` columns.
pub fn drain(machine: &MachineDescription) -> Cycles {
    Cycles(u64::from(machine.rows) + u64::from(machine.cols) - 2)
}

/// Weight load, stream and drain of one tile with nothing overlapped: `2R + C + m - 2` cycles.
pub fn isolated_tile(machine: &MachineDescription, m: u64) -> Cycles {
    Cycles(u64::from(machine.rows)) + stream(m) + drain(machine)
}

/// A vector instruction that processes `n_elements`.
pub fn vector(machine: &MachineDescription, n_elements: u64) -> Cycles {
    Cycles(n_elements.div_ceil(u64::from(machine.vector.n_lanes)) + VECTOR_PIPELINE_CYCLES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::preset;

    #[test]
    fn an_isolated_tile_takes_what_scale_sim_reports() {
        // SCALE-Sim 2.0.2 reports cycle index 863 for 32x32x32 on 8x8, which takes 4 * 4 tiles.
        let mut machine = preset("edge16x16").unwrap();
        (machine.rows, machine.cols) = (8, 8);
        assert_eq!(16 * isolated_tile(&machine, 32).0, 863 + 1);
    }
}
