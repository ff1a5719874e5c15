//! Which bytes an access covers, and whether two accesses have one in common: exact, but quick wherever the shapes are regular.

use super::grid::{Grid, Lattice};
use crate::race::{Access, Part};
use std::sync::Arc;
use systole_isa::Descriptor;

/// Half-open range of byte addresses.
pub(crate) type Span = (i64, i64);

fn overlap(a: Span, b: Span) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// The bytes of one access, or of several of one instruction in a loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Footprint {
    pub(crate) span: Span,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// Every byte of these runs; of a single run, every byte of the span.
    Grid(Grid),
    /// A view with windows or with a part of its rows or columns that makes no grid; and runs that hold it.
    View(Arc<KeptView>),
}

/// An access that outlives its instruction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct KeptView {
    view: Descriptor,
    part: Part,
    lattice: Option<Lattice>,
}

impl KeptView {
    fn access(&self) -> Access<'_> {
        Access {
            view: &self.view,
            part: self.part,
        }
    }
}

impl Footprint {
    /// The footprint of an access.
    pub(crate) fn of(access: &Access<'_>) -> Self {
        let view = access.view;
        match Grid::of(view, access.range()) {
            Some((grid, true)) if view.windows == [None, None] => Self {
                span: grid.span(),
                shape: Shape::Grid(grid),
            },
            grid => Self {
                span: access.span(),
                shape: Shape::View(Arc::new(KeptView {
                    view: *view,
                    part: access.part,
                    lattice: grid.map(|(grid, _)| grid.lattice()),
                })),
            },
        }
    }

    /// Becomes the union with another footprint, if that has a shape again.
    pub(crate) fn absorb(&mut self, other: &Footprint) -> bool {
        match (&mut self.shape, &other.shape) {
            (Shape::Grid(mine), Shape::Grid(theirs)) => {
                let absorbed = mine.absorb(theirs);
                if absorbed {
                    self.span = mine.span();
                }
                absorbed
            }
            (Shape::View(mine), Shape::View(theirs)) => {
                if mine == theirs {
                    return true;
                }
                let access = mine.access();
                let Some(union) = access.union(&theirs.access()) else {
                    return false;
                };
                if union != access {
                    *self = Self::of(&union);
                }
                true
            }
            _ => false,
        }
    }

    /// A byte that both cover, if there is one.
    pub(crate) fn common_byte(&self, other: &Footprint) -> Option<i64> {
        if !overlap(self.span, other.span) {
            return None;
        }
        let within = (self.span.0.max(other.span.0), self.span.1.min(other.span.1));
        if self.is_dense() && other.is_dense() {
            return Some(within.0);
        }
        if let (Some(a), Some(b)) = (self.lattice(), other.lattice())
            && a.is_apart_from(&b)
        {
            return None;
        }
        first_common(self.intervals_within(within), other.intervals_within(within))
    }

    fn is_dense(&self) -> bool {
        matches!(&self.shape, Shape::Grid(grid) if grid.is_single())
    }

    fn lattice(&self) -> Option<Lattice> {
        match &self.shape {
            Shape::Grid(grid) => Some(grid.lattice()),
            Shape::View(view) => view.lattice,
        }
    }

    /// The byte intervals that it covers, in any order.
    pub(crate) fn intervals(&self) -> Vec<Span> {
        self.intervals_within(self.span)
    }

    /// Those that reach into a range.
    fn intervals_within(&self, within: Span) -> Vec<Span> {
        match &self.shape {
            Shape::Grid(grid) => grid.intervals(within),
            Shape::View(view) => view.access().intervals(within),
        }
    }
}

fn first_common(mut a: Vec<Span>, mut b: Vec<Span>) -> Option<i64> {
    a.sort_unstable();
    b.sort_unstable();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if overlap(a[i], b[j]) {
            return Some(a[i].0.max(b[j].0));
        }
        if a[i].1 <= b[j].1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use systole_isa::descriptor::{Level, Window};
    use systole_isa::operand::{Axis, Space};
    use systole_isa::{Descriptor, ElementFormat};

    prop_compose! {
        fn access()(
            format in prop::sample::select(&[ElementFormat::B1, ElementFormat::I4, ElementFormat::I8, ElementFormat::I32][..]),
            base in 0i64..40,
            split in 0u8..=5,
            levels in prop::array::uniform5((1u32..4, -9i64..20)),
            window in prop::option::of((0u8..5, -2i64..2, 1i64..4)),
            part in (0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0),
        ) -> KeptView {
            let mut view = Descriptor::new(Space::Spm, format, base, 0, split);
            view.levels = levels.map(|(count, stride)| Level { count, stride });
            if let Some((level, origin, extent)) = window {
                view.set_window(Axis::Y, Window { outer: level, outer_step: 1, inner: level, inner_step: 0, origin, extent });
            }
            let range = |n: u64, first: f64, length: f64| {
                let first = (first * n as f64) as u64;
                (first, 1 + (length * (n - first - 1) as f64) as u64)
            };
            let rows = range(view.n_rows(), part.0, part.1);
            let columns = range(view.n_columns(), part.2, part.3);
            let part = Access::new(&view, rows, columns, true).unwrap().part;
            KeptView { view, part, lattice: None }
        }
    }

    fn bytes_of(access: &Access<'_>) -> BTreeSet<i64> {
        let (row, n_rows, column, n_columns) = access.range();
        let bits = i64::from(access.view.format.bits());
        let elements = (row..row + n_rows).flat_map(|r| (column..column + n_columns).map(move |c| (r, c)));
        elements
            .filter_map(|(r, c)| access.view.locate(r, c))
            .flat_map(|bit| bit.div_euclid(8)..(bit + bits + 7).div_euclid(8))
            .collect()
    }

    fn covered(footprint: &Footprint) -> BTreeSet<i64> {
        footprint
            .intervals()
            .into_iter()
            .flat_map(|(first, end)| first..end)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_footprint_covers_the_bytes_of_its_elements(access in access()) {
            let access = access.access();
            prop_assert_eq!(covered(&Footprint::of(&access)), bytes_of(&access));
        }

        #[test]
        fn a_common_byte_is_found_if_there_is_one(a in access(), b in access()) {
            let (a, b) = (a.access(), b.access());
            let (x, y) = (bytes_of(&a), bytes_of(&b));
            match Footprint::of(&a).common_byte(&Footprint::of(&b)) {
                Some(byte) => prop_assert!(x.contains(&byte) && y.contains(&byte)),
                None => prop_assert!(x.is_disjoint(&y)),
            }
        }

        #[test]
        fn a_union_covers_both_and_nothing_else(a in access(), moves in prop::collection::vec((-30i64..30, 0u64..3), 1..6)) {
            let a = a.access();
            let mut union = Footprint::of(&a);
            let mut expected = bytes_of(&a);
            for (bytes, column) in moves {
                let (row, n_rows, _, n_columns) = a.range();
                let view = a.view.displaced(bytes);
                let other = Access::new(&view, (row, n_rows), (column.min(view.n_columns() - 1), n_columns), true);
                let Some(other) = other.filter(|other| other.range().2 + n_columns <= view.n_columns()) else { continue };
                if union.absorb(&Footprint::of(&other)) {
                    expected.extend(bytes_of(&other));
                }
                prop_assert_eq!(&covered(&union), &expected);
            }
        }
    }
}
