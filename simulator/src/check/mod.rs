//! Static check: what a program does wrong, before it runs and whatever the timing.
//!
//! The check executes the scalar sequencer alone, loops included, and performs the dispatched work in one fixed order without time and
//! without values: tokens, ranges and happens-before. If nothing is found, that one order stands for all: every token's posts
//! are ordered, and its takes, so each take follows the same posts in every execution; units that could go on in one order can go
//! on in all of them; and no two accesses to a byte are left unordered. What the check cannot prove, it names.
//!
//! It knows nothing of cycles or of tensors' values. A register that depends on time (`rdcycle`, `rdperf`) may be computed with, but not
//! decide where the program goes or what its work touches.

mod codes;
mod finding;
mod flow;
mod units;
mod walk;
mod written;

pub use codes::CODES;
pub use finding::Finding;

use crate::machine::{LoadError, check_fit};
use finding::Findings;
use systole_isa::diagnostic::Severity;
use systole_isa::{MachineDescription, Program};
use walk::Walk;

/// Instructions of the sequencer after which a check gives up, unless the caller says otherwise.
pub const DEFAULT_LIMIT: u64 = 1 << 30;

/// What a check found and how much it looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// What is wrong or cannot be proven, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// Findings beyond the first ones, which are only counted.
    pub n_more: usize,
    /// Instructions that the sequencer executed, loops unrolled.
    pub n_executed: u64,
    /// Instructions among them that it dispatched to other units.
    pub n_dispatched: u64,
}

impl CheckReport {
    /// Whether token balance, freedom from deadlock and races, operands and ranges are proven; warnings do not stand against that.
    pub fn is_proven(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity == Severity::Warning)
    }
}

/// Checks a program for a machine. Ends after `limit` instructions of the sequencer, which is a finding.
///
/// # Errors
/// If the program was made for another machine or does not fit its DRAM.
pub fn check(program: &Program, machine: &MachineDescription, limit: u64) -> Result<CheckReport, LoadError> {
    check_fit(program, machine)?;
    let mut findings = Findings::default();
    let mut walk = Walk::new(program, machine);
    walk.run(limit, &mut findings);
    walk.finish(&mut findings);
    let (n_executed, n_dispatched) = walk.amounts();
    let (findings, n_more) = findings.into_parts();
    Ok(CheckReport {
        findings,
        n_more,
        n_executed,
        n_dispatched,
    })
}
