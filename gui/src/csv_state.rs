//! The data of the panels that show one moment, and of the comparison of machines, as tables of comma-separated values.

use crate::bench::RunSummary;
use crate::csv::quoted;
use crate::export::Shown;
use crate::format;
use crate::frame::UNIT_NAMES;
use crate::inspection::format_names;
use std::fmt::Write;
use std::sync::Arc;

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// What every PE holds.
pub(crate) fn array_csv(shown: &Shown<'_>) -> Result<String, String> {
    let array = &shown.frame.now.array;
    let mut text = "row,column,state,weight,next_weight,activation,partial_sum,activation_row\n".to_owned();
    for (idx, cell) in array.cells.iter().enumerate() {
        let (row, column) = (idx / array.n_cols.max(1), idx % array.n_cols.max(1));
        let numbers = [cell.weight, cell.next_weight, cell.activation].map(optional).join(",");
        let (sum, activation_row) = (optional(cell.partial_sum), optional(cell.activation_row));
        let state = cell.state.name();
        let _ = writeln!(text, "{row},{column},{state},{numbers},{sum},{activation_row}");
    }
    Ok(text)
}

/// The listing with what each instruction has cost.
pub(crate) fn program_csv(shown: &Shown<'_>) -> Result<String, String> {
    let program = shown.frame.program.as_ref().ok_or("no program is open")?;
    let mut text =
        "instruction,unit,mnemonic,operands,label,layer,executions,cycles,stall_cycles,femtojoules\n".to_owned();
    let totals = &shown.frame.now.line_totals;
    for (pc, line) in program.lines.iter().enumerate() {
        let layer = line.layer_idx.and_then(|idx| program.layers.get(idx));
        let total = totals.get(pc).copied().unwrap_or_default();
        let (unit, operands) = (UNIT_NAMES[line.unit], quoted(&line.operands));
        let (label, layer) = (line.label.as_deref().unwrap_or(""), layer.map_or("", String::as_str));
        let _ = write!(
            text,
            "{pc},{unit},{},{operands},{},{}",
            line.mnemonic,
            quoted(label),
            quoted(layer)
        );
        let (n, cycles, stalled, energy) = (total.n_executed, total.cycles, total.stall_cycles, total.energy_fj);
        let _ = writeln!(text, ",{n},{cycles},{stalled},{energy}");
    }
    Ok(text)
}

/// The counters, with values as they are shown.
pub(crate) fn counters_csv(shown: &Shown<'_>) -> Result<String, String> {
    let mut text = "group,counter,value\n".to_owned();
    for counter in shown.frame.now.counters.iter() {
        let (name, value) = (quoted(counter.name.trim()), quoted(&format::quantity(counter.value)));
        let _ = writeln!(text, "{},{name},{value}", quoted(counter.group));
    }
    Ok(text)
}

/// The elements of the stretch of memory that is shown.
pub(crate) fn memory_csv(shown: &Shown<'_>) -> Result<String, String> {
    let content = &shown.frame.now.close_up.memory;
    let window = content.window;
    let format = format_names().nth(window.format_idx).unwrap_or_default();
    let mut text = "memory,address,bit,format,value,tensor\n".to_owned();
    for (idx, value) in content.elements.iter().enumerate() {
        let bit = idx as u64 * u64::from(content.element_bits);
        let address = window.address + bit / 8;
        let holds = |start: u64, end: u64| (start..end).contains(&address);
        // Later pieces cover earlier ones.
        let piece = content.pieces.iter().rev().find(|piece| holds(piece.start, piece.end));
        let tensor = quoted(piece.map_or("", |piece| &piece.name));
        let _ = writeln!(
            text,
            "{},{address},{},{format},{value},{tensor}",
            window.space.name(),
            bit % 8
        );
    }
    if content.elements.is_empty() {
        return Err("no byte of a memory is shown".to_owned());
    }
    Ok(text)
}

/// Which layer hands which tensor to which.
pub(crate) fn graph_csv(shown: &Shown<'_>) -> Result<String, String> {
    let program = shown.frame.program.as_ref().ok_or("no program is open")?;
    let name = |idx: usize| quoted(program.layers.get(idx).map_or("", String::as_str));
    let mut text = "from_layer,to_layer,tensor\n".to_owned();
    for edge in &program.graph.edges {
        let _ = writeln!(text, "{},{},{}", name(edge.from), name(edge.to), quoted(&edge.tensor));
    }
    Ok(text)
}

/// The layers, what they read and write, and what they have cost.
pub(crate) fn layers_csv(shown: &Shown<'_>) -> Result<String, String> {
    let program = shown.frame.program.as_ref().ok_or("no program is open")?;
    let mut text = "layer,operation,first_instruction,reads,writes,cycles,macs,dram_bytes,bound_by".to_owned();
    for unit in UNIT_NAMES {
        let _ = write!(text, ",{}_busy_cycles", unit.to_lowercase());
    }
    text.push('\n');
    let names = |names: &[Arc<str>]| quoted(&names.join(" "));
    for (idx, layer) in program.graph.layers.iter().enumerate() {
        let state = shown.frame.now.close_up.layers.get(idx).cloned().unwrap_or_default();
        let name = quoted(program.layers.get(idx).map_or("", String::as_str));
        let (reads, writes) = (names(&layer.reads), names(&layer.writes));
        let _ = write!(text, "{name},{},{},{reads},{writes}", quoted(&layer.op), layer.first_pc);
        let bound = state.bound.map_or("", |bound| bound.name());
        let _ = write!(text, ",{},{},{},{bound}", state.cycles, state.macs, state.dram_bytes);
        for cycles in state.busy_cycles {
            let _ = write!(text, ",{cycles}");
        }
        text.push('\n');
    }
    Ok(text)
}

fn runs<'a>(shown: &Shown<'a>) -> Result<[(&'static str, &'a Arc<RunSummary>); 2], String> {
    let missing = || "no two runs are compared yet; open the machine panel and let them end".to_owned();
    let reference = shown.bench.reference().ok_or_else(missing)?;
    let edited = shown.bench.edited().summary().ok_or_else(missing)?;
    Ok([("reference", reference), ("edited", edited)])
}

/// The totals of the two runs that are compared.
pub(crate) fn comparison_csv(shown: &Shown<'_>) -> Result<String, String> {
    let mut text = "run,program,machine,cycles,seconds,picojoules,average_watts,peak_watts,square_millimetres,\
                    array_utilization,dram_bytes\n"
        .to_owned();
    for (name, run) in runs(shown)? {
        let _ = write!(text, "{name},{},{}", quoted(&run.program), quoted(&run.machine));
        let _ = write!(text, ",{},{},{}", run.cycles, run.seconds, run.energy_pj);
        let _ = write!(text, ",{},{},{}", run.average_w, run.peak_w, run.area_mm2);
        let _ = writeln!(text, ",{},{}", run.utilization, run.dram_bytes);
    }
    Ok(text)
}

/// The layers of the two runs that are compared.
pub(crate) fn layer_comparison_csv(shown: &Shown<'_>) -> Result<String, String> {
    let mut text = "run,machine,layer,cycles,picojoules,bound_by\n".to_owned();
    for (name, run) in runs(shown)? {
        for layer in &run.layers {
            let (machine, layer_name) = (quoted(&run.machine), quoted(&layer.name));
            let (cycles, energy, bound_by) = (layer.cycles, layer.energy_pj, layer.bound_by);
            let _ = writeln!(text, "{name},{machine},{layer_name},{cycles},{energy},{bound_by}");
        }
    }
    Ok(text)
}
