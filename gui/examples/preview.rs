//! Opens the dashboard on a small matrix product, without a compiler or an assembler around it.
//!
//! `cargo run -p systole-gui --example preview -- big128x128 200`

#[path = "../tests/support/mod.rs"]
#[allow(dead_code)]
mod support;

use systole_gui::launch::engine_loader;
use systole_gui::{GuiError, LaunchOptions, run};

fn main() -> Result<(), GuiError> {
    let mut arguments = std::env::args().skip(1);
    let machine = arguments.next().unwrap_or_else(|| "tiny4x4".to_owned());
    let n_rows = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(12);
    let source = (machine != "none").then(|| support::sample_source(&machine, n_rows));
    run(LaunchOptions {
        source,
        loader: engine_loader(Box::new(|path| {
            Err(format!("{} is not read by the preview", path.display()))
        })),
    })
}
