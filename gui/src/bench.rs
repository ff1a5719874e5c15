//! What a program would cost on another machine: runs without values, on a thread of their own, that can be watched and
//! cancelled. It refuses to know a simulator; [`Rig`] does.

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use systole_isa::MachineDescription;

/// Prepares and runs the loaded program on machines that the user makes up.
pub trait Rig: Send + Sync + std::fmt::Debug {
    /// Runs the program on a machine without values, to its end.
    ///
    /// # Errors
    /// Why it cannot run there, or that it was cancelled.
    fn run(&self, machine: &MachineDescription, progress: &Progress) -> Result<RunSummary, String>;
}

/// How far a run is, and whether anybody still wants it.
#[derive(Debug, Default)]
pub struct Progress {
    cycle: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    /// Tells the cycle that the run has reached; false if it should stop.
    pub fn reach(&self, cycle: u64) -> bool {
        self.cycle.store(cycle, Ordering::Relaxed);
        !self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Asks the run to stop at its next look.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }
}

/// What a run cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// Name of the program.
    pub program: String,
    /// Name of the machine.
    pub machine: String,
    /// Core clock cycles.
    pub cycles: u64,
    /// Cycles over clock frequency.
    pub seconds: f64,
    /// Share of the array's peak that was used.
    pub utilization: f64,
    /// Bytes read and written off chip.
    pub dram_bytes: u64,
    /// Energy in picojoules.
    pub energy_pj: f64,
    /// Energy over time, in watts.
    pub average_w: f64,
    /// Largest average over one window, in watts.
    pub peak_w: f64,
    /// Area in square millimetres.
    pub area_mm2: f64,
    /// The layers in the order of the program.
    pub layers: Vec<LayerCost>,
}

/// What one layer cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerCost {
    /// Its name.
    pub name: String,
    /// Cycles from the completion of the layer before to its own; these sum to the run's cycles.
    pub cycles: u64,
    /// Energy in picojoules.
    pub energy_pj: f64,
    /// The resource that was busy longest: `compute`, `bandwidth`, `vector` or `control`.
    pub bound_by: &'static str,
}

/// One run and what is known of it.
#[derive(Debug, Default)]
pub(crate) enum Trial {
    /// None was asked for.
    #[default]
    None,
    /// It is under way.
    Running {
        /// How far it is.
        progress: Arc<Progress>,
        /// Where the result arrives.
        result: Receiver<Result<RunSummary, String>>,
    },
    /// It is over.
    Done(Result<Arc<RunSummary>, String>),
}

impl Trial {
    /// Starts a run; `wake` is called when it is over.
    pub(crate) fn start(rig: Arc<dyn Rig>, machine: MachineDescription, wake: impl Fn() + Send + 'static) -> Self {
        let (sender, result) = bounded(1);
        let progress = Arc::<Progress>::default();
        let watched = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("systole-trial".to_owned())
            .spawn(move || {
                // Nobody may be left to receive it.
                let _ = sender.send(rig.run(&machine, &watched));
                wake();
            });
        match thread {
            Ok(_) => Self::Running { progress, result },
            Err(error) => Self::Done(Err(format!("the system refuses a thread: {error}"))),
        }
    }

    /// Takes the result if it has arrived.
    pub(crate) fn poll(&mut self) {
        let Self::Running { result, .. } = self else { return };
        match result.try_recv() {
            Ok(result) => *self = Self::Done(result.map(Arc::new)),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                *self = Self::Done(Err(
                    "the run ended without a result; this is a bug in Systole, please report it".to_owned(),
                ));
            }
        }
    }

    /// The cycle that a run under way has reached.
    pub(crate) fn cycle(&self) -> Option<u64> {
        match self {
            Self::Running { progress, .. } => Some(progress.cycle.load(Ordering::Relaxed)),
            Self::None | Self::Done(_) => None,
        }
    }

    /// What the run cost, once it is over.
    pub(crate) fn summary(&self) -> Option<&Arc<RunSummary>> {
        match self {
            Self::Done(Ok(summary)) => Some(summary),
            Self::None | Self::Running { .. } | Self::Done(Err(_)) => None,
        }
    }
}

impl Drop for Trial {
    /// Nobody wants the result any more.
    fn drop(&mut self) {
        if let Self::Running { progress, .. } = self {
            progress.cancel();
        }
    }
}
