//! One deployment, read again and again while somebody looks: of its log only what is new, and once what does not change.

use std::time::{Duration, Instant};

use crossfade_aws::keys;
use crossfade_steps::{StageRecord, Status};

use super::Entry;
use super::records::{Records, entry};
use crate::installed::Installed;
use crate::say::Problem;

/// How often it is asked whether the execution lives.
const LIVES: Duration = Duration::from_secs(10);

/// Something that comes again after a while.
pub(crate) struct Every(Duration, Option<Instant>);

impl Every {
    pub(crate) fn new(span: Duration) -> Self {
        Self(span, None)
    }

    pub(crate) fn due(&mut self) -> bool {
        let due = self.1.is_none_or(|last| last.elapsed() >= self.0);
        if due {
            self.1 = Some(Instant::now());
        }
        due
    }
}

/// What was read of a deployment so far.
pub(crate) struct Reading {
    deployment: String,
    log: Vec<Entry>,
    after: String,
    last_time: Option<Vec<StageRecord>>,
    died: Option<String>,
    lives: Every,
}

impl Reading {
    pub(crate) fn new(deployment: &str) -> Self {
        Self {
            deployment: deployment.into(),
            log: Vec::new(),
            after: String::new(),
            last_time: None,
            died: None,
            lives: Every::new(LIVES),
        }
    }

    /// Its records as they are now, with the whole log; nothing while there are none.
    pub(crate) async fn look(&mut self, installed: &Installed) -> Result<Option<Records>, Problem> {
        let id = &self.deployment;
        let rows = installed.table.list(&keys::deployment(id), "").await?;
        let Some(mut records) = Records::of(rows)? else { return Ok(None) };
        for (key, value, _) in installed.table.after(&keys::log(id), &self.after).await? {
            self.log.push(entry(&value));
            self.after = key;
        }
        if self.last_time.is_none() && records.snapshot.is_some() {
            self.last_time = Some(installed.last_time(&records).await?);
        }
        if records.meta.status != Status::Running {
            self.died = None;
        } else if self.lives.due() {
            self.died = installed.died(&records.meta).await?;
        }
        records.log = self.log.clone();
        records.last_time = self.last_time.clone().unwrap_or_default();
        records.died = self.died.clone();
        Ok(Some(records))
    }
}
