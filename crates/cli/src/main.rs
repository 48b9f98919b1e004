//! The `crossfade` command.
//!
//! What it owns: arguments, what a terminal shows, and exit codes: 0 done, 1 the deployment failed (everything is as it was),
//! 2 the command or the document is wrong, 3 something is left, 4 AWS could not be reached or refused, 5 `plan --detailed-exitcode`
//! has something to do, 124 the time of `--timeout` is
//! over, 130 interrupted.
//!
//! What it must never do: decide anything about a deployment. It starts, shows and answers; the stack deploys.

mod abort;
mod account_time;
mod args;
mod belongings;
mod complete;
mod console;
mod dashboard;
mod decide;
mod demo;
mod deploy;
mod documents;
mod done;
mod explain;
mod fold;
mod freeze;
mod import;
mod init;
mod installed;
mod list;
mod local;
mod outputs;
mod pause;
mod plan;
mod problem;
mod reference;
mod rehearse;
mod revisions;
mod rollback;
mod say;
mod status;
mod trigger;
mod verify;
mod view;
mod watch;

use std::process::ExitCode;

use args::{Command, Options, Printed, Trigger};
use clap::FromArgMatches;

fn main() -> ExitCode {
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    let matches = args::command().try_get_matches().unwrap_or_else(|error| misused(&error));
    let json = args::in_json(&matches);
    let Options { command, stack } = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match command {
        Command::Demo(options) => demo::run(&options),
        Command::Local(options) => local::run(&options),
        Command::Init(options) => init::run(&stack, &options),
        Command::Validate(options) => documents::validate(&options),
        Command::Schema(options) => outputs::schema(&options),
        Command::Completions(options) => complete::run(&options),
        Command::Reference => {
            say::verbatim(reference::markdown().trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Import(options) => import::run(&options),
        Command::Plan(options) => plan::run(&stack, &options),
        Command::Rehearse(options) => rehearse::run(&stack, &options),
        Command::Verify(options) => verify::run(&stack, &options),
        Command::Deploy(options) => deploy::run(&stack, &options),
        Command::List(options) => list::run(&stack, &options),
        Command::Status(options) => status::run(&stack, &options),
        Command::Watch(options) => watch::run(&stack, &options),
        Command::Console(options) => console::run(&stack, &options),
        Command::Dashboard(options) => dashboard::run(&stack, &options),
        Command::Approve(options) => decide::run(&stack, &options, crossfade_core::document::Decision::Approve),
        Command::Reject(options) => decide::run(&stack, &options, crossfade_core::document::Decision::Reject),
        Command::Abort(options) => abort::run(&stack, &options),
        Command::Rollback(options) => rollback::run(&stack, &options),
        Command::Retry(options) => deploy::retry(&stack, &options),
        Command::Pause(Printed { what, output }) => pause::pause(&stack, &what, output),
        Command::Resume(Printed { what, output }) => pause::resume(&stack, &what, output),
        Command::Promote(Printed { what, output }) => pause::promote(&stack, &what, output),
        Command::Accept(Printed { what, output }) => belongings::accept(&stack, &what, output),
        Command::Freeze(Printed { what, output }) => freeze::freeze(&stack, &what, output),
        Command::Unfreeze(Printed { what, output }) => freeze::unfreeze(&stack, &what, output),
        Command::Trigger { command: Trigger::Test(options) } => trigger::test(&stack, &options),
        Command::Revisions(options) => revisions::run(&stack, &options),
        Command::Handover(Printed { what, output }) => belongings::hand_over(&stack, &what, output),
        Command::Adopt(Printed { what, output }) => belongings::adopt(&stack, &what, output),
    };
    result.unwrap_or_else(|problem| {
        let code = problem.exit_code();
        say::problem(&problem.to_string());
        if json {
            say::told(problem);
        }
        code
    })
}

/// Ends at arguments that cannot be read, or whose help was asked for.
fn misused(error: &clap::Error) -> ! {
    if error.use_stderr() && args::asks_for_json(std::env::args_os()) {
        say::told(error.into());
    }
    error.exit()
}
