//! What enters the register-level array: rows of a tile, rows of the moving operand in their passes, steps of sums that stay.

use super::{Case, Job, OutputStationary, Tile, live, rate_of};
use systole_isa::ElementFormat;
use systole_isa::machine::Overlap;
use systole_testkit::array::{Edge, Part, RowInput, Slot, Step, WeightRow};

/// Parts (weights, activations) into which operands are cut: the wider one is halved first, the activations where both are as wide.
fn parts((weights, activations): (ElementFormat, ElementFormat)) -> (Vec<Part>, Vec<Part>) {
    let (_, passes) = rate_of(weights, activations);
    let (mut n, mut bits) = ((1, 1), (weights.bits(), activations.bits()));
    while n.0 * n.1 < passes {
        if bits.1 >= bits.0 {
            (n.1, bits.1) = (2 * n.1, bits.1 / 2);
        } else {
            (n.0, bits.0) = (2 * n.0, bits.0 / 2);
        }
    }
    let cut = |n: usize, bits: u32| -> Vec<Part> {
        (0..n)
            .map(|i| Part {
                low: i as u32 * bits,
                bits: (i + 1 < n).then_some(bits),
            })
            .collect()
    };
    (cut(n.0, bits.0), cut(n.1, bits.1))
}

impl Case {
    /// Parts of the value in the array and of the value that moves, per pass.
    fn passes(&self, job: usize) -> Vec<(Part, Part)> {
        let (weights, activations) = parts(self.pair(job));
        let (held, moving) = match self.tile(job) {
            Some(tile) if !tile.is_weights => (activations, weights),
            _ => (weights, activations),
        };
        held.iter()
            .flat_map(|&held| moving.iter().map(move |&moving| (held, moving)))
            .collect()
    }

    /// Bits by which the sums of each pass are shifted.
    pub(crate) fn shifts(&self, job: usize) -> Vec<u32> {
        self.passes(job)
            .iter()
            .map(|(held, moving)| held.low + moving.low)
            .collect()
    }

    /// Rows of the tile that PE row `row` holds.
    fn pack(&self, tile: &Tile, row: usize) -> std::ops::Range<usize> {
        let (held, packing) = (tile.held(), self.packing(tile.held()));
        (row * packing).min(held)..((row + 1) * packing).min(held)
    }

    /// The row of packs that enters as item `item` of a load: the last PE row's first. Without overlap the whole chain shifts, so that
    /// empty places go first.
    pub(crate) fn tile_row(&self, tile: &Tile, item: usize) -> Option<WeightRow> {
        let held = tile.held();
        let chain = match self.overlap {
            Overlap::None => self.rows,
            Overlap::Full => held.div_ceil(self.packing(held)).max(1),
        };
        let row = chain.checked_sub(1 + item)?;
        let pack = |column: usize| {
            let rows = self.pack(tile, row);
            let first = rows.start;
            let slots = rows.map(|i| Slot {
                value: tile.value(i, column).0,
                position: match &tile.pattern {
                    None => i - first,
                    Some((pattern, positions)) => {
                        let (n, m) = (pattern.kept() as usize, pattern.group() as usize);
                        (i / n - first / n) * m + positions[i * tile.stored.n + column] as usize
                    }
                },
            });
            (column < tile.stored.n).then(|| slots.collect())
        };
        Some(WeightRow {
            packs: (0..self.cols).map(pack).collect(),
            is_last: row == 0,
        })
    }

    /// What enters the rows as wave `wave` of a product.
    pub(crate) fn wave(&self, job: usize, wave: usize) -> Option<Vec<RowInput>> {
        let (Job::Product(product), Some(tile)) = (&self.jobs[job], self.tile(job)) else {
            return None;
        };
        let (rows, passes) = (product.live_rows(), self.passes(job));
        let swaps = product.load.is_some() && wave == 0;
        let control = RowInput {
            swaps,
            ..RowInput::default()
        };
        let Some(&row) = rows.get(wave / passes.len()) else {
            return swaps.then(|| vec![control; self.rows]);
        };
        let (part, moving_part) = passes[wave % passes.len()];
        // Columns of the moving operand that PE row `r` is offered.
        let offered = |r: usize| -> Vec<usize> {
            let held = self.pack(tile, r);
            match &tile.pattern {
                None => live(tile.k, tile.mask)[held].to_vec(),
                Some(_) if held.is_empty() => Vec::new(),
                Some((pattern, _)) => {
                    let (n, m) = (pattern.kept() as usize, pattern.group() as usize);
                    (held.start / n * m..((held.end - 1) / n + 1) * m).collect()
                }
            }
        };
        let input = |r: usize| {
            let value = |k| moving_part.of(product.moving.at(product.m0 + row, product.k0 + k));
            let offer: Vec<i32> = offered(r).into_iter().map(value).collect();
            RowInput {
                offer: (!offer.is_empty()).then_some(offer),
                part,
                ..control.clone()
            }
        };
        Some((0..self.rows).map(input).collect())
    }

    /// What enters rows and columns as step `step` of sums that stay.
    pub(crate) fn step(&self, product: &OutputStationary, step: usize) -> Option<Edge> {
        let (weight_parts, activation_parts) = parts((product.w.format, product.a.format));
        let (packing, passes) = rate_of(product.w.format, product.a.format);
        let rows = live(product.w.m, product.mask);
        let n_steps = (rows.len().div_ceil(packing) * passes).max(1);
        if step >= n_steps {
            return None;
        }
        let (chunk, pass) = (step / passes, step % passes);
        let (w, a) = (
            weight_parts[pass / activation_parts.len()],
            activation_parts[pass % activation_parts.len()],
        );
        let pack = &rows[(chunk * packing).min(rows.len())..((chunk + 1) * packing).min(rows.len())];
        let control = RowInput {
            step: Some(Step {
                is_first: step == 0,
                is_last: step + 1 == n_steps,
                shift: w.low + a.low,
            }),
            ..RowInput::default()
        };
        let input = |r: usize| {
            let offer = || pack.iter().map(|&k| a.of(product.a.at(product.m0 + r, k))).collect();
            RowInput {
                offer: (r < product.m && !pack.is_empty()).then(offer),
                ..control.clone()
            }
        };
        let falling = |c: usize| {
            let values = || pack.iter().map(|&k| w.of(product.w.at(k, c))).collect();
            (c < product.w.n && !pack.is_empty()).then(values)
        };
        Some(Edge {
            rows: (0..self.rows).map(input).collect(),
            falling: (0..self.cols).map(falling).collect(),
            ..Edge::default()
        })
    }
}
