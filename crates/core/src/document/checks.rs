//! What a schema cannot say of verification: every check can be judged, and every verification has one.

use serde_json::Value;

use super::check::{Parts, problem};
use super::read::shown;
use super::{
    Check, Metric, Missing, PLACEHOLDERS, Problem, Quantity, Routing, StageSpec, Strategy, Unit, Verification, Verify,
};
use crate::kinds::elb::is_network;
use crate::kinds::metrics::of_fleet;
use crate::text;
use crate::verification::COMPARED;

/// An example of a check.
const EXAMPLE: &str = "such as `pager: {alarm: shop-pager}` or `errors: {metric: errorRate, atMost: 5 %}`";

/// Every contradiction in a verification.
pub(super) fn check(parts: &Parts, verification: &Verification, problems: &mut Vec<Problem>) {
    named(verification, parts.strategy.as_ref(), problems);
    if ![60, 300].contains(&verification.period) {
        let fix =
            "Use 60, or 300 where metrics come every five minutes, as those of instances without detailed monitoring.";
        problems.push(problem(
            "verification.period",
            Some(verification.period.to_string()),
            "CloudWatch keeps no such period for long".into(),
            fix,
        ));
    }
    for (name, check) in &verification.checks {
        let path = format!("verification.checks.{name}");
        let mut report = |field: &str, value: Option<String>, what: &str, fix: &str| {
            let path = if field.is_empty() { path.clone() } else { format!("{path}.{field}") };
            problems.push(problem(&path, value, what.into(), fix));
        };
        match (&check.alarm, &check.metric) {
            (None, None) => {
                report("", None, "it looks at nothing", &format!("Give it an `alarm` or a `metric`, {EXAMPLE}."));
            }
            (Some(_), Some(_)) => {
                report(
                    "",
                    None,
                    "it looks at two things",
                    "Leave out one of alarm and metric; use two checks for both.",
                );
            }
            (Some(_), None) => {
                if check.at_most.is_some() || check.at_least.is_some() || check.compare.is_some() {
                    let fix = "Leave out atMost, atLeast and compare, or use a `metric`.";
                    report("", None, "an alarm has its limit in CloudWatch", fix);
                }
            }
            (None, Some(metric)) => {
                limits(check, metric, &mut report);
                measurable(check, metric, parts, &mut report);
                spelt_out(check, metric, &mut report);
            }
        }
    }
}

type Report<'a> = dyn FnMut(&str, Option<String>, &str, &str) + 'a;

/// Limits that can be kept or not, in units that the metric has.
fn limits(check: &Check, metric: &Metric, report: &mut Report<'_>) {
    if check.at_most.is_none() && check.at_least.is_none() && check.compare.is_none() {
        let fix = "Say what is bad: `atMost`, `atLeast` or `compare: {worseBy: …}`.";
        report("", None, "nothing it shows could be bad", fix);
    }
    if check.breaches.at_least > check.breaches.of {
        let what = format!("of {} minutes {} cannot be bad", check.breaches.of, check.breaches.at_least);
        report("breaches", None, &what, "Let `of` be as large as `atLeast` at least, such as {atLeast: 2, of: 3}.");
    }
    let unit = metric.unit();
    let mut fits = |field: &str, quantity: &Quantity, relative: bool| {
        let (words, example) = match unit {
            Unit::Percent => ("percent", "5 %"),
            Unit::Millis => ("milliseconds or seconds", "250 ms"),
            Unit::Number => ("a number without a unit", "30"),
        };
        let fits = match quantity.read() {
            Some((_, found)) => found == unit || (relative && found == Unit::Percent),
            None => false,
        };
        if !fits {
            let or = if relative && unit != Unit::Percent { ", or a percentage of the stable fleet's" } else { "" };
            let what = format!("{} is counted in {words}{or}", metric.name());
            report(field, Some(quantity.to_string()), &what, &format!("Write `{field}: {example}`."));
        }
    };
    for (field, limit) in [("atMost", &check.at_most), ("atLeast", &check.at_least)] {
        if let Some(limit) = limit {
            fits(field, limit, false);
        }
    }
    if let Some(compare) = &check.compare {
        fits("compare.worseBy", &compare.worse_by, true);
    }
}

/// Metrics that there are for this fleet behind this router.
fn measurable(check: &Check, metric: &Metric, parts: &Parts, report: &mut Report<'_>) {
    let shown = Some(metric.name().to_owned());
    if let (Some(compute), Metric::Cpu | Metric::Memory) = (&parts.compute, metric)
        && of_fleet(&compute.platform(), "", *metric == Metric::Memory).is_none()
    {
        let what = format!("CloudWatch does not know the {} of {}", metric.name(), compute.platform().a_fleet());
        let fix = "Use what an agent on the instances reports, as `cloudWatch: {namespace: CWAgent, …}`.";
        report("metric", shown.clone(), &what, fix);
    }
    if !metric.of_load_balancer() {
        return;
    }
    match &parts.routing {
        Some(routing) if !routing.balances() => {
            let fix = "Use a metric of the fleet's own, as `cloudWatch: {…, dimensions: {Group: \"{group}\"}}`.";
            report("metric", shown.clone(), "without a load balancer there is no such metric", fix);
        }
        Some(routing) if metric.of_requests() && only_connections(routing) => {
            let fix = "Use unhealthyHosts, or metrics of the application's own as `cloudWatch: {…}`.";
            report("metric", shown.clone(), "a Network Load Balancer counts no requests", fix);
        }
        _ => {}
    }
    let why = match (&parts.routing, metric) {
        (_, Metric::LoadBalancer5xx) => Some("a load balancer does not say of which fleet it is"),
        (Some(Routing::TargetGroups(_)), _) => {
            Some("where fleets change their target groups, or share one, CloudWatch does not tell them apart there")
        }
        _ => None,
    };
    if let (Some(why), Some(_)) = (why, &check.compare) {
        let fix = "Use `atMost` here, and compare metrics of the fleets' own: cpu, or `cloudWatch: {…, dimensions: {Group: \"{group}\"}}`.";
        report("compare", None, why, fix);
    }
}

fn only_connections(routing: &Routing) -> bool {
    match routing {
        Routing::Weighted(on) => on.iter().all(|on| is_network(&on.0)),
        Routing::Listeners(pairs) => pairs.iter().all(|pair| is_network(&pair.production.0)),
        Routing::Dns(names) => names.iter().flat_map(|it| &it.load_balancers).all(|it| is_network(&it.arn)),
        Routing::TargetGroups(_) | Routing::None => false,
    }
}

/// Metrics of CloudWatch whose placeholders can be filled in, and tell the sides apart where these are compared.
fn spelt_out(check: &Check, metric: &Metric, report: &mut Report<'_>) {
    let mut told_apart = true;
    for metric in metric.spelt_out() {
        let placeholders = metric.placeholders();
        for placeholder in placeholders.iter().filter(|it| !PLACEHOLDERS.contains(it)) {
            let fix = format!("Use one of: {}.", PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", "));
            report("metric", Some(shown(&Value::from(*placeholder))), "there is no such placeholder", &fix);
        }
        told_apart &= placeholders.iter().any(|it| !["cluster", "loadBalancer"].contains(it));
        if metric.missing == Missing::Zero && !["Sum", "SampleCount"].contains(&metric.stat.as_str()) {
            let what = format!("{} of nothing is not 0", metric.stat);
            report("metric", Some(metric.name.clone()), &what, "Use `missing: skip`, `missing: bad`, or `stat: Sum`.");
        }
    }
    if check.compare.is_some() && !told_apart {
        let fix = "Let a dimension name the side: {group}, {service}, {targetGroup} or {revision}.";
        report("compare", None, "both sides would be one and the same metric", fix);
    }
}

/// Every check that is named is there, and every verification has one, and time to judge it.
fn named(verification: &Verification, strategy: Option<&Strategy>, problems: &mut Vec<Problem>) {
    let known: Vec<&str> = verification.checks.keys().map(String::as_str).collect();
    let mut named = |path: &str, names: &[String]| {
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let fix = match known.as_slice() {
                [] => format!("Describe it under `verification.checks`, {EXAMPLE}."),
                known => format!("Use one of: {}.", text::few(known)),
            };
            problems.push(problem(
                path,
                Some(shown(&Value::from(name.as_str()))),
                "there is no such check".into(),
                &fix,
            ));
        }
    };
    named("verification.watch.checks", verification.watch.checks.as_deref().unwrap_or_default());
    let stages = strategy.map(Strategy::stages).unwrap_or_default();
    let field = strategy.map_or("stages", Strategy::field);
    let mut verifies: Vec<(String, &Verify)> = stages
        .iter()
        .enumerate()
        .filter_map(|(i, stage)| match stage {
            StageSpec::Verify(verify) if field == "stages" => Some((format!("strategy.stages[{i}].verify"), verify)),
            StageSpec::Verify(verify) => Some((format!("strategy.{field}.verify"), verify)),
            _ => None,
        })
        .collect();
    // A short form has the same one several times.
    verifies.dedup_by(|one, before| one.0 == before.0);
    for (path, verify) in &verifies {
        named(&format!("{path}.checks"), verify.checks.as_deref().unwrap_or_default());
    }
    if let (Some((path, _)), true) = (verifies.first(), known.is_empty()) {
        let what = "there is nothing to look at".into();
        let fix = format!("Describe what is looked at under `verification.checks`, {EXAMPLE}.");
        problems.push(problem(path, None, what, &fix));
    }
    for (path, verify) in &verifies {
        long_enough(path, verify, verification, problems);
    }
}

/// What has to be seen of a metric has to fit into the time.
fn long_enough(path: &str, verify: &Verify, verification: &Verification, problems: &mut Vec<Problem>) {
    let checks = verification.chosen(verify.checks.as_deref());
    let needed = checks.iter().filter(|(_, check)| check.metric.is_some()).map(|(name, check)| {
        let compared = if check.compare.is_some() { COMPARED as u32 } else { 0 };
        let limited = if check.at_most.is_some() || check.at_least.is_some() { check.breaches.of } else { 0 };
        (compared.max(limited), *name)
    });
    let Some((periods, name)) = needed.max() else { return };
    let least = verification.warm_up_minutes + (periods * verification.period.max(60)).div_ceil(60);
    if verify.minutes < least {
        let what = format!(
            "{name} takes {periods} periods of {} s after {} minutes of warming up",
            verification.period, verification.warm_up_minutes
        );
        let fix = format!("Give {least} minutes at least, or lower verification.warmUpMinutes.");
        problems.push(problem(&format!("{path}.minutes"), Some(verify.minutes.to_string()), what, &fix));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::document::parse;

    const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-a/73e2d6bc24d8a067";
    const NETWORK: &str =
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";

    fn said(checks: Value, change: fn(&mut Value)) -> String {
        let mut document = json!({
            "service": "shop",
            "environment": "production",
            "artifact": { "ami": "ami-0a11ce00000000007" },
            "compute": { "autoScalingGroup": { "base": "shop-base" } },
            "routing": { "weighted": [RULE] },
            "strategy": { "blueGreenShift": { "verify": { "minutes": 15 } } },
            "verification": { "checks": checks },
        });
        change(&mut document);
        match parse(&document) {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().map(|it| format!("{it}\n")).collect(),
        }
    }

    #[test]
    fn checks_that_can_be_judged_are_taken() {
        let checks = json!({
            "pager": { "alarm": "shop-pager" },
            "errors": { "metric": "errorRate", "compare": { "worseBy": "0.5 %" }, "atMost": "5 %" },
            "slow": { "metric": "latency.p90", "compare": { "worseBy": "10 %", "confidence": 95, "strict": true } },
            "slower": { "metric": "latency.average", "compare": { "worseBy": "20 ms" }, "atMost": "2 s" },
            "hosts": { "metric": "unhealthyHosts", "atMost": 0, "breaches": { "atLeast": 3, "of": 5 } },
            "balancer": { "metric": "loadBalancer5xx", "atMost": "1 %" },
            "checkout": { "metric": { "ratio": {
                "of": { "namespace": "Shop", "name": "Failed", "stat": "Sum", "dimensions": { "Group": "{group}" }, "missing": "zero" },
                "to": { "namespace": "Shop", "name": "Orders", "stat": "Sum", "dimensions": { "Group": "{group}" } },
            } }, "compare": { "worseBy": "0.2 %" } },
            "queue": { "metric": { "cloudWatch": { "namespace": "Shop", "name": "QueueAge", "stat": "Maximum", "missing": "bad" } },
                "atMost": 30.5, "dryRun": true },
        });
        assert_eq!(said(checks, |_| {}), "");
    }

    #[test]
    fn of_elastigroups_cloudwatch_knows_neither_cpu_nor_memory() {
        let said = said(json!({ "busy": { "metric": "cpu", "atMost": "80 %" } }), |document| {
            let group = json!({ "account": "act-1a2b3c4d", "base": "sig-01234567", "name": "shop" });
            document["compute"] = json!({ "elastigroup": group });
        });
        assert!(
            said.contains("checks.busy.metric = cpu: CloudWatch does not know the cpu of an Elastigroup"),
            "{said}"
        );
    }

    #[test]
    fn what_cannot_be_judged_is_said_all_at_once() {
        let checks = json!({
            "nothing": {},
            "both": { "alarm": "a", "metric": "cpu", "atMost": "80 %" },
            "alarm": { "alarm": "a", "atMost": 1 },
            "harmless": { "metric": "cpu" },
            "unit": { "metric": "latency.p90", "atMost": "5 %", "compare": { "worseBy": 3 } },
            "breaches": { "metric": "cpu", "atMost": "80 %", "breaches": { "atLeast": 4, "of": 3 } },
            "memory": { "metric": "memory", "atMost": "80 %" },
            "whole": { "metric": "loadBalancer5xx", "compare": { "worseBy": "1 %" } },
            "same": { "metric": { "cloudWatch": { "namespace": "S", "name": "N", "stat": "Average", "missing": "zero",
                "dimensions": { "Group": "{grup}" } } }, "atMost": 1 },
            "one": { "metric": { "cloudWatch": { "namespace": "S", "name": "N", "stat": "Sum" } }, "compare": { "worseBy": 1 } },
        });
        let said = said(checks, |document| document["verification"]["period"] = json!(90));
        for words in [
            "checks.nothing: it looks at nothing",
            "checks.both: it looks at two things",
            "checks.alarm: an alarm has its limit in CloudWatch",
            "checks.harmless: nothing it shows could be bad",
            "checks.unit.atMost = 5 %: latency.p90 is counted in milliseconds or seconds",
            "checks.unit.compare.worseBy = 3: latency.p90 is counted in milliseconds or seconds, or a percentage",
            "checks.breaches.breaches: of 3 minutes 4 cannot be bad",
            "checks.memory.metric = memory: CloudWatch does not know the memory of an Auto Scaling group",
            "checks.whole.compare: a load balancer does not say of which fleet it is",
            "checks.same.metric = \"grup\": there is no such placeholder",
            "checks.same.metric = N: Average of nothing is not 0",
            "checks.one.compare: both sides would be one and the same metric",
            "verification.period = 90: CloudWatch keeps no such period",
        ] {
            assert!(said.contains(words), "{words}:\n{said}");
        }
    }

    #[test]
    fn metrics_that_a_router_does_not_have_are_refused() {
        let errors = || json!({ "errors": { "metric": "errorRate", "compare": { "worseBy": "1 %" } } });
        let shared = said(errors(), |document| {
            document["routing"] = json!({ "targetGroups": { "production": [GROUP] } });
            document["strategy"] = json!({ "basic": { "verify": { "minutes": 15 } } });
        });
        assert!(shared.contains("CloudWatch does not tell them apart there"), "{shared}");
        let network = said(errors(), |document| document["routing"] = json!({ "weighted": [NETWORK] }));
        assert!(network.contains("a Network Load Balancer counts no requests"), "{network}");
        let none = said(errors(), |document| {
            document["routing"] = json!("none");
            document["strategy"] = json!({ "basic": { "verify": { "minutes": 15 } } });
        });
        assert!(none.contains("without a load balancer there is no such metric"), "{none}");
    }

    #[test]
    fn a_verification_that_could_not_notice_is_refused() {
        let errors = json!({ "errors": { "metric": "errorRate", "compare": { "worseBy": "1 %" } } });
        let short = |document: &mut Value| document["strategy"]["blueGreenShift"]["verify"]["minutes"] = json!(6);
        let said = said(errors, short);
        assert!(said.contains("blueGreenShift.verify.minutes = 6: errors takes 5 periods of 60 s"), "{said}");
        assert!(said.contains("Give 7 minutes at least"), "{said}");
    }
}
