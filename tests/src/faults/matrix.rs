//! Every kind of fault at every point of every case, one at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crossfade_rehearse::in_parallel;

use super::branch::Tell;
use super::case::Case;
use super::injector::Injection;
use super::judge::Verdict;
use super::kind::{Kind, Place};
use super::processes::in_processes;
use super::trial::{Baseline, SEED, Trial, baseline, run, run_branches};

/// How many runs of a case share what comes before their faults: enough to make it cheap, and few enough to stop in time.
const BATCH: usize = 50;

/// One run of the matrix.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The number of its case.
    pub case: usize,
    /// What goes wrong, and where.
    pub injection: Injection,
}

/// What is tried.
pub struct Matrix {
    /// The cases.
    pub cases: Vec<Case>,
    /// How each of them goes when nothing goes wrong.
    pub baselines: Vec<Baseline>,
    /// All runs.
    pub cells: Vec<Cell>,
}

impl Matrix {
    /// All cases and kinds, or those of which `wanted` says so; each at `every` point, or in turns where one is as good as another.
    pub fn new(wanted: impl Fn(&Case, Kind) -> bool, every: bool) -> Self {
        let mut cases = Case::all();
        cases.retain(|case| Kind::ALL.iter().any(|&kind| wanted(case, kind)));
        let baselines = in_parallel(&cases, baseline);
        let mut cells = Vec::new();
        for (number, (case, baseline)) in cases.iter().zip(&baselines).enumerate() {
            let twin = cases.iter().position(|other| case.is_rejected_twin_of(other)).map(|nth| &baselines[nth].points);
            let kinds = Kind::ALL.iter().copied().filter(|&kind| wanted(case, kind));
            // A deployment that is stopped while it prunes is undone, but for what was pruned.
            for kind in kinds.filter(|kind| !(case.prunes && kind.halts())) {
                let points = match every {
                    true => baseline.points.of(kind),
                    false => baseline.points.in_turns(kind, twin, !case.special.is_empty() && case.only.is_none()),
                };
                let struck = |nth: &usize| match case.only {
                    Some(only) => {
                        kind.place() == Place::Call && only.contains(&baseline.points.calls[*nth].operation.as_str())
                    }
                    None => true,
                };
                let points = points.into_iter().filter(struck);
                cells.extend(points.map(|at| Cell { case: number, injection: Injection { kind, at } }));
            }
        }
        Self { cases, baselines, cells }
    }

    /// Runs everything, about in its order, as far as it comes until then; `done` is told of each run. Answers how many were left out.
    ///
    /// # Panics
    /// When a process can't be made, or ends before its work. No other thread may run.
    pub fn run(&self, until: Option<Instant>, done: impl Fn(&Cell, &Verdict) + Sync) -> usize {
        let batches = self.batches();
        let left_out = AtomicUsize::new(0);
        let play = |nth: usize, tell: Tell<'_>| self.play(&batches[nth], until, tell);
        in_processes(batches.len(), play, |number, verdict| match verdict {
            Some(verdict) => done(&self.cells[number], &verdict),
            None => {
                left_out.fetch_add(1, Ordering::Relaxed);
            }
        });
        left_out.into_inner()
    }

    /// The numbers of the cells in batches of one case each.
    fn batches(&self) -> Vec<Vec<usize>> {
        let mut batches = Vec::new();
        let mut open: Vec<Vec<usize>> = vec![Vec::new(); self.cases.len()];
        for (number, cell) in self.cells.iter().enumerate() {
            let batch = &mut open[cell.case];
            batch.push(number);
            if batch.len() == BATCH {
                batches.push(std::mem::take(batch));
            }
        }
        batches.extend(open.into_iter().filter(|batch| !batch.is_empty()));
        batches
    }

    /// Plays a batch: what begins where it strikes as branches of one run, all else from the beginning.
    fn play(&self, batch: &[usize], until: Option<Instant>, tell: Tell<'_>) {
        let Some(case) = batch.first().map(|&number| self.cells[number].case) else { return };
        let (case, baseline) = (&self.cases[case], &self.baselines[case]);
        let over = || until.is_some_and(|until| Instant::now() >= until);
        if over() {
            return batch.iter().for_each(|&number| tell(number, None));
        }
        let injection = |number: usize| self.cells[number].injection;
        let (branches, whole): (Vec<usize>, Vec<usize>) =
            batch.iter().partition(|&&number| injection(number).kind.begins_where_it_strikes());
        let branches: Vec<(usize, Injection)> =
            branches.into_iter().map(|number| (number, injection(number))).collect();
        let pointless = run_branches(case, &branches, baseline, until, tell);
        for number in whole.into_iter().chain(pointless) {
            if over() {
                tell(number, None);
                continue;
            }
            let trial = Trial { seed: SEED, injections: vec![injection(number)] };
            tell(number, Some(&run(case, &trial, baseline)));
        }
    }

    /// What a cell is, for a person.
    pub fn describe(&self, cell: &Cell) -> String {
        let Injection { kind, at } = cell.injection;
        let point = self.baselines[cell.case].points.describe(kind, at);
        format!("{}: {} at {point}", self.cases[cell.case].name(), kind.name())
    }
}
