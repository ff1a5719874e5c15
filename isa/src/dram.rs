//! What a DRAM is: commands, organization, timing, energy and address mappings of the standards that a machine may have.
//!
//! Everything here is data. [`DramTiming::constraints`] turns the timing of a standard into rows (previous command, next command, scope,
//! clocks), and whoever simulates a DRAM applies these rows and knows no timing of its own.

mod constraints;
mod mapping;
mod presets;

pub use constraints::{Constraint, Scope};
pub use mapping::{AddressMap, Field, Location, Mapping};

use crate::operand::choice;

choice! {
    /// A DRAM standard and speed grade, with the organization of one channel.
    pub enum DramStandard: 3 {
        /// DDR3-1866, ranks of eight 8 Gb x8 devices on a 64-bit channel.
        Ddr3_1866 = 0 "ddr3-1866",
        /// DDR4-2400, ranks of eight 8 Gb x8 devices on a 64-bit channel.
        Ddr4_2400 = 1 "ddr4-2400",
        /// DDR4-3200, ranks of eight 8 Gb x8 devices on a 64-bit channel.
        Ddr4_3200 = 2 "ddr4-3200",
        /// LPDDR4-3200, one 16-bit channel.
        Lpddr4_3200 = 3 "lpddr4-3200",
        /// LPDDR5-6400, one 16-bit channel in bank-group mode.
        Lpddr5_6400 = 4 "lpddr5-6400",
        /// HBM2 at 2 Gb/s per pin, one 128-bit channel.
        Hbm2 = 5 "hbm2",
        /// GDDR6 at 14 Gb/s per pin, one 16-bit channel.
        Gddr6 = 6 "gddr6",
        /// DDR3-2133, ranks of eight 8 Gb x8 devices on a 64-bit channel.
        Ddr3_2133 = 7 "ddr3-2133",
    }
}

choice! {
    /// What happens to a row that no waiting request wants.
    pub enum PagePolicy: 1 {
        /// It stays open until another row of its bank is wanted or a refresh comes.
        Open = 0 "open",
        /// The last request that wants it closes it (automatic precharge).
        Closed = 1 "closed",
    }
}

/// Bytes of one request of a trace, and the granule of every published trace format: a cache line.
pub const LINE_BYTES: u64 = 64;

/// Most ranks that share a channel.
pub const MAX_RANKS: u32 = 4;

/// A command on the command bus of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Opens a row of a bank (ACT).
    Activate = 0,
    /// Closes the open row of a bank (PRE).
    Precharge = 1,
    /// Transfers one burst from the open row (RD).
    Read = 2,
    /// Transfers one burst into the open row (WR).
    Write = 3,
    /// Refreshes all banks of a rank, all of them closed (REF).
    Refresh = 4,
}

impl Command {
    /// Every command, by its number.
    pub const ALL: [Self; 5] = [Self::Activate, Self::Precharge, Self::Read, Self::Write, Self::Refresh];

    /// JEDEC's mnemonic.
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Self::Activate => "ACT",
            Self::Precharge => "PRE",
            Self::Read => "RD",
            Self::Write => "WR",
            Self::Refresh => "REF",
        }
    }
}

/// The banks of one channel; every number is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramOrganization {
    /// Bank groups of a rank; 1 where the standard has none.
    pub n_bank_groups: u64,
    /// Banks of a bank group.
    pub n_banks_per_group: u64,
    /// Rows of a bank.
    pub n_rows: u64,
    /// Bytes of one row over all devices of the rank.
    pub row_bytes: u64,
    /// Bytes that one column command moves.
    pub burst_bytes: u64,
    /// Width of the data bus in bits.
    pub bus_bits: u64,
    /// Whether row and column commands have a bus each, so that one of both may go in the same clock (HBM).
    pub has_dual_command_bus: bool,
}

impl DramOrganization {
    /// Banks of a rank.
    pub const fn n_banks(&self) -> u64 {
        self.n_bank_groups * self.n_banks_per_group
    }

    /// Bursts of a row.
    pub const fn n_columns(&self) -> u64 {
        self.row_bytes / self.burst_bytes
    }

    /// Bytes of a rank.
    pub const fn rank_bytes(&self) -> u64 {
        self.n_banks() * self.n_rows * self.row_bytes
    }
}

macro_rules! timing {
    ($($(#[doc = $doc:literal])+ $field:ident $jedec:literal),+ $(,)?) => {
        /// Timing of one channel in clocks of the DRAM's command clock, unless a name says otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct DramTiming {
            $($(#[doc = $doc])+ pub $field: u64,)+
            /// Where all numbers come from that `exceptions` does not name.
            pub source: &'static str,
            /// JEDEC names of numbers from elsewhere, each with its source.
            pub exceptions: &'static [(&'static str, &'static str)],
        }

        impl DramTiming {
            /// JEDEC names, values and sources, in the order of declaration.
            pub fn figures(&self) -> Vec<(&'static str, u64, &'static str)> {
                vec![$(($jedec, self.$field, self.source_of($jedec))),+]
            }
        }
    };
}

timing! {
    /// Length of a clock in picoseconds.
    clock_ps "tCK",
    /// Read command to first data.
    cl "CL",
    /// Write command to first data.
    cwl "CWL",
    /// Activate to read or write.
    rcd "tRCD",
    /// Precharge to activate of the same bank.
    rp "tRP",
    /// Activate to precharge.
    ras "tRAS",
    /// Activate to activate of the same bank.
    rc "tRC",
    /// Activate to activate in another bank group.
    rrd_s "tRRD_S",
    /// Activate to activate in the same bank group.
    rrd_l "tRRD_L",
    /// Window in which at most four activates of a rank may fall.
    faw "tFAW",
    /// Column command to column command in another bank group.
    ccd_s "tCCD_S",
    /// Column command to column command in the same bank group.
    ccd_l "tCCD_L",
    /// End of write data to read command in another bank group.
    wtr_s "tWTR_S",
    /// End of write data to read command in the same bank group.
    wtr_l "tWTR_L",
    /// End of write data to precharge.
    wr "tWR",
    /// Read command to precharge.
    rtp "tRTP",
    /// Clocks in which nobody drives the data bus when its direction or its rank changes.
    turnaround "tRTRS",
    /// Average interval between refreshes.
    refi "tREFI",
    /// Duration of a refresh of all banks.
    rfc "tRFC",
    /// Clocks that one burst occupies the data bus.
    burst_clocks "BL/rate",
}

impl DramTiming {
    /// Source of the number with this JEDEC name.
    pub fn source_of(&self, jedec_name: &str) -> &'static str {
        let exception = self.exceptions.iter().find(|(name, _)| *name == jedec_name);
        exception.map_or(self.source, |(_, source)| source)
    }

    /// Read command to the end of its data.
    pub const fn read_clocks(&self) -> u64 {
        self.cl + self.burst_clocks
    }

    /// Write command to the end of its data.
    pub const fn write_clocks(&self) -> u64 {
        self.cwl + self.burst_clocks
    }
}

/// A figure in femtojoules or microwatts, with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// The figure, in the unit that the field's name gives.
    pub value: u64,
    /// Where it comes from.
    pub source: &'static str,
}

/// Energy of commands and background power of one rank of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramEnergy {
    /// One activate with the precharge that ends it, in fJ.
    pub activate_fj: Sourced,
    /// One read burst inside the devices, in fJ.
    pub read_fj: Sourced,
    /// One write burst inside the devices, in fJ.
    pub write_fj: Sourced,
    /// One refresh of all banks of a rank, in fJ.
    pub refresh_fj: Sourced,
    /// Background power with a row open, in microwatts.
    pub active_uw: Sourced,
    /// Background power with all rows closed, in microwatts.
    pub precharged_uw: Sourced,
    /// Input-output and termination per bit, in fJ.
    pub io_fj_per_bit: Sourced,
}

impl DramEnergy {
    /// Names, figures and units.
    pub fn figures(&self) -> [(&'static str, Sourced, &'static str); 7] {
        [
            ("activate and precharge", self.activate_fj, "fJ"),
            ("read burst", self.read_fj, "fJ"),
            ("write burst", self.write_fj, "fJ"),
            ("refresh", self.refresh_fj, "fJ"),
            ("background, row open", self.active_uw, "uW"),
            ("background, rows closed", self.precharged_uw, "uW"),
            ("input-output per bit", self.io_fj_per_bit, "fJ"),
        ]
    }
}

impl DramStandard {
    /// The standard with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|standard| standard.word() == name)
    }

    /// Timing of one channel.
    pub const fn timing(self) -> DramTiming {
        presets::timing(self)
    }

    /// Banks of one channel.
    pub const fn organization(self) -> DramOrganization {
        presets::organization(self)
    }

    /// Energy of one rank of one channel.
    pub const fn energy(self) -> DramEnergy {
        presets::energy(self)
    }

    /// Peak bandwidth of one channel in bytes per second.
    pub fn peak_bytes_per_second(self) -> f64 {
        let timing = self.timing();
        self.organization().burst_bytes as f64 * 1e12 / (timing.burst_clocks * timing.clock_ps) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_source_and_every_exception_names_a_number() {
        for &standard in DramStandard::ALL {
            let timing = standard.timing();
            for (name, value, source) in timing.figures() {
                assert!(value > 0 && source.len() > 10, "{standard} {name}");
            }
            for (name, _) in timing.exceptions {
                assert!(
                    timing.figures().iter().any(|figure| figure.0 == *name),
                    "{standard} {name}"
                );
            }
            for (name, figure, _) in standard.energy().figures() {
                assert!(figure.value > 0 && figure.source.len() > 10, "{standard} {name}");
            }
        }
    }

    #[test]
    fn peaks_are_those_of_the_speed_grade() {
        let giga = |standard: DramStandard| standard.peak_bytes_per_second() / 1e9;
        let peaks = DramStandard::ALL.iter().map(|&s| (giga(s) * 100.0).round() / 100.0);
        assert_eq!(
            peaks.collect::<Vec<_>>(),
            [14.95, 19.21, 25.6, 6.4, 12.8, 32.0, 28.07, 17.06]
        );
    }

    #[test]
    fn organizations_are_powers_of_two_and_their_bursts_fill_the_bus() {
        for &standard in DramStandard::ALL {
            let o = standard.organization();
            for n in [
                o.n_bank_groups,
                o.n_banks_per_group,
                o.n_rows,
                o.row_bytes,
                o.burst_bytes,
                o.bus_bits,
            ] {
                assert!(n.is_power_of_two(), "{standard} {n}");
            }
            assert!(LINE_BYTES.is_multiple_of(o.burst_bytes));
            assert!(u64::from(MAX_RANKS) * o.n_banks() <= 64);
        }
    }
}
