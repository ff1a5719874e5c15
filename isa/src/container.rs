//! The program container: one ELF64 little-endian file per [`Program`], which `readelf` and `objdump` can show.
//!
//! | part | holds |
//! |---|---|
//! | ELF header | `ET_EXEC`, [`E_MACHINE`], the entry as [`CODE_BASE`] `+ 16 * index` |
//! | program headers | one `PT_LOAD` per non-empty segment by ascending address, then one for the code |
//! | `.text` | the instructions, 16 bytes each, little-endian |
//! | `.data.NAME` | one per [`Segment`], at its DRAM address |
//! | `.systole.meta` | RON: name, machine, DRAM bytes, names of segments, symbols, marks, inputs and outputs |
//! | `.systole.lines` | the source line of each instruction, `u32` each; empty if there is no source text |
//! | `.systole.check` | text: the container's version and the checksum of everything above but the headers |
//! | `.note.systole` | owner `Systole`, type 0x100: hash and name of the machine again, for `readelf -n`; never read back; absent if any machine will do |
//! | `.symtab`, `.strtab` | the symbols again, for tools that know ELF and not Systole; never read back |
//!
//! Code has a memory of its own. In the file it stands at [`CODE_BASE`], above every DRAM address, so that the addresses of code
//! and data do not collide. Equal programs give equal bytes. Reading believes nothing that it has not checked: a damaged
//! or foreign file gets the reason why it is refused. Only what a program is not read from (the parts that are never read back, program headers,
//! alignments and the like) can be damaged unnoticed; a test lists those parts. Whether a program makes sense on a machine is not known here.

mod layout;

use crate::diagnostic::{CodeInfo, Diagnostic, code_list};
use crate::hash::StableHasher;
use crate::instruction::{DecodeError, EncodeError, Instruction, WORD_BYTES};
use crate::program::{IoTensor, MachineReference, Mark, Program, Segment, Symbol};
use layout::{Section, layout};
use object::elf;
use object::endian::LittleEndian;
use object::read::elf::{FileHeader, SectionHeader, SectionTable};
use serde::{Deserialize, Serialize};

/// `e_machine` of a Systole program: a private value, outside the registered range. Its bytes in the file read `SY`.
pub const E_MACHINE: u16 = 0x5953;
/// Virtual address of the first instruction; DRAM addresses are below it.
pub const CODE_BASE: u64 = 1 << 48;
/// Version of the container; a file of another version is refused.
pub const VERSION: u32 = 1;

const TEXT: &str = ".text";
const DATA_PREFIX: &str = ".data.";
const META: &str = ".systole.meta";
const LINES: &str = ".systole.lines";
const CHECK: &str = ".systole.check";
const NOTE: &str = ".note.systole";
const NOTE_OWNER: &str = "Systole";
/// Type of the note that holds the machine's hash (`u64`) and name; lower types have a meaning to `readelf` whoever owns them.
const NOTE_MACHINE: u32 = 0x100;
const CHECK_WORD: &str = "systole-program";

/// Why bytes are no program, or a program has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// The file does not start as an ELF file.
    #[error("this is no ELF file: it does not start with 7f 45 4c 46")]
    NotElf,
    /// A 32-bit ELF file.
    #[error("this is an ELF file of class {0}; a Systole program is 64-bit, class 2")]
    Class(u8),
    /// A big-endian ELF file.
    #[error("this is an ELF file with data encoding {0}; a Systole program is little-endian, encoding 1")]
    Encoding(u8),
    /// An object file, library or core dump.
    #[error("this is an ELF file of type {0}; a Systole program is an executable, type 2")]
    FileType(u16),
    /// A program for another machine.
    #[error("this ELF file is for machine {0:#06x}; a Systole program has {E_MACHINE:#06x}")]
    Machine(u16),
    /// The ELF structure does not hold together; the file is cut short or damaged.
    #[error("the ELF structure is damaged: {0}")]
    Malformed(String),
    /// A section that every program has is absent.
    #[error("section `{0}` is missing")]
    MissingSection(&'static str),
    /// Written by another version of the toolchain.
    #[error("the program has container version {0}; this toolchain reads version {VERSION}")]
    Version(u32),
    /// The content is not what was written.
    #[error("the content does not match its checksum: {stored:016x} is stored, {computed:016x} was found")]
    Checksum {
        /// What the file says.
        stored: u64,
        /// What its content gives.
        computed: u64,
    },
    /// A word of code is no instruction.
    #[error("instruction {pc}: {source}")]
    Code {
        /// Index of the instruction.
        pc: usize,
        /// Why.
        source: DecodeError,
    },
    /// The description of the program cannot be read.
    #[error("the description in `.systole.meta` cannot be read: {0}")]
    Meta(String),
    /// Two parts of the program contradict each other.
    #[error("{0}")]
    Inconsistent(String),
    /// An instruction has no word.
    #[error("instruction {pc}: {source}")]
    Encode {
        /// Index of the instruction.
        pc: usize,
        /// Why.
        source: EncodeError,
    },
}

/// Codes of program files that cannot be read or written.
pub const CODES: &[CodeInfo] = &code_list([
    (
        "P0001",
        "not a Systole program",
        "The file is no ELF file of the kind that holds a program: another format, another machine, 32 bits, big-endian, or not executable.",
    ),
    (
        "P0002",
        "damaged program",
        "The file was cut short or changed after it was written: a checksum covers code, constants and description.",
    ),
    (
        "P0003",
        "program of another version",
        "The file was written by a toolchain whose format this one does not read.",
    ),
    (
        "P0004",
        "program that cannot be stored",
        "An instruction has no encoding, or parts of the program contradict each other.",
    ),
]);

impl ContainerError {
    /// The error for the user, with what to do about it.
    pub fn diagnostic(&self) -> Diagnostic {
        let (code, help) = match self {
            Self::NotElf
            | Self::Class(_)
            | Self::Encoding(_)
            | Self::FileType(_)
            | Self::Machine(_)
            | Self::MissingSection(_) => (
                "P0001",
                "give a file that `systole asm` or `systole compile` has written",
            ),
            Self::Malformed(_) | Self::Checksum { .. } | Self::Meta(_) | Self::Code { .. } => (
                "P0002",
                "the file was cut short or changed after it was written; make or copy it again",
            ),
            Self::Version(_) => ("P0003", "assemble or compile the program again with this toolchain"),
            Self::Inconsistent(_) | Self::Encode { .. } => (
                "P0004",
                "correct the source of the program; a program is never written in part",
            ),
        };
        Diagnostic::error(code, self.to_string()).help(help)
    }
}

/// What `.systole.meta` holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    name: String,
    machine: Option<MachineReference>,
    dram_bytes: u64,
    segments: Vec<SegmentMeta>,
    symbols: Vec<Symbol>,
    marks: Vec<Mark>,
    inputs: Vec<IoTensor>,
    outputs: Vec<IoTensor>,
}

/// A segment without its bytes, which are the contents of the section.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentMeta {
    name: String,
    address: u64,
}

/// Whether these bytes start as an ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&elf::ELFMAG)
}

/// The program as a file.
///
/// # Errors
/// If an instruction has no word, a segment reaches beyond the addresses that a program may use, or a name or line count
/// contradicts the rest of the program.
pub fn write(program: &Program) -> Result<Vec<u8>, ContainerError> {
    check_consistency(program)?;
    let text = program
        .encode_code()
        .map_err(|(pc, source)| ContainerError::Encode { pc, source })?;
    let meta = meta_text(program);
    let lines: Vec<u8> = program.lines.iter().flat_map(|line| line.to_le_bytes()).collect();
    let segment_bytes: Vec<&[u8]> = program.segments.iter().map(|segment| &segment.bytes[..]).collect();
    let entry = CODE_BASE + u64::from(program.entry) * WORD_BYTES as u64;
    let sum = checksum(entry, &text, &segment_bytes, meta.as_bytes(), &lines);
    let check = check_text(sum);
    let note = program.machine.as_ref().map(machine_note);

    let mut sections = vec![Section {
        name: TEXT.to_owned(),
        kind: elf::SHT_PROGBITS,
        address: Some(CODE_BASE),
        flags: elf::SHF_ALLOC | elf::SHF_EXECINSTR,
        align: WORD_BYTES as u64,
        bytes: &text,
    }];
    sections.extend(program.segments.iter().map(|segment| Section {
        name: format!("{DATA_PREFIX}{}", printable(&segment.name)),
        kind: elf::SHT_PROGBITS,
        address: Some(segment.address),
        flags: elf::SHF_ALLOC | elf::SHF_WRITE,
        align: 1,
        bytes: &segment.bytes,
    }));
    let described = [
        (META, 1, meta.as_bytes()),
        (LINES, 4, &lines),
        (CHECK, 1, check.as_bytes()),
    ];
    let noted = note.iter().map(|note| (NOTE, 4, &note[..]));
    for (name, align, bytes) in described.into_iter().chain(noted) {
        sections.push(Section {
            name: name.to_owned(),
            kind: if name == NOTE { elf::SHT_NOTE } else { elf::SHT_PROGBITS },
            address: None,
            flags: elf::SectionFlags(0),
            align,
            bytes,
        });
    }
    layout(program, entry, &sections)
}

/// An ELF note: lengths of owner and description, type, then both, each filled up to a multiple of four bytes.
fn machine_note(machine: &MachineReference) -> Vec<u8> {
    let owner = [NOTE_OWNER.as_bytes(), &[0]].concat();
    let description = [&machine.hash.to_le_bytes(), printable(&machine.name).as_bytes(), &[0]].concat();
    let mut note = Vec::new();
    for word in [owner.len() as u32, description.len() as u32, NOTE_MACHINE] {
        note.extend(word.to_le_bytes());
    }
    for part in [owner, description] {
        note.extend(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

fn meta_text(program: &Program) -> String {
    let meta = Meta {
        name: program.name.clone(),
        machine: program.machine.clone(),
        dram_bytes: program.dram_bytes,
        segments: program
            .segments
            .iter()
            .map(|segment| SegmentMeta {
                name: segment.name.clone(),
                address: segment.address,
            })
            .collect(),
        symbols: program.symbols.clone(),
        marks: program.marks.clone(),
        inputs: program.inputs.clone(),
        outputs: program.outputs.clone(),
    };
    // Lines end the same way on every host, so that the bytes are the same.
    let style = ron::ser::PrettyConfig::new().depth_limit(2).new_line("\n");
    ron::ser::to_string_pretty(&meta, style).expect("plain data of known types serializes")
}

/// What a file must satisfy to be written, and to be believed when it is read.
fn check_consistency(program: &Program) -> Result<(), ContainerError> {
    let problem = |text: String| Err(ContainerError::Inconsistent(text));
    if !program.lines.is_empty() && program.lines.len() != program.code.len() {
        let (n_lines, n_instructions) = (program.lines.len(), program.code.len());
        return problem(format!(
            "{n_lines} source lines are given for {n_instructions} instructions"
        ));
    }
    for segment in &program.segments {
        let end = segment.address.checked_add(segment.bytes.len() as u64);
        if end.is_none_or(|end| end > CODE_BASE) {
            let (name, address) = (&segment.name, segment.address);
            return problem(format!(
                "segment `{name}` at {address:#x} reaches beyond {CODE_BASE:#x}, the end of all DRAM"
            ));
        }
    }
    let segment_names = program.segments.iter().map(|segment| segment.name.as_str());
    if let Some(name) = first_duplicate(segment_names.collect()) {
        return problem(format!("two segments are named `{name}`"));
    }
    let symbol_names = program.symbols.iter().map(|symbol| symbol.name.as_str());
    if let Some(name) = first_duplicate(symbol_names.collect()) {
        return problem(format!("two symbols are named `{name}`"));
    }
    let tensors = program.inputs.iter().chain(&program.outputs);
    match tensors
        .filter_map(|tensor| tensor_problem(tensor, program.dram_bytes))
        .next()
    {
        Some(text) => problem(text),
        None => Ok(()),
    }
}

/// Why an input or output is none: whoever moves its values relies on these.
fn tensor_problem(tensor: &IoTensor, dram_bytes: u64) -> Option<String> {
    let name = &tensor.name;
    if let Some(scale) = tensor.quantization.map(|q| q.scale)
        && !(scale.is_finite() && scale > 0.0)
    {
        return Some(format!(
            "tensor `{name}` has the scale {scale}, which is not finite and above zero"
        ));
    }
    let (n_axes, n_strides) = (tensor.shape.len(), tensor.strides.len());
    if n_axes != n_strides {
        return Some(format!("tensor `{name}` has {n_axes} axes and {n_strides} strides"));
    }
    let n_elements = tensor.shape.iter().try_fold(1u64, |n, &extent| n.checked_mul(extent));
    let room = dram_bytes.saturating_mul(8) / u64::from(tensor.format.bits());
    if n_elements.is_none_or(|n| n > room) {
        return Some(format!(
            "tensor `{name}` has more elements than the program's DRAM holds"
        ));
    }
    let steps = tensor.shape.iter().zip(&tensor.strides);
    let last: u128 = steps
        .map(|(&extent, &stride)| u128::from(extent.saturating_sub(1)) * u128::from(stride))
        .fold(0, u128::saturating_add);
    let end = last
        .saturating_mul(u128::from(tensor.format.bits().div_ceil(8)))
        .saturating_add(u128::from(tensor.address));
    (end >= u128::from(CODE_BASE))
        .then(|| format!("tensor `{name}` reaches beyond {CODE_BASE:#x}, the end of all DRAM"))
}

fn first_duplicate(mut names: Vec<&str>) -> Option<&str> {
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// A name as an ELF string, which ends at the first zero byte. The exact name is in the meta section.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

fn checksum(entry: u64, text: &[u8], segments: &[&[u8]], meta: &[u8], lines: &[u8]) -> u64 {
    let mut hasher = StableHasher::default();
    hasher.write(&entry.to_le_bytes());
    for part in [text, meta, lines].iter().chain(segments) {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

/// What `.systole.check` holds, to the byte.
fn check_text(sum: u64) -> String {
    format!("{CHECK_WORD} {VERSION} {sum:016x}\n")
}

fn malformed(error: impl std::fmt::Display) -> ContainerError {
    ContainerError::Malformed(error.to_string())
}

/// The program in a file.
///
/// # Errors
/// If the file is foreign, cut short, damaged or contradicts itself. No bytes make this function panic.
pub fn read(bytes: &[u8]) -> Result<Program, ContainerError> {
    let header = checked_header(bytes)?;
    let sections = header.sections(LittleEndian, bytes).map_err(malformed)?;
    let parts = Parts::collect(&sections, bytes)?;
    let entry = header.e_entry.get(LittleEndian);
    parts.check(entry)?;
    parts.program(entry)
}

fn checked_header(bytes: &[u8]) -> Result<&elf::FileHeader64<LittleEndian>, ContainerError> {
    if !is_elf(bytes) {
        return Err(ContainerError::NotElf);
    }
    // Class and data encoding are the two bytes after the magic number; they decide how everything else is read.
    match bytes.get(4..6) {
        None => return Err(malformed("it ends within its header")),
        Some([2, 1]) => {}
        Some([2, encoding]) => return Err(ContainerError::Encoding(*encoding)),
        Some(ident) => return Err(ContainerError::Class(ident[0])),
    }
    let header = elf::FileHeader64::<LittleEndian>::parse(bytes).map_err(malformed)?;
    let file_type = header.e_type(LittleEndian);
    if file_type != elf::ET_EXEC {
        return Err(ContainerError::FileType(file_type.0));
    }
    let machine = header.e_machine(LittleEndian);
    if machine != elf::Machine(E_MACHINE) {
        return Err(ContainerError::Machine(machine.0));
    }
    Ok(header)
}

/// The contents of the sections that make a program.
struct Parts<'a> {
    text: &'a [u8],
    /// In the order of the section headers, which is the order of the segments.
    data: Vec<&'a [u8]>,
    meta: &'a [u8],
    lines: &'a [u8],
    check: &'a [u8],
}

impl<'a> Parts<'a> {
    fn collect(
        sections: &SectionTable<'a, elf::FileHeader64<LittleEndian>>,
        bytes: &'a [u8],
    ) -> Result<Self, ContainerError> {
        let (mut text, mut meta, mut lines, mut check) = (None, None, None, None);
        let mut data = Vec::new();
        for section in sections.iter() {
            let name = sections.section_name(LittleEndian, section).map_err(malformed)?;
            let content = || section.data(LittleEndian, bytes).map_err(malformed);
            match name {
                name if name == TEXT.as_bytes() => text = Some(content()?),
                name if name == META.as_bytes() => meta = Some(content()?),
                name if name == LINES.as_bytes() => lines = Some(content()?),
                name if name == CHECK.as_bytes() => check = Some(content()?),
                name if name.starts_with(DATA_PREFIX.as_bytes()) => data.push(content()?),
                _ => {}
            }
        }
        // Sections that share bytes could make a small file unfold into any amount of memory.
        if data.iter().map(|content: &&[u8]| content.len()).sum::<usize>() > bytes.len() {
            return Err(malformed("its data sections overlap"));
        }
        Ok(Self {
            text: text.ok_or(ContainerError::MissingSection(TEXT))?,
            data,
            meta: meta.ok_or(ContainerError::MissingSection(META))?,
            lines: lines.ok_or(ContainerError::MissingSection(LINES))?,
            check: check.ok_or(ContainerError::MissingSection(CHECK))?,
        })
    }

    /// Refuses another version and content that does not match its checksum.
    fn check(&self, entry: u64) -> Result<(), ContainerError> {
        let unreadable = || malformed(format!("`{CHECK}` is not of the form `{CHECK_WORD} VERSION CHECKSUM`"));
        let text = std::str::from_utf8(self.check).map_err(|_| unreadable())?;
        let mut words = text.split_ascii_whitespace();
        let (Some(CHECK_WORD), Some(version), Some(stored)) = (words.next(), words.next(), words.next()) else {
            return Err(unreadable());
        };
        let version: u32 = version.parse().map_err(|_| unreadable())?;
        if version != VERSION {
            return Err(ContainerError::Version(version));
        }
        let stored = u64::from_str_radix(stored, 16).map_err(|_| unreadable())?;
        if text != check_text(stored) {
            return Err(unreadable());
        }
        let computed = checksum(entry, self.text, &self.data, self.meta, self.lines);
        if stored == computed {
            Ok(())
        } else {
            Err(ContainerError::Checksum { stored, computed })
        }
    }

    fn program(&self, entry: u64) -> Result<Program, ContainerError> {
        let meta: Meta = ron::de::from_bytes(self.meta).map_err(|error| ContainerError::Meta(error.to_string()))?;
        if meta.segments.len() != self.data.len() {
            let (n_named, n_found) = (meta.segments.len(), self.data.len());
            return Err(ContainerError::Inconsistent(format!(
                "`{META}` names {n_named} segments, but there are {n_found} `{DATA_PREFIX}*` sections"
            )));
        }
        let segments = meta
            .segments
            .into_iter()
            .zip(&self.data)
            .map(|(named, &bytes)| Segment {
                name: named.name,
                address: named.address,
                bytes: bytes.into(),
            });
        let program = Program {
            name: meta.name,
            machine: meta.machine,
            code: decode_text(self.text)?,
            entry: entry_index(entry)?,
            dram_bytes: meta.dram_bytes,
            segments: segments.collect(),
            symbols: meta.symbols,
            marks: meta.marks,
            inputs: meta.inputs,
            outputs: meta.outputs,
            lines: decode_lines(self.lines)?,
        };
        check_consistency(&program)?;
        Ok(program)
    }
}

fn decode_text(text: &[u8]) -> Result<Vec<Instruction>, ContainerError> {
    let (words, rest) = text.as_chunks::<WORD_BYTES>();
    if !rest.is_empty() {
        return Err(ContainerError::Inconsistent(format!(
            "`{TEXT}` has {} bytes, which is no multiple of {WORD_BYTES}",
            text.len()
        )));
    }
    let decode = |(pc, word): (usize, &[u8; WORD_BYTES])| {
        Instruction::decode(u128::from_le_bytes(*word)).map_err(|source| ContainerError::Code { pc, source })
    };
    words.iter().enumerate().map(decode).collect()
}

fn entry_index(entry: u64) -> Result<u32, ContainerError> {
    let offset = entry
        .checked_sub(CODE_BASE)
        .filter(|offset| offset % WORD_BYTES as u64 == 0);
    offset
        .and_then(|offset| u32::try_from(offset / WORD_BYTES as u64).ok())
        .ok_or_else(|| ContainerError::Inconsistent(format!("the entry {entry:#x} is the address of no instruction")))
}

fn decode_lines(bytes: &[u8]) -> Result<Vec<u32>, ContainerError> {
    let (lines, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ContainerError::Inconsistent(format!(
            "`{LINES}` has {} bytes, which is no multiple of 4",
            bytes.len()
        )));
    }
    Ok(lines.iter().map(|line| u32::from_le_bytes(*line)).collect())
}
