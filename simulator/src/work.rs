//! Instructions as dispatched: operands resolved, so that what a queue holds no longer depends on registers or descriptors.

pub(crate) mod matrix;
mod vector;

use crate::fault::FaultKind;
use crate::order::ArrayUse;
use matrix::{OsOperands, OutputStationary, Product, TileLoad, TileShape};
use systole_isa::operand::{Accumulate, DescRef, N_REGISTERS, Space, Weights};
use systole_isa::{Descriptor, MachineDescription, Op, Tokens, Unit};

pub(crate) use vector::{Role, VectorOp, VectorWork};

/// Largest number of elements that one instruction may process, so that every run ends and lists of its bursts fit in memory.
const MAX_ELEMENTS: u64 = 1 << 24;

/// Where units other than the DMAs find their operands.
const ON_CHIP: &[Space] = &[Space::Spm, Space::Acc];

/// What a unit is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant, reason = "work is boxed wherever it is kept")]
pub(crate) enum Work {
    TileLoad(TileLoad),
    Product(Product),
    OutputStationary(Box<OutputStationary>),
    Vector(Box<VectorWork>),
    Copy {
        dst: Descriptor,
        src: Descriptor,
        m: u64,
        n: u64,
    },
    Sync,
}

/// An instruction in a unit's queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dispatched {
    pub(crate) work: Box<Work>,
    pub(crate) tokens: Tokens,
    pub(crate) pc: u32,
    pub(crate) layer: u32,
}

impl Work {
    /// What it does to the registers of the array.
    pub(crate) fn array_use(&self) -> ArrayUse {
        match self {
            Work::TileLoad(_) => ArrayUse::Load,
            Work::Product(product) => ArrayUse::Product {
                swaps: product.weights == Weights::Swap,
            },
            Work::OutputStationary(_) => ArrayUse::Product { swaps: false },
            Work::Vector(_) | Work::Copy { .. } | Work::Sync => ArrayUse::Nothing,
        }
    }

    /// Whether it adds to what it writes to, so that it reads it as well.
    pub(crate) fn accumulates(&self) -> bool {
        match self {
            Work::Product(product) => product.mode == Accumulate::Add,
            Work::OutputStationary(product) => product.mode == Accumulate::Add,
            Work::Vector(work) => work.accumulates(),
            Work::TileLoad(_) | Work::Copy { .. } | Work::Sync => false,
        }
    }
}

/// The registers and descriptors that operands refer to.
pub(crate) struct Operands<'a> {
    pub(crate) registers: &'a [i64; N_REGISTERS],
    pub(crate) descriptors: &'a [Descriptor],
}

impl Operands<'_> {
    fn view(&self, operand: DescRef) -> Descriptor {
        self.descriptors[operand.desc.index()].displaced(self.registers[operand.offset.index()])
    }
}

fn count(value: i64, name: &str) -> Result<u64, FaultKind> {
    u64::try_from(value).map_err(|_| FaultKind::BadOperand {
        why: format!("`{name}` is {value}; a count is not negative"),
    })
}

fn bounded(m: u64, n: u64) -> Result<(), FaultKind> {
    if m.checked_mul(n).is_some_and(|product| product <= MAX_ELEMENTS) {
        return Ok(());
    }
    let why = format!("{m} x {n} elements are more than one instruction may process ({MAX_ELEMENTS})");
    Err(FaultKind::BadOperand { why })
}

/// Resolves the operands of an instruction for another unit; `None` for the sequencer's own.
pub(crate) fn resolve(op: &Op, from: &Operands<'_>) -> Result<Option<(Unit, Box<Work>)>, FaultKind> {
    let r = from.registers;
    let work = match *op {
        Op::MxWload { w, k, n } => matrix::wload(from, w, k, n)?,
        Op::MxAload { a, k, m } => matrix::aload(from, a, k, m)?,
        Op::MxWskip { w, k, n, mask, block } => matrix::wskip(from, w, (k, n), mask, block.0)?,
        Op::MxWsparse {
            w,
            index,
            k,
            n,
            pattern,
        } => matrix::wsparse(from, (w, index), (k, n), pattern)?,
        Op::MxMm {
            c,
            a,
            m0,
            m,
            k0,
            mode,
            weights,
        } => {
            let sizes = [m0, m, k0].map(|v| v.resolve(r));
            matrix::product(from, (c, a), sizes, (mode, weights), None)?
        }
        Op::MxRows {
            c,
            a,
            m0,
            m,
            k0,
            mode,
            weights,
            rows,
        } => {
            let sizes = [m0, m, k0].map(|v| v.resolve(r));
            matrix::product(from, (c, a), sizes, (mode, weights), Some(rows))?
        }
        Op::MxOs {
            c,
            a,
            w,
            m0,
            m,
            n,
            k,
            mode,
            mask,
            block,
        } => {
            let views = [c, a, w];
            let block = block.0;
            let operands = OsOperands {
                views,
                m0,
                m,
                n,
                k,
                mode,
                mask,
                block,
            };
            matrix::output_stationary(from, &operands)?
        }
        Op::VxRequant { .. }
        | Op::VxPrelu { .. }
        | Op::VxLut { .. }
        | Op::VxAdd { .. }
        | Op::VxMul { .. }
        | Op::VxMaxPool { .. }
        | Op::VxAvgPool { .. }
        | Op::VxDwConv { .. }
        | Op::VxSoftmax { .. }
        | Op::VxLayerNorm { .. }
        | Op::VxArgMax { .. }
        | Op::VxMove { .. }
        | Op::VxMask { .. } => Work::Vector(Box::new(VectorWork::resolve(op, from)?)),
        Op::Ld { dst, src, m, n } | Op::St { dst, src, m, n } => {
            let (m, n) = (count(m.resolve(r), "m")?, count(n.resolve(r), "n")?);
            bounded(m, n)?;
            Work::Copy {
                dst: from.view(dst),
                src: from.view(src),
                m,
                n,
            }
        }
        Op::MxNop {} | Op::VxNop {} | Op::LdNop {} | Op::StNop {} => Work::Sync,
        Op::Halt {}
        | Op::Trap { .. }
        | Op::Nop {}
        | Op::Fence {}
        | Op::Mark { .. }
        | Op::Credit { .. }
        | Op::Li { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::And { .. }
        | Op::Or { .. }
        | Op::Xor { .. }
        | Op::Shl { .. }
        | Op::Shr { .. }
        | Op::Min { .. }
        | Op::Max { .. }
        | Op::Jmp { .. }
        | Op::Beq { .. }
        | Op::Bne { .. }
        | Op::Blt { .. }
        | Op::Bge { .. }
        | Op::Loop { .. }
        | Op::RdCycle { .. }
        | Op::RdPerf { .. }
        | Op::Desc { .. }
        | Op::Level { .. }
        | Op::Window { .. }
        | Op::Clip { .. }
        | Op::Move { .. } => return Ok(None),
    };
    Ok(Some((op.unit(), Box::new(work))))
}

fn require(condition: bool, why: impl FnOnce() -> String) -> Result<(), FaultKind> {
    if condition {
        Ok(())
    } else {
        Err(FaultKind::BadOperand { why: why() })
    }
}

fn within_view(name: &str, view: &Descriptor, rows_end: u64, columns_end: u64) -> Result<(), FaultKind> {
    require(rows_end <= view.n_rows() && columns_end <= view.n_columns(), || {
        format!(
            "the instruction uses {rows_end} x {columns_end} of `{name}`, whose levels make a matrix of {} x {}",
            view.n_rows(),
            view.n_columns()
        )
    })
}

fn in_space(name: &str, view: &Descriptor, allowed: &[Space]) -> Result<(), FaultKind> {
    require(allowed.contains(&view.space), || {
        let allowed: Vec<&str> = allowed.iter().map(|space| space.word()).collect();
        format!(
            "`{name}` is in {}; it has to be in {}",
            view.space,
            allowed.join(" or ")
        )
    })
}

/// Checks what the array's size and the wiring between units and memories demand. `tile` is what a matrix product uses.
pub(crate) fn check(
    unit: Unit,
    work: &Work,
    machine: &MachineDescription,
    tile: Option<&TileShape>,
) -> Result<(), FaultKind> {
    match work {
        Work::TileLoad(load) => load.check(machine),
        Work::Product(product) => product.check(machine, tile),
        Work::OutputStationary(product) => product.check(machine),
        Work::Vector(vector) => vector.check(machine),
        Work::Copy { dst, src, m, n } => {
            let loads = unit == Unit::Ld;
            in_space("dst", dst, if loads { ON_CHIP } else { &[Space::Dram] })?;
            in_space("src", src, if loads { &[Space::Dram] } else { ON_CHIP })?;
            within_view("src", src, *m, *n)?;
            within_view("dst", dst, *m, *n)
        }
        Work::Sync => Ok(()),
    }
}
