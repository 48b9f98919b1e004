//! `crossfade list`: the deployments that run, wait or are stuck, and the last ones that ended, from the index in the table.

use std::process::ExitCode;

use crossfade_aws::{Table, keys};
use crossfade_core::freeze::Freeze;
use crossfade_steps::{ListedRecord, Meta, Status};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::{List, Output, Stack};
use crate::fold::{columns, fits};
use crate::freeze::told;
use crate::installed::{ActsIn, Installed, on, record};
use crate::say::{Problem, line, table, verbatim};
use crate::view::records::Records;
use crate::view::text::{ago, span, who};
use crate::view::{Failure, Question, View, build, statuses};

/// How far back it looks for deployments that are over.
const MONTHS: usize = 24;
/// How many entries of the index it looks at for those that match: a hundred pages.
const ENTRIES: usize = 100_000;
/// How many of those that are over somebody may have meant.
const LAST: usize = 100;
/// How many it reads at once: less than half of the megabyte that one answer holds.
const PAGE: usize = 1_000;

/// One deployment in the list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// The deployment's id.
    pub(crate) deployment_id: String,
    /// The infrastructure definition: SERVICE/ENVIRONMENT/BASE.
    pub(crate) infrastructure: String,
    /// What is deployed, as far as that can be read.
    pub(crate) artifact: Option<String>,
    /// How it stands, as far as that can be read.
    #[schemars(schema_with = "maybe_status")]
    pub(crate) status: Option<Status>,
    /// The number of the stage at which it stands, of how many, and the stage's name: of what is not over.
    pub(crate) stage: Option<At>,
    /// What it asks now.
    pub(crate) question: Option<Question>,
    /// That its execution has died, and what follows.
    pub(crate) died: Option<String>,
    /// When it started, in milliseconds since 1970.
    pub(crate) started_millis: u64,
    /// Who started it, by ARN, where they have proved it.
    pub(crate) started_by: Option<String>,
    /// When it ended.
    pub(crate) ended_millis: Option<u64>,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// Why its records could not be read.
    pub(crate) problem: Option<String>,
}

/// Where a deployment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct At {
    /// The number of the stage.
    pub(crate) number: usize,
    /// Of so many.
    pub(crate) of: usize,
    /// What a person calls it.
    pub(crate) name: String,
}

/// What `list` prints.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade list --output json`")]
pub(crate) struct Answer {
    /// The account, the region, and whoever asks.
    pub(crate) acts_in: ActsIn,
    /// When this was seen, in the account's time, in milliseconds since 1970.
    pub(crate) as_of_millis: u64,
    /// The deployments: first those that are not over, then the others, the last one first.
    pub(crate) deployments: Vec<Listed>,
    /// Whether there are more.
    pub(crate) more: bool,
    /// What is frozen now.
    pub(crate) frozen: Vec<Frozen>,
}

/// That nothing new is deployed to an environment, or anywhere.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Frozen {
    /// The environment; nothing for all of them.
    pub(crate) environment: Option<String>,
    /// Who has stopped the line, as far as they said.
    pub(crate) by: Option<String>,
    /// Why, as far as they said.
    pub(crate) comment: Option<String>,
    /// When, in milliseconds since 1970.
    pub(crate) since_millis: u64,
    /// Until when, if it goes on by itself.
    pub(crate) until_millis: Option<u64>,
    /// The hours in which it holds; nothing for all of them.
    pub(crate) window: Option<String>,
}

impl From<&Freeze> for Frozen {
    fn from(freeze: &Freeze) -> Self {
        let Freeze { environment, by, comment, since_millis, until_millis, window } = freeze.clone();
        let window = window.map(|window| window.to_string());
        Self { environment, by, comment, since_millis, until_millis, window }
    }
}

fn maybe_status(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let status = statuses(generator);
    schemars::json_schema!({ "anyOf": [status, { "type": "null" }] })
}

/// Which deployments are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Of which infrastructure definition, or of which service, or of which environment of that; empty for all.
    pub(crate) infrastructure: &'a str,
    /// Whether only those that are not over.
    pub(crate) running: bool,
    /// How many at most.
    pub(crate) limit: usize,
}

impl Wanted<'_> {
    fn is(&self, listed: &ListedRecord) -> bool {
        begins_with(&listed.infrastructure, self.infrastructure)
    }
}

/// Whether an infrastructure definition is this one, or of this service, or of this environment of it; empty for all.
pub(crate) fn begins_with(infrastructure: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_end_matches('/');
    let rest = infrastructure.strip_prefix(wanted);
    wanted.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Listed {
    fn of(listed: &ListedRecord) -> Self {
        Self {
            deployment_id: listed.deployment_id.clone(),
            infrastructure: listed.infrastructure.clone(),
            artifact: None,
            status: listed.status,
            stage: None,
            question: None,
            died: None,
            started_millis: listed.started_millis,
            started_by: None,
            ended_millis: listed.ended_millis,
            failure: None,
            problem: None,
        }
    }

    /// One that is not over, by its view.
    fn open(listed: &ListedRecord, view: &View) -> Self {
        let way = if view.rollback.is_empty() { &view.stages } else { &view.rollback };
        let stage = view.stage().map(|stage| At { number: stage.number, of: way.len(), name: stage.name.clone() });
        Self {
            artifact: Some(view.artifact.clone()),
            status: Some(view.status),
            stage,
            question: view.question.clone(),
            died: view.died.clone(),
            started_by: view.started_by.clone(),
            ended_millis: view.ended_millis,
            failure: view.failure.clone(),
            ..Self::of(listed)
        }
    }

    /// One that is over, by its record.
    fn over(listed: &ListedRecord, meta: &Meta) -> Self {
        Self {
            artifact: Some(meta.document.artifact.to_string()),
            started_by: meta.starter.clone(),
            failure: meta.failure.as_ref().map(Failure::from),
            ..Self::of(listed)
        }
    }

    fn unreadable(listed: &ListedRecord, problem: &Problem) -> Self {
        Self { problem: Some(problem.to_string()), ..Self::of(listed) }
    }

    /// How it stands, in a few words, and since when.
    fn row(&self, now_millis: u64) -> [String; 6] {
        let took = || span(self.ended_millis.unwrap_or(now_millis).saturating_sub(self.started_millis));
        let at = || self.stage.as_ref().map_or_else(String::new, |at| format!(" {}/{}: {}", at.number, at.of, at.name));
        let state = match (self.status, &self.question) {
            _ if self.problem.is_some() => "! cannot be read".to_owned(),
            _ if self.died.is_some() => "✗ stopped, not rolled back yet".into(),
            (_, Some(question)) => format!("? asks at stage {}: {}", question.stage, question.name),
            (None, _) => "·".into(),
            (Some(Status::Preparing), _) => "· preparing".into(),
            (Some(Status::Running), _) => format!("▶ running{}", at()),
            (Some(Status::RollingBack), _) => format!("↩ rolling back{}", at()),
            (Some(Status::Succeeded), _) => format!("✓ succeeded in {}", took()),
            (Some(Status::FailedClean), _) => {
                let why = self.failure.as_ref().map_or_else(String::new, |failure| format!(": {}", failure.error));
                format!("✗ failed, all as it was{why}")
            }
            (Some(Status::FailedDirty), _) => "✗ FAILED DIRTY".into(),
            (Some(Status::Accepted), _) => "✗ failed, what it left is kept".into(),
        };
        let since = self.ended_millis.unwrap_or(self.started_millis);
        let what = self.artifact.clone().unwrap_or_else(|| "-".into());
        let since = ago(now_millis.saturating_sub(since));
        let by = self.started_by.as_deref().map_or("-", who).to_owned();
        [self.deployment_id.clone(), self.infrastructure.clone(), what, state, since, by]
    }
}

/// The list as a table; where that is wider than the terminal, two lines for each deployment: how it stands, and which it is.
pub(crate) fn rows(deployments: &[Listed], now_millis: u64, columns: Option<usize>) -> Vec<String> {
    let heading = ["ID", "WHERE", "WHAT", "STATE", "SINCE", "BY"].map(str::to_owned);
    let rows: Vec<[String; 6]> = deployments.iter().map(|listed| listed.row(now_millis)).collect();
    let shown = table(&[vec![heading], rows.clone()].concat());
    if fits(&shown, columns) {
        return shown;
    }
    let two = |[id, place, what, state, since, by]: [String; 6]| {
        let by = if by == "-" { String::new() } else { format!("  by {by}") };
        [format!("{id}  {state}"), format!("    {place}  {what}  {since}{by}")]
    };
    rows.into_iter().flat_map(two).collect()
}

impl Installed {
    /// The deployments that are not over, the oldest first.
    pub(crate) async fn open(&self) -> Result<Vec<ListedRecord>, Problem> {
        let rows = self.table.list(keys::OPEN, "").await?;
        rows.into_iter().map(|(_, value, _)| record(value)).collect()
    }

    /// Those that are over and wanted, the last one first; and whether there may be more.
    pub(crate) async fn over(&self, wanted: Wanted<'_>) -> Result<(Vec<ListedRecord>, bool), Problem> {
        over(&self.table, self.time.now_millis(), wanted, ENTRIES).await
    }

    /// Those that somebody may mean who has mistyped a name: all that are not over, and the last ones that are. None where nobody may look.
    pub(crate) async fn last(&self) -> Vec<ListedRecord> {
        let mut last = self.open().await.unwrap_or_default();
        let wanted = Wanted { infrastructure: "", running: false, limit: LAST };
        last.extend(over(&self.table, self.time.now_millis(), wanted, PAGE).await.unwrap_or_default().0);
        last
    }

    /// The deployments that are wanted; and whether there are more.
    pub(crate) async fn listed(&self, wanted: Wanted<'_>) -> Result<(Vec<Listed>, bool), Problem> {
        let open: Vec<ListedRecord> = self.open().await?.into_iter().filter(|listed| wanted.is(listed)).collect();
        let mut more = open.len() > wanted.limit;
        let mut list = Vec::new();
        for listed in open.iter().take(wanted.limit) {
            list.push(match self.records(&listed.deployment_id).await {
                Ok(Some(records)) => Listed::open(listed, &self.viewed(&records)),
                Ok(None) => Listed::of(listed),
                Err(problem @ Problem::Aws(_)) if list.is_empty() && open.len() == 1 => return Err(problem),
                Err(problem) => Listed::unreadable(listed, &problem),
            });
        }
        if wanted.running || list.len() >= wanted.limit {
            return Ok((list, more));
        }
        let rest = Wanted { limit: wanted.limit - list.len(), ..wanted };
        let (over, further) = self.over(rest).await?;
        more |= further;
        for listed in &over {
            list.push(match self.meta(&listed.deployment_id).await {
                Ok(meta) => Listed::over(listed, &meta),
                Err(problem) => Listed::unreadable(listed, &problem),
            });
        }
        Ok((list, more))
    }

    /// What is frozen at this time.
    pub(crate) async fn frozen(&self, now_millis: u64) -> Result<Vec<Freeze>, Problem> {
        let mut frozen = crossfade_steps::freezes(&self.context).await?;
        frozen.retain(|freeze| freeze.holds(now_millis));
        Ok(frozen)
    }

    /// The view of these records now.
    pub(crate) fn viewed(&self, records: &Records) -> View {
        build::view(records, self.time.now_millis())
    }
}

/// The deployments that are over and wanted, the last one first, among so many entries; and whether there may be more.
async fn over(
    table: &Table,
    now_millis: u64,
    wanted: Wanted<'_>,
    entries: usize,
) -> Result<(Vec<ListedRecord>, bool), Problem> {
    let (mut found, mut seen): (Vec<ListedRecord>, usize) = (Vec::new(), 0);
    // Where all are wanted, no more are read than are shown, and one that tells whether there are more.
    let page_size = if wanted.infrastructure.is_empty() { (wanted.limit + 1).min(PAGE) } else { PAGE };
    for month in keys::months(now_millis, MONTHS) {
        let mut before: Option<String> = None;
        loop {
            let page = table.last(&month, before.as_deref(), page_size).await?;
            let full = page.len() == page_size;
            before = page.last().map(|(key, ..)| key.clone());
            for (_, value, _) in page {
                let listed: ListedRecord = record(value)?;
                seen += 1;
                if wanted.is(&listed) {
                    if found.len() == wanted.limit {
                        return Ok((found, true));
                    }
                    found.push(listed);
                }
            }
            if seen >= entries {
                return Ok((found, true));
            }
            if !full {
                break;
            }
        }
    }
    Ok((found, false))
}

/// What is said below a list that is not all there is.
fn further(shown: usize, limit: usize) -> String {
    match shown < limit {
        true => format!("There may be more: only the last {ENTRIES} deployments were looked at."),
        false => format!("There are more: --limit {}", limit.saturating_mul(5)),
    }
}

pub(crate) fn run(stack: &Stack, options: &List) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let infrastructure = options.infrastructure.as_deref().unwrap_or_default();
        let wanted = Wanted { infrastructure, running: options.running, limit: options.limit };
        let (caller, listed) = tokio::join!(installed.caller(), installed.listed(wanted));
        let acts_in = installed.introduced(caller, options.output);
        let (deployments, more) = listed?;
        let as_of_millis = installed.time.now_millis();
        let frozen = installed.frozen(as_of_millis).await?;
        if options.output == Output::Json {
            let frozen = frozen.iter().map(Frozen::from).collect();
            verbatim(&json!(Answer { acts_in, as_of_millis, deployments, more, frozen }).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        frozen.iter().for_each(|freeze| line(&format!("! {}", told(freeze, as_of_millis))));
        if deployments.is_empty() && !more {
            line(match (options.running, infrastructure) {
                (true, "") => "No deployment runs, waits or is stuck.",
                (true, _) => "No deployment of it runs, waits or is stuck.",
                (false, _) => "There is no deployment.",
            });
            return Ok(ExitCode::SUCCESS);
        }
        if !deployments.is_empty() {
            rows(&deployments, as_of_millis, columns()).iter().for_each(|row| line(row));
        }
        if more {
            line(&further(deployments.len(), options.limit));
        }
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use crossfade_aws::Item;
    use crossfade_core::document::Decision;

    use super::*;
    use crate::view::theatre::{Theatre, example};

    fn entry(id: &str, infrastructure: &str, status: Option<Status>) -> ListedRecord {
        ListedRecord {
            deployment_id: id.into(),
            execution_arn: String::new(),
            infrastructure: infrastructure.into(),
            started_millis: 1_767_600_000_000,
            status,
            ended_millis: status.map(|_| 1_767_600_214_000),
            watches: None,
            asks: None,
        }
    }

    #[test]
    fn an_infrastructure_is_named_whole_or_by_its_beginning() {
        let is = |wanted: &str, infrastructure: &str| {
            let wanted = Wanted { infrastructure: wanted, running: false, limit: 1 };
            wanted.is(&entry("a", infrastructure, None))
        };
        for wanted in ["", "shop", "shop/", "shop/production", "shop/production/shop-base"] {
            assert!(is(wanted, "shop/production/shop-base"), "{wanted}");
        }
        for wanted in ["sho", "shop/prod", "shop/production/shop", "production", "shop/production/shop-base/x"] {
            assert!(!is(wanted, "shop/production/shop-base"), "{wanted}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_ten_thousand_deployments_none_is_left_out_silently() {
        let theatre = Theatre::new();
        let (now, table) = (theatre.now_millis(), Table::new(&theatre.sim.sdk_config_for("somebody"), "crossfade"));
        let at = |nth: u64| now - 10_000_000 + nth * 1_000;
        for begin in (0..10_000).step_by(100) {
            let items = (begin..begin + 100).map(|nth| {
                // One of another definition, a long time ago.
                let infrastructure = if nth == 7 { "mail/staging/mail-base" } else { "shop/production/shop-base" };
                let listed = ListedRecord {
                    started_millis: at(nth),
                    ..entry(&format!("d-{nth}"), infrastructure, Some(Status::Succeeded))
                };
                Item::new(keys::month(at(nth)), keys::start(at(nth), &listed.deployment_id), json!(listed))
            });
            table.put_together(&items.collect::<Vec<_>>()).await.expect("they can be written");
        }
        let read = |infrastructure: &'static str, limit: usize, entries: usize| {
            let (table, before) = (&table, theatre.sim.calls().len());
            let sim = &theatre.sim;
            async move {
                let wanted = Wanted { infrastructure, running: false, limit };
                let (found, more) = over(table, now, wanted, entries).await.expect("it can be read");
                (found, more, sim.calls().len() - before)
            }
        };
        let (found, more, calls) = read("", 20, ENTRIES).await;
        assert_eq!((found.len(), found[0].deployment_id.as_str(), more, calls), (20, "d-9999", true, 1));
        // Few pages lead to the oldest.
        let (found, more, calls) = read("mail", 20, ENTRIES).await;
        assert_eq!((found.len(), found[0].deployment_id.as_str(), more), (1, "d-7", false));
        assert!(calls <= 11 + MONTHS, "{calls}");
        // And where it does not look that far, it says so.
        let (found, more, _) = read("mail", 20, 2_000).await;
        assert_eq!((found.len(), more), (0, true));
        assert!(further(0, 20).contains("only the last 100000 deployments"));
        assert_eq!(further(20, 20), "There are more: --limit 100");
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_says_of_each_where_it_stands_and_since_when() {
        let theatre = Theatre::new();
        theatre.start("shop-42", &example());
        let asking = theatre.asks("shop-42").await;
        theatre.decide("shop-42", Decision::Reject).await;
        let back = theatre.until("shop-42", |view| view.status == Status::RollingBack, |_| {}).await;
        let over = theatre.records("shop-42").expect("it is there").meta;

        let of = |view: &View| Listed::open(&entry("shop-42", "shop/production/shop-base", None), view);
        let old = |id: &str, status: Status| Listed::over(&entry(id, "mail/staging/mail-base", Some(status)), &over);
        let unreadable = Problem::Refused("it was written by a newer release".into());
        let unreadable = Listed::unreadable(&entry("odd", "mail/staging/mail-base", None), &unreadable);
        let listed =
            [of(&asking), of(&back), old("mail-8", Status::Succeeded), old("mail-7", Status::FailedClean), unreadable];
        let now = asking.started_millis.max(1_767_600_000_000) + 3 * 86_400_000;
        let shown = rows(&listed, now, None);
        let has = |row: usize, parts: &[&str]| {
            let line = &shown[row];
            parts.iter().for_each(|part| assert!(line.contains(part), "{part} is missing in {line}"));
        };
        has(0, &["ID", "WHERE", "WHAT", "STATE", "SINCE", "BY"]);
        has(
            1,
            &[
                "shop-42",
                "shop/production/shop-base",
                "ami-0a11ce00000000007",
                "? asks at stage 5: Approve shop__7 at 10 %",
            ],
        );
        has(2, &["↩ rolling back", "/5: "]);
        has(3, &["mail-8", "✓ succeeded in 3:34", "3 d"]);
        has(4, &["mail-7", "✗ failed, all as it was: ApprovalRejected", "3 d"]);
        has(5, &["odd", "! cannot be read"]);

        // In a narrow terminal no row is as wide, and nothing is missing.
        assert_eq!(rows(&listed, now, Some(120)), shown);
        let narrow = rows(&listed, now, Some(60));
        assert_eq!(narrow[0], "shop-42  ? asks at stage 5: Approve shop__7 at 10 %");
        assert!(narrow[1].starts_with("    shop/production/shop-base  ami-0a11ce00000000007  "), "{}", narrow[1]);
        assert!(fits(&narrow, Some(60)), "{narrow:#?}");
    }
}
