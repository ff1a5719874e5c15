//! Which bytes an instruction touches, and their bounds against the memories.

use crate::fault::FaultKind;
use crate::work::matrix::{Product, TileLoad, TileShape};
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
    pub(crate) fn new(
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

    /// One access to the bytes of both, if both are of the same rows of one view and the columns leave no gap.
    pub(crate) fn union(&self, other: &Access) -> Option<Access> {
        let same =
            (self.view, self.row, self.n_rows, self.writes) == (other.view, other.row, other.n_rows, other.writes);
        let (end, other_end) = (self.column + self.n_columns, other.column + other.n_columns);
        if !same || other.column > end || self.column > other_end {
            return None;
        }
        let first = self.column.min(other.column);
        let columns = (first, end.max(other_end) - first);
        Access::new(&self.view, (self.row, self.n_rows), columns, self.writes)
    }

    /// The descriptor through which it goes.
    pub(crate) fn view(&self) -> &Descriptor {
        &self.view
    }

    /// Its part of the view: first row, number of rows, first column, number of columns.
    pub(crate) fn part(&self) -> (u64, u64, u64, u64) {
        (self.row, self.n_rows, self.column, self.n_columns)
    }

    /// The memory.
    pub(crate) fn space(&self) -> Space {
        self.view.space
    }

    /// Whether it writes; else it reads.
    pub(crate) fn writes(&self) -> bool {
        self.writes
    }

    /// Its lowest and one past its highest byte, windows ignored.
    pub(crate) fn span(&self) -> (i64, i64) {
        self.span
    }

    /// Byte intervals of the elements inside the windows that reach into `within`, unsorted.
    pub(crate) fn intervals(&self, within: (i64, i64)) -> Vec<(i64, i64)> {
        let bits = i64::from(self.view.format.bits());
        let mut intervals: Vec<(i64, i64)> = Vec::new();
        for row in self.row..self.row + self.n_rows {
            self.view.for_each_run(row, self.column, self.n_columns, |run| {
                let Some(first) = run.bit_address else { return };
                let end = first + i64::from(run.n_elements) * bits;
                let interval = (first.div_euclid(8), (end + 7).div_euclid(8));
                if interval.0 >= within.1 || interval.1 <= within.0 {
                    return;
                }
                match intervals.last_mut() {
                    Some(last) if last.0 <= interval.0 && interval.0 <= last.1 => last.1 = last.1.max(interval.1),
                    _ => intervals.push(interval),
                }
            });
        }
        intervals
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
        match self
            .intervals(self.span)
            .into_iter()
            .find(|&interval| !inside(interval))
        {
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

/// What a load of the array reads: its live rows, or a compressed tile and its positions.
fn tile_load(load: &TileLoad) -> Vec<Option<Access>> {
    let (shape, n) = (&load.shape, (0, load.shape.n));
    match &load.index {
        Some(index) => [&load.source, index]
            .map(|view| Access::new(view, (0, shape.n_rows()), n, false))
            .into(),
        None => {
            let rows = shape.live.ranges();
            rows.map(|rows| Access::new(&load.source, rows, n, false)).collect()
        }
    }
}

/// What a product with this tile touches. Which rows a bitmap leaves out does not matter: races do not depend on values.
fn product(product: &Product, tile: &TileShape) -> Vec<Option<Access>> {
    let rows = (product.m0, product.m);
    let columns = tile.live.ranges().map(|(first, n)| (product.k0 + first, n));
    let mut list: Vec<_> = columns
        .map(|columns| Access::new(&product.a, rows, columns, false))
        .collect();
    list.push(Access::new(&product.c, (0, product.m), (0, tile.n), true));
    if let Some(bitmap) = &product.rows {
        list.push(Access::new(bitmap, rows, (0, 1), false));
    }
    list
}

/// What a piece of work touches. `tile` is what a matrix product uses.
pub(crate) fn accesses(work: &Work, tile: Option<&TileShape>) -> Vec<Access> {
    let whole = |view: &Descriptor, m: u64, n: u64, writes: bool| Access::new(view, (0, m), (0, n), writes);
    let list = match work {
        Work::TileLoad(load) => tile_load(load),
        Work::Product(work) => tile.map_or_else(Vec::new, |tile| product(work, tile)),
        Work::OutputStationary(work) => {
            let mut list = tile_load(&work.w);
            list.extend(product(&work.as_product(), &work.w.shape));
            list
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
