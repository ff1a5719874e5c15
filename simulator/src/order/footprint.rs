//! Which bytes an access covers, and whether two accesses have one in common: exact, but quick wherever the shapes are regular.

use crate::race::Access;
use std::sync::Arc;
use systole_isa::Descriptor;
use systole_isa::descriptor::N_LEVELS;

/// Half-open range of byte addresses.
pub(crate) type Span = (i64, i64);

fn overlap(a: Span, b: Span) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// Runs of equal length, each starting at `first` plus a multiple of `pitch`: every byte of a view is in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lattice {
    first: i64,
    length: i64,
    /// 0 if there is only one run.
    pitch: i64,
}

/// A level, or what is left of one when a range of indices is taken from it.
#[derive(Clone, Copy, Default)]
struct Step {
    count: i64,
    stride_bits: i64,
}

/// The bytes of one access.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Footprint {
    pub(crate) span: Span,
    /// `None` if it covers every byte of its span.
    shape: Option<Arc<Shape>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    access: Access,
    lattice: Option<Lattice>,
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What indices `first..first + n` of one side of a view step through: the bits that they start at and their levels; and whether that is
/// exact, not only a superset.
fn side(view: &Descriptor, levels: std::ops::Range<usize>, first: u64, n: u64, steps: &mut Vec<Step>) -> (i64, bool) {
    let bits = i64::from(view.format.bits());
    let counting = || levels.clone().filter(|&level| view.levels[level].count > 1);
    let n_counting = counting().count();
    let whole: u64 = counting().map(|level| u64::from(view.levels[level].count)).product();
    if n_counting == 1 || n == 1 {
        let mut rest = first;
        let mut offset = 0i64;
        for level in counting().collect::<Vec<_>>().into_iter().rev() {
            let count = u64::from(view.levels[level].count);
            let stride_bits = view.levels[level].stride.wrapping_mul(bits);
            offset = offset.wrapping_add(stride_bits.wrapping_mul((rest % count) as i64));
            rest /= count;
            if n > 1 {
                steps.push(Step {
                    count: n as i64,
                    stride_bits,
                });
            }
        }
        return (offset, true);
    }
    steps.extend(counting().map(|level| Step {
        count: i64::from(view.levels[level].count),
        stride_bits: view.levels[level].stride.wrapping_mul(bits),
    }));
    (0, first == 0 && n == whole)
}

impl Lattice {
    /// The runs that hold every byte of an access, and whether they are exactly its bytes. Elements outside a window count as touched.
    fn of(access: &Access) -> Option<(Self, bool)> {
        let view = access.view();
        let (row, n_rows, column, n_columns) = access.part();
        let split = usize::from(view.split);
        let mut steps = Vec::with_capacity(N_LEVELS);
        let (row_offset, rows_exact) = side(view, 0..split, row, n_rows, &mut steps);
        let (column_offset, columns_exact) = side(view, split..N_LEVELS, column, n_columns, &mut steps);
        let mut first = view
            .base
            .checked_mul(8)?
            .checked_add(row_offset)?
            .checked_add(column_offset)?;
        for step in &mut steps {
            if step.stride_bits < 0 {
                first = first.checked_add(step.stride_bits.checked_mul(step.count - 1)?)?;
                step.stride_bits = step.stride_bits.checked_neg()?;
            }
        }
        steps.sort_unstable_by_key(|step| step.stride_bits);
        let (mut length, mut pitch) = (i64::from(view.format.bits()), 0);
        for step in &steps {
            if step.stride_bits <= length {
                length = length.checked_add(step.stride_bits.checked_mul(step.count - 1)?)?;
            } else {
                pitch = gcd(pitch, step.stride_bits);
            }
        }
        if pitch % 8 != 0 {
            return None;
        }
        let end = (first.checked_add(length)?.checked_add(7)?).div_euclid(8);
        let first = first.div_euclid(8);
        let lattice = Self {
            first,
            length: end - first,
            pitch: pitch / 8,
        };
        let exact = pitch == 0 && rows_exact && columns_exact && view.windows == [None, None];
        Some((lattice, exact))
    }

    /// Whether no byte can be in both.
    fn is_apart_from(&self, other: &Lattice) -> bool {
        let pitch = gcd(self.pitch, other.pitch);
        let distance = other.first - self.first;
        if pitch == 0 {
            return distance >= self.length || -distance >= other.length;
        }
        let distance = distance.rem_euclid(pitch);
        distance >= self.length && distance + other.length <= pitch
    }
}

impl Footprint {
    /// The footprint of an access.
    pub(crate) fn of(access: &Access) -> Self {
        let span = access.span();
        match Lattice::of(access) {
            Some((lattice, true)) => Self {
                span: (lattice.first, lattice.first + lattice.length),
                shape: None,
            },
            lattice => Self {
                span,
                shape: Some(Arc::new(Shape {
                    access: access.clone(),
                    lattice: lattice.map(|(lattice, _)| lattice),
                })),
            },
        }
    }

    /// Grows by another one if the bytes of both together, or of one of them, are again a footprint.
    pub(crate) fn absorb(&mut self, other: &Footprint) -> bool {
        if self == other {
            return true;
        }
        let touch = self.span.0 <= other.span.1 && other.span.0 <= self.span.1;
        let both_dense = self.shape.is_none() && other.shape.is_none();
        if both_dense && touch {
            self.span = (self.span.0.min(other.span.0), self.span.1.max(other.span.1));
        }
        both_dense && touch
    }

    /// A byte that both cover, the lowest where that costs nothing more.
    pub(crate) fn common_byte(&self, other: &Footprint) -> Option<i64> {
        if !overlap(self.span, other.span) {
            return None;
        }
        let within = (self.span.0.max(other.span.0), self.span.1.min(other.span.1));
        match (&self.shape, &other.shape) {
            (None, None) => Some(within.0),
            (Some(shape), None) | (None, Some(shape)) => {
                let first = shape
                    .access
                    .intervals(within)
                    .into_iter()
                    .map(|interval| interval.0)
                    .min();
                first.map(|first| first.max(within.0))
            }
            (Some(a), Some(b)) => {
                if let (Some(a), Some(b)) = (&a.lattice, &b.lattice)
                    && a.is_apart_from(b)
                {
                    return None;
                }
                first_common(a.access.intervals(within), b.access.intervals(within))
            }
        }
    }

    /// The byte intervals that it covers, in any order.
    pub(crate) fn intervals(&self) -> Vec<Span> {
        match &self.shape {
            None => vec![self.span],
            Some(shape) => shape.access.intervals(self.span),
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
