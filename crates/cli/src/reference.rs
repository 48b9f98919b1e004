//! The reference of the command line, as `docs/commands.md` has it: made from what `--help` says.

use std::fmt::Write as _;

use crate::args;

/// All commands, in the order of `crossfade --help`, as Markdown.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Commands\n\nWhat `crossfade COMMAND --help` says, for each command. `cargo xtask docs` writes this page.\n",
    );
    // What the environment holds is somebody's own.
    let root = args::command().mut_args(without_values).mut_subcommands(|command| command.mut_args(without_values));
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        // Long or short, as clap chooses.
        let asked = root.clone().try_get_matches_from(["crossfade", name, "--help"]);
        let help = asked.err().map_or_else(String::new, |help| help.render().to_string());
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    }
    text
}

fn without_values(arg: clap::Arg) -> clap::Arg {
    arg.hide_env_values(true)
}
