//! Listeners as values: the one of a load balancer at a port, and that of a default rule.

use crossfade_core::document::Routing;
use crossfade_core::document::references::{Found, ListenerAt};
use crossfade_core::kinds::elb::{is_rule, listener_of};
use crossfade_core::{Class, Result, text};

use super::{Fetched, Unavailable, missing};
use crate::call::{CallError, Client, Element, Parameters};
use crate::refusal::called;

/// The version of Elastic Load Balancing's API (its service model).
const VERSION: &str = "2015-12-01";
/// The most rules that one call names.
const AT_ONCE: usize = 20;

const BALANCERS: &str = "elasticloadbalancing:DescribeLoadBalancers";
const LISTENERS: &str = "elasticloadbalancing:DescribeListeners";
const RULES: &str = "elasticloadbalancing:DescribeRules";

/// A listener, as far as it matters here.
struct Listener {
    arn: String,
    port: u64,
    protocol: String,
}

/// The ARN of the listener of a load balancer at a port.
pub(super) async fn at(client: &Client, wanted: &ListenerAt) -> Fetched {
    let ListenerAt { load_balancer: name, port } = wanted;
    let balancer = match name.starts_with("arn:") {
        true => name.clone(),
        false => balancer(client, name).await?,
    };
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut parameters = Parameters::default();
        parameters.put("LoadBalancerArn", &balancer).maybe("Marker", marker.as_deref());
        let answer = client.call(parameters.ask("DescribeListeners", VERSION)).await;
        let page = answer.and_then(|answer| answer.read(listeners));
        let (found, next) = page.map_err(|error| unreadable(LISTENERS, name, &error))?;
        all.extend(found);
        match next {
            Some(next) => marker = Some(next),
            None => break,
        }
    }
    let here: Vec<&Listener> = all.iter().filter(|listener| listener.port == u64::from(*port)).collect();
    match here.as_slice() {
        [one] => Ok(Found::Text { text: one.arn.clone(), version: Some(one.protocol.clone()) }),
        [] => {
            let ports: Vec<String> = all.iter().map(|it| format!("{} ({})", it.port, it.protocol)).collect();
            let fix = match text::few(&ports) {
                none if none.is_empty() => "It has no listeners at all.".to_owned(),
                there => format!("It listens at {there}."),
            };
            Err(missing(format!("the load balancer {name} does not listen at port {port}"), fix))
        }
        several => {
            let arns: Vec<String> = several.iter().map(|it| format!("{} ({})", it.arn, it.protocol)).collect();
            let problem = format!("the load balancer {name} has {} listeners at port {port}", several.len());
            Err(missing(problem, format!("Give the ARN of the one that is meant: {}.", arns.join(" or "))))
        }
    }
}

/// The ARN of the load balancer of this name.
async fn balancer(client: &Client, name: &str) -> std::result::Result<String, Unavailable> {
    let mut parameters = Parameters::default();
    parameters.put("Names.member.1", name);
    let answer = client.call(parameters.ask("DescribeLoadBalancers", VERSION)).await;
    let found = answer.and_then(|answer| {
        answer.read(|root| {
            let result = root.required_child("DescribeLoadBalancersResult")?;
            let arns = result.members("LoadBalancers").map(|it| it.required("LoadBalancerArn"));
            arns.collect::<std::result::Result<Vec<String>, CallError>>()
        })
    });
    let arns = found.map_err(|error| unreadable(BALANCERS, name, &error))?;
    arns.into_iter().next().ok_or_else(|| gone(name))
}

fn listeners(root: Element<'_>) -> std::result::Result<(Vec<Listener>, Option<String>), CallError> {
    let result = root.required_child("DescribeListenersResult")?;
    let all = result.members("Listeners").map(|listener| {
        Ok(Listener {
            arn: listener.required("ListenerArn")?,
            // That of a Gateway Load Balancer has none.
            port: listener.parse("Port").unwrap_or_default(),
            protocol: listener.text("Protocol").unwrap_or_default(),
        })
    });
    Ok((all.collect::<std::result::Result<_, CallError>>()?, result.text("NextMarker")))
}

/// Puts the listeners in the place of default rules. Answers a line for each. What cannot be read now, the preflight tells with
/// everything else.
pub(super) async fn instead_of_default_rules(client: &Client, routing: &mut Routing) -> Result<Vec<String>> {
    let mut rules: Vec<&mut String> = routing.rules_and_listeners();
    rules.retain(|arn| is_rule(arn));
    let mut lines = Vec::new();
    for some in rules.chunks_mut(AT_ONCE) {
        let mut parameters = Parameters::default();
        for (n, arn) in (1..).zip(some.iter()) {
            parameters.put(&format!("RuleArns.member.{n}"), arn);
        }
        let answer = client.call(parameters.ask("DescribeRules", VERSION)).await;
        let defaults = match answer.and_then(|answer| answer.read(default_rules)) {
            Ok(defaults) => defaults,
            Err(error) => {
                let failure = called(RULES, "the rules of routing", &error);
                if failure.kind.class() == Class::Transient {
                    return Err(failure);
                }
                continue;
            }
        };
        for arn in some.iter_mut().filter(|arn| defaults.contains(*arn)) {
            if let Some(listener) = listener_of(arn) {
                lines.push(format!("The rule {arn} is the default rule of its listener, and stands for {listener}"));
                **arn = listener;
            }
        }
    }
    Ok(lines)
}

fn default_rules(root: Element<'_>) -> std::result::Result<Vec<String>, CallError> {
    let rules = root.required_child("DescribeRulesResult")?.members("Rules");
    rules.filter(|rule| rule.parse("IsDefault") == Some(true)).map(|rule| rule.required("RuleArn")).collect()
}

fn gone(name: &str) -> Unavailable {
    missing(
        format!("there is no Application or Network Load Balancer {name} in this account and region"),
        "Correct the name; `aws elbv2 describe-load-balancers` lists those that there are.",
    )
}

fn unreadable(call: &str, name: &str, error: &CallError) -> Unavailable {
    if error.code() == Some("LoadBalancerNotFound") {
        return gone(name);
    }
    let failure = called(call, name, error);
    if failure.kind.class() == Class::Transient {
        return Unavailable::Passing(failure);
    }
    missing(failure.message.trim_end_matches('.').to_owned(), "Correct the reference, or allow the call.")
}
