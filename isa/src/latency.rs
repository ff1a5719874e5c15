//! Latency formulas: the one place that says how long an instruction takes. The simulator runs on them and the compiler
//! chooses by them.

pub mod banks;
pub mod dram;

use crate::machine::{MachineDescription, Overlap};
use crate::numerics::SOFTMAX_TABLE_WORDS;
use crate::throughput::Rate;
use crate::units::Cycles;

/// Cycles from the first element entering the vector unit's pipeline to its result being written.
pub const VECTOR_PIPELINE_CYCLES: u64 = 4;
/// Cycles from the last partial result of a row in the lanes to the row's one value back in all lanes: a tree over the lanes.
pub const REDUCTION_CYCLES: u64 = 4;
/// Cycles of the one square root unit, which gives two bits of its result per cycle.
pub const SQUARE_ROOT_CYCLES: u64 = 16;
/// Cycles from a DMA instruction's start to its first burst request.
pub const DMA_SETUP_CYCLES: u64 = 4;

/// Neighbours along K that share a PE when a tile with `k` rows is in the array, at least 1.
pub fn packing(machine: &MachineDescription, k: u64) -> u64 {
    k.div_ceil(u64::from(machine.rows)).max(1)
}

/// Load of a stationary tile: one row of PEs shifts in per cycle. Without overlap the whole chain of `R` rows shifts; with overlap only
/// those that hold the tile's `k` rows.
pub fn weight_load(machine: &MachineDescription, k: u64) -> Cycles {
    match machine.overlap {
        Overlap::None => Cycles(u64::from(machine.rows)),
        Overlap::Full => Cycles(k.div_ceil(packing(machine, k)).max(1)),
    }
}

/// Cycles in which `m` rows of the moving operand enter the array, one pass each.
pub fn stream(m: u64) -> Cycles {
    Cycles(m)
}

/// Cycles in which `m` rows of the moving operand enter the array, as often as the formats need.
pub fn stream_at(m: u64, rate: Rate) -> Cycles {
    stream(m * rate.passes())
}

/// The same where the scratchpad's banks give a row only every so many cycles: a row that enters in several passes is read once.
pub fn stream_from_banks(m: u64, rate: Rate, banks: banks::BankUse) -> Cycles {
    Cycles(m * rate.passes().max(banks.interval))
}

/// Cycles in which the operands of an output-stationary product enter the array; `k` is the length of the reduction.
pub fn output_stationary_steps(k: u64, rate: Rate) -> Cycles {
    Cycles((k.div_ceil(rate.packing()) * rate.passes()).max(1))
}

/// Cycles in which the sums of an output-stationary product leave a column, one row per cycle.
pub fn output_shift(machine: &MachineDescription) -> Cycles {
    Cycles(u64::from(machine.rows))
}

/// Cycles in which the wavefront crosses the array, from the first PE to the last: `R - 1` rows and `C - 1` columns.
pub fn crossing(machine: &MachineDescription) -> Cycles {
    Cycles(u64::from(machine.rows) + u64::from(machine.cols) - 2)
}

/// Cycles from the last activation row entering row 0 to its last partial sum being in the accumulators: the wavefront crosses the
/// array, and the sum passes the registers behind it.
pub fn drain(machine: &MachineDescription) -> Cycles {
    crossing(machine) + Cycles(u64::from(machine.exit_stages))
}

/// Weight load, stream and drain of one tile with nothing overlapped: `2R + C + m - 2` cycles without registers behind the array.
pub fn isolated_tile(machine: &MachineDescription, m: u64) -> Cycles {
    Cycles(u64::from(machine.rows)) + stream(m) + drain(machine)
}

/// An output-stationary product with nothing overlapped: `R + C + k - 2` cycles at one multiply-accumulate per PE and cycle until the
/// last sum is complete, as SCALE-Sim counts, `R` more until the last one has left the array, which it does not, and the registers
/// behind the array.
pub fn isolated_output_stationary(machine: &MachineDescription, k: u64, rate: Rate) -> Cycles {
    output_stationary_steps(k, rate) + drain(machine) + output_shift(machine)
}

/// Work of the vector unit whose operands come from the scratchpad's banks only every so many cycles: all but its pipeline waits.
pub fn vector_from_banks(cycles: Cycles, banks: banks::BankUse) -> Cycles {
    let waits = cycles.0.saturating_sub(VECTOR_PIPELINE_CYCLES);
    cycles + Cycles(waits * (banks.interval - 1))
}

fn lane_cycles(machine: &MachineDescription, n_elements: u64) -> u64 {
    n_elements.div_ceil(u64::from(machine.vector.n_lanes))
}

/// A vector instruction that processes `n_elements`, whatever rows they are in: one element per lane and cycle.
pub fn vector(machine: &MachineDescription, n_elements: u64) -> Cycles {
    Cycles(lane_cycles(machine, n_elements) + VECTOR_PIPELINE_CYCLES)
}

/// A lookup of `n_elements` in a table, whose entries go to the lanes first, one per lane and cycle.
pub fn vector_lookup(machine: &MachineDescription, n_elements: u64, n_entries: u64) -> Cycles {
    Cycles(lane_cycles(machine, n_entries)) + vector(machine, n_elements)
}

/// A reduction of each of `m` rows of `n` elements to one value. Rows follow each other without a gap: only the last one's way
/// through the tree is seen.
pub fn row_reduction(machine: &MachineDescription, m: u64, n: u64) -> Cycles {
    Cycles(m * lane_cycles(machine, n) + REDUCTION_CYCLES + VECTOR_PIPELINE_CYCLES)
}

/// Softmax of `m` rows of `n` elements. Each row takes three passes: maximum; lookup and sum; division. The second needs the
/// maximum and the third the sum, so each waits for a reduction.
pub fn softmax(machine: &MachineDescription, m: u64, n: u64) -> Cycles {
    let row = 3 * lane_cycles(machine, n) + 2 * REDUCTION_CYCLES;
    Cycles(lane_cycles(machine, SOFTMAX_TABLE_WORDS) + m * row + VECTOR_PIPELINE_CYCLES)
}

/// Layer normalization of `m` rows of `n` elements. Each row takes four passes: sum; sum of squares; distance from the mean times
/// gamma; division and beta. The third waits for a reduction and the square root of its result.
pub fn layer_norm(machine: &MachineDescription, m: u64, n: u64) -> Cycles {
    let row = 4 * lane_cycles(machine, n) + REDUCTION_CYCLES + SQUARE_ROOT_CYCLES;
    Cycles(m * row + VECTOR_PIPELINE_CYCLES)
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
        // And 93 for the same product on 32x32, output-stationary, without the shift of the sums.
        (machine.rows, machine.cols) = (32, 32);
        let rate = machine.throughput.of(8, 8);
        assert_eq!(isolated_output_stationary(&machine, 32, rate).0 - 32, 93 + 1);
    }

    #[test]
    fn registers_behind_the_array_lengthen_the_drain_alone() {
        let mut machine = preset("edge16x16").unwrap();
        let (drain_before, crossing_before) = (drain(&machine), crossing(&machine));
        assert_eq!(drain_before, crossing_before);
        machine.exit_stages = 5;
        assert_eq!(drain(&machine), drain_before + Cycles(5));
        assert_eq!(crossing(&machine), crossing_before);
    }

    #[test]
    fn narrow_operands_share_pes_and_wide_ones_take_passes() {
        let machine = preset("tiny4x4").unwrap();
        let (narrow, wide) = (machine.throughput.of(4, 4), machine.throughput.of(16, 16));
        assert_eq!([4, 5, 9, 16].map(|k| weight_load(&machine, k).0), [4, 3, 3, 4]);
        assert_eq!((stream_at(7, narrow).0, stream_at(7, wide).0), (7, 28));
        assert_eq!(output_stationary_steps(17, narrow).0, 5);
        assert_eq!(output_stationary_steps(17, wide).0, 68);
    }

    #[test]
    fn vector_instructions_of_many_passes_take_longer() {
        let mut machine = preset("edge16x16").unwrap();
        machine.vector.n_lanes = 8;
        assert_eq!(vector(&machine, 17), Cycles(3 + 4));
        assert_eq!(vector_lookup(&machine, 17, 256), Cycles(32 + 3 + 4));
        assert_eq!(row_reduction(&machine, 3, 17), Cycles(3 * 3 + 8));
        assert_eq!(softmax(&machine, 2, 10), Cycles(33 + 2 * (3 * 2 + 8) + 4));
        assert_eq!(layer_norm(&machine, 2, 10), Cycles(2 * (4 * 2 + 20) + 4));
    }
}
