//! The machine against an array of registers: values, cycles, and what every PE holds in every cycle.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use systole_isa::machine::Overlap;
use systole_isa::operand::{Accumulate, Space, Weights};
use systole_isa::{ElementFormat, MachineDescription, Op, Program, Unit};
use systole_simulator::{Event, Machine, PeView, Status, observer::Watch};
use systole_testkit::array::{Edge, Output, ReferenceArray, Skew, WeightRow};
use systole_testkit::build::{Builder, Matrix, count, load, read_values, tiny, tokens, whole};

/// A weight tile and the product that uses it.
#[derive(Clone, Debug)]
struct Tile {
    k: usize,
    n: usize,
    weights: Vec<i32>,
    zero_point: i32,
    /// First activation row, and how many.
    m0: usize,
    m: usize,
    /// First column of the activations.
    k0: usize,
    /// Uses the weights of the tile before.
    keeps: bool,
}

/// Activations, and the tiles that they run through one after the other into the same accumulators.
#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    cols: usize,
    overlap: Overlap,
    formats: [ElementFormat; 2],
    zero_point: i32,
    m: usize,
    k: usize,
    activations: Vec<i32>,
    tiles: Vec<Tile>,
}

impl Case {
    fn description(&self) -> MachineDescription {
        MachineDescription {
            rows: self.rows as u32,
            cols: self.cols as u32,
            overlap: self.overlap,
            ..tiny()
        }
    }

    /// Row `i` of a tile's product as it enters the array: less the zero point.
    fn row(&self, tile: &Tile, i: usize) -> Vec<i32> {
        let first = (tile.m0 + i) * self.k + tile.k0;
        self.activations[first..first + tile.k]
            .iter()
            .map(|a| a - self.zero_point)
            .collect()
    }
}

fn byte_format() -> impl Strategy<Value = ElementFormat> {
    prop::sample::select(vec![ElementFormat::I8, ElementFormat::U8])
}

/// Bytes of which many are zero points or extremes, so that gating and large sums occur.
fn byte_values(format: ElementFormat, zero_point: i32, n: usize) -> impl Strategy<Value = Vec<i32>> {
    let (lo, hi) = format.range();
    prop::collection::vec(
        prop_oneof![4 => lo..=hi, 1 => Just(zero_point), 1 => Just(lo), 1 => Just(hi)],
        n,
    )
}

fn zero_point(format: ElementFormat) -> impl Strategy<Value = i32> {
    let (lo, hi) = format.range();
    prop_oneof![Just(lo.max(0)), lo..=hi]
}

fn tile(rows: usize, cols: usize, m: usize, format: ElementFormat) -> impl Strategy<Value = Tile> {
    (1..=rows, 1..=cols, zero_point(format), 1..=m, prop::bool::weighted(0.2))
        .prop_flat_map(move |(k, n, zero_point, m_used, keeps)| {
            let weights = byte_values(format, zero_point, k * n);
            (weights, 0..=m - m_used, Just((k, n, zero_point, m_used, keeps)))
        })
        .prop_map(|(weights, m0, (k, n, zero_point, m, keeps))| Tile {
            k,
            n,
            weights,
            zero_point,
            m0,
            m,
            k0: 0,
            keeps,
        })
}

fn case() -> impl Strategy<Value = Case> {
    let sizes = (1usize..=8, 1usize..=8, 1usize..=12, byte_format(), byte_format());
    let overlap = prop::sample::select(vec![Overlap::None, Overlap::Full]);
    (sizes, overlap)
        .prop_flat_map(|((rows, cols, m, a, w), overlap)| {
            let tiles = prop::collection::vec(tile(rows, cols, m, w), 1..=3);
            (tiles, zero_point(a), Just((rows, cols, m, [a, w], overlap)))
        })
        .prop_flat_map(|(mut tiles, zero_point, shape)| {
            let mut k_total = 0;
            for i in 0..tiles.len() {
                tiles[i].keeps &= i > 0;
                if tiles[i].keeps {
                    let before = tiles[i - 1].clone();
                    tiles[i] = Tile {
                        m0: tiles[i].m0,
                        m: tiles[i].m,
                        keeps: true,
                        ..before
                    };
                }
                tiles[i].k0 = k_total;
                k_total += tiles[i].k;
            }
            (
                byte_values(shape.3[0], zero_point, shape.2 * k_total),
                Just((tiles, zero_point, k_total, shape)),
            )
        })
        .prop_map(
            |(activations, (tiles, zero_point, k, (rows, cols, m, formats, overlap)))| Case {
                rows,
                cols,
                overlap,
                formats,
                zero_point,
                m,
                k,
                activations,
                tiles,
            },
        )
}

const A: u8 = 0;
const A_DRAM: u8 = 1;
const C: u8 = 2;
const C_DRAM: u8 = 3;
/// Descriptors of the tiles' weights in the scratchpad, then in DRAM.
const W: u8 = 4;
const W_DRAM: u8 = 12;
/// Byte address of the result in DRAM, of weight tile `i` in both memories, and of the activations.
const C_BASE: i64 = 0x1000;
const W_BASE: i64 = 0x800;
const W_BYTES: i64 = 64;

/// Loads everything, then lets the array run without a pause: its first instruction waits for a credit that comes last.
fn program(case: &Case) -> Program {
    let mut b = Builder::new(0x2000);
    let [a_format, w_format] = case.formats;
    let [m, k, cols] = [case.m, case.k, case.cols].map(|n| n as u64);
    let a = Matrix {
        zero_point: case.zero_point,
        ..Matrix::dense(Space::Spm, a_format, 0, m, k)
    };
    let c = Matrix::dense(Space::Acc, ElementFormat::I32, 0, m, cols);
    b.matrix(A, a);
    b.matrix(
        A_DRAM,
        Matrix {
            space: Space::Dram,
            ..a
        },
    );
    b.matrix(C, c);
    b.matrix(
        C_DRAM,
        Matrix {
            space: Space::Dram,
            base: C_BASE,
            ..c
        },
    );
    b.values(0, a_format, &case.activations);
    let loads = |i: &usize| !case.tiles[*i].keeps;
    for i in (0..case.tiles.len()).filter(loads) {
        let tile = &case.tiles[i];
        let base = W_BASE + W_BYTES * i as i64;
        let dense = Matrix::dense(Space::Spm, w_format, base, tile.k as u64, tile.n as u64);
        let w = Matrix {
            zero_point: tile.zero_point,
            ..dense
        };
        b.matrix(W + i as u8, w);
        b.matrix(
            W_DRAM + i as u8,
            Matrix {
                space: Space::Dram,
                ..w
            },
        );
        b.values(base as u64, w_format, &tile.weights);
        b.ld(W + i as u8, W_DRAM + i as u8, (w.m, w.n), tokens(&[], &[]));
    }
    b.ld(A, A_DRAM, (m, k), tokens(&[], &[0]));
    for (i, tile) in case.tiles.iter().enumerate() {
        if loads(&i) {
            let wload = Op::MxWload {
                w: whole(W + i as u8),
                k: count(tile.k as u64),
                n: count(tile.n as u64),
            };
            b.with(wload, if i == 0 { tokens(&[0, 1], &[]) } else { tokens(&[], &[]) });
        }
        let mm = Op::MxMm {
            c: whole(C),
            a: whole(A),
            m0: count(tile.m0 as u64),
            m: count(tile.m as u64),
            k0: count(tile.k0 as u64),
            mode: if i == 0 { Accumulate::Over } else { Accumulate::Add },
            weights: if tile.keeps { Weights::Keep } else { Weights::Swap },
        };
        let is_last = i + 1 == case.tiles.len();
        b.with(mm, if is_last { tokens(&[], &[2]) } else { tokens(&[], &[]) });
    }
    b.with(Op::Nop {}, tokens(&[], &[1]));
    b.st(C_DRAM, C, (m, cols), tokens(&[2], &[]));
    b.halt()
}

/// Start and end of the array's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    /// Of the weight load; as the product's start if the weights are kept.
    load: (u64, u64),
    product: (u64, u64),
}

/// Runs the case; returns the halted machine and the times of its tiles.
fn run(case: &Case) -> (Machine, Vec<Times>) {
    let mut machine = load(program(case), &case.description());
    let code = machine.program().code.clone();
    let mut spans = Vec::new();
    machine.advance_to(
        1_000_000,
        &mut Watch(|event: &Event| {
            if let Event::Completed {
                unit: Unit::Mx,
                pc,
                start,
                end,
                ..
            } = *event
            {
                spans.push((pc, start, end));
            }
        }),
    );
    assert_eq!(*machine.status(), Status::Halted);
    spans.sort_unstable();
    let mut times = Vec::new();
    let mut load = None;
    for (pc, start, end) in spans {
        match code[pc as usize].op {
            Op::MxWload { .. } => load = Some((start, end)),
            _ => times.push(Times {
                load: load.take().unwrap_or((start, start)),
                product: (start, end),
            }),
        }
    }
    assert_eq!(times.len(), case.tiles.len());
    (machine, times)
}

/// What is presented at the edges of the array in a cycle, given when the machine started its instructions.
fn edge(case: &Case, times: &[Times], cycle: u64) -> Edge {
    let mut edge = Edge::default();
    for (tile, times) in case.tiles.iter().zip(times) {
        if !tile.keeps
            && let Some(item) = cycle.checked_sub(times.load.0)
        {
            // Without overlap the whole chain shifts, so that empty places go first.
            let chain = if case.overlap == Overlap::None {
                case.rows
            } else {
                tile.k
            };
            if (item as usize) < chain {
                let row = chain - 1 - item as usize;
                let weight = |col: usize| {
                    (row < tile.k && col < tile.n).then(|| tile.weights[row * tile.n + col] - tile.zero_point)
                };
                edge.weights = Some(WeightRow {
                    weights: (0..case.cols).map(weight).collect(),
                    is_last: row == 0,
                });
            }
        }
        if let Some(row) = cycle
            .checked_sub(times.product.0)
            .map(|row| row as usize)
            .filter(|&row| row < tile.m)
        {
            edge.activations = case.row(tile, row);
            edge.swaps = !tile.keeps && row == 0;
        }
    }
    edge
}

/// The first PE whose registers differ from the view.
fn difference(array: &ReferenceArray, view: &PeView) -> Option<String> {
    (0..view.n_rows)
        .flat_map(|r| (0..view.n_cols).map(move |c| (r, c)))
        .find_map(|(r, c)| {
            let (pe, cell) = (array.pe(r, c), view.cell(r, c));
            let held = (pe.weight, pe.shadow, pe.activation, pe.partial_sum);
            let shown = (cell.weight, cell.shadow, cell.activation, cell.partial_sum);
            (held != shown).then(|| {
                format!(
                    "cycle {}, PE ({r}, {c}): holds {held:?}, is shown {shown:?}",
                    view.cycle
                )
            })
        })
}

/// Steps machine and array side by side. Returns what left the array, or the first difference.
fn compare_views(case: &Case, times: &[Times], skew: Skew) -> Result<Vec<Output>, String> {
    let first = times[0].load.0;
    let last = times.iter().map(|t| t.product.1).max().unwrap_or(0);
    let mut machine = load(program(case), &case.description());
    machine.advance_to(first, &mut ());
    let mut array = ReferenceArray::new(case.rows, case.cols, skew, first);
    let mut busy = 0;
    for cycle in first..last + 2 {
        array.clock(&edge(case, times, cycle));
        machine.step_cycle(&mut ());
        let view = machine.pe_view();
        if (view.cycle, view.n_rows, view.n_cols) != (cycle, case.rows, case.cols) {
            return Err(format!("cycle {cycle} is shown as {}", view.cycle));
        }
        busy += view.cells.iter().filter(|cell| cell.activation.is_some()).count();
        if let Some(difference) = difference(&array, &view) {
            return Err(difference);
        }
    }
    // Every multiplication was on view once.
    assert_eq!(
        busy,
        case.tiles.iter().map(|tile| tile.m * tile.k * tile.n).sum::<usize>()
    );
    Ok(array.outputs().to_vec())
}

/// The accumulators, added up from what left the array, and the last cycle of each product in each column.
fn accumulate(case: &Case, outputs: &[Output]) -> (Vec<i32>, Vec<Vec<u64>>) {
    let mut c = vec![0; case.m * case.cols];
    let mut last_cycles = vec![vec![]; case.tiles.len()];
    for column in 0..case.cols {
        let mut values = outputs.iter().filter(|output| output.column == column);
        for (i, tile) in case.tiles.iter().enumerate().filter(|(_, tile)| column < tile.n) {
            for row in 0..tile.m {
                let output = values.next().expect("every row leaves every column of its tile");
                c[row * case.cols + column] += output.value as i32;
                if row + 1 == tile.m {
                    last_cycles[i].push(output.cycle);
                }
            }
        }
        assert_eq!(values.next(), None, "nothing else leaves column {column}");
    }
    (c, last_cycles)
}

/// When the latency rules let the instructions start, given the start of the first: an instruction at the head of the array's queue starts
/// as soon as its port is free, its weights are loaded and the shadow registers that it fills have been swapped.
fn expected_times(case: &Case, first: u64) -> Vec<Times> {
    let (rows, cols) = (case.rows as u64, case.cols as u64);
    let mut expected: Vec<Times> = Vec::new();
    for tile in &case.tiles {
        let (m, k) = (tile.m as u64, tile.k as u64);
        let before = expected.last().copied();
        let (load, start) = match (case.overlap, before) {
            (Overlap::None, before) => {
                let free = before.map_or(first, |b| b.product.1);
                let loaded = if tile.keeps { free } else { free + rows };
                ((free, loaded), loaded)
            }
            (Overlap::Full, None) => ((first, first + k), first + k),
            (Overlap::Full, Some(b)) => {
                let stream_free = b.product.1 - (rows + cols - 2);
                let load = b.product.0.max(b.load.1);
                let loaded = if tile.keeps { stream_free } else { load + k };
                ((load, loaded), stream_free.max(loaded))
            }
        };
        let load = if tile.keeps { (start, start) } else { load };
        expected.push(Times {
            load,
            product: (start, start + m + rows + cols - 2),
        });
    }
    expected
}

proptest! {
    #[test]
    fn the_machine_equals_the_register_level_array(case in case()) {
        let (machine, times) = run(&case);
        let outputs = compare_views(&case, &times, Skew::Exact).map_err(TestCaseError::fail)?;
        let (expected, last_cycles) = accumulate(&case, &outputs);
        let stored = read_values(&machine, Space::Dram, ElementFormat::I32, C_BASE as u64, case.m * case.cols);
        prop_assert_eq!(stored, expected);
        for ((tile, times), last_cycles) in case.tiles.iter().zip(&times).zip(last_cycles) {
            // Results stand in the accumulators when the last one has left the last column; unused columns keep their cycle.
            let last = last_cycles.iter().max().unwrap();
            prop_assert_eq!(times.product.1, last + 1 + (case.cols - tile.n) as u64);
        }
    }

    #[test]
    fn instructions_of_the_array_start_and_end_when_the_rules_say(case in case()) {
        let (_, times) = run(&case);
        prop_assert_eq!(&times, &expected_times(&case, times[0].load.0));
    }

    #[test]
    fn a_shifted_array_is_found_out(case in case()) {
        let (_, times) = run(&case);
        prop_assert!(compare_views(&case, &times, Skew::LateFrom(0)).is_err());
        if case.tiles[0].k > 1 {
            prop_assert!(compare_views(&case, &times, Skew::LateFrom(1)).is_err());
        }
        // So is a machine that started a cycle earlier than it says.
        let mut late = times.clone();
        late.iter_mut().for_each(|t| (t.load.0, t.product.0) = (t.load.0 + 1, t.product.0 + 1));
        prop_assert!(compare_views(&case, &late, Skew::Exact).is_err());
    }
}

#[test]
fn three_overlapped_tiles_stream_without_a_gap() {
    let tile = Tile {
        k: 4,
        n: 4,
        weights: (0..16).collect(),
        zero_point: 0,
        m0: 0,
        m: 8,
        k0: 0,
        keeps: false,
    };
    let case = Case {
        rows: 4,
        cols: 4,
        overlap: Overlap::Full,
        formats: [ElementFormat::I8; 2],
        zero_point: 0,
        m: 8,
        k: 12,
        activations: (0..96).collect(),
        tiles: (0..3)
            .map(|i| Tile {
                k0: 4 * i,
                ..tile.clone()
            })
            .collect(),
    };
    let (machine, times) = run(&case);
    let first = times[0].load.0;
    let starts: Vec<u64> = times.iter().map(|t| t.product.0 - first).collect();
    assert_eq!(starts, [4, 12, 20]);
    assert_eq!(
        times[2].product.1 - first,
        4 + 3 * 8 + 6,
        "weight load, three streams, one drain"
    );
    let serial = Case {
        overlap: Overlap::None,
        ..case
    };
    let (serial_machine, serial_times) = run(&serial);
    assert_eq!(serial_times[2].product.1 - serial_times[0].load.0, 3 * (4 + 8 + 6));
    let result = |machine| read_values(machine, Space::Dram, ElementFormat::I32, C_BASE as u64, 32);
    assert_eq!(result(&machine), result(&serial_machine));
}
