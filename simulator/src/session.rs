//! Running a program on the host's arrays: one inference after the other, each from the same initial state.

use crate::energy::{EnergyModel, PowerProfile};
use crate::fault::Fault;
use crate::host::{self, HostValues};
use crate::machine::{LoadError, Machine, Mode, Status};
use crate::observer::Observer;
use crate::report::RunTotals;
use rayon::prelude::*;
use std::sync::Arc;
use systole_isa::{Diagnostic, MachineDescription, Program};

/// Machines that are kept at once, which bounds memory.
const INFERENCES_PER_BATCH: usize = 16;

/// What a session ends with.
#[derive(Debug)]
pub struct SessionResult {
    /// Sums over the inferences that ran.
    pub totals: RunTotals,
    /// Power over time of the first inference.
    pub profile: PowerProfile,
    /// Per inference, the outputs in the order of the program; empty in timing-only runs.
    pub outputs: Vec<Vec<HostValues>>,
    /// The fault that ended the session early.
    pub fault: Option<Fault>,
}

impl SessionResult {
    /// Adds a machine that has run one inference; says whether the next one counts as well, which it does not after a fault.
    fn add(&mut self, machine: &Machine) -> bool {
        self.totals.add(machine);
        if let Status::Faulted(fault) = machine.status() {
            self.fault = Some(fault.clone());
            return false;
        }
        if machine.mode() == Mode::Full {
            let tensors = &machine.program().outputs;
            self.outputs.push(
                tensors
                    .iter()
                    .map(|tensor| host::read_output(machine, tensor))
                    .collect(),
            );
        }
        true
    }
}

/// Why a session did not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The program does not fit the machine.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An input does not fit the program.
    #[error("{0}")]
    Input(Diagnostic),
    /// The program did not end.
    #[error("the program did not end within {limit} cycles")]
    Limit {
        /// The limit, in cycles.
        limit: u64,
    },
}

/// Runs a program once per element of `inferences`, which holds the values of every input of the program. Inferences do not depend on each
/// other, so they run on all processors of the host; results come in order. `progress` hears the number of inferences done.
///
/// # Errors
/// If the program does not fit the machine or an input does not fit the program. A fault of the program is part of the result.
pub fn run(
    program: &Arc<Program>,
    description: &Arc<MachineDescription>,
    mode: Mode,
    inferences: &[Vec<HostValues>],
    limit: u64,
    mut progress: impl FnMut(usize),
) -> Result<SessionResult, SessionError> {
    let blank = Machine::new(program.clone(), description.clone(), mode)?;
    let mut result = SessionResult {
        totals: RunTotals::new(program.clone(), description.clone()),
        profile: PowerProfile::new(EnergyModel::of(description)),
        outputs: Vec::new(),
        fault: None,
    };
    let Some((first, others)) = inferences.split_first() else {
        return Ok(result);
    };
    let machine = finished(&blank, first, limit, &mut result.profile)?;
    if !result.add(&machine) {
        return Ok(result);
    }
    let mut n_done = 1;
    progress(n_done);
    for batch in others.chunks(INFERENCES_PER_BATCH) {
        let machines: Vec<_> = batch
            .par_iter()
            .map(|inputs| finished(&blank, inputs, limit, &mut ()))
            .collect();
        for machine in machines {
            if !result.add(&machine?) {
                return Ok(result);
            }
        }
        n_done += batch.len();
        progress(n_done);
    }
    Ok(result)
}

/// A machine after one inference.
fn finished(
    blank: &Machine,
    inputs: &[HostValues],
    limit: u64,
    observer: &mut impl Observer,
) -> Result<Machine, SessionError> {
    let mut machine = blank.clone();
    if machine.mode() == Mode::Full {
        for (tensor, values) in machine.program().clone().inputs.iter().zip(inputs) {
            host::write_input(&mut machine, tensor, values).map_err(SessionError::Input)?;
        }
    }
    machine.advance_to(limit, observer);
    match machine.status() {
        Status::Running => Err(SessionError::Limit { limit }),
        Status::Halted | Status::Faulted(_) => Ok(machine),
    }
}
