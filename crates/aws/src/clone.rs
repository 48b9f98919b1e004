//! What concerns one document in an account, read so that a simulated account can be furnished like it.
//!
//! What it owns: which resources those are ([`read()`]), and how what was read is written down ([`State`]): as the AWS CLI writes what
//! it describes, so that a person can compare, and a bug report can be replayed.
//!
//! What it must never do: change anything, or keep a secret. What the caller may not see, and what the simulation cannot play, is
//! named in [`State::not_modelled`] and never a reason to fail.

mod alarms;
mod asking;
mod balancing;
mod groups;
mod launching;
mod records;
mod services;
mod spelling;
mod state;

use std::collections::BTreeSet;

use aws_types::SdkConfig;
use crossfade_core::document::{Document, Routing};
use crossfade_core::kinds::Compute;
use crossfade_core::{Kind, Result};

use crate::table::Table;
use asking::Asking;
pub use state::{Alarm, Group, Home, LaunchTemplate, Service, State, TargetGroup, TaskDefinition};

/// The form of [`State`] that this release writes and reads.
const SCHEMA: u32 = 1;

/// Reads what concerns a document, whose references are filled in. Only reads.
///
/// # Errors
/// `InvalidDocument` for what cannot be cloned yet, by its kind; `PreflightFailed` when what the document names is not there; whatever
/// else AWS refuses of what a rehearsal cannot do without.
pub async fn read(config: &SdkConfig, document: &Document, table: &Table, now_millis: u64) -> Result<State> {
    can_be_cloned(document)?;
    let infrastructure = document.infrastructure().to_string();
    let mut clone = Cloning {
        asking: Asking::new(config),
        document,
        state: State { schema: SCHEMA, taken_millis: now_millis, infrastructure, ..State::default() },
    };
    clone.history(table).await?;
    match &document.compute {
        Compute::EcsService(service) => {
            let services = clone.every_service(&service.cluster).await?;
            clone.balancers(clone.before_services(&services)).await?;
            clone.claims(table).await?;
            clone.services(&service.cluster, services).await?;
        }
        _ => {
            let groups = clone.every_group().await?;
            clone.balancers(clone.behind(&groups)).await?;
            clone.claims(table).await?;
            clone.fleets(groups).await?;
            clone.launch_sources().await?;
        }
    }
    clone.alarms().await?;
    clone.outside();
    let mut state = clone.state;
    state.reads = clone.asking.made();
    state.home = state.found_home(config.region().map(AsRef::as_ref).unwrap_or_default());
    state.not_modelled.sort();
    state.not_modelled.dedup();
    Ok(state)
}

/// What is not read yet is refused by its name: half a clone would be worse than none.
fn can_be_cloned(document: &Document) -> Result<()> {
    let what = match (&document.compute, &document.routing) {
        (Compute::Elastigroup(_), _) => "Elastigroups",
        (_, Routing::Dns(_)) => "names in DNS",
        (Compute::AutoScalingGroup(_) | Compute::EcsService(_), _) => return Ok(()),
    };
    Err(Kind::InvalidDocument.because(format!("`crossfade rehearse` cannot clone {what} yet.")))
}

/// A clone that is being made.
struct Cloning<'a> {
    asking: Asking,
    document: &'a Document,
    state: State,
}

impl Cloning<'_> {
    /// Names something that was seen, or not seen, and that the simulation does not play.
    fn cannot_play(&mut self, what: impl Into<String>) {
        self.state.not_modelled.push(what.into());
    }

    /// The rules, listeners and target groups that the document names.
    fn named(&self) -> Vec<String> {
        let all: BTreeSet<&String> = match &self.document.routing {
            Routing::Weighted(rules) => rules.iter().map(|rule| &rule.0).collect(),
            Routing::Listeners(pairs) => pairs.iter().flat_map(|pair| [&pair.production.0, &pair.test.0]).collect(),
            Routing::TargetGroups(groups) => groups.production.iter().chain(&groups.test).map(|arn| &arn.0).collect(),
            Routing::Dns(_) | Routing::None => BTreeSet::new(),
        };
        all.into_iter().cloned().collect()
    }

    /// What is the user's own and outside the account's resources: hooks and topics, by their names.
    fn outside(&mut self) {
        let document = self.document;
        let topics = document.notifications.topic_arn.iter();
        let receivers = document.notifications.receivers.iter().map(|receiver| &receiver.topic_arn);
        self.state.topics = topics.chain(receivers).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        for (name, hook) in &document.hooks {
            let function = hook.lambda.as_ref().or(hook.callback.as_ref()).map(|arn| arn.0.clone());
            self.state.functions.extend(function);
            self.state.endpoints.extend(hook.http.as_ref().map(|http| http.url.clone()));
            self.state.not_modelled.push(format!("what the hook {name} calls"));
        }
        self.state.functions.sort();
        self.state.functions.dedup();
    }
}
