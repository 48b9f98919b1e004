//! The revisions of an infrastructure definition: what the table remembers of each, and what is left of its fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use crossfade_aws::keys;
use crossfade_core::capacity::Size;
use crossfade_core::document::suggestion;
use crossfade_core::observed::Fleet;
use crossfade_core::text::few;
use crossfade_steps::{RevisionRecord, ServingRecord, Status};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::json;

use crate::args::{Output, Revisions, Stack};
use crate::installed::{Installed, on, record};
use crate::list::begins_with;
use crate::say::{Problem, line, table, verbatim};
use crate::view::statuses;
use crate::view::text::date;

/// What `revisions` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade revisions --output json`")]
pub(crate) struct Answer<'a> {
    /// The infrastructure definition: SERVICE/ENVIRONMENT/BASE.
    infrastructure: &'a str,
    /// Its revisions, the lowest number first.
    revisions: Vec<Told<'a>>,
}

/// What is told of a revision.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told<'a> {
    /// Its number.
    revision: u32,
    /// Its image, as far as that is known.
    artifact: Option<&'a str>,
    /// The deployment that made it, as far as that is known.
    deployment_id: Option<&'a str>,
    /// How that stands; nothing where no record says it.
    #[schemars(schema_with = "perhaps_statuses")]
    status: Option<Status>,
    /// Its fleet, also one that is gone.
    fleet: Option<&'a str>,
    /// The size of that; nothing of one that is gone.
    size: Option<Size>,
    /// Whether the fleet is kept at size 0, so that it can take over again.
    kept: bool,
    /// Since when it serves, in milliseconds since 1970, where it is the one that does.
    serves_since_millis: Option<u64>,
}

/// The words for a status, or nothing.
fn perhaps_statuses(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [statuses(generator), { "type": "null" }] })
}

/// One revision. At least one of both is there.
#[derive(Debug, Default)]
pub(crate) struct Revision {
    /// What the table remembers; nothing of a fleet that was tagged by other means.
    record: Option<RevisionRecord>,
    /// Its fleet, unless that is gone.
    fleet: Option<Fleet>,
    /// The fleets that bear its tags when no record says which of them it is.
    pub(crate) rivals: Vec<String>,
    /// The image of its fleet, where no record says it.
    image: Option<String>,
    /// Since when it serves, in milliseconds since 1970, where it is the one that does.
    serves_millis: Option<u64>,
}

impl Revision {
    /// Whether its fleet is kept at size 0, so that it can take over again.
    pub(crate) fn kept(&self) -> bool {
        self.fleet.as_ref().is_some_and(|fleet| !fleet.deleting && !fleet.live())
    }

    /// Its image, as far as that is known.
    pub(crate) fn artifact(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.artifact.as_str()).or(self.image.as_deref())
    }

    /// Whether its deployment has failed and left nothing of it.
    fn came_to_nothing(&self) -> bool {
        let failed = self.record.as_ref().is_some_and(|record| record.status == Status::FailedClean);
        failed && self.fleet.is_none() && self.rivals.is_empty()
    }

    fn deployment(&self) -> Option<&str> {
        let of_fleet = || self.fleet.as_ref()?.deployment.as_deref();
        self.record.as_ref().map(|record| record.deployment_id.as_str()).or_else(of_fleet)
    }

    /// How its fleet stands, or what became of it.
    pub(crate) fn fate(&self) -> String {
        match (&self.fleet, &self.record) {
            _ if !self.rivals.is_empty() => format!("{} bear its tags", self.rivals.join(" and ")),
            (Some(fleet), _) if fleet.deleting => format!("{} is being deleted", fleet.name),
            (Some(fleet), _) if fleet.live() => match self.serves_millis {
                Some(since) => format!("{} serves since {}, with {}", fleet.name, date(since), fleet.size),
                None => format!("{} has {}", fleet.name, fleet.size),
            },
            (Some(fleet), _) => format!("{} is kept at size 0", fleet.name),
            (None, Some(record)) => match record.status {
                Status::Succeeded => format!("{} was deleted when newer ones came", record.fleet),
                Status::FailedClean => format!("{} was removed when its deployment failed", record.fleet),
                _ => format!("{} does not exist", record.fleet),
            },
            (None, None) => "nothing is known of it".into(),
        }
    }

    /// What is told scripts.
    pub(crate) fn told(&self, number: u32) -> Told<'_> {
        let fleet = self.fleet.as_ref().map(|fleet| fleet.name.as_str());
        Told {
            revision: number,
            artifact: self.artifact(),
            deployment_id: self.deployment(),
            status: self.record.as_ref().map(|record| record.status),
            fleet: fleet.or(self.record.as_ref().map(|record| record.fleet.as_str())),
            size: self.fleet.as_ref().map(|fleet| fleet.size),
            kept: self.kept(),
            serves_since_millis: self.serves_millis,
        }
    }
}

/// Every revision, by its number.
pub(crate) async fn all(installed: &Installed, infrastructure: &str) -> Result<BTreeMap<u32, Revision>, Problem> {
    let mut revisions: BTreeMap<u32, Revision> = BTreeMap::new();
    for (_, value, _) in installed.table.list(&keys::infrastructure(infrastructure), "revision#").await? {
        let found: RevisionRecord = record(value)?;
        let number = found.revision;
        revisions.entry(number).or_default().record = Some(found);
    }
    let recorded = crossfade_steps::recorded(&installed.context, infrastructure).await?;
    let tagged = installed.fleets(infrastructure).of(infrastructure).await?;
    place(&mut revisions, &recorded, tagged);
    let found = installed.table.get(&keys::infrastructure(infrastructure), keys::SERVING).await?;
    let serving: Option<ServingRecord> = found.map(|(value, _)| record(value)).transpose()?;
    if let Some(serving) = serving
        && let Some(revision) = revisions.get_mut(&serving.revision)
    {
        revision.serves_millis = Some(serving.since_millis);
    }
    Ok(revisions)
}

/// Looks at the images of fleets of which there is no record: somebody has tagged them by hand. What cannot be seen stays open.
async fn images(installed: &Installed, infrastructure: &str, revisions: &mut BTreeMap<u32, Revision>) {
    let fleets = installed.fleets(infrastructure);
    for revision in revisions.values_mut().filter(|revision| revision.record.is_none()) {
        if let Some(fleet) = &revision.fleet {
            revision.image = fleets.image(fleet).await.ok().flatten();
        }
    }
}

/// Finds the fleets of revisions by their tags. Tags get copied: where there is a record, it decides.
fn place(revisions: &mut BTreeMap<u32, Revision>, recorded: &BTreeMap<u32, String>, mut tagged: Vec<Fleet>) {
    tagged.sort_by(|a, b| a.name.cmp(&b.name));
    for fleet in tagged {
        let Some(number) = fleet.revision else { continue };
        if recorded.get(&number).is_some_and(|own| *own != fleet.name) {
            continue;
        }
        let revision = revisions.entry(number).or_default();
        match &revision.fleet {
            Some(other) => {
                if revision.rivals.is_empty() {
                    revision.rivals.push(other.name.clone());
                }
                revision.rivals.push(fleet.name);
            }
            None => revision.fleet = Some(fleet),
        }
    }
}

/// The numbers of those that can take over again.
pub(crate) fn kept(revisions: &BTreeMap<u32, Revision>) -> String {
    let kept = revisions.iter().filter(|(_, revision)| revision.kept());
    let kept: Vec<String> = kept.map(|(number, _)| number.to_string()).collect();
    if kept.is_empty() { "none".into() } else { kept.join(", ") }
}

pub(crate) fn run(stack: &Stack, options: &Revisions) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let named = options.infrastructure.as_deref().unwrap_or_default();
        let mut revisions = if named.is_empty() { BTreeMap::new() } else { all(installed, named).await? };
        let meant = if revisions.is_empty() { meant(installed, named).await? } else { named.to_owned() };
        let infrastructure = meant.as_str();
        if revisions.is_empty() {
            revisions = all(installed, infrastructure).await?;
        }
        images(installed, infrastructure, &mut revisions).await;
        if revisions.is_empty() {
            return Err(Problem::NotFound(format!(
                "There is no revision of {infrastructure} in this account and region."
            )));
        }
        if options.output == Output::Json {
            let revisions = revisions.iter().map(|(number, revision)| revision.told(*number)).collect();
            verbatim(&json!(Answer { infrastructure, revisions }).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let shown = revisions.iter().rev().filter(|(_, revision)| options.all || !revision.came_to_nothing());
        let rows: Vec<[String; 5]> = shown.map(|(number, revision)| row(*number, revision)).collect();
        let left_out = revisions.len() - rows.len();
        let heading = ["revision", "image", "deployment", "status", "fleet"].map(str::to_owned);
        table(&[vec![heading], rows].concat()).iter().for_each(|text| line(text));
        if left_out > 0 {
            line(&format!("{left_out} whose deployments failed, and of which nothing is left, are not shown (--all)"));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The one infrastructure definition of which somebody has written the beginning.
///
/// # Errors
/// Which ones there are, if none or several begin so.
async fn meant(installed: &Installed, named: &str) -> Result<String, Problem> {
    let last = installed.last().await;
    let known: BTreeSet<&str> = last.iter().map(|listed| listed.infrastructure.as_str()).collect();
    let begins: Vec<&str> = known.iter().copied().filter(|it| begins_with(it, named)).collect();
    if let [only] = begins.as_slice() {
        return Ok((*only).to_owned());
    }
    let all: Vec<&str> = known.into_iter().collect();
    let owned = |some: &[&str]| few(&some.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    Err(Problem::NotFound(match (begins.as_slice(), all.as_slice(), named) {
        (_, [], "") => format!("Nothing was deployed in this account and region yet by the stack {}.", installed.name),
        (_, [], named) => format!(
            "There is no revision of {named} in this account and region: nothing was deployed here yet by the stack {}. \
             Write SERVICE/ENVIRONMENT/BASE, such as \
             shop/production/shop-base.",
            installed.name
        ),
        ([], all, named) => format!(
            "There is no revision of {named} in this account and region{} Deployed was to {}.",
            suggestion(named, all),
            owned(all)
        ),
        (some, ..) => format!("Which one? {}: crossfade revisions {}", owned(some), some[0]),
    }))
}

fn row(number: u32, revision: &Revision) -> [String; 5] {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let status = revision.record.as_ref().map_or_else(|| "-".into(), |record| format!("{:?}", record.status));
    [number.to_string(), or_dash(revision.artifact()), or_dash(revision.deployment()), status, revision.fate()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(name: &str, revision: u32) -> Fleet {
        let fleet = json!({
            "name": name, "infrastructure": "shop/production/shop-base", "revision": revision, "deployment": null,
            "size": { "min": 0, "desired": 0, "max": 0 }, "targetGroups": [], "members": [], "blueprint": null,
            "deleting": false, "own": { "autoScalingGroup": {} },
        });
        serde_json::from_value(fleet).expect("it is one")
    }

    #[test]
    fn g7_two_fleets_with_one_revision_are_both_named_unless_a_record_says_which_it_is() {
        let placed = |recorded: &[(u32, &str)]| {
            let recorded = recorded.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
            let mut revisions = BTreeMap::new();
            place(&mut revisions, &recorded, vec![fleet("shop__5", 5), fleet("copy", 5), fleet("shop__6", 6)]);
            revisions
        };
        let unclear = placed(&[]);
        assert_eq!(unclear[&5].rivals, ["copy", "shop__5"]);
        assert_eq!(unclear[&5].fate(), "copy and shop__5 bear its tags");
        assert!(unclear[&6].rivals.is_empty());
        let clear = placed(&[(5, "shop__5")]);
        assert_eq!((clear[&5].rivals.len(), clear[&5].fate()), (0, "shop__5 is kept at size 0".into()));
    }
}
