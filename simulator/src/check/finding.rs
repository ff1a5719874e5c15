//! Findings: what the check says, without the text of the program, which it does not know.

use std::collections::BTreeSet;
use systole_isa::Diagnostic;
use systole_isa::diagnostic::Severity;

/// Findings that are kept in full.
const MAX_FINDINGS: usize = 50;

/// Something that is wrong, or that cannot be proven right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Warnings do not stand against a proof.
    pub severity: Severity,
    /// Stable code, such as `K0002`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The instructions that it is about.
    pub pcs: Vec<u32>,
    /// Why it is so, beyond the instructions themselves.
    pub reason: Option<String>,
    /// What to do.
    pub help: &'static str,
}

impl Finding {
    /// An error about these instructions.
    pub(super) fn error(code: &'static str, pcs: &[u32], message: impl Into<String>, help: &'static str) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            pcs: pcs.to_vec(),
            reason: None,
            help,
        }
    }

    /// A warning about these instructions.
    pub(super) fn warning(code: &'static str, pcs: &[u32], message: impl Into<String>, help: &'static str) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, pcs, message, help)
        }
    }

    /// The same with a reason.
    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The finding as a diagnostic; `describe` gives place and text of an instruction.
    pub fn diagnostic(&self, describe: impl Fn(u32) -> String) -> Diagnostic {
        let mut reasons: Vec<String> = self.pcs.iter().map(|&pc| describe(pc)).collect();
        reasons.extend(self.reason.clone());
        let base = match self.severity {
            Severity::Error => Diagnostic::error(self.code, self.message.clone()),
            Severity::Warning => Diagnostic::warning(self.code, self.message.clone()),
        };
        let base = base.help(self.help);
        if reasons.is_empty() {
            base
        } else {
            base.because(reasons.join("; "))
        }
    }
}

/// Findings, each once however often a loop repeats it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    seen: BTreeSet<(&'static str, Vec<u32>)>,
    n_more: usize,
}

impl Findings {
    /// Adds a finding unless the same code has been found for the same instructions.
    pub(super) fn add(&mut self, finding: Finding) {
        if !self.seen.insert((finding.code, finding.pcs.clone())) {
            return;
        }
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.n_more += 1;
        }
    }

    /// Whether this code has been found for these instructions.
    pub(super) fn has(&self, code: &'static str, pc: u32) -> bool {
        self.seen.contains(&(code, vec![pc]))
    }

    /// The findings, and the number of those that were not kept.
    pub(super) fn into_parts(self) -> (Vec<Finding>, usize) {
        (self.list, self.n_more)
    }
}
