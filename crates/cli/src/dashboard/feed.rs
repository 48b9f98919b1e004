//! What the pages are told: read once for all of them, and only while one of them is looked at.
//!
//! It is what `list --output json` and `status --output json` print, from the same functions, with what only a page needs beside it. It
//! must never hold anything that the commands do not print: no credentials, no task tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_aws::Caller;
use crossfade_steps::Status;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::history::{Point, Seen, recorded};
use super::offers::{Offer, offers};
use crate::args::Output;
use crate::explain::explain;
use crate::installed::{ActsIn, Installed};
use crate::list::{self, Frozen, Listed, Wanted};
use crate::local::Users;
use crate::problem::{Problem, WRONG};
use crate::revisions;
use crate::status;
use crate::view::now::Now;
use crate::view::reading::{Every, Reading};
use crate::view::{Entry, View, build};

/// How often the table is looked at, the account of what is looked at, and what changes rarely.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_AROUND: Duration = Duration::from_secs(5);
const RARELY: Duration = Duration::from_secs(60);
/// How many deployments are listed, and of how many infrastructure definitions it is said what serves.
const LISTED: usize = 50;
const SERVING: usize = 20;
/// How many revisions of each are told, the last ones.
const REVISIONS: usize = 12;

/// What all pages are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The overview, in JSON.
    pub(crate) overview: Option<Arc<str>>,
    /// The deployments that are looked at.
    pub(crate) deployments: BTreeMap<String, Arc<Detail>>,
    /// Why nothing newer can be told.
    pub(crate) trouble: Option<Arc<str>>,
}

/// What is told of one deployment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// All but the log, in JSON.
    pub(crate) json: String,
    /// The log.
    pub(crate) log: Vec<Entry>,
}

/// Who looks at what; and the bell that is rung when somebody has come, or has done something.
#[derive(Default)]
pub(crate) struct Viewers {
    looking: Mutex<BTreeMap<String, usize>>,
    pub(crate) bell: Notify,
}

/// Somebody looks; until this is dropped.
pub(crate) struct Viewer(Arc<Viewers>, String);

impl Viewers {
    /// Somebody looks at this deployment; at the overview alone, where it is empty.
    pub(crate) fn come(self: &Arc<Self>, deployment: &str) -> Viewer {
        *self.lock().entry(deployment.to_owned()).or_default() += 1;
        self.bell.notify_one();
        Viewer(self.clone(), deployment.to_owned())
    }

    /// What is looked at; nothing when nobody looks.
    fn at(&self) -> Option<BTreeSet<String>> {
        let looking = self.lock();
        (!looking.is_empty()).then(|| looking.keys().filter(|id| !id.is_empty()).cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut looking = self.0.lock();
        if let Some(count) = looking.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                looking.remove(&self.1);
            }
        }
    }
}

/// The overview: what `list` prints, and what serves.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview<'a> {
    #[serde(flatten)]
    list: list::Answer,
    serving: &'a [Value],
    /// Of a simulated account.
    users: Option<Users>,
}

/// One deployment: what `status` prints, how it came to that, and what can be done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(flatten)]
    status: status::Answer,
    history: Vec<Point>,
    offers: Vec<Offer>,
}

/// A deployment that is looked at.
struct Watched {
    reading: Reading,
    around: Every,
    now: Option<Now>,
    seen: Seen,
}

/// The one who looks for all pages.
pub(crate) struct Feed<'a> {
    installed: &'a Installed,
    viewers: Arc<Viewers>,
    told: watch::Sender<Told>,
    caller: Option<Caller>,
    watched: BTreeMap<String, Watched>,
    rarely: Every,
    /// Those that are not over, as they were seen last: when they change, so does what changes rarely.
    open: BTreeSet<String>,
    over: (Vec<Listed>, bool),
    serving: Vec<Value>,
    kept: BTreeMap<String, Vec<u32>>,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(installed: &'a Installed, viewers: Arc<Viewers>, told: watch::Sender<Told>) -> Self {
        Self {
            installed,
            viewers,
            told,
            caller: None,
            watched: BTreeMap::new(),
            rarely: Every::new(RARELY),
            open: BTreeSet::new(),
            over: (Vec::new(), false),
            serving: Vec::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Looks again and again, for as long as somebody sees it.
    pub(crate) async fn run(mut self) {
        let viewers = self.viewers.clone();
        loop {
            if let Some(at) = viewers.at() {
                self.look(at).await;
            }
            // While nobody looks, somebody has to come.
            let looks = viewers.at().is_some();
            let pause = async { if looks { tokio::time::sleep(LOOK).await } else { std::future::pending().await } };
            tokio::select! {
                () = pause => {}
                () = viewers.bell.notified() => {}
            }
        }
    }

    /// Looks once. What cannot be seen leaves what was told before.
    async fn look(&mut self, at: BTreeSet<String>) {
        let mut told = self.told.borrow().clone();
        told.deployments.retain(|id, _| at.contains(id));
        self.watched.retain(|id, watched| at.contains(id) || !watched.seen.is_empty());
        let mut trouble = None;
        match self.overview().await {
            Ok(overview) => told.overview = Some(overview.to_string().into()),
            Err(problem) => trouble = Some(self.words(problem).await),
        }
        for id in at {
            match self.detail(&id).await {
                Ok(detail) => drop(told.deployments.insert(id, Arc::new(detail))),
                Err(problem) if problem.code() == WRONG => {
                    let json = json!({ "deploymentId": id, "problem": problem.to_string() }).to_string();
                    told.deployments.insert(id, Arc::new(Detail { json, log: Vec::new() }));
                }
                Err(problem) => trouble = Some(self.words(problem).await),
            }
        }
        told.trouble = trouble.map(Into::into);
        self.told.send_replace(told);
    }

    async fn words(&self, problem: Problem) -> String {
        match problem {
            Problem::Aws(failure) => explain(failure, self.installed).await.to_string(),
            other => other.to_string(),
        }
    }

    async fn acts_in(&mut self) -> ActsIn {
        if self.caller.is_none() {
            self.caller = self.installed.caller().await.ok();
        }
        let caller = self.caller.clone().ok_or_else(String::new);
        self.installed.introduced(caller, Output::Json)
    }

    async fn overview(&mut self) -> Result<Value, Problem> {
        let installed = self.installed;
        let running = Wanted { infrastructure: "", running: true, limit: LISTED };
        let (open, more_open) = installed.listed(running).await?;
        let ids: BTreeSet<String> = open.iter().map(|listed| listed.deployment_id.clone()).collect();
        // Those that have ended since are in both: what was read of them first is older.
        if self.rarely.due() || ids != self.open {
            let (over, more) = installed.listed(Wanted { running: false, ..running }).await?;
            self.over = (over.into_iter().filter(|listed| !ids.contains(&listed.deployment_id)).collect(), more);
            self.open = ids;
            self.serving(&open).await;
        }
        let acts_in = self.acts_in().await;
        let as_of_millis = installed.time.now_millis();
        let frozen = installed.frozen(as_of_millis).await?.iter().map(Frozen::from).collect();
        let (over, more) = &self.over;
        let (deployments, more) = ([open, over.clone()].concat(), more_open || *more);
        let list = list::Answer { acts_in, as_of_millis, deployments, more, frozen };
        let users = installed.users().await;
        Ok(json!(Overview { list, serving: &self.serving, users }))
    }

    /// What serves, of every infrastructure definition that was deployed.
    async fn serving(&mut self, open: &[Listed]) {
        let all = open.iter().chain(&self.over.0).map(|listed| listed.infrastructure.clone());
        let each: BTreeSet<String> = all.filter(|it| !it.is_empty()).take(LISTED).collect();
        self.serving.clear();
        for infrastructure in each.into_iter().take(SERVING) {
            let told = match revisions::all(self.installed, &infrastructure).await {
                Ok(revisions) => {
                    let kept = revisions.iter().rev().filter(|(_, revision)| revision.kept());
                    self.kept.insert(infrastructure.clone(), kept.map(|(number, _)| *number).collect());
                    let last = revisions.iter().rev().take(REVISIONS);
                    let last: Vec<Value> = last.map(|(number, revision)| json!(revision.told(*number))).collect();
                    json!({ "infrastructure": infrastructure, "revisions": last, "problem": null })
                }
                Err(problem) => {
                    let problem = self.words(problem).await;
                    json!({ "infrastructure": infrastructure, "revisions": [], "problem": problem })
                }
            };
            self.serving.push(told);
        }
    }

    async fn detail(&mut self, id: &str) -> Result<Detail, Problem> {
        let installed = self.installed;
        if !self.watched.contains_key(id) {
            // It knows whether there is such a deployment, and which release has written it.
            installed.meta(id).await?;
        }
        let acts_in = self.acts_in().await;
        let watched = self.watched.entry(id.to_owned()).or_insert_with(|| Watched {
            reading: Reading::new(id),
            around: Every::new(LOOK_AROUND),
            now: None,
            seen: Seen::default(),
        });
        let Some(records) = watched.reading.look(installed).await? else { return Err(installed.unknown(id).await) };
        let stands = !records.meta.status.ended() || records.meta.status == Status::FailedDirty;
        if !stands {
            watched.now = None;
        } else if watched.around.due() {
            watched.now = installed.now(&records).await;
            if let Some(now) = &watched.now {
                watched.seen.keep(installed.time.now_millis(), now);
            }
        }
        let view = build::view(&records, installed.time.now_millis());
        let view = View { log: Vec::new(), ..view }.seeing(watched.now.clone());
        let kept = self.kept.get(&view.infrastructure).map(Vec::as_slice).unwrap_or_default();
        let history = watched.seen.with(recorded(&records));
        let offers = offers(&view, kept);
        let json = json!(Page { status: status::Answer { acts_in, view }, history, offers }).to_string();
        Ok(Detail { json, log: records.log })
    }
}
