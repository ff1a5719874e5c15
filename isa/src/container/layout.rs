//! The layout of the file: sections, symbols and headers in their places. It knows ELF, and of a program the symbols only.

use super::{CODE_BASE, ContainerError, E_MACHINE, malformed, printable};
use crate::instruction::WORD_BYTES;
use crate::program::{Program, Segment, Symbol, SymbolKind};
use object::elf;
use object::write::elf as write_elf;

/// One section of the file to write.
pub(super) struct Section<'a> {
    /// Name in the section headers.
    pub(super) name: String,
    /// What its content is to ELF.
    pub(super) kind: elf::SectionType,
    /// Virtual address, if it is loaded.
    pub(super) address: Option<u64>,
    /// Whether it is loaded, written to, executed.
    pub(super) flags: elf::SectionFlags,
    /// Alignment in the file.
    pub(super) align: u64,
    /// Content.
    pub(super) bytes: &'a [u8],
}

/// Lays sections, symbols and headers out in one file.
pub(super) fn layout(program: &Program, entry: u64, sections: &[Section]) -> Result<Vec<u8>, ContainerError> {
    let loaded = loaded_order(sections);
    let symbol_names: Vec<String> = program.symbols.iter().map(|symbol| printable(&symbol.name)).collect();
    let mut bytes = Vec::new();
    let mut writer = write_elf::Writer::new(object::Endianness::Little, true, &mut bytes);

    writer.reserve_file_header();
    writer.reserve_program_headers(loaded.len() as u32);
    let mut offsets = Vec::new();
    let mut section_names = Vec::new();
    for section in sections {
        offsets.push(writer.reserve(section.bytes.len() as u64, section.align));
        writer.reserve_section_index();
        section_names.push(writer.add_section_name(section.name.as_bytes()));
    }
    writer.reserve_null_symbol_index();
    let symbol_ids: Vec<_> = symbol_names
        .iter()
        .map(|name| {
            writer.reserve_symbol_index(None);
            writer.add_string(name.as_bytes())
        })
        .collect();
    writer.reserve_symtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab_section_index();
    writer.reserve_shstrtab_section_index();
    writer.reserve_strtab().map_err(malformed)?;
    writer.reserve_shstrtab().map_err(malformed)?;
    writer.reserve_section_headers();

    writer.write_file_header(&file_header(entry)).map_err(malformed)?;
    writer.write_align_program_headers();
    for &i in &loaded {
        writer.write_program_header(&program_header(&sections[i], offsets[i]));
    }
    for (section, &offset) in sections.iter().zip(&offsets) {
        writer.pad_until(offset);
        writer.write(section.bytes);
    }
    writer.write_null_symbol();
    for (symbol, &name) in program.symbols.iter().zip(&symbol_ids) {
        let st_name = writer.string_offset(Some(name));
        writer.write_symbol(&elf_symbol(program, symbol, st_name));
    }
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    for (i, section) in sections.iter().enumerate() {
        let sh_name = writer.section_name_offset(Some(section_names[i]));
        writer.write_section_header(&section_header(section, sh_name, offsets[i]));
    }
    writer.write_symtab_section_header(1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    Ok(bytes)
}

/// Indices of the sections that have something to load, by ascending address as ELF asks.
fn loaded_order(sections: &[Section]) -> Vec<usize> {
    let mut loaded: Vec<usize> = (0..sections.len())
        .filter(|&i| sections[i].address.is_some() && !sections[i].bytes.is_empty())
        .collect();
    loaded.sort_by_key(|&i| sections[i].address);
    loaded
}

fn file_header(entry: u64) -> write_elf::FileHeader {
    write_elf::FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: elf::Machine(E_MACHINE),
        e_entry: entry,
        e_flags: elf::FileFlags(0),
    }
}

fn program_header(section: &Section, offset: u64) -> write_elf::ProgramHeader {
    let address = section.address.unwrap_or(0);
    let n_bytes = section.bytes.len() as u64;
    write_elf::ProgramHeader {
        p_type: elf::PT_LOAD,
        p_flags: elf::PF_R | if address == CODE_BASE { elf::PF_X } else { elf::PF_W },
        p_offset: offset,
        p_vaddr: address,
        p_paddr: address,
        p_filesz: n_bytes,
        p_memsz: n_bytes,
        p_align: 1,
    }
}

fn section_header(section: &Section, sh_name: u32, sh_offset: u64) -> write_elf::SectionHeader {
    write_elf::SectionHeader {
        sh_name,
        sh_type: section.kind,
        sh_flags: section.flags,
        sh_addr: section.address.unwrap_or(0),
        sh_offset,
        sh_size: section.bytes.len() as u64,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: section.align,
        sh_entsize: 0,
    }
}

fn elf_symbol(program: &Program, symbol: &Symbol, st_name: u32) -> write_elf::Sym {
    // `.text` is section 1, the data sections follow in the order of the segments.
    let (section, value, kind) = match symbol.kind {
        SymbolKind::Label if symbol.value <= program.code.len() as u64 => {
            (Some(1), CODE_BASE + symbol.value * WORD_BYTES as u64, elf::STT_NOTYPE)
        }
        SymbolKind::Label => (None, symbol.value, elf::STT_NOTYPE),
        SymbolKind::Dram => {
            let holds = |s: &Segment| symbol.value >= s.address && symbol.value - s.address < s.bytes.len() as u64;
            let section = program.segments.iter().position(holds).map(|i| i as u32 + 2);
            (section, symbol.value, elf::STT_OBJECT)
        }
        SymbolKind::Spm | SymbolKind::Acc => (None, symbol.value, elf::STT_OBJECT),
    };
    write_elf::Sym {
        section,
        st_name,
        st_info: elf::SymbolInfo::new(elf::STB_GLOBAL, kind),
        st_other: elf::SymbolOther(0),
        st_shndx: elf::SHN_ABS,
        st_value: value,
        st_size: symbol.size,
    }
}
