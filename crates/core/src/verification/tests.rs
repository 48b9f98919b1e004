//! What checks of metrics say of series: each complaint about a judge that has a number has a test here or in `tests/tests/metrics.rs`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::document::{Check, Verification};

const MINUTE: u64 = 60_000;
const STABLE: &str = "targetgroup/shop-a/1";
const CANDIDATE: &str = "targetgroup/shop-b/2";

/// What CloudWatch tells in a test.
#[derive(Default)]
struct Told {
    found: Found,
    verification: Verification,
    minutes: u64,
    last: bool,
    alone: bool,
}

impl Told {
    fn new(minutes: u64) -> Self {
        Self { minutes, last: true, ..Self::default() }
    }

    /// A metric of a target group, minute by minute from the first one on; nothing where there is none.
    fn told(mut self, target_group: &str, name: &str, stat: &str, values: &[Option<f64>]) -> Self {
        let query = Query {
            namespace: "AWS/ApplicationELB".into(),
            name: name.into(),
            dimensions: BTreeMap::from([
                ("LoadBalancer".into(), "app/shop/1".into()),
                ("TargetGroup".into(), target_group.into()),
            ]),
            stat: stat.into(),
        };
        let known = (0..).zip(values).filter_map(|(minute, value)| Some((minute * MINUTE, (*value)?)));
        self.found.series.insert(query, known.collect());
        self
    }

    fn requests(self, target_group: &str, each: f64) -> Self {
        let minutes = self.minutes as usize;
        self.told(target_group, "RequestCount", "Sum", &vec![Some(each); minutes])
    }

    fn errors(self, target_group: &str, values: &[Option<f64>]) -> Self {
        self.told(target_group, "HTTPCode_Target_5XX_Count", "Sum", values)
    }

    fn latency(self, target_group: &str, values: &[f64]) -> Self {
        let values: Vec<Option<f64>> = values.iter().map(|value| Some(value / 1000.0)).collect();
        self.told(target_group, "TargetResponseTime", "p90", &values)
    }

    fn say(&self, check: Value) -> Answer {
        let check: Check = serde_json::from_value(check).expect("a check");
        let sides = Sides::of_shop(STABLE, CANDIDATE);
        let span = Span { from_millis: 0, to_millis: self.minutes * MINUTE };
        let stable = if self.alone { Span { from_millis: 0, to_millis: span.to_millis / 2 } } else { span };
        let times = Times { period_millis: MINUTE, candidate: span, stable };
        let (verification, found) = (&self.verification, &self.found);
        let look = Look { verification, sides: &sides, times, found, last: self.last };
        let checks = BTreeMap::from([("it", &check)]);
        let verdict = judge(&checks, &[], 0, Some(look));
        match (verdict.bad.first(), verdict.unsure.first()) {
            (Some(bad), _) => Answer::Bad(bad.clone()),
            (None, Some(unsure)) => Answer::Unsure(unsure.clone()),
            (None, None) => Answer::Good(verdict.good.join("; ")),
        }
    }
}

#[track_caller]
fn is(answer: &Answer, kind: &str, words: &str) {
    let (found, said) = match answer {
        Answer::Good(said) => ("good", said),
        Answer::Bad(said) => ("bad", said),
        Answer::Unsure(said) => ("unsure", said),
    };
    assert!(found == kind && said.contains(words), "{kind} with {words:?} was expected, it is {found}: {said}");
}

fn errors() -> Value {
    json!({ "metric": "errorRate", "compare": { "worseBy": "0.5 %" } })
}

fn slow() -> Value {
    json!({ "metric": "latency.p90", "compare": { "worseBy": "10 %" } })
}

fn every(minutes: usize, value: f64) -> Vec<Option<f64>> {
    vec![Some(value); minutes]
}

#[test]
fn errors_are_compared_by_their_counts_and_no_errors_are_none() {
    let told = || Told::new(10).requests(STABLE, 1_000.0).requests(CANDIDATE, 100.0);
    // argo-rollouts#3503: no errors are no error.
    is(&told().say(errors()), "good", "0 of 1,000 (0 %) to 0 of 10,000 (0 %)");
    is(
        &told().errors(CANDIDATE, &every(10, 6.0)).say(errors()),
        "bad",
        "60 of 1,000 (6 %) to 0 of 10,000 (0 %); 0.5 points allowed",
    );
    // As bad as the stable fleet is good enough: something else is.
    let both = told().errors(CANDIDATE, &every(10, 6.0)).errors(STABLE, &every(10, 60.0));
    is(&both.say(errors()), "good", "is 0 points worse");
    // yet-another-cloudwatch-exporter#686: where errors end, they end; nothing keeps its last value.
    let ended = told().errors(CANDIDATE, &[Some(3.0), None, None, None, None, None, None, None, None, None]);
    is(&ended.say(json!({ "metric": "errorRate", "atMost": "2 %" })), "good", "errorRate of shop__7 0 % ");
}

#[test]
fn errors_of_one_minute_prove_nothing() {
    let mut burst = vec![None; 10];
    burst[4] = Some(90.0);
    let told = Told::new(10).requests(STABLE, 1_000.0).requests(CANDIDATE, 100.0).errors(CANDIDATE, &burst);
    is(&told.say(errors()), "unsure", "90 of 1,000 (9 %)");
    burst[7] = Some(30.0);
    let told = Told::new(10).requests(STABLE, 1_000.0).requests(CANDIDATE, 100.0).errors(CANDIDATE, &burst);
    is(&told.say(errors()), "bad", "120 of 1,000 (12 %)");
}

#[test]
fn few_errors_of_few_requests_are_not_good_because_they_are_few() {
    // kayenta#426: sparse errors pass there.
    let told = Told::new(6).requests(STABLE, 100.0).requests(CANDIDATE, 100.0);
    let told = told.errors(CANDIDATE, &[None, Some(1.0), Some(2.0), Some(1.0), None, None]);
    is(&told.say(errors()), "unsure", "4 of 600 (0.67 %) to 0 of 600 (0 %)");
    is(&told.say(json!({ "metric": "errorRate", "compare": { "worseBy": "0.05 %" } })), "bad", "0.05 points allowed");
}

#[test]
fn latencies_are_compared_by_ranks_with_a_margin() {
    let stable = [151.0, 149.0, 160.0, 155.0, 151.0];
    let told = |candidate: &[f64]| {
        let told = Told::new(5).requests(STABLE, 9_000.0).requests(CANDIDATE, 1_000.0);
        Told { last: false, ..told.latency(STABLE, &stable).latency(CANDIDATE, candidate) }
    };
    let bad = told(&[182.0, 190.0, 185.0, 201.0, 197.0]).say(slow());
    is(
        &bad,
        "bad",
        "latency.p90 of shop__7 is 37 ms worse than that of shop__6: 190 ms to 151 ms in 5 and 5 minutes (U 25 of 25, p 0.006)",
    );
    is(&bad, "bad", "15.1 ms (10 %) allowed; 99 % sure of 25 ms to 50 ms; shop__7 ▅▇▆█▇ shop__6 ▁▁▂▂▁");
    is(&told(&[152.0, 149.0, 161.0, 155.0, 150.0]).say(slow()), "good", "");
    // Provably slower, and not by what would matter: not what p alone would say (PipeCD).
    let little = told(&[160.0, 158.0, 169.0, 164.0, 160.0]);
    is(&little.say(slow()), "good", "9 ms worse");
    is(
        &little.say(json!({ "metric": "latency.p90", "compare": { "worseBy": "10 %", "strict": true } })),
        "unsure",
        "9 ms worse",
    );
}

#[test]
fn a_hundred_times_worse_for_most_minutes_is_not_good() {
    // kayenta#780, spinnaker#6278: 7 of 10 minutes 100 times worse pass there.
    let candidate = [[100.0; 7].as_slice(), &[1.0; 3]].concat();
    let told = Told::new(10).requests(STABLE, 9_000.0).requests(CANDIDATE, 1_000.0);
    let told = told.latency(STABLE, &[1.0; 10]).latency(CANDIDATE, &candidate);
    is(&told.say(slow()), "unsure", "99 ms worse");
    is(
        &told.say(json!({ "metric": "latency.p90", "compare": { "worseBy": "10 %", "confidence": 90 } })),
        "bad",
        "99 ms worse",
    );
}

#[test]
fn what_is_not_known_is_not_good() {
    // argo-rollouts#4479, #1329, #4393: successful although nothing was measured.
    is(&Told::new(10).say(errors()), "unsure", "shop__7 had 0 requests in 10 minutes; it takes 100");
    // flagger#1011: the traffic stops.
    let stopped = Told::new(10).requests(STABLE, 1_000.0);
    let stopped = stopped.told(CANDIDATE, "RequestCount", "Sum", &[Some(100.0), Some(100.0)]);
    is(&stopped.say(errors()), "unsure", "of shop__7 2 of 10 minutes are known, and it takes 8 at least");
    // argo-rollouts#404: what could not be read is not the same as nothing.
    let mut untold = Told::new(10).requests(STABLE, 1_000.0).requests(CANDIDATE, 100.0);
    let requests = untold.found.series.keys().next().cloned().expect("it is there");
    untold.found.untold.insert(requests);
    is(&untold.say(errors()), "unsure", "CloudWatch could not tell all of");
    is(&Told::new(0).say(errors()), "unsure", "no minute is old enough");
    let four = Told::new(4).requests(STABLE, 1_000.0).requests(CANDIDATE, 100.0).errors(CANDIDATE, &every(4, 90.0));
    is(&four.say(errors()), "unsure", "4 of 4 minutes are known, and it takes 5 at least");
    let young = Told { last: false, ..Told::new(2).requests(CANDIDATE, 100.0) };
    is(&young.say(json!({ "metric": "errorRate", "atMost": "5 %" })), "unsure", "it takes 3 at least");
}

#[test]
fn percentiles_take_requests_in_each_minute() {
    let told = Told::new(6).requests(STABLE, 9_000.0).requests(CANDIDATE, 60.0);
    let told = told.latency(STABLE, &[150.0; 6]).latency(CANDIDATE, &[900.0; 6]);
    is(
        &told.say(slow()),
        "unsure",
        "6 had too few requests for latency.p90: use verification.period = 300 or a lower percentile",
    );
}

#[test]
fn a_limit_is_broken_by_several_minutes_not_by_one() {
    let limit = |breaches: Value| json!({ "metric": "latency.p90", "atMost": "200 ms", "breaches": breaches });
    let told = |values: &[f64]| Told::new(values.len() as u64).requests(CANDIDATE, 1_000.0).latency(CANDIDATE, values);
    let usual = json!({ "atLeast": 2, "of": 3 });
    is(
        &told(&[150.0, 900.0, 150.0, 150.0, 900.0, 150.0]).say(limit(usual.clone())),
        "good",
        "latency.p90 of shop__7 150 ms",
    );
    is(
        &told(&[150.0, 900.0, 150.0, 900.0, 150.0, 150.0]).say(limit(usual)),
        "bad",
        "above 200 ms (atMost) in 2 of 3 minutes, at worst 900 ms",
    );
    is(&told(&[150.0, 900.0, 150.0]).say(limit(json!({ "atLeast": 1, "of": 1 }))), "bad", "in 1 of 1 minutes");
    let least = json!({ "metric": "latency.p90", "atLeast": "100 ms" });
    is(&told(&[50.0, 40.0, 150.0]).say(least), "bad", "below 100 ms (atLeast) in 2 of 3 minutes, at worst 40 ms");
}

#[test]
fn a_fleet_without_traffic_is_compared_by_its_last_minutes() {
    let requests: Vec<Option<f64>> = (0..20).map(|minute| (minute < 8).then_some(1_000.0)).collect();
    let told = Told { alone: true, ..Told::new(20).requests(CANDIDATE, 1_000.0) };
    let told = told.told(STABLE, "RequestCount", "Sum", &requests).errors(CANDIDATE, &every(20, 60.0));
    is(
        &told.say(errors()),
        "bad",
        "worse than that of shop__6 before it lost its traffic: 1,200 of 20,000 (6 %) to 0 of 8,000 (0 %)",
    );
}

#[test]
fn lower_may_be_worse() {
    let hits = |worse: &str| json!({ "metric": "latency.p90", "compare": { "worseBy": "10 %", "worse": worse } });
    let told = Told::new(8).requests(STABLE, 9_000.0).requests(CANDIDATE, 1_000.0);
    let told =
        told.latency(STABLE, &[150.0, 151.0, 152.0, 150.0, 149.0, 150.0, 151.0, 150.0]).latency(CANDIDATE, &[90.0; 8]);
    is(&told.say(hits("lower")), "bad", "60 ms worse");
    is(&told.say(hits("higher")), "good", "60 ms better");
}
