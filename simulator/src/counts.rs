//! Countable events, from which bandwidth and energy are derived.

use crate::vx::lane_ops;
use crate::work::Work;
use systole_isa::Descriptor;
use systole_isa::operand::{Accumulate, Space};

macro_rules! event_counts {
    ($($(#[doc = $doc:literal])+ $field:ident),+ $(,)?) => {
        /// How often each kind of event happened. Only integers, so that sums do not depend on their order.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct EventCounts { $($(#[doc = $doc])+ pub $field: u64),+ }

        impl EventCounts {
            /// Adds the counts of another span of work.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }

            /// Names and values, in the order of declaration.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field)),+]
            }
        }
    };
}

event_counts! {
    /// Multiply-accumulates of the array with both operands in the tile, gated ones included.
    macs,
    /// Those of them whose multiplier was gated because an operand was zero. Not known in timing-only runs.
    gated_macs,
    /// Bytes that units read from the scratchpad.
    spm_read_bytes,
    /// Bytes that units wrote to the scratchpad.
    spm_write_bytes,
    /// 32-bit accumulators read.
    acc_reads,
    /// 32-bit accumulators written.
    acc_writes,
    /// Operations of single vector lanes.
    vector_ops,
    /// Instructions executed, by whichever unit.
    instructions,
    /// Bytes that load descriptors fetched from DRAM.
    dram_read_bytes,
    /// Bytes that store descriptors wrote to DRAM.
    dram_write_bytes,
    /// Read bursts that the DRAM's devices served.
    dram_read_bursts,
    /// Write bursts that the DRAM's devices are given.
    dram_write_bursts,
    /// Bursts for which no row was opened.
    dram_row_hits,
    /// Rows opened.
    dram_activates,
    /// Rows closed to open others.
    dram_precharges,
}

/// Events of a piece of work, known from its sizes alone; DRAM traffic is counted burst by burst elsewhere.
pub(crate) fn static_counts(work: &Work, tile: (u64, u64)) -> EventCounts {
    let mut counts = EventCounts {
        instructions: 1,
        vector_ops: lane_ops(work),
        ..EventCounts::default()
    };
    let mut touch = |view: &Descriptor, n_elements: u64, writes: bool| {
        let bytes = view.format.bytes_from_elements(n_elements);
        match (view.space, writes) {
            (Space::Spm, false) => counts.spm_read_bytes += bytes,
            (Space::Spm, true) => counts.spm_write_bytes += bytes,
            (Space::Acc, false) => counts.acc_reads += bytes.div_ceil(4),
            (Space::Acc, true) => counts.acc_writes += bytes.div_ceil(4),
            (Space::Dram, _) => {}
        }
    };
    match work {
        Work::WeightLoad { w, k, n } => touch(w, k * n, false),
        Work::MatMul { c, a, m, mode, .. } => {
            touch(a, m * tile.0, false);
            if *mode == Accumulate::Add {
                touch(c, m * tile.1, false);
            }
            touch(c, m * tile.1, true);
            counts.macs = m * tile.0 * tile.1;
        }
        Work::Requant {
            dst, src, par, m, n, ..
        } => {
            touch(src, m * n, false);
            touch(par, 3 * n, false);
            touch(dst, m * n, true);
        }
        Work::MaxPool { dst, src, m, n } => {
            touch(src, m * src.n_columns(), false);
            touch(dst, m * n, true);
        }
        Work::AddRescaled { dst, a, b, par, m, n } => {
            touch(a, m * n, false);
            touch(b, m * n, false);
            touch(par, 3, false);
            touch(dst, m * n, true);
        }
        Work::Copy { dst, src, m, n } => {
            touch(src, m * n, false);
            touch(dst, m * n, true);
        }
        Work::Sync => {}
    }
    counts
}
