//! How tests wait for a frame of a worker on its own thread.

use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_gui::frame::Frame;
use systole_gui::worker::{ThreadWorker, Worker};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Takes frames until one fulfils the condition.
pub(crate) fn wait_for(worker: &mut ThreadWorker, what: &str, condition: impl Fn(&Frame) -> bool) -> Arc<Frame> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match worker.poll() {
            Some(frame) if condition(&frame) => return frame,
            Some(_) => {}
            None => std::thread::sleep(Duration::from_micros(200)),
        }
    }
    panic!("no frame came that is {what}");
}
