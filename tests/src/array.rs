//! A weight-stationary array at register level, as hardware would be written: every register of every PE takes its next value in
//! every clock cycle from its neighbours' registers, and skew comes from delay lines at the edges.
//!
//! It is the oracle for values, cycles and PE views of the simulator and knows none of its formulas: neither how long a tile takes
//! nor which row a PE works on. Who drives it presents one activation row or one weight row per cycle and looks at what comes out.

use std::collections::VecDeque;

/// The registers of one PE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pe {
    /// Active weight.
    pub weight: Option<i32>,
    /// Weight of the next tile.
    pub shadow: Option<i32>,
    /// Activation that passed in this cycle, handed on to the right; gated off where there is no weight.
    pub activation: Option<i32>,
    /// Partial sum after this cycle, handed on to the PE below.
    pub partial_sum: Option<i64>,
    /// Whether the shadow register holds an item of the load under way, which the PE below may take.
    fresh: bool,
    /// The command to swap, on its way to the right.
    swaps: bool,
}

/// One row of weights at the top edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightRow {
    /// One per column; `None` for an unused place of the chain.
    pub weights: Vec<Option<i32>>,
    /// Whether it is the last one of its load.
    pub is_last: bool,
}

/// What stands at the edges in one cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// One activation per row, before the skew; rows beyond the end get none.
    pub activations: Vec<i32>,
    /// Whether the shadow registers become active with these activations.
    pub swaps: bool,
    /// Weights, before the skew.
    pub weights: Option<WeightRow>,
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

/// How activations are skewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// Row `r` is delayed by `r` cycles.
    Exact,
    /// Wrong on purpose: rows from this one on are delayed by one cycle more.
    LateFrom(usize),
}

#[derive(Clone, Copy, Debug, Default)]
struct RowInput {
    activation: Option<i32>,
    swaps: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct ColumnInput {
    shifts: bool,
    weight: Option<i32>,
    is_last: bool,
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

    /// One clock cycle.
    pub fn clock(&mut self, edge: &Edge) {
        let left = self.left_edge(edge);
        let top = self.top_edge(edge);
        let before = self.pes.clone();
        for row in 0..self.n_rows {
            for col in 0..self.n_cols {
                let from_left = match col {
                    0 => left[row],
                    _ => {
                        let pe = &before[row * self.n_cols + col - 1];
                        RowInput {
                            activation: pe.activation,
                            swaps: pe.swaps,
                        }
                    }
                };
                let above = row.checked_sub(1).map(|above| &before[above * self.n_cols + col]);
                let here = row * self.n_cols + col;
                self.pes[here] = before[here].next(from_left, above, top[col]);
            }
        }
        for column in 0..self.n_cols {
            if let Some(value) = self.pe(self.n_rows - 1, column).partial_sum {
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
            delay.push_back(RowInput {
                activation: edge.activations.get(row).copied(),
                swaps: edge.swaps,
            });
            delay.pop_front().unwrap_or_default()
        });
        inputs.collect()
    }

    fn top_edge(&mut self, edge: &Edge) -> Vec<ColumnInput> {
        let inputs = self.column_delays.iter_mut().enumerate().map(|(col, delay)| {
            delay.push_back(
                edge.weights
                    .as_ref()
                    .map_or_else(ColumnInput::default, |row| ColumnInput {
                        shifts: true,
                        weight: row.weights.get(col).copied().flatten(),
                        is_last: row.is_last,
                    }),
            );
            delay.pop_front().unwrap_or_default()
        });
        inputs.collect()
    }
}

impl Pe {
    /// The registers after a clock edge, from the neighbours' registers before it. `column` is what enters the column's top and moves
    /// its whole chain.
    fn next(&self, from_left: RowInput, above: Option<&Pe>, column: ColumnInput) -> Pe {
        let (weight, left_in_shadow) = if from_left.swaps {
            (self.shadow, None)
        } else {
            (self.weight, self.shadow)
        };
        let arriving = match above {
            None => column.shifts.then_some(column.weight),
            Some(above) => (column.shifts && above.fresh).then_some(above.shadow),
        };
        let sum_from_above = above.and_then(|above| above.partial_sum);
        let product = from_left
            .activation
            .zip(weight)
            .map(|(a, w)| i64::from(a) * i64::from(w));
        Pe {
            weight,
            shadow: arriving.unwrap_or(left_in_shadow),
            activation: from_left.activation.filter(|_| weight.is_some()),
            partial_sum: product
                .map(|product| product + sum_from_above.unwrap_or(0))
                .or(sum_from_above),
            fresh: (self.fresh || arriving.is_some()) && !(column.shifts && column.is_last),
            swaps: from_left.swaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 2 x 2 tile on a 2 x 2 array, followed by two activation rows; returns the array after the last sum.
    fn product(skew: Skew) -> ReferenceArray {
        let mut array = ReferenceArray::new(2, 2, skew, 0);
        let row = |weights: [i32; 2], is_last| Edge {
            weights: Some(WeightRow {
                weights: weights.map(Some).to_vec(),
                is_last,
            }),
            ..Edge::default()
        };
        let activations = |a: [i32; 2], swaps| Edge {
            activations: a.to_vec(),
            swaps,
            weights: None,
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
        let outputs: Vec<_> = product(Skew::Exact)
            .outputs()
            .iter()
            .map(|o| (o.cycle, o.column, o.value))
            .collect();
        assert_eq!(outputs, [(3, 0, 310), (4, 0, 1), (4, 1, 420), (5, 1, 2)]);
    }

    #[test]
    fn a_wrong_skew_gives_other_sums_or_other_cycles() {
        let exact = product(Skew::Exact);
        assert_ne!(product(Skew::LateFrom(1)).outputs(), exact.outputs());
        assert_ne!(product(Skew::LateFrom(0)).outputs(), exact.outputs());
    }
}
