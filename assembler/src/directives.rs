//! The table of directives: what each is called and how it is written.

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
    Input,
    Output,
    Equ,
    Symbol,
    Segment,
    Code,
    Data(DataKind),
}

/// How the arguments of a data directive become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataKind {
    /// Little-endian integers.
    Integers { n_bytes: u32, lo: i64, hi: i64 },
    /// Little-endian binary32 numbers.
    Floats,
    /// Hexadecimal digits in a text.
    Hex,
    /// A number of zero bytes.
    Zeros,
}

const fn row(name: &'static str, kind: DirectiveKind, form: &'static str, meaning: &'static str) -> DirectiveInfo {
    DirectiveInfo {
        name,
        form,
        meaning,
        kind,
    }
}

const fn integers(name: &'static str, n_bytes: u32, lo: i64, hi: i64, meaning: &'static str) -> DirectiveInfo {
    row(
        name,
        DirectiveKind::Data(DataKind::Integers { n_bytes, lo, hi }),
        "VALUE, ..",
        meaning,
    )
}

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
    integers(
        ".byte",
        1,
        i8::MIN as i64,
        u8::MAX as i64,
        "8-bit integers, signed or not.",
    ),
    integers(
        ".half",
        2,
        i16::MIN as i64,
        u16::MAX as i64,
        "16-bit integers, signed or not.",
    ),
    integers(
        ".word",
        4,
        i32::MIN as i64,
        u32::MAX as i64,
        "32-bit integers, signed or not.",
    ),
    integers(".i8", 1, i8::MIN as i64, i8::MAX as i64, "Signed 8-bit integers."),
    integers(".u8", 1, 0, u8::MAX as i64, "Unsigned 8-bit integers."),
    integers(".i16", 2, i16::MIN as i64, i16::MAX as i64, "Signed 16-bit integers."),
    integers(".u16", 2, 0, u16::MAX as i64, "Unsigned 16-bit integers."),
    integers(".i32", 4, i32::MIN as i64, i32::MAX as i64, "Signed 32-bit integers."),
    integers(".u32", 4, 0, u32::MAX as i64, "Unsigned 32-bit integers."),
    row(
        ".f32",
        DirectiveKind::Data(DataKind::Floats),
        "NUMBER, ..",
        "IEEE binary32 numbers.",
    ),
];

/// The row of this name.
pub(crate) fn directive(name: &str) -> Option<&'static DirectiveInfo> {
    DIRECTIVES.iter().find(|row| row.name == name)
}
