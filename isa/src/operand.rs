//! Operand types: how many bits each takes, how it is written, and which values it may hold.
//!
//! An operand has two faces. The typed one ([`Reg`], [`DescRef`], [`Val`], ...) is what execution matches on; the dynamic
//! one ([`OperandValue`]) is what assembler, disassembler and tooltips handle without knowing the instruction.

use std::fmt;

/// A type that can stand in an instruction's operand list.
pub trait Operand: Copy + Sized {
    /// Width in the instruction word.
    const BITS: u32;
    /// What may be written for it.
    const KIND: OperandKind;
    /// The field's bits, or why the value does not fit.
    fn to_bits(self) -> Result<u128, RangeError>;
    /// The value of a field, or `None` if no value has these bits.
    fn from_bits(bits: u128) -> Option<Self>;
    /// The dynamic form.
    fn to_value(self) -> OperandValue;
    /// The typed form of a dynamic value of the same kind; `None` if kind or range differ.
    fn from_value(value: OperandValue) -> Option<Self>;
}

/// An immediate that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("value {value} is outside {lo}..={hi}, the range of this {bits}-bit field")]
pub struct RangeError {
    /// The offending value.
    pub value: i64,
    /// Smallest value of the field.
    pub lo: i64,
    /// Largest value of the field.
    pub hi: i64,
    /// Width of the field.
    pub bits: u32,
}

/// What may be written in an operand's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperandKind {
    /// A scalar register, `r0` to `r31`.
    Reg,
    /// A descriptor by itself, `d0` to `d31`.
    Desc,
    /// A descriptor, optionally displaced by a register: `d3` or `d3[r4]`.
    DescRef,
    /// A register or an immediate of `bits` bits.
    Val {
        /// Width of the immediate form.
        bits: u32,
        /// Whether the immediate form is two's complement.
        signed: bool,
    },
    /// An immediate of `bits` bits.
    Imm {
        /// Width in bits.
        bits: u32,
        /// Whether it is two's complement.
        signed: bool,
    },
    /// A program address, written as a label.
    Target,
    /// A token counter, `t0` to `t15`.
    Token,
    /// One of a list of words.
    Choice(&'static [&'static str]),
}

impl OperandKind {
    /// Smallest and largest integer that may be written, where an integer may.
    pub const fn range(self) -> Option<(i64, i64)> {
        match self {
            Self::Val { bits, signed } | Self::Imm { bits, signed } => Some(range_of(bits, signed)),
            Self::Target => Some(range_of(Target::BITS, false)),
            _ => None,
        }
    }
}

/// An operand without its Rust type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperandValue {
    /// A register.
    Reg(Reg),
    /// A descriptor by itself.
    Desc(Desc),
    /// A descriptor with a displacement register.
    DescRef(DescRef),
    /// A register where an immediate could stand.
    ValReg(Reg),
    /// An immediate (also where a register could stand).
    Imm(i64),
    /// Index of the instruction jumped to.
    Target(u32),
    /// A token counter.
    Token(Token),
    /// Index into the list of [`OperandKind::Choice`].
    Choice(u8),
}

/// Number of scalar registers. `r0` reads as zero and ignores writes.
pub const N_REGISTERS: usize = 32;
/// Number of descriptors.
pub const N_DESCRIPTORS: usize = 32;
/// Number of token counters.
pub const N_TOKENS: usize = 16;

macro_rules! indexed {
    ($(#[$meta:meta])* $name:ident, $variant:ident, $prefix:literal, $bits:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u8);

        impl $name {
            /// The one with this index; `None` if there is no such index.
            pub const fn new(index: u8) -> Option<Self> {
                if (index as u32) < (1 << $bits) { Some(Self(index)) } else { None }
            }
            /// The one with this index, for constants.
            ///
            /// # Panics
            /// If there is no such index; in a `const` that is a compile-time error.
            pub const fn at(index: u8) -> Self {
                match Self::new(index) {
                    Some(value) => value,
                    None => panic!("index out of range"),
                }
            }
            /// Its index.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl Operand for $name {
            const BITS: u32 = $bits;
            const KIND: OperandKind = OperandKind::$variant;
            fn to_bits(self) -> Result<u128, RangeError> {
                Ok(u128::from(self.0))
            }
            fn from_bits(bits: u128) -> Option<Self> {
                Self::new(bits as u8)
            }
            fn to_value(self) -> OperandValue {
                OperandValue::$variant(self)
            }
            fn from_value(value: OperandValue) -> Option<Self> {
                if let OperandValue::$variant(inner) = value { Some(inner) } else { None }
            }
        }
    };
}

indexed!(
    /// A scalar register holding a 64-bit two's complement integer.
    Reg, Reg, "r", 5
);
indexed!(
    /// A descriptor by itself, as in the instructions that set one.
    Desc, Desc, "d", 5
);
indexed!(
    /// A counting token.
    Token, Token, "t", 4
);

impl Reg {
    /// The register that is always zero.
    pub const ZERO: Reg = Reg(0);
}

/// A descriptor as an operand: the bytes in `offset` are added to its base when the instruction is dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DescRef {
    /// The descriptor.
    pub desc: Desc,
    /// Register whose value, in bytes, displaces the base; `r0` for none.
    pub offset: Reg,
}

impl From<Desc> for DescRef {
    fn from(desc: Desc) -> Self {
        Self {
            desc,
            offset: Reg::ZERO,
        }
    }
}

impl Operand for DescRef {
    const BITS: u32 = Desc::BITS + Reg::BITS;
    const KIND: OperandKind = OperandKind::DescRef;
    fn to_bits(self) -> Result<u128, RangeError> {
        Ok(self.desc.to_bits()? | self.offset.to_bits()? << Desc::BITS)
    }
    fn from_bits(bits: u128) -> Option<Self> {
        Some(Self {
            desc: Desc::new(bits as u8 & 31)?,
            offset: Reg::new((bits >> Desc::BITS) as u8 & 31)?,
        })
    }
    fn to_value(self) -> OperandValue {
        OperandValue::DescRef(self)
    }
    fn from_value(value: OperandValue) -> Option<Self> {
        match value {
            OperandValue::DescRef(inner) => Some(inner),
            OperandValue::Desc(desc) => Some(desc.into()),
            _ => None,
        }
    }
}

const fn range_of(bits: u32, signed: bool) -> (i64, i64) {
    match (bits, signed) {
        (64, _) => (i64::MIN, i64::MAX),
        (_, true) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        (_, false) => (0, (1 << bits) - 1),
    }
}

fn bits_from_int(value: i64, bits: u32, signed: bool) -> Result<u128, RangeError> {
    let (lo, hi) = range_of(bits, signed);
    if value < lo || value > hi {
        return Err(RangeError { value, lo, hi, bits });
    }
    Ok(u128::from(value as u64) & ((1 << bits) - 1))
}

fn int_from_bits(field: u128, bits: u32, signed: bool) -> i64 {
    if signed {
        let shift = 64 - bits;
        ((field as u64) << shift) as i64 >> shift
    } else {
        field as i64
    }
}

/// A register or an immediate of `BITS` bits; one more bit in the word tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Val<const BITS: u32, const SIGNED: bool> {
    /// The value of a register at dispatch.
    Reg(Reg),
    /// A constant.
    Imm(i64),
}

/// A number of rows, columns, elements or iterations: a register or 24 unsigned bits.
pub type Count = Val<24, false>;
/// A number of rows: a register or 20 unsigned bits.
pub type RowCount = Val<20, false>;
/// A length along K: a register or 16 unsigned bits.
pub type Length = Val<16, false>;
/// A size of at most the array's side: a register or 10 unsigned bits.
pub type Side = Val<10, false>;
/// A coordinate: a register or 24 bits, two's complement.
pub type Coord = Val<24, true>;
/// A byte address, a stride in elements or a scalar: a register or 40 bits, two's complement.
pub type Scalar = Val<40, true>;

impl<const BITS: u32, const SIGNED: bool> Val<BITS, SIGNED> {
    /// The value, given the registers.
    pub fn resolve(self, registers: &[i64; N_REGISTERS]) -> i64 {
        match self {
            Self::Reg(reg) => registers[reg.index()],
            Self::Imm(value) => value,
        }
    }
}

impl<const BITS: u32, const SIGNED: bool> From<Reg> for Val<BITS, SIGNED> {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

impl<const BITS: u32, const SIGNED: bool> From<i64> for Val<BITS, SIGNED> {
    fn from(value: i64) -> Self {
        Self::Imm(value)
    }
}

impl<const BITS: u32, const SIGNED: bool> Operand for Val<BITS, SIGNED> {
    const BITS: u32 = BITS + 1;
    const KIND: OperandKind = OperandKind::Val {
        bits: BITS,
        signed: SIGNED,
    };
    fn to_bits(self) -> Result<u128, RangeError> {
        match self {
            Self::Reg(reg) => Ok(1 | reg.to_bits()? << 1),
            Self::Imm(value) => Ok(bits_from_int(value, BITS, SIGNED)? << 1),
        }
    }
    fn from_bits(bits: u128) -> Option<Self> {
        if bits & 1 == 1 {
            let index = bits >> 1;
            (index < N_REGISTERS as u128).then_some(Self::Reg(Reg(index as u8)))
        } else {
            Some(Self::Imm(int_from_bits(bits >> 1, BITS, SIGNED)))
        }
    }
    fn to_value(self) -> OperandValue {
        match self {
            Self::Reg(reg) => OperandValue::ValReg(reg),
            Self::Imm(value) => OperandValue::Imm(value),
        }
    }
    fn from_value(value: OperandValue) -> Option<Self> {
        match value {
            OperandValue::ValReg(reg) | OperandValue::Reg(reg) => Some(Self::Reg(reg)),
            OperandValue::Imm(value) => bits_from_int(value, BITS, SIGNED).ok().map(|_| Self::Imm(value)),
            _ => None,
        }
    }
}

/// An immediate of `BITS` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Imm<const BITS: u32, const SIGNED: bool>(pub i64);

/// An unsigned immediate.
pub type UImm<const BITS: u32> = Imm<BITS, false>;
/// A two's complement immediate.
pub type SImm<const BITS: u32> = Imm<BITS, true>;

impl<const BITS: u32, const SIGNED: bool> Operand for Imm<BITS, SIGNED> {
    const BITS: u32 = BITS;
    const KIND: OperandKind = OperandKind::Imm {
        bits: BITS,
        signed: SIGNED,
    };
    fn to_bits(self) -> Result<u128, RangeError> {
        bits_from_int(self.0, BITS, SIGNED)
    }
    fn from_bits(bits: u128) -> Option<Self> {
        Some(Self(int_from_bits(bits, BITS, SIGNED)))
    }
    fn to_value(self) -> OperandValue {
        OperandValue::Imm(self.0)
    }
    fn from_value(value: OperandValue) -> Option<Self> {
        match value {
            OperandValue::Imm(value) => bits_from_int(value, BITS, SIGNED).ok().map(|_| Self(value)),
            _ => None,
        }
    }
}

/// The index of an instruction in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target(pub u32);

impl Operand for Target {
    const BITS: u32 = 24;
    const KIND: OperandKind = OperandKind::Target;
    fn to_bits(self) -> Result<u128, RangeError> {
        bits_from_int(i64::from(self.0), Self::BITS, false)
    }
    fn from_bits(bits: u128) -> Option<Self> {
        Some(Self(bits as u32))
    }
    fn to_value(self) -> OperandValue {
        OperandValue::Target(self.0)
    }
    fn from_value(value: OperandValue) -> Option<Self> {
        match value {
            OperandValue::Target(target) => bits_from_int(i64::from(target), Self::BITS, false)
                .ok()
                .map(|_| Self(target)),
            OperandValue::Imm(value) => bits_from_int(value, Self::BITS, false).ok().map(|_| Self(value as u32)),
            _ => None,
        }
    }
}

/// Declares a field-less enum whose variants are the words of an operand.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident: $bits:literal {
        $($(#[$vmeta:meta])* $variant:ident = $code:literal $word:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name { $($(#[$vmeta])* $variant = $code),+ }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.word().to_owned()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(word: String) -> Result<Self, String> {
                Self::ALL
                    .iter()
                    .find(|value| value.word() == word)
                    .copied()
                    .ok_or_else(|| format!("`{word}` is none of {}", Self::WORDS.join(", ")))
            }
        }

        impl $name {
            /// Every variant, in the order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word by which it is written.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::operand::Operand for $name {
            const BITS: u32 = $bits;
            const KIND: $crate::operand::OperandKind = $crate::operand::OperandKind::Choice(Self::WORDS);
            fn to_bits(self) -> Result<u128, $crate::operand::RangeError> {
                Ok(self as u128)
            }
            fn from_bits(bits: u128) -> Option<Self> {
                Self::ALL.get(bits as usize).copied()
            }
            fn to_value(self) -> $crate::operand::OperandValue {
                $crate::operand::OperandValue::Choice(self as u8)
            }
            fn from_value(value: $crate::operand::OperandValue) -> Option<Self> {
                match value {
                    $crate::operand::OperandValue::Choice(index) => Self::ALL.get(usize::from(index)).copied(),
                    _ => None,
                }
            }
        }

        // Codes are dense from zero, so that a code is an index into `ALL`, and fit the field.
        const _: () = {
            let mut i = 0;
            while i < $name::ALL.len() {
                assert!($name::ALL[i] as usize == i);
                i += 1;
            }
            assert!($name::ALL.len() <= 1 << $bits);
        };
    };
}
pub(crate) use choice;

choice! {
    /// A memory.
    pub enum Space: 2 {
        /// The scratchpad.
        Spm = 0 "spm",
        /// The accumulators.
        Acc = 1 "acc",
        /// The off-chip memory.
        Dram = 2 "dram",
    }
}

choice! {
    /// Which coordinate a window bounds.
    pub enum Axis: 1 {
        /// The vertical coordinate.
        Y = 0 "y",
        /// The horizontal coordinate.
        X = 1 "x",
    }
}

choice! {
    /// What happens to the value that an accumulator holds already.
    pub enum Accumulate: 1 {
        /// It is overwritten.
        Over = 0 "over",
        /// The result is added to it.
        Add = 1 "add",
    }
}

choice! {
    /// Which weights a matrix product uses.
    pub enum Weights: 1 {
        /// The active ones, unchanged.
        Keep = 0 "keep",
        /// The shadow registers become active first.
        Swap = 1 "swap",
    }
}

choice! {
    /// How many of how many neighbours along K a compressed weight tile keeps.
    pub enum Pattern: 2 {
        /// One of four.
        OneOf4 = 0 "one_of_4",
        /// Two of four.
        TwoOf4 = 1 "two_of_4",
        /// Four of eight.
        FourOf8 = 2 "four_of_8",
    }
}

impl Pattern {
    /// Weights kept per group.
    pub const fn kept(self) -> u64 {
        match self {
            Self::OneOf4 => 1,
            Self::TwoOf4 => 2,
            Self::FourOf8 => 4,
        }
    }

    /// Neighbours along K in a group.
    pub const fn group(self) -> u64 {
        match self {
            Self::OneOf4 | Self::TwoOf4 => 4,
            Self::FourOf8 => 8,
        }
    }

    /// Format of the positions within a group.
    pub const fn index_format(self) -> crate::format::ElementFormat {
        match self {
            Self::OneOf4 | Self::TwoOf4 => crate::format::ElementFormat::U2,
            Self::FourOf8 => crate::format::ElementFormat::U4,
        }
    }
}

choice! {
    /// How a requantization scales and rounds.
    pub enum Rounding: 1 {
        /// 32-bit fixed-point multiplier and rounding right shift, as TensorFlow Lite defines it.
        Fixed = 0 "fixed",
        /// IEEE binary32 scale and round half to even, as ONNX defines it.
        Float = 1 "float",
    }
}

choice! {
    /// By what an average pooling divides its sums.
    pub enum Divide: 2 {
        /// The number of elements inside the window.
        Valid = 0 "valid",
        /// The number of all elements of the window, those outside included.
        All = 1 "all",
        /// Nothing: the sum is scaled as it is.
        None = 2 "none",
    }
}

choice! {
    /// What a mark delimits.
    pub enum MarkKind: 2 {
        /// A layer of the model.
        Layer = 0 "layer",
        /// A tile within a layer.
        Tile = 1 "tile",
    }
}

choice! {
    /// A counter that a program can read.
    pub enum PerfCounter: 4 {
        /// Multiply-accumulates that the array has executed.
        Macs = 0 "macs",
        /// Bytes read from DRAM.
        DramReadBytes = 1 "dram_read_bytes",
        /// Bytes written to DRAM.
        DramWriteBytes = 2 "dram_write_bytes",
        /// Cycles in which the array streamed activations.
        MxStream = 3 "mx_stream",
        /// Operations of single lanes that the vector unit has executed.
        VectorOps = 4 "vector_ops",
        /// Cycles in which the vector unit worked.
        VxBusy = 5 "vx_busy",
        /// Accumulators that left their 32 bits.
        Overflows = 6 "overflows",
        /// Multiply-accumulates whose multiplier was gated because an operand was zero.
        GatedMacs = 7 "gated_macs",
        /// Multiply-accumulates that the array left out because an operand was known to be zero.
        SkippedMacs = 8 "skipped_macs",
    }
}
