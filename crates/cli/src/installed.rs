//! The commands that talk to an installed stack.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use crossfade_aws::{AutoScalingGroups, Executions, State, Table, https, keys};
use crossfade_core::Kind;
use crossfade_core::document::{Artifact, Decision};
use crossfade_steps::{ApprovalRecord, Context, Meta, Settings, Status, WallClock};
use serde_json::{Value, json};

use crate::args::{Decide, Deploy, Output, Stack, Status as StatusOptions, Validate};
use crate::documents;
use crate::explain::{explain, not_installed};
use crate::say::{Problem, line, runtime};

/// How often a followed deployment is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// An installed stack, as its clients see it.
pub(crate) struct Installed {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) context: Context,
    pub(crate) executions: Executions,
    pub(crate) table: Table,
    pub(crate) fleets: AutoScalingGroups,
}

/// Does something with the installed stack.
pub(crate) fn on<T>(stack: &Stack, work: impl AsyncFnOnce(&Installed) -> Result<T, Problem>) -> Result<T, Problem> {
    runtime(tokio::runtime::Builder::new_current_thread().enable_all())?.block_on(async {
        let mut loader = aws_config::from_env().http_client(https());
        if let Some(profile) = &stack.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &stack.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        let config = loader.load().await;
        let Some(region) = config.region() else {
            return Err(Problem::Usage("No region is set. Give --region, or set AWS_REGION.".into()));
        };
        signed_in(&config, stack.profile.as_deref()).await?;
        let settings = Settings { table_name: stack.stack.clone(), ..Settings::default() };
        let installed = Installed {
            name: stack.stack.clone(),
            region: region.to_string(),
            context: Context::new(&config, Arc::new(WallClock), settings),
            executions: Executions::new(&config),
            table: Table::new(&config, stack.stack.clone()),
            fleets: AutoScalingGroups::new(&config),
        };
        match work(&installed).await {
            Err(Problem::Aws(failure)) => Err(explain(failure, &installed).await),
            other => other,
        }
    })
}

/// Sees to it that there are credentials: without them every call would fail for a reason that only a developer understands.
async fn signed_in(config: &aws_config::SdkConfig, profile: Option<&str>) -> Result<(), Problem> {
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map(|_| ()),
        None => Err(CredentialsError::not_loaded("no provider")),
    };
    let problem = match (found, profile) {
        (Ok(()), _) => return Ok(()),
        (Err(CredentialsError::CredentialsNotLoaded(_)), Some(profile)) => {
            format!("There are no AWS credentials in the profile {profile}.")
        }
        (Err(CredentialsError::CredentialsNotLoaded(_)), None) => "There are no AWS credentials.".to_owned(),
        (Err(error), _) => format!("The AWS credentials cannot be had: {}.", reasons(&error)),
    };
    Err(Problem::Here(format!(
        "{problem} Sign in (`aws sso login`, or what your organisation has), or choose others with AWS_PROFILE or --profile."
    )))
}

/// An error and all its sources, in one line.
fn reasons(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Installed {
    pub(crate) async fn machine(&self, which: &str) -> Result<String, Problem> {
        let name = format!("{}-{which}", self.name);
        self.executions.find(&name).await?.ok_or_else(|| not_installed(self, &format!("state machine {name}")))
    }

    pub(crate) async fn meta(&self, deployment: &str) -> Result<Meta, Problem> {
        let found = self.table.get(&keys::deployment(deployment), "meta").await?;
        let (value, _) = found.ok_or_else(|| {
            Problem::Usage(format!("There is no deployment {deployment} in the table {} of this region.", self.name))
        })?;
        record(value)
    }

    /// Lines of the log after the key `after`, and the last key.
    async fn log(&self, deployment: &str, after: &mut String) -> Result<Vec<String>, Problem> {
        let mut lines = Vec::new();
        for (key, value, _) in self.table.list(&keys::log(deployment), "").await? {
            if key > *after {
                lines.push(value.get("line").and_then(Value::as_str).unwrap_or_default().to_owned());
                *after = key;
            }
        }
        Ok(lines)
    }

    pub(crate) async fn approval(&self, deployment: &str) -> Result<Option<ApprovalRecord>, Problem> {
        for (_, value, _) in self.table.list(&keys::deployment(deployment), "approval#").await? {
            let approval: ApprovalRecord = record(value)?;
            if approval.decision.is_none() {
                return Ok(Some(approval));
            }
        }
        Ok(None)
    }
}

/// A record of the table, as it was written.
pub(crate) fn record<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        Problem::Aws(
            Kind::RecordMissing
                .because(format!("The state table holds a record that this command cannot read: {error}.")),
        )
    })
}

pub(crate) fn plan(stack: &Stack, options: &Validate) -> Result<ExitCode, Problem> {
    let given = documents::read(&options.source)?;
    on(stack, async |installed| {
        let preview = crossfade_steps::preview(&given.value, &installed.context).await?;
        if options.output == Output::Json {
            let (plan, notes) = (&preview.plan, &preview.notes);
            line(&json!({"candidate": preview.candidate, "notes": notes, "plan": plan}).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        preview.notes.iter().for_each(|note| line(note));
        line("");
        let stages = &preview.plan.stages;
        let width = stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
        for (i, stage) in stages.iter().enumerate() {
            line(&format!("{:>3}. {:<width$}  {}", i + 1, stage.name, stage.describe()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(crate) fn deploy(stack: &Stack, options: &Deploy) -> Result<ExitCode, Problem> {
    let given = documents::read(&options.source)?;
    let name = options.name.clone().unwrap_or_else(|| {
        let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
        // An execution's name has at most 80 characters; the time is what makes it a new one.
        let what: String = given.names().chars().take(80 - now.len() - 1).collect();
        format!("{what}-{now}")
    });
    on(stack, async |installed| {
        let machine = installed.machine("deploy").await?;
        let arn = installed.executions.start(&machine, &name, &given.value).await?.ok_or_else(|| {
            Kind::RequestRefused.because(format!(
                "ExecutionAlreadyExists: there was a deployment {name} before. Give this one another --name."
            ))
        })?;
        match options.output {
            Output::Text => {
                line(&format!("Started deployment {name} ({arn})"));
                // Followed, its log tells what they came to.
                if !options.wait {
                    given.lines().iter().for_each(|filled_in| line(filled_in));
                }
            }
            Output::Json => line(&json!({"deploymentId": name, "executionArn": arn}).to_string()),
        }
        if options.wait {
            follow(installed, &name, &arn, options.output, String::new()).await
        } else {
            Ok(ExitCode::SUCCESS)
        }
    })
}

/// Prints the log of a deployment as it grows, until the deployment has ended. An approval with the token `asked` is not asked
/// for (again).
pub(crate) async fn follow(
    installed: &Installed,
    deployment: &str,
    execution: &str,
    output: Output,
    mut asked: String,
) -> Result<ExitCode, Problem> {
    let mut after = String::new();
    loop {
        let meta = match installed.meta(deployment).await {
            Ok(meta) => Some(meta),
            // Not recorded yet, or refused before anything could be recorded: the execution knows.
            Err(Problem::Usage(_)) => match installed.executions.describe(execution).await? {
                // It may have been recorded since the look above.
                Some(ended) if matches!(ended.state, State::Failed | State::TimedOut | State::Aborted) => {
                    let cause = if ended.cause.is_empty() { format!("{:?}", ended.state) } else { ended.cause };
                    Some(installed.meta(deployment).await.map_err(|_| Problem::Usage(cause))?)
                }
                _ => None,
            },
            Err(other) => return Err(other),
        };
        for text in installed.log(deployment, &mut after).await? {
            match output {
                Output::Text => line(&text),
                Output::Json => line(&json!({"event": "log", "line": text}).to_string()),
            }
        }
        if let (Output::Text, Some(approval)) = (output, installed.approval(deployment).await?)
            && approval.task_token != asked
        {
            line(&format!("  approve: crossfade approve {deployment}\n  reject:  crossfade reject {deployment}"));
            asked = approval.task_token;
        }
        if let Some(meta) = meta.filter(|meta| meta.status.ended()) {
            match (output, &meta.failure) {
                (Output::Json, _) => line(&summary(&meta).to_string()),
                (Output::Text, Some(failure)) => {
                    line(&format!("{:?}: {}: {}", meta.status, failure.error, failure.cause))
                }
                (Output::Text, None) => line(&format!("{:?}", meta.status)),
            }
            return Ok(exit_code(meta.status));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn exit_code(status: Status) -> ExitCode {
    ExitCode::from(match status {
        Status::FailedClean => 1,
        Status::FailedDirty => 3,
        Status::Succeeded | Status::Preparing | Status::Running | Status::RollingBack => 0,
    })
}

fn summary(meta: &Meta) -> Value {
    json!({
        "deploymentId": meta.deployment_id,
        "status": meta.status,
        "infrastructure": meta.infrastructure,
        "executionArn": meta.execution_arn,
        "startedMillis": meta.started_millis,
        "endedMillis": meta.ended_millis,
        "failure": meta.failure,
    })
}

/// What is deployed, in a word or two.
fn artifact(artifact: &Artifact) -> String {
    match artifact {
        Artifact::Ami(ami) => ami.clone(),
        Artifact::Revision(revision) => format!("revision {revision}"),
    }
}

pub(crate) fn status(stack: &Stack, options: &StatusOptions) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let id = &options.deployment;
        let meta = installed.meta(id).await?;
        let approval = installed.approval(id).await?.filter(|_| !meta.status.ended());
        let log = installed.log(id, &mut String::new()).await?;
        if options.output == Output::Json {
            let mut summary = summary(&meta);
            summary["log"] = json!(log);
            summary["waitingForApproval"] = json!(approval.map(|approval| approval.stage));
            line(&summary.to_string());
            return Ok(exit_code(meta.status));
        }
        let what = artifact(&meta.document.artifact);
        line(&format!("{id}: {:?}, {} with {what}", meta.status, meta.infrastructure));
        if let Some(failure) = &meta.failure {
            line(&format!("{}: {}", failure.error, failure.cause));
        }
        if let Some(approval) = approval {
            line(&format!("Waits for a decision: {} (crossfade approve {id}, or reject)", approval.stage));
        }
        line("");
        log.iter().for_each(|text| line(text));
        Ok(exit_code(meta.status))
    })
}

pub(crate) fn decide(stack: &Stack, options: &Decide, decision: Decision) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let id = &options.deployment;
        let Some(approval) = installed.approval(id).await? else {
            let meta = installed.meta(id).await?;
            return Err(Problem::Usage(format!("Deployment {id} asks for no decision; it is {:?}.", meta.status)));
        };
        let mut said = json!({});
        for (key, value) in [("by", &options.by), ("comment", &options.comment)] {
            if !value.is_empty() {
                said[key] = json!(value);
            }
        }
        let cause = said.to_string();
        let rejection = (decision == Decision::Reject).then_some(("Rejected", cause.as_str()));
        installed.executions.decide(&approval.task_token, &said, rejection).await?;
        let word = if decision == Decision::Approve { "Approved" } else { "Rejected" };
        line(&format!("{word}: {}", approval.stage));
        Ok(ExitCode::SUCCESS)
    })
}
