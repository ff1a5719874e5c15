//! Running a program on the host's arrays: one inference after the other, each from the same initial state.

use crate::energy::{EnergyModel, PowerProfile};
use crate::fault::Fault;
use crate::host::{self, HostValues};
use crate::machine::{LoadError, Machine, Mode, Status};
use crate::report::RunTotals;
use std::sync::Arc;
use systole_isa::{Diagnostic, MachineDescription, Program};

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

/// Runs a program once per element of `inferences`, which holds the values of every input of the program. `progress` hears the number of
/// inferences done.
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
    for (index, inputs) in inferences.iter().enumerate() {
        let mut machine = blank.clone();
        if mode == Mode::Full {
            for (tensor, values) in program.inputs.iter().zip(inputs) {
                host::write_input(&mut machine, tensor, values).map_err(SessionError::Input)?;
            }
        }
        if index == 0 {
            machine.advance_to(limit, &mut result.profile);
        } else {
            machine.advance_to(limit, &mut ());
        }
        result.totals.add(&machine);
        match machine.status() {
            Status::Halted => {}
            Status::Running => return Err(SessionError::Limit { limit }),
            Status::Faulted(fault) => {
                result.fault = Some(fault.clone());
                return Ok(result);
            }
        }
        if mode == Mode::Full {
            result.outputs.push(
                program
                    .outputs
                    .iter()
                    .map(|tensor| host::read_output(&machine, tensor))
                    .collect(),
            );
        }
        progress(index + 1);
    }
    Ok(result)
}
