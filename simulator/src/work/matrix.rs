//! Instructions of the array as dispatched: which operands stay, which move, and which rows of K take part.

use super::{Operands, Work, bounded, count, in_space, require, within_view};
use crate::fault::FaultKind;
use smallvec::{SmallVec, smallvec};
use systole_isa::operand::{Accumulate, Count, DescRef, Length, Pattern, Reg, RowCount, Side, Space, Weights};
use systole_isa::throughput::{Rate, WIDTHS};
use systole_isa::{Descriptor, ElementFormat, FormatPair, MachineDescription};

/// Blocks that a mask can tell apart.
const MAX_BLOCKS: u64 = 64;

/// Which operand of a product stays in the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stationary {
    Weights,
    Activations,
}

/// Parts of K that take part in a product, ascending, as (first row, number of rows).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LiveRows(SmallVec<[(u64, u64); 1]>);

impl LiveRows {
    pub(crate) fn all(k: u64) -> Self {
        Self(smallvec![(0, k)])
    }

    /// The blocks of `2^block` rows whose bit is set.
    fn from_mask(mask: u64, block: u32, k: u64) -> Result<Self, FaultKind> {
        let n_blocks = k.div_ceil(1 << block);
        require(n_blocks <= MAX_BLOCKS, || {
            format!(
                "{k} rows of K are {n_blocks} blocks of {}; a mask has {MAX_BLOCKS} bits",
                1 << block
            )
        })?;
        require(n_blocks == MAX_BLOCKS || mask >> n_blocks == 0, || {
            format!("the mask {mask:#x} has bits for more than the {n_blocks} blocks that {k} rows of K make")
        })?;
        let mut ranges: SmallVec<[(u64, u64); 1]> = smallvec![];
        for first in (0..n_blocks).filter(|b| mask >> b & 1 == 1).map(|b| b << block) {
            let n = (1 << block).min(k - first);
            match ranges.last_mut() {
                Some((before, length)) if *before + *length == first => *length += n,
                _ => ranges.push((first, n)),
            }
        }
        Ok(Self(ranges))
    }

    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|(_, n)| n).sum()
    }
}

/// What a tile in the array is, without its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TileShape {
    pub(crate) operand: Stationary,
    pub(crate) format: ElementFormat,
    /// Rows of K from the first to the last, left out or not.
    pub(crate) k: u64,
    /// Columns.
    pub(crate) n: u64,
    /// Rows of K that the moving operand brings.
    pub(crate) live: LiveRows,
    pub(crate) pattern: Option<Pattern>,
}

impl TileShape {
    /// Rows that the array holds: those of K that take part, compressed.
    pub(crate) fn n_rows(&self) -> u64 {
        let live = self.live.count();
        self.pattern
            .map_or(live, |pattern| live / pattern.group() * pattern.kept())
    }

    /// The formats of a product with a moving operand of this format.
    pub(crate) fn pair(&self, moving: ElementFormat) -> FormatPair {
        match self.operand {
            Stationary::Weights => FormatPair {
                weights: self.format,
                activations: moving,
            },
            Stationary::Activations => FormatPair {
                weights: moving,
                activations: self.format,
            },
        }
    }
}

/// A mechanism that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Feature {
    Skip,
    NOfM,
}

/// Fills the shadow registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TileLoad {
    /// As a matrix whose rows run along K; with a pattern, the compressed one.
    pub(crate) source: Descriptor,
    /// Positions within the groups of a pattern.
    pub(crate) index: Option<Box<Descriptor>>,
    pub(crate) shape: TileShape,
    pub(crate) needs: Option<Feature>,
}

/// Streams rows through the tile in the array.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Product {
    pub(crate) c: Descriptor,
    pub(crate) a: Descriptor,
    pub(crate) m0: u64,
    pub(crate) m: u64,
    pub(crate) k0: u64,
    pub(crate) mode: Accumulate,
    pub(crate) weights: Weights,
    /// Bitmap of the rows of `a` that are streamed; all if absent.
    pub(crate) rows: Option<Box<Descriptor>>,
}

/// A product whose sums stay in the PEs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OutputStationary {
    pub(crate) c: Descriptor,
    pub(crate) a: Descriptor,
    pub(crate) m0: u64,
    pub(crate) m: u64,
    pub(crate) mode: Accumulate,
    /// The weights, as a tile that is never in the array as a whole.
    pub(crate) w: TileLoad,
}

impl OutputStationary {
    pub(crate) fn rate(&self, machine: &MachineDescription) -> Rate {
        machine.rate(self.w.shape.pair(self.a.format))
    }

    /// The same arithmetic as rows streamed through a tile.
    pub(crate) fn as_product(&self) -> Product {
        Product {
            c: self.c,
            a: self.a,
            m0: self.m0,
            m: self.m,
            k0: 0,
            mode: self.mode,
            weights: Weights::Keep,
            rows: None,
        }
    }
}

fn masked(from: &Operands<'_>, mask: Reg, block: u32, k: u64) -> Result<LiveRows, FaultKind> {
    if mask == Reg::ZERO {
        Ok(LiveRows::all(k))
    } else {
        LiveRows::from_mask(from.registers[mask.index()] as u64, block, k)
    }
}

fn dense_load(source: Descriptor, operand: Stationary, k: u64, n: u64) -> TileLoad {
    TileLoad {
        source,
        index: None,
        shape: TileShape {
            operand,
            format: source.format,
            k,
            n,
            live: LiveRows::all(k),
            pattern: None,
        },
        needs: None,
    }
}

fn sizes(from: &Operands<'_>, k: Count, n: (Count, &str)) -> Result<(u64, u64), FaultKind> {
    let (k, n) = (
        count(k.resolve(from.registers), "k")?,
        count(n.0.resolve(from.registers), n.1)?,
    );
    bounded(k, n)?;
    Ok((k, n))
}

/// `mx.wload`
pub(super) fn wload(from: &Operands<'_>, w: DescRef, k: Count, n: Count) -> Result<Work, FaultKind> {
    let (k, n) = sizes(from, k, (n, "n"))?;
    Ok(Work::TileLoad(dense_load(from.view(w), Stationary::Weights, k, n)))
}

/// `mx.aload`
pub(super) fn aload(from: &Operands<'_>, a: DescRef, k: Count, m: Count) -> Result<Work, FaultKind> {
    let (k, m) = sizes(from, k, (m, "m"))?;
    Ok(Work::TileLoad(dense_load(from.view(a), Stationary::Activations, k, m)))
}

/// `mx.wskip`
pub(super) fn wskip(
    from: &Operands<'_>,
    w: DescRef,
    (k, n): (Count, Count),
    mask: Reg,
    block: i64,
) -> Result<Work, FaultKind> {
    let (k, n) = sizes(from, k, (n, "n"))?;
    let mut load = dense_load(from.view(w), Stationary::Weights, k, n);
    load.shape.live = masked(from, mask, block as u32, k)?;
    load.needs = Some(Feature::Skip);
    Ok(Work::TileLoad(load))
}

/// `mx.wsparse`
pub(super) fn wsparse(
    from: &Operands<'_>,
    (w, index): (DescRef, DescRef),
    (k, n): (Count, Count),
    pattern: Pattern,
) -> Result<Work, FaultKind> {
    let (k, n) = sizes(from, k, (n, "n"))?;
    require(k % pattern.group() == 0, || {
        format!(
            "`k` is {k}, which is no multiple of {}, the group of `{pattern}`",
            pattern.group()
        )
    })?;
    let mut load = dense_load(from.view(w), Stationary::Weights, k, n);
    load.shape.pattern = Some(pattern);
    load.index = Some(Box::new(from.view(index)));
    load.needs = Some(Feature::NOfM);
    Ok(Work::TileLoad(load))
}

/// `mx.mm` and `mx.rows`; `sizes` are `m0`, `m` and `k0`.
pub(super) fn product(
    from: &Operands<'_>,
    (c, a): (DescRef, DescRef),
    sizes: [i64; 3],
    (mode, weights): (Accumulate, Weights),
    rows: Option<DescRef>,
) -> Result<Work, FaultKind> {
    let [m0, m, k0] = sizes;
    let (m0, m, k0) = (count(m0, "m0")?, count(m, "m")?, count(k0, "k0")?);
    bounded(m, 1)?;
    Ok(Work::Product(Product {
        c: from.view(c),
        a: from.view(a),
        m0,
        m,
        k0,
        mode,
        weights,
        rows: rows.map(|rows| Box::new(from.view(rows))),
    }))
}

/// Operands of `mx.os` as they stand in the instruction.
pub(super) struct OsOperands {
    pub(super) views: [DescRef; 3],
    pub(super) m0: RowCount,
    pub(super) m: Side,
    pub(super) n: Side,
    pub(super) k: Length,
    pub(super) mode: Accumulate,
    pub(super) mask: Reg,
    pub(super) block: i64,
}

/// `mx.os`
pub(super) fn output_stationary(from: &Operands<'_>, op: &OsOperands) -> Result<Work, FaultKind> {
    let r = from.registers;
    let (m0, m) = (count(op.m0.resolve(r), "m0")?, count(op.m.resolve(r), "m")?);
    let (n, k) = (count(op.n.resolve(r), "n")?, count(op.k.resolve(r), "k")?);
    bounded(m, k)?;
    bounded(k, n)?;
    let [c, a, w] = op.views.map(|view| from.view(view));
    let mut w = dense_load(w, Stationary::Weights, k, n);
    w.shape.live = masked(from, op.mask, op.block as u32, k)?;
    w.needs = (op.mask != Reg::ZERO).then_some(Feature::Skip);
    Ok(Work::OutputStationary(Box::new(OutputStationary {
        c,
        a,
        m0,
        m,
        mode: op.mode,
        w,
    })))
}

fn is_multiplicand(name: &str, view: &Descriptor) -> Result<(), FaultKind> {
    in_space(name, view, &[Space::Spm])?;
    require(view.format.bits() <= 16, || {
        format!(
            "`{name}` has format {}; the array multiplies elements of at most 16 bits",
            view.format
        )
    })
}

fn is_accumulator(c: &Descriptor) -> Result<(), FaultKind> {
    in_space("c", c, &[Space::Acc])?;
    require(c.format == ElementFormat::I32, || {
        format!("`c` has format {}; accumulators are i32", c.format)
    })
}

fn is_present(feature: Option<Feature>, machine: &MachineDescription) -> Result<(), FaultKind> {
    let (present, name) = match feature {
        None => return Ok(()),
        Some(Feature::Skip) => (machine.sparsity.skip, "skip"),
        Some(Feature::NOfM) => (machine.sparsity.n_m, "n_m"),
    };
    require(present, || {
        format!(
            "the machine `{}` lacks this: `sparsity.{name}` is false in its description",
            machine.name
        )
    })
}

impl TileLoad {
    /// Name of the operand that is loaded.
    fn name(&self) -> &'static str {
        match self.shape.operand {
            Stationary::Weights => "w",
            Stationary::Activations => "a",
        }
    }

    /// What the views have to be, wherever the tile goes.
    fn check_views(&self) -> Result<(), FaultKind> {
        is_multiplicand(self.name(), &self.source)?;
        let Some((index, pattern)) = self.index.as_ref().zip(self.shape.pattern) else {
            return within_view(self.name(), &self.source, self.shape.k, self.shape.n);
        };
        in_space("index", index, &[Space::Spm])?;
        require(index.format == pattern.index_format(), || {
            format!(
                "`index` has format {}; positions of `{pattern}` are {}",
                index.format,
                pattern.index_format()
            )
        })?;
        within_view("w", &self.source, self.shape.n_rows(), self.shape.n)?;
        within_view("index", index, self.shape.n_rows(), self.shape.n)
    }

    pub(super) fn check(&self, machine: &MachineDescription) -> Result<(), FaultKind> {
        is_present(self.needs, machine)?;
        let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
        let bits = self.shape.format.bits().min(16);
        let rates = WIDTHS.map(|moving| match self.shape.operand {
            Stationary::Weights => machine.throughput.of(bits, moving),
            Stationary::Activations => machine.throughput.of(moving, bits),
        });
        let packing = rates.map(Rate::packing).into_iter().max().unwrap_or(1);
        let (k, n) = (self.shape.n_rows(), self.shape.n);
        require(self.shape.k > 0 && n > 0 && k <= rows * packing && n <= cols, || {
            let shared = if packing > 1 {
                format!(" with up to {packing} {} operands per PE", self.shape.format)
            } else {
                String::new()
            };
            format!("a tile of {k} x {n} does not fit the array of {rows} x {cols}{shared}")
        })?;
        self.check_views()
    }
}

impl Product {
    pub(super) fn check(&self, machine: &MachineDescription, tile: Option<&TileShape>) -> Result<(), FaultKind> {
        let Some(tile) = tile else {
            return Err(FaultKind::BadOperand {
                why: "the array holds no tile; load one with `mx.wload` and `swap` it in".to_owned(),
            });
        };
        is_multiplicand("a", &self.a)?;
        is_accumulator(&self.c)?;
        let (rate, rows) = (machine.rate(tile.pair(self.a.format)), u64::from(machine.rows));
        require(tile.n_rows() <= rows * rate.packing(), || {
            let (packing, pair) = (rate.packing(), tile.pair(self.a.format));
            format!(
                "a tile of {} rows does not fit {rows} rows of PEs: with weights {} and activations {} a PE holds {packing}",
                tile.n_rows(),
                pair.weights,
                pair.activations
            )
        })?;
        within_view(
            "a",
            &self.a,
            self.m0.saturating_add(self.m),
            self.k0.saturating_add(tile.k),
        )?;
        within_view("c", &self.c, self.m, tile.n)?;
        let Some(rows) = &self.rows else {
            return Ok(());
        };
        is_present(Some(Feature::Skip), machine)?;
        in_space("rows", rows, &[Space::Spm])?;
        require(rows.format == ElementFormat::B1, || {
            format!("`rows` has format {}; a bitmap is b1", rows.format)
        })?;
        within_view("rows", rows, self.m0.saturating_add(self.m), 1)
    }
}

impl OutputStationary {
    pub(super) fn check(&self, machine: &MachineDescription) -> Result<(), FaultKind> {
        is_present(self.w.needs, machine)?;
        let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
        let (m, shape) = (self.m, &self.w.shape);
        require(
            m > 0 && shape.n > 0 && shape.k > 0 && m <= rows && shape.n <= cols,
            || format!("sums of {m} x {} do not fit the array of {rows} x {cols}", shape.n),
        )?;
        is_multiplicand("a", &self.a)?;
        is_accumulator(&self.c)?;
        self.w.check_views()?;
        within_view("a", &self.a, self.m0.saturating_add(m), shape.k)?;
        within_view("c", &self.c, m, shape.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_blocks_join_and_the_last_may_be_short() {
        let live = LiveRows::from_mask(0b1101, 2, 14).unwrap();
        assert_eq!(live.ranges().collect::<Vec<_>>(), [(0, 4), (8, 6)]);
        assert_eq!(live.count(), 10);
        assert_eq!(LiveRows::from_mask(0, 0, 5).unwrap().count(), 0);
        assert_eq!(LiveRows::from_mask(u64::MAX, 0, 64).unwrap().count(), 64);
    }

    #[test]
    fn a_mask_and_a_length_have_to_fit() {
        assert!(LiveRows::from_mask(0b1_0000, 2, 14).is_err());
        assert!(LiveRows::from_mask(1, 0, 65).is_err());
        assert!(LiveRows::from_mask(1, 1, 65).is_ok());
    }
}
