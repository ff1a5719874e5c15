//! Random work for the array: what is to be computed, as a program for the machine and as items for the edges of the register-level array.
//!
//! Everything here follows the description of the instructions, not the simulator: which rows of K share a PE, which part of a
//! wide operand enters in which pass, when an instruction may start.

mod generate;
mod items;
mod program;

use systole_isa::machine::Overlap;
use systole_isa::operand::Pattern;
use systole_isa::throughput::SparsityFeatures;
use systole_isa::{ElementFormat, MachineDescription};
use systole_testkit::build::tiny;

pub(crate) use program::run;

/// A matrix as it lies in memory.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) format: ElementFormat,
    pub(crate) zero_point: i32,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) values: Vec<i32>,
}

impl Operand {
    /// An element less the zero point.
    pub(crate) fn at(&self, row: usize, column: usize) -> i32 {
        self.values[row * self.n + column] - self.zero_point
    }
}

/// Blocks of K that take part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    pub(crate) bits: u64,
    /// Binary logarithm of the block's length.
    pub(crate) block: u32,
}

/// A tile to load.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) is_weights: bool,
    /// As stored; compressed with a pattern.
    pub(crate) stored: Operand,
    pub(crate) k: usize,
    pub(crate) mask: Option<Mask>,
    pub(crate) pattern: Option<(Pattern, Vec<i32>)>,
}

/// Rows streamed through a tile.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    /// `None` to use the tile of the job before.
    pub(crate) load: Option<Tile>,
    pub(crate) moving: Operand,
    pub(crate) m0: usize,
    pub(crate) m: usize,
    pub(crate) k0: usize,
    pub(crate) adds: bool,
    /// One per row of `moving`.
    pub(crate) bitmap: Option<Vec<bool>>,
}

/// A product whose sums stay.
#[derive(Clone, Debug)]
pub(crate) struct OutputStationary {
    pub(crate) a: Operand,
    pub(crate) w: Operand,
    pub(crate) m0: usize,
    pub(crate) m: usize,
    pub(crate) adds: bool,
    pub(crate) mask: Option<Mask>,
}

#[derive(Clone, Debug)]
pub(crate) enum Job {
    Product(Product),
    OutputStationary(OutputStationary),
}

impl Job {
    pub(crate) fn load(&self) -> Option<&Tile> {
        match self {
            Job::Product(product) => product.load.as_ref(),
            Job::OutputStationary(_) => None,
        }
    }

    /// Rows of the result.
    pub(crate) fn m(&self) -> usize {
        match self {
            Job::Product(product) => product.m,
            Job::OutputStationary(product) => product.m,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Job::OutputStationary(_) => "sums stay",
            Job::Product(Product { bitmap: Some(_), .. }) => "rows skipped",
            Job::Product(Product { load: None, .. }) => "tile kept",
            Job::Product(Product { load: Some(tile), .. }) => match tile {
                Tile { pattern: Some(_), .. } => "n of m",
                Tile { mask: Some(_), .. } => "blocks skipped",
                Tile { is_weights: true, .. } => "weights stay",
                Tile { is_weights: false, .. } => "activations stay",
            },
        }
    }
}

/// Start and end of the array's instructions of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Of the load; as the product's start if there is none.
    pub(crate) load: (u64, u64),
    pub(crate) product: (u64, u64),
}

impl Times {
    pub(crate) fn start(&self) -> u64 {
        self.load.0.min(self.product.0)
    }
}

/// Jobs that run one after the other, each into accumulators of its own.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) overlap: Overlap,
    /// Registers between the array and the accumulators.
    pub(crate) exit_stages: usize,
    pub(crate) jobs: Vec<Job>,
}

/// Rows of K in the blocks whose bit is set.
pub(crate) fn live(k: usize, mask: Option<Mask>) -> Vec<usize> {
    (0..k)
        .filter(|row| mask.is_none_or(|mask| mask.bits >> (row >> mask.block) & 1 == 1))
        .collect()
}

/// Multiply-accumulates side by side, and passes, of a pair of formats in a bit-brick PE.
pub(crate) fn rate_of(weights: ElementFormat, activations: ElementFormat) -> (usize, usize) {
    let (w, a) = (weights.bits() as usize, activations.bits() as usize);
    match (w, a) {
        (1, 1) => (64, 1),
        _ => {
            let bits = w.max(2) * a.max(2);
            ((64 / bits).max(1), (bits / 64).max(1))
        }
    }
}

impl Tile {
    /// Rows that the array holds.
    pub(crate) fn held(&self) -> usize {
        match self.pattern {
            Some(_) => self.stored.m,
            None => live(self.k, self.mask).len(),
        }
    }

    /// A value that the array holds, and the row of K that it belongs to.
    pub(crate) fn value(&self, row: usize, column: usize) -> (i32, usize) {
        match &self.pattern {
            None => {
                let k = live(self.k, self.mask)[row];
                (self.stored.at(k, column), k)
            }
            Some((pattern, positions)) => {
                let (n, m) = (pattern.kept() as usize, pattern.group() as usize);
                let position = positions[row * self.stored.n + column] as usize;
                (self.stored.at(row, column), row / n * m + position)
            }
        }
    }

    /// The formats (weights, activations) of a product.
    fn pair(&self, moving: ElementFormat) -> (ElementFormat, ElementFormat) {
        match self.is_weights {
            true => (self.stored.format, moving),
            false => (moving, self.stored.format),
        }
    }
}

impl Product {
    /// Rows of the result that are streamed.
    pub(crate) fn live_rows(&self) -> Vec<usize> {
        (0..self.m)
            .filter(|row| self.bitmap.as_ref().is_none_or(|bitmap| bitmap[self.m0 + row]))
            .collect()
    }
}

impl Case {
    pub(crate) fn description(&self) -> MachineDescription {
        let mut machine = MachineDescription {
            rows: self.rows as u32,
            cols: self.cols as u32,
            overlap: self.overlap,
            exit_stages: self.exit_stages as u32,
            sparsity: SparsityFeatures::default(),
            ..tiny()
        };
        machine.spm.capacity_kib = 256;
        machine
    }

    /// The tile that a job uses.
    pub(crate) fn tile(&self, job: usize) -> Option<&Tile> {
        match &self.jobs[job] {
            Job::OutputStationary(_) => None,
            Job::Product(_) => self.jobs[..=job].iter().rev().find_map(Job::load),
        }
    }

    fn pair(&self, job: usize) -> (ElementFormat, ElementFormat) {
        match (&self.jobs[job], self.tile(job)) {
            (Job::Product(product), Some(tile)) => tile.pair(product.moving.format),
            (Job::OutputStationary(product), _) => (product.w.format, product.a.format),
            (Job::Product(_), None) => unreachable!("the first product loads a tile"),
        }
    }

    pub(crate) fn rate(&self, job: usize) -> (usize, usize) {
        let (weights, activations) = self.pair(job);
        rate_of(weights, activations)
    }

    /// Columns of a job's result.
    pub(crate) fn width(&self, job: usize) -> usize {
        match &self.jobs[job] {
            Job::OutputStationary(product) => product.w.n,
            Job::Product(_) => self.tile(job).map_or(0, |tile| tile.stored.n),
        }
    }

    /// Rows of K that a job multiplies with one row.
    fn held(&self, job: usize) -> usize {
        match &self.jobs[job] {
            Job::OutputStationary(product) => live(product.w.m, product.mask).len(),
            Job::Product(_) => self.tile(job).map_or(0, Tile::held),
        }
    }

    fn live_rows(&self, job: usize) -> Vec<usize> {
        match &self.jobs[job] {
            Job::OutputStationary(product) => (0..product.m).collect(),
            Job::Product(product) => product.live_rows(),
        }
    }

    /// Every pair of operands (row of the result, column, value of the array, value that moves) of a job.
    fn pairs(&self, job: usize) -> Vec<(usize, usize, i32, i32)> {
        let mut pairs = Vec::new();
        for row in self.live_rows(job) {
            for column in 0..self.width(job) {
                for i in 0..self.held(job) {
                    let (held, moving) = match (&self.jobs[job], self.tile(job)) {
                        (Job::OutputStationary(product), _) => {
                            let k = live(product.w.m, product.mask)[i];
                            (product.w.at(k, column), product.a.at(product.m0 + row, k))
                        }
                        (Job::Product(product), tile) => {
                            let (value, k) = tile.unwrap().value(i, column);
                            (value, product.moving.at(product.m0 + row, product.k0 + k))
                        }
                    };
                    pairs.push((row, column, held, moving));
                }
            }
        }
        pairs
    }

    /// The result of a job.
    pub(crate) fn schoolbook(&self, job: usize) -> Vec<i64> {
        let mut sums = vec![0; self.jobs[job].m() * self.width(job)];
        for (row, column, held, moving) in self.pairs(job) {
            sums[row * self.width(job) + column] += i64::from(held) * i64::from(moving);
        }
        sums
    }

    /// Multiply-accumulates executed, with a zero operand, left out.
    pub(crate) fn n_macs(&self) -> [u64; 3] {
        let mut n = [0; 3];
        for (i, job) in self.jobs.iter().enumerate() {
            let pairs = self.pairs(i);
            let k = match job {
                Job::OutputStationary(product) => product.w.m,
                Job::Product(_) => self.tile(i).unwrap().k,
            };
            n[0] += pairs.len() as u64;
            n[1] += pairs.iter().filter(|&&(_, _, w, a)| w == 0 || a == 0).count() as u64;
            n[2] += (job.m() * k * self.width(i) - pairs.len()) as u64;
        }
        n
    }

    /// Multiplications on view: each multiply-accumulate once per pass.
    pub(crate) fn n_products(&self) -> usize {
        let of = |job| self.live_rows(job).len() * self.held(job) * self.width(job) * self.rate(job).1;
        (0..self.jobs.len()).map(of).sum()
    }

    /// Whether a PE in this row multiplies.
    pub(crate) fn uses_row(&self, row: usize) -> bool {
        (0..self.jobs.len()).any(|i| match &self.jobs[i] {
            Job::OutputStationary(product) => product.m > row && self.held(i) > 0,
            Job::Product(product) => self.held(i) > row * self.packing(self.held(i)) && !product.live_rows().is_empty(),
        })
    }

    /// Neighbours along K that share a PE.
    pub(crate) fn packing(&self, held: usize) -> usize {
        held.div_ceil(self.rows).max(1)
    }

    /// Sums of a job in the order in which they leave a column, with the bits by which they are shifted.
    pub(crate) fn leaving(&self, job: usize) -> Vec<(usize, u32)> {
        if self.held(job) == 0 {
            return Vec::new();
        }
        let rows = self.live_rows(job);
        match &self.jobs[job] {
            Job::OutputStationary(_) => rows.into_iter().rev().map(|row| (row, 0)).collect(),
            Job::Product(_) => {
                let shifts = self.shifts(job);
                let of_row = |row| shifts.iter().map(move |&shift| (row, shift));
                rows.into_iter().flat_map(of_row).collect()
            }
        }
    }

    /// Cycles after the last sum has left in which rows and columns without one would have left and the registers behind the array are
    /// passed; `None` if nothing leaves.
    pub(crate) fn unused_cycles(&self, job: usize) -> Option<u64> {
        let cycles = self.cols - self.width(job) + self.exit_stages;
        (!self.leaving(job).is_empty()).then_some(cycles as u64)
    }

    /// When the rules let the instructions start, given the start of the first: an instruction at the head of the array's queue starts as
    /// soon as its port is free, its tile is loaded and the shadow registers that it fills have been swapped. Sums that stay need the
    /// whole array, and a drain chain that is free when they are complete.
    pub(crate) fn expected_times(&self, first: u64) -> Vec<Times> {
        let (rows, cols) = (self.rows as u64, self.cols as u64);
        let drain = rows + cols - 2 + self.exit_stages as u64;
        let full = self.overlap == Overlap::Full;
        let mut expected: Vec<Times> = Vec::new();
        // When the instruction before started; when ports are free; when everything of either kind is done; what was swapped when.
        let (mut before, mut load_free, mut stream_free, mut swapped) = (first, first, first, first);
        let (mut tiles_done, mut sums_done, mut last_steps) = (first, first, None);
        for (i, job) in self.jobs.iter().enumerate() {
            let (p, passes) = self.rate(i);
            let held = self.held(i);
            let mut load = None;
            if job.load().is_some() {
                let mut start = before.max(load_free).max(swapped).max(sums_done);
                if !full {
                    start = start.max(tiles_done);
                }
                let cycles = if full {
                    held.div_ceil(self.packing(held)).max(1) as u64
                } else {
                    rows
                };
                (before, load_free) = (start, start + cycles);
                tiles_done = tiles_done.max(load_free);
                load = Some((start, load_free));
            }
            let (start, end) = match job {
                Job::Product(product) => {
                    let mut start = before.max(stream_free).max(sums_done);
                    if let Some((_, loaded)) = load {
                        start = start.max(loaded);
                        swapped = start;
                    }
                    if !full {
                        start = start.max(tiles_done);
                        swapped = swapped.max(start);
                    }
                    let stream = (product.live_rows().len() * passes).max(1) as u64;
                    stream_free = start + stream;
                    tiles_done = tiles_done.max(stream_free + drain);
                    (start, stream_free + drain)
                }
                Job::OutputStationary(_) => {
                    let steps = (held.div_ceil(p) * passes).max(1) as u64;
                    let mut start = before.max(tiles_done);
                    if let Some(complete) = last_steps {
                        start = start.max(complete).max((complete + rows).saturating_sub(steps));
                    }
                    if !full {
                        start = start.max(sums_done);
                    }
                    last_steps = Some(start + steps);
                    sums_done = sums_done.max(start + steps + drain + rows);
                    (start, start + steps + drain + rows)
                }
            };
            before = start;
            expected.push(Times {
                load: load.unwrap_or((start, start)),
                product: (start, end),
            });
        }
        expected
    }
}
