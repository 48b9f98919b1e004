//! `start`: starts deployments of stored documents when something has happened: a new image, another value of a parameter, a time.
//!
//! Events come late, twice, or at the same time; the name of the execution is computed from what happened, and Step Functions gives
//! each name to one execution. It changes nothing but that, takes no lock, and writes no record: that is the deployment's.
//!
//! What can be repaired only by a person is told to the topic and is no error, for Lambda would only try it again. What passes is an
//! error: then Lambda tries the event twice more, and what was started by then is found to be.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossfade_aws::execution_arn;
use crossfade_core::trigger::{self, Event, Given, Image, Images, Trigger};
use crossfade_core::{Class, Failure, Kind, Result, document, text};
use serde_json::{Value, json};

use crate::context::Context;

pub(crate) async fn handle(event: Value, context: &Context) -> Result<Value> {
    let Some(happened) = Event::read(&event) else {
        tracing::info!("This event starts nothing: {event}");
        return Ok(json!({ "started": [], "refused": {} }));
    };
    let machine = context.settings.deploy_state_machine_arn.as_deref();
    let machine = machine
        .ok_or_else(|| Kind::RecordMissing.because("The environment of start lacks DEPLOY_STATE_MACHINE_ARN."))?;
    let start = Start::of(&event, &happened, Some(machine), context);
    let (started, refused) = start.all().await?;
    start.tell(&refused).await?;
    let refused: BTreeMap<String, String> = refused.into_iter().collect();
    Ok(json!({ "started": started, "refused": refused }))
}

/// What an event would start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rehearsal {
    /// The deployments, by their ids, with their documents.
    pub starts: Vec<(String, Value)>,
    /// The triggers that do not deploy what the event is about, and why.
    pub passed: Vec<(String, String)>,
    /// The triggers that could not start what they should, and why.
    pub refused: Vec<(String, String)>,
}

/// Says what an event would start, with what the account has now. Nothing is started, and nobody is told.
///
/// # Errors
/// `InvalidDocument` when it is an event that no trigger waits for; those of Parameter Store, EC2 and Image Builder.
pub async fn rehearse(event: &Value, context: &Context) -> Result<Rehearsal> {
    let happened = Event::read(event).ok_or_else(|| {
        Kind::InvalidDocument.because(
            "No trigger waits for such an event: its `source`, `detail-type` and `detail` are none of those of a new image (aws.ec2, \
             aws.imagebuilder, aws.ecr), a parameter (aws.ssm) or a schedule (aws.events).",
        )
    })?;
    let start = Start::of(event, &happened, None, context);
    let (_, refused) = start.all().await?;
    let mut seen = start.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    seen.refused = refused;
    Ok(seen)
}

/// What was started, by name, and what could not be and why, by the names of triggers.
type Outcome = (Vec<String>, Vec<(String, String)>);

impl<'a> Start<'a> {
    fn of(event: &'a Value, happened: &'a Event, machine: Option<&'a str>, context: &'a Context) -> Self {
        let account = event.get("account").and_then(Value::as_str).unwrap_or_default();
        Self { context, machine, account, happened, event, seen: Mutex::default() }
    }

    /// Lets every trigger that is stored start what it starts.
    async fn all(&self) -> Result<Outcome> {
        let (mut started, mut refused) = (Vec::new(), Vec::new());
        // One that fails must not keep the others waiting.
        let mut failures = Vec::new();
        let mut triggers = Vec::new();
        // The path is that of the stack, like the table's name.
        let path = format!("/{}/triggers", self.context.settings.table_name);
        let (stored, all) = self.context.triggers.below(&path).await?;
        if !all {
            // Those that were read start what they start.
            let why =
                format!("There are more triggers below {path} than the {} that are read. Delete some.", stored.len());
            refused.push(("the others".to_owned(), why));
        }
        for (name, text) in stored {
            match Trigger::read(&name, &text) {
                Ok(trigger) => triggers.push((name, trigger)),
                Err(failure) => refused.push((name, failure.message)),
            }
        }
        let images = images(self.context, self.happened, &triggers).await?;
        for (name, trigger) in &triggers {
            match self.trigger(name, trigger, &images).await {
                Ok(names) => started.extend(names),
                Err(failure) if failure.kind.class() == Class::Refused => refused.push((name.clone(), failure.message)),
                Err(failure) => failures.push(failure),
            }
        }
        // Told once: by the attempt that is the last one.
        if let Some(first) = failures.first() {
            let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
            return Err(first.kind.because(messages.join(" ")));
        }
        Ok((started, refused))
    }

    fn seen(&self) -> MutexGuard<'_, Rehearsal> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a trigger does not deploy what the event is about.
    fn pass(&self, trigger: &str, what: &str, why_not: &str) {
        tracing::info!(%trigger, "{what} is not deployed: {why_not}");
        self.seen().passed.push((trigger.to_owned(), format!("{what} is not deployed: {why_not}")));
    }
}

/// The images that the event is about, if anybody waits for them.
async fn images(context: &Context, happened: &Event, triggers: &[(String, Trigger)]) -> Result<Vec<Image>> {
    let anybody = |waits: fn(&Trigger) -> bool| triggers.iter().any(|(_, trigger)| waits(trigger));
    match happened {
        Event::NewImage(ami) if anybody(|it| it.when.new_image.is_some()) => {
            Ok(vec![context.triggers.image(ami).await?])
        }
        Event::BuiltImage(build) if anybody(|it| it.when.built_image.is_some()) => context.triggers.built(build).await,
        _ => Ok(Vec::new()),
    }
}

/// One event.
struct Start<'a> {
    context: &'a Context,
    /// The state machine that deploys; nothing when it is only to be said what would be started.
    machine: Option<&'a str>,
    /// Where the event comes from.
    account: &'a str,
    happened: &'a Event,
    /// The event as it came.
    event: &'a Value,
    /// What was seen of it.
    seen: Mutex<Rehearsal>,
}

impl Start<'_> {
    /// Starts what a trigger says, if it waits for this: the executions that run by now, or have run.
    async fn trigger(&self, name: &str, trigger: &Trigger, images: &[Image]) -> Result<Vec<String>> {
        let when = &trigger.when;
        let mut runs = Vec::new();
        match self.happened {
            Event::NewImage(_) => runs = self.images(name, trigger, when.new_image.as_ref(), images).await?,
            Event::BuiltImage(_) => runs = self.images(name, trigger, when.built_image.as_ref(), images).await?,
            Event::PushedImage(push) => {
                let Some(wanted) = &when.pushed_image else { return Ok(runs) };
                match wanted.why_not(push) {
                    Some(why_not) => self.pass(name, &push.image(), &why_not),
                    None => {
                        let execution = trigger::name_for_push(name, push);
                        runs.push(
                            self.run(&execution, trigger, Some(Given::ContainerImage(&push.image())), None).await?,
                        );
                    }
                }
            }
            Event::Parameter(changed) => {
                if when.parameter.as_ref() != Some(changed) {
                    return Ok(runs);
                }
                let Some(now) = self.context.triggers.parameter(changed).await? else {
                    tracing::info!(trigger = %name, "The parameter {changed} is gone by now; nothing is started");
                    return Ok(runs);
                };
                let execution = trigger::name_for_version(name, now.version, now.modified_seconds);
                runs.push(self.run(&execution, trigger, Some(Given::Value(&now.value)), None).await?);
            }
            Event::Schedule(time) if when.schedule => {
                runs.push(self.run(&trigger::name_for_time(name, time), trigger, None, None).await?);
            }
            Event::Schedule(_) => {}
        }
        Ok(runs)
    }

    /// Starts a deployment of each image that counts.
    async fn images(
        &self,
        name: &str,
        trigger: &Trigger,
        wanted: Option<&Images>,
        images: &[Image],
    ) -> Result<Vec<String>> {
        let mut runs = Vec::new();
        let Some(wanted) = wanted else { return Ok(runs) };
        for image in images {
            match wanted.why_not(image, self.account) {
                Some(why_not) => self.pass(name, &image.id, &why_not),
                None => {
                    let execution = trigger::name_for_image(name, &image.id);
                    runs.push(self.run(&execution, trigger, Some(Given::MachineImage(&image.id)), Some(image)).await?);
                }
            }
        }
        Ok(runs)
    }

    /// Starts an execution, unless it has been started before.
    async fn run(
        &self,
        execution: &str,
        trigger: &Trigger,
        given: Option<Given<'_>>,
        image: Option<&Image>,
    ) -> Result<String> {
        let others = trigger.gives(self.event, image)?;
        let stored = match &trigger.document {
            Value::String(url) => {
                document::read_text(&self.context.triggers.document(url).await?).map_err(Failure::from)?
            }
            document => document.clone(),
        };
        let input = trigger::fill_in(stored, given, &others)?;
        let Some(machine) = self.machine else {
            self.seen().starts.push((execution.to_owned(), input));
            return Ok(execution.to_owned());
        };
        let arn = execution_arn(machine, execution);
        let input = self.context.proofs.started(&arn, &input, self.context.now_millis()).await?;
        match self.context.executions.start(machine, execution, &input).await? {
            Some(arn) => tracing::info!(deployment = %execution, "Started, or running already: {arn}"),
            None => tracing::info!(deployment = %execution, "It was started before, so this event starts nothing"),
        }
        Ok(execution.to_owned())
    }

    /// Tells people of what was refused, since nobody waits for the answer of this function.
    async fn tell(&self, refused: &[(String, String)]) -> Result<()> {
        let Some(topic) = self.context.settings.topic_arn.as_ref().filter(|_| !refused.is_empty()) else {
            return Ok(());
        };
        // Whatever they are, SNS has to take it: so many triggers may be refused at once that not all their reasons fit.
        let why: Vec<String> =
            refused.iter().map(|(name, why)| format!("{name}: {}\n", text::cut(why, text::COMMENT))).collect();
        let message = format!(
            "{}, and not every deployment could be started that waits for it.\n\n{}",
            self.happened,
            why.join("\n")
        );
        tracing::warn!("{message}");
        let about = match refused {
            [(name, _)] => format!("trigger {name}"),
            several => format!("{} triggers", several.len()),
        };
        self.context.topic.publish(topic, &about, "refused", &message).await
    }
}
