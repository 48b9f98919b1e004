//! What the shell offers at TAB: the ids, stages, revisions and places that there are.
//!
//! What it must never do: print anything but that, or keep whoever types waiting. What cannot be had in time is not offered.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use clap::{Arg, Command};
use clap_complete::engine::CompletionCandidate as Candidate;
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use crossfade_steps::ListedRecord;

use crate::args::{Completions, Stack, command};
use crate::installed::{Installed, on};
use crate::list::Wanted;
use crate::revisions;
use crate::say::{Problem, styled};

/// How long AWS may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many of those that are over are offered.
const RECENT: usize = 20;
/// What the script sets when it asks; with it the command does nothing else.
const VARIABLE: &str = "CROSSFADE_COMPLETE";

/// Answers the shell, if it asks. What goes wrong is nothing to be told at a prompt.
pub(crate) fn answered() -> bool {
    let here = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(command).var(VARIABLE).try_complete(std::env::args_os(), here.as_deref());
    asked.unwrap_or(true)
}

pub(crate) fn run(options: &Completions) -> Result<ExitCode, Problem> {
    // As it is: it is for a shell, and has characters that do nothing to a terminal.
    styled(&script(options.shell)?);
    Ok(ExitCode::SUCCESS)
}

/// What a shell reads to ask this command, wherever that is found then.
fn script(shell: Shell) -> Result<String, Problem> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let written = match shells.completer(&shell.to_string()) {
        Some(known) => known.write_registration(VARIABLE, "crossfade", "crossfade", "crossfade", &mut script),
        None => return Err(Problem::Usage(format!("There are no completions for {shell}."))),
    };
    written.map_err(|error| Problem::Here(error.to_string()))?;
    Ok(String::from_utf8_lossy(&script).trim().to_owned())
}

/// The deployments: first those that are not over, then the last ones that are.
pub(crate) fn deployments() -> Vec<Candidate> {
    asked(async |installed, tell| {
        named(installed.open().await?, &tell);
        let recent = Wanted { infrastructure: "", running: false, limit: RECENT };
        named(installed.over(recent).await?.0, &tell);
        Ok(())
    })
}

/// Those that are not over: they run, wait or are stuck.
pub(crate) fn open() -> Vec<Candidate> {
    asked(async |installed, tell| {
        named(installed.open().await?, &tell);
        Ok(())
    })
}

fn named(listed: Vec<ListedRecord>, tell: &Sender<Candidate>) {
    for ListedRecord { deployment_id, infrastructure, status, .. } in listed {
        let stands = status.map_or_else(|| "is not over".to_owned(), |status| format!("{status:?}"));
        let _ = tell.send(offer(deployment_id, format!("{infrastructure}: {stands}")));
    }
}

/// The stage at which the deployment asks whose id was typed.
pub(crate) fn stages() -> Vec<Candidate> {
    let Some(id) = deployment(&words()) else { return Vec::new() };
    asked(async move |installed, tell| {
        let meta = installed.meta(&id).await?;
        if let Some(asked) = installed.asked(&meta).await? {
            let _ = tell.send(offer(asked.stage.to_string(), asked.record.stage));
        }
        Ok(())
    })
}

/// The revisions to which the deployment can go back whose id was typed, the last one first.
pub(crate) fn kept() -> Vec<Candidate> {
    let Some(id) = deployment(&words()) else { return Vec::new() };
    asked(async move |installed, tell| {
        let infrastructure = installed.meta(&id).await?.infrastructure;
        for (number, revision) in revisions::all(installed, &infrastructure).await?.iter().rev() {
            if revision.kept() {
                let _ = tell.send(offer(number.to_string(), revision.artifact().unwrap_or_default().to_owned()));
            }
        }
        Ok(())
    })
}

/// The infrastructure definitions that were deployed to.
pub(crate) fn places() -> Vec<Candidate> {
    parts(|infrastructure| Some(infrastructure.to_owned()))
}

/// Their environments.
pub(crate) fn environments() -> Vec<Candidate> {
    parts(|infrastructure| infrastructure.split('/').nth(1).map(str::to_owned))
}

fn parts(of: impl Fn(&str) -> Option<String> + Send + 'static) -> Vec<Candidate> {
    asked(async move |installed, tell| {
        let known: BTreeSet<String> = installed.last().await.iter().filter_map(|it| of(&it.infrastructure)).collect();
        known.into_iter().for_each(|it| drop(tell.send(Candidate::new(it))));
        Ok(())
    })
}

/// The profiles of this machine's AWS configuration.
pub(crate) fn profiles() -> Vec<Candidate> {
    let file = |variable: &str, usual: &str| {
        let named = std::env::var_os(variable).map(std::path::PathBuf::from);
        let file = named.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".aws").join(usual)));
        file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default()
    };
    let (config, keys) = (file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    profiles_in(&config, &keys).into_iter().map(Candidate::new).collect()
}

fn profiles_in(config: &str, credentials: &str) -> BTreeSet<String> {
    let sections = |text: &str| -> Vec<String> {
        let headings = text.lines().filter_map(|line| line.trim().strip_prefix('[')?.split_once(']'));
        headings.map(|(heading, _)| heading.trim().to_owned()).collect()
    };
    let named = sections(config).into_iter().filter_map(|heading| match heading.strip_prefix("profile ") {
        Some(name) => Some(name.trim().to_owned()),
        None => (heading == "default").then_some(heading),
    });
    named.chain(sections(credentials)).collect()
}

/// One thing that is offered, with what it is.
fn offer(value: String, help: String) -> Candidate {
    Candidate::new(value).help(Some(help.into()))
}

/// What the account has told within the time; nothing where nobody answers.
fn asked(
    work: impl AsyncFnOnce(&Installed, Sender<Candidate>) -> Result<(), Problem> + Send + 'static,
) -> Vec<Candidate> {
    let until = Instant::now() + PATIENCE;
    let stack = stack(&words());
    let (tell, told) = channel();
    // Whoever looks up a name or runs somebody's program for credentials cannot be told to stop: a thread that nobody waits for.
    std::thread::spawn(move || drop(on(&stack, async |installed| work(installed, tell).await)));
    let mut offered = Vec::new();
    loop {
        match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(one) => offered.push(one),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return offered,
        }
    }
}

/// The words of the line, as the shell gives them.
fn words() -> Vec<String> {
    let given = std::env::args_os().skip_while(|word| word != "--").skip(1);
    given.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Where crossfade is, as far as the line says so.
fn stack(words: &[String]) -> Stack {
    let usual = || std::env::var("CROSSFADE_STACK").unwrap_or_else(|_| "crossfade".into());
    Stack {
        stack: option(words, "stack").unwrap_or_else(usual),
        profile: option(words, "profile"),
        region: option(words, "region"),
    }
}

/// The value of an option among the words. Some shells make a word of each sign of equality.
fn option(words: &[String], name: &str) -> Option<String> {
    let (whole, with) = (format!("--{name}"), format!("--{name}="));
    let at = words.iter().rposition(|word| *word == whole || word.starts_with(&with))?;
    let value = match words[at].strip_prefix(&with) {
        Some(value) => Some(value),
        None => words[at + 1..].iter().map(String::as_str).find(|word| *word != "="),
    };
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Whether an option has no value.
fn is_bare(option: &str) -> bool {
    let is = |argument: &Arg| match option.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| option.strip_prefix('-') == Some(&short.to_string())),
    };
    let command = command();
    let mut all = command.get_subcommands().flat_map(Command::get_arguments);
    all.any(|argument| is(argument) && !argument.get_action().takes_values())
}

/// The id of the deployment among the words: the first one after the command's name.
fn deployment(words: &[String]) -> Option<String> {
    let mut plain = Vec::new();
    let mut rest = words.iter().skip(1).filter(|word| *word != "=");
    while let Some(word) = rest.next() {
        match word.starts_with('-') {
            false => plain.push(word),
            true if word.contains('=') || is_bare(word) => {}
            true => drop(rest.next()),
        }
    }
    plain.get(1).map(|id| (*id).clone()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_line_says_where_and_which_deployment() {
        for (text, id) in [
            ("crossfade approve shop-42 --stage ", Some("shop-42")),
            ("crossfade --region eu-west-1 approve --by ann shop-42 --stage ", Some("shop-42")),
            ("crossfade rollback --now shop-42 --to = ", Some("shop-42")),
            ("crossfade approve --stage ", None),
            ("crossfade approve -m=so ", None),
        ] {
            assert_eq!(deployment(&line(text)).as_deref(), id, "{text}");
        }
        let stack = stack(&line("crossfade status --stack other --profile=staging --region = us-east-1 "));
        let told = (stack.stack.as_str(), stack.profile.as_deref(), stack.region.as_deref());
        assert_eq!(told, ("other", Some("staging"), Some("us-east-1")));
        assert_eq!(option(&line("crossfade status --profile "), "profile"), None);
    }

    #[test]
    fn profiles_are_those_of_both_files() {
        let config = "[default]\nregion = eu-west-1\n[profile staging]\n[sso-session ours]\n # [profile no]\n";
        let found = profiles_in(config, "[ production ]\naws_access_key_id = a\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["default", "production", "staging"]);
    }
}
