//! What the language can say, and what a disassembly looks like.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use systole_assembler::{assemble, disassemble, disassemble_line};
use systole_isa::program::{HostType, Program, SymbolKind};
use systole_isa::{ElementFormat, container, machine};

fn assembled(text: &str) -> Program {
    assemble(text, "dir/demo.sasm").unwrap_or_else(|diagnostics| panic!("{}", diagnostics[0]))
}

/// The instructions of a text, as they are disassembled one by one.
fn lines(text: &str) -> Vec<String> {
    let program = assembled(text);
    (0..program.code.len() as u32)
        .map(|pc| disassemble_line(&program, pc))
        .collect()
}

#[test]
fn operands_are_given_by_position_or_name() {
    let expected = ["mx.wload d3[r4], 16, r5 ?t1 ?t2 !t3"];
    for text in [
        "mx.wload d3[r4], 16, r5 ?t1 ?t2 !t3",
        "mx.wload w=d3[r4], k=16, n=r5 ?t1 !t3 ?t2",
        "mx.wload d3[r4], n=r5, k=0x10 !t3 ?t1 ?t2",
        "  mx.wload\td3[r4] , 0b1_0000 ,r5?t1?t2!t3 // comment",
    ] {
        assert_eq!(lines(text), expected, "{text}");
    }
}

#[test]
fn constants_are_expressions_over_names_defined_anywhere() {
    let text = "
        .equ N, 4 * (W + 1)
        .equ W, 7
        .symbol table, spm, 0x100 + N, 8
        li r1, N
        li r2, table + 2
        li r3, -N % 5 | 1 << 8
        li r4, end - start
        li r5, 0x7fff_ffff_ffff_ffff
    start:
        nop
    end: halt";
    let expected = [
        "li r1, 32",
        "li r2, 290",
        "li r3, -2",
        "li r4, 1",
        "li r5, 0x7fffffffffffffff",
        "nop",
        "halt",
    ];
    assert_eq!(lines(text), expected);
}

#[test]
fn jumps_go_to_labels_that_may_be_local_or_to_an_index() {
    let text = "a: .L0: b: jmp a\n jmp a.L0 + 1\n jmp @0\n beq r1, 5, done\n loop 8, .end\n nop\n .end: done:";
    let program = assembled(text);
    let shown: Vec<_> = (0..5).map(|pc| disassemble_line(&program, pc)).collect();
    assert_eq!(shown, ["jmp a", "jmp .L1", "jmp a", "beq r1, 5, done", "loop 8, done"]);
    let symbols: Vec<_> = program.symbols.iter().map(|s| (s.name.as_str(), s.value)).collect();
    assert_eq!(
        symbols,
        [("a", 0), ("b", 0), ("done", 6)],
        "local labels make no symbol"
    );
}

#[test]
fn segments_hold_data_and_their_labels_are_symbols() {
    let text = "
        .segment \"weights\", 0x40
    w:  .byte -1, 255
    b:  .half 0x1234
        .word w, -2
    tail:
        .f32 1.0, -0.5
        .hex \"0a 0B\" , \"ff\"
        .zero 3
        .code
        li r1, b";
    let program = assembled(text);
    assert_eq!(disassemble_line(&program, 0), "li r1, 66");
    let segment = &program.segments[0];
    assert_eq!((segment.name.as_str(), segment.address), ("weights", 0x40));
    let expected = [
        0xff, 0xff, 0x34, 0x12, 0x40, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf, 10, 11, 255, 0,
        0, 0,
    ];
    assert_eq!(segment.bytes[..], expected);
    let symbols: Vec<_> = program
        .symbols
        .iter()
        .map(|s| (s.name.as_str(), s.kind, s.value, s.size))
        .collect();
    let dram = SymbolKind::Dram;
    assert_eq!(
        symbols,
        [("w", dram, 0x40, 2), ("b", dram, 0x42, 10), ("tail", dram, 0x4c, 14)]
    );
    assert_eq!(
        program.dram_bytes,
        0x40 + expected.len() as u64,
        "without `.dram`, up to the last byte"
    );
}

#[test]
fn a_segment_can_be_placed_behind_another() {
    let text = ".segment \"a\", 0\nx: .zero LENGTH\nend_of_a:\n.segment \"b\", end_of_a + 6\n.byte 1\n.equ LENGTH, 10";
    assert_eq!(assembled(text).segments[1].address, 16);
}

#[test]
fn the_program_is_described() {
    let text = "
        .machine \"tiny4x4\"
        .input \"x\", shape=[1, 2, 3], host=f32, format=u8, scale=0.1, zero=128, address=64
        .output \"y\", shape=[1, 2], host=integer, format=i32, address=0x100, strides=[8, 4]
        .mark \"conv1\", \"conv\"
        .mark 1, \"pool\", \"maxpool\"
        .entry main
        nop
    main:
        halt";
    let program = assembled(text);
    assert_eq!(program.name, "demo", "named after the file");
    assert_eq!(
        program.machine.as_ref().unwrap().hash,
        machine::preset("tiny4x4").unwrap().hash()
    );
    assert_eq!((program.entry, program.lines.as_slice()), (1, [8, 10].as_slice()));
    let (x, y) = (&program.inputs[0], &program.outputs[0]);
    assert_eq!(
        (x.host_type, x.format, x.strides.as_slice()),
        (HostType::F32, ElementFormat::U8, [6, 3, 1].as_slice())
    );
    let quantization = x.quantization.unwrap();
    assert_eq!((quantization.scale, quantization.zero_point), (0.1, 128));
    assert_eq!(
        (y.host_type, y.quantization, y.strides.as_slice()),
        (HostType::Integer, None, [8, 4].as_slice())
    );
    assert_eq!(program.marks[1].op, "maxpool");
    assert_eq!(program.dram_bytes, 0x100 + 5 * 4);
}

/// A page of hand-written assembly with loops, labels, symbols, marks and data.
const SOURCE: &str = "\
.program \"page\"
.machine \"tiny4x4\", 0x1234
.dram 0x400
.mark \"conv1\", \"conv\"
.symbol acts, spm, 0x20, 64
.entry start
trap 1
start: mark layer, 0
desc d1, spm, i8, acts, zero_point=-3, split=1
desc d2, spm, i8, acts + 32, 0, 1
desc d3, dram, i8, w, 0, 1
loop 4, done
loop r2, inner_end
mx.mm d0, d1[r3], 0, 16, 0, over, swap ?t1 !t2
inner_end:
beq r1, 3, start
done: halt
.segment \"weights\", 0x100
w: .byte 1, 2, 3
.zero 125
.byte 9
";

#[test]
fn a_disassembly_is_a_readable_page() {
    let program = assembled(SOURCE);
    let expected = "\
.generated
.program \"page\"
.machine \"tiny4x4\", 0x0000000000001234
.dram    0x400
.entry   start

.mark 0, \"conv1\", \"conv\"

.symbol acts, spm, 0x20, 64

        trap         1

; layer conv1 (conv)
start:
        mark         layer, 0
        desc         d1, spm, i8, acts, -3, 1
        desc         d2, spm, i8, acts + 32, 0, 1
        desc         d3, dram, i8, w, 0, 1
        loop         4, done
          loop         r2, inner_end
            mx.mm        d0, d1[r3], 0, 16, 0, over, swap     ?t1 !t2 ; d1 = spm acts[r3] i8 [1 x 1]
inner_end:
          beq          r1, 3, start
done:
        halt

.symbol w, dram, 0x100, 129

.segment \"weights\", 0x100
.hex \"01020300000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\"
.zero 64
.hex \"09\"

; source line of each instruction
.lines 7..14, 16..17
";
    let text = disassemble(&program);
    assert_eq!(text, expected);
    assert_eq!(assembled(&text), program);
    assert_eq!(
        container::write(&assembled(&text)).unwrap(),
        container::write(&program).unwrap()
    );
}

#[test]
fn a_disassembly_of_a_disassembly_is_the_same_text() {
    let text = disassemble(&assembled(SOURCE));
    assert_eq!(disassemble(&assembled(&text)), text);
}

#[test]
fn labels_are_declared_only_if_the_symbol_table_has_another_order() {
    let in_order = assembled(".symbol acts, spm, 0, 64\nstart: nop\nend: jmp start\n.symbol sums, acc, 0, 4");
    let text = disassemble(&in_order);
    assert!(!text.contains(".symbol start") && text.contains("\nstart:\n"), "{text}");
    let mut reordered = in_order.clone();
    reordered.symbols.reverse();
    let text = disassemble(&reordered);
    assert!(text.contains(".symbol start") && text.contains("\nstart:\n"), "{text}");
    assert_eq!(assembled(&text), reordered);
}

#[test]
fn a_symbol_may_have_any_name_in_quotes_without_being_meant_by_a_word() {
    let text = ".symbol \".L1\", dram, 0, 4\n.symbol \"r3\", spm, 8\nadd r1, r3, 1\njmp .L1\n.L2: jmp .L2\n.L1: halt";
    let program = assembled(text);
    assert_eq!(disassemble_line(&program, 1), "jmp .L3");
    assert_eq!(assembled(&disassemble(&program)), program);
}

#[test]
fn line_ends_of_other_systems_and_an_empty_text_are_fine() {
    let unix = assembled("a: nop\n\njmp a\n");
    assert_eq!(assembled("a: nop\r\n\r\njmp a\r\n"), unix);
    assert_eq!(unix.lines, [1, 3]);
    let empty = assembled("");
    assert_eq!((empty.code.len(), empty.name.as_str()), (0, "demo"));
}

#[test]
fn the_sources_of_the_assembler_name_no_instruction() {
    let words: Vec<&str> = systole_isa::instruction::OPCODES
        .iter()
        .map(|row| row.mnemonic)
        .collect();
    let mut paths = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in &words {
            assert!(
                !code.contains(&format!("\"{word}\"")),
                "{} names {word}",
                path.display()
            );
        }
    }
}
