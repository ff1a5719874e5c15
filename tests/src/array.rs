//! The array at register level, as hardware would be written: every register of every PE takes its next value in every clock cycle from
//! its neighbours' registers, and skew comes from delay lines at the edges.
//!
//! It is the oracle for values, cycles and PE views of the simulator and knows none of its formulas: neither how long a tile takes
//! nor which row a PE works on, nor how formats, masks or patterns map to what a PE holds. Who drives it presents one item per edge and cycle and
//! looks at what comes out.

use std::collections::VecDeque;

/// A value that stays in a PE, and which of the values that a row offers it is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The value.
    pub value: i32,
    /// Index into the offer.
    pub position: usize,
}

/// The registers of one PE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pe {
    /// Active values: those of a tile, or weights that pass in an output-stationary product.
    pub weights: Vec<Slot>,
    /// Values of the next tile.
    pub shadow: Vec<Slot>,
    /// Values of the moving operand that were multiplied in this cycle.
    pub activations: Vec<i32>,
    /// Sum after this cycle: handed on to the PE below, or kept.
    pub partial_sum: Option<i64>,
    /// Place of the drain chain.
    pub drain: Option<i64>,
    /// Whether what is in the drain chain moves down.
    moves: bool,
    /// Whether the sum is kept.
    keeps: bool,
    /// Whether the kept sum is complete.
    is_complete: bool,
    /// What came from the left, handed on to the right.
    input: RowInput,
    /// Whether the shadow register holds an item of the load under way, which the PE below may take.
    fresh: bool,
}

/// One row of packs at the top edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightRow {
    /// One per column; `None` for an unused place of the chain.
    pub packs: Vec<Option<Vec<Slot>>>,
    /// Whether it is the last one of its load.
    pub is_last: bool,
}

/// A part of the bits of a value: all but the highest are unsigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Lowest bit.
    pub low: u32,
    /// Number of bits; `None` for all the rest.
    pub bits: Option<u32>,
}

impl Part {
    /// The part of a value.
    pub fn of(self, value: i32) -> i32 {
        let shifted = value >> self.low;
        self.bits.map_or(shifted, |bits| shifted.rem_euclid(1 << bits))
    }
}

/// A step of an output-stationary product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The sum starts anew.
    pub is_first: bool,
    /// The sum is complete.
    pub is_last: bool,
    /// Bits by which the products are shifted to the left.
    pub shift: u32,
}

/// What enters a row from the left in one cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowInput {
    /// Values of the moving operand.
    pub offer: Option<Vec<i32>>,
    /// The shadow registers become active.
    pub swaps: bool,
    /// The part of the stationary values that is multiplied.
    pub part: Part,
    /// Sums stay.
    pub step: Option<Step>,
}

/// What stands at the edges in one cycle, before the skew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Per row; rows beyond the end get nothing.
    pub rows: Vec<RowInput>,
    /// A row of the next tile.
    pub weights: Option<WeightRow>,
    /// Weights of an output-stationary product, per column.
    pub falling: Vec<Option<Vec<i32>>>,
}

/// A value that left the bottom of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// The cycle at whose end it stands below the array.
    pub cycle: u64,
    /// The column.
    pub column: usize,
    /// The sum.
    pub value: i64,
}

/// How the moving operand is skewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// Row `r` is delayed by `r` cycles.
    Exact,
    /// Wrong on purpose: rows from this one on are delayed by one cycle more.
    LateFrom(usize),
}

#[derive(Clone, Debug, Default)]
struct ColumnInput {
    shifts: bool,
    pack: Option<Vec<Slot>>,
    is_last: bool,
    falling: Option<Vec<i32>>,
}

/// The array.
#[derive(Clone, Debug)]
pub struct ReferenceArray {
    n_rows: usize,
    n_cols: usize,
    pes: Vec<Pe>,
    row_delays: Vec<VecDeque<RowInput>>,
    column_delays: Vec<VecDeque<ColumnInput>>,
    cycle: u64,
    outputs: Vec<Output>,
    n_collisions: usize,
}

impl ReferenceArray {
    /// An empty array whose first clock cycle is `cycle`.
    pub fn new(n_rows: usize, n_cols: usize, skew: Skew, cycle: u64) -> Self {
        let delay = |row: usize| match skew {
            Skew::LateFrom(first) if row >= first => row + 1,
            Skew::Exact | Skew::LateFrom(_) => row,
        };
        Self {
            n_rows,
            n_cols,
            pes: vec![Pe::default(); n_rows * n_cols],
            row_delays: (0..n_rows)
                .map(|row| VecDeque::from(vec![RowInput::default(); delay(row)]))
                .collect(),
            column_delays: (0..n_cols)
                .map(|col| VecDeque::from(vec![ColumnInput::default(); col]))
                .collect(),
            cycle,
            outputs: Vec::new(),
            n_collisions: 0,
        }
    }

    /// The next cycle.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// The registers of a PE after the last cycle.
    pub fn pe(&self, row: usize, col: usize) -> &Pe {
        &self.pes[row * self.n_cols + col]
    }

    /// Everything that has left the array, by cycle, then by column.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// How often two sums met in one place of a drain chain.
    pub fn n_collisions(&self) -> usize {
        self.n_collisions
    }

    /// One clock cycle.
    pub fn clock(&mut self, edge: &Edge) {
        let left = self.left_edge(edge);
        let top = self.top_edge(edge);
        let before = self.pes.clone();
        let at = |row: usize, col: usize| &before[row * self.n_cols + col];
        for (row, from_edge) in left.iter().enumerate() {
            for (col, column) in top.iter().enumerate() {
                let from_left = match col {
                    0 => from_edge,
                    _ => &at(row, col - 1).input,
                };
                let above = row.checked_sub(1).map(|above| at(above, col));
                // The last sum of the column sets its whole chain moving.
                let release = at(self.n_rows - 1, col).is_complete;
                let (mut pe, collides) = at(row, col).drained(above, release);
                at(row, col).multiplied(&mut pe, from_left, above, column);
                self.n_collisions += usize::from(collides);
                self.pes[row * self.n_cols + col] = pe;
            }
        }
        for column in 0..self.n_cols {
            let bottom = self.pe(self.n_rows - 1, column);
            let falling = bottom.partial_sum.filter(|_| !bottom.keeps);
            for value in falling.into_iter().chain(bottom.drain) {
                self.outputs.push(Output {
                    cycle: self.cycle,
                    column,
                    value,
                });
            }
        }
        self.cycle += 1;
    }

    fn left_edge(&mut self, edge: &Edge) -> Vec<RowInput> {
        let inputs = self.row_delays.iter_mut().enumerate().map(|(row, delay)| {
            delay.push_back(edge.rows.get(row).cloned().unwrap_or_default());
            delay.pop_front().unwrap_or_default()
        });
        inputs.collect()
    }

    fn top_edge(&mut self, edge: &Edge) -> Vec<ColumnInput> {
        let inputs = self.column_delays.iter_mut().enumerate().map(|(col, delay)| {
            let falling = edge.falling.get(col).cloned().flatten();
            delay.push_back(match &edge.weights {
                None => ColumnInput {
                    falling,
                    ..ColumnInput::default()
                },
                Some(row) => ColumnInput {
                    shifts: true,
                    pack: row.packs.get(col).cloned().flatten(),
                    is_last: row.is_last,
                    falling,
                },
            });
            delay.pop_front().unwrap_or_default()
        });
        inputs.collect()
    }
}

impl Pe {
    /// Whether every multiplication of this cycle has a zero operand; `None` if there is none.
    pub fn is_gated(&self) -> Option<bool> {
        let part = if self.keeps { Part::default() } else { self.input.part };
        let mut pairs = self.weights.iter().zip(&self.activations);
        let is_gated = pairs.all(|(w, &a)| part.of(w.value) == 0 || a == 0);
        (!self.activations.is_empty()).then_some(is_gated)
    }

    /// The place of the drain chain after a clock edge, and whether two sums want it.
    fn drained(&self, above: Option<&Pe>, release: bool) -> (Pe, bool) {
        let arriving = above.filter(|above| above.moves).and_then(|above| above.drain);
        let waiting = self.drain.filter(|_| !self.moves);
        let own = self.partial_sum.filter(|_| self.is_complete);
        let n_wanting = [arriving, waiting, own].iter().flatten().count();
        let pe = Pe {
            drain: own.or(waiting).or(arriving),
            moves: release || (arriving.is_some() && own.is_none() && waiting.is_none()),
            ..Pe::default()
        };
        (pe, n_wanting > 1)
    }

    /// Sets the other registers of `next`, from the neighbours' registers before the clock edge. `column` is what enters the
    /// column's top and moves its whole load chain.
    fn multiplied(&self, next: &mut Pe, from_left: &RowInput, above: Option<&Pe>, column: &ColumnInput) {
        let arriving = match above {
            None => column.shifts.then(|| column.pack.clone().unwrap_or_default()),
            Some(above) => (column.shifts && above.fresh).then(|| above.shadow.clone()),
        };
        next.fresh = (self.fresh || arriving.is_some()) && !(column.shifts && column.is_last);
        next.input = from_left.clone();
        if let Some(step) = from_left.step {
            self.kept(next, step, from_left, above, column);
            next.shadow = arriving.unwrap_or_else(|| self.shadow.clone());
            return;
        }
        let (weights, left_in_shadow) = match from_left.swaps {
            true => (&self.shadow, Vec::new()),
            // Weights that were passing are gone.
            false if self.keeps => (&Vec::new(), self.shadow.clone()),
            false => (&self.weights, self.shadow.clone()),
        };
        next.weights = weights.clone();
        next.shadow = arriving.unwrap_or(left_in_shadow);
        next.partial_sum = above.filter(|above| !above.keeps).and_then(|above| above.partial_sum);
        if let Some(offer) = from_left.offer.as_ref().filter(|_| !weights.is_empty()) {
            next.activations = weights.iter().map(|slot| offer[slot.position]).collect();
            let products = weights.iter().zip(&next.activations);
            let product = products.map(|(w, &a)| i64::from(from_left.part.of(w.value)) * i64::from(a));
            next.partial_sum = Some(next.partial_sum.unwrap_or(0) + product.sum::<i64>());
        }
    }

    /// A step of an output-stationary product: weights come from above, the sum stays.
    fn kept(&self, next: &mut Pe, step: Step, from_left: &RowInput, above: Option<&Pe>, column: &ColumnInput) {
        let falling = match above {
            None => column.falling.clone().unwrap_or_default(),
            Some(above) => above.weights.iter().map(|slot| slot.value).collect(),
        };
        (next.keeps, next.is_complete) = (true, step.is_last);
        next.partial_sum = self.partial_sum.filter(|_| !step.is_first);
        let Some(offer) = from_left.offer.as_ref().filter(|_| !falling.is_empty()) else {
            return;
        };
        let slots = falling.iter().enumerate();
        next.weights = slots.map(|(position, &value)| Slot { value, position }).collect();
        next.activations = offer.clone();
        let products = falling.iter().zip(offer).map(|(&w, &a)| i64::from(w) * i64::from(a));
        next.partial_sum = Some(next.partial_sum.unwrap_or(0) + (products.sum::<i64>() << step.shift));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(value: i32) -> Option<Vec<Slot>> {
        Some(vec![Slot { value, position: 0 }])
    }

    fn outputs(array: &ReferenceArray) -> Vec<(u64, usize, i64)> {
        array.outputs().iter().map(|o| (o.cycle, o.column, o.value)).collect()
    }

    /// A 2 x 2 tile on a 2 x 2 array, followed by two activation rows; returns the array after the last sum.
    fn product(skew: Skew) -> ReferenceArray {
        let mut array = ReferenceArray::new(2, 2, skew, 0);
        let row = |weights: [i32; 2], is_last| Edge {
            weights: Some(WeightRow {
                packs: weights.map(slot).to_vec(),
                is_last,
            }),
            ..Edge::default()
        };
        let activations = |a: [i32; 2], swaps| Edge {
            rows: a
                .map(|a| RowInput {
                    offer: Some(vec![a]),
                    swaps,
                    ..RowInput::default()
                })
                .to_vec(),
            ..Edge::default()
        };
        let inputs = [
            row([3, 4], false),
            row([1, 2], true),
            activations([10, 100], true),
            activations([1, 0], false),
        ];
        inputs.iter().for_each(|edge| array.clock(edge));
        (0..4).for_each(|_| array.clock(&Edge::default()));
        array
    }

    #[test]
    fn a_product_leaves_skewed_at_the_bottom() {
        let expected = [(3, 0, 310), (4, 0, 1), (4, 1, 420), (5, 1, 2)];
        assert_eq!(outputs(&product(Skew::Exact)), expected);
    }

    #[test]
    fn a_wrong_skew_gives_other_sums_or_other_cycles() {
        let exact = product(Skew::Exact);
        assert_ne!(product(Skew::LateFrom(1)).outputs(), exact.outputs());
        assert_ne!(product(Skew::LateFrom(0)).outputs(), exact.outputs());
    }

    #[test]
    fn sums_that_stay_leave_one_row_after_the_other() {
        let mut array = ReferenceArray::new(2, 1, Skew::Exact, 0);
        // Rows (1, 2) and (3, 4) times the column (10, 100).
        for (i, (a, w)) in [([1, 3], 10), ([2, 4], 100)].into_iter().enumerate() {
            let step = Step {
                is_first: i == 0,
                is_last: i == 1,
                shift: 0,
            };
            let row = |a| RowInput {
                offer: Some(vec![a]),
                step: Some(step),
                ..RowInput::default()
            };
            array.clock(&Edge {
                rows: a.map(row).to_vec(),
                falling: vec![Some(vec![w])],
                ..Edge::default()
            });
        }
        (0..4).for_each(|_| array.clock(&Edge::default()));
        assert_eq!(outputs(&array), [(3, 0, 430), (4, 0, 210)]);
        assert_eq!(array.n_collisions(), 0);
    }
}
