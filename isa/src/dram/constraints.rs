//! Timing constraints as data: one row per rule of the standard.

use super::{Command, DramTiming};

/// Which banks a constraint binds, seen from the bank of the previous command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The same bank.
    Bank,
    /// All banks of the same bank group, the same bank included.
    BankGroup,
    /// All banks of the same rank.
    Rank,
    /// All banks of the other ranks of the channel.
    OtherRanks,
}

/// `next` may follow the `window`-th last `previous` within `scope` only after `clocks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The command that went out.
    pub previous: Command,
    /// The command that has to wait.
    pub next: Command,
    /// Where both have to be for the row to hold.
    pub scope: Scope,
    /// Clocks from one to the other.
    pub clocks: u64,
    /// 1 for the last command of its kind, 4 for the window of four activates.
    pub window: u32,
    /// The rule in JEDEC's names.
    pub rule: &'static str,
}

const fn row(previous: Command, next: Command, scope: Scope, clocks: u64, rule: &'static str) -> Constraint {
    Constraint {
        previous,
        next,
        scope,
        clocks,
        window: 1,
        rule,
    }
}

impl DramTiming {
    /// Every constraint of a channel.
    pub fn constraints(&self) -> Vec<Constraint> {
        use Command::{Activate, Precharge, Read, Refresh, Write};
        use Scope::{Bank, BankGroup, OtherRanks, Rank};
        let burst = self.burst_clocks;
        let (read, write) = (self.read_clocks(), self.write_clocks());
        let read_to_write = read + self.turnaround - self.cwl;
        let write_to_read_elsewhere = (write + self.turnaround).saturating_sub(self.cl).max(1);
        vec![
            row(Activate, Activate, Bank, self.rc, "tRC"),
            row(Activate, Read, Bank, self.rcd, "tRCD"),
            row(Activate, Write, Bank, self.rcd, "tRCD"),
            row(Activate, Precharge, Bank, self.ras, "tRAS"),
            row(Activate, Activate, BankGroup, self.rrd_l, "tRRD_L"),
            row(Activate, Activate, Rank, self.rrd_s, "tRRD_S"),
            Constraint {
                window: 4,
                ..row(Activate, Activate, Rank, self.faw, "tFAW")
            },
            row(Precharge, Activate, Bank, self.rp, "tRP"),
            row(Precharge, Refresh, Rank, self.rp, "tRP"),
            row(Read, Precharge, Bank, self.rtp, "tRTP"),
            row(Write, Precharge, Bank, write + self.wr, "CWL + BL + tWR"),
            row(Read, Read, BankGroup, self.ccd_l.max(burst), "tCCD_L"),
            row(Read, Read, Rank, self.ccd_s.max(burst), "tCCD_S, BL"),
            row(Read, Read, OtherRanks, burst + self.turnaround, "BL + tRTRS"),
            row(Write, Write, BankGroup, self.ccd_l.max(burst), "tCCD_L"),
            row(Write, Write, Rank, self.ccd_s.max(burst), "tCCD_S, BL"),
            row(Write, Write, OtherRanks, burst + self.turnaround, "BL + tRTRS"),
            row(Read, Write, Rank, read_to_write, "CL + BL + tRTRS - CWL"),
            row(Read, Write, OtherRanks, read_to_write, "CL + BL + tRTRS - CWL"),
            row(Write, Read, BankGroup, write + self.wtr_l, "CWL + BL + tWTR_L"),
            row(Write, Read, Rank, write + self.wtr_s, "CWL + BL + tWTR_S"),
            row(
                Write,
                Read,
                OtherRanks,
                write_to_read_elsewhere,
                "CWL + BL + tRTRS - CL",
            ),
            row(Refresh, Activate, Rank, self.rfc, "tRFC"),
            row(Refresh, Refresh, Rank, self.rfc, "tRFC"),
        ]
    }
}
