//! The instruction table: the only place that knows an opcode, a mnemonic, an operand list or a field's position.
//!
//! One row per instruction gives its opcode, mnemonic, unit, operands and meaning. From the rows this module derives the typed
//! [`Op`], the encoder, the decoder and [`OPCODES`], which assembler, disassembler, manual and tooltips read.
//!
//! ```text
//!  127                         28 27   23 22   18 17   13 12    8 7      0
//! | operands, first lowest, rest 0 | post1 | post0 | wait1 | wait0 | opcode |
//! ```
//!
//! A token field holds 0 for none, else one more than the token's index.

pub use crate::tokens::Tokens;
pub use crate::unit::Unit;

use crate::bits::{BitReader, BitWriter};
use crate::format::ElementFormat;
use crate::operand::{
    Accumulate, Axis, Coord, Count, Desc, DescRef, Divide, Length, MarkKind, Operand, OperandKind, OperandValue,
    Pattern, PerfCounter, RangeError, Reg, Rounding, RowCount, SImm, Scalar, Side, Space, Target, Token, UImm, Weights,
};

/// Bytes of one instruction word.
pub const WORD_BYTES: usize = 16;
const OPCODE_BITS: u32 = 8;
const TOKEN_FIELD_BITS: u32 = 5;
const HEADER_BITS: u32 = OPCODE_BITS + 4 * TOKEN_FIELD_BITS;

/// One operand of a row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OperandInfo {
    /// Name, usable as `name=value` in assembly.
    pub name: &'static str,
    /// What may be written.
    pub kind: OperandKind,
    /// Lowest bit in the instruction word.
    pub low_bit: u32,
    /// Width in bits.
    pub bits: u32,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OpcodeInfo {
    /// Value of the opcode field.
    pub opcode: u8,
    /// Name in assembly.
    pub mnemonic: &'static str,
    /// The unit that executes it.
    pub unit: Unit,
    /// Operands in the order of the assembly syntax, which is also the order of the fields.
    pub operands: &'static [OperandInfo],
    /// What it does.
    pub meaning: &'static str,
    /// Cycles from its start to its completion: an expression over its operands and `R`, `C` (rows and columns of the array),
    /// `lanes` (of the vector unit), `taps` (elements of the window), `entries` (of the lookup table), `dram` (cycles that the DRAM needs), with `ceil(a / b)`,
    /// `max(a, b)` and `min(a, b)`. Of the array: `p` (multiply-accumulates of a PE per cycle for the pair of formats, at least 1),
    /// `passes` (cycles per multiply-accumulate, at least 1), `live` (rows that take part, or that a compressed tile has).
    /// With overlap as in a machine that has it.
    pub takes: &'static str,
}

/// An instruction: what to do, and how it is ordered against other units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation and operands.
    pub op: Op,
    /// Order.
    pub tokens: Tokens,
}

impl From<Op> for Instruction {
    fn from(op: Op) -> Self {
        Self {
            op,
            tokens: Tokens::NONE,
        }
    }
}

/// Why an instruction has no word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// An operand's value does not fit.
    #[error("operand `{operand}` of `{mnemonic}`: {source}")]
    Operand {
        /// The instruction's name.
        mnemonic: &'static str,
        /// The operand's name.
        operand: &'static str,
        /// Value and range.
        source: RangeError,
    },
    /// The first token place is empty, the second is not.
    #[error("the first token place is empty but the second is not; fill the first one first")]
    TokenOrder,
}

/// Why a word is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No row of the table has this opcode.
    #[error("no instruction has opcode {opcode:#04x}")]
    Opcode {
        /// The opcode field.
        opcode: u8,
    },
    /// A field holds a pattern without a meaning.
    #[error("operand `{operand}` of `{mnemonic}` holds {bits:#x}, which means nothing")]
    Operand {
        /// The instruction's name.
        mnemonic: &'static str,
        /// The operand's name.
        operand: &'static str,
        /// The field.
        bits: u64,
    },
    /// A token field names no token, or the second is used without the first.
    #[error("a token field of `{mnemonic}` names no token, or its second place is used without the first")]
    Token {
        /// The instruction's name.
        mnemonic: &'static str,
    },
    /// Bits that no field owns are set.
    #[error("bits above the operands of `{mnemonic}` are set; they are reserved and must be zero")]
    Reserved {
        /// The instruction's name.
        mnemonic: &'static str,
    },
}

macro_rules! instruction_table {
    ($($(#[doc = $doc:literal])+ $code:literal $variant:ident $mnemonic:literal $unit:ident takes $takes:literal { $($operand:ident: $type:ty),* $(,)? })+) => {
        /// Every operation with its operands, by type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            $(
                $(#[doc = $doc])+
                $variant {
                    $(#[doc = concat!("Operand `", stringify!($operand), "`.")] $operand: $type),*
                },
            )+
        }

        /// The rows of the instruction table, in the order of declaration.
        pub const OPCODES: &[OpcodeInfo] = &[$(
            OpcodeInfo {
                opcode: $code,
                mnemonic: $mnemonic,
                unit: Unit::$unit,
                operands: {
                    const INFO: &[OperandInfo] = &lay_out([$((stringify!($operand), <$type as Operand>::KIND, <$type as Operand>::BITS)),*]);
                    INFO
                },
                meaning: concat!($($doc, "\n"),+),
                takes: $takes,
            },
        )+];

        impl Op {
            /// The operation's row in the table.
            #[inline]
            pub fn info(&self) -> &'static OpcodeInfo {
                #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
                enum Row { $($variant),+ }
                match self { $(Op::$variant { .. } => &OPCODES[Row::$variant as usize]),+ }
            }

            /// The operands in the order of the table.
            pub fn operands(&self) -> Vec<OperandValue> {
                match *self { $(Op::$variant { $($operand),* } => vec![$($operand.to_value()),*]),+ }
            }

            /// The operation of a table row with these operands; `None` if their number, kinds or ranges do not fit.
            pub fn from_operands(opcode: u8, operands: &[OperandValue]) -> Option<Op> {
                match opcode {
                    $($code => {
                        let [$($operand),*] = *operands else { return None };
                        Some(Op::$variant { $($operand: <$type>::from_value($operand)?),* })
                    })+
                    _ => None,
                }
            }

            fn write(&self, writer: &mut BitWriter) -> Result<(), EncodeError> {
                match *self {
                    $(Op::$variant { $($operand),* } => {
                        $(
                            let bits = $operand.to_bits().map_err(|source| EncodeError::Operand {
                                mnemonic: $mnemonic,
                                operand: stringify!($operand),
                                source,
                            })?;
                            writer.put(bits, <$type as Operand>::BITS);
                        )*
                        let _ = writer;
                    })+
                }
                Ok(())
            }

            fn read(opcode: u8, reader: &mut BitReader) -> Result<Op, DecodeError> {
                match opcode {
                    $($code => Ok(Op::$variant {
                        $($operand: {
                            let bits = reader.take(<$type as Operand>::BITS);
                            <$type>::from_bits(bits).ok_or(DecodeError::Operand {
                                mnemonic: $mnemonic,
                                operand: stringify!($operand),
                                bits: bits as u64,
                            })?
                        }),*
                    }),)+
                    _ => Err(DecodeError::Opcode { opcode }),
                }
            }
        }
    };
}

/// Lays operands side by side from the end of the header on, so that no two can overlap.
const fn lay_out<const N: usize>(operands: [(&'static str, OperandKind, u32); N]) -> [OperandInfo; N] {
    let mut laid_out = [OperandInfo {
        name: "",
        kind: OperandKind::Reg,
        low_bit: 0,
        bits: 0,
    }; N];
    let mut low_bit = HEADER_BITS;
    let mut i = 0;
    while i < N {
        let (name, kind, bits) = operands[i];
        laid_out[i] = OperandInfo {
            name,
            kind,
            low_bit,
            bits,
        };
        low_bit += bits;
        i += 1;
    }
    laid_out
}

// No operand reaches beyond the word, and no two rows share an opcode or a mnemonic.
const _: () = {
    let mut i = 0;
    while i < OPCODES.len() {
        let row = &OPCODES[i];
        if let [.., last] = row.operands {
            assert!(last.low_bit + last.bits <= 128, "operands exceed the instruction word");
        }
        let mut j = 0;
        while j < i {
            assert!(OPCODES[j].opcode != row.opcode, "two rows share an opcode");
            assert!(!same(OPCODES[j].mnemonic, row.mnemonic), "two rows share a mnemonic");
            j += 1;
        }
        i += 1;
    }
};

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

instruction_table! {
    /// Ends the program once every unit is idle.
    0x00 Halt "halt" Seq takes "1" {}
    /// Ends the program with a fault that carries a number.
    0x01 Trap "trap" Seq takes "1" { code: UImm<16> }
    /// Does nothing for one cycle; carries waits and posts.
    0x02 Nop "nop" Seq takes "1" {}
    /// Waits until every queue is empty and every unit is idle.
    0x03 Fence "fence" Seq takes "1" {}
    /// Names the layer or tile that the following instructions belong to. Takes no time.
    0x04 Mark "mark" Seq takes "0" { kind: MarkKind, id: UImm<24> }
    /// Adds a number to a token counter.
    0x05 Credit "credit" Seq takes "1" { token: Token, n: UImm<16> }

    /// Loads a 64-bit constant.
    0x08 Li "li" Seq takes "1" { rd: Reg, value: SImm<64> }
    /// `rd = ra + b`, wrapping.
    0x09 Add "add" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra - b`, wrapping.
    0x0a Sub "sub" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra * b`, wrapping.
    0x0b Mul "mul" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra & b`.
    0x0c And "and" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra | b`.
    0x0d Or "or" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra ^ b`.
    0x0e Xor "xor" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra << (b mod 64)`.
    0x0f Shl "shl" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd = ra >> (b mod 64)`, keeping the sign.
    0x10 Shr "shr" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd` = the smaller of `ra` and `b`, signed.
    0x11 Min "min" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }
    /// `rd` = the larger of `ra` and `b`, signed.
    0x12 Max "max" Seq takes "1" { rd: Reg, ra: Reg, b: Scalar }

    /// Continues at `target`.
    0x18 Jmp "jmp" Seq takes "1" { target: Target }
    /// Continues at `target` if `ra == b`.
    0x19 Beq "beq" Seq takes "1" { ra: Reg, b: Scalar, target: Target }
    /// Continues at `target` if `ra != b`.
    0x1a Bne "bne" Seq takes "1" { ra: Reg, b: Scalar, target: Target }
    /// Continues at `target` if `ra < b`, signed.
    0x1b Blt "blt" Seq takes "1" { ra: Reg, b: Scalar, target: Target }
    /// Continues at `target` if `ra >= b`, signed.
    0x1c Bge "bge" Seq takes "1" { ra: Reg, b: Scalar, target: Target }
    /// Runs the instructions up to, not including, `end` `count` times; the jump back takes no time. Loops nest eight deep.
    0x1d Loop "loop" Seq takes "1" { count: Scalar, end: Target }
    /// `rd` = the current cycle.
    0x1e RdCycle "rdcycle" Seq takes "1" { rd: Reg }
    /// `rd` = a performance counter.
    0x1f RdPerf "rdperf" Seq takes "1" { rd: Reg, counter: PerfCounter }

    /// Resets a descriptor: memory, format, base byte address, zero point (also the value of elements outside a window) and the
    /// number of levels that form the row index; every level counts once, no window, values clip to the format's range.
    0x20 Desc "desc" Seq takes "1" { d: Desc, space: Space, format: ElementFormat, base: Scalar, zero_point: SImm<17>, split: UImm<3> }
    /// Sets one of the five nested levels of a descriptor, outermost 0: how often it counts and how many elements one step is.
    0x21 Level "level" Seq takes "1" { d: Desc, index: UImm<3>, count: Count, stride: Scalar }
    /// Bounds a coordinate of a descriptor: `origin + outer_step * i[outer] + inner_step * i[inner]` must lie in `0..extent`, else
    /// the element is outside and is not fetched.
    0x22 Window "window" Seq takes "1" {
        d: Desc, axis: Axis, outer: UImm<3>, outer_step: SImm<16>, inner: UImm<3>, inner_step: SImm<16>, origin: Coord, extent: Count,
    }
    /// Sets the limits to which values written through a descriptor are clipped.
    0x23 Clip "clip" Seq takes "1" { d: Desc, lo: SImm<33>, hi: SImm<33> }
    /// Moves the base of a descriptor by a number of bytes.
    0x24 Move "move" Seq takes "1" { d: Desc, bytes: Scalar }

    /// Loads the `k` x `n` weight tile `w`, less its zero point, into the shadow registers. Up to `R * p` rows fit, where `p` is the number
    /// of multiply-accumulates that a PE performs per cycle with these weights; `ceil(k / R)` neighbours along K share a PE.
    0x40 MxWload "mx.wload" Mx takes "ceil(k / ceil(k / R))" { w: DescRef, k: Count, n: Count }
    /// Streams rows `m0..m0+m` of `a`, columns `k0..` as many as the active tile has rows, less the zero point, through the active
    /// tile; row `i` of the product goes to row `i - m0` of the accumulator view `c`. With an activation tile in the array, `a` holds
    /// weights, one output column per row, and the product is the transpose. Rows enter `passes` times where operands are wider than
    /// the PE's multiplier. A sum that leaves 32 bits wraps and is counted.
    0x41 MxMm "mx.mm" Mx takes "max(m * passes, 1) + R + C - 2" { c: DescRef, a: DescRef, m0: Count, m: Count, k0: Count, mode: Accumulate, weights: Weights }
    /// Loads the `k` x `m` activation tile `a` (rows run along K, columns are output rows), less its zero point, into the shadow registers;
    /// a following `mx.mm` streams weights through it.
    0x42 MxAload "mx.aload" Mx takes "ceil(k / ceil(k / R))" { a: DescRef, k: Count, m: Count }
    /// Output-stationary product: rows `m0..m0+m` of `a` times the `k` x `n` view `w` into `c`; the sums stay in the PEs while both operands
    /// stream, then shift down and out. `m` is at most `R`, `n` at most `C`. Bit `b` of `mask` tells whether rows `b * 2^block` to
    /// `(b + 1) * 2^block` of K take part (`live` of them do); `r0` stands for all. The active tile is lost.
    0x43 MxOs "mx.os" Mx takes "max(ceil(live / p) * passes, 1) + 2 * R + C - 2" {
        c: DescRef, a: DescRef, w: DescRef, m0: RowCount, m: Side, n: Side, k: Length, mode: Accumulate, mask: Reg, block: UImm<3>,
    }
    /// Like `mx.wload`, but only of the blocks of `2^block` rows of K whose bit in `mask` is set, `live` rows in all; `r0` stands for all.
    /// The others are neither fetched nor held, and `mx.mm` leaves out the columns of `a` that would meet them.
    0x44 MxWskip "mx.wskip" Mx takes "max(ceil(live / max(ceil(live / R), 1)), 1)" { w: DescRef, k: Count, n: Count, mask: Reg, block: UImm<3> }
    /// Like `mx.mm`, but only of the rows whose bit in column 0 of the b1 view `rows` is set, `live` in all. The results of the others are
    /// zero: mode `over` writes zeros, mode `add` leaves the accumulators alone.
    0x45 MxRows "mx.rows" Mx takes "max(live * passes, 1) + R + C - 2" {
        c: DescRef, a: DescRef, m0: RowCount, m: RowCount, k0: RowCount, mode: Accumulate, weights: Weights, rows: DescRef,
    }
    /// Loads a weight tile of `k` x `n` that keeps N of M neighbours along K: `w` is the compressed view of `k * N / M` rows (`live` in
    /// all), `index` holds the position of each weight within its group (u2 for groups of four, u4 for groups of eight).
    /// `mx.mm` streams all `k` columns of `a`; each PE selects what its weights need.
    0x46 MxWsparse "mx.wsparse" Mx takes "ceil(live / ceil(live / R))" { w: DescRef, index: DescRef, k: Count, n: Count, pattern: Pattern }
    /// Holds the instructions behind it until its tokens are there; posts when everything before it is done. Carries waits and posts.
    0x4f MxNop "mx.nop" Mx takes "1" {}

    /// Requantizes the `m` x `n` view `src`: subtracts its zero point, adds the column's bias, scales, rounds, adds the zero point
    /// of `dst` and clips. Row `j` of `par` holds bias, multiplier (or binary32 scale) and right shift of column `j` as i32.
    0x60 VxRequant "vx.requant" Vx takes "ceil(m * n / lanes) + 4" { dst: DescRef, src: DescRef, par: DescRef, m: Count, n: Count, rounding: Rounding }
    /// For each of `m` rows and `n` channels the maximum of `src` over its window: the columns of `src` are the window levels with
    /// the channel as innermost level. Elements outside a window do not take part.
    0x61 VxMaxPool "vx.maxpool" Vx takes "ceil(m * taps * n / lanes) + 4" { dst: DescRef, src: DescRef, m: Count, n: Count }
    /// Adds two `m` x `n` views, each less its zero point, with rescaling; adds the zero point of `dst` and clips. Row 0 of `par` holds i32
    /// words. `float`: the bits of three binary32 scales, of `a`, of `b`, of `dst`; rounds `(a * scale_a + b * scale_b) / scale_dst` half to even.
    /// `fixed`: left_shift, then multiplier and right shift of `a`, of `b` and of the sum, as TensorFlow Lite's integer addition.
    0x62 VxAdd "vx.add" Vx takes "ceil(m * n / lanes) + 4" { dst: DescRef, a: DescRef, b: DescRef, par: DescRef, m: Count, n: Count, rounding: Rounding }
    /// Multiplies two `m` x `n` views, each less its zero point, element by element, with rescaling; adds the zero point of `dst` and clips.
    /// Row 0 of `par` holds i32 words. `float`: the bits of three binary32 scales as in `vx.add`; rounds `(a * scale_a) * (b * scale_b) / scale_dst`
    /// half to even. `fixed`: multiplier and right shift of the product.
    0x63 VxMul "vx.mul" Vx takes "ceil(m * n / lanes) + 4" { dst: DescRef, a: DescRef, b: DescRef, par: DescRef, m: Count, n: Count, rounding: Rounding }
    /// Requantizes the `m` x `n` view `src` with a slope for negative values. Row `j` of `par` holds six i32 words of column `j`: bias, multiplier and
    /// right shift of values that are not negative, alpha, multiplier and right shift of negative ones. With `v = src - zero point + bias` the result is `v`
    /// scaled by the first pair, or `v * alpha` scaled by the second, plus the zero point of `dst`, clipped; multipliers and rounding are those of `vx.requant`.
    0x64 VxPrelu "vx.prelu" Vx takes "ceil(m * n / lanes) + 4" { dst: DescRef, src: DescRef, par: DescRef, m: Count, n: Count, rounding: Rounding }
    /// Looks every element of the `m` x `n` view `src`, of at most 8 bits, up in a table: `dst = table[src - lowest value of the format of src]`, clipped. The
    /// view `table` is read row after row and holds one element per value of that format: `entries` = 2^bits. Zero points play no part.
    0x65 VxLut "vx.lut" Vx takes "ceil(entries / lanes) + ceil(m * n / lanes) + 4" { dst: DescRef, src: DescRef, table: DescRef, m: Count, n: Count }
    /// For each of `m` rows and `n` channels the average of `src`, less its zero point, over its window, as `vx.maxpool` sees it; elements outside a
    /// window count as zero. The 32-bit sum is divided by the number of elements inside (`valid`), of all (`all`), or not at all (`none`). Row 0 of `par`
    /// holds multiplier (or binary32 scale) and right shift as i32. `fixed`: the quotient, rounded half away from zero, is scaled as in `vx.requant`.
    /// `float`: rounds `(sum * scale) / count` half to even. The zero point of `dst` is added and the result is clipped.
    0x66 VxAvgPool "vx.avgpool" Vx takes "ceil(m * (taps + 1) * n / lanes) + 4" {
        dst: DescRef, src: DescRef, par: DescRef, m: Count, n: Count, divide: Divide, rounding: Rounding,
    }
    /// Depthwise convolution: for each of `m` rows and `n` channels the sum over the taps of the window, as `vx.maxpool` sees it, of `src[tap]` times
    /// `w[tap, channel]`, each less its zero point. Row `t` of `w` holds the `n` weights of tap `t`; elements outside a window contribute nothing. Sums are i32,
    /// wrap, and overwrite `dst` or are added to it.
    0x67 VxDwConv "vx.dwconv" Vx takes "ceil(m * taps * n / lanes) + 4" { dst: DescRef, src: DescRef, w: DescRef, m: Count, n: Count, mode: Accumulate }
    /// Softmax of each of `m` rows of `n` elements of at most 8 bits. The view `table`, read row after row, holds 257 i32 words: for the distances d = 0
    /// to 255 below the row's maximum round(exp(-d * scale of src) * 2^23), then round(1 / scale of dst). With `e = table[maximum - src]` the result is the
    /// zero point of `dst` plus `e * table[256] / (sum of e over the row)`, rounded half away from zero, clipped; zero where that sum is zero.
    0x68 VxSoftmax "vx.softmax" Vx takes "ceil(257 / lanes) + m * (3 * ceil(n / lanes) + 8) + 4" { dst: DescRef, src: DescRef, table: DescRef, m: Count, n: Count }
    /// Layer normalization of each of `m` rows of `n` elements of at most 16 bits. Row `j` of `par` holds gamma and beta of column `j`, both over the scale of
    /// `dst` and times 2^16, as i32; row `n` holds epsilon, over the square of the scale of `src` and times 2^16, and a word that is not used. With the sums s of a
    /// row and q of its squares, `r = floor(sqrt((n * q - s^2) * 2^32 + n^2 * epsilon * 2^16))` is 2^16 n times the standard deviation. The result is
    /// `((n * x - s) * 2^16 * gamma + r * beta) / (2^16 * r)`, computed exactly and rounded half away from zero once, plus the zero point of `dst`, clipped.
    /// Where r is zero, or epsilon below zero would make it imaginary, x does not matter: the result is beta / 2^16.
    0x69 VxLayerNorm "vx.layernorm" Vx takes "m * (4 * ceil(n / lanes) + 20) + 4" { dst: DescRef, src: DescRef, par: DescRef, m: Count, n: Count }
    /// Writes to column 0 of row `i` of `dst` the index of the first largest of the `n` elements of row `i` of `src`, clipped. Zero points play no part.
    0x6a VxArgMax "vx.argmax" Vx takes "m * ceil(n / lanes) + 8" { dst: DescRef, src: DescRef, m: Count, n: Count }
    /// Copies an `m` x `n` view between on-chip memories, row after row, converting the format, clipping, and filling elements outside a window of `src`
    /// with its zero point. By its descriptors it concatenates, transposes, pads and repeats; values are not rescaled.
    0x6b VxMove "vx.move" Vx takes "ceil(m * n / lanes) + 4" { dst: DescRef, src: DescRef, m: Count, n: Count }
    /// Writes to column 0 of row `i` of `dst`, of format b1, whether row `i` of `src` is worth processing: +1 if any of its `n` elements differs from the zero
    /// point of `src`, else -1.
    0x6c VxMask "vx.mask" Vx takes "m * ceil(n / lanes) + 8" { dst: DescRef, src: DescRef, m: Count, n: Count }
    /// Occupies the vector unit for one cycle; carries waits and posts.
    0x6f VxNop "vx.nop" Vx takes "1" {}

    /// Copies an `m` x `n` view from DRAM to an on-chip memory, converting the format and filling elements outside a window.
    0x80 Ld "ld" Ld takes "4 + dram" { dst: DescRef, src: DescRef, m: Count, n: Count }
    /// Occupies the load DMA for one cycle; carries waits and posts.
    0x8f LdNop "ld.nop" Ld takes "1" {}
    /// Copies an `m` x `n` view from an on-chip memory to DRAM, converting the format.
    0x90 St "st" St takes "4 + dram" { dst: DescRef, src: DescRef, m: Count, n: Count }
    /// Occupies the store DMA for one cycle; carries waits and posts.
    0x9f StNop "st.nop" St takes "1" {}
}

impl Op {
    /// The unit that executes it.
    #[inline]
    pub fn unit(&self) -> Unit {
        self.info().unit
    }

    /// Its name in assembly.
    pub fn mnemonic(&self) -> &'static str {
        self.info().mnemonic
    }
}

/// The row with this mnemonic.
pub fn opcode_by_mnemonic(mnemonic: &str) -> Option<&'static OpcodeInfo> {
    OPCODES.iter().find(|row| row.mnemonic == mnemonic)
}

/// The row with this opcode.
pub fn opcode_info(opcode: u8) -> Option<&'static OpcodeInfo> {
    static ROWS: [Option<&OpcodeInfo>; 256] = {
        let mut rows = [None; 256];
        let mut i = 0;
        while i < OPCODES.len() {
            rows[OPCODES[i].opcode as usize] = Some(&OPCODES[i]);
            i += 1;
        }
        rows
    };
    ROWS[usize::from(opcode)]
}

impl Instruction {
    /// The instruction with these tokens.
    pub fn with(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// The instruction's word.
    ///
    /// # Errors
    /// If an operand does not fit its field or the tokens are not canonical.
    pub fn encode(&self) -> Result<u128, EncodeError> {
        if !self.tokens.is_canonical() {
            return Err(EncodeError::TokenOrder);
        }
        let mut writer = BitWriter::default();
        writer.put(u128::from(self.op.info().opcode), OPCODE_BITS);
        for token in self.tokens.waits.iter().chain(&self.tokens.posts) {
            writer.put(token.map_or(0, |t| t.index() as u128 + 1), TOKEN_FIELD_BITS);
        }
        self.op.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// The instruction of a word. Every word that decodes encodes back to itself.
    ///
    /// # Errors
    /// If the opcode, a field or a token has no meaning, or a reserved bit is set.
    pub fn decode(word: u128) -> Result<Self, DecodeError> {
        let mut reader = BitReader::new(word);
        let opcode = reader.take(OPCODE_BITS) as u8;
        let row = opcode_info(opcode).ok_or(DecodeError::Opcode { opcode })?;
        let bad_token = DecodeError::Token { mnemonic: row.mnemonic };
        let mut token = || match reader.take(TOKEN_FIELD_BITS) {
            0 => Ok(None),
            field => Token::new(field as u8 - 1).map(Some).ok_or(bad_token),
        };
        let tokens = Tokens {
            waits: [token()?, token()?],
            posts: [token()?, token()?],
        };
        if !tokens.is_canonical() {
            return Err(bad_token);
        }
        let op = Op::read(opcode, &mut reader)?;
        if reader.rest() != 0 {
            return Err(DecodeError::Reserved { mnemonic: row.mnemonic });
        }
        Ok(Self { op, tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_table_says() {
        let instruction = Instruction::from(Op::MxWload {
            w: Desc::at(3).into(),
            k: 16.into(),
            n: Reg::at(5).into(),
        });
        let word = instruction.encode().unwrap();
        let k = &instruction.op.info().operands[1];
        assert_eq!((k.name, k.low_bit, k.bits), ("k", 38, 25));
        assert_eq!(word >> k.low_bit & ((1 << k.bits) - 1), 16 << 1);
        assert_eq!(Instruction::decode(word), Ok(instruction));
    }

    #[test]
    fn reserved_bits_and_unknown_opcodes_are_refused() {
        let word = Instruction::from(Op::Halt {}).encode().unwrap();
        assert!(matches!(
            Instruction::decode(word | 1 << 127),
            Err(DecodeError::Reserved { .. })
        ));
        assert!(matches!(
            Instruction::decode(0xff),
            Err(DecodeError::Opcode { opcode: 0xff })
        ));
        assert!(matches!(
            Instruction::decode(word | 31 << 8),
            Err(DecodeError::Token { .. })
        ));
    }

    #[test]
    fn an_operand_out_of_range_is_named() {
        let too_wide = Instruction::from(Op::MxWload {
            w: Desc::at(3).into(),
            k: (1 << 24).into(),
            n: 1.into(),
        });
        let message = too_wide.encode().unwrap_err().to_string();
        assert!(
            message.contains("`k` of `mx.wload`") && message.contains("16777215"),
            "{message}"
        );
    }
}
