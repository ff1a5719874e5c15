//! The one way by which time may depend on values.
//!
//! The units know sizes, addresses and masks in registers. What they cannot know without looking at a tensor is a fact here, observed when an
//! instruction starts. A run without values takes the dense case.

use crate::exec::{self, Memories};
use crate::work::Work;

/// What an instruction finds in its operands that its duration depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    /// Rows that a product streams.
    pub(crate) live_rows: u64,
}

impl Facts {
    /// Nothing is zero.
    pub(crate) fn dense(work: &Work) -> Self {
        let live_rows = match work {
            Work::Product(product) => product.m,
            _ => 0,
        };
        Self { live_rows }
    }

    /// What the memories hold.
    pub(crate) fn observed(work: &Work, memories: &Memories) -> Self {
        match work {
            Work::Product(product) if product.rows.is_some() => Self {
                live_rows: exec::live_rows(memories, product).len() as u64,
            },
            work => Self::dense(work),
        }
    }
}
