//! The last answers to questions about groups, services, templates and load balancers, for reads that are to be out of date.
//!
//! It must never keep an answer of a service whose reads are consistent: the state table is read consistently.

use std::collections::BTreeMap;

use crate::sim::effect;
use crate::{Effect, Request, Response, Service};

/// By question: the answers that differed from the one before, newest last, and when each was last given.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<String, Vec<(u64, Response)>>);

/// As many as a stale read can choose from: the present answer may be among them.
const KEPT: usize = 2;

impl Answers {
    /// The question, if its answers can be out of date.
    pub(crate) fn key(request: &Request) -> Option<String> {
        let eventual = matches!(
            request.service,
            Service::AutoScaling
                | Service::Ec2
                | Service::ElasticLoadBalancing
                | Service::Ecs
                | Service::Spot
                | Service::ApplicationAutoScaling
        );
        (eventual && effect(&request.operation) == Effect::Read)
            .then(|| format!("{:?} {} {:?} {}", request.service, request.operation, request.form, request.json))
    }

    pub(crate) fn keep(&mut self, key: String, response: Response, now_millis: u64) {
        let answers = self.0.entry(key).or_default();
        answers.retain(|(_, kept)| kept.body != response.body);
        answers.push((now_millis, response));
        if answers.len() > KEPT {
            answers.remove(0);
        }
    }

    /// The newest answer, given at or after an instant, that differs from the present one.
    pub(crate) fn before(&self, key: &str, now: &Response, since_millis: u64) -> Option<Response> {
        let answers = self.0.get(key)?;
        let (at, response) = answers.iter().rev().find(|(_, response)| response.body != now.body)?;
        (*at >= since_millis).then(|| response.clone())
    }
}
