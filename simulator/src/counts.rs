//! Countable events, from which bandwidth and energy are derived.

use crate::facts::Facts;
use crate::work::matrix::{Product, TileLoad, TileShape};
use crate::work::{Role, Work};
use std::ops::AddAssign;
use systole_isa::energy::{N_MAC_CLASSES, mac_class};
use systole_isa::operand::{Accumulate, Space};
use systole_isa::{Descriptor, FormatPair, MachineDescription};

/// Multiply-accumulates by class of energy: operands' widths in bits whose product is `1 << class`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacsByWidth(pub [u64; N_MAC_CLASSES]);

impl AddAssign for MacsByWidth {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, n)| *sum += n);
    }
}

macro_rules! event_counts {
    ($($(#[doc = $doc:literal])+ $field:ident),+ $(,)?) => {
        /// How often each kind of event happened. Only integers, so that sums do not depend on their order.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct EventCounts {
            $($(#[doc = $doc])+ pub $field: u64,)+
            /// `macs` by their operands' widths.
            pub macs_by_width: MacsByWidth,
            /// `gated_macs` by their operands' widths.
            pub gated_by_width: MacsByWidth,
        }

        impl EventCounts {
            /// Adds the counts of another span of work.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
                self.macs_by_width += other.macs_by_width;
                self.gated_by_width += other.gated_by_width;
            }

            /// Names and values of the plain counts, in the order of declaration.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field)),+]
            }
        }
    };
}

event_counts! {
    /// Multiply-accumulates that the array executed, gated ones included.
    macs,
    /// Those of them whose multiplier was gated because an operand was zero; 0 on a machine without gating. Not known in
    /// timing-only runs.
    gated_macs,
    /// Multiply-accumulates of dense operands that the array left out: blocks, rows and neighbours known to be zero.
    skipped_macs,
    /// PE time of the executed multiply-accumulates in parts of a cycle of which `PE_TIME_PARTS` make one.
    mac_pe_time,
    /// Accumulators that left their 32 bits and wrapped. Not known in timing-only runs.
    overflows,
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
    /// Elements that the lanes went through, each pass of a window counted; those that are only moved are left out.
    vector_elements,
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
    /// Cycles in which a DMA unit's next burst was ready and waited because as many as allowed were under way.
    outstanding_cycles,
    /// Cycles in which a DMA unit's next burst was ready and waited because the DRAM's queue was full.
    dram_queue_cycles,
}

impl EventCounts {
    pub(crate) fn one_instruction() -> Self {
        Self {
            instructions: 1,
            ..Self::default()
        }
    }

    /// Counts the elements of a view that a unit reads or writes.
    fn touch(&mut self, view: &Descriptor, n_elements: u64, writes: bool) {
        let bytes = view.format.bytes_from_elements(n_elements);
        match (view.space, writes) {
            (Space::Spm, false) => self.spm_read_bytes += bytes,
            (Space::Spm, true) => self.spm_write_bytes += bytes,
            (Space::Acc, false) => self.acc_reads += bytes.div_ceil(4),
            (Space::Acc, true) => self.acc_writes += bytes.div_ceil(4),
            (Space::Dram, _) => {}
        }
    }

    /// Counts executed multiply-accumulates, `n_gated` of them with a zero operand, on a machine that may gate those or not.
    pub(crate) fn count_gated(&mut self, machine: &MachineDescription, pair: FormatPair, n_gated: u64) {
        if machine.sparsity.zero_gating {
            self.gated_macs += n_gated;
            self.gated_by_width.0[mac_class(pair)] += n_gated;
        }
    }

    fn tile_load(&mut self, load: &TileLoad) {
        let n_elements = load.shape.n_rows() * load.shape.n;
        self.touch(&load.source, n_elements, false);
        if let Some(index) = &load.index {
            self.touch(index, n_elements, false);
        }
    }

    fn product(&mut self, machine: &MachineDescription, product: &Product, tile: &TileShape, live_rows: u64) {
        self.touch(&product.a, live_rows * tile.live.count(), false);
        if let Some(rows) = &product.rows {
            self.touch(rows, product.m, false);
        }
        let n_written = match product.mode {
            Accumulate::Over => product.m * tile.n,
            Accumulate::Add => live_rows * tile.n,
        };
        if product.mode == Accumulate::Add {
            self.touch(&product.c, n_written, false);
        }
        self.touch(&product.c, n_written, true);
        let pair = tile.pair(product.a.format);
        self.macs = live_rows * tile.n_rows() * tile.n;
        self.skipped_macs = product.m * tile.k * tile.n - self.macs;
        self.mac_pe_time = machine.rate(pair).pe_time(self.macs);
        self.macs_by_width.0[mac_class(pair)] = self.macs;
    }

    /// Adds the events of an instruction of the array, known from sizes and facts. `tile` is what a product uses.
    pub(crate) fn add_matrix_work(
        &mut self,
        machine: &MachineDescription,
        work: &Work,
        tile: Option<&TileShape>,
        facts: Facts,
    ) {
        match (work, tile) {
            (Work::TileLoad(load), _) => self.tile_load(load),
            (Work::Product(product), Some(tile)) => self.product(machine, product, tile, facts.live_rows),
            (Work::OutputStationary(product), _) => {
                self.tile_load(&product.w);
                self.product(machine, &product.as_product(), &product.w.shape, product.m);
            }
            _ => {}
        }
    }
}

/// Events of a piece of work of another unit than the array, known from its sizes alone; DRAM traffic is counted burst by burst
/// elsewhere.
pub(crate) fn static_counts(work: &Work) -> EventCounts {
    let mut counts = EventCounts::one_instruction();
    match work {
        Work::TileLoad(_) | Work::Product(_) | Work::OutputStationary(_) => {}
        Work::Vector(vector) => {
            for operand in vector.operands() {
                let n_elements = operand.n_rows * operand.n_columns;
                if operand.role != Role::Output {
                    counts.touch(operand.view, n_elements, false);
                }
                if matches!(operand.role, Role::Output | Role::Update) {
                    counts.touch(operand.view, n_elements, true);
                }
            }
            counts.vector_ops = vector.lane_ops();
            counts.vector_elements = vector.computed_elements();
        }
        Work::Copy { dst, src, m, n } => {
            counts.touch(src, m * n, false);
            counts.touch(dst, m * n, true);
        }
        Work::Sync => {}
    }
    counts
}
