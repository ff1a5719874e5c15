//! Grids: runs of bytes of equal length at regular distances, in up to four nested steps. What loops over tiles touch is
//! mostly one, however many tiles there are.

use super::footprint::Span;
use systole_isa::Descriptor;
use systole_isa::descriptor::N_LEVELS;

const MAX_STEPS: usize = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Step {
    count: i64,
    /// Above zero; in bits while a grid is made, in bytes in it.
    stride: i64,
}

/// Runs at `first` plus every combination of its steps; they may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Grid {
    first: i64,
    length: i64,
    n_steps: u8,
    steps: [Step; MAX_STEPS],
}

/// Runs of equal length, each starting at `first` plus a multiple of `pitch`, without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lattice {
    first: i64,
    length: i64,
    /// 0 if there is only one run.
    pitch: i64,
}

impl Lattice {
    /// Whether no byte can be in both.
    pub(super) fn is_apart_from(&self, other: &Lattice) -> bool {
        let pitch = gcd(self.pitch, other.pitch);
        let distance = other.first - self.first;
        if pitch == 0 {
            return distance >= self.length || -distance >= other.length;
        }
        let distance = distance.rem_euclid(pitch);
        distance >= self.length && distance + other.length <= pitch
    }
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Steps under construction, strides in bits of either sign.
struct Steps {
    n: usize,
    list: [Step; N_LEVELS],
    first_bit: i64,
    /// Whether they are the bytes of the view's part, not only a superset.
    exact: bool,
}

impl Steps {
    /// Adds indices `first..first + n` of one side of a view. `None` if an address does not fit.
    fn add_side(&mut self, view: &Descriptor, levels: std::ops::Range<usize>, first: u64, n: u64) -> Option<()> {
        let bits = i64::from(view.format.bits());
        let counting = || levels.clone().rev().filter(|&level| view.levels[level].count > 1);
        let is_one_level = counting().nth(1).is_none();
        let (mut rest, mut whole) = (first, 1u64);
        for level in counting() {
            let (count, stride) = (
                u64::from(view.levels[level].count),
                view.levels[level].stride.checked_mul(bits)?,
            );
            whole = whole.saturating_mul(count);
            if n == 1 || is_one_level {
                self.first_bit = self.first_bit.checked_add(stride.checked_mul((rest % count) as i64)?)?;
                rest /= count;
            }
            if n > 1 {
                let count = if is_one_level { n } else { count };
                self.list[self.n] = Step {
                    count: count as i64,
                    stride,
                };
                self.n += 1;
            }
        }
        self.exact &= n == 1 || is_one_level || first == 0 && n == whole;
        Some(())
    }
}

impl Grid {
    /// A grid that holds every byte of a part (row, rows, column, columns) of a view, windows ignored, and whether it holds no other.
    /// `None` if there is no such grid.
    pub(super) fn of(
        view: &Descriptor,
        (row, n_rows, column, n_columns): (u64, u64, u64, u64),
    ) -> Option<(Self, bool)> {
        let split = usize::from(view.split);
        let mut steps = Steps {
            n: 0,
            list: Default::default(),
            first_bit: view.base.checked_mul(8)?,
            exact: true,
        };
        steps.add_side(view, 0..split, row, n_rows)?;
        steps.add_side(view, split..N_LEVELS, column, n_columns)?;
        let Steps {
            n,
            mut list,
            mut first_bit,
            exact,
        } = steps;
        for step in &mut list[..n] {
            if step.stride < 0 {
                first_bit = first_bit.checked_add(step.stride.checked_mul(step.count - 1)?)?;
                step.stride = step.stride.checked_neg()?;
            }
        }
        list[..n].sort_unstable_by_key(|step| step.stride);
        let mut length = i64::from(view.format.bits());
        let mut grid = Self {
            first: 0,
            length: 0,
            n_steps: 0,
            steps: Default::default(),
        };
        for step in &list[..n] {
            let extent = step.stride.checked_mul(step.count - 1)?;
            if step.stride <= length && grid.n_steps == 0 {
                length = length.checked_add(extent)?;
                continue;
            }
            if step.stride % 8 != 0 || usize::from(grid.n_steps) == MAX_STEPS {
                return None;
            }
            first_bit.checked_add(extent)?;
            grid.push(Step {
                count: step.count,
                stride: step.stride / 8,
            });
        }
        grid.first = first_bit.div_euclid(8);
        grid.length = first_bit.checked_add(length)?.checked_add(7)?.div_euclid(8) - grid.first;
        grid.first.checked_add(grid.extent())?;
        Some((grid, exact))
    }

    fn steps(&self) -> &[Step] {
        &self.steps[..usize::from(self.n_steps)]
    }

    fn push(&mut self, step: Step) {
        self.steps[usize::from(self.n_steps)] = step;
        self.n_steps += 1;
    }

    /// Bytes from its first to one past its last.
    fn extent(&self) -> i64 {
        let steps = self
            .steps()
            .iter()
            .map(|step| step.stride.saturating_mul(step.count - 1));
        steps.fold(self.length, i64::saturating_add)
    }

    /// Its lowest and one past its highest byte.
    pub(super) fn span(&self) -> Span {
        (self.first, self.first + self.extent())
    }

    /// Whether it is a single run.
    pub(super) fn is_single(&self) -> bool {
        self.n_steps == 0
    }

    /// Runs without end that hold it.
    pub(super) fn lattice(&self) -> Lattice {
        Lattice {
            first: self.first,
            length: self.length,
            pitch: self.steps().iter().fold(0, |pitch, step| gcd(pitch, step.stride)),
        }
    }

    /// Becomes the union with another grid, if that is a grid.
    pub(super) fn absorb(&mut self, other: &Grid) -> bool {
        if self == other {
            return true;
        }
        if self.is_single() && other.is_single() && self.touches(other) {
            let (a, b) = (self.span(), other.span());
            self.first = a.0.min(b.0);
            self.length = a.1.max(b.1) - self.first;
            return true;
        }
        if self.length != other.length {
            return false;
        }
        let distance = other.first - self.first;
        if let Some((last, inner)) = self.steps().split_last() {
            let count = match other.steps().split_last() {
                Some((theirs, rest)) if rest == inner && theirs.stride == last.stride => Some(theirs.count),
                _ => (other.steps() == inner).then_some(1),
            };
            if let Some(count) = count
                && distance % last.stride == 0
                && distance >= 0
                && distance / last.stride <= last.count
            {
                let step = &mut self.steps[usize::from(self.n_steps) - 1];
                step.count = step.count.max(distance / step.stride + count);
                return true;
            }
        }
        let is_copy = self.steps() == other.steps() && distance > 0 && usize::from(self.n_steps) < MAX_STEPS;
        if is_copy {
            self.push(Step {
                count: 2,
                stride: distance,
            });
        }
        is_copy
    }

    fn touches(&self, other: &Grid) -> bool {
        let (a, b) = (self.span(), other.span());
        a.0 <= b.1 && b.0 <= a.1
    }

    /// Its runs that reach into a range, in any order.
    pub(super) fn intervals(&self, within: Span) -> Vec<Span> {
        let mut firsts = vec![self.first];
        // The widest step first, so that runs far outside are left out early.
        for (i, step) in self.steps().iter().enumerate().rev() {
            let inner: i64 = self.steps()[..i]
                .iter()
                .map(|step| step.stride * (step.count - 1))
                .sum();
            let reach = self.length + inner;
            firsts = firsts
                .iter()
                .flat_map(|&first| {
                    // Indices whose bytes, with all inner steps, can reach into the range.
                    let from = (within.0 - first - reach).div_euclid(step.stride).clamp(0, step.count);
                    let to = ((within.1 - first).div_euclid(step.stride) + 1).clamp(from, step.count);
                    (from..to).map(move |index| first + index * step.stride)
                })
                .collect();
        }
        let runs = firsts.into_iter().map(|first| (first, first + self.length));
        runs.filter(|run| run.0 < within.1 && within.0 < run.1).collect()
    }
}
