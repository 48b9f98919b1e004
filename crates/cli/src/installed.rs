//! The commands that talk to an installed stack.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use crossfade_aws::{
    Caller, Execution, Executions, Fleets, Outputs, Platforms, Pools, Proofs, State, Switches, Table, Triggers, clone,
    execution_arn, https, keys,
};
use crossfade_core::Kind;
use crossfade_core::document::{Document, suggestion};
use crossfade_core::infrastructure::Infrastructure;
use crossfade_core::kinds::Platform;
use crossfade_core::plan::{Direction, Plan};
use crossfade_steps::{ApprovalRecord, Context, Meta, Settings, Status};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::account_time::AccountTime;
use crate::args::{Output, Stack};
use crate::explain::{explain, not_installed};
use crate::local::{USERS, Users};
use crate::say::{Problem, aside, runtime};

/// How long AWS may take to say who calls: nobody who stops a deployment is kept waiting by that.
const WHO: Duration = Duration::from_secs(5);

/// An installed stack, as its clients see it.
pub(crate) struct Installed {
    pub(crate) name: String,
    pub(crate) region: String,
    config: SdkConfig,
    pub(crate) context: Context,
    pub(crate) executions: Executions,
    pub(crate) proofs: Proofs,
    pub(crate) table: Table,
    pub(crate) pools: Pools,
    pub(crate) switches: Switches,
    pub(crate) time: AccountTime,
    platforms: Platforms,
    /// Where it acts, and as whom, once that was said.
    acts_in: OnceCell<ActsIn>,
}

/// Does something with the installed stack.
pub(crate) fn on<T>(stack: &Stack, work: impl AsyncFnOnce(&Installed) -> Result<T, Problem>) -> Result<T, Problem> {
    runtime(tokio::runtime::Builder::new_current_thread().enable_all())?.block_on(async {
        let time = AccountTime::default();
        let mut loader = aws_config::from_env().http_client(time.told_by(https()));
        if let Some(profile) = &stack.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &stack.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        let mut config = loader.load().await;
        let Some(region) = config.region().cloned() else {
            return Err(Problem::Usage("No region is set. Give --region, or set AWS_REGION.".into()));
        };
        if let Some(profile) = &stack.profile {
            config = as_profile(config, profile);
        }
        whole_endpoints(std::env::vars())?;
        signed_in(&config, stack.profile.as_deref()).await?;
        let settings = Settings { table_name: stack.stack.clone(), ..Settings::default() };
        let installed = Installed {
            name: stack.stack.clone(),
            region: region.to_string(),
            context: Context::new(&config, Arc::new(time.clone()), settings),
            executions: Executions::new(&config),
            proofs: Proofs::new(&config),
            table: Table::new(&config, stack.stack.clone()),
            platforms: Platforms::new(&config),
            pools: Pools::new(&config),
            switches: Switches::new(&config),
            time,
            config,
            acts_in: OnceCell::new(),
        };
        let problem = match work(&installed).await {
            Ok(done) => return Ok(done),
            Err(Problem::Aws(failure)) => explain(failure, &installed).await,
            Err(other) => other,
        };
        Err(match installed.acts_in.into_inner() {
            Some(acts_in) => Problem::In(acts_in, Box::new(problem)),
            None => problem,
        })
    })
}

/// Whether every endpoint that the environment names is a URL.
fn whole_endpoints(variables: impl IntoIterator<Item = (String, String)>) -> Result<(), Problem> {
    let mut endpoints = variables.into_iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
    match endpoints.find(|(_, value)| !value.starts_with("http://") && !value.starts_with("https://")) {
        // The SDKs would take it for one.
        Some((name, value)) if value.is_empty() => Err(Problem::Usage(format!("{name} is empty. Unset it."))),
        Some((name, value)) => {
            Err(Problem::Usage(format!("{name} = {value} has no scheme. Write http://{value} or https://{value}.")))
        }
        None => Ok(()),
    }
}

/// The same with the credentials of this profile and no others: whoever names one does not mean the keys that happen to stand in
/// the environment.
fn as_profile(config: SdkConfig, profile: &str) -> SdkConfig {
    let mut provider = ProviderConfig::default().with_region(config.region().cloned()).with_http_client(https());
    if let Some(time) = config.time_source() {
        provider = provider.with_time_source(time);
    }
    if let Some(sleep) = config.sleep_impl() {
        provider = provider.with_sleep_impl(sleep);
    }
    let provider = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

/// Sees to it that there are credentials: without them every call would fail for a reason that only a developer understands.
async fn signed_in(config: &SdkConfig, profile: Option<&str>) -> Result<(), Problem> {
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map(|_| ()),
        None => Err(CredentialsError::not_loaded("no provider")),
    };
    let problem = match (found, profile) {
        (Ok(()), _) => return Ok(()),
        (Err(error), Some(profile))
            if matches!(error, CredentialsError::CredentialsNotLoaded(_))
                || reasons(&error).contains(&format!("`{profile}` was not defined")) =>
        {
            return Err(Problem::NotFound(format!(
                "There is no profile {profile} with AWS credentials on this machine; `aws configure list-profiles` names those that \
                 there are."
            )));
        }
        (Err(error), Some(profile)) if reasons(&error).contains("cargo feature") => {
            return Err(Problem::NotSignedIn(format!(
                "The profile {profile} has its credentials from where crossfade cannot fetch them itself. Let the AWS CLI do it: \
                 `eval \"$(aws configure export-credentials --profile {profile} --format env)\"`, and leave out --profile."
            )));
        }
        (Err(CredentialsError::CredentialsNotLoaded(_)), None) => "There are no AWS credentials.".to_owned(),
        (Err(error), _) => format!("The AWS credentials cannot be had: {}.", reasons(&error).trim_end_matches('.')),
    };
    let login =
        profile.map_or_else(|| "aws sso login".to_owned(), |profile| format!("aws sso login --profile {profile}"));
    Err(Problem::NotSignedIn(format!(
        "{problem} Sign in (`{login}`, or what your organisation has), or choose others with AWS_PROFILE or --profile."
    )))
}

/// An error and all its sources, in one line.
fn reasons(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Installed {
    /// The fleets of the platform on which an infrastructure definition deploys.
    pub(crate) fn fleets(&self, infrastructure: &str) -> Fleets {
        let definition = infrastructure.parse::<Infrastructure>().ok();
        self.platforms.on(&Platform::of_base(definition.and_then(|it| it.base).as_deref()))
    }

    /// The fleets of a platform.
    pub(crate) fn on_platform(&self, platform: &Platform) -> Fleets {
        self.platforms.on(platform)
    }

    /// What concerns a document in this account, and the document with everything filled in that it refers to. Only reads.
    pub(crate) async fn cloned(&self, document: &Value) -> Result<(Document, clone::State), Problem> {
        let (document, _) = Outputs::new(&self.config).resolve(document).await?;
        let state = clone::read(&self.config, &document, &self.table, self.time.now_millis()).await?;
        Ok((document, state))
    }

    pub(crate) async fn machine(&self, which: &str) -> Result<String, Problem> {
        let name = format!("{}-{which}", self.name);
        self.executions.find(&name).await?.ok_or_else(|| not_installed(self, &format!("state machine {name}")))
    }

    /// Starts a deployment, with a proof of who does where its document says whose answers count; nothing when one of this name was
    /// started before.
    pub(crate) async fn start(&self, machine: &str, name: &str, document: &Value) -> Result<Option<String>, Problem> {
        let execution = execution_arn(machine, name);
        let input = self.proofs.started(&execution, document, self.time.now_millis()).await?;
        Ok(self.executions.start(machine, name, &input).await?)
    }

    pub(crate) async fn meta(&self, deployment: &str) -> Result<Meta, Problem> {
        match self.recorded(deployment).await? {
            Some(meta) => Ok(meta),
            None => Err(self.unknown(deployment).await),
        }
    }

    /// The record of a deployment, if there is one.
    pub(crate) async fn recorded(&self, deployment: &str) -> Result<Option<Meta>, Problem> {
        let found = self.table.get(&keys::deployment(deployment), "meta").await?;
        found.map(|(meta, _)| record(meta)).transpose()
    }

    /// The execution of a deployment that has started and of which nothing is recorded yet; nothing once something is.
    ///
    /// # Errors
    /// That there is no such deployment, or how it ended before anything was recorded.
    pub(crate) async fn begun(&self, deployment: &str) -> Result<Option<(String, Execution)>, Problem> {
        let recorded = async || self.table.get(&keys::deployment(deployment), "meta").await;
        if let Some((meta, _)) = recorded().await? {
            // It says which release has written all of it.
            return record::<Meta>(meta).map(|_| None);
        }
        let Some((arn, execution)) = self.execution_named(deployment).await else {
            return Err(self.unknown(deployment).await);
        };
        match execution.state {
            State::Running => Ok(Some((arn, execution))),
            // It may have been recorded since the look above.
            _ if recorded().await?.is_some() => Ok(None),
            State::Succeeded => Err(self.unknown(deployment).await),
            State::Failed | State::TimedOut | State::Aborted => {
                let kind = Kind::named(&execution.error).unwrap_or(Kind::RequestRefused);
                Err(Problem::InTheWay(kind.because(format!(
                    "{deployment} has ended ({:?}) before anything of it was recorded: {}",
                    execution.state,
                    if execution.cause.is_empty() { "its execution says no more" } else { &execution.cause }
                ))))
            }
        }
    }

    /// The execution that bears a deployment's name. Whoever may not look at executions sees none.
    async fn execution_named(&self, deployment: &str) -> Option<(String, Execution)> {
        let arn = execution_arn(&self.machine("deploy").await.ok()?, deployment);
        let execution = self.executions.describe(&arn).await.ok()??;
        Some((arn, execution))
    }

    /// There is no such deployment; which one may be meant.
    pub(crate) async fn unknown(&self, deployment: &str) -> Problem {
        let last = self.last().await;
        let known: Vec<&str> = last.iter().map(|it| it.deployment_id.as_str()).collect();
        let meant = suggestion(deployment, &known);
        let there = if known.is_empty() { "" } else { " `crossfade list` shows those that there are." };
        Problem::NotFound(format!(
            "There is no deployment {deployment} in the table {} of this region{meant}{there}",
            self.name
        ))
    }

    /// What a deployment asks now: on its way forward while it runs, in its rollback while that does. What was asked before is over.
    pub(crate) async fn asked(&self, meta: &Meta) -> Result<Option<Asked>, Problem> {
        let direction = match meta.status {
            Status::Running => Direction::Deploy,
            Status::RollingBack => Direction::Rollback,
            _ => return Ok(None),
        };
        let prefix = format!("approval#{}#", direction.name());
        let mut open: Option<Asked> = None;
        for (key, value, _) in self.table.list(&keys::deployment(&meta.deployment_id), &prefix).await? {
            let approval: ApprovalRecord = record(value)?;
            let index = key.rsplit('#').next().and_then(|index| index.parse::<usize>().ok());
            // A rollback that was tried again may have asked before, at another stage.
            let later = open.as_ref().is_none_or(|open| open.record.deadline_millis < approval.deadline_millis);
            if let (None, Some(index), true) = (approval.decision, index, later) {
                open = Some(Asked { direction, stage: index + 1, record: approval });
            }
        }
        Ok(open)
    }

    /// How the execution of a deployment that is recorded as running has died, and what follows; nothing while it lives.
    pub(crate) async fn died(&self, meta: &Meta) -> Result<Option<String>, Problem> {
        Ok(crossfade_steps::died(&self.executions, meta).await?)
    }

    /// The plan of a deployment, or of its rollback.
    pub(crate) async fn plan(&self, deployment: &str, direction: Direction) -> Result<Plan, Problem> {
        let found = self.table.get(&keys::deployment(deployment), &format!("plan#{}", direction.name())).await?;
        let missing = || Kind::RecordMissing.because(format!("Deployment {deployment} has no plan in the table."));
        record(found.ok_or_else(missing)?.0)
    }

    /// Says in which account and region a command acts, and as whom: beside the results for people, in them for scripts.
    pub(crate) async fn introduce(&self, output: Output) -> ActsIn {
        self.introduced(self.caller().await, output)
    }

    /// Whoever calls, or why nobody says so.
    pub(crate) async fn caller(&self) -> Result<Caller, String> {
        let asked = tokio::time::timeout(WHO, Caller::ask(&self.config)).await;
        asked.unwrap_or_else(|_| Err("no answer came".into()))
    }

    /// Where the account of `crossfade local` listens; nothing of a real one.
    pub(crate) fn simulated(&self) -> Option<&str> {
        let here = |endpoint: &&str| ["http://127.0.0.1", "http://localhost"].iter().any(|it| endpoint.starts_with(it));
        self.config.endpoint_url().filter(here)
    }

    /// What became of the users' requests in the account of `crossfade local`; nothing in a real one.
    pub(crate) async fn users(&self) -> Option<Users> {
        self.simulated()?;
        let told = Triggers::new(&self.config).parameter(USERS).await.ok()??;
        serde_json::from_str(&told.value).ok()
    }

    /// Whoever acts, by ARN, once that was said.
    pub(crate) fn acts_as(&self) -> Option<&str> {
        self.acts_in.get().and_then(ActsIn::caller)
    }

    /// The same, once that is known.
    pub(crate) fn introduced(&self, asked: Result<Caller, String>, output: Output) -> ActsIn {
        let region = &self.region;
        if output == Output::Text {
            aside(&match &asked {
                Ok(caller) => format!("account {}, {region}, as {}", caller.account, caller.name()),
                Err(why) => format!("{region}, in an account that did not say which it is ({why})"),
            });
        }
        let caller = asked.ok();
        let told = |part: fn(&Caller) -> &str| caller.as_ref().map(|caller| part(caller).to_owned());
        let acts_in = ActsIn { account: told(|it| &it.account), region: region.clone(), caller: told(|it| &it.arn) };
        self.acts_in.get_or_init(|| acts_in.clone());
        acts_in
    }
}

/// Where a command acts, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActsIn {
    /// The number of the account; nothing when AWS did not say.
    account: Option<String>,
    /// The region.
    region: String,
    /// Whoever calls, by ARN; nothing when AWS did not say.
    caller: Option<String>,
}

impl ActsIn {
    /// Whoever calls, by ARN; nothing when AWS did not say.
    pub(crate) fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }
}

/// A question that waits for an answer.
pub(crate) struct Asked {
    /// On which way.
    pub(crate) direction: Direction,
    /// The number of the stage that asks, as plans are printed.
    pub(crate) stage: usize,
    pub(crate) record: ApprovalRecord,
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
