//! Banks of the scratchpad: what an instruction asks of them in a cycle, and how much longer it takes where they cannot give it.
//!
//! An address generator works at a fixed rate, which the machine sets when the instruction starts: by the beat that the busiest bank needs
//! longest for. So the rate depends on descriptor and machine alone.

use crate::descriptor::Descriptor;
use crate::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};
use std::ops::Add;

/// Banks of a scratchpad. Neighbouring words lie in neighbouring banks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpmBanks {
    /// Banks, a power of two.
    pub n_banks: u32,
    /// Bytes of a word, a power of two.
    pub word_bytes: u32,
    /// Words that a bank reads or writes per cycle.
    pub ports: u32,
}

/// What one beat asks of the banks, in the worst case over the beats of an operand; operands add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BankLoad {
    /// Words in the busiest bank.
    pub busiest: u64,
    /// Words in all banks.
    pub words: u64,
}

impl Add for BankLoad {
    type Output = Self;
    /// Both in the same cycle, their busiest banks being the same.
    fn add(self, other: Self) -> Self {
        Self {
            busiest: self.busiest + other.busiest,
            words: self.words + other.words,
        }
    }
}

/// How an instruction uses the banks while it streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BankUse {
    /// Cycles from beat to beat, at least 1.
    pub interval: u64,
    /// Words per cycle, over all banks, that nobody else may have.
    pub words_per_cycle: u64,
}

impl BankUse {
    /// Every beat takes one cycle and no bank is asked.
    pub const NONE: Self = Self {
        interval: 1,
        words_per_cycle: 0,
    };
}

impl SpmBanks {
    /// Every reason why there can be no such banks.
    pub fn problems(&self) -> Vec<Diagnostic> {
        let fields = [
            ("n_banks", self.n_banks, 1024, true),
            ("word_bytes", self.word_bytes, 256, true),
            ("ports", self.ports, 16, false),
        ];
        let is_wrong =
            |value: u32, most: u32, power: bool| !(1..=most).contains(&value) || power && !value.is_power_of_two();
        fields
            .into_iter()
            .filter(|&(_, value, most, power)| is_wrong(value, most, power))
            .map(|(name, value, most, power)| {
                let kind = if power { "power of two" } else { "number" };
                Diagnostic::error("H0012", format!("`spm_banks.{name}` is {value}"))
                    .because("the low bits of an address choose byte and bank, and each port costs wires to every unit")
                    .help(format!(
                        "choose a {kind} from 1 to {most}, or leave `spm_banks` out for a scratchpad that never limits"
                    ))
            })
            .collect()
    }

    /// Words per cycle of all banks together.
    pub fn words_per_cycle(&self) -> u64 {
        u64::from(self.n_banks) * u64::from(self.ports)
    }

    /// Rate and share of an instruction with this load.
    pub fn serve(&self, load: BankLoad) -> BankUse {
        let interval = load.busiest.div_ceil(u64::from(self.ports)).max(1);
        BankUse {
            interval,
            words_per_cycle: load.words.div_ceil(interval),
        }
    }

    /// The load of an operand of which each beat takes `rows_per_beat` whole rows: the part from row `m0` and column `k0` on.
    pub fn rows(&self, view: &Descriptor, (m0, m): (u64, u64), (k0, k): (u64, u64), rows_per_beat: u64) -> BankLoad {
        let mut beats = Beats::new(self, rows_per_beat.max(1).saturating_mul(k));
        (m0..m0 + m).for_each(|row| beats.row(view, row, (k0, k)));
        beats.finish()
    }

    /// The load of an operand of which each beat takes `n_per_beat` elements of an `m` x `n` view, row after row.
    pub fn elements(&self, view: &Descriptor, m: u64, n: u64, n_per_beat: u64) -> BankLoad {
        let mut beats = Beats::new(self, n_per_beat);
        (0..m).for_each(|row| beats.row(view, row, (0, n)));
        beats.finish()
    }

    /// What a beat asks that needs these words, given as ranges of neighbours.
    fn load(&self, ranges: &mut Vec<(u64, u64)>, counts: &mut [u64]) -> BankLoad {
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let touches = next.0 <= before.1;
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
        let n_banks = u64::from(self.n_banks);
        counts.fill(0);
        let (mut each, mut words) = (0, 0);
        for &(first, end) in ranges.iter() {
            words += end - first;
            each += (end - first) / n_banks;
            for word in first..first + (end - first) % n_banks {
                counts[(word % n_banks) as usize] += 1;
            }
        }
        let busiest = each + counts.iter().copied().max().unwrap_or(0);
        BankLoad { busiest, words }
    }
}

/// Cuts the elements of a view into beats and keeps the heaviest.
struct Beats<'b> {
    banks: &'b SpmBanks,
    n_per_beat: u64,
    /// Elements in the beat so far.
    n: u64,
    /// Words of the beat so far, each range ending before its second number.
    ranges: Vec<(u64, u64)>,
    counts: Vec<u64>,
    worst: BankLoad,
}

impl<'b> Beats<'b> {
    fn new(banks: &'b SpmBanks, n_per_beat: u64) -> Self {
        Self {
            banks,
            n_per_beat: n_per_beat.max(1),
            n: 0,
            ranges: Vec::new(),
            counts: vec![0; banks.n_banks as usize],
            worst: BankLoad::default(),
        }
    }

    /// Adds columns of a row. Elements outside a window take a place in the beat, but are not fetched.
    fn row(&mut self, view: &Descriptor, row: u64, (column, n): (u64, u64)) {
        let (bits, word_bits) = (u64::from(view.format.bits()), u64::from(self.banks.word_bytes) * 8);
        view.for_each_run(row, column, n, |run| {
            let (mut at, mut left) = (run.bit_address.map(|at| at.max(0) as u64), u64::from(run.n_elements));
            while left > 0 {
                let taken = left.min(self.n_per_beat - self.n);
                if let Some(first) = at {
                    let end = first + taken * bits;
                    self.ranges.push((first / word_bits, end.div_ceil(word_bits)));
                    at = Some(end);
                }
                left -= taken;
                self.n += taken;
                if self.n == self.n_per_beat {
                    self.end_beat();
                }
            }
        });
    }

    fn end_beat(&mut self) {
        let load = self.banks.load(&mut self.ranges, &mut self.counts);
        self.worst.busiest = self.worst.busiest.max(load.busiest);
        self.worst.words = self.worst.words.max(load.words);
        self.ranges.clear();
        self.n = 0;
    }

    fn finish(mut self) -> BankLoad {
        self.end_beat();
        self.worst
    }
}
