//! The reference of the command line, as `docs/commands.md` has it: made from what `--help` says.

use std::fmt::Write as _;

use clap::Command;

use crate::args;

/// All commands, in the order of `crossfade --help`, as Markdown.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Commands\n\nWhat `crossfade COMMAND --help` says, for each command. `cargo xtask schema` writes this page.\n",
    );
    let mut root = args::command().mut_args(without_values);
    root.build();
    let shown: Vec<Command> = root.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    for command in shown.into_iter().filter(|command| command.get_name() != "help") {
        let name = command.get_name().to_owned();
        // What the environment holds is somebody's own.
        let help = command.mut_args(without_values).render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    }
    text
}

fn without_values(arg: clap::Arg) -> clap::Arg {
    arg.hide_env_values(true)
}
