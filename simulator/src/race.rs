//! Which bytes an instruction touches: bounds against the memories, and conflicts with what other units have under way.

use crate::fault::FaultKind;
use crate::work::{Role, Work};
use systole_isa::Descriptor;
use systole_isa::operand::Space;

/// Byte addresses beyond this, on either side of zero, are out of range even outside a window.
const ADDRESS_LIMIT: i64 = 1 << 59;

/// A part of a descriptor's matrix view that an instruction reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    view: Descriptor,
    row: u64,
    n_rows: u64,
    column: u64,
    n_columns: u64,
    writes: bool,
    span: (i64, i64),
}

impl Access {
    fn new(
        view: &Descriptor,
        (row, n_rows): (u64, u64),
        (column, n_columns): (u64, u64),
        writes: bool,
    ) -> Option<Self> {
        let span = view.byte_span(row, n_rows, column, n_columns)?;
        Some(Self {
            view: *view,
            row,
            n_rows,
            column,
            n_columns,
            writes,
            span,
        })
    }

    /// One past its highest byte, if it is in this memory.
    pub(crate) fn end_in(&self, space: Space) -> Option<u64> {
        (self.view.space == space).then_some(self.span.1.max(0) as u64)
    }

    /// Byte intervals of the elements inside the windows, unsorted.
    fn intervals(&self) -> Vec<(i64, i64)> {
        let bits = i64::from(self.view.format.bits());
        let mut intervals = Vec::new();
        for row in self.row..self.row + self.n_rows {
            self.view.for_each_run(row, self.column, self.n_columns, |run| {
                if let Some(first) = run.bit_address {
                    let end = first + i64::from(run.n_elements) * bits;
                    intervals.push((first.div_euclid(8), (end + 7).div_euclid(8)));
                }
            });
        }
        intervals
    }

    /// First byte that both touch, if one of them writes.
    fn conflict(&self, other: &Access) -> Option<i64> {
        let may_overlap = self.span.0 < other.span.1 && other.span.0 < self.span.1;
        if !(self.writes || other.writes) || self.view.space != other.view.space || !may_overlap {
            return None;
        }
        let (mut mine, mut theirs) = (self.intervals(), other.intervals());
        mine.sort_unstable();
        theirs.sort_unstable();
        let (mut i, mut j) = (0, 0);
        while i < mine.len() && j < theirs.len() {
            let (a, b) = (mine[i], theirs[j]);
            if a.0 < b.1 && b.0 < a.1 {
                return Some(a.0.max(b.0));
            }
            if a.1 <= b.1 {
                i += 1;
            } else {
                j += 1;
            }
        }
        None
    }

    /// An error if an element lies outside its memory. Elements outside a window are not fetched and may lie anywhere.
    fn check_bounds(&self, capacity: impl Fn(Space) -> u64) -> Result<(), FaultKind> {
        let capacity = capacity(self.view.space);
        let inside = |(first, end): (i64, i64)| first >= 0 && end as u64 <= capacity;
        if inside(self.span) {
            return Ok(());
        }
        // Where addresses of bits would wrap around, single elements are not looked at.
        if self.span.0 < -ADDRESS_LIMIT || self.span.1 > ADDRESS_LIMIT {
            let (first, end) = self.span;
            return Err(FaultKind::OutOfRange {
                space: self.view.space,
                first,
                end,
                capacity,
            });
        }
        match self.intervals().into_iter().find(|&interval| !inside(interval)) {
            None => Ok(()),
            Some((first, end)) => Err(FaultKind::OutOfRange {
                space: self.view.space,
                first,
                end,
                capacity,
            }),
        }
    }
}

/// What a piece of work touches. `tile` is the size (k, n) of the weight tile that a matrix product uses.
pub(crate) fn accesses(work: &Work, tile: (u64, u64)) -> Vec<Access> {
    let whole = |view: &Descriptor, m: u64, n: u64, writes: bool| Access::new(view, (0, m), (0, n), writes);
    let list = match work {
        Work::WeightLoad { w, k, n } => vec![whole(w, *k, *n, false)],
        Work::MatMul { c, a, m0, m, k0, .. } => {
            vec![
                Access::new(a, (*m0, *m), (*k0, tile.0), false),
                whole(c, *m, tile.1, true),
            ]
        }
        Work::Vector(vector) => {
            let operands = vector.operands();
            let used = operands.iter().map(|operand| {
                let writes = matches!(operand.role, Role::Output | Role::Update);
                whole(operand.view, operand.n_rows, operand.n_columns, writes)
            });
            used.collect()
        }
        Work::Copy { dst, src, m, n } => vec![whole(src, *m, *n, false), whole(dst, *m, *n, true)],
        Work::Sync => vec![],
    };
    list.into_iter().flatten().collect()
}

/// Checks accesses against the memories' sizes.
pub(crate) fn check_bounds(accesses: &[Access], capacity: impl Fn(Space) -> u64) -> Result<(), FaultKind> {
    accesses.iter().try_for_each(|access| access.check_bounds(&capacity))
}

/// First byte in which two instructions conflict, with its memory.
pub(crate) fn conflict(mine: &[Access], theirs: &[Access]) -> Option<(Space, i64)> {
    mine.iter()
        .flat_map(|a| theirs.iter().map(move |b| (a, b)))
        .find_map(|(a, b)| Some((a.view.space, a.conflict(b)?)))
}
