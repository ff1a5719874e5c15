//! The one table of commands. Toolbar, menus, keyboard and tests read it; nothing else names a command's label or key.

use crate::frame::Frame;
use egui::{Key, KeyboardShortcut, Modifiers};

/// Something the user can ask for by button, menu or key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Show the dialog that opens a file.
    Open,
    /// Write the source text into its file and run its program.
    Assemble,
    /// Write the source text into another file.
    SaveSourceAs,
    /// Let time run.
    Run,
    /// Stop time.
    Pause,
    /// One cycle forwards.
    Step,
    /// Ten cycles forwards.
    Step10,
    /// One cycle backwards.
    StepBack,
    /// Five cycles backwards.
    StepBack5,
    /// To the next start of an instruction.
    StepInstruction,
    /// To the end of the program.
    RunToEnd,
    /// To cycle 0.
    Restart,
    /// Show half as much time.
    ZoomIn,
    /// Show twice as much time.
    ZoomOut,
    /// Show the whole run.
    ZoomFit,
    /// Show the latest cycles and move with them.
    FollowTime,
    /// Take the last change back.
    Undo,
    /// Make a change again.
    Redo,
    /// Find a command by its name.
    Palette,
    /// To the last start of an instruction.
    StepInstructionBack,
    /// To the next tile.
    StepTile,
    /// To the last tile.
    StepTileBack,
    /// To the next layer.
    StepLayer,
    /// To the last beginning of a layer.
    StepLayerBack,
    /// To the next stall.
    RunToStall,
    /// To the last stall.
    BackToStall,
    /// To the selected instruction.
    RunToCursor,
    /// Set or clear a breakpoint at the selected instruction.
    ToggleBreakpoint,
    /// The next higher speed.
    Faster,
    /// The next lower speed.
    Slower,
    /// Do the next thing of the lesson.
    NextThing,
    /// Turn the lesson's page.
    NextPage,
    /// Turn the lesson's page back.
    PreviousPage,
    /// Show a hint to the lesson's next question.
    Hint,
    /// Show the answer to the lesson's next question.
    ShowAnswer,
    /// Change to the next theme.
    ToggleTheme,
    /// Put all panels back where they were at first.
    ResetLayout,
}

/// The menu in which a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// Files.
    File,
    /// Time.
    Run,
    /// What is shown and how.
    View,
    /// Lessons.
    Learn,
}

impl Menu {
    /// All menus, from left to right.
    pub const ALL: [Menu; 4] = [Menu::File, Menu::Run, Menu::View, Menu::Learn];

    /// The menu's title.
    pub fn title(self) -> &'static str {
        match self {
            Menu::File => "File",
            Menu::Run => "Run",
            Menu::View => "View",
            Menu::Learn => "Learn",
        }
    }

    /// The menu button's accessible name, different from every command's label.
    pub fn accessible_label(self) -> &'static str {
        match self {
            Menu::File => "File menu",
            Menu::Run => "Run menu",
            Menu::View => "View menu",
            Menu::Learn => "Learn menu",
        }
    }
}

/// The painted symbol of a command's button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A folder.
    Folder,
    /// A triangle to the right.
    Play,
    /// Two bars.
    Pause,
    /// A triangle to the right against a bar.
    StepForward,
    /// A triangle to the left against a bar.
    StepBack,
    /// An arrow to the next line of a list.
    NextInstruction,
    /// Two triangles to the right against a bar.
    ToEnd,
    /// An open circle with an arrow head.
    Restart,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct CommandInfo {
    /// The command.
    pub command: Command,
    /// Its accessible label, also the text of its menu item.
    pub label: &'static str,
    /// What it does, in one sentence.
    pub help: &'static str,
    /// The menu in which it stands.
    pub menu: Menu,
    /// Keys that trigger it.
    pub shortcuts: &'static [KeyboardShortcut],
    /// Symbol and short caption of its toolbar button; `None` if it has no button.
    pub button: Option<(Icon, &'static str)>,
}

const fn key(modifiers: Modifiers, key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(modifiers, key)
}

/// All commands, in menu and toolbar order.
pub const COMMANDS: &[CommandInfo] = &[
    CommandInfo {
        command: Command::Open,
        label: "Open",
        help: "Open a program or a model.",
        menu: Menu::File,
        shortcuts: &[key(Modifiers::COMMAND, Key::O)],
        button: Some((Icon::Folder, "Open")),
    },
    CommandInfo {
        command: Command::Assemble,
        label: "Assemble",
        help: "Write the source text into its file, if it has one, and start its program on the same machine.",
        menu: Menu::File,
        shortcuts: &[key(Modifiers::COMMAND, Key::S)],
        button: None,
    },
    CommandInfo {
        command: Command::SaveSourceAs,
        label: "Save source as",
        help: "Write the source text into another file, which is its own from then on.",
        menu: Menu::File,
        shortcuts: &[key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S)],
        button: None,
    },
    CommandInfo {
        command: Command::Restart,
        label: "Restart",
        help: "Go back to cycle 0.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::COMMAND, Key::R)],
        button: Some((Icon::Restart, "")),
    },
    CommandInfo {
        command: Command::StepBack5,
        label: "Step back 5",
        help: "Go back by five cycles.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F9), key(Modifiers::SHIFT, Key::ArrowLeft)],
        button: Some((Icon::StepBack, "5")),
    },
    CommandInfo {
        command: Command::StepBack,
        label: "Step back",
        help: "Go back by one cycle.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F9), key(Modifiers::NONE, Key::ArrowLeft)],
        button: Some((Icon::StepBack, "1")),
    },
    CommandInfo {
        command: Command::Run,
        label: "Run",
        help: "Let time run at the chosen speed until a breakpoint or the end.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F5)],
        button: Some((Icon::Play, "Run")),
    },
    CommandInfo {
        command: Command::Pause,
        label: "Pause",
        help: "Stop time.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F5)],
        button: Some((Icon::Pause, "Pause")),
    },
    CommandInfo {
        command: Command::Step,
        label: "Step",
        help: "Advance by one cycle.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F10), key(Modifiers::NONE, Key::ArrowRight)],
        button: Some((Icon::StepForward, "1")),
    },
    CommandInfo {
        command: Command::Step10,
        label: "Step 10",
        help: "Advance by ten cycles.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F10), key(Modifiers::SHIFT, Key::ArrowRight)],
        button: Some((Icon::StepForward, "10")),
    },
    CommandInfo {
        command: Command::StepInstruction,
        label: "Step instruction",
        help: "Advance until a unit other than the sequencer starts an instruction.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F11)],
        button: Some((Icon::NextInstruction, "")),
    },
    CommandInfo {
        command: Command::RunToEnd,
        label: "Run to end",
        help: "Run at full speed to the end of the program, past all breakpoints.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::COMMAND, Key::F5)],
        button: Some((Icon::ToEnd, "")),
    },
    CommandInfo {
        command: Command::ZoomIn,
        label: "Zoom in",
        help: "Show half as much time in the timeline.",
        menu: Menu::View,
        shortcuts: &[key(Modifiers::NONE, Key::Plus), key(Modifiers::NONE, Key::Equals)],
        button: None,
    },
    CommandInfo {
        command: Command::ZoomOut,
        label: "Zoom out",
        help: "Show twice as much time in the timeline.",
        menu: Menu::View,
        shortcuts: &[key(Modifiers::NONE, Key::Minus)],
        button: None,
    },
    CommandInfo {
        command: Command::ZoomFit,
        label: "Fit whole run",
        help: "Show the whole run in the timeline.",
        menu: Menu::View,
        shortcuts: &[key(Modifiers::NONE, Key::Num0)],
        button: None,
    },
    CommandInfo {
        command: Command::FollowTime,
        label: "Follow time",
        help: "Show the latest cycles in the timeline and move with them.",
        menu: Menu::View,
        shortcuts: &[key(Modifiers::NONE, Key::End)],
        button: None,
    },
    CommandInfo {
        command: Command::Undo,
        label: "Undo",
        help: "Take the last change of source, breakpoints or machine back.",
        menu: Menu::File,
        shortcuts: &[key(Modifiers::COMMAND, Key::Z)],
        button: None,
    },
    CommandInfo {
        command: Command::Redo,
        label: "Redo",
        help: "Make the change again that was taken back last.",
        menu: Menu::File,
        shortcuts: &[
            key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z),
            key(Modifiers::COMMAND, Key::Y),
        ],
        button: None,
    },
    CommandInfo {
        command: Command::Palette,
        label: "Command palette",
        help: "Find a command by a few letters of its name.",
        menu: Menu::View,
        shortcuts: &[
            key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::P),
            key(Modifiers::COMMAND, Key::P),
        ],
        button: None,
    },
    CommandInfo {
        command: Command::StepInstructionBack,
        label: "Step instruction back",
        help: "Go back to where the last instruction started.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F11)],
        button: None,
    },
    CommandInfo {
        command: Command::StepTile,
        label: "Step tile",
        help: "Advance until the array starts to take a tile.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F7)],
        button: None,
    },
    CommandInfo {
        command: Command::StepTileBack,
        label: "Step tile back",
        help: "Go back to where the array last started to take a tile.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F7)],
        button: None,
    },
    CommandInfo {
        command: Command::StepLayer,
        label: "Step layer",
        help: "Advance to the first instruction of the next layer.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F8)],
        button: None,
    },
    CommandInfo {
        command: Command::StepLayerBack,
        label: "Step layer back",
        help: "Go back to where a layer began.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F8)],
        button: None,
    },
    CommandInfo {
        command: Command::RunToStall,
        label: "Run to stall",
        help: "Run at full speed until a unit begins to wait.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F6)],
        button: None,
    },
    CommandInfo {
        command: Command::BackToStall,
        label: "Back to stall",
        help: "Go back to where a unit last began to wait.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::SHIFT, Key::F6)],
        button: None,
    },
    CommandInfo {
        command: Command::RunToCursor,
        label: "Run to cursor",
        help: "Run at full speed until the selected instruction starts.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::F4)],
        button: None,
    },
    CommandInfo {
        command: Command::ToggleBreakpoint,
        label: "Breakpoint",
        help: "Set or clear a breakpoint at the selected instruction.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::COMMAND, Key::B)],
        button: None,
    },
    CommandInfo {
        command: Command::Faster,
        label: "Faster",
        help: "Let a run take the next higher speed.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::CloseBracket)],
        button: None,
    },
    CommandInfo {
        command: Command::Slower,
        label: "Slower",
        help: "Let a run take the next lower speed.",
        menu: Menu::Run,
        shortcuts: &[key(Modifiers::NONE, Key::OpenBracket)],
        button: None,
    },
    CommandInfo {
        command: Command::NextThing,
        label: "Do the next thing",
        help: "Do the lesson's next step, check the answer, or turn the page.",
        menu: Menu::Learn,
        shortcuts: &[key(Modifiers::COMMAND, Key::Enter)],
        button: None,
    },
    CommandInfo {
        command: Command::NextPage,
        label: "Next page",
        help: "Turn to the lesson's next page.",
        menu: Menu::Learn,
        shortcuts: &[key(Modifiers::COMMAND, Key::PageDown)],
        button: None,
    },
    CommandInfo {
        command: Command::PreviousPage,
        label: "Previous page",
        help: "Turn to the lesson's page before.",
        menu: Menu::Learn,
        shortcuts: &[key(Modifiers::COMMAND, Key::PageUp)],
        button: None,
    },
    CommandInfo {
        command: Command::Hint,
        label: "Hint",
        help: "Show one more hint to the lesson's next question.",
        menu: Menu::Learn,
        shortcuts: &[key(Modifiers::NONE, Key::F2)],
        button: None,
    },
    CommandInfo {
        command: Command::ShowAnswer,
        label: "Show the answer",
        help: "Show the answer to the lesson's next question, which then no longer counts.",
        menu: Menu::Learn,
        shortcuts: &[key(Modifiers::SHIFT, Key::F2)],
        button: None,
    },
    CommandInfo {
        command: Command::ToggleTheme,
        label: "Next theme",
        help: "Change between the dark, the light and the colour-blind safe theme.",
        menu: Menu::View,
        shortcuts: &[key(Modifiers::COMMAND, Key::T)],
        button: None,
    },
    CommandInfo {
        command: Command::ResetLayout,
        label: "Reset layout",
        help: "Put all panels back where they were at first.",
        menu: Menu::View,
        shortcuts: &[],
        button: None,
    },
];

impl Command {
    /// The command's row of the table.
    pub fn info(self) -> &'static CommandInfo {
        COMMANDS
            .iter()
            .find(|info| info.command == self)
            .expect("a test checks that every command has a row")
    }

    /// Whether the command has an effect in the state that a frame shows.
    pub fn is_enabled(self, frame: &Frame) -> bool {
        let is_loaded = frame.program.is_some();
        let is_running = frame.run_state.is_moving();
        match self {
            Command::Run | Command::RunToEnd => is_loaded && !is_running && !frame.run_state.has_ended(),
            Command::Pause => is_running,
            Command::Step
            | Command::Step10
            | Command::StepInstruction
            | Command::StepTile
            | Command::StepLayer
            | Command::RunToStall
            | Command::RunToCursor => is_loaded && !frame.run_state.has_ended(),
            Command::StepBack
            | Command::StepBack5
            | Command::StepInstructionBack
            | Command::StepTileBack
            | Command::StepLayerBack
            | Command::BackToStall
            | Command::Restart => is_loaded && frame.now.cycle > 0,
            Command::Assemble | Command::SaveSourceAs => is_loaded,
            Command::ZoomIn | Command::ZoomOut | Command::ZoomFit | Command::FollowTime | Command::ToggleBreakpoint => {
                is_loaded
            }
            Command::Open
            | Command::Undo
            | Command::Redo
            | Command::Palette
            | Command::Faster
            | Command::Slower
            | Command::NextThing
            | Command::NextPage
            | Command::PreviousPage
            | Command::Hint
            | Command::ShowAnswer
            | Command::ToggleTheme
            | Command::ResetLayout => true,
        }
    }
}

/// Commands whose keys were pressed since the last call, as often as they were pressed or repeated. A shortcut without Shift also
/// matches with Shift held, so the ones with the most modifiers are asked first. While a text field has the keyboard, only Ctrl and
/// function keys count, and what takes back what was typed is the field's own affair.
pub(crate) fn pressed_commands(ctx: &egui::Context) -> Vec<Command> {
    let is_typing = ctx.egui_wants_keyboard_input();
    let mut candidates: Vec<(Command, KeyboardShortcut)> = COMMANDS
        .iter()
        .flat_map(|info| info.shortcuts.iter().map(|shortcut| (info.command, *shortcut)))
        .collect();
    candidates.sort_by_key(|(_, shortcut)| std::cmp::Reverse(n_modifiers(shortcut.modifiers)));
    ctx.input_mut(|input| {
        candidates
            .into_iter()
            .filter(|(command, shortcut)| !is_typing || works_while_typing(*command, shortcut))
            .flat_map(|(command, shortcut)| {
                let n_times = input.count_and_consume_key(shortcut.modifiers, shortcut.logical_key);
                std::iter::repeat_n(command, n_times)
            })
            .collect()
    })
}

fn n_modifiers(modifiers: Modifiers) -> u32 {
    [modifiers.alt, modifiers.shift, modifiers.ctrl || modifiers.command]
        .into_iter()
        .map(u32::from)
        .sum()
}

fn works_while_typing(command: Command, shortcut: &KeyboardShortcut) -> bool {
    if matches!(command, Command::Undo | Command::Redo) {
        return false;
    }
    shortcut.modifiers.command || (Key::F1..=Key::F12).contains(&shortcut.logical_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_keys_are_unique() {
        for (i, a) in COMMANDS.iter().enumerate() {
            for b in &COMMANDS[i + 1..] {
                assert_ne!(a.label, b.label);
                assert_ne!(a.command, b.command);
                for shortcut in a.shortcuts {
                    assert!(
                        !b.shortcuts.contains(shortcut),
                        "{} and {} share a key",
                        a.label,
                        b.label
                    );
                }
            }
        }
    }

    #[test]
    fn every_command_has_a_row() {
        // The last variant's discriminant tells how many there are.
        let n_commands = Command::ResetLayout as usize + 1;
        assert_eq!(COMMANDS.len(), n_commands);
    }
}
