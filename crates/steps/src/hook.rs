//! `hook`: calls something of the user's own, and judges what it answers. `hook-http`: posts to an endpoint on its behalf.
//!
//! What it must never do: take silence for a yes, or let a hook that is only told hold anything up. The function that reaches the world
//! reaches nothing else: it has no records.

use crossfade_aws::{Letter, keys};
use crossfade_core::document::{Decision, Hook, Point};
use crossfade_core::hook::{self, Judgement, Reply, Told};
use crossfade_core::pace;
use crossfade_core::plan::{Action, Approve, Call, Direction};
use crossfade_core::progress::{Again, Phase};
use crossfade_core::{Class, Failure, Kind, Result, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;
use crate::records::{FailureRecord, item, read, stage_key};
use crate::run::Run;

/// The record `hook#DIRECTION#INDEX` of a deployment: how often a hook was called, and what it has said last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HookRecord {
    /// How often it was called.
    attempts: u32,
    /// How often in a row nothing that counts has come back.
    unheard: u32,
    /// What it is to be told the next time.
    state: Option<Value>,
    /// How many times its stage had failed and was tried again by then.
    tried: u32,
}

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let run = Run::load(&event, context).await?;
    let Action::Call(call) = run.action()? else { return Err(run.wrong_stage("hook")) };
    let hook = known(&run, &call)?;
    match call.at {
        Some(Point::BeforeRollback) => shout(run, &call, &hook).await,
        _ => ask(run, &call, &hook).await,
    }
}

/// What could not even be told: the rollback, or the end, does not wait for it.
pub(crate) async fn untold(run: Run<'_>, call: &Call, state: &Value) -> Result<Value> {
    match FailureRecord::from_catch(state) {
        Some(failure) => {
            let line = format!("{} could not be told: {}: {}", call.hook, failure.error, failure.cause);
            run.next_stage(line).await
        }
        // It waits since an earlier release, which looked on before it asked again.
        None => Ok(run.act_now()),
    }
}

/// Asks whoever answers a callback, with the token to answer with.
pub(crate) async fn ask_back(run: &Run<'_>, approve: &Approve, call: &Call, token: &str) -> Result<()> {
    let hook = known(run, call)?;
    let function = hook.callback.as_ref().map(|arn| arn.0.clone()).unwrap_or_default();
    let mut payload = told(run, call, &hook, &HookRecord { attempts: 1, ..HookRecord::default() }).payload();
    payload["taskToken"] = token.into();
    payload["deadlineMillis"] = run.progress.deadline_millis().into();
    let reply = run.context.hooks.ask(&function, &payload).await.map_err(|failure| not_called(call, failure))?;
    let no =
        |why: String| Kind::HookFailed.because(format!("{}: {} was to call back: {why}.", approve.message, call.hook));
    match reply {
        Reply::Returned(answer) => match hook::judge(Reply::Returned(answer.clone()), &hook) {
            // What it says now is no decision, unless it says no.
            Judgement::Fails(why) if answer.get("verdict").or(answer.get("hookStatus")).is_some() => Err(no(why)),
            _ => Ok(()),
        },
        Reply::Raised(why) => Err(no(format!("it failed: {why}"))),
        // It may have got the token.
        Reply::Silent(_) | Reply::Answered { .. } => Ok(()),
        Reply::Forbidden(why) => Err(no(why)),
    }
}

fn known(run: &Run<'_>, call: &Call) -> Result<Hook> {
    run.meta.document.hooks.get(&call.hook).cloned().ok_or_else(|| {
        Kind::RecordMissing
            .because(format!("The document of {} has no hook {}.", run.progress.deployment_id, call.hook))
    })
}

fn told<'a>(run: &'a Run<'_>, call: &'a Call, hook: &'a Hook, record: &'a HookRecord) -> Told<'a> {
    let failure = run.meta.failure.as_ref().filter(|_| run.progress.direction == Direction::Rollback);
    Told {
        deployment: &run.progress.deployment_id,
        hook: &call.hook,
        at: call.at,
        stage: &run.progress.stage.name,
        index: run.progress.stage.index,
        tried: run.progress.stage.attempt,
        direction: run.progress.direction,
        attempt: record.attempts,
        traffic: call.traffic,
        snapshot: &run.snapshot,
        state: record.state.as_ref(),
        failure: failure.map(|failure| (failure.error.as_str(), failure.cause.as_str())),
        input: &hook.input,
    }
}

fn not_called(call: &Call, failure: Failure) -> Failure {
    match failure.kind.class() {
        Class::Transient => failure,
        _ => failure.kind.because(format!("The hook {} could not be called: {}", call.hook, failure.message)),
    }
}

/// The function that is invoked for a hook, and what it gets.
fn addressed(hook: &Hook, told: &Told<'_>, context: &Context) -> Result<(String, Value)> {
    let payload = told.payload();
    match (&hook.lambda, &hook.http) {
        (Some(lambda), _) => Ok((lambda.0.clone(), payload)),
        (None, Some(http)) => {
            let function = context.settings.hook_http_function_arn.clone().ok_or_else(|| {
                Kind::RequestRefused
                    .because("This installation has no function that calls endpoints: update the stack.")
            })?;
            let letter = Letter {
                url: http.url.clone(),
                id: told.call_id(),
                authorization: http.authorization.clone(),
                sign: http.sign.clone(),
                body: payload,
            };
            Ok((function, serde_json::to_value(letter).unwrap_or(Value::Null)))
        }
        (None, None) => Err(Kind::RecordMissing.because("The hook calls nothing.")),
    }
}

/// Nobody waits for an answer: the traffic is to go back.
async fn shout(run: Run<'_>, call: &Call, hook: &Hook) -> Result<Value> {
    let record = HookRecord { attempts: 1, ..HookRecord::default() };
    let told = match addressed(hook, &told(&run, call, hook, &record), run.context) {
        Ok((function, payload)) => run.context.hooks.tell(&function, &payload).await,
        Err(failure) => Err(failure),
    };
    let line = match told {
        Ok(()) => format!("{} was told", call.hook),
        Err(failure) => format!("{} could not be told: {failure}", call.hook),
    };
    run.next_stage(line).await
}

async fn ask(mut run: Run<'_>, call: &Call, hook: &Hook) -> Result<Value> {
    let id = run.progress.deployment_id.clone();
    let key = stage_key("hook", run.progress.direction, run.progress.stage.index);
    let stored = run.context.table.get(&keys::deployment(&id), &key).await?;
    let mut record = stored.map(|(value, _)| read::<HookRecord>(&key, value)).transpose()?.unwrap_or_default();
    // A stage that is tried again calls anew.
    let tried = run.progress.stage.attempt;
    if record.tried != tried {
        record = HookRecord { tried, ..HookRecord::default() };
    }
    record.attempts += 1;
    // Whoever is about to call still owns the deployment, and knows afterwards that it has called.
    run.record(item(&id, key.clone(), &record)).await?;
    let reply = match addressed(hook, &told(&run, call, hook, &record), run.context) {
        Ok((function, payload)) => run.context.hooks.ask(&function, &payload).await,
        Err(failure) => Err(failure),
    };
    let judgement = match reply {
        Ok(reply) => judged(reply, hook),
        Err(failure) if call.only_tells() => Judgement::Fails(failure.message),
        Err(failure) => return Err(not_called(call, failure)),
    };
    let (seconds, message) = match judgement {
        Judgement::Passes(message) => return run.next_stage(format!("{} says yes: {message}", call.hook)).await,
        Judgement::Fails(message) => return no(run, call, message).await,
        Judgement::Waits { seconds, message, state } => {
            record.unheard = 0;
            record.state = state.or(record.state);
            (seconds, message)
        }
        Judgement::Unheard(message) => {
            record.unheard += 1;
            // An endpoint may be away for a while. A function that fails and fails is its answer.
            if hook.http.is_none() && record.unheard >= hook::TRIES {
                let message = format!("{message}, {} times in a row", hook::TRIES);
                return no(run, call, message).await;
            }
            (10 * record.unheard.min(6), message)
        }
    };
    if run.overdue() {
        let minutes = hook.timeout_minutes;
        return match hook.on_timeout {
            Decision::Approve => {
                let line =
                    format!("{} did not say yes within {minutes} min ({message}), which counts as yes", call.hook);
                run.next_stage(line).await
            }
            Decision::Reject => no(run, call, format!("it did not say yes within {minutes} min: {message}")).await,
        };
    }
    run.record(item(&id, key, &record)).await?;
    let again = Again::In(pace::asking_millis(seconds, run.elapsed_millis()));
    run.wait(Phase::Act, again, message, Kind::HookFailed).await
}

/// What has come back, also through the function that calls endpoints.
fn judged(reply: Reply, hook: &Hook) -> Judgement {
    match (reply, &hook.http) {
        (Reply::Returned(answer), Some(_)) => match serde_json::from_value::<Reply>(answer) {
            Ok(reply) => hook::judge(reply, hook),
            Err(error) => {
                Judgement::Fails(format!("the function that calls endpoints answered something else: {error}"))
            }
        },
        // What has failed is our own function.
        (Reply::Raised(why), Some(_)) => Judgement::Fails(why),
        (reply, _) => hook::judge(reply, hook),
    }
}

async fn no(mut run: Run<'_>, call: &Call, message: String) -> Result<Value> {
    let message = text::cut(&message, text::CAUSE);
    if call.only_tells() {
        return run.next_stage(format!("{} says no, which changes nothing here: {message}", call.hook)).await;
    }
    run.keep_log().await?;
    Err(Kind::HookFailed.because(format!("{}: {} says no: {message}.", run.progress.stage.name, call.hook)))
}

/// Posts a letter: `hook-http`. It has no records, and calls nobody whom the installation does not name.
pub(crate) async fn post(event: Value, context: &Context) -> Result<Value> {
    let letter: Letter = serde_json::from_value(event)
        .map_err(|error| Kind::RequestRefused.because(format!("The event is no letter to an endpoint: {error}.")))?;
    let hosts = context.settings.hook_hosts.as_deref().unwrap_or_default();
    let reply = match hook::allowed(&letter.url, hosts) {
        true => context.web.post(&letter).await?,
        false => Reply::Forbidden(format!("{} is at no host that the stack's parameter HookHosts names", letter.url)),
    };
    Ok(serde_json::to_value(reply).unwrap_or(Value::Null))
}
