//! The figures that crossfade holds itself to, measured on the simulation, as a page of the documentation.
//!
//! What it owns: what is measured, the aims, and the page. Everything follows from seeds: the same code gives the same page.

use crossfade_local::watch::What;
use crossfade_local::{Outcome, percentile};
use crossfade_rehearse::drive::in_virtual_time;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Service, told};
use serde_json::json;

use crate::scale::Scale;
use crate::{APPROVE, Ended, Scene};

/// How many times the story is told, each with another seed.
const SEEDS: u64 = 20;

/// What a figure is, what it came to, and what it is to be at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    what: &'static str,
    is: f64,
    at_most: f64,
    unit: &'static str,
}

impl Figure {
    /// Whether it is as it is to be.
    pub fn holds(&self) -> bool {
        self.is <= self.at_most
    }

    /// The figure in a line.
    pub fn line(&self) -> String {
        let Self { what, is, at_most, unit } = self;
        let holds = if self.holds() { "yes" } else { "no" };
        format!("| {what} | {is}{unit} | {at_most}{unit} | {holds} |")
    }
}

/// A blue/green deployment of four steps that takes some twenty minutes, of a definition that was deployed before.
async fn story(seed: u64) -> Ended {
    let scene = Scene::seeded(seed, ShopOptions { requests_per_second: 2.0, ..ShopOptions::default() });
    let document = scene.document_with(|document| {
        document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 25, 50, 100], "pauseSeconds": 330 } });
    });
    let mut last = None;
    for name in ["first", "second"] {
        let ended = scene.play(name, &document, APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        ended.lost_nothing();
        last = Some(ended);
    }
    last.expect("there were two")
}

/// How long each condition that was waited for had held before it was seen, in seconds.
fn waited(ended: &Ended) -> Vec<f64> {
    let held = ended.happenings.iter().filter_map(|happening| match &happening.what {
        What::StageHeld { idle_seconds, .. } => *idle_seconds,
        _ => None,
    });
    held.collect()
}

/// The ratios of that story.
pub fn ratios() -> Vec<Figure> {
    let (mut overhead, mut transitions, mut idle) = (0.0_f64, 0, Vec::new());
    for seed in 1..=SEEDS {
        let ended = in_virtual_time(story(seed));
        let own = waited(&ended);
        let total = ended.summary.virtual_seconds;
        overhead = overhead.max(total / (total - own.iter().sum::<f64>()));
        transitions = transitions.max(ended.summary.state_transitions);
        idle.extend(own);
    }
    let rounded = |figure: f64, digits: i32| (figure * 10_f64.powi(digits)).ceil() / 10_f64.powi(digits);
    let figure = |what, is, at_most, unit| Figure { what, is, at_most, unit };
    vec![
        figure(
            "the whole time, over the time without what a condition had held before it was seen",
            rounded(overhead, 3),
            1.01,
            "",
        ),
        figure("how long a condition had held before it was seen, p95", rounded(percentile(idle, 95), 2), 2.5, " s"),
        figure("state transitions", transitions as f64, 100.0, ""),
    ]
}

/// The section about the ratios.
pub fn of_ratios(figures: &[Figure]) -> String {
    let mut lines = vec![
        "## One deployment".to_owned(),
        String::new(),
        format!(
            "A blue/green deployment of four instances in four steps (10 %, 25 %, 50 %, 100 %) with pauses, which takes some twenty \
             minutes, of a\ndefinition that was deployed before; the worst of {SEEDS} seeds."
        ),
        String::new(),
        "| figure | is | is to be at most | holds |".into(),
        "| --- | --- | --- | --- |".into(),
    ];
    lines.extend(figures.iter().map(Figure::line));
    lines.join("\n")
}

/// The section about what a deployment calls.
pub fn of_budget() -> String {
    let alone = Scale { deployments: 1, ..Scale::default() }.run();
    let mut lines = vec![
        "## The budget of calls".to_owned(),
        String::new(),
        format!(
            "What one deployment of four instances by a shift in three steps calls, which takes {:.0} seconds and is alone in the account \
             (`cargo xtask scale --deployments 1`).",
            alone.seconds[2]
        ),
        String::new(),
        "| service | reads | changes | calls a minute | the account may, a second |".into(),
        "| --- | --- | --- | --- | --- |".into(),
    ];
    let minutes = alone.seconds[2] / 60.0;
    lines.extend(alone.calls.iter().map(|(service, calls)| {
        let may = Service::from_signing_name(service).map(told).filter(|told| !told.is_empty());
        let may = may.unwrap_or_else(|| "thousands".into());
        let each = (calls.reads + calls.changes) as f64 / minutes;
        format!("| {service} | {} | {} | {each:.1} | {may} |", calls.reads, calls.changes)
    }));
    lines.join("\n")
}

/// The page.
pub fn page(figures: &[Figure]) -> String {
    format!("{HEAD}\n{}\n\n{}\n", of_ratios(figures), of_budget())
}

const HEAD: &str = "\
# Figures

Written by `cargo xtask figures`, from the simulated account; a test compares. What an AWS account would show is the same as far as the
simulation is ([what it leaves out](operating.md#known-gaps-of-this-release)). How a hundred deployments share one account:
[many deployments at once](operating.md#many-deployments-at-once). What a function costs to start, beside the same in Python with boto3, is measured
in real time and so is not the same twice: [cold start](architecture.md#cold-start).
";
