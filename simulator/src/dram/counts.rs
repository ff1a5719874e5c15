//! What a DRAM did, and the energy of it.

use serde::Serialize;
use systole_isa::Femtojoules;
use systole_isa::dram::{DramEnergy, DramOrganization, DramTiming};

macro_rules! dram_counts {
    ($($(#[doc = $doc:literal])+ $field:ident),+ $(,)?) => {
        /// Commands and requests of a DRAM. Only integers, so that sums do not depend on their order.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
        pub struct DramCounts { $($(#[doc = $doc])+ pub $field: u64),+ }

        impl DramCounts {
            /// Adds other counts.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }
        }
    };
}

dram_counts! {
    /// Activates.
    activates,
    /// Banks precharged, whether by a command of their own, one for all banks before a refresh, or by themselves.
    precharges,
    /// Read commands, one per burst.
    reads,
    /// Write commands, one per burst.
    writes,
    /// Refreshes, each of all banks of one rank.
    refreshes,
    /// Reads for which no row was opened.
    read_row_hits,
    /// Writes for which no row was opened.
    write_row_hits,
    /// Requests whose bank had no open row.
    row_misses,
    /// Requests whose bank had another row open.
    row_conflicts,
    /// Reads answered from the write queue.
    forwarded_reads,
    /// Writes that another waiting write made superfluous.
    merged_writes,
    /// Clocks from the arrival of a read to the end of its data, over all reads that the devices served.
    read_latency_clocks,
    /// Clocks that ranks spent with at least one row open, over all ranks.
    open_clocks,
}

impl DramCounts {
    pub(super) fn add_column(&mut self, is_write: bool, opened_row: bool, closed_row: bool, latency_clocks: u64) {
        let hit = u64::from(!opened_row);
        if is_write {
            self.writes += 1;
            self.write_row_hits += hit;
        } else {
            self.reads += 1;
            self.read_row_hits += hit;
            self.read_latency_clocks += latency_clocks;
        }
        self.row_conflicts += u64::from(opened_row && closed_row);
        self.row_misses += u64::from(opened_row && !closed_row);
    }

    /// Reads and writes for which no row was opened.
    pub fn row_hits(&self) -> u64 {
        self.read_row_hits + self.write_row_hits
    }

    /// Bursts on the data bus.
    pub fn bursts(&self) -> u64 {
        self.reads + self.writes
    }
}

/// Energy of a DRAM by cause, in femtojoules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DramEnergyBreakdown {
    /// Activates and precharges.
    pub activate: Femtojoules,
    /// Read bursts inside the devices.
    pub read: Femtojoules,
    /// Write bursts inside the devices.
    pub write: Femtojoules,
    /// Input-output and termination.
    pub io: Femtojoules,
    /// Refreshes.
    pub refresh: Femtojoules,
    /// Standby of all ranks.
    pub background: Femtojoules,
}

impl DramEnergyBreakdown {
    /// Energy of what was counted while `rank_clocks` clocks passed, summed over ranks.
    pub fn of(
        counts: &DramCounts,
        rank_clocks: u64,
        timing: &DramTiming,
        organization: &DramOrganization,
        e: &DramEnergy,
    ) -> Self {
        let bits = counts.bursts() * organization.burst_bytes * 8;
        let open = u128::from(counts.open_clocks.min(rank_clocks));
        let closed = u128::from(rank_clocks) - open;
        // 1 uW for 1 ps is 1e-18 J, a thousandth of a femtojoule.
        let standby = (open * u128::from(e.active_uw.value) + closed * u128::from(e.precharged_uw.value))
            * u128::from(timing.clock_ps)
            / 1000;
        Self {
            activate: Femtojoules(counts.activates * e.activate_fj.value),
            read: Femtojoules(counts.reads * e.read_fj.value),
            write: Femtojoules(counts.writes * e.write_fj.value),
            io: Femtojoules(bits * e.io_fj_per_bit.value),
            refresh: Femtojoules(counts.refreshes * e.refresh_fj.value),
            background: Femtojoules(standby as u64),
        }
    }

    /// Names and energies.
    pub fn entries(&self) -> [(&'static str, Femtojoules); 6] {
        [
            ("activate", self.activate),
            ("read", self.read),
            ("write", self.write),
            ("io", self.io),
            ("refresh", self.refresh),
            ("background", self.background),
        ]
    }

    /// All together.
    pub fn total(&self) -> Femtojoules {
        self.entries().into_iter().map(|(_, energy)| energy).sum()
    }
}
