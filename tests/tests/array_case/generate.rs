//! Random cases from a seed, so that fewer rows, columns and jobs make a simpler case of the same kind.

use super::{Case, Job, Mask, Operand, OutputStationary, Product, Tile, live, rate_of};
use systole_isa::ElementFormat;
use systole_isa::machine::Overlap;
use systole_isa::operand::Pattern;

/// The splitmix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn within(&mut self, lo: usize, hi: usize) -> usize {
        lo + (self.next() % (hi - lo + 1) as u64) as usize
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    fn format(&mut self) -> ElementFormat {
        // The formats of the array are those before i32.
        ElementFormat::ALL[self.within(0, ElementFormat::ALL.len() - 2)]
    }

    /// Values of which many are zero points or extremes, so that gating and large sums occur.
    fn operand(&mut self, format: ElementFormat, m: usize, n: usize) -> Operand {
        let (lo, hi) = format.range();
        let value = |random: &mut Self| {
            let value = lo + random.within(0, (hi - lo) as usize) as i32;
            if format == ElementFormat::B1 && value == 0 {
                1
            } else {
                value
            }
        };
        let zero_point = if self.one_in(2) { 0.max(lo) } else { value(self) };
        let values = (0..m * n).map(|_| match self.within(0, 6) {
            0 if zero_point != 0 || format != ElementFormat::B1 => zero_point,
            1 => lo,
            2 => hi,
            _ => value(self),
        });
        let values = values.collect();
        Operand {
            format,
            zero_point,
            m,
            n,
            values,
        }
    }

    /// Blocks of `k` rows of which at most `most` rows take part.
    fn mask(&mut self, k: usize, most: usize) -> Mask {
        let smallest = (0..).find(|block| k.div_ceil(1 << block) <= 64).unwrap_or(0);
        let block = self.within(smallest, smallest + 3) as u32;
        let n_blocks = k.div_ceil(1 << block);
        let all = if n_blocks == 64 { u64::MAX } else { (1 << n_blocks) - 1 };
        let mut mask = Mask {
            bits: self.next() & all,
            block,
        };
        while live(k, Some(mask)).len() > most {
            mask.bits &= mask.bits - 1;
        }
        mask
    }

    /// A length of a reduction of which `most` rows fit: mostly little more than there are rows of PEs.
    fn length(&mut self, rows: usize, most: usize) -> usize {
        let cap = if self.one_in(8) { most } else { most.min(3 * rows) };
        self.within(1, cap)
    }

    fn tile(&mut self, case: &Case, (is_weights, format): (bool, ElementFormat), most: usize) -> Tile {
        let (n, length) = (self.within(1, case.cols), self.length(case.rows, most));
        let pattern = Pattern::ALL[self.within(0, Pattern::ALL.len() - 1)];
        let (k, mask, pattern) = match self.within(0, 3) {
            0 if is_weights => {
                let k = 2 * length;
                (k, Some(self.mask(k, most)), None)
            }
            1 if is_weights && most >= pattern.kept() as usize => {
                let groups = (length / pattern.kept() as usize).max(1);
                (groups * pattern.group() as usize, None, Some(pattern))
            }
            _ => (length, None, None),
        };
        let n_stored = pattern.map_or(k, |p| k / p.group() as usize * p.kept() as usize);
        let pattern = pattern.map(|pattern| {
            let last = pattern.group() as usize - 1;
            let positions = (0..n_stored * n).map(|_| self.within(0, last) as i32).collect();
            (pattern, positions)
        });
        Tile {
            is_weights,
            stored: self.operand(format, n_stored, n),
            k,
            mask,
            pattern,
        }
    }

    fn product(&mut self, case: &Case, m_most: usize, kept: Option<(&Tile, ElementFormat)>) -> Product {
        let (load, k, format) = match kept {
            Some((tile, format)) => (None, tile.k, format),
            None => {
                let (weights, activations, is_weights) = (self.format(), self.format(), !self.one_in(3));
                let most = case.rows * rate_of(weights, activations).0;
                let (stays, moves) = if is_weights {
                    (weights, activations)
                } else {
                    (activations, weights)
                };
                let tile = self.tile(case, (is_weights, stays), most);
                let k = tile.k;
                (Some(tile), k, moves)
            }
        };
        let (m, above, k0) = (self.within(1, m_most), self.within(0, 2), self.within(0, 2));
        let rows = above + m + self.within(0, 1);
        let bitmap = self.one_in(4).then(|| (0..rows).map(|_| self.one_in(2)).collect());
        Product {
            load,
            moving: self.operand(format, rows, k0 + k),
            m0: above,
            m,
            k0,
            adds: self.one_in(2),
            bitmap,
        }
    }

    fn output_stationary(&mut self, case: &Case) -> OutputStationary {
        let (weights, activations) = (self.format(), self.format());
        let k = self.within(1, 8 * rate_of(weights, activations).0.min(6));
        let (m, n, m0) = (self.within(1, case.rows), self.within(1, case.cols), self.within(0, 2));
        let mask = self.one_in(3).then(|| self.mask(k, k));
        OutputStationary {
            a: self.operand(activations, m0 + m, k),
            w: self.operand(weights, k, n),
            m0,
            m,
            adds: self.one_in(2),
            mask,
        }
    }
}

impl Case {
    /// Jobs of up to `m` rows.
    pub(crate) fn random((rows, cols): (usize, usize), m: usize, n_jobs: usize, overlap: Overlap, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut case = Self {
            rows,
            cols,
            overlap,
            exit_stages: (seed % 4) as usize,
            jobs: Vec::new(),
        };
        for i in 0..n_jobs {
            let kept = match case.jobs.last() {
                Some(Job::Product(before)) if random.one_in(5) => {
                    case.tile(i - 1).map(|tile| (tile, before.moving.format))
                }
                _ => None,
            };
            let job = match kept {
                None if random.one_in(4) => Job::OutputStationary(random.output_stationary(&case)),
                kept => Job::Product(random.product(&case, m, kept)),
            };
            case.jobs.push(job);
        }
        case
    }

    /// Full tiles of bytes.
    pub(crate) fn dense((rows, cols): (usize, usize), m: usize, n_jobs: usize, overlap: Overlap) -> Self {
        let mut random = Random(1);
        let mut job = || {
            Job::Product(Product {
                load: Some(Tile {
                    is_weights: true,
                    stored: random.operand(ElementFormat::I8, rows, cols),
                    k: rows,
                    mask: None,
                    pattern: None,
                }),
                moving: random.operand(ElementFormat::I8, m, rows),
                m0: 0,
                m,
                k0: 0,
                adds: false,
                bitmap: None,
            })
        };
        Self {
            rows,
            cols,
            overlap,
            exit_stages: 0,
            jobs: (0..n_jobs).map(|_| job()).collect(),
        }
    }
}
