//! How many calls AWS's services take: buckets of tokens, of the account and region, shared by all who call.
//!
//! What it owns: the rates that AWS publishes or that its users report, and what is left in each bucket. Nothing is refused unless
//! [`Sim::limit_rates_to`](crate::Sim::limit_rates_to) has said so: most tests are about something else.
//!
//! Left out, since a hundred deployments at once stay far below: DynamoDB on demand (a new table takes 4,000 writes and 12,000 reads a
//! second), SNS (9,000 `Publish` a second in eu-west-1), S3 and STS.

use std::collections::BTreeMap;

use crate::sim::effect;
use crate::{Effect, Request, Response, Service};

/// Which calls take from a bucket.
#[derive(Clone, Copy, Debug)]
enum Calls {
    /// These operations, all from one.
    These(&'static [&'static str]),
    /// Whatever reads and is in no other bucket of the service.
    Reads,
    /// Whatever changes something and is in no other bucket of the service.
    Changes,
    /// The same two, but each operation from a bucket of its own.
    EachRead,
    EachChange,
    /// All of the service.
    All,
}

/// A kind of bucket: how many calls it holds, and how many come back per second.
struct Rate {
    service: Service,
    calls: Calls,
    holds: f64,
    per_second: f64,
}

const fn rate(service: Service, calls: Calls, holds: f64, per_second: f64) -> Rate {
    Rate { service, calls, holds, per_second }
}

use Calls::{All, Changes, EachChange, EachRead, Reads, These};
use Service::{
    ApplicationAutoScaling, AutoScaling, CloudFormation, CloudWatch, Ec2, Ecs, ElasticLoadBalancing, Ssm, StepFunctions,
};

/// The first that an operation belongs to counts.
const RATES: &[Rate] = &[
    // "Throttles API requests based on a shared API bucket" (API reference, Welcome); AWS publishes no numbers. These are EC2's for
    // what reads, with which users' reports agree: controllers that ask some twenty times a second are throttled.
    rate(AutoScaling, All, 100.0, 20.0),
    // EC2 developer guide, Request throttling: each operation on its own.
    rate(Ec2, These(&["CreateLaunchTemplateVersion"]), 100.0, 5.0),
    rate(Ec2, EachRead, 100.0, 20.0),
    rate(Ec2, EachChange, 50.0, 5.0),
    // Elastic Load Balancing user guide, Request throttling: 40 and 10 for what reads. What registers and what changes have buckets of
    // their own, which are smaller; these numbers are on the careful side of what is reported.
    rate(ElasticLoadBalancing, These(&["RegisterTargets", "DeregisterTargets"]), 20.0, 4.0),
    rate(ElasticLoadBalancing, Reads, 40.0, 10.0),
    rate(ElasticLoadBalancing, Changes, 20.0, 3.0),
    // Service quotas of CloudWatch.
    rate(CloudWatch, These(&["DescribeAlarms"]), 9.0, 9.0),
    rate(CloudWatch, These(&["GetMetricData"]), 50.0, 50.0),
    rate(CloudWatch, These(&["ListMetrics"]), 25.0, 25.0),
    rate(CloudWatch, EachChange, 3.0, 3.0),
    // ECS API reference, Request throttling: burst and sustained rate of each group of operations.
    rate(Ecs, These(&["CreateService", "UpdateService", "DeleteService"]), 50.0, 5.0),
    rate(Ecs, These(&["DescribeServices", "ListServices"]), 100.0, 20.0),
    rate(Ecs, These(&["DescribeTasks", "ListTasks"]), 100.0, 20.0),
    rate(Ecs, These(&["RegisterTaskDefinition", "DeregisterTaskDefinition"]), 20.0, 1.0),
    rate(Ecs, These(&["DescribeTaskDefinition", "ListTaskDefinitions"]), 50.0, 20.0),
    rate(Ecs, These(&["TagResource", "UntagResource"]), 20.0, 10.0),
    rate(Ecs, These(&["DescribeServiceRevisions"]), 50.0, 20.0),
    rate(Ecs, These(&["GetTaskProtection", "UpdateTaskProtection"]), 200.0, 80.0),
    // Nothing is published; the same as of Auto Scaling is assumed.
    rate(ApplicationAutoScaling, All, 100.0, 20.0),
    // Service quotas of Step Functions, in regions that are not the three largest.
    rate(StepFunctions, These(&["StartExecution"]), 800.0, 150.0),
    rate(StepFunctions, These(&["StopExecution"]), 500.0, 25.0),
    rate(StepFunctions, These(&["SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"]), 1_500.0, 300.0),
    rate(StepFunctions, These(&["DescribeExecution"]), 250.0, 10.0),
    rate(StepFunctions, These(&["GetExecutionHistory"]), 400.0, 20.0),
    rate(StepFunctions, These(&["ListExecutions"]), 100.0, 2.0),
    // Service quotas of Parameter Store: the default throughput.
    rate(Ssm, All, 40.0, 40.0),
    // Not published; users report about ten DescribeStacks a second.
    rate(CloudFormation, All, 10.0, 10.0),
];

/// How many state transitions standard executions may make together: what the bucket holds, and what comes back per second. Who finds
/// it empty is not refused but waits. Of the same page.
const TRANSITIONS: (f64, f64) = (800.0, 500.0);

/// How many calls of a service an account may make for good, a second, in words; nothing where that is far more than anybody makes.
pub fn told(service: Service) -> String {
    let rates = RATES.iter().filter(|rate| rate.service == service);
    let words = rates.map(|Rate { calls, per_second, .. }| match calls {
        All => per_second.to_string(),
        Reads => format!("{per_second} reads"),
        Changes => format!("{per_second} changes"),
        EachRead => format!("{per_second} of each that reads"),
        EachChange => format!("{per_second} of each that changes"),
        These(operations) => format!("{per_second} {}", operations.join(" and ")),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// What is left in a bucket, and when that was.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at_millis: u64,
}

/// The account's buckets.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    /// How much of each bucket, and of what comes back, others leave.
    share: f64,
    /// By the place of the rate, and by operation where each has one of its own.
    buckets: BTreeMap<(usize, String), Bucket>,
    transitions: Option<Bucket>,
}

impl Rates {
    /// Full buckets, of which others leave this share.
    pub(crate) fn of(share: f64) -> Self {
        Self { share, buckets: BTreeMap::new(), transitions: None }
    }

    /// What there is of a rate. Less than one call at a time is none.
    fn left_of(&self, (holds, per_second): (f64, f64)) -> (f64, f64) {
        ((holds * self.share).max(1.0), per_second * self.share)
    }

    /// Takes a call, or answers how the service says that there have been too many.
    pub(crate) fn admit(&mut self, request: &Request, now_millis: u64) -> Option<Response> {
        let (place, rate) = RATES.iter().enumerate().find(|(_, rate)| rate.covers(request))?;
        let own = match rate.calls {
            EachRead | EachChange => request.operation.clone(),
            All | Reads | Changes | These(_) => String::new(),
        };
        let size = self.left_of((rate.holds, rate.per_second));
        let bucket = self.buckets.entry((place, own)).or_insert(Bucket { left: size.0, at_millis: now_millis });
        bucket.refill(size, now_millis);
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return None;
        }
        let (status, code, message) = refusal(request.service);
        Some(Response::refuse(request, status, code, message))
    }

    /// Takes a state transition, and answers for how many milliseconds it has to wait.
    pub(crate) fn transition(&mut self, now_millis: u64) -> u64 {
        let size = self.left_of(TRANSITIONS);
        let bucket = self.transitions.get_or_insert(Bucket { left: size.0, at_millis: now_millis });
        bucket.refill(size, now_millis);
        bucket.left -= 1.0;
        (-bucket.left.min(0.0) / size.1 * 1000.0).ceil() as u64
    }
}

impl Bucket {
    fn refill(&mut self, (holds, per_second): (f64, f64), now_millis: u64) {
        let millis = now_millis.saturating_sub(self.at_millis) as f64;
        self.left = (self.left + millis / 1000.0 * per_second).min(holds);
        self.at_millis = now_millis;
    }
}

impl Rate {
    fn covers(&self, request: &Request) -> bool {
        let covers = match self.calls {
            All => true,
            These(operations) => operations.contains(&request.operation.as_str()),
            Reads | EachRead => effect(&request.operation) == Effect::Read,
            Changes | EachChange => effect(&request.operation) == Effect::Mutate,
        };
        self.service == request.service && covers
    }
}

/// How a service says it: HTTP status, code, message.
fn refusal(service: Service) -> (u16, &'static str, &'static str) {
    match service {
        AutoScaling | CloudWatch | CloudFormation => (400, "Throttling", "Rate exceeded"),
        Ec2 => (503, "RequestLimitExceeded", "Request limit exceeded."),
        _ => (400, "ThrottlingException", "Rate exceeded"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(service: Service, operation: &str) -> Request {
        match service {
            Ecs => Request::json(service, operation, json!({})),
            _ => Request::query(service, operation, [("Version", "1")]),
        }
    }

    /// How many of so many calls at one moment are taken.
    fn taken(rates: &mut Rates, request: &Request, calls: usize, now_millis: u64) -> usize {
        (0..calls).filter(|_| rates.admit(request, now_millis).is_none()).count()
    }

    #[test]
    fn a_bucket_is_shared_as_each_service_shares_it_and_fills_again() {
        let mut rates = Rates::of(1.0);
        assert_eq!(taken(&mut rates, &ask(AutoScaling, "DescribeAutoScalingGroups"), 150, 0), 100);
        let update = ask(AutoScaling, "UpdateAutoScalingGroup");
        assert_eq!(taken(&mut rates, &update, 1, 0), 0, "one bucket for all calls of Auto Scaling");
        assert_eq!(taken(&mut rates, &update, 150, 2_000), 40);
        assert_eq!(taken(&mut rates, &ask(Ec2, "DescribeImages"), 150, 0), 100);
        assert_eq!(taken(&mut rates, &ask(Ec2, "DescribeSubnets"), 150, 0), 100, "EC2 has one for each operation");
        assert_eq!(taken(&mut rates, &ask(ElasticLoadBalancing, "DescribeRules"), 150, 0), 40);
        assert_eq!(taken(&mut rates, &ask(ElasticLoadBalancing, "DescribeTargetHealth"), 1, 0), 0);
        assert_eq!(taken(&mut rates, &ask(ElasticLoadBalancing, "ModifyRule"), 50, 0), 20, "what reads takes none");
        assert_eq!(taken(&mut rates, &ask(ElasticLoadBalancing, "ModifyRule"), 50, 3_600_000), 20, "and no more");
        assert_eq!(taken(&mut rates, &ask(Service::Sns, "Publish"), 500, 0), 500);
    }

    #[test]
    fn what_others_use_is_not_there() {
        let mut rates = Rates::of(0.1);
        let describe = ask(AutoScaling, "DescribeAutoScalingGroups");
        assert_eq!(taken(&mut rates, &describe, 50, 0), 10);
        assert_eq!(taken(&mut rates, &describe, 50, 1_000), 2);
        let set = ask(ElasticLoadBalancing, "ModifyRule");
        assert_eq!(taken(&mut rates, &set, 50, 0), 2);
        assert_eq!(rates.transition(0), 0);
        let last = (1..100).map(|_| rates.transition(0)).last();
        assert_eq!(last, Some(400), "the twentieth above 80, at 50 a second");
    }

    #[test]
    fn who_makes_too_many_transitions_waits() {
        let mut rates = Rates::of(1.0);
        let waits: Vec<u64> = (0..900).map(|_| rates.transition(0)).collect();
        assert!(waits[..800].iter().all(|wait| *wait == 0));
        assert_eq!(waits[899], 200, "the hundredth above what the bucket holds, at 500 a second");
        assert_eq!(rates.transition(10_000), 0);
    }
}
