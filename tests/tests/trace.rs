//! Traces, read back by libraries that know nothing of Systole: every busy and stalled cycle of the report stands in the trace exactly
//! once, cuts are exact, energy and bytes are conserved, and memory does not grow with the run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use systole_compiler::codegen::{self, TilingPolicy};
use systole_isa::machine::preset;
use systole_isa::operand::{Imm, MarkKind, Scalar, Space, Target};
use systole_isa::program::Mark;
use systole_isa::{ElementFormat, Op, Unit};
use systole_programs::DIGITS;
use systole_simulator::activity::ActivityCycles;
use systole_simulator::energy::EnergyModel;
use systole_simulator::trace::{TraceFormat, TraceOptions, TraceSummary, record};
use systole_simulator::{Activity, BusyKind, Machine, Mode, StallReason, Status};
use systole_testkit::build::{Builder, Matrix, load, tiny, tokens};

/// Cycles by unit and by name of the activity, idle left out.
type Sums = BTreeMap<(String, String), u64>;

fn digits() -> Machine {
    let graph = systole_compiler::lower(systole_compiler::import_onnx(DIGITS.model).unwrap()).unwrap();
    let description = preset("edge16x16").unwrap();
    let program = codegen::generate(&graph, &description, TilingPolicy::Fastest).unwrap();
    Machine::new(Arc::new(program), Arc::new(description), Mode::TimingOnly).unwrap()
}

fn trace(machine: &mut Machine, format: TraceFormat, options: &TraceOptions) -> (String, TraceSummary) {
    let mut bytes = Vec::new();
    let summary = record(machine, format, options, u64::MAX, &mut bytes, |_| {}).unwrap();
    (String::from_utf8(bytes).unwrap(), summary)
}

fn between(from: u64, to: u64) -> TraceOptions {
    TraceOptions {
        from,
        to,
        ..TraceOptions::default()
    }
}

fn entries(unit: Unit, cycles: &ActivityCycles) -> Vec<((String, String), u64)> {
    let busy = BusyKind::ALL.map(Activity::Busy);
    let stalls = StallReason::ALL.map(Activity::Stalled);
    let named = busy.into_iter().chain(stalls);
    named
        .map(|activity| {
            (
                (unit.name().to_owned(), activity.name().to_owned()),
                cycles.of(activity),
            )
        })
        .filter(|(_, cycles)| *cycles > 0)
        .collect()
}

/// What the machine's own counters say about cycles before now.
fn counted(machine: &Machine) -> Sums {
    Unit::ALL
        .iter()
        .flat_map(|&unit| entries(unit, &machine.unit_cycles(unit)))
        .collect()
}

/// What the machine's own counters say about cycles `from..to`.
fn counted_between(from: u64, to: u64) -> Sums {
    let mut machine = digits();
    machine.advance_to(from, &mut ());
    let before = counted(&machine);
    machine.advance_to(to, &mut ());
    let mut sums = counted(&machine);
    for (key, cycles) in before {
        *sums.get_mut(&key).unwrap() -= cycles;
    }
    sums.retain(|_, cycles| *cycles > 0);
    sums
}

fn perfetto_sums(text: &str) -> Sums {
    let trace: Value = serde_json::from_str(text).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |ph: &str| {
        events
            .iter()
            .filter(move |event| event["ph"] == *ph)
            .collect::<Vec<_>>()
    };
    let names: BTreeMap<(u64, u64), &str> = of("M")
        .into_iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| {
            let track = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
            (track, event["args"]["name"].as_str().unwrap())
        })
        .collect();
    let mut sums = Sums::new();
    let mut ends: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let nanoseconds = |value: &Value| (value.as_f64().unwrap() * 1000.0).round() as u64;
    for event in of("X") {
        let track = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let (start, cycles) = (nanoseconds(&event["ts"]), nanoseconds(&event["dur"]));
        assert_eq!(start, event["args"]["start_cycle"].as_u64().unwrap());
        assert_eq!(cycles, event["args"]["cycles"].as_u64().unwrap());
        let end = ends.insert(track, start + cycles).unwrap_or(0);
        assert!(end <= start, "spans of a track overlap at {start}");
        if matches!(event["cat"].as_str().unwrap(), "busy" | "stall") {
            let key = (names[&track].to_owned(), event["name"].as_str().unwrap().to_owned());
            *sums.entry(key).or_default() += cycles;
        }
    }
    sums
}

/// Cycles by unit and kind between the changes of a value change dump, and its first and last time stamp.
fn vcd_sums(text: &str) -> (Sums, u64, u64) {
    let mut parser = vcd::Parser::new(text.as_bytes());
    let header = parser.parse_header().unwrap();
    assert_eq!(header.timescale, Some((1, vcd::TimescaleUnit::NS)));
    let mut names = BTreeMap::new();
    for unit in Unit::ALL {
        for variable in ["kind", "stall"] {
            let var = header.find_var(&["systole", unit.name(), variable]).unwrap();
            names.insert(var.code, (unit.name().to_owned(), variable));
        }
    }
    for name in ["dram_bytes_per_cycle", "power_w"] {
        assert_eq!(
            header.find_var(&["systole", name]).unwrap().var_type,
            vcd::VarType::Real
        );
    }
    let mut sums = Sums::new();
    let mut shown: BTreeMap<(String, &str), (String, u64)> = BTreeMap::new();
    let (mut now, mut first) = (0, None);
    let mut add = |unit: &str, value: &str, cycles: u64| {
        if !matches!(value, "idle" | "stalled" | "-") && cycles > 0 {
            *sums.entry((unit.to_owned(), value.to_owned())).or_default() += cycles;
        }
    };
    for command in parser {
        match command.unwrap() {
            vcd::Command::Timestamp(at) => {
                assert!(at >= now, "time goes back from {now} to {at}");
                first.get_or_insert(at);
                now = at;
            }
            vcd::Command::ChangeString(code, value) => {
                if let Some(key) = names.get(&code)
                    && let Some((old, since)) = shown.insert(key.clone(), (value, now))
                {
                    add(&key.0, &old, now - since);
                }
            }
            _ => {}
        }
    }
    for ((unit, _), (value, since)) in &shown {
        add(unit, value, now - since);
    }
    (sums, first.unwrap(), now)
}

#[derive(Default)]
struct Table {
    sums: Sums,
    bytes: u64,
    energy_fj: u64,
    /// (start, end) of each counter window of traffic.
    windows: Vec<(u64, u64)>,
    sections: Vec<(String, String, u64, u64)>,
}

fn csv_table(text: &str) -> Table {
    let mut table = Table::default();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), 9, "{line}");
        let (start, end): (u64, u64) = (cells[6].parse().unwrap(), cells[7].parse().unwrap());
        match (cells[1], cells[2]) {
            ("busy" | "stall", name) => {
                let cycles: u64 = cells[8].parse().unwrap();
                assert_eq!(cycles, end - start);
                *table.sums.entry((cells[0].to_owned(), name.to_owned())).or_default() += cycles;
            }
            ("counter", "traffic_bytes") => {
                table.bytes += cells[8].parse::<u64>().unwrap();
                table.windows.push((start, end));
            }
            ("counter", "energy_fj") => table.energy_fj += cells[8].parse::<u64>().unwrap(),
            ("section", name) => table.sections.push((cells[0].to_owned(), name.to_owned(), start, end)),
            _ => {}
        }
    }
    table
}

#[test]
fn every_format_holds_the_cycles_of_the_report() {
    let mut machine = digits();
    let (json, summary) = trace(&mut machine, TraceFormat::Perfetto, &TraceOptions::default());
    assert_eq!(*machine.status(), Status::Halted);
    let expected = counted(&machine);
    assert!(expected.len() > 8, "{expected:?}");
    assert_eq!((summary.from, summary.to), (0, machine.now()));
    assert_eq!(perfetto_sums(&json), expected);
    let (text, _) = trace(&mut digits(), TraceFormat::Vcd, &TraceOptions::default());
    assert_eq!(vcd_sums(&text), (expected.clone(), 0, machine.now()));
    let (text, _) = trace(&mut digits(), TraceFormat::Csv, &TraceOptions::default());
    let table = csv_table(&text);
    assert_eq!(table.sums, expected);
    let layers: Vec<&str> = table.sections.iter().map(|section| section.1.as_str()).collect();
    assert_eq!(
        layers,
        machine
            .program()
            .marks
            .iter()
            .map(|m| m.name.as_str())
            .collect::<Vec<_>>()
    );

    // Must fail: one span less is seen.
    let spoiled = json.replacen("\"cat\":\"busy\"", "\"cat\":\"lost\"", 1);
    assert_ne!(perfetto_sums(&spoiled), expected);
}

#[test]
fn a_trace_leaves_the_run_as_it_is() {
    let mut plain = digits();
    plain.advance_to(u64::MAX, &mut ());
    for format in [TraceFormat::Perfetto, TraceFormat::Vcd, TraceFormat::Csv] {
        let mut traced = digits();
        trace(&mut traced, format, &TraceOptions::default());
        assert_eq!((traced.now(), traced.state_hash()), (plain.now(), plain.state_hash()));
    }
}

#[test]
fn windows_hold_every_byte_and_every_femtojoule() {
    for window_cycles in [1_000_000, 256, 97] {
        let mut machine = digits();
        let options = TraceOptions {
            window_cycles,
            ..TraceOptions::default()
        };
        let table = csv_table(&trace(&mut machine, TraceFormat::Csv, &options).0);
        let counts = machine.counts();
        assert_eq!(table.bytes, counts.dram_read_bytes + counts.dram_write_bytes);
        let model = EnergyModel::of(machine.description());
        assert_eq!(table.energy_fj, model.total(&counts, machine.now()).total().0);
        assert_eq!(table.windows.last().unwrap().1, machine.now());
        let gaps = table.windows.windows(2).filter(|pair| pair[0].1 != pair[1].0).count();
        assert_eq!(gaps, 0);
        assert!(table.windows.iter().all(|(start, end)| end - start <= window_cycles));
    }
}

#[test]
fn cuts_are_exact_and_their_parts_make_the_whole() {
    let mut machine = digits();
    machine.advance_to(u64::MAX, &mut ());
    let end = machine.now();
    let whole = csv_table(&trace(&mut digits(), TraceFormat::Csv, &TraceOptions::default()).0);
    for cut in [1, 1234, end / 2, end - 1] {
        let expected = counted_between(0, cut);
        let (text, summary) = trace(&mut digits(), TraceFormat::Perfetto, &between(0, cut));
        assert_eq!((perfetto_sums(&text), summary.to), (expected, cut));
        let rest = counted_between(cut, end);
        let (sums, first, last) = vcd_sums(&trace(&mut digits(), TraceFormat::Vcd, &between(cut, u64::MAX)).0);
        assert_eq!((sums, first, last), (rest, cut, end));
        let [left, right] = [between(0, cut), between(cut, end)]
            .map(|options| csv_table(&trace(&mut digits(), TraceFormat::Csv, &options).0));
        assert_eq!(left.bytes + right.bytes, whole.bytes);
        assert!(left.windows.last().unwrap().1 == cut && right.windows[0].0 == cut);
        // The instruction that ends the run counts for the cycle after its end, which this cut leaves out; with it go the row commands
        // of the last stores.
        let lost = whole.energy_fj - left.energy_fj - right.energy_fj;
        assert!(lost < 10_000_000, "{lost} fJ");
    }
    // Must fail: a cut one cycle off is another one.
    assert_ne!(
        counted_between(0, 1235),
        perfetto_sums(&trace(&mut digits(), TraceFormat::Perfetto, &between(0, 1234)).0)
    );
}

/// Loads and stores under tile marks, `n_rounds` times.
fn rounds(n_rounds: i64) -> Machine {
    let mut b = Builder::new(4096);
    let start = b.op(Op::Loop {
        count: Scalar::Imm(n_rounds),
        end: Target(0),
    });
    b.op(Op::Mark {
        kind: MarkKind::Tile,
        id: Imm(0),
    });
    b.matrix(0, Matrix::dense(Space::Spm, ElementFormat::I8, 0, 8, 16));
    b.matrix(1, Matrix::dense(Space::Dram, ElementFormat::I8, 0, 8, 16));
    b.ld(0, 1, (8, 16), tokens(&[], &[0]));
    b.st(1, 0, (8, 16), tokens(&[0], &[1]));
    b.op(Op::Fence {});
    b.close_loop(start);
    let mut program = b.halt();
    program.marks = vec![Mark {
        name: "tile, \"one\"".into(),
        op: "copy".into(),
        plan: None,
    }];
    load(program, &tiny())
}

#[test]
fn memory_does_not_grow_with_the_run() {
    let mut pending = Vec::new();
    for n_rounds in [1_000, 10_000] {
        let mut machine = rounds(n_rounds);
        let mut sink = std::io::sink();
        let options = TraceOptions::default();
        let summary = record(&mut machine, TraceFormat::Vcd, &options, u64::MAX, &mut sink, |_| {}).unwrap();
        assert_eq!(*machine.status(), Status::Halted);
        assert!(summary.n_spans > 3 * n_rounds as u64);
        pending.push((summary.n_spans, summary.max_pending));
    }
    let [(short, at_short), (long, at_long)] = pending[..] else {
        panic!()
    };
    assert!(long > 9 * short, "{pending:?}");
    assert!(
        at_long < at_short + at_short / 10 && (at_long as u64) < short,
        "{pending:?}"
    );
}

#[test]
fn a_writer_that_refuses_is_an_error_and_no_panic() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in [TraceFormat::Perfetto, TraceFormat::Vcd, TraceFormat::Csv] {
        let result = record(
            &mut rounds(3),
            format,
            &TraceOptions::default(),
            u64::MAX,
            &mut Full,
            |_| {},
        );
        assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}

#[test]
fn names_with_commas_quotes_and_spaces_survive() {
    let (json, _) = trace(&mut rounds(1), TraceFormat::Perfetto, &TraceOptions::default());
    let parsed: Value = serde_json::from_str(&json).unwrap();
    let events = parsed["traceEvents"].as_array().unwrap();
    assert!(
        events
            .iter()
            .any(|e| e["cat"] == "tile" && e["name"] == "tile, \"one\"")
    );
    let (text, _) = trace(&mut rounds(1), TraceFormat::Csv, &TraceOptions::default());
    assert!(text.contains("tiles,section,\"tile, \"\"one\"\"\","), "{text}");
    let (text, _) = trace(&mut rounds(1), TraceFormat::Vcd, &TraceOptions::default());
    assert!(text.contains("stile,_\"one\" "));
    vcd_sums(&text);
}
