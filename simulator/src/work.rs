//! Instructions as dispatched: operands resolved, so that what a queue holds no longer depends on registers or descriptors.

mod vector;

use crate::fault::FaultKind;
use systole_isa::operand::{Accumulate, DescRef, N_REGISTERS, Space, Weights};
use systole_isa::{Descriptor, ElementFormat, MachineDescription, Op, Tokens, Unit};

pub(crate) use vector::{Role, VectorOp, VectorWork};

/// Largest number of elements that one instruction may process, so that every run ends and lists of its bursts fit in memory.
const MAX_ELEMENTS: u64 = 1 << 26;

/// Where units other than the DMAs find their operands.
const ON_CHIP: &[Space] = &[Space::Spm, Space::Acc];

/// What a unit is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    WeightLoad {
        w: Descriptor,
        k: u64,
        n: u64,
    },
    MatMul {
        c: Descriptor,
        a: Descriptor,
        m0: u64,
        m: u64,
        k0: u64,
        mode: Accumulate,
        weights: Weights,
    },
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
    let sized = |m: i64, n: i64| -> Result<(u64, u64), FaultKind> {
        let (m, n) = (count(m, "m")?, count(n, "n")?);
        bounded(m, n)?;
        Ok((m, n))
    };
    let work = match *op {
        Op::MxWload { w, k, n } => {
            let (k, n) = (count(k.resolve(r), "k")?, count(n.resolve(r), "n")?);
            bounded(k, n)?;
            Work::WeightLoad { w: from.view(w), k, n }
        }
        Op::MxMm {
            c,
            a,
            m0,
            m,
            k0,
            mode,
            weights,
        } => {
            let (m0, m, k0) = (
                count(m0.resolve(r), "m0")?,
                count(m.resolve(r), "m")?,
                count(k0.resolve(r), "k0")?,
            );
            bounded(m, 1)?;
            Work::MatMul {
                c: from.view(c),
                a: from.view(a),
                m0,
                m,
                k0,
                mode,
                weights,
            }
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
            let (m, n) = sized(m.resolve(r), n.resolve(r))?;
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

fn is_multiplicand(name: &str, view: &Descriptor) -> Result<(), FaultKind> {
    require(view.format.bits() <= 16, || {
        format!(
            "`{name}` has format {}; the array multiplies elements of at most 16 bits",
            view.format
        )
    })
}

/// Checks what the array's size and the wiring between units and memories demand. `tile` is the (k, n) that a matrix product uses.
pub(crate) fn check(unit: Unit, work: &Work, machine: &MachineDescription, tile: (u64, u64)) -> Result<(), FaultKind> {
    match work {
        Work::WeightLoad { w, k, n } => {
            let (rows, cols) = (u64::from(machine.rows), u64::from(machine.cols));
            require(*k > 0 && *n > 0 && *k <= rows && *n <= cols, || {
                format!("a weight tile of {k} x {n} does not fit the array of {rows} x {cols}")
            })?;
            in_space("w", w, &[Space::Spm])?;
            is_multiplicand("w", w)?;
            within_view("w", w, *k, *n)
        }
        Work::MatMul { c, a, m0, m, k0, .. } => {
            require(tile.0 > 0, || {
                "the array holds no weights; load a tile with `mx.wload` and `swap` it in".into()
            })?;
            in_space("a", a, &[Space::Spm])?;
            is_multiplicand("a", a)?;
            in_space("c", c, &[Space::Acc])?;
            require(c.format == ElementFormat::I32, || {
                format!("`c` has format {}; accumulators are i32", c.format)
            })?;
            within_view("a", a, m0 + m, k0 + tile.0)?;
            within_view("c", c, *m, tile.1)
        }
        Work::Vector(vector) => vector.check(),
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
