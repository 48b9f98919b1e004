//! `crossfade freeze` and `crossfade unfreeze`: the line is stopped, and goes on.

use std::collections::BTreeSet;
use std::process::ExitCode;

use crossfade_core::document::suggestion;
use crossfade_core::freeze::{Freeze, Window};
use crossfade_steps::ListedRecord;
use jiff::Timestamp;

use crate::args::{self, Output, Stack};
use crate::done::tell;
use crate::installed::{Installed, on};
use crate::say::Problem;
use crate::view::text::ago;

pub(crate) fn freeze(stack: &Stack, options: &args::Freeze, output: Output) -> Result<ExitCode, Problem> {
    // What is written wrong is said before anybody is called.
    options.hours.window().map_err(Problem::Usage)?;
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        let options = args::Freeze { said: options.said.seen_as(acts_in.caller()), ..options.clone() };
        Ok(tell(&stop_line(installed, &options).await?, output, acts_in))
    })
}

/// Stops the line, and tells it.
pub(crate) async fn stop_line(installed: &Installed, options: &args::Freeze) -> Result<Vec<String>, Problem> {
    let since_millis = installed.time.now_millis();
    let [by, comment] = options.said.written();
    let lasts = options.lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    let until_millis = lasts.map(|lasts| since_millis.saturating_add(lasts));
    let (environment, window) = (options.what.environment.clone(), options.hours.window().map_err(Problem::Usage)?);
    let freeze = Freeze { environment, by, comment, since_millis, until_millis, window };
    crossfade_steps::freeze(&installed.context, &freeze).await?;
    let goes_on = "what runs goes on; to go back is always possible; to let it go on";
    let mut lines = vec![told(&freeze, since_millis), format!("  {goes_on}: {}", freeze.ends_with())];
    lines.extend(match &freeze.environment {
        Some(environment) => strange(installed, environment).await,
        None => None,
    });
    Ok(lines)
}

/// That nobody has deployed to an environment, where it looks as if another one were meant.
async fn strange(installed: &Installed, environment: &str) -> Option<String> {
    let last = installed.last().await;
    let of = |listed: &'_ ListedRecord| listed.infrastructure.split('/').nth(1).map(str::to_owned);
    let known: BTreeSet<String> = last.iter().filter_map(of).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let other = !known.is_empty() && !known.contains(&environment);
    other.then(|| format!("  ! nobody has deployed to {environment} so far{}", suggestion(environment, &known)))
}

pub(crate) fn unfreeze(stack: &Stack, options: &args::Unfreeze, output: Output) -> Result<ExitCode, Problem> {
    let window = options.hours.window().map_err(Problem::Usage)?;
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        let environment = options.what.environment.as_deref();
        Ok(tell(&free_line(installed, environment, window.as_ref()).await?, output, acts_in))
    })
}

/// Lets the line of an environment, or of all of them, go on, always or in these hours, and tells what is still frozen.
pub(crate) async fn free_line(
    installed: &Installed,
    environment: Option<&str>,
    window: Option<&Window>,
) -> Result<Vec<String>, Problem> {
    let not = match environment {
        Some(environment) => format!("{environment} was not frozen: nothing was changed"),
        None => "There was no freeze of all environments: nothing was changed".to_owned(),
    };
    let before = crossfade_steps::unfreeze(&installed.context, environment, window).await?;
    let now = installed.time.now_millis();
    let others = crossfade_steps::freezes(&installed.context).await?;
    let in_hours = |other: &Freeze| other.environment.as_deref() == environment && other.window.is_some();
    let mut lines = vec![match before {
        Some(before) => format!("No longer: {}", before.in_words()),
        None if others.iter().any(in_hours) => format!("{not}; --window and --zone name the hours that are frozen"),
        None => not,
    }];
    lines.extend(others.iter().filter(|it| !it.is_over(now)).map(|other| format!("Still: {}", told(other, now))));
    Ok(lines)
}

/// What is frozen, by whom, why, since when and until when.
pub(crate) fn told(freeze: &Freeze, now_millis: u64) -> String {
    let until = |millis: u64| {
        let time = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        time.map_or_else(String::new, |time| format!(", until {}", time.strftime("%Y-%m-%d %H:%MZ")))
    };
    let since = ago(now_millis.saturating_sub(freeze.since_millis));
    format!("{}, since {since}{}", freeze.in_words(), freeze.ends(now_millis).map_or_else(String::new, until))
}
