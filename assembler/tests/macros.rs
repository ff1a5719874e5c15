//! Macros, repetitions, conditions, files, scopes, tensors and masks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use systole_assembler::{LoadedFile, assemble, assemble_with, disassemble, disassemble_line, source_line};
use systole_isa::program::{Program, SymbolKind};
use systole_isa::{ElementFormat, container};

fn assembled(text: &str) -> Program {
    assembled_with(text, &BTreeMap::new())
}

fn assembled_with(text: &str, files: &BTreeMap<&str, Vec<u8>>) -> Program {
    let mut load = |path: &str, _: &str| match files.get(path) {
        Some(bytes) => Ok(LoadedFile {
            name: path.to_owned(),
            bytes: bytes.clone(),
        }),
        None => Err("no such file".to_owned()),
    };
    let program =
        assemble_with(text, "demo.sasm", &mut load).unwrap_or_else(|diagnostics| panic!("{}\n{text}", diagnostics[0]));
    // Whatever a source says, its disassembly says the same.
    let again =
        assemble(&disassemble(&program), "again").unwrap_or_else(|d| panic!("{}\n{}", d[0], disassemble(&program)));
    assert_eq!(again, program);
    assert_eq!(container::read(&container::write(&program).unwrap()).unwrap(), program);
    program
}

/// The instructions of a text, as they are disassembled one by one.
fn lines(text: &str) -> Vec<String> {
    let program = assembled(text);
    (0..program.code.len() as u32)
        .map(|pc| disassemble_line(&program, pc))
        .collect()
}

#[test]
fn arguments_are_whole_expressions_and_may_be_anything() {
    let text = "
        .macro tile a, k=16, wait=t0
            mx.wload \\a, \\k * 2, n=\\k ?\\wait
        .endm
        tile d3[r4], 1 + 2
        tile a=d1, wait=t5
        .macro op name, rd
            \\name \\rd, \\rd, 1
        .endm
        op add, r7";
    let expected = ["mx.wload d3[r4], 6, 3 ?t0", "mx.wload d1, 32, 16 ?t5", "add r7, r7, 1"];
    assert_eq!(lines(text), expected);
}

#[test]
fn local_labels_of_macros_are_their_own_and_numbers_make_unique_names() {
    let text = "
        .macro wait_for r
        .again: bne \\r, 0, .again
        .endm
        .macro named
        at_\\@: jmp at_\\@
        .endm
        .again: wait_for r1
        wait_for r2
        jmp .again
        named
        named";
    let program = assembled(text);
    let targets: Vec<_> = program.code.iter().map(|i| i.op.operands().pop().unwrap()).collect();
    let targets: Vec<String> = targets.iter().map(|t| format!("{t:?}")).collect();
    assert_eq!(
        targets,
        ["Target(0)", "Target(1)", "Target(0)", "Target(3)", "Target(4)"]
    );
    assert_eq!(program.symbols[0].name, "at_3");
}

#[test]
fn a_label_given_as_an_argument_is_the_one_of_the_caller() {
    let text = "
        .macro twice target, label
        .x: jmp .x
        jmp \\target
        \\label: nop
        .endm
        .x: nop
        twice .x, .y
        jmp .y";
    let program = assembled(text);
    let shown: Vec<String> = (0..5).map(|pc| format!("{:?}", program.code[pc].op)).collect();
    assert!(
        shown[1].contains("Target(1)") && shown[2].contains("Target(0)"),
        "{shown:?}"
    );
    assert!(shown[4].contains("Target(3)"), "{shown:?}");
}

#[test]
fn macros_nest_and_define_macros_and_end_by_conditions() {
    let text = "
        .macro count n
            li r1, \\n
            .if \\n
                count \\n - 1
            .else
                halt
            .endif
        .endm
        count 2
        .macro maker name, value
            .macro \\name n
                li r2, \\value + \\n
            .endm
        .endm
        maker ten_more, 10
        ten_more 5";
    assert_eq!(lines(text), ["li r1, 2", "li r1, 1", "li r1, 0", "halt", "li r2, 15"]);
}

#[test]
fn repetitions_count_and_nest() {
    let text = "
        .equ N, 2
        .rept N, i
          .rept N + 1, j
            li r\\j, \\i * 10 + \\j
          .endr
        .endr
        .macro many n
          .rept \\n
          .loop: jmp .loop
          .endr
        .endm
        many 2";
    let expected = [
        "li r0, 0",
        "li r1, 1",
        "li r2, 2",
        "li r0, 10",
        "li r1, 11",
        "li r2, 12",
        "jmp .L6",
        "jmp .L7",
    ];
    assert_eq!(lines(text), expected);
}

#[test]
fn local_names_belong_to_labels_and_blocks() {
    let text = "
        one:
        .equ .n, 5
        .loop: li r1, .n
        two:
        .equ .n, 6
        .loop: li r1, .n
        .scope
          .equ .n, 7
          li r1, .n
          .loop: jmp .loop
        .endscope
        li r1, .n + one.n
        jmp one.loop";
    let expected = ["li r1, 5", "li r1, 6", "li r1, 7", "jmp .L3", "li r1, 11", "jmp one"];
    assert_eq!(lines(text), expected);
}

#[test]
fn a_disassembly_reaches_local_labels_of_other_labels() {
    let text = "a: nop\n.x: nop\nb: jmp a.x\n jmp .y\n.y: halt\n";
    let program = assembled(text);
    assert_eq!(disassemble_line(&program, 2), "jmp a.L1");
    assert_eq!(disassemble_line(&program, 3), "jmp .L4");
}

#[test]
fn lines_of_included_files_are_known_by_file() {
    let files = BTreeMap::from([
        (
            "lib.sasm",
            b".equ N, 7\n.macro two\nnop\nnop\n.endm\nli r1, N\n.include \"sub.sasm\"\nli r2, N\n".to_vec(),
        ),
        ("sub.sasm", b"\n\nli r3, N\ntwo\n".to_vec()),
    ]);
    let text = "halt\n.include \"lib.sasm\"\ntwo\n.include \"sub.sasm\"\nhalt\n";
    let program = assembled_with(text, &files);
    let read = container::read(&container::write(&program).unwrap()).unwrap();
    let places: Vec<(Option<&str>, u32)> = (0..program.code.len() as u32)
        .map(|pc| source_line(&read, pc).unwrap())
        .collect();
    let (lib, sub) = (Some("lib.sasm"), Some("sub.sasm"));
    let expected = [
        (None, 1),
        (lib, 6),
        (sub, 3),
        (sub, 4),
        (sub, 4),
        (lib, 8),
        (None, 3),
        (None, 3),
        (sub, 3),
        (sub, 4),
        (sub, 4),
        (None, 5),
    ];
    assert_eq!(places, expected);
    assert_eq!(source_line(&read, 12), None);
}

#[test]
fn elements_are_packed_lowest_bits_first_also_across_lines() {
    let text = "
        .segment \"data\", 0
        a: .i4 1, -2, 3
           .i4 [4, 5]*2
        b: .b1 1, -1, [1]*6, -1
        c: .u2 0..3
        d: .i2 -2..1
           .i16 -2, 0x1234
        .align 16
        e: .u64 0xffff_ffff_ffff_ffff
           .i64 -1
           .f32 [0.5]*2";
    let program = assembled(text);
    let expected = [
        0xe1, 0x43, 0x45, 0x05, 0xfd, 0x00, 0xe4, 0x4e, 0xfe, 0xff, 0x34, 0x12, 0, 0, 0, 0, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0x3f, 0, 0, 0, 0x3f,
    ];
    assert_eq!(program.segments[0].bytes[..], expected);
    let sizes: Vec<_> = program
        .symbols
        .iter()
        .map(|s| (s.name.as_str(), s.value, s.size))
        .collect();
    assert_eq!(
        sizes,
        [("a", 0, 4), ("b", 4, 2), ("c", 6, 1), ("d", 7, 9), ("e", 16, 24)]
    );
}

#[test]
fn every_element_format_has_a_directive_of_its_name() {
    for format in ElementFormat::ALL {
        let name = format!(".{}", format.word());
        let program = assembled(&format!(".segment \"s\", 0\n{name} 1\n"));
        assert_eq!(
            program.segments[0].bytes.len() as u64,
            format.bytes_from_elements(1),
            "{name}"
        );
        assert_eq!(u32::from(program.segments[0].bytes[0]), format.encode(1), "{name}");
    }
}

/// A `.npy` file of a shape and little-endian values.
fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), values].concat()
}

#[test]
fn arrays_become_elements_of_the_format_that_is_asked_for() {
    let files = BTreeMap::from([
        (
            "w.npy",
            npy("<i4", "2, 3", &[1_i32, -2, 3, 4, 5, -6].map(i32::to_le_bytes).concat()),
        ),
        (
            "f.npy",
            npy("<f4", "2,", &[1.5_f32, -0.5].map(f32::to_le_bytes).concat()),
        ),
        ("u.npy", npy("|u1", "3,", &[7, 8, 9])),
    ]);
    let text = "
        .segment \"data\", 0x100
        .tensor w, i4, [2, 3]
            .npy \"w.npy\"
        x:  .npy \"w.npy\", i8
        .tensor s, i32, [2]
            .npy \"f.npy\", f32
        u:  .npy \"u.npy\"
        .code
        li r1, w.bytes + w.d0 * 100 + w.d1 * 1000 + w.elements * 10000
        li r2, s";
    let program = assembled_with(text, &files);
    let expected = [
        0xe1, 0x43, 0xa5, 1, 254, 3, 4, 5, 250, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0xbf, 7, 8, 9,
    ];
    assert_eq!(program.segments[0].bytes[..], expected);
    assert_eq!(disassemble_line(&program, 0), "li r1, 63203");
    assert_eq!(disassemble_line(&program, 1), "li r2, 265");
}

#[test]
fn tensors_have_places_types_and_io() {
    let text = "
        .equ ROWS, 4
        .tensor acts, u8, [ROWS, 28], spm
        .tensor sums, i32, [ROWS], acc, 0x40
        .tensor more, i4, [3], spm
        .tensor far, i8, [2, 2], 0x1000
        .tensor y, i32, [1, ROWS], dram, far + far.bytes
        .segment \"w\", 0x80
        .tensor w, i8, [ROWS, 2]
            .i8 1, 2, 3
        .segment \"behind\"
        b: .byte 1
        .code
        desc d1, spm, u8, acts, 0, 1
        desc d2, spm, i4, more, 0, 1
        desc d3, dram, i8, w, 0, 1
        level d3, 0, w.d0, w.d1
        .input \"far\", tensor=far, host=integer
        .output \"y\", tensor=y, host=f32, scale=0.5, zero=0";
    let program = assembled(text);
    let symbol = |name: &str| program.symbols.iter().find(|s| s.name == name).unwrap();
    assert_eq!((symbol("acts").value, symbol("acts").size), (0, 112));
    assert_eq!((symbol("more").value, symbol("more").size), (128, 2));
    assert_eq!((symbol("sums").kind, symbol("sums").size), (SymbolKind::Acc, 16));
    assert_eq!((symbol("w:i8[4,2]").value, symbol("w:i8[4,2]").size), (0x80, 8));
    assert_eq!(program.segments[0].bytes[..], [1, 2, 3, 0, 0, 0, 0, 0]);
    assert_eq!(program.segments[1].address, 0xc0);
    assert_eq!(
        (program.inputs[0].shape.as_slice(), program.inputs[0].address),
        ([2, 2].as_slice(), 0x1000)
    );
    assert_eq!(
        (program.outputs[0].format, program.outputs[0].address),
        (ElementFormat::I32, 0x1004)
    );
    let text = disassemble(&program);
    assert!(text.contains(".tensor acts, u8, [4, 28], spm, 0x0\n"), "{text}");
    assert!(text.contains(".tensor w, i8, [4, 2], dram, 0x80\n"), "{text}");
}

#[test]
fn masks_show_live_blocks() {
    let text = "
        .segment \"data\", 0
        .tensor w, i8, [8, 2]
            .i8 0, 0,  0, 0,  0, 1,  0, 0,  0, 0,  0, 0,  0, 0,  9, 0
        l:  .u4 [3]*4, 4, [3]*3
        .tensor long, i8, [64]
            .i8 [1]*64
        bits: .u64 live, .bits
        .code
        .mask live, w, 1
        .mask upper, w, 0, first=4
        .mask part, w, 0, first=2, rows=2
        .mask .bits, l, 1, zero=3
        .mask wide, l, 0, columns=4, zero=3
        .mask all, long, 0
        li r1, live
        li r2, upper
        li r3, part
        li r4, wide
        li r5, all";
    let program = assembled(text);
    let shown: Vec<String> = (0..5).map(|pc| disassemble_line(&program, pc)).collect();
    assert_eq!(shown, ["li r1, 10", "li r2, 8", "li r3, 1", "li r4, 2", "li r5, -1"]);
    let bytes = &program.segments[0].bytes;
    assert_eq!(bytes[16 + 4 + 64..], [10, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn descriptors_are_shown_where_they_are_known() {
    let text = "
        .tensor acts, i8, [64, 9], spm
        .equ N, 2
        li r3, 16
        desc d1, spm, i8, acts, 0, 2
        level d1, 0, 8, 18
        level d1, 1, 8, 9
        level d1, 4, 9, 1
        loop 4, .end
          mx.wload d1, 9, N
          mx.wload d1[r3], 9, N
          move d1, 4
        .end: mx.wload d1, 9, N
        desc d1, spm, i8, 0x40, 0, 0
        window d1, y, 0, 1, 2, 1, -1, 8
        mx.wload d1[r4], 9, N
        beq r9, 0, .skip
        desc d1, spm, i8, 0x50, 0, 0
        .skip: mx.wload d1, 9, N";
    let text = disassemble(&assembled(text));
    let comments: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("mx.wload"))
        .map(|line| line.split_once("; ").map_or("", |(_, comment)| comment))
        .collect();
    let expected = [
        "d1 = spm ? i8 [8*8 x 9]",
        "d1 = spm ? i8 [8*8 x 9]",
        "d1 = spm ? i8 [8*8 x 9]",
        "d1 = spm acts + 64[r4] i8 [1 x 1] windowed",
        "",
    ];
    assert_eq!(comments, expected, "{text}");
}
