//! Element formats: how a number lies in memory.

use crate::operand::choice;

choice! {
    /// The format of one tensor element. Sub-byte elements are packed, lowest bits first.
    pub enum ElementFormat: 4 {
        /// 1-bit bipolar: bit 0 is -1, bit 1 is +1.
        B1 = 0 "b1",
        /// 2-bit two's complement.
        I2 = 1 "i2",
        /// 2-bit unsigned.
        U2 = 2 "u2",
        /// 4-bit two's complement.
        I4 = 3 "i4",
        /// 4-bit unsigned.
        U4 = 4 "u4",
        /// 8-bit two's complement.
        I8 = 5 "i8",
        /// 8-bit unsigned.
        U8 = 6 "u8",
        /// 16-bit two's complement.
        I16 = 7 "i16",
        /// 16-bit unsigned.
        U16 = 8 "u16",
        /// 32-bit two's complement; the format of accumulators and parameter tables.
        I32 = 9 "i32",
    }
}

impl ElementFormat {
    /// Width of one element in bits: 1, 2, 4, 8, 16 or 32.
    pub const fn bits(self) -> u32 {
        match self {
            Self::B1 => 1,
            Self::I2 | Self::U2 => 2,
            Self::I4 | Self::U4 => 4,
            Self::I8 | Self::U8 => 8,
            Self::I16 | Self::U16 => 16,
            Self::I32 => 32,
        }
    }

    /// The smallest and the largest value that the format holds.
    pub const fn range(self) -> (i32, i32) {
        match self {
            Self::B1 => (-1, 1),
            Self::I2 => (-2, 1),
            Self::U2 => (0, 3),
            Self::I4 => (-8, 7),
            Self::U4 => (0, 15),
            Self::I8 => (i8::MIN as i32, i8::MAX as i32),
            Self::U8 => (0, u8::MAX as i32),
            Self::I16 => (i16::MIN as i32, i16::MAX as i32),
            Self::U16 => (0, u16::MAX as i32),
            Self::I32 => (i32::MIN, i32::MAX),
        }
    }

    /// The place of a value among the format's values in ascending order: the index of its entry in a lookup table.
    pub const fn ordinal(self, value: i32) -> u32 {
        match self {
            Self::B1 => (value > 0) as u32,
            _ => value.wrapping_sub(self.range().0) as u32,
        }
    }

    /// Bytes that `n_elements` packed elements occupy, rounded up to whole bytes.
    pub const fn bytes_from_elements(self, n_elements: u64) -> u64 {
        (n_elements * self.bits() as u64).div_ceil(8)
    }

    /// The value that a stored bit pattern means; bits above the width are ignored.
    pub const fn decode(self, pattern: u32) -> i32 {
        match self {
            Self::B1 => {
                if pattern & 1 == 1 {
                    1
                } else {
                    -1
                }
            }
            Self::I2 | Self::I4 | Self::I8 | Self::I16 | Self::I32 => {
                let shift = 32 - self.bits();
                ((pattern << shift) as i32) >> shift
            }
            Self::U2 | Self::U4 | Self::U8 | Self::U16 => (pattern & ((1 << self.bits()) - 1)) as i32,
        }
    }

    /// The stored bit pattern of a value that lies in [`Self::range`]. A bipolar bit stores the sign (zero counts as +1).
    pub const fn encode(self, value: i32) -> u32 {
        match self {
            Self::B1 => (value >= 0) as u32,
            Self::I32 => value as u32,
            Self::I2 | Self::U2 | Self::I4 | Self::U4 | Self::I8 | Self::U8 | Self::I16 | Self::U16 => {
                value as u32 & ((1 << self.bits()) - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_a_round_trip() {
        for &format in ElementFormat::ALL {
            let (lo, hi) = format.range();
            let step = if format == ElementFormat::I32 { 65_537 } else { 1 };
            for value in (i64::from(lo)..=i64::from(hi)).step_by(step) {
                let value = value as i32;
                if format == ElementFormat::B1 && value == 0 {
                    continue;
                }
                assert_eq!(format.decode(format.encode(value)), value, "{format:?}");
            }
        }
    }

    #[test]
    fn ordinals_count_the_values_from_the_lowest() {
        for &format in ElementFormat::ALL.iter().filter(|format| format.bits() <= 8) {
            let mut values: Vec<i32> = (0..1 << format.bits()).map(|pattern| format.decode(pattern)).collect();
            values.sort_unstable();
            let ordinals: Vec<u32> = values.iter().map(|&value| format.ordinal(value)).collect();
            assert_eq!(ordinals, (0..1 << format.bits()).collect::<Vec<u32>>(), "{format}");
        }
    }
}
