//! Where the engine lives: on a thread of its own or, for tests, in the caller.
//!
//! Requests go in through a bounded channel, the newest frame comes out through a one-slot mailbox. The user interface
//! never waits for either side: a full channel keeps the request for the next attempt, a busy mailbox is read next time.

use crate::driver::{Driver, Request};
use crate::engine::{Engine, EngineLoader};
use crate::frame::Frame;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two published frames while running.
const FRAME_PERIOD: Duration = Duration::from_micros(16_667);

/// Requests that fit in the channel before the sender has to keep them.
const REQUEST_CAPACITY: usize = 256;

/// Somebody who owns the engine and answers requests with frames.
pub trait Worker {
    /// Hands a request over without waiting.
    fn send(&mut self, request: Request);

    /// The newest frame, if there is one that has not been taken yet. Does not wait.
    fn poll(&mut self) -> Option<Arc<Frame>>;

    /// Whether the worker still answers.
    fn is_alive(&self) -> bool;
}

/// A worker that works inside [`Worker::send`] and [`Worker::poll`], so that a test sees every step finished.
pub struct SynchronousWorker {
    driver: Driver,
    has_news: bool,
}

impl SynchronousWorker {
    /// A worker with a loader for files and, optionally, a program that is open from the start.
    pub fn new(loader: EngineLoader, engine: Option<Box<dyn Engine>>) -> Self {
        Self {
            driver: Driver::new(loader, engine),
            has_news: true,
        }
    }
}

impl Worker for SynchronousWorker {
    fn send(&mut self, request: Request) {
        self.driver.handle(request);
        self.driver.wait_for_load();
        while self.driver.is_bound_to_stop() {
            self.driver.run_slice(FRAME_PERIOD);
        }
        self.has_news = true;
    }

    fn poll(&mut self) -> Option<Arc<Frame>> {
        if self.driver.is_running() {
            self.driver.run_slice(FRAME_PERIOD);
            self.has_news = true;
        }
        std::mem::take(&mut self.has_news).then(|| self.driver.frame())
    }

    fn is_alive(&self) -> bool {
        true
    }
}

/// The one-slot mailbox: a new frame replaces one that nobody has taken.
#[derive(Clone, Default)]
struct Mailbox(Arc<Mutex<Option<Arc<Frame>>>>);

impl Mailbox {
    fn put(&self, frame: Arc<Frame>) {
        let old = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(frame);
        drop(old);
    }

    fn try_take(&self) -> Option<Arc<Frame>> {
        match self.0.try_lock() {
            Ok(mut slot) => slot.take(),
            Err(TryLockError::Poisoned(slot)) => slot.into_inner().take(),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A worker on a thread of its own.
pub struct ThreadWorker {
    /// `None` once the thread is told to end.
    requests: Option<Sender<Request>>,
    /// Requests that did not fit in the channel yet.
    backlog: VecDeque<Request>,
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
}

impl ThreadWorker {
    /// Starts the thread. `wake` is called after each new frame, to have the window drawn again.
    ///
    /// # Errors
    /// If the operating system refuses the thread.
    pub fn spawn(
        loader: EngineLoader,
        engine: Option<Box<dyn Engine>>,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = bounded(REQUEST_CAPACITY);
        let mailbox = Mailbox::default();
        let outbox = mailbox.clone();
        let thread = std::thread::Builder::new()
            .name("systole-worker".to_owned())
            .spawn(move || {
                let publish = |frame| {
                    outbox.put(frame);
                    wake();
                };
                let mut driver = Driver::new(loader, engine);
                // A panic costs the program that is open, but not the window.
                while let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(&mut driver, &receiver, &publish))) {
                    driver = driver.after_panic(message(panic.as_ref()));
                }
            })?;
        Ok(Self {
            requests: Some(sender),
            backlog: VecDeque::new(),
            mailbox,
            thread: Some(thread),
        })
    }

    fn flush(&mut self) {
        let Some(sender) = &self.requests else { return };
        while let Some(request) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(request)) = sender.try_send(request) {
                self.backlog.push_front(request);
                return;
            }
        }
    }
}

impl Worker for ThreadWorker {
    fn send(&mut self, request: Request) {
        if let (Request::SetTimeline(..), Some(last @ Request::SetTimeline(..))) = (&request, self.backlog.back_mut()) {
            *last = request;
        } else {
            self.backlog.push_back(request);
        }
        self.flush();
    }

    fn poll(&mut self) -> Option<Arc<Frame>> {
        self.flush();
        self.mailbox.try_take()
    }

    fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for ThreadWorker {
    /// Closes the channel, which ends the thread after the slice it is in, and waits for it.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the worker has been reported by the panic hook already; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// The thread's body: ends when the sender is gone.
fn work(driver: &mut Driver, requests: &Receiver<Request>, hand_out: &impl Fn(Arc<Frame>)) {
    // A frame of a large array is megabytes. What this thread holds as well, the window does not have to free.
    let mut handed_out: Vec<Arc<Frame>> = Vec::new();
    let mut publish = |frame: Arc<Frame>| {
        handed_out.retain(|old| Arc::strong_count(old) > 1);
        handed_out.push(Arc::clone(&frame));
        hand_out(frame);
    };
    publish(driver.frame());
    let mut last_slice = Instant::now();
    let mut last_frame = Instant::now();
    loop {
        let mut next = match next_request(requests, driver) {
            Ok(request) => Some(request),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let obeying_since = Instant::now();
        while let Some(request) = next {
            if !driver.is_running() {
                last_slice = Instant::now();
            }
            driver.handle(request);
            let is_late = obeying_since.elapsed() >= FRAME_PERIOD;
            next = if is_late { None } else { requests.try_recv().ok() };
        }
        if driver.is_running() {
            driver.run_slice(last_slice.elapsed());
            last_slice = Instant::now();
        }
        driver.take_loaded();
        let is_moving = driver.is_running() || driver.is_loading();
        if !is_moving || last_frame.elapsed() >= FRAME_PERIOD {
            last_frame = Instant::now();
            publish(driver.frame());
        }
    }
}

/// Waits for a request: forever while time stands still, not at all at full speed, and until the next frame is due at a
/// fixed speed.
fn next_request(requests: &Receiver<Request>, driver: &Driver) -> Result<Request, RecvTimeoutError> {
    if driver.is_loading() && !driver.is_running() {
        return requests.recv_timeout(FRAME_PERIOD);
    }
    if !driver.is_running() {
        return requests.recv().map_err(|_| RecvTimeoutError::Disconnected);
    }
    requests.recv_timeout(if driver.is_unpaced() {
        Duration::ZERO
    } else {
        FRAME_PERIOD
    })
}
