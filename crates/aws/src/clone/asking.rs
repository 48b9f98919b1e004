//! Questions to AWS's services, all pages of each, in the spelling of the AWS CLI.
//!
//! The SDKs' models forget what they do not know, and cannot be written down; what is to be furnished again is kept as the API spells it.

use std::cell::Cell;

use aws_types::SdkConfig;
use crossfade_core::{Failure, Kind, Result};
use serde_json::Value;

use super::spelling::{self, of_ec2};
use crate::call::{Answer, Ask, CallError, CallErrorKind, Client, Parameters, Protocol, Service};
use crate::refusal::called;

const fn query(id: &'static str, name: &'static str) -> Service {
    Service { id, name, protocol: Protocol::Query }
}

const AUTO_SCALING: Service = query("Auto Scaling", "autoscaling");
const BALANCING: Service = query("Elastic Load Balancing v2", "elasticloadbalancing");
const EC2: Service = query("EC2", "ec2");
const CLOUDWATCH: Service = query("CloudWatch", "monitoring");

const fn json(id: &'static str, name: &'static str) -> Service {
    Service { id, name, protocol: Protocol::Json }
}

const ECS: Service = json("ECS", "ecs");
const SCALING: Service = json("Application Auto Scaling", "application-autoscaling");

/// The most pages of one question: more is an answer that goes round in circles.
const PAGES: usize = 1_000;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    AutoScaling,
    Balancing,
    Ec2,
    CloudWatch,
}

impl Of {
    /// As IAM calls it; the version of its API; how a page is asked for, and how the next one is told of (their service models).
    const fn facts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::AutoScaling => ("autoscaling", "2011-01-01", "NextToken", "NextToken"),
            Self::Balancing => ("elasticloadbalancing", "2015-12-01", "Marker", "NextMarker"),
            Self::Ec2 => ("ec2", "2016-11-15", "NextToken", "nextToken"),
            Self::CloudWatch => ("cloudwatch", "2010-08-01", "NextToken", "NextToken"),
        }
    }
}

/// Who is asked in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    Ecs,
    Scaling,
}

impl In {
    /// As IAM calls it; its name in AWS JSON; how pages are asked for and told of (their service models).
    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ecs => ("ecs", "AmazonEC2ContainerServiceV20141113", "nextToken"),
            Self::Scaling => ("application-autoscaling", "AnyScaleFrontendService", "NextToken"),
        }
    }
}

/// What questions are asked with, and how many there were.
pub(super) struct Asking {
    clients: [Client; 4],
    in_json: [Client; 2],
    made: Cell<usize>,
}

impl Asking {
    pub(super) fn new(config: &SdkConfig) -> Self {
        let clients = [&AUTO_SCALING, &BALANCING, &EC2, &CLOUDWATCH].map(|service| Client::new(service, config));
        let in_json = [&ECS, &SCALING].map(|service| Client::new(service, config));
        Self { clients, in_json, made: Cell::new(0) }
    }

    /// How many calls were made.
    pub(super) fn made(&self) -> usize {
        self.made.get()
    }

    /// One more call, of another client.
    pub(super) fn count(&self) {
        self.made.set(self.made.get() + 1);
    }

    /// Everything in `list` of the answer to `action`, on all its pages. `on` is what it is about, for words.
    ///
    /// # Errors
    /// `PreflightFailed` when it is not there, and whatever else AWS refuses.
    pub(super) async fn list(
        &self,
        of: Of,
        action: &'static str,
        on: &str,
        list: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<Value>> {
        let (service, version, token, next_token) = of.facts();
        let failed = |error: &CallError| failure(&format!("{service}:{action}"), on, error);
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let mut asked = Parameters::default();
            for (name, value) in parameters {
                asked.put(name, value);
            }
            asked.maybe(token, next.take());
            self.count();
            let answer = self.client(of).call(asked.ask(action, version)).await;
            let (page, more) = answer.and_then(|it| page(of, &it, action, list, next_token)).map_err(|e| failed(&e))?;
            found.extend(page);
            match more {
                None => return Ok(found),
                more => next = more,
            }
        }
        Err(failed(&CallError::unreadable(format!("the answer does not end after {PAGES} pages"))))
    }

    /// One answer in JSON.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn json(&self, of: In, operation: &'static str, on: &str, body: &Value) -> Result<Value> {
        let (service, target, _) = of.facts();
        let client = match of {
            In::Ecs => &self.in_json[0],
            In::Scaling => &self.in_json[1],
        };
        self.count();
        let answer = client.call(Ask::json(operation, &format!("{target}.{operation}"), body)).await;
        answer.and_then(|answer| answer.json()).map_err(|error| failure(&format!("{service}:{operation}"), on, &error))
    }

    /// Everything in `list` of the answers in JSON, on all pages.
    ///
    /// # Errors
    /// As above.
    pub(super) async fn json_list(
        &self,
        of: In,
        operation: &'static str,
        on: &str,
        list: &str,
        mut body: Value,
    ) -> Result<Vec<Value>> {
        let (.., token) = of.facts();
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let mut answer = self.json(of, operation, on, &body).await?;
            if let Some(Value::Array(page)) = answer.get_mut(list).map(Value::take) {
                found.extend(page);
            }
            match answer[token].as_str().filter(|next| !next.is_empty()) {
                None => return Ok(found),
                Some(next) => body[token] = Value::from(next),
            }
        }
        Err(failure(operation, on, &CallError::unreadable(format!("the answer does not end after {PAGES} pages"))))
    }

    fn client(&self, of: Of) -> &Client {
        match of {
            Of::AutoScaling => &self.clients[0],
            Of::Balancing => &self.clients[1],
            Of::Ec2 => &self.clients[2],
            Of::CloudWatch => &self.clients[3],
        }
    }
}

/// What one page has, and what the next one is asked for with.
fn page(
    of: Of,
    answer: &Answer,
    action: &str,
    list: &str,
    next: &str,
) -> std::result::Result<(Vec<Value>, Option<String>), CallError> {
    answer.read(|root| {
        let result = match of {
            Of::Ec2 => root,
            _ => root.required_child(&format!("{action}Result"))?,
        };
        let items = match (of, result.child(list)) {
            (_, None) => Vec::new(),
            (Of::Ec2, Some(list)) => list.each().map(of_ec2).collect(),
            (_, Some(list)) => list.each().map(spelling::plain).collect(),
        };
        Ok((items, result.text(next)))
    })
}

fn failure(call: &str, on: &str, error: &CallError) -> Failure {
    match error.kind() {
        CallErrorKind::NotFound => Kind::PreflightFailed.because(format!("{call} on {on}: {}.", error.message())),
        _ => called(call, on, error),
    }
}

/// `NAME.1`, `NAME.2`, … for a list in a question.
pub(super) fn numbered<'a>(name: &str, values: impl IntoIterator<Item = &'a String>) -> Vec<(String, String)> {
    (1..).zip(values).map(|(n, value)| (format!("{name}.{n}"), value.clone())).collect()
}

/// The same as a question takes them.
pub(super) fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
