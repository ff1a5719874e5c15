//! DRAM standards: timing and energy figures of the devices that a machine may have.

use crate::operand::choice;

choice! {
    /// A DRAM standard and speed grade, with the organization of one channel.
    pub enum DramStandard: 3 {
        /// DDR3-1866, one rank of eight 8 Gb x8 devices.
        Ddr3_1866 = 0 "ddr3-1866",
        /// DDR4-2400, one rank of eight 8 Gb x8 devices.
        Ddr4_2400 = 1 "ddr4-2400",
        /// DDR4-3200, one rank of eight 8 Gb x8 devices.
        Ddr4_3200 = 2 "ddr4-3200",
        /// HBM2, one 128-bit channel.
        Hbm2 = 3 "hbm2",
    }
}

/// Timing of one channel, in cycles of the DRAM clock unless a name says otherwise. Names are JEDEC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramTiming {
    /// DRAM clock period in picoseconds.
    pub clock_ps: u64,
    /// Read command to first data.
    pub cl: u64,
    /// Write command to first data.
    pub cwl: u64,
    /// Activate to read or write.
    pub rcd: u64,
    /// Precharge to activate.
    pub rp: u64,
    /// Activate to precharge.
    pub ras: u64,
    /// Activate to activate in another bank.
    pub rrd: u64,
    /// Window in which at most four activates may fall.
    pub faw: u64,
    /// Column command to column command in another bank group.
    pub ccd_s: u64,
    /// Column command to column command in the same bank group.
    pub ccd_l: u64,
    /// End of write data to read command.
    pub wtr: u64,
    /// End of write data to precharge.
    pub wr: u64,
    /// Read command to precharge.
    pub rtp: u64,
    /// Average interval between refreshes.
    pub refi: u64,
    /// Duration of a refresh.
    pub rfc: u64,
    /// Clocks that one burst occupies the data bus.
    pub burst_clocks: u64,
    /// Bytes of one burst.
    pub burst_bytes: u64,
    /// Bank groups.
    pub n_bank_groups: u64,
    /// Banks over all groups.
    pub n_banks: u64,
    /// Bytes of one row over the whole channel.
    pub row_bytes: u64,
}

/// Energy of the commands of one channel in femtojoules, and background power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DramEnergy {
    /// One activate with its precharge.
    pub activate_fj: u64,
    /// One read burst, device core only.
    pub read_fj: u64,
    /// One write burst, device core only.
    pub write_fj: u64,
    /// One refresh of all banks.
    pub refresh_fj: u64,
    /// Background power in microwatts with banks open.
    pub background_uw: u64,
    /// Input-output and termination energy per bit in femtojoules.
    pub io_fj_per_bit: u64,
    /// Where the numbers come from.
    pub source: &'static str,
}

impl DramStandard {
    /// Timing of one channel. Source: the device configurations of DRAMsim3 (8 Gb parts).
    pub const fn timing(self) -> DramTiming {
        match self {
            Self::Ddr3_1866 => DramTiming {
                clock_ps: 1070,
                cl: 13,
                cwl: 9,
                rcd: 13,
                rp: 13,
                ras: 32,
                rrd: 6,
                faw: 33,
                ccd_s: 4,
                ccd_l: 4,
                wtr: 7,
                wr: 15,
                rtp: 7,
                refi: 7800,
                rfc: 328,
                burst_clocks: 4,
                burst_bytes: 64,
                n_bank_groups: 1,
                n_banks: 8,
                row_bytes: 16384,
            },
            Self::Ddr4_2400 => DramTiming {
                clock_ps: 830,
                cl: 17,
                cwl: 12,
                rcd: 17,
                rp: 17,
                ras: 39,
                rrd: 6,
                faw: 26,
                ccd_s: 4,
                ccd_l: 6,
                wtr: 9,
                wr: 18,
                rtp: 9,
                refi: 9360,
                rfc: 420,
                burst_clocks: 4,
                burst_bytes: 64,
                n_bank_groups: 4,
                n_banks: 16,
                row_bytes: 8192,
            },
            Self::Ddr4_3200 => DramTiming {
                clock_ps: 630,
                cl: 22,
                cwl: 16,
                rcd: 22,
                rp: 22,
                ras: 52,
                rrd: 8,
                faw: 34,
                ccd_s: 4,
                ccd_l: 8,
                wtr: 12,
                wr: 24,
                rtp: 12,
                refi: 12480,
                rfc: 560,
                burst_clocks: 4,
                burst_bytes: 64,
                n_bank_groups: 4,
                n_banks: 16,
                row_bytes: 8192,
            },
            Self::Hbm2 => DramTiming {
                clock_ps: 1000,
                cl: 14,
                cwl: 4,
                rcd: 14,
                rp: 14,
                ras: 34,
                rrd: 6,
                faw: 30,
                ccd_s: 1,
                ccd_l: 2,
                wtr: 8,
                wr: 16,
                rtp: 5,
                refi: 3900,
                rfc: 260,
                burst_clocks: 2,
                burst_bytes: 64,
                n_bank_groups: 4,
                n_banks: 16,
                row_bytes: 2048,
            },
        }
    }

    /// Energy of one channel.
    pub const fn energy(self) -> DramEnergy {
        match self {
            Self::Ddr3_1866 => DramEnergy {
                activate_fj: 10_573_700,
                read_fj: 3_790_400,
                write_fj: 3_790_400,
                refresh_fj: 746_700_000,
                background_uw: 572_400,
                io_fj_per_bit: 12_897,
                source: "core: IDD values of DDR3_8Gb_x8_1866 in DRAMsim3; I/O: 20.3 pJ/bit in all (TPUv4i, ISCA 2021, Table 2) less 7.403 pJ/bit of column energy",
            },
            Self::Ddr4_2400 => DramEnergy {
                activate_fj: 3_450_100,
                read_fj: 2_932_200,
                write_fj: 2_549_800,
                refresh_fj: 692_740_000,
                background_uw: 412_800,
                io_fj_per_bit: 14_573,
                source: "core: IDD values of DDR4_8Gb_x8_2400 in DRAMsim3; I/O: 20.3 pJ/bit in all (TPUv4i, ISCA 2021, Table 2) less 5.727 pJ/bit of column energy",
            },
            Self::Ddr4_3200 => DramEnergy {
                activate_fj: 4_233_600,
                read_fj: 2_806_300,
                write_fj: 2_370_800,
                refresh_fj: 670_600_000,
                background_uw: 499_200,
                io_fj_per_bit: 14_819,
                source: "core: IDD values of DDR4_8Gb_x8_3200 in DRAMsim3; I/O: 20.3 pJ/bit in all (TPUv4i, ISCA 2021, Table 2) less 5.481 pJ/bit of column energy",
            },
            Self::Hbm2 => DramEnergy {
                activate_fj: 828_000,
                read_fj: 804_000,
                write_fj: 1_068_000,
                refresh_fj: 60_840_000,
                background_uw: 66_000,
                io_fj_per_bit: 300,
                source: "core: IDD values of HBM2_8Gb_x128 in DRAMsim3; I/O: 0.30 pJ/bit (Fine-Grained DRAM, MICRO 2017)",
            },
        }
    }
}
