//! The numbers of each standard, with their sources.

use super::{DramEnergy, DramOrganization, DramStandard, DramTiming, Sourced};

const RATE: (&str, &str) = ("tCK", "the speed grade's data rate over two, rounded to picoseconds");
const TURNAROUND: (&str, &str) = (
    "tRTRS",
    "two idle clocks when the bus changes direction or rank, as in DRAMsim3 (tRTRS) and Ramulator 2.1 (the constant 2)",
);

/// Timing of one channel.
pub(super) const fn timing(standard: DramStandard) -> DramTiming {
    match standard {
        DramStandard::Ddr3_1866 => DramTiming {
            clock_ps: 1070,
            cl: 13,
            cwl: 9,
            rcd: 13,
            rp: 13,
            ras: 32,
            rc: 45,
            rrd_s: 6,
            rrd_l: 6,
            faw: 33,
            ccd_s: 4,
            ccd_l: 4,
            wtr_s: 7,
            wtr_l: 7,
            wr: 15,
            rtp: 7,
            turnaround: 2,
            refi: 7290,
            rfc: 328,
            burst_clocks: 4,
            source: "DRAMsim3 at commit 2981759, configs/DDR3_8Gb_x8_1866.ini",
            exceptions: &[
                TURNAROUND,
                (
                    "tREFI",
                    "7.8 us, as the same file means it; its key is misspelt, so that DRAMsim3 itself reads its default of 7800 clocks",
                ),
            ],
        },
        DramStandard::Ddr3_2133 => DramTiming {
            clock_ps: 938,
            cl: 13,
            cwl: 10,
            rcd: 13,
            rp: 13,
            ras: 36,
            rc: 49,
            rrd_s: 6,
            rrd_l: 6,
            faw: 27,
            ccd_s: 4,
            ccd_l: 4,
            wtr_s: 8,
            wtr_l: 8,
            wr: 16,
            rtp: 8,
            turnaround: 2,
            refi: 8320,
            rfc: 374,
            burst_clocks: 4,
            source: "Ramulator 2 at commit 1fb94b8, src/dram/impl/DDR3.cpp, DDR3_2133M with DDR3_8Gb_x8",
            exceptions: &[
                RATE,
                TURNAROUND,
                (
                    "CWL",
                    "Ramulator at commit 10973a3, src/DDR3.h, DDR3_2133M, whose write latency is JEDEC's for this clock; that of Ramulator 2 is one for all grades",
                ),
                ("tREFI", "Ramulator at commit 10973a3, src/DDR3.h, DDR3_2133M: 7.8 us"),
            ],
        },
        DramStandard::Ddr4_2400 => DramTiming {
            clock_ps: 833,
            cl: 17,
            cwl: 12,
            rcd: 17,
            rp: 17,
            ras: 39,
            rc: 56,
            rrd_s: 4,
            rrd_l: 6,
            faw: 26,
            ccd_s: 4,
            ccd_l: 6,
            wtr_s: 3,
            wtr_l: 9,
            wr: 18,
            rtp: 9,
            turnaround: 2,
            refi: 9360,
            rfc: 420,
            burst_clocks: 4,
            source: "DRAMsim3 at commit 2981759, configs/DDR4_8Gb_x8_2400.ini",
            exceptions: &[RATE, TURNAROUND],
        },
        DramStandard::Ddr4_3200 => DramTiming {
            clock_ps: 625,
            cl: 22,
            cwl: 16,
            rcd: 22,
            rp: 22,
            ras: 52,
            rc: 74,
            rrd_s: 4,
            rrd_l: 8,
            faw: 34,
            ccd_s: 4,
            ccd_l: 8,
            wtr_s: 4,
            wtr_l: 12,
            wr: 24,
            rtp: 12,
            turnaround: 2,
            refi: 12480,
            rfc: 560,
            burst_clocks: 4,
            source: "DRAMsim3 at commit 2981759, configs/DDR4_8Gb_x8_3200.ini",
            exceptions: &[RATE, TURNAROUND],
        },
        DramStandard::Lpddr4_3200 => DramTiming {
            clock_ps: 625,
            cl: 35,
            cwl: 18,
            rcd: 29,
            rp: 27,
            ras: 68,
            rc: 95,
            rrd_s: 16,
            rrd_l: 16,
            faw: 64,
            ccd_s: 8,
            ccd_l: 8,
            wtr_s: 16,
            wtr_l: 16,
            wr: 28,
            rtp: 14,
            turnaround: 2,
            refi: 6247,
            rfc: 288,
            burst_clocks: 8,
            source: "Ramulator at commit 4c79a00, src/LPDDR4.cpp, LPDDR4_3200, 4 Gb per x16 channel",
            exceptions: &[
                TURNAROUND,
                ("CL", "the same file: read latency 32 and tDQSCK 3"),
                (
                    "CWL",
                    "the same file, which calls it an estimate (half of the read latency)",
                ),
            ],
        },
        DramStandard::Lpddr5_6400 => DramTiming {
            clock_ps: 1250,
            cl: 17,
            cwl: 9,
            rcd: 15,
            rp: 15,
            ras: 34,
            rc: 49,
            rrd_s: 4,
            rrd_l: 4,
            faw: 16,
            ccd_s: 2,
            ccd_l: 4,
            wtr_s: 5,
            wtr_l: 10,
            wr: 28,
            rtp: 8,
            turnaround: 2,
            refi: 3125,
            rfc: 168,
            burst_clocks: 2,
            source: "Ramulator 2.1 at commit c5b1c3a, LPDDR5_8Gb_x16, LPDDR5_6400",
            exceptions: &[TURNAROUND],
        },
        DramStandard::Hbm2 => DramTiming {
            clock_ps: 1000,
            cl: 14,
            cwl: 4,
            rcd: 14,
            rp: 14,
            ras: 34,
            rc: 48,
            rrd_s: 4,
            rrd_l: 6,
            faw: 30,
            ccd_s: 1,
            ccd_l: 2,
            wtr_s: 6,
            wtr_l: 8,
            wr: 16,
            rtp: 5,
            turnaround: 2,
            refi: 3900,
            rfc: 260,
            burst_clocks: 2,
            source: "DRAMsim3 at commit 2981759, configs/HBM2_8Gb_x128.ini",
            exceptions: &[
                TURNAROUND,
                (
                    "tRTP",
                    "DRAMsim3's default, because it does not read the file's tRTP_L and tRTP_S",
                ),
            ],
        },
        DramStandard::Gddr6 => DramTiming {
            clock_ps: 570,
            cl: 24,
            cwl: 6,
            rcd: 27,
            rp: 27,
            ras: 53,
            rc: 79,
            rrd_s: 8,
            rrd_l: 8,
            faw: 29,
            ccd_s: 2,
            ccd_l: 4,
            wtr_s: 9,
            wtr_l: 11,
            wr: 27,
            rtp: 4,
            turnaround: 2,
            refi: 3333,
            rfc: 211,
            burst_clocks: 2,
            source: "Ramulator 2.1 at commit c5b1c3a, GDDR6_8Gb_x16, GDDR6_14000_1350mV_double",
            exceptions: &[TURNAROUND],
        },
    }
}

/// Banks of one channel.
pub(super) const fn organization(standard: DramStandard) -> DramOrganization {
    let ddr4 = DramOrganization {
        n_bank_groups: 4,
        n_banks_per_group: 4,
        n_rows: 1 << 16,
        row_bytes: 8192,
        burst_bytes: 64,
        bus_bits: 64,
        has_dual_command_bus: false,
    };
    let mobile = DramOrganization {
        n_rows: 1 << 15,
        row_bytes: 2048,
        burst_bytes: 32,
        bus_bits: 16,
        ..ddr4
    };
    match standard {
        DramStandard::Ddr3_1866 | DramStandard::Ddr3_2133 => DramOrganization {
            n_bank_groups: 1,
            n_banks_per_group: 8,
            row_bytes: 16384,
            ..ddr4
        },
        DramStandard::Ddr4_2400 | DramStandard::Ddr4_3200 => ddr4,
        DramStandard::Lpddr4_3200 => DramOrganization {
            n_bank_groups: 1,
            n_banks_per_group: 8,
            ..mobile
        },
        DramStandard::Lpddr5_6400 => mobile,
        DramStandard::Hbm2 => DramOrganization {
            n_rows: 1 << 15,
            row_bytes: 2048,
            bus_bits: 128,
            has_dual_command_bus: true,
            ..ddr4
        },
        DramStandard::Gddr6 => DramOrganization {
            n_rows: 1 << 14,
            ..mobile
        },
    }
}

const DDR3_IDD: &str =
    "IDD values of DRAMsim3's DDR3_8Gb_x8_1866 with the formulas of its configuration.cc, 8 devices per rank";
const DDR3_2133_IDD: &str =
    "DRAMsim3's DDR3_8Gb_x8_1866, per command and in standby, for want of credible IDD values of the faster grade";
const DDR4_2400_IDD: &str =
    "IDD values of DRAMsim3's DDR4_8Gb_x8_2400 with the formulas of its configuration.cc, 8 devices per rank";
const DDR4_3200_IDD: &str =
    "IDD values of DRAMsim3's DDR4_8Gb_x8_3200 with the formulas of its configuration.cc, 8 devices per rank";
const HBM2_IDD: &str = "IDD values of DRAMsim3's HBM2_8Gb_x128 with the formulas of its configuration.cc";
const LPDDR4_IDD: &str =
    "one of four devices of DRAMsim3's LPDDR4_8Gb_x16_2400, whose IDD values look copied from DDR4: treat with care";
const GDDR6_IDD: &str = "one of eight devices of DRAMsim3's GDDR6_8Gb_x16 (IDD values)";
const SCALED_ACTIVATE: &str =
    "909 pJ per 1 KiB row of HBM2 (O'Connor et al., Fine-Grained DRAM, MICRO 2017), scaled to a row of 2 KiB";
const IO_DDR3: &str = "20.3 pJ/bit in all (Jouppi et al., TPUv4i, ISCA 2021, Table 2) less 7.403 of column energy";
const IO_DDR4_2400: &str = "20.3 pJ/bit in all (Jouppi et al., TPUv4i, ISCA 2021, Table 2) less 5.727 of column energy";
const IO_DDR4_3200: &str = "20.3 pJ/bit in all (Jouppi et al., TPUv4i, ISCA 2021, Table 2) less 5.481 of column energy";
const IO_HBM2: &str = "0.30 pJ/bit (O'Connor et al., Fine-Grained DRAM, MICRO 2017)";
const COLUMN_HBM2: &str = "1.51 + 1.17 pJ/bit before and after the global sense amplifiers of HBM2 (O'Connor et al., MICRO 2017), taken for this standard";
const IO_LPDDR4: &str = "8 pJ/bit in all (accelergy-cacti-plug-in at 291018b, public data) less 2.68 of column energy";
const IO_LPDDR5: &str = "that of LPDDR4 as an upper bound, for want of a published figure";
const IO_GDDR6: &str = "6.5 pJ/bit in all, the middle of 5.5 to 7.5 (Jouppi et al., TPUv4i, ISCA 2021, Table 2), less 2.68 of column energy";

const fn sourced(value: u64, source: &'static str) -> Sourced {
    Sourced { value, source }
}

/// `[activate, read, write, refresh, open, closed]` from one set of IDD values.
const fn from_idd(figures: [u64; 6], source: &'static str, io_fj_per_bit: Sourced) -> DramEnergy {
    DramEnergy {
        activate_fj: sourced(figures[0], source),
        read_fj: sourced(figures[1], source),
        write_fj: sourced(figures[2], source),
        refresh_fj: sourced(figures[3], source),
        active_uw: sourced(figures[4], source),
        precharged_uw: sourced(figures[5], source),
        io_fj_per_bit,
    }
}

/// A 16-bit channel with bursts of 32 bytes and rows of 2 KiB, for which no complete set of IDD values is credible.
const fn narrow(standby: [u64; 3], source: &'static str, io_fj_per_bit: Sourced) -> DramEnergy {
    // 2.68 pJ/bit times 256 bits.
    let column_fj = 686_080;
    DramEnergy {
        activate_fj: sourced(1_818_000, SCALED_ACTIVATE),
        read_fj: sourced(column_fj, COLUMN_HBM2),
        write_fj: sourced(column_fj, COLUMN_HBM2),
        refresh_fj: sourced(standby[0], source),
        active_uw: sourced(standby[1], source),
        precharged_uw: sourced(standby[2], source),
        io_fj_per_bit,
    }
}

/// Energy of one rank of one channel.
pub(super) const fn energy(standard: DramStandard) -> DramEnergy {
    match standard {
        DramStandard::Ddr3_1866 => from_idd(
            [10_573_700, 3_790_400, 3_790_400, 746_700_000, 572_400, 410_400],
            DDR3_IDD,
            sourced(12_897, IO_DDR3),
        ),
        DramStandard::Ddr3_2133 => from_idd(
            [10_573_700, 3_790_400, 3_790_400, 746_700_000, 572_400, 410_400],
            DDR3_2133_IDD,
            sourced(12_897, IO_DDR3),
        ),
        DramStandard::Ddr4_2400 => from_idd(
            [3_450_100, 2_932_200, 2_549_800, 692_740_000, 412_800, 326_400],
            DDR4_2400_IDD,
            sourced(14_573, IO_DDR4_2400),
        ),
        DramStandard::Ddr4_3200 => from_idd(
            [4_233_600, 2_806_300, 2_370_800, 670_600_000, 499_200, 355_200],
            DDR4_3200_IDD,
            sourced(14_819, IO_DDR4_3200),
        ),
        DramStandard::Lpddr4_3200 => narrow([90_970_000, 56_400, 40_800], LPDDR4_IDD, sourced(5_320, IO_LPDDR4)),
        DramStandard::Lpddr5_6400 => narrow([90_970_000, 56_400, 40_800], LPDDR4_IDD, sourced(5_320, IO_LPDDR5)),
        DramStandard::Hbm2 => from_idd(
            [828_000, 804_000, 1_068_000, 60_840_000, 66_000, 48_000],
            HBM2_IDD,
            sourced(300, IO_HBM2),
        ),
        DramStandard::Gddr6 => narrow([25_260_000, 82_350, 81_000], GDDR6_IDD, sourced(3_820, IO_GDDR6)),
    }
}
