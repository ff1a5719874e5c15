//! Energy, leakage and area of on-chip memories by capacity, access width and node.
//!
//! The formulas are fits to CACTI 7 (low-standby-power transistors, 300 K, one read-write port, fast access) between 0.5 KiB and 8 MiB and
//! between 32 and 256 bits. Bank conflicts and the wires between a memory and its users are not in them.

use super::{Node, Sourced};
use crate::machine::Sram;

/// Power of the capacity in KiB by which the energy of a read grows.
pub const READ_EXPONENT: f64 = 0.55;
/// Power of the capacity in KiB by which the energy of a write grows.
pub const WRITE_EXPONENT: f64 = 0.47;
/// Power of the access width by which the energy of a read grows.
pub const READ_WIDTH_EXPONENT: f64 = 0.62;
/// Power of the access width by which the energy of a write grows.
pub const WRITE_WIDTH_EXPONENT: f64 = 0.80;
/// Access widths in bits for which the fit holds.
pub const ACCESS_BITS: std::ops::RangeInclusive<u32> = 32..=256;
/// Access width at which the coefficients are given, in bits.
const REFERENCE_BITS: f64 = 64.0;

const READ_FIT: &str =
    "fit to CACTI 7 (itrs-lstp, 300 K, 64-bit port, fast access): at most 31 % off at 64 bits, 52 % at other widths";
const WRITE_FIT: &str =
    "fit to CACTI 7 (itrs-lstp, 300 K, 64-bit port, fast access): at most 16 % off at 64 bits, 30 % at other widths";
const AREA: &str = "CACTI 7 (itrs-lstp), 1 MiB with a 64-bit port";
const AREA_INTERPOLATED: &str =
    "CACTI 7 (itrs-lstp), 1 MiB with a 64-bit port; linear between 32 and 22 nm, proportional to the node below";

/// Figures of on-chip memories at a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SramFigures {
    /// A 64-bit read of 1 KiB, in pJ.
    pub read_pj: Sourced,
    /// A 64-bit write of 1 KiB, in pJ.
    pub write_pj: Sourced,
    /// Area of 1 MiB in square millimetres.
    pub area_mm2_per_mib: Sourced,
}

impl SramFigures {
    /// The figures of a node.
    pub const fn of(node: Node) -> Self {
        let (read, write, area, area_source) = match node {
            Node::N45 => (2.0, 3.1, 3.26283, AREA),
            Node::N28 => (0.88, 1.24, 1.301564, AREA_INTERPOLATED),
            Node::N16 => (0.42, 0.564, 0.566152, AREA_INTERPOLATED),
            Node::N7 => (0.28, 0.373, 0.247692, AREA_INTERPOLATED),
        };
        Self {
            read_pj: Sourced {
                value: read,
                source: READ_FIT,
            },
            write_pj: Sourced {
                value: write,
                source: WRITE_FIT,
            },
            area_mm2_per_mib: Sourced {
                value: area,
                source: area_source,
            },
        }
    }

    /// A read of one access width, in pJ: `read_pj * KiB^0.55 * (bits / 64)^0.62`.
    pub fn read_access_pj(&self, sram: &Sram) -> f64 {
        let width = f64::from(sram.access_bits) / REFERENCE_BITS;
        self.read_pj.value * f64::from(sram.capacity_kib).powf(READ_EXPONENT) * width.powf(READ_WIDTH_EXPONENT)
    }

    /// A write of one access width, in pJ: `write_pj * KiB^0.47 * (bits / 64)^0.80`.
    pub fn write_access_pj(&self, sram: &Sram) -> f64 {
        let width = f64::from(sram.access_bits) / REFERENCE_BITS;
        self.write_pj.value * f64::from(sram.capacity_kib).powf(WRITE_EXPONENT) * width.powf(WRITE_WIDTH_EXPONENT)
    }

    /// Area of a memory in square millimetres.
    pub fn area_mm2(&self, sram: &Sram) -> f64 {
        self.area_mm2_per_mib.value * f64::from(sram.capacity_kib) / 1024.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CACTI 7's own figures: node, KiB, bits, read pJ, write pJ.
    const CACTI: &[(Node, u32, u32, f64, f64)] = &[
        (Node::N45, 8, 64, 6.137, 7.8781),
        (Node::N45, 64, 32, 17.8039, 13.4688),
        (Node::N45, 256, 64, 44.7157, 38.4949),
        (Node::N45, 1024, 128, 153.433, 129.128),
        (Node::N45, 8192, 256, 757.76, 745.332),
        (Node::N28, 64, 64, 9.9919, 8.2341),
        (Node::N28, 256, 64, 20.8359, 16.3253),
        (Node::N28, 8192, 64, 105.2841, 96.4162),
        (Node::N16, 16, 64, 2.2545, 1.9441),
        (Node::N7, 256, 64, 6.6886, 4.9778),
        (Node::N7, 8192, 64, 33.8171, 30.4514),
    ];

    #[test]
    fn the_fit_is_as_close_to_cacti_as_its_source_says() {
        for &(node, capacity_kib, access_bits, read, write) in CACTI {
            let figures = SramFigures::of(node);
            let sram = Sram {
                capacity_kib,
                access_bits,
            };
            let (read_limit, write_limit) = if access_bits == 64 { (0.31, 0.16) } else { (0.52, 0.30) };
            let off = |fit: f64, cacti: f64| (fit / cacti - 1.0).abs();
            assert!(off(figures.read_access_pj(&sram), read) < read_limit, "{node} {sram:?}");
            assert!(
                off(figures.write_access_pj(&sram), write) < write_limit,
                "{node} {sram:?}"
            );
            // Must fail: a coefficient of another node.
            let other = SramFigures::of(if node == Node::N45 { Node::N28 } else { Node::N45 });
            assert!(off(other.read_access_pj(&sram), read) > read_limit, "{node} {sram:?}");
        }
    }
}
