//! What the array's PEs can do per cycle: throughput per pair of operand formats, and which mechanisms for sparse operands exist.

use crate::format::ElementFormat;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Parts of a multiply-accumulate in which rates and PE time are counted, so that every rate is an integer.
const PARTS: u32 = 16;
/// Largest number of multiply-accumulates that one PE may perform per cycle.
pub const MAX_PACKING: u32 = 64;
/// Longest time that one PE may take for a multiply-accumulate, in cycles.
pub const MAX_PASSES: u32 = 16;
/// PE time of one multiply-accumulate is counted in this part of a cycle, the shortest time that a description may say.
pub const PE_TIME_PARTS: u64 = MAX_PACKING as u64;

/// Multiply-accumulates that one PE performs per cycle: a power of two from 1/16 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// The rate in sixteenths; 0 for what a description said instead of a power of two.
    sixteenths: u32,
}

impl Rate {
    /// A rate of so many multiply-accumulates per cycle.
    const fn per_cycle(n: u32) -> Self {
        Self { sixteenths: n * PARTS }
    }

    /// Multiply-accumulates side by side in a PE in one cycle, at least 1: the neighbours along K that share a PE.
    pub const fn packing(self) -> u64 {
        let n = self.sixteenths / PARTS;
        if n == 0 { 1 } else { n as u64 }
    }

    /// Cycles in which a PE works on the same operands, at least 1. Each is a pass with a part of the bits of the wider operand.
    pub const fn passes(self) -> u64 {
        if self.sixteenths == 0 || self.sixteenths >= PARTS {
            1
        } else {
            (PARTS / self.sixteenths) as u64
        }
    }

    /// PE time of `n_macs` multiply-accumulates, in parts of a cycle of which [`PE_TIME_PARTS`] make one.
    pub const fn pe_time(self, n_macs: u64) -> u64 {
        n_macs * self.passes() * (PE_TIME_PARTS / self.packing())
    }

    /// Whether it is a power of two that the models of time hold for.
    fn is_valid(self) -> bool {
        self.sixteenths.is_power_of_two()
            && self.sixteenths >= PARTS / MAX_PASSES
            && self.sixteenths <= PARTS * MAX_PACKING
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.sixteenths) / f64::from(PARTS))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sixteenths = f64::deserialize(deserializer)? * f64::from(PARTS);
        let is_whole = sixteenths.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&sixteenths);
        Ok(Self {
            sixteenths: if is_whole { sixteenths as u32 } else { 0 },
        })
    }
}

/// Rates of one width of the weights, by width of the activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatesByActivation {
    /// With 1-bit activations.
    pub a1: Rate,
    /// With 2-bit activations.
    pub a2: Rate,
    /// With 4-bit activations.
    pub a4: Rate,
    /// With 8-bit activations.
    pub a8: Rate,
    /// With 16-bit activations.
    pub a16: Rate,
}

/// Multiply-accumulates of one PE per cycle, by widths of weights and activations in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throughput {
    /// With 1-bit weights.
    pub w1: RatesByActivation,
    /// With 2-bit weights.
    pub w2: RatesByActivation,
    /// With 4-bit weights.
    pub w4: RatesByActivation,
    /// With 8-bit weights.
    pub w8: RatesByActivation,
    /// With 16-bit weights.
    pub w16: RatesByActivation,
}

/// The widths that the array multiplies, in bits.
pub const WIDTHS: [u32; 5] = [1, 2, 4, 8, 16];

impl Default for Throughput {
    /// A PE of 16 bricks of 2 x 2 bits, as in Bit Fusion (Sharma et al., ISCA 2018), which 1-bit pairs use as 64 gates.
    fn default() -> Self {
        let rate = |w: u32, a: u32| match (w, a) {
            (1, 1) => Rate::per_cycle(64),
            _ => Rate {
                sixteenths: 64 * PARTS / (w.max(2) * a.max(2)),
            },
        };
        let row = |w: u32| RatesByActivation {
            a1: rate(w, 1),
            a2: rate(w, 2),
            a4: rate(w, 4),
            a8: rate(w, 8),
            a16: rate(w, 16),
        };
        Self {
            w1: row(1),
            w2: row(2),
            w4: row(4),
            w8: row(8),
            w16: row(16),
        }
    }
}

impl Throughput {
    /// The rate of a pair of widths in bits; that of the next wider pair where there is none of this width.
    pub const fn of(&self, weights: u32, activations: u32) -> Rate {
        let row = match weights {
            0..=1 => &self.w1,
            2 => &self.w2,
            3..=4 => &self.w4,
            5..=8 => &self.w8,
            _ => &self.w16,
        };
        match activations {
            0..=1 => row.a1,
            2 => row.a2,
            3..=4 => row.a4,
            5..=8 => row.a8,
            _ => row.a16,
        }
    }

    /// The pairs of widths whose rate is no power of two from 1/16 to 64.
    pub fn invalid(&self) -> Vec<(u32, u32)> {
        WIDTHS
            .iter()
            .flat_map(|&w| WIDTHS.map(|a| (w, a)))
            .filter(|&(w, a)| !self.of(w, a).is_valid())
            .collect()
    }
}

/// Formats of the two operands of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormatPair {
    /// Of the weights.
    pub weights: ElementFormat,
    /// Of the activations.
    pub activations: ElementFormat,
}

impl FormatPair {
    /// How many parts (weights, activations) the operands are cut into so that every pair of parts is one of `passes` passes: the
    /// wider operand is halved first, the activations where both are as wide.
    pub fn digits(&self, passes: u64) -> (u64, u64) {
        let (mut weights, mut activations) = (1, 1);
        let (mut w_bits, mut a_bits) = (self.weights.bits(), self.activations.bits());
        while weights * activations < passes {
            if a_bits >= w_bits {
                (activations, a_bits) = (activations * 2, a_bits / 2);
            } else {
                (weights, w_bits) = (weights * 2, w_bits / 2);
            }
        }
        (weights, activations)
    }
}

/// Mechanisms for sparse operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SparsityFeatures {
    /// A multiplier with a zero operand is gated: it costs a twentieth of the energy and as much time.
    pub zero_gating: bool,
    /// Blocks of K and rows that are known to be zero are left out: time and energy, not bytes.
    pub skip: bool,
    /// Weights compressed to N of M with their positions: time, energy and bytes.
    pub n_m: bool,
}

impl Default for SparsityFeatures {
    fn default() -> Self {
        Self {
            zero_gating: true,
            skip: true,
            n_m: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_bit_brick_pe() {
        let table = Throughput::default();
        let rate = |w, a| {
            let rate = table.of(w, a);
            (rate.packing(), rate.passes())
        };
        assert_eq!(
            [rate(8, 8), rate(4, 8), rate(4, 4), rate(2, 8)],
            [(1, 1), (2, 1), (4, 1), (4, 1)]
        );
        assert_eq!(
            [rate(2, 4), rate(2, 2), rate(1, 1), rate(1, 8)],
            [(8, 1), (16, 1), (64, 1), (4, 1)]
        );
        assert_eq!(
            [rate(16, 8), rate(16, 16), rate(16, 4), rate(16, 2)],
            [(1, 2), (1, 4), (1, 1), (2, 1)]
        );
        assert!(table.invalid().is_empty());
        assert_eq!(table.of(16, 16).pe_time(3), 3 * 4 * PE_TIME_PARTS);
        assert_eq!(table.of(1, 1).pe_time(64), PE_TIME_PARTS);
    }

    #[test]
    fn the_wider_operand_is_cut_first() {
        use ElementFormat::{I8, I16, U8};
        let digits = |weights, activations, passes| FormatPair { weights, activations }.digits(passes);
        assert_eq!(digits(I16, I8, 2), (2, 1));
        assert_eq!(digits(U8, I16, 2), (1, 2));
        assert_eq!(digits(I16, I16, 4), (2, 2));
        assert_eq!(digits(I8, I8, 1), (1, 1));
    }
}
