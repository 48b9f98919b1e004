//! Deploys many times at once in one account with AWS's limits, and prints what came of it. `cargo xtask scale` builds and runs it.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use crossfade_tests::scale::{CONCURRENCY, Scale, Scaled};
use indicatif::{ProgressBar, ProgressStyle};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Blue/green deployments of some twenty minutes, all started at the same moment in one simulated account that refuses what comes too
/// fast, as AWS does. Fails unless all succeed and no request is lost.
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask scale",
    after_help = "Examples:\n  \
        cargo xtask scale                                     a hundred deployments of four instances\n  \
        cargo xtask scale --concurrency 10                    the same in a new account, with ten functions at once\n  \
        cargo xtask scale --rates 10                          the same where others leave a tenth of AWS's rates\n  \
        cargo xtask scale --deployments 1 --instances 1000    one large one"
)]
struct Options {
    /// How many infrastructure definitions are deployed at once
    #[arg(long, default_value_t = 100, value_name = "N")]
    deployments: usize,
    /// How many instances each of them has
    #[arg(long, default_value_t = 4, value_name = "N")]
    instances: u32,
    /// How many invocations of functions the account runs at once
    #[arg(long, default_value_t = CONCURRENCY, value_name = "N")]
    concurrency: usize,
    /// How much of every rate at which AWS takes calls others leave, in percent
    #[arg(long, default_value_t = 100.0, value_name = "PERCENT")]
    rates: f64,
    /// What everything random follows from
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines and tables
    Text,
    /// One line of JSON
    Json,
}

fn main() -> ExitCode {
    let Options { deployments, instances, concurrency, rates, seed, output } = Options::parse();
    let scale = Scale { deployments, instances, concurrency, rates_percent: rates, seed, ..Scale::default() };
    let one = Scale { deployments: 1, concurrency: CONCURRENCY, rates_percent: 100.0, ..scale };
    let alone = (deployments > 1).then(|| one.run());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} have ended, after {elapsed}")
        .unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(deployments as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_secs(1));
    let scaled = scale.watched(|| bar.inc(1));
    bar.finish_and_clear();
    let alone = alone.map_or(scaled.seconds[2], |alone| alone.seconds[2]);
    match output {
        Output::Text => print(tell(&scale, &scaled, alone)),
        Output::Json => {
            let mut json = scaled.json();
            json["seconds"]["alone"] = alone.into();
            print(json);
        }
    }
    let good = scaled.outcomes.get("Succeeded") == Some(&deployments) && scaled.requests.1 == 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(scale: &Scale, scaled: &Scaled, alone: f64) -> String {
    let each = |amount: f64| amount / scale.deployments as f64;
    let [quickest, median, slowest] = scaled.seconds;
    let minutes = slowest / 60.0;
    let mut lines = Vec::new();
    let outcomes: Vec<String> = scaled.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    lines.push(format!("outcomes         {}", outcomes.join(", ")));
    lines.extend(scaled.causes.iter().map(|(cause, count)| format!("  {count} × {cause}")));
    lines.push(format!("requests         {} served, {} lost", scaled.requests.0, scaled.requests.1));
    lines.push(format!(
        "seconds          {quickest:.0} the quickest, {median:.0} the median, {slowest:.0} the slowest: {:.2} times {alone:.0} alone",
        slowest / alone
    ));
    lines.push(format!(
        "Lambda           {} invocations, {} refused; {:.0} for each deployment",
        scaled.invocations.0,
        scaled.invocations.1,
        each(scaled.invocations.0 as f64)
    ));
    lines.push(format!(
        "Step Functions   {} state transitions, {:.0} for each deployment",
        scaled.transitions,
        each(scaled.transitions as f64)
    ));
    let sum: f64 = scaled.dollars.values().sum();
    let dollars: Vec<String> = scaled.dollars.iter().map(|(what, usd)| format!("{what} {usd:.4}")).collect();
    lines.push(format!("US dollars       {sum:.4} ({}); {:.4} for each deployment", dollars.join(", "), each(sum)));
    lines.push(format!("real seconds     {:.1}\n", scaled.real_seconds));
    lines.push(format!(
        "{:<24} {:>8} {:>8} {:>10} {:>14} {:>18}",
        "service", "reads", "changes", "throttled", "most a second", "each, a minute"
    ));
    lines.extend(scaled.calls.iter().map(|(service, calls)| {
        format!(
            "{service:<24} {:>8} {:>8} {:>10} {:>14} {:>18.1}",
            calls.reads,
            calls.changes,
            calls.throttled,
            calls.peak,
            each((calls.reads + calls.changes) as f64) / minutes
        )
    }));
    lines.join("\n")
}

/// The result of the program.
#[allow(clippy::print_stdout)]
fn print(what: impl std::fmt::Display) {
    println!("{what}");
}
