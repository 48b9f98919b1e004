//! `crossfade demo`: one deployment on the simulated AWS, told as it happens.

mod live;
mod stories;
mod told;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossfade_core::document::Decision;
use crossfade_core::text::printable;
use crossfade_local::{Answer, Installation, Operator, Outcome, Summary, play};
use crossfade_sim::world::sample::{self, ShopOptions, shop};
use crossfade_sim::{Settings, Sim};
use crossfade_steps::ApprovalRecord;
use serde_json::json;

use crate::args::{Balancer, Demo, Fail, Output, Routing, Strategy};
use crate::local::{fleets, new_image};
use crate::say::{INTERRUPTED, Problem, aside, clock, count, line, runtime, styled, verbatim, yes};
use crate::watch::terminal::leave;
use stories::Story;
use told::Teller;

/// The fleet that the demo makes: the running one is revision 6.
const CANDIDATE: &str = "shop__7";
/// The id of the demo's deployment.
const DEPLOYMENT: &str = "demo";
/// How long an answer on standard input is waited for in silence.
const SILENT: Duration = Duration::from_secs(2);
/// For how long the shop has been open when it is verified.
const PAST: Duration = Duration::from_secs(20 * 60);

pub(crate) fn run(options: &Demo) -> Result<ExitCode, Problem> {
    let here = Instant::now();
    // Time is virtual: as soon as nothing can run, the clock jumps to whatever is due next.
    let virtual_time = runtime(tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true))?;
    let summary = virtual_time.block_on(story(options))?;
    match options.output {
        Output::Json => verbatim(&json!(summary).to_string()),
        Output::Text => print(&summary, here.elapsed().as_secs_f64()),
    }
    // The demo has done its job when the story ended as told, and that includes the stories that end badly.
    let fails = options.fail.is_some_and(|fail| fail != Fail::None);
    let expected = if options.reject || fails {
        summary.outcome == Outcome::FailedClean && summary.account_as_before
    } else {
        // A person at the prompt may say either.
        matches!(summary.outcome, Outcome::Succeeded | Outcome::FailedClean)
    };
    Ok(if expected && summary.requests_lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn story(options: &Demo) -> Result<Summary, Problem> {
    let sim = Sim::new(Settings { seed: options.seed, ..Settings::default() });
    let verified = matches!(options.fail, Some(Fail::Errors | Fail::Latency | Fail::None));
    if options.routing == Routing::Dns && options.strategy != Strategy::Shift {
        return Err(Problem::Usage("--routing dns is for --strategy shift: records have weights.".into()));
    }
    let story = match options.routing {
        Routing::Elb => Story::of(options.strategy, options.compute, verified),
        Routing::Dns => Story::by_dns(options.compute, verified),
    };
    let new_image = new_image(options.fail);
    let balancer = match options.balancer {
        Balancer::Alb => sample::Balancer::Application,
        Balancer::Nlb => sample::Balancer::Network,
    };
    let (compute, layout) = (fleets(options.compute), story.layout);
    let shop_options = ShopOptions { compute, new_image, balancer, layout, ..ShopOptions::default() };
    let shop = shop(&mut sim.world(), shop_options);
    let installation = Installation::in_process(&sim).map_err(|error| Problem::Here(error.to_string()))?;
    let document = json!(story.document(&shop)?);
    if verified {
        // Two of a thousand requests fail for whatever reason, as everywhere; and there is a past to compare with.
        sim.world().settings.background_errors_per_mille = 2;
        sim.clock.sleep(PAST).await;
    }

    let (stdin, stdout) = (std::io::stdin().is_terminal(), std::io::stdout().is_terminal());
    // At a terminal on which the question would not be seen, nobody knows that they are asked.
    let asks = !options.yes && !options.reject && (!stdin || options.output == Output::Text && stdout);
    let tells = [
        format!("Deploying {} to shop/production on a simulated AWS", shop.new_ami),
        story.tells(&shop.running_group, CANDIDATE),
    ];
    if options.output == Output::Text {
        tells.iter().for_each(|tells| line(tells));
        line("");
    }
    let live = || live::Live::open(&installation, &tells, options.log).map(|live| Teller::Live(Box::new(live)));
    let teller: Arc<Mutex<Teller>> = Arc::new(Mutex::new(match options.output {
        Output::Json => Teller::Json,
        Output::Text => live().unwrap_or_else(|| Teller::plain(options.log)),
    }));
    if options.output == Output::Text {
        leave_at_interrupt(matches!(*lock(&teller), Teller::Live(_)));
    }
    let operator = operator(options, asks, teller.clone());
    let sink = teller.clone();
    let sink = Box::new(move |happening: &_| lock(&sink).tell(happening));
    let played = play(&installation, DEPLOYMENT, &document, shop.route(), operator, sink).await;
    lock(&teller).end();
    played.map_err(Problem::Here)
}

/// Ends the demo at ctrl-C. Whoever is asked waits for a line, and not for a signal: somebody else has to.
fn leave_at_interrupt(drawn: bool) {
    std::thread::spawn(move || {
        let signals = runtime(tokio::runtime::Builder::new_current_thread().enable_all());
        if signals.is_ok_and(|signals| signals.block_on(tokio::signal::ctrl_c()).is_ok()) {
            // The line of a question has not ended.
            if drawn {
                leave()
            } else {
                line("")
            }
            aside("Nothing was done: all of it was simulated.");
            std::process::exit(INTERRUPTED.into());
        }
    });
}

/// Who answers: a flag, or whoever is at standard input.
fn operator(options: &Demo, asks: bool, teller: Arc<Mutex<Teller>>) -> Operator {
    let (reject, output) = (options.reject, options.output);
    Box::new(move |approval: &ApprovalRecord| {
        let decision = match (asks, reject) {
            (false, false) => Decision::Approve,
            (false, true) => Decision::Reject,
            (true, _) => lock(&teller).aside(|| ask(approval, output)),
        };
        Answer::Decide(decision)
    })
}

/// Asks at standard input; the account's time stands still meanwhile.
fn ask(approval: &ApprovalRecord, output: Output) -> Decision {
    let question = if approval.message.is_empty() { &approval.stage } else { &approval.message };
    let prompt = format!("{} {} [y/n] ", console::style("?").yellow().bold(), printable(question));
    let answered = Arc::new(AtomicBool::new(false));
    if !std::io::stdin().is_terminal() {
        let answered = answered.clone();
        // A pipe may stay open for ever, and nobody sees that it is waited for.
        std::thread::spawn(move || {
            std::thread::sleep(SILENT);
            if !answered.load(Ordering::Relaxed) {
                aside("It waits for a line with y or n on standard input; --yes approves by itself.");
            }
        });
    }
    let answer = match output {
        Output::Text => yes(&mut std::io::stdout(), &prompt),
        // Nothing but JSON is printed.
        Output::Json => yes(&mut std::io::sink(), &prompt),
    };
    answered.store(true, Ordering::Relaxed);
    match answer {
        Some(true) => Decision::Approve,
        None if !std::io::stdin().is_terminal() => {
            if output == Output::Text {
                line("  nobody answers on standard input: approved, as with --yes");
            }
            Decision::Approve
        }
        Some(false) | None => Decision::Reject,
    }
}

fn print(summary: &Summary, here_seconds: f64) {
    let style = console::style(format!("{:?}", summary.outcome)).bold();
    let style = if summary.outcome == Outcome::Succeeded { style.green() } else { style.yellow() };
    styled(&format!("\n{style} after {} of simulated time, {here_seconds:.1} s here", clock(summary.virtual_seconds)));
    if let Some(cause) = &summary.cause {
        line(&format!("  {cause}"));
    }
    if summary.outcome == Outcome::FailedClean {
        let same =
            if summary.account_as_before { "every resource is as it was" } else { "NOT everything is as it was" };
        line(&format!("  account         {same}"));
    }
    let errors = match summary.requests_with_errors {
        0 => String::new(),
        errors => format!(", {} answered with errors", count(errors)),
    };
    line(&format!(
        "  requests        {} served, {} lost{errors}",
        count(summary.requests_served),
        summary.requests_lost
    ));
    line(&format!(
        "  waiting         {:.1} s (p95) between a condition holding and the next stage",
        summary.idle_seconds_p95
    ));
    line(&format!("  Step Functions  {} state transitions", summary.state_transitions));
    line(&format!(
        "  AWS calls       {} reads, {} changes; {} to the state table",
        summary.read_calls, summary.mutating_calls, summary.table_calls
    ));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
