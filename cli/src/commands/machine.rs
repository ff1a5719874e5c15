//! `machine`: descriptions.

use super::print;
use crate::args::MachineVerb;
use crate::error::CommandError;
use crate::print::{grouped, table};
use crate::source::load_machine_file;
use systole_isa::{Diagnostic, machine};

pub(crate) fn run(verb: &MachineVerb) -> Result<(), CommandError> {
    match verb {
        MachineVerb::List => list(),
        MachineVerb::Show { name } => {
            let description = machine::preset(name).ok_or_else(|| {
                let names: Vec<&str> = machine::preset_names().collect();
                Diagnostic::error("F0003", format!("there is no shipped machine `{name}`"))
                    .help(format!("choose one of {}", names.join(", ")))
            })?;
            // Not the shipped text: that leaves out what has a default.
            print(&description.to_ron());
        }
        MachineVerb::Check { file } => {
            let description = load_machine_file(file)?;
            print(&format!(
                "`{}` is a valid machine: {} rows x {} columns",
                description.name, description.rows, description.cols
            ));
        }
    }
    Ok(())
}

fn list() {
    let rows: Vec<Vec<String>> = machine::preset_names()
        .filter_map(machine::preset)
        .map(|m| {
            vec![
                m.name.clone(),
                format!("{} x {}", m.rows, m.cols),
                m.clock_mhz.to_string(),
                grouped(m.spm.capacity_kib.into()),
                grouped(m.acc.capacity_kib.into()),
                format!("{} x {}", m.dram.n_channels, m.dram.standard),
                m.node.to_string(),
            ]
        })
        .collect();
    let header = [
        "machine",
        "array",
        "clock [MHz]",
        "scratchpad [KiB]",
        "accumulators [KiB]",
        "DRAM",
        "node",
    ];
    print(&table(&header, &rows, 1));
}
