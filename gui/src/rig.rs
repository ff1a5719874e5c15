//! The [`Rig`] of the real thing: makes machines from a [`Recipe`] and runs them on the simulator.

use crate::bench::{LayerCost, Progress, Rig, RunSummary};
use crate::loading::LoadProgress;
use std::fmt;
use std::sync::Arc;
use systole_isa::{MachineDescription, Program};
use systole_simulator::energy::{EnergyModel, PowerProfile};
use systole_simulator::report::{Report, RunTotals};
use systole_simulator::{Machine, Mode, Status};

/// Cycles between two looks at whether the run is still wanted.
const SLICE_CYCLES: u64 = 100_000;

/// How a program comes onto a machine: a model is compiled again, a program is loaded as it is.
#[derive(Clone)]
pub struct Recipe(Arc<Make>);

type Make = dyn Fn(&MachineDescription, Mode, &LoadProgress) -> Result<Machine, String> + Send + Sync;

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipe")
    }
}

impl Recipe {
    /// A recipe from a function that makes a machine at cycle 0 with its inputs in place.
    pub fn new(make: impl Fn(&MachineDescription, Mode) -> Result<Machine, String> + Send + Sync + 'static) -> Self {
        Self::watched(move |description, mode, _| make(description, mode))
    }

    /// As [`new`](Self::new), from a function that tells its progress and stops when nobody wants its result any more.
    pub fn watched(
        make: impl Fn(&MachineDescription, Mode, &LoadProgress) -> Result<Machine, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }

    /// The same program on every machine, without inputs.
    pub fn same_program(program: Arc<Program>) -> Self {
        Self::new(move |description, mode| {
            let description = Arc::new(description.clone());
            Machine::new(Arc::clone(&program), description, mode).map_err(|error| error.0.to_string())
        })
    }

    /// A machine at cycle 0.
    ///
    /// # Errors
    /// Why the program does not fit the machine.
    pub fn make(&self, description: &MachineDescription, mode: Mode) -> Result<Machine, String> {
        self.make_watched(description, mode, &LoadProgress::default())
    }

    /// As [`make`](Self::make), with progress told.
    ///
    /// # Errors
    /// As [`make`](Self::make), or that nobody wants the machine any more.
    pub fn make_watched(
        &self,
        description: &MachineDescription,
        mode: Mode,
        progress: &LoadProgress,
    ) -> Result<Machine, String> {
        (self.0)(description, mode, progress)
    }
}

impl Rig for Recipe {
    fn run(&self, description: &MachineDescription, progress: &Progress) -> Result<RunSummary, String> {
        let mut machine = self.make(description, Mode::TimingOnly)?;
        let mut profile = PowerProfile::new(EnergyModel::of(description));
        while *machine.status() == Status::Running {
            machine.advance_to(machine.now() + SLICE_CYCLES, &mut profile);
            if !progress.reach(machine.now()) {
                return Err("cancelled".to_owned());
            }
        }
        if let Status::Faulted(fault) = machine.status() {
            return Err(format!("{}: {fault}. Help: {}", fault.code(), fault.help()));
        }
        let mut totals = RunTotals::new(Arc::clone(machine.program()), Arc::clone(machine.description()));
        totals.add(&machine);
        Ok(summary(totals.report(&profile)))
    }
}

fn summary(report: Report) -> RunSummary {
    RunSummary {
        program: report.program.name,
        machine: report.machine.name,
        cycles: report.cycles,
        seconds: report.seconds,
        utilization: report.utilization,
        dram_bytes: report.dram.read_bytes + report.dram.write_bytes,
        energy_pj: report.energy.total_pj,
        average_w: report.power.average_w,
        peak_w: report.power.peak_w,
        area_mm2: report.area_mm2,
        layers: report
            .layers
            .into_iter()
            .map(|layer| LayerCost {
                name: layer.name,
                cycles: layer.cycles,
                energy_pj: layer.energy_pj,
                bound_by: layer.bound_by,
            })
            .collect(),
    }
}
