//! Runs the matrix of faults and explores beyond it, and prints what came of it. `cargo xtask faults` builds it with an optimised
//! profile and runs it.

use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use crossfade_tests::faults::case::Case;
use crossfade_tests::faults::explore::{Exploration, explore};
use crossfade_tests::faults::floors::check_floors;
use crossfade_tests::faults::judge::Verdict;
use crossfade_tests::faults::kind::Kind;
use crossfade_tests::faults::matrix::Matrix;
use crossfade_tests::faults::report::Report;
use indicatif::{ProgressBar, ProgressStyle};

/// A quarter of the time would be the system's allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many broken promises are told in full.
const TOLD: usize = 20;

/// Deployments in which something goes wrong: every kind of fault at every point of every strategy, and then several faults at
/// random. Fails if a promise is broken.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask faults",
    after_help = "Examples:\n  \
        cargo xtask faults                            the matrix\n  \
        cargo xtask faults --strategy canary          only canaries\n  \
        cargo xtask faults --minutes 10 --seed 1000   the matrix, then ten minutes of random runs\n  \
        cargo xtask faults --replay 1234              the random run of one seed, with its log"
)]
struct Options {
    /// Explore for so many minutes after the matrix
    #[arg(long, default_value_t = 0.0, value_name = "M")]
    minutes: f64,
    /// Stop the matrix after so many minutes; its runs are played in the order that the seed gives them
    #[arg(long, value_name = "M")]
    at_most: Option<f64>,
    /// The first seed of the exploration
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Explore only random accounts in whose name this stands, such as `ecs`
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    random: String,
    /// Play only the random run of this seed, and tell all of it
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "strategy", "kind", "random"])]
    replay: Option<u64>,
    /// Only the cases whose name begins so, such as `shift` or `shift, ecs`
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    strategy: String,
    /// Only the kinds of fault whose name contains this
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    kind: String,
    /// Strike with every kind at every point, also where kinds and points take turns
    #[arg(long)]
    every: bool,
    /// Only say how many runs each case has
    #[arg(long)]
    count: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table
    Text,
    /// A table on standard error, and one line of JSON
    Json,
}

/// Prints how many runs each case has, and how long it takes when nothing goes wrong, in points.
fn count(matrix: &Matrix) {
    for (nth, (case, baseline)) in matrix.cases.iter().zip(&matrix.baselines).enumerate() {
        let runs = matrix.cells.iter().filter(|cell| cell.case == nth).count();
        let points = &baseline.points;
        let (calls, invocations, states) = (points.calls.len(), points.invocations.len(), points.states.len());
        print(format!("{runs:6}  {}  ({calls} calls, {invocations} invocations, {states} states)", case.name()));
    }
    print(format!("{:6}  in all", matrix.cells.len()));
}

/// What is counted while it runs.
struct Tally {
    report: Report,
    points: usize,
    broken: usize,
    bar: ProgressBar,
}

impl Tally {
    fn count(&mut self, strategy: &str, kind: &str, verdict: &Verdict, describe: impl FnOnce() -> String) {
        self.report.count(strategy, kind, verdict);
        self.points += usize::from(verdict.struck);
        self.bar.inc(1);
        if verdict.problems.is_empty() {
            return;
        }
        self.broken += 1;
        if self.broken <= TOLD {
            let told = tell(&describe(), verdict);
            self.bar.suspend(|| eprintln!("{told}"));
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(seed) = options.replay {
        return replay(seed);
    }
    // Functions panic on purpose; what they say is judged, not printed.
    std::panic::set_hook(Box::new(|_| {}));
    run(&options)
}

fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let wanted =
        |case: &Case, kind: Kind| case.name().starts_with(&options.strategy) && kind.name().contains(&options.kind);
    let mut matrix = Matrix::new(wanted, options.every);
    let shrunk = check_floors(&matrix);
    if options.count {
        count(&matrix);
        return ExitCode::SUCCESS;
    }
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left").unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(matrix.cells.len() as u64).with_style(style);
    let until = options.at_most.map(|minutes| {
        fastrand::Rng::with_seed(options.seed).shuffle(&mut matrix.cells);
        started + Duration::from_secs_f64(minutes * 60.0)
    });
    let tally = Mutex::new(Tally { report: Report::default(), points: 0, broken: 0, bar });
    let left_out = matrix.run(until, |cell, verdict| {
        let strategy = matrix.cases[cell.case].strategy.name;
        locked(&tally).count(strategy, cell.injection.kind.name(), verdict, || matrix.describe(cell));
    });
    locked(&tally).bar.finish_and_clear();
    if options.minutes > 0.0 {
        let until = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
        locked(&tally).bar = ProgressBar::new_spinner().with_message("exploring");
        let wanted = |case: &Case| case.name().contains(&options.random);
        explore(options.seed, until, wanted, |exploration| {
            let Exploration { case, verdict, .. } = exploration;
            locked(&tally).count(case.strategy.name, "several at random", verdict, || {
                let shortest = Exploration::of(exploration.seed).shortest();
                format!("{}\n   at the shortest: {}", exploration.describe(), shortest.describe())
            });
        });
        locked(&tally).bar.finish_and_clear();
    }
    let tally = locked(&tally);
    let summary = tally.report.summary(tally.points, started.elapsed().as_secs_f64());
    match options.output {
        Output::Text => {
            print(&tally.report);
            print(format!("{} runs in {} s", summary["runs"], summary["seconds"]));
            if left_out > 0 {
                print(format!("{left_out} more were left out: the time was over (the order: --seed {})", options.seed));
            }
        }
        Output::Json => {
            eprintln!("{}", tally.report);
            print(summary);
        }
    }
    for problem in &shrunk {
        eprintln!("{problem}");
    }
    if tally.broken > TOLD {
        eprintln!("{} more runs broke a promise", tally.broken - TOLD);
    }
    if tally.broken == 0 && shrunk.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64) -> ExitCode {
    let exploration = Exploration::of(seed);
    let verdict = &exploration.verdict;
    print(tell(&exploration.describe(), verdict));
    if verdict.problems.is_empty() {
        return ExitCode::SUCCESS;
    }
    let shortest = exploration.shortest();
    print(format!("At the shortest:\n{}", tell(&shortest.describe(), &shortest.verdict)));
    ExitCode::FAILURE
}

/// A run in full.
fn tell(what: &str, verdict: &Verdict) -> String {
    let problems = verdict.problems.iter().map(|problem| format!("\n   {problem}")).collect::<String>();
    let log = verdict.log.iter().map(|line| format!("\n      {line}")).collect::<String>();
    format!("{what}: {:?}{problems}{log}", verdict.ending)
}

/// The result of the program.
#[allow(clippy::print_stdout)]
fn print(what: impl std::fmt::Display) {
    println!("{what}");
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
