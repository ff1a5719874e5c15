//! Work that may block and therefore has a thread of its own: the system's file chooser, writing files, looking which are there.

use crate::picture::encode;
use crate::recent;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time after which files are looked at again.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// What a thread came back with.
#[derive(Debug)]
pub(crate) enum Finished {
    /// The file chooser was answered, or closed without an answer.
    Chosen(Option<PathBuf>),
    /// Files that are not there any more, with the reasons.
    LookedAt(BTreeMap<PathBuf, String>),
    /// An export was written, or could not be; the text says which.
    Exported(Result<PathBuf, String>),
    /// A source text was written, or could not be; the text says why.
    Saved(Saving, Result<(), String>),
}

/// A source text to be written.
#[derive(Clone, Debug)]
pub(crate) struct Saving {
    /// Its file.
    pub(crate) path: PathBuf,
    /// The text.
    pub(crate) text: Arc<str>,
    /// Arrays that it names, by their files.
    pub(crate) arrays: Vec<(PathBuf, Arc<[u8]>)>,
}

/// What the file chooser is for.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// A file that is there.
    Open,
    /// A new file, with a proposed name.
    Save(String),
}

/// Starts threads and collects what they come back with.
pub(crate) struct Background {
    sender: Sender<Finished>,
    receiver: Receiver<Finished>,
    is_choosing: bool,
    /// Whether files are being looked at.
    is_looking: bool,
    /// When files were looked at last.
    looked_at: Option<Instant>,
}

impl Default for Background {
    fn default() -> Self {
        // More than threads that one user can start before the next frame; a thread that finds it full waits.
        let (sender, receiver) = bounded(64);
        Self {
            sender,
            receiver,
            is_choosing: false,
            is_looking: false,
            looked_at: None,
        }
    }
}

impl Background {
    /// Whether the system's file chooser is open.
    pub(crate) fn is_choosing(&self) -> bool {
        self.is_choosing
    }

    /// Shows the system's file chooser, unless it is open already.
    pub(crate) fn choose(&mut self, ctx: &egui::Context, choice: Choice) {
        if self.is_choosing {
            return;
        }
        self.is_choosing = self.start(ctx, "systole-file-chooser", move || {
            let dialog = rfd::FileDialog::new();
            Finished::Chosen(match choice {
                Choice::Open => dialog.set_title("Open a program or a model").pick_file(),
                Choice::Save(name) => dialog.set_title("Write a file").set_file_name(name).save_file(),
            })
        });
    }

    /// Looks whether files are there, unless that was done just now.
    pub(crate) fn look_at(&mut self, ctx: &egui::Context, paths: Vec<PathBuf>) {
        let is_known = self.looked_at.is_some_and(|time| time.elapsed() < LOOK_PERIOD);
        if self.is_looking || is_known || paths.is_empty() {
            return;
        }
        self.is_looking = self.start(ctx, "systole-recent-files", move || {
            Finished::LookedAt(recent::look_at(&paths))
        });
    }

    /// Writes a file.
    pub(crate) fn export(&self, ctx: &egui::Context, path: PathBuf, content: Vec<u8>) {
        self.start(ctx, "systole-export", move || {
            Finished::Exported(write(&path, &content).map(|()| path))
        });
    }

    /// Writes what the window will have painted with its next frame, as PNG.
    pub(crate) fn export_window(&self, ctx: &egui::Context, path: PathBuf) {
        let (sender, wake) = (self.sender.clone(), ctx.clone());
        ctx.request_screenshot(move |image| {
            let write = move || encode(&image).and_then(|content| write(&path, &content)).map(|()| path);
            start(sender, &wake, "systole-export", move || Finished::Exported(write()));
        });
    }

    /// Writes a source text and the arrays that it names.
    pub(crate) fn save(&self, ctx: &egui::Context, saving: Saving) {
        self.start(ctx, "systole-save", move || {
            let result = write_source(&saving);
            Finished::Saved(saving, result)
        });
    }

    /// The next result, if there is one. Does not wait.
    pub(crate) fn poll(&mut self) -> Option<Finished> {
        let finished = self.receiver.try_recv().ok()?;
        match finished {
            Finished::Chosen(_) => self.is_choosing = false,
            Finished::LookedAt(_) => (self.is_looking, self.looked_at) = (false, Some(Instant::now())),
            Finished::Exported(_) | Finished::Saved(..) => {}
        }
        Some(finished)
    }

    /// Starts a thread; returns whether the system gave one.
    fn start(&self, ctx: &egui::Context, name: &str, work: impl FnOnce() -> Finished + Send + 'static) -> bool {
        start(self.sender.clone(), ctx, name, work)
    }
}

fn start(
    sender: Sender<Finished>,
    ctx: &egui::Context,
    name: &str,
    work: impl FnOnce() -> Finished + Send + 'static,
) -> bool {
    let ctx = ctx.clone();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // The dashboard may have been closed in the meantime.
        let _ = sender.send(work());
        ctx.request_repaint();
    });
    thread.is_ok()
}

fn write_source(saving: &Saving) -> Result<(), String> {
    for (path, bytes) in &saving.arrays {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("Cannot make the folder {}: {error}.", folder.display()))?;
        }
        write(path, bytes)?;
    }
    write(&saving.path, saving.text.as_bytes())
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    std::fs::write(path, content).map_err(|error| {
        format!(
            "Cannot write {}: {error}. Choose a folder that exists and that you may write to.",
            path.display()
        )
    })
}
