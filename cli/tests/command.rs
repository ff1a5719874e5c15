//! The command line as users and scripts meet it: reports, exit codes, errors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use support::{json, outcome, program_file};

fn digits() -> [String; 3] {
    [
        "digits/digits_int8_qdq.onnx",
        "digits/images.npy",
        "digits/expected.npy",
    ]
    .map(program_file)
}

#[test]
fn the_main_job_reads_the_digit_and_agrees_with_the_reference() {
    let (code, stdout, stderr) = outcome(&["--headless"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for expected in [
        "predicted digit 4, true digit 4",
        "conv1",
        "fc2",
        "0 of 10 output values differ",
        "energy",
        "bound by",
    ] {
        assert!(stdout.contains(expected), "{expected} is missing in:\n{stdout}");
    }
    let report = json(&["--headless", "--json", "--image", "3"]);
    assert_eq!(
        (&report["predicted"], &report["true"], &report["mismatches"]),
        (&6.into(), &6.into(), &0.into())
    );
}

#[test]
fn a_model_and_its_program_give_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let elf = folder.path().join("digits_int8_qdq.elf");
    let (elf, [model, images, expected]) = (elf.to_str().unwrap(), digits());
    let (code, _, stderr) = outcome(&["compile", &model, "-o", elf]);
    assert_eq!(code, 0, "{stderr}");
    let run = |source: &str| {
        let mut report = json(&["run", source, "--input", &images, "--expect", &expected, "--json"]);
        report.as_object_mut().unwrap().remove("host").unwrap();
        report
    };
    let report = run(&model);
    assert_eq!(run(elf), report);
    assert_eq!((&report["inferences"], &report["mismatches"]), (&8.into(), &0.into()));
    assert_eq!(report["top1_agreement"], 1.0);
    let (units, cycles) = (report["units"].as_object().unwrap(), report["cycles"].as_u64().unwrap());
    for (name, unit) in units {
        let sum = |key: &str| {
            unit[key]
                .as_object()
                .unwrap()
                .values()
                .map(|v| v.as_u64().unwrap())
                .sum::<u64>()
        };
        assert_eq!(
            sum("busy") + sum("stall") + unit["idle"].as_u64().unwrap(),
            cycles,
            "{name}"
        );
    }
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(
        layers
            .iter()
            .map(|layer| layer["cycles"].as_u64().unwrap())
            .sum::<u64>(),
        cycles
    );
    let energy: f64 = layers.iter().map(|layer| layer["energy_pj"].as_f64().unwrap()).sum();
    let total = report["energy"]["total_pj"].as_f64().unwrap();
    assert!((energy / total - 1.0).abs() < 1e-6, "{energy} {total}");
}

#[test]
fn disassembly_assembles_to_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (elf, text, again) = (path("a.elf"), path("a.sasm"), path("b.elf"));
    assert_eq!(outcome(&["compile", &digits()[0], "-o", &elf]).0, 0);
    let (code, listing, _) = outcome(&["disasm", &elf]);
    assert_eq!(code, 0);
    std::fs::write(&text, listing).unwrap();
    let (code, _, stderr) = outcome(&["asm", &text, "-o", &again]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(std::fs::read(elf).unwrap(), std::fs::read(again).unwrap());
}

#[test]
fn outputs_are_written_as_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let [model, images, expected] = digits();
    let (code, _, stderr) = outcome(&[
        "run",
        &model,
        "--input",
        &images,
        "--output",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(code, 0, "{stderr}");
    // The headers may differ in blanks; 8 inferences of 10 logits of 4 bytes follow them.
    let data = |path: &Path| std::fs::read(path).unwrap().split_off(128);
    let written = data(&folder.path().join("logits.npy"));
    assert_eq!((written.len(), written), (8 * 10 * 4, data(expected.as_ref())));
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn broken_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [model, images, _] = digits();
    let bytes = std::fs::read(&model).unwrap();
    let elf = folder.path().join("p.elf").to_str().unwrap().to_owned();
    assert_eq!(outcome(&["compile", &model, "-o", &elf]).0, 0);
    let elf_bytes = std::fs::read(&elf).unwrap();
    let mut flipped = elf_bytes.clone();
    flipped[elf_bytes.len() / 2] ^= 1;
    let noise: Vec<u8> = (0..4096u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let files = [
        write(folder.path(), "truncated.onnx", &bytes[..bytes.len() / 2]),
        write(folder.path(), "noise.onnx", &noise),
        write(folder.path(), "empty.onnx", b""),
        write(folder.path(), "truncated.elf", &elf_bytes[..elf_bytes.len() / 3]),
        write(folder.path(), "flipped.elf", &flipped),
        write(folder.path(), "nonsense.sasm", b"this is no program\n"),
    ];
    for file in &files {
        let (code, stdout, stderr) = outcome(&["run", file, "--input", &images]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{file}: {stderr}");
        assert!(stderr.contains("error[") && stderr.contains("help"), "{file}: {stderr}");
    }
    for machine in [
        write(folder.path(), "noise.ron", &noise),
        write(folder.path(), "short.ron", b"(name: \"x\", rows: 3"),
    ] {
        let (code, _, stderr) = outcome(&["run", &model, "--machine", &machine]);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("error["), "{stderr}");
    }
    for array in [
        write(folder.path(), "noise.npy", &noise),
        write(folder.path(), "short.npy", &std::fs::read(&images).unwrap()[..500]),
    ] {
        let (code, _, stderr) = outcome(&["run", &model, "--input", &array]);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("F0005"), "{stderr}");
    }
}

#[test]
fn inputs_of_the_wrong_shape_or_type_are_refused() {
    let [model, images, _] = digits();
    let labels = program_file("digits/labels.npy");
    let (code, _, stderr) = outcome(&["run", &model, "--input", &labels]);
    assert_eq!(code, 1);
    assert!(stderr.contains("[8]") && stderr.contains("[n, 1, 28, 28]"), "{stderr}");
    let (code, _, stderr) = outcome(&["run", &model, "--input", &images, "--input", &images]);
    assert_eq!(code, 1);
    assert!(stderr.contains("2 input arrays for 1 inputs"), "{stderr}");
    let (code, _, stderr) = outcome(&["run", &model, "--input", &images, "--expect", &labels]);
    assert_eq!(code, 1);
    assert!(stderr.contains("8 values") && stderr.contains("80"), "{stderr}");
}

#[test]
fn a_faulting_program_exits_with_three_and_names_the_instruction() {
    let folder = tempfile::tempdir().unwrap();
    let deadlock = write(folder.path(), "deadlock.sasm", b"    mx.nop ?t3\n    halt\n");
    let (code, _, stderr) = outcome(&["run", &deadlock]);
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("deadlock") && stderr.contains("t3") && stderr.contains("mx.nop"),
        "{stderr}"
    );
    let forever = write(folder.path(), "forever.sasm", b"again: jmp again\n");
    let (code, _, stderr) = outcome(&["run", &forever, "--limit", "1000"]);
    assert_eq!(code, 3, "{stderr}");
}

#[test]
fn wrong_usage_exits_with_two_and_help_has_examples() {
    assert_eq!(outcome(&["run"]).0, 2);
    assert_eq!(outcome(&["no-such-verb"]).0, 2);
    for verb in ["run", "compile", "asm", "disasm", "gemm", "explain", "machine"] {
        let (code, stdout, _) = outcome(&[verb, "--help"]);
        assert_eq!(code, 0);
        assert!(stdout.contains("Example"), "{verb} --help has no example:\n{stdout}");
    }
}

#[test]
fn machines_are_listed_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (code, list, _) = outcome(&["machine", "list"]);
    assert_eq!(code, 0);
    let (_, shown, _) = outcome(&["machine", "show", "tiny4x4"]);
    assert!(list.contains("tiny4x4") && shown.contains("rows: 4"));
    let file = write(folder.path(), "mine.ron", shown.as_bytes());
    assert_eq!(outcome(&["machine", "check", &file]).0, 0);
    let bad = write(
        folder.path(),
        "bad.ron",
        shown
            .replace("rows: 4", "rows: 0")
            .replace("cols: 4", "cols: 5000")
            .as_bytes(),
    );
    let (code, _, stderr) = outcome(&["machine", "check", &bad]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("`rows` is 0") && stderr.contains("`cols` is 5000"),
        "every reason at once: {stderr}"
    );
    assert_eq!(outcome(&["machine", "show", "nothing"]).0, 1);
}

#[test]
fn explain_knows_every_code_of_the_index() {
    let (code, index, _) = outcome(&["explain"]);
    assert_eq!(code, 0);
    let entries: Vec<(&str, &str)> = index
        .lines()
        .filter_map(|line| line.strip_prefix("### ")?.split_once(": "))
        .collect();
    assert!(entries.len() > 50, "{}", entries.len());
    for (entry, title) in entries {
        let (code, text, _) = outcome(&["explain", &entry.to_lowercase()]);
        assert_eq!(code, 0, "{entry}");
        assert!(text.starts_with(&format!("{entry}: {title}\n\n")), "{text}");
    }
    let (code, _, stderr) = outcome(&["explain", "Z9999"]);
    assert!(code == 1 && stderr.contains("F0015"), "{stderr}");
}

#[test]
fn a_trace_is_written_and_cut_and_an_empty_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("digits.json");
    let (out, [model, images, _]) = (out.to_str().unwrap(), digits());
    let args = ["trace", &model, "--input", &images, "-o", out, "--format", "perfetto"];
    let (code, stdout, stderr) = outcome(&[&args[..], &["--from", "1000", "--to", "2000"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("cycles 1,000 to 2,000"), "{stdout}");
    let trace: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let spans = trace["traceEvents"].as_array().unwrap();
    let starts = spans.iter().filter_map(|span| span["args"]["start_cycle"].as_u64());
    assert!(starts.clone().count() > 0 && starts.clone().all(|start| (1000..2000).contains(&start)));
    let (code, _, stderr) = outcome(&[&args[..], &["--from", "7", "--to", "7"]].concat());
    assert_eq!(code, 1);
    assert!(stderr.contains("F0030"), "{stderr}");
    let (code, _, stderr) = outcome(&["trace", &model, "-o", "/nowhere/x.vcd", "--format", "vcd"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("F0002"), "{stderr}");
}

#[test]
fn a_roofline_is_drawn_and_its_numbers_are_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("roofline.svg");
    let (out, [model, images, _]) = (out.to_str().unwrap(), digits());
    let report = json(&["run", &model, "--input", &images, "--roofline", out, "--json"]);
    let points = report["roofline"]["points"].as_array().unwrap();
    assert_eq!(
        (&points[0]["name"], &points[0]["ratio"]),
        (&"network".into(), &report["roofline_ratio"])
    );
    let svg = std::fs::read_to_string(out).unwrap();
    assert!(svg.contains("<svg") && points.iter().all(|point| svg.contains(point["name"].as_str().unwrap())));
}
