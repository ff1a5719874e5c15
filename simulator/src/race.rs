//! Which bytes an instruction touches, and their bounds against the memories.

use crate::fault::FaultKind;
use crate::work::matrix::{Product, TileLoad, TileShape};
use crate::work::{Role, Work};
use smallvec::{SmallVec, smallvec};
use systole_isa::Descriptor;
use systole_isa::operand::Space;

/// Byte addresses beyond this, on either side of zero, are out of range even outside a window.
const ADDRESS_LIMIT: i64 = 1 << 59;

/// Which part of a view is used, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    row: u64,
    n_rows: u64,
    column: u64,
    n_columns: u64,
    writes: bool,
    span: (i64, i64),
}

/// A part of a descriptor's matrix view that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access<'a> {
    pub(crate) view: &'a Descriptor,
    pub(crate) part: Part,
}

/// The accesses of one instruction.
pub(crate) type Accesses<'a> = SmallVec<[Access<'a>; 4]>;

impl<'a> Access<'a> {
    pub(crate) fn new(
        view: &'a Descriptor,
        (row, n_rows): (u64, u64),
        (column, n_columns): (u64, u64),
        writes: bool,
    ) -> Option<Self> {
        let span = view.byte_span(row, n_rows, column, n_columns)?;
        let part = Part {
            row,
            n_rows,
            column,
            n_columns,
            writes,
            span,
        };
        Some(Self { view, part })
    }

    /// One past its highest byte, if it is in this memory.
    pub(crate) fn end_in(&self, space: Space) -> Option<u64> {
        (self.view.space == space).then_some(self.part.span.1.max(0) as u64)
    }

    /// One access to the bytes of both, if both are of the same rows of one view and the columns leave no gap.
    pub(crate) fn union(&self, other: &Access<'_>) -> Option<Access<'a>> {
        let (a, b) = (&self.part, &other.part);
        let same = self.view == other.view && (a.row, a.n_rows, a.writes) == (b.row, b.n_rows, b.writes);
        let (end, other_end) = (a.column + a.n_columns, b.column + b.n_columns);
        if !same || b.column > end || a.column > other_end {
            return None;
        }
        let first = a.column.min(b.column);
        let columns = (first, end.max(other_end) - first);
        Access::new(self.view, (a.row, a.n_rows), columns, a.writes)
    }

    /// Its part of the view: first row, number of rows, first column, number of columns.
    pub(crate) fn range(&self) -> (u64, u64, u64, u64) {
        let part = &self.part;
        (part.row, part.n_rows, part.column, part.n_columns)
    }

    /// The memory.
    pub(crate) fn space(&self) -> Space {
        self.view.space
    }

    /// Whether it writes; else it reads.
    pub(crate) fn writes(&self) -> bool {
        self.part.writes
    }

    /// Its lowest and one past its highest byte, windows ignored.
    pub(crate) fn span(&self) -> (i64, i64) {
        self.part.span
    }

    /// Byte intervals of the elements inside the windows that reach into `within`, unsorted.
    pub(crate) fn intervals(&self, within: (i64, i64)) -> Vec<(i64, i64)> {
        let bits = i64::from(self.view.format.bits());
        let mut intervals: Vec<(i64, i64)> = Vec::new();
        let (row, n_rows, column, n_columns) = self.range();
        for row in row..row + n_rows {
            self.view.for_each_run(row, column, n_columns, |run| {
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
        let span = self.span();
        if inside(span) {
            return Ok(());
        }
        // Where addresses of bits would wrap around, single elements are not looked at.
        if span.0 < -ADDRESS_LIMIT || span.1 > ADDRESS_LIMIT {
            let (first, end) = span;
            return Err(FaultKind::OutOfRange {
                space: self.view.space,
                first,
                end,
                capacity,
            });
        }
        match self.intervals(span).into_iter().find(|&interval| !inside(interval)) {
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
fn tile_load<'a>(load: &'a TileLoad, list: &mut Accesses<'a>) {
    let (shape, n) = (&load.shape, (0, load.shape.n));
    match &load.index {
        Some(index) => {
            let views = [&load.source, &**index];
            list.extend(
                views
                    .into_iter()
                    .filter_map(|view| Access::new(view, (0, shape.n_rows()), n, false)),
            );
        }
        None => {
            let rows = shape.live.ranges();
            list.extend(rows.filter_map(|rows| Access::new(&load.source, rows, n, false)));
        }
    }
}

/// Which rows and columns a product uses, whichever operand stays.
struct ProductViews<'a> {
    a: &'a Descriptor,
    c: &'a Descriptor,
    /// First row and number of rows of `a`; first column that meets the tile.
    rows: (u64, u64),
    k0: u64,
}

impl<'a> ProductViews<'a> {
    /// What a product with this tile touches.
    fn list(&self, tile: &TileShape, list: &mut Accesses<'a>) {
        let columns = tile.live.ranges().map(|(first, n)| (self.k0 + first, n));
        list.extend(columns.filter_map(|columns| Access::new(self.a, self.rows, columns, false)));
        list.extend(Access::new(self.c, (0, self.rows.1), (0, tile.n), true));
    }
}

/// What a piece of work touches. `tile` is what a matrix product uses. Which rows a bitmap leaves out does not matter: races do not
/// depend on values.
pub(crate) fn accesses<'a>(work: &'a Work, tile: Option<&TileShape>) -> Accesses<'a> {
    let whole = |view: &'a Descriptor, m: u64, n: u64, writes: bool| Access::new(view, (0, m), (0, n), writes);
    let mut list: Accesses<'a> = smallvec![];
    match work {
        Work::TileLoad(load) => tile_load(load, &mut list),
        Work::Product(Product {
            a, c, m0, m, k0, rows, ..
        }) => {
            if let Some(tile) = tile {
                let (k0, part) = (*k0, (*m0, *m));
                ProductViews { a, c, rows: part, k0 }.list(tile, &mut list);
                list.extend(
                    rows.iter()
                        .filter_map(|bitmap| Access::new(bitmap, part, (0, 1), false)),
                );
            }
        }
        Work::OutputStationary(os) => {
            tile_load(&os.w, &mut list);
            let rows = (os.m0, os.m);
            ProductViews {
                a: &os.a,
                c: &os.c,
                rows,
                k0: 0,
            }
            .list(&os.w.shape, &mut list);
        }
        Work::Vector(vector) => {
            list.extend(vector.operands().iter().filter_map(|operand| {
                let writes = matches!(operand.role, Role::Output | Role::Update);
                whole(operand.view, operand.n_rows, operand.n_columns, writes)
            }));
        }
        Work::Copy { dst, src, m, n } => {
            list.extend(
                [whole(src, *m, *n, false), whole(dst, *m, *n, true)]
                    .into_iter()
                    .flatten(),
            );
        }
        Work::Sync => {}
    }
    list
}

/// Checks accesses against the memories' sizes.
pub(crate) fn check_bounds(accesses: &[Access<'_>], capacity: impl Fn(Space) -> u64) -> Result<(), FaultKind> {
    accesses.iter().try_for_each(|access| access.check_bounds(&capacity))
}
