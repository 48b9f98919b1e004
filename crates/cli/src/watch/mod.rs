//! `crossfade watch`, and `--wait`: a deployment followed to its end, by whoever attaches, as often as they like.
//!
//! It only looks. A network that is lost is waited for; whoever leaves is told that the deployment goes on.

pub(crate) mod events;
mod keys;
pub(crate) mod screen;
pub(crate) mod terminal;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossfade_aws::State;
use crossfade_core::document::Decision;
use crossfade_core::plan::Direction;
use crossfade_core::{Failure, Kind};
use crossfade_steps::Status;
use serde_json::json;

use crate::abort::abort;
use crate::args::{Decide, Limits, Output, Said, Stack, Until, Watch};
use crate::dashboard::offers::{Deed, Offer};
use crate::decide::decide;
use crate::explain::{credentials, explain};
use crate::installed::{Installed, on};
use crate::say::{INTERRUPTED, Problem, aside, line, verbatim};
use crate::status::exit_code;
use crate::view::reading::{Every, Reading};
use crate::view::records::Records;
use crate::view::text;
use crate::view::{View, build};

use events::{Because, Event, Teller, ended, lines};
use keys::{Keys, Pressed};
use terminal::{Heard, Keyboard, Screen};

/// How often the table is looked at, and the account while somebody sees it.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_AROUND: Duration = Duration::from_secs(5);
/// How often the screen is drawn.
const DRAW: Duration = Duration::from_millis(250);
/// The longest time between two attempts while AWS cannot be reached.
const PATIENCE: Duration = Duration::from_secs(30);
/// The exit code when the time is over that `--timeout` gives: that of `timeout` of the GNU coreutils.
const TIMED_OUT: u8 = 124;

/// What is known of a deployment between its start and its first record.
pub(crate) const NOT_YET: &str = "nothing is recorded of it yet";

/// What is followed, and how.
#[derive(Debug, Default)]
pub(crate) struct Follow<'a> {
    pub(crate) deployment: &'a str,
    /// Its execution, which knows more than the table where nothing is recorded.
    pub(crate) execution: Option<&'a str>,
    pub(crate) output: Output,
    pub(crate) limits: Limits,
    pub(crate) log: bool,
    /// Whether its execution was stopped on purpose.
    pub(crate) stopped: bool,
    /// The end that it had before, and the execution of the rollback that was started since.
    pub(crate) again: Option<Again<'a>>,
}

/// A deployment that had ended before it is rolled back (again).
#[derive(Debug)]
pub(crate) struct Again<'a> {
    pub(crate) ended_millis: Option<u64>,
    pub(crate) rollback: &'a str,
}

pub(crate) fn run(stack: &Stack, options: &Watch) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let chosen = async {
            let deployment = installed.choose("watch", options.deployment.as_deref(), options.output).await?;
            let begun = installed.begun(&deployment).await?;
            Ok::<_, Problem>((deployment, begun.map(|(execution, _)| execution)))
        };
        let (caller, chosen) = tokio::join!(installed.caller(), chosen);
        let acts_in = installed.introduced(caller, options.output);
        let (deployment, execution) = chosen?;
        if options.output == Output::Json {
            verbatim(&json!(Event::Following { deployment_id: deployment.clone(), acts_in }).to_string());
        } else if execution.is_some() {
            aside(&format!("{deployment} has started; {NOT_YET}"));
        }
        let follow = Follow {
            deployment: &deployment,
            execution: execution.as_deref(),
            output: options.output,
            limits: options.limits,
            log: options.log,
            ..Follow::default()
        };
        follow.to_its_end(installed).await
    })
}

impl Follow<'_> {
    /// Whether somebody is asked, and it is followed until then. What it asked before it was stopped is over.
    fn asked(&self, view: &View) -> bool {
        let question = view.question.as_ref().filter(|it| !self.stopped || it.direction == Direction::Rollback);
        self.limits.until == Until::Approval && question.is_some()
    }

    /// Follows until it is over, or whatever ends the following before.
    pub(crate) async fn to_its_end(&self, installed: &Installed) -> Result<ExitCode, Problem> {
        let id = self.deployment;
        let outcome = {
            let mut following = Following::new(self, installed);
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => None,
                outcome = following.run() => Some(outcome),
            }
        };
        match outcome {
            Some(Err(Problem::Aws(failure))) if credentials(&failure) => Err(Problem::Aws(failure.kind.because(
                format!("{failure}\n{id} goes on meanwhile. Signed in again, follow it with `crossfade watch {id}`."),
            ))),
            Some(outcome) => outcome,
            None => {
                aside("");
                Ok(self.left())
            }
        }
    }

    /// Says to whoever leaves that it goes on.
    fn left(&self) -> ExitCode {
        let id = self.deployment;
        self.leaves(Because::Interrupted);
        aside(&format!("{id} goes on. Follow it: crossfade watch {id}\nStop it, and go back: crossfade abort {id}"));
        ExitCode::from(INTERRUPTED)
    }

    /// Says to scripts that nobody follows any more, and why.
    fn leaves(&self, because: Because) {
        if self.output == Output::Json {
            verbatim(&json!(Event::Left { deployment_id: self.deployment.into(), because }).to_string());
        }
    }
}

/// Who follows, and what they have seen.
struct Following<'a> {
    follow: &'a Follow<'a>,
    installed: &'a Installed,
    teller: Teller,
    reading: Reading,
    records: Option<Records>,
    /// Since when AWS cannot be reached, and why.
    trouble: Option<(u64, String)>,
}

/// What is seen of a deployment.
enum Seen {
    /// Nothing is recorded yet.
    Nothing,
    /// It stands so.
    Standing(Box<View>),
    /// It is over.
    Over(Box<View>),
}

impl<'a> Following<'a> {
    fn new(follow: &'a Follow<'a>, installed: &'a Installed) -> Self {
        let teller = Teller::new(follow.log, follow.stopped);
        Self { follow, installed, teller, reading: Reading::new(follow.deployment), records: None, trouble: None }
    }

    async fn run(&mut self) -> Result<ExitCode, Problem> {
        match self.follow.output {
            Output::Text => match Screen::open(screen::LEAST) {
                Some(screen) => self.draw(screen).await,
                None => self.tell().await,
            },
            Output::Json => self.tell().await,
        }
    }

    /// A line for each event.
    async fn tell(&mut self) -> Result<ExitCode, Problem> {
        let began = Instant::now();
        let mut introduced = self.follow.output == Output::Json;
        loop {
            let (seen, pause) = self.patiently().await?;
            match seen {
                None | Some(Seen::Nothing) => {}
                Some(Seen::Standing(view)) => {
                    if !std::mem::replace(&mut introduced, true) {
                        text::heading(&view).iter().for_each(|text| line(text));
                    }
                    self.say(&view).await;
                    if self.follow.asked(&view) {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                Some(Seen::Over(view)) => {
                    if !introduced {
                        text::heading(&view).iter().for_each(|text| line(text));
                    }
                    let mut events = self.teller.tell(&view);
                    events.push(ended(&view));
                    self.print(&events, &view);
                    return Ok(exit_code(view.status));
                }
            }
            if let Some(code) = self.out_of_time(began) {
                return Ok(code);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Says what has happened since the last time, and how traffic and health are then.
    async fn say(&mut self, view: &View) {
        let mut events = self.teller.tell(view);
        if events.is_empty() {
            return;
        }
        let now = match &self.records {
            Some(records) => self.installed.now(records).await,
            None => None,
        };
        let view = view.clone().seeing(now);
        events.extend(self.teller.weights(&view));
        self.print(&events, &view);
    }

    fn print(&self, events: &[Event], view: &View) {
        match self.follow.output {
            Output::Text => lines(events, view).iter().for_each(|text| line(text)),
            Output::Json => events.iter().for_each(|event| verbatim(&json!(event).to_string())),
        }
    }

    /// The live screen, and in the end how it stands, where the screen was opened.
    async fn draw(&mut self, screen: Screen) -> Result<ExitCode, Problem> {
        let began = Instant::now();
        let mut around = Every::new(LOOK_AROUND);
        let (mut keyboard, mut keys) = (Keyboard::open(), Keys::default());
        let (mut looked, mut pause) = (None::<Instant>, Duration::ZERO);
        let (mut now, mut code) = (None, None);
        while code.is_none() {
            if looked.is_none_or(|looked| looked.elapsed() >= pause) {
                let (seen, next) = self.patiently().await?;
                (looked, pause) = (Some(Instant::now()), next);
                match seen {
                    Some(Seen::Over(view)) => code = Some(exit_code(view.status)),
                    Some(Seen::Standing(view)) => {
                        if around.due()
                            && let Some(records) = &self.records
                        {
                            now = self.installed.now(records).await;
                        }
                        if self.follow.asked(&view) {
                            code = Some(ExitCode::SUCCESS);
                        }
                    }
                    None | Some(Seen::Nothing) => {}
                }
                code = code.or_else(|| self.out_of_time(began));
            }
            let (columns, rows) = screen.size();
            let trouble = self.trouble.as_ref().map(|(since, why)| blind(*since, why));
            let view = self.view().map(|view| view.seeing(now.clone()));
            screen.draw(&match (&view, &keyboard) {
                (Some(view), Some(_)) => keys.frame(view, trouble.as_deref(), columns, rows),
                (Some(view), None) => screen::frame(view, trouble.as_deref(), columns, rows),
                (None, _) => vec![format!("{} starts", self.follow.deployment)],
            });
            let Some(keyboard) = &mut keyboard else {
                tokio::time::sleep(DRAW).await;
                continue;
            };
            let pressed = tokio::select! {
                heard = keyboard.hear() => match heard {
                    Heard::Key(key) => keys.press(key, view.as_ref()),
                    Heard::Back => Pressed::Shown,
                    Heard::End => Pressed::Leave,
                },
                () = tokio::time::sleep(DRAW) => Pressed::Shown,
            };
            match pressed {
                Pressed::Shown => {}
                Pressed::Asks => keyboard.forget(),
                Pressed::Leave => {
                    drop(screen);
                    return Ok(self.follow.left());
                }
                Pressed::Do(offer) => {
                    keys.said = Some(done(self.installed, self.follow.deployment, &offer).await);
                    keyboard.forget();
                    looked = None;
                }
            }
        }
        drop(screen);
        if let Some(view) = self.view() {
            let now = now.filter(|_| !view.status.ended() || view.status == Status::FailedDirty);
            text::all(&view.seeing(now), false).iter().for_each(|text| line(text));
        }
        Ok(code.unwrap_or(ExitCode::SUCCESS))
    }

    fn out_of_time(&self, began: Instant) -> Option<ExitCode> {
        let id = self.follow.deployment;
        let timeout = self.follow.limits.timeout.filter(|timeout| began.elapsed() >= *timeout)?;
        self.follow.leaves(Because::Timeout);
        aside(&format!(
            "{id} goes on; the {} s of --timeout are over. Follow it: crossfade watch {id}",
            timeout.as_secs()
        ));
        Some(ExitCode::from(TIMED_OUT))
    }

    /// Looks; what passes by itself is waited for, and said once. Answers when to look again, too.
    async fn patiently(&mut self) -> Result<(Option<Seen>, Duration), Problem> {
        match self.look().await {
            Ok(seen) => {
                if let Some((since, _)) = self.trouble.take() {
                    aside(&format!("AWS can be reached again, after {}", text::span(self.now().saturating_sub(since))));
                }
                Ok((Some(seen), LOOK))
            }
            Err(Problem::Aws(failure)) if passes(&failure) => {
                let now = self.now();
                let since = self.trouble.as_ref().map(|(since, _)| *since);
                if since.is_none() {
                    aside(&format!("{}; it is tried again, and the deployment goes on", blind(now, &failure.message)));
                }
                self.trouble = Some((since.unwrap_or(now), failure.message));
                let blind = Duration::from_millis(now.saturating_sub(since.unwrap_or(now)));
                Ok((None, blind.clamp(LOOK, PATIENCE)))
            }
            Err(problem) => Err(problem),
        }
    }

    /// The account's time.
    fn now(&self) -> u64 {
        self.installed.time.now_millis()
    }

    /// Reads what is new.
    async fn look(&mut self) -> Result<Seen, Problem> {
        let Some(records) = self.reading.look(self.installed).await? else { return self.unrecorded().await };
        let over = records.meta.status.ended() && !self.begins_again(&records).await?;
        self.records = Some(records);
        let Some(view) = self.view() else { return Ok(Seen::Nothing) };
        Ok(if over { Seen::Over(Box::new(view)) } else { Seen::Standing(Box::new(view)) })
    }

    /// Whether this is the end from before, and the rollback that was started since has not begun.
    async fn begins_again(&mut self, records: &Records) -> Result<bool, Problem> {
        let Some(again) = &self.follow.again else { return Ok(false) };
        if records.meta.ended_millis != again.ended_millis {
            return Ok(false);
        }
        let rollback = self.installed.executions.describe(again.rollback).await?;
        Ok(rollback.is_none_or(|rollback| rollback.state == State::Running))
    }

    /// Nothing is recorded, yet or for ever: the execution knows.
    async fn unrecorded(&self) -> Result<Seen, Problem> {
        let (installed, id) = (self.installed, self.follow.deployment);
        let Some(execution) = self.follow.execution else { return Err(installed.unknown(id).await) };
        match installed.executions.describe(execution).await? {
            Some(ended) if matches!(ended.state, State::Failed | State::TimedOut | State::Aborted) => {
                // It may have been recorded since the look above.
                if installed.recorded(id).await.is_ok_and(|meta| meta.is_some()) {
                    return Ok(Seen::Nothing);
                }
                let kind = Kind::named(&ended.error).unwrap_or(Kind::RequestRefused);
                let why = if ended.cause.is_empty() { format!("{:?}", ended.state) } else { ended.cause };
                Err(Problem::InTheWay(kind.because(why)))
            }
            _ => Ok(Seen::Nothing),
        }
    }

    /// How it stands by what was read last, now.
    fn view(&self) -> Option<View> {
        self.records.as_ref().map(|records| build::view(records, self.now()))
    }
}

/// Does what somebody has confirmed, as the command of that name does it, and tells what came of it.
async fn done(installed: &Installed, id: &str, offer: &Offer) -> String {
    let arn = installed.acts_as();
    let said = Said { by: std::env::var("USER").unwrap_or_default(), comment: String::new() };
    let outcome = match offer.deed {
        Deed::Approve | Deed::Reject => {
            let decision = if offer.deed == Deed::Approve { Decision::Approve } else { Decision::Reject };
            let options = Decide { deployment: id.to_owned(), stage: offer.stage, said, output: Output::Text };
            decide(installed, &options, arn, decision).await.map(|decided| decided.message)
        }
        Deed::Abort => abort(installed, id, &said.seen_as(arn)).await.map(|aborted| aborted.message),
        // No key is for another one.
        _ => return format!("as with: {}", offer.command),
    };
    match outcome {
        Ok(message) => message,
        Err(Problem::Aws(failure)) => explain(failure, installed).await.to_string(),
        Err(problem) => problem.to_string(),
    }
}

/// Whether a failure may pass by itself.
fn passes(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::ServiceUnavailable | Kind::Throttled) && !credentials(failure)
}

fn blind(since: u64, why: &str) -> String {
    format!("AWS cannot be reached since {}: {why}", text::time(since))
}
