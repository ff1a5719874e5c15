//! The table of directives: what each is called and how it is written.

use systole_isa::ElementFormat;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct DirectiveInfo {
    /// Name with its point.
    pub name: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it does.
    pub meaning: &'static str,
    pub(crate) kind: DirectiveKind,
}

/// What is to be done for a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectiveKind {
    Program,
    Machine,
    Dram,
    Entry,
    Generated,
    Lines,
    Mark,
    Plan,
    Input,
    Output,
    Equ,
    Symbol,
    Segment,
    Code,
    Tensor,
    Mask,
    Align,
    Include,
    Scope,
    EndScope,
    Block(BlockKind),
    Data(DataKind),
}

/// Directives around lines that are not there as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Macro,
    EndMacro,
    Repeat,
    EndRepeat,
    If,
    Else,
    EndIf,
}

impl BlockKind {
    /// The name of the directive that ends the block, if this one begins one.
    pub(crate) fn end(self) -> Option<&'static str> {
        match self {
            Self::Macro => Some(".endm"),
            Self::Repeat => Some(".endr"),
            Self::If => Some(".endif"),
            Self::EndMacro | Self::EndRepeat | Self::Else | Self::EndIf => None,
        }
    }

    /// Whether it ends a block of this kind.
    pub(crate) fn ends(self, kind: BlockKind) -> bool {
        matches!(
            (kind, self),
            (Self::Macro, Self::EndMacro) | (Self::Repeat, Self::EndRepeat) | (Self::If, Self::EndIf)
        )
    }
}

/// How the arguments of a data directive become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataKind {
    /// Elements of a tensor, packed, lowest bits first.
    Elements(ElementFormat),
    /// Little-endian integers.
    Integers { n_bytes: u32, lo: i128, hi: i128 },
    /// Little-endian binary32 numbers.
    Floats,
    /// Hexadecimal digits in a text.
    Hex,
    /// A number of zero bytes.
    Zeros,
    /// The elements of a NumPy array.
    Array,
}

const fn row(name: &'static str, kind: DirectiveKind, form: &'static str, meaning: &'static str) -> DirectiveInfo {
    DirectiveInfo {
        name,
        form,
        meaning,
        kind,
    }
}

const fn integers(name: &'static str, n_bytes: u32, lo: i128, hi: i128, meaning: &'static str) -> DirectiveInfo {
    let kind = DirectiveKind::Data(DataKind::Integers { n_bytes, lo, hi });
    row(name, kind, VALUES_FORM, meaning)
}

const fn elements(name: &'static str, format: ElementFormat, meaning: &'static str) -> DirectiveInfo {
    row(
        name,
        DirectiveKind::Data(DataKind::Elements(format)),
        VALUES_FORM,
        meaning,
    )
}

const VALUES_FORM: &str = "VALUE, FIRST..LAST, [VALUE, ..]*COUNT, ..";
const IO_FORM: &str =
    "\"NAME\", shape=[N, ..], host=f32|integer, format=FORMAT, scale=S, zero=Z, address=A, strides=[N, ..]";

/// Every directive.
pub const DIRECTIVES: &[DirectiveInfo] = &[
    row(
        ".program",
        DirectiveKind::Program,
        "\"NAME\"",
        "Names the program; without it, the file's name does.",
    ),
    row(
        ".machine",
        DirectiveKind::Machine,
        "\"NAME\", 0xHASH",
        "Names the machine that the program needs. The hash of a shipped machine may be left out.",
    ),
    row(
        ".dram",
        DirectiveKind::Dram,
        "BYTES",
        "DRAM bytes that the program uses; without it, up to the last address that it names.",
    ),
    row(
        ".entry",
        DirectiveKind::Entry,
        "LABEL",
        "The first instruction to run; without it, the first of the program.",
    ),
    row(
        ".generated",
        DirectiveKind::Generated,
        "",
        "Says that this text is a disassembly, so that its line numbers mean nothing.",
    ),
    row(
        ".lines",
        DirectiveKind::Lines,
        "LINE, FIRST..LAST, ..",
        "The source line of each instruction, in order.",
    ),
    row(
        ".mark",
        DirectiveKind::Mark,
        "ID, \"NAME\", \"OP\"",
        "The next entry of the list of layers and tiles. The id may be left out.",
    ),
    row(
        ".plan",
        DirectiveKind::Plan,
        "CYCLES, BYTES, MACS, WEIGHT_BYTES",
        "Of the entry before: the cycles that a compiler expected, the DRAM bytes without which it cannot do, and the model's multiply-accumulates and bytes of weights.",
    ),
    row(
        ".input",
        DirectiveKind::Input,
        IO_FORM,
        "An input tensor. Scale and zero point may be left out together, strides for a dense tensor.",
    ),
    row(
        ".output",
        DirectiveKind::Output,
        IO_FORM,
        "An output tensor, as for an input.",
    ),
    row(".equ", DirectiveKind::Equ, "NAME, VALUE", "Defines a constant."),
    row(
        ".symbol",
        DirectiveKind::Symbol,
        "NAME, label|dram|spm|acc, VALUE, SIZE",
        "Names an address. The size in bytes may be left out.",
    ),
    row(
        ".segment",
        DirectiveKind::Segment,
        "\"NAME\", ADDRESS",
        "Begins bytes that stand in DRAM before the program starts; labels within it name DRAM addresses.",
    ),
    row(
        ".code",
        DirectiveKind::Code,
        "",
        "Goes back from a segment to instructions.",
    ),
    row(
        ".hex",
        DirectiveKind::Data(DataKind::Hex),
        "\"00 01 ..\"",
        "Bytes, two hexadecimal digits each.",
    ),
    row(".zero", DirectiveKind::Data(DataKind::Zeros), "BYTES", "Zero bytes."),
    elements(".b1", ElementFormat::B1, "Bipolar bits, -1 or 1."),
    elements(".i2", ElementFormat::I2, "Signed 2-bit integers."),
    elements(".u2", ElementFormat::U2, "Unsigned 2-bit integers."),
    elements(".i4", ElementFormat::I4, "Signed 4-bit integers."),
    elements(".u4", ElementFormat::U4, "Unsigned 4-bit integers."),
    elements(".i8", ElementFormat::I8, "Signed 8-bit integers."),
    elements(".u8", ElementFormat::U8, "Unsigned 8-bit integers."),
    elements(".i16", ElementFormat::I16, "Signed 16-bit integers."),
    elements(".u16", ElementFormat::U16, "Unsigned 16-bit integers."),
    elements(".i32", ElementFormat::I32, "Signed 32-bit integers."),
    integers(".u32", 4, 0, u32::MAX as i128, "Unsigned 32-bit integers."),
    integers(".i64", 8, i64::MIN as i128, i64::MAX as i128, "Signed 64-bit integers."),
    integers(".u64", 8, 0, u64::MAX as i128, "Unsigned 64-bit integers."),
    integers(
        ".byte",
        1,
        i8::MIN as i128,
        u8::MAX as i128,
        "8-bit integers, signed or not.",
    ),
    integers(
        ".half",
        2,
        i16::MIN as i128,
        u16::MAX as i128,
        "16-bit integers, signed or not.",
    ),
    integers(
        ".word",
        4,
        i32::MIN as i128,
        u32::MAX as i128,
        "32-bit integers, signed or not.",
    ),
    row(
        ".f32",
        DirectiveKind::Data(DataKind::Floats),
        VALUES_FORM,
        "IEEE binary32 numbers.",
    ),
    row(
        ".npy",
        DirectiveKind::Data(DataKind::Array),
        "\"FILE\", FORMAT",
        "The elements of a NumPy array. Without a format, that of the tensor that they fill or of the array.",
    ),
    row(
        ".align",
        DirectiveKind::Align,
        "BYTES",
        "Zero bytes up to the next address that this number divides.",
    ),
    row(
        ".tensor",
        DirectiveKind::Tensor,
        "NAME, FORMAT, [N, ..], dram|spm|acc, ADDRESS",
        "Names a tensor. In a segment it begins here and the data behind it fill it; elsewhere it has a place, by itself \
         behind the tensor before it in the same memory.",
    ),
    row(
        ".mask",
        DirectiveKind::Mask,
        "NAME, DATA, BLOCK, first=ROW, rows=N, columns=N, zero=Z",
        "Defines a constant with one bit for each block of 2^BLOCK rows: 1 if an element differs from zero. The named \
         arguments may be left out.",
    ),
    row(
        ".scope",
        DirectiveKind::Scope,
        "",
        "Begins lines whose local names are their own.",
    ),
    row(".endscope", DirectiveKind::EndScope, "", "Ends them."),
    row(
        ".include",
        DirectiveKind::Include,
        "\"FILE\"",
        "The lines of another file, which is looked for next to this one.",
    ),
    row(
        ".macro",
        DirectiveKind::Block(BlockKind::Macro),
        "NAME PARAMETER, PARAMETER=DEFAULT, ..",
        "Begins a macro: lines in which `\\PARAMETER` stands for an argument and `\\@` for the number of the use.",
    ),
    row(".endm", DirectiveKind::Block(BlockKind::EndMacro), "", "Ends it."),
    row(
        ".rept",
        DirectiveKind::Block(BlockKind::Repeat),
        "COUNT, COUNTER",
        "Begins lines that are repeated; `\\COUNTER` in them counts from 0. The counter may be left out.",
    ),
    row(".endr", DirectiveKind::Block(BlockKind::EndRepeat), "", "Ends them."),
    row(
        ".if",
        DirectiveKind::Block(BlockKind::If),
        "VALUE",
        "Begins lines that are there if the value is not 0.",
    ),
    row(
        ".else",
        DirectiveKind::Block(BlockKind::Else),
        "",
        "Begins lines that are there otherwise.",
    ),
    row(".endif", DirectiveKind::Block(BlockKind::EndIf), "", "Ends them."),
];

/// The row of this name.
pub(crate) fn directive(name: &str) -> Option<&'static DirectiveInfo> {
    if !name.starts_with('.') {
        return None;
    }
    DIRECTIVES.iter().find(|row| row.name == name)
}
