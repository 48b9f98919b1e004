//! What many runs came to, as a table and as one line of JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::judge::{Ending, Verdict};

/// What the runs of one strategy and one kind of fault came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// How many there were.
    pub runs: usize,
    /// How many succeeded.
    pub succeeded: usize,
    /// How many ended with everything as it was.
    pub clean: usize,
    /// How many ended with something left, or without being able to say how. All of them ended clean once AWS allowed it.
    pub dirty: usize,
    /// Requests lost.
    pub lost: u64,
    /// How many broke a promise.
    pub broken: usize,
    /// The least healthy capacity of all, in percent.
    pub worst_percent: Option<f64>,
    /// How many did not come to the point at which they were to be struck.
    pub idle: usize,
}

/// All rows, by strategy and kind.
#[derive(Debug, Default)]
pub struct Report {
    rows: BTreeMap<(String, String), Row>,
}

impl Report {
    /// Counts a run.
    pub fn count(&mut self, strategy: &str, kind: &str, verdict: &Verdict) {
        let row = self.rows.entry((strategy.to_owned(), kind.to_owned())).or_default();
        row.add(verdict);
    }

    /// All of it.
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        for row in self.rows.values() {
            total.runs += row.runs;
            total.succeeded += row.succeeded;
            total.clean += row.clean;
            total.dirty += row.dirty;
            total.lost += row.lost;
            total.broken += row.broken;
            total.idle += row.idle;
            total.worst_percent = total.worst_percent.into_iter().chain(row.worst_percent).reduce(f64::min);
        }
        total
    }

    /// The summary: runs, requests lost, runs that broke a promise, runs that ended dirty, points struck, seconds.
    pub fn summary(&self, fault_points: usize, seconds: f64) -> Value {
        let total = self.total();
        json!({
            "runs": total.runs,
            "requestsLost": total.lost,
            "unclean": total.broken,
            "dirty": total.dirty,
            "faultPoints": fault_points,
            "seconds": (seconds * 10.0).round() / 10.0,
        })
    }
}

impl Row {
    fn add(&mut self, verdict: &Verdict) {
        self.broken += usize::from(!verdict.problems.is_empty());
        self.lost += verdict.lost;
        if !verdict.struck {
            self.idle += 1;
            return;
        }
        self.runs += 1;
        match verdict.ending {
            Ending::Succeeded => self.succeeded += 1,
            Ending::FailedClean => self.clean += 1,
            Ending::FailedDirty | Ending::NotOver => self.dirty += 1,
        }
        self.worst_percent = self.worst_percent.into_iter().chain([verdict.capacity_percent]).reduce(f64::min);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["runs", "succeeded", "clean", "dirty", "lost", "worst capacity"];
        write!(f, "{:<14} {:<38}", "strategy", "kind of fault")?;
        head.iter().try_for_each(|name| write!(f, " {name:>9}"))?;
        writeln!(f)?;
        let line = |f: &mut fmt::Formatter<'_>, strategy: &str, kind: &str, row: &Row| {
            let worst = row.worst_percent.map_or("–".to_owned(), |percent| format!("{percent:.0} %"));
            write!(f, "{strategy:<14} {kind:<38}")?;
            for count in [row.runs, row.succeeded, row.clean, row.dirty] {
                write!(f, " {count:>9}")?;
            }
            write!(f, " {:>9} {worst:>14}", row.lost)?;
            if row.broken > 0 {
                write!(f, "  {} BROKEN", row.broken)?;
            }
            writeln!(f)
        };
        for ((strategy, kind), row) in &self.rows {
            line(f, strategy, kind, row)?;
        }
        line(f, "all", "", &self.total())
    }
}
