//! Opening files in the window: by dialog, by drag and drop, again from the recent ones; what is told when that fails, and how a long one
//! is watched and cancelled.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a test tells its figures and what it skips")]

mod shared;
mod support;

use crossbeam_channel::{Sender, bounded};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use systole_compiler::graph_file;
use systole_gui::app::Dashboard;
use systole_gui::engine::{EngineLoader, Opened};
use systole_gui::files;
use systole_gui::frame::RunState;
use systole_gui::launch::engine;
use systole_gui::loading::LoadProgress;
use systole_gui::worker::{SynchronousWorker, ThreadWorker, Worker};
use systole_isa::container;
use systole_isa::machine::{preset, preset_text};
use systole_programs::{ASSEMBLY, DIGITS};

type Window = Harness<'static, Option<Dashboard>>;

/// A file that was dropped onto the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        panic!("the window reads no files: the loader does")
    }
}

fn window(worker: impl FnOnce(&egui::Context) -> Box<dyn Worker> + 'static) -> Window {
    let mut worker = Some(worker);
    let app = move |ui: &mut egui::Ui, dashboard: &mut Option<Dashboard>| {
        let ctx = ui.ctx().clone();
        let dashboard = dashboard.get_or_insert_with(|| Dashboard::new((worker.take().unwrap())(&ctx), &ctx));
        dashboard.dashboard_ui(ui);
    };
    let mut harness = Harness::builder()
        .with_size([1_400.0, 900.0])
        .with_max_steps(400)
        .build_ui_state(app, None);
    harness.run_steps(4);
    harness
}

/// A window that opens files at once.
fn synchronous(is_loaded: bool) -> Window {
    window(move |_| {
        let source = is_loaded.then(|| engine(support::sample_source("tiny4x4", 12)));
        Box::new(SynchronousWorker::new(
            files::loader(preset("edge16x16").unwrap()),
            source,
        ))
    })
}

fn drop_file(harness: &mut Window, path: &Path) {
    harness
        .input_mut()
        .dropped_files
        .push(Arc::new(Dropped(path.to_owned())));
    harness.run_steps(4);
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(4);
}

fn program_name(harness: &Window) -> Option<String> {
    let frame = harness.state().as_ref().unwrap().frame();
    frame.program.as_ref().map(|program| program.name.clone())
}

fn assembly(name: &str) -> &'static str {
    ASSEMBLY.iter().find(|program| program.name == name).unwrap().text
}

#[test]
fn every_kind_of_file_opens_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let graph = graph_file::write(&systole_compiler::import(DIGITS.model).unwrap());
    let elf = container::write(&systole_assembler::assemble(assembly("matmul"), "matmul").unwrap()).unwrap();
    let table = "Layer name, M, N, K,\nfirst, 20, 30, 40,\n";
    // The names say nothing: the content tells.
    let contents: [(&str, &[u8]); 5] = [
        ("a", DIGITS.model),
        ("b", graph.as_bytes()),
        ("c", table.as_bytes()),
        ("d", &elf),
        ("e", assembly("max_pool").as_bytes()),
    ];
    let mut harness = synchronous(false);
    let mut names = Vec::new();
    for (name, content) in contents {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        drop_file(&mut harness, &path);
        names.extend(program_name(&harness));
        let frame = harness.state().as_ref().unwrap().frame();
        assert_eq!(frame.notice, None, "{name}");
        assert_eq!(frame.run_state, RunState::Paused);
        click(&mut harness, "Step 10");
    }
    assert_eq!(names.len(), 5);
    assert_eq!(names[..3], ["a", "b", "c"]);
}

#[test]
fn tensorflow_lite_opens_when_it_is_there() {
    let Some(folder) = shared::path("tflite/resnet8_cifar10") else {
        return;
    };
    let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = paths
        .find(|path| path.extension().is_some_and(|it| it == "tflite"))
        .unwrap();
    let mut harness = synchronous(false);
    drop_file(&mut harness, &file);
    assert!(program_name(&harness).is_some());
}

#[test]
fn a_file_over_the_window_is_welcomed() {
    let mut harness = synchronous(true);
    assert!(harness.query_by_label_contains("Drop a program").is_none());
    harness.input_mut().hovered_files.push(egui::HoveredFile::default());
    harness.run_steps(2);
    harness.get_by_label_contains("Drop a program, a model or a machine description");
    harness.input_mut().hovered_files.clear();
    harness.run_steps(2);
    assert!(harness.query_by_label_contains("Drop a program").is_none());
}

#[test]
fn a_machine_goes_into_the_draft() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machine.ron");
    std::fs::write(
        &path,
        format!("// A machine.\n\n{}", preset_text("big128x128").unwrap()),
    )
    .unwrap();
    let mut harness = synchronous(false);
    drop_file(&mut harness, &path);
    harness.get_by_label_contains("describes a machine. Open a program or a model first");
    let mut harness = synchronous(true);
    click(&mut harness, "Step 10");
    drop_file(&mut harness, &path);
    assert_eq!(program_name(&harness).as_deref(), Some("sample product"));
    assert_eq!(
        harness.state().as_ref().unwrap().frame().now.cycle,
        10,
        "the program stays where it is"
    );
    assert!(
        harness.query_all_by_label_contains("big128x128").next().is_some(),
        "the machine panel shows it"
    );
    std::fs::write(&path, "(name: \"small\", rows: 4)").unwrap();
    drop_file(&mut harness, &path);
    harness.get_by_label_contains("Cannot open");
}

#[test]
fn what_cannot_be_opened_says_why_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = synchronous(true);
    click(&mut harness, "Step 10");
    let elf = container::write(&systole_assembler::assemble(assembly("matmul"), "matmul").unwrap()).unwrap();
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "the file is empty"),
        ("wrong.sasm", b"    mx.mn d1, d2\n    halt\n", "wrong.sasm:1"),
        ("noise", &[0xff, 0, 1, 2, 250, 17, 4], "noise"),
        ("half.elf", &elf[..elf.len() / 2], "half.elf"),
        ("half.onnx", &DIGITS.model[..DIGITS.model.len() / 2], "half.onnx"),
        ("table.csv", b"Layer name, M, N, K,\nfirst, 20, thirty, 40,\n", "thirty"),
    ];
    for (name, content, reason) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        drop_file(&mut harness, &path);
        let frame = harness.state().as_ref().unwrap().frame().clone();
        let notice = frame.notice.clone().unwrap_or_default();
        assert!(notice.starts_with("Cannot open"), "{name}: {notice}");
        assert!(notice.contains(reason), "{name}: {notice}");
        assert_eq!((frame.now.cycle, &frame.run_state), (10, &RunState::Paused));
        harness.get_by_label_contains("Cannot open");
        click(&mut harness, "Dismiss");
    }
    drop_file(&mut harness, &folder.path().join("missing"));
    harness.get_by_label_contains("Check the path");
}

#[test]
fn recent_files_open_again_until_they_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = synchronous(false);
    for name in ["matmul", "max_pool"] {
        let path = folder.path().join(format!("{name}.sasm"));
        std::fs::write(&path, assembly(name)).unwrap();
        drop_file(&mut harness, &path);
    }
    let newest = program_name(&harness);
    click(&mut harness, "File menu");
    click(&mut harness, "Recent file matmul.sasm");
    assert_ne!(program_name(&harness), newest);
    std::fs::remove_file(folder.path().join("max_pool.sasm")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    click(&mut harness, "File menu");
    while harness
        .query_by_label_contains("Recent file max_pool.sasm, missing")
        .is_none()
    {
        assert!(Instant::now() < deadline, "nobody saw that the file is gone");
        std::thread::sleep(Duration::from_millis(20));
        harness.run_steps(2);
    }
    let item = harness.get_by_label_contains("Recent file max_pool.sasm, missing");
    assert!(item.accesskit_node().is_disabled());
}

/// A loader that waits for permission in each of its stages.
fn slow_loader() -> (EngineLoader, Sender<()>) {
    let (permit, permits) = bounded(100);
    let loader = move |_: &Path, progress: &LoadProgress| {
        for (idx, stage) in ["reading", "fold-constants", "compiling"].into_iter().enumerate() {
            progress.enter(stage, idx as f32 / 3.0)?;
            while permits.recv_timeout(Duration::from_millis(5)).is_err() {
                progress.enter(stage, idx as f32 / 3.0)?;
            }
        }
        Ok(Opened::Program(engine(support::sample_source("tiny4x4", 3))))
    };
    (Arc::new(loader), permit)
}

/// Draws until a label is there, or is not there any more.
fn wait_for(harness: &mut Window, label: &str, is_there: bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while harness.query_by_label_contains(label).is_some() != is_there {
        assert!(Instant::now() < deadline, "`{label}` did not come or go");
        std::thread::sleep(Duration::from_millis(5));
        harness.run_steps(1);
    }
}

#[test]
fn a_long_opening_is_shown_and_can_be_cancelled_while_the_old_program_works() {
    let (loader, permit) = slow_loader();
    let mut harness = window(move |_| {
        let source = engine(support::sample_source("tiny4x4", 12));
        Box::new(ThreadWorker::spawn(loader, Some(source), || {}).unwrap())
    });
    wait_for(&mut harness, "Step 10", true);
    drop_file(&mut harness, Path::new("slow.onnx"));
    wait_for(&mut harness, "Opening slow.onnx: reading", true);
    permit.send(()).unwrap();
    wait_for(&mut harness, "Opening slow.onnx: fold-constants", true);
    harness.get_by_label("Progress of loading");
    click(&mut harness, "Step 10");
    wait_for(&mut harness, "Cycle 10", true);
    click(&mut harness, "Cancel loading");
    wait_for(&mut harness, "Opening slow.onnx", false);
    let frame = harness.state().as_ref().unwrap().frame().clone();
    assert_eq!(
        (frame.now.cycle, &frame.notice),
        (10, &None),
        "nothing has changed and nothing is wrong"
    );

    // Another try, which is let through.
    drop_file(&mut harness, Path::new("slow.onnx"));
    wait_for(&mut harness, "Cancel loading", true);
    for _ in 0..3 {
        permit.send(()).unwrap();
    }
    wait_for(&mut harness, "Cancel loading", false);
    wait_for(&mut harness, "Cycle 0", true);
}
