//! Opening something on a thread of its own: what the thread tells about its progress, and how it is stopped.

use crate::engine::{EngineMaker, Opened};
use crate::frame::Loading;
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a thread that opens something is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// In a few words.
    pub name: Cow<'static, str>,
    /// How much of the whole lies behind it, from 0 to 1.
    pub share: f32,
}

/// Nobody wants the result any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

impl From<Cancelled> for String {
    fn from(cancelled: Cancelled) -> Self {
        cancelled.to_string()
    }
}

/// How far an opening is, and whether anybody still wants it.
#[derive(Debug, Default)]
pub struct LoadProgress {
    stage: Mutex<Stage>,
    is_cancelled: AtomicBool,
}

impl LoadProgress {
    /// Tells what comes next.
    ///
    /// # Errors
    /// If nobody wants the result any more.
    pub fn enter(&self, name: impl Into<Cow<'static, str>>, share: f32) -> Result<(), Cancelled> {
        let stage = Stage {
            name: name.into(),
            share,
        };
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(Cancelled);
        }
        Ok(())
    }

    /// Asks the thread to stop at its next look.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// What the thread is doing.
    pub fn stage(&self) -> Stage {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file.
    File(PathBuf),
    /// A shipped example, by its name.
    Example(String),
    /// The present program on another machine.
    Machine,
}

impl Origin {
    /// What the user calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Origin::File(path) => path.display().to_string(),
            Origin::Example(name) => name.clone(),
            Origin::Machine => "the program on another machine".to_owned(),
        }
    }

    /// The beginning of a sentence that tells why it could not be opened.
    pub(crate) fn failure(&self) -> String {
        match self {
            Origin::File(_) | Origin::Example(_) => format!("Cannot open {}", self.name()),
            Origin::Machine => "Cannot use the machine".to_owned(),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Origin::File(path) => Some(path),
            Origin::Example(_) | Origin::Machine => None,
        }
    }
}

/// A thread that opens something.
pub(crate) struct Load {
    pub(crate) origin: Origin,
    progress: Arc<LoadProgress>,
    result: Receiver<Result<Opened, String>>,
}

impl Load {
    /// Starts a thread.
    ///
    /// # Errors
    /// If the system refuses one.
    pub(crate) fn start(
        origin: Origin,
        open: impl FnOnce(&LoadProgress) -> Result<Opened, String> + Send + 'static,
    ) -> Result<Self, String> {
        let (sender, result) = bounded(1);
        let progress = Arc::<LoadProgress>::default();
        let told = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("systole-loader".to_owned())
            .spawn(move || {
                // Nobody may be left to receive it.
                let _ = sender.send(open(&told));
            });
        thread.map_err(|error| format!("the system refuses a thread: {error}"))?;
        Ok(Self {
            origin,
            progress,
            result,
        })
    }

    /// Starts a thread that brings the present program onto another machine.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) fn on_machine(make: EngineMaker) -> Result<Self, String> {
        Self::start(Origin::Machine, move |progress| make(progress).map(Opened::Program))
    }

    /// The result, if there is one already.
    pub(crate) fn poll(&self) -> Option<Result<Opened, String>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(self.broken())),
        }
    }

    /// Waits for the result.
    pub(crate) fn wait(&self) -> Result<Opened, String> {
        self.result.recv().unwrap_or_else(|_| Err(self.broken()))
    }

    /// What the user sees of it.
    pub(crate) fn view(&self) -> Loading {
        Loading {
            name: self.origin.name(),
            stage: self.progress.stage(),
        }
    }

    /// The thread ended without a result: it panicked.
    fn broken(&self) -> String {
        format!(
            "there is a bug in Systole that shows while {}; please report it. What was open before is still there.",
            match &*self.progress.stage().name {
                "" => "starting",
                stage => stage,
            }
        )
    }
}

impl Drop for Load {
    /// Nobody wants the result any more.
    fn drop(&mut self) {
        self.progress.cancel();
    }
}
