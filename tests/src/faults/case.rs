//! What is deployed while it goes wrong: every strategy, approved and rejected.

use crossfade_sim::world::sample::{AlsoBehind, Balancer, Compute, Layout, ShopOptions};
use crossfade_sim::world::spot::Quirk;
use serde_json::{Value, json};

use crate::strategies::{STRATEGIES, Strategy};
use crate::{SMOKE, Scene};

/// A verification by metrics that what AWS does to a few instances leaves as it is.
pub fn measured() -> Value {
    json!({
        "warmUpMinutes": 0,
        "ingestionDelaySeconds": 100,
        "traffic": { "atLeast": 50 },
        "extendMinutes": 10,
        "checks": { "errors": { "metric": "errorRate", "atMost": "80 %", "breaches": { "atLeast": 3, "of": 3 } } },
    })
}

/// A hook that is called at these points.
pub fn hooked(at: &[&str]) -> Value {
    json!({ "smoke": { "lambda": SMOKE, "at": at, "timeoutMinutes": 60 } })
}

/// What is asked of Route 53 and of Cloud Map.
const BY_NAME: [&str; 7] = [
    "ChangeResourceRecordSets",
    "GetChange",
    "GetHostedZone",
    "GetInstancesHealthStatus",
    "GetNamespace",
    "GetService",
    "ListResourceRecordSets",
];
/// What is asked of Route 53, and of what is registered behind two load balancers of a name.
const BY_STACKS: [&str; 4] =
    ["ChangeResourceRecordSets", "DescribeTargetHealth", "GetChange", "ListResourceRecordSets"];

/// What a busy account leaves of its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How much of every bucket of calls, in percent.
    pub rates_percent: u32,
    /// How many functions may run at once.
    pub concurrency: usize,
}

/// What changes an Elastigroup.
const SIZED_BY_SPOT: &[&str] = &["CreateGroup", "DeleteGroup", "SuspendProcesses", "UpdateCapacity"];

/// What lets parts of an Elastigroup rest, and go on.
const RESTED_BY_SPOT: &[&str] = &["ResumeProcesses", "SuspendProcesses"];

/// A deployment and what its operator says.
#[derive(Clone)]
pub struct Case {
    /// How it deploys.
    pub strategy: Strategy,
    /// What a person calls what is special about it.
    pub special: Vec<String>,
    /// The account.
    pub options: ShopOptions,
    /// What is different in the strategy's usual document, by JSON pointer.
    pub changes: Vec<(String, Value)>,
    /// Whether the operator says no: then it is rolled back, and the faults strike the rollback, too.
    pub rejected: bool,
    /// Whether the account is one in which it has to be refused.
    pub refused: bool,
    /// The operations that alone are struck in the matrix: all else is in another case as well.
    pub only: Option<&'static [&'static str]>,
    /// Whether somebody pauses it as soon as it has begun, and lets it go on.
    pub paused: bool,
    /// The account's limits, where they are played.
    pub limits: Option<Limits>,
    /// Whether the oldest fleets are deleted in the end. What is pruned, no rollback can bring back.
    pub prunes: bool,
}

impl Case {
    /// The ordinary deployment of a strategy, in a shop with little traffic, so that a run takes little time.
    pub fn of(strategy: Strategy) -> Self {
        let options = ShopOptions { requests_per_second: 5.0, ..strategy.options() };
        Self {
            strategy,
            special: Vec::new(),
            options,
            changes: Vec::new(),
            rejected: false,
            refused: false,
            only: None,
            paused: false,
            limits: None,
            prunes: false,
        }
    }

    /// Those of the matrix: every strategy, and the shift also with fleets that carry policies, schedules and hooks, with old fleets to
    /// prune, and behind a network load balancer; shift and canary with services of ECS and with Elastigroups, too.
    pub fn all() -> Vec<Case> {
        let mut cases: Vec<Case> = STRATEGIES.iter().copied().map(Case::of).collect();
        let shift = cases.iter().find(|case| case.strategy.name == "shift").cloned();
        cases.extend(shift.clone().map(|shift| {
            let options = ShopOptions { equipped: true, ..shift.options };
            Case { special: vec!["equipped".into()], options, ..shift }
        }));
        // Of every kind of fleet: what steers traffic, and what shares a target group.
        let plain: Vec<Case> = cases
            .iter()
            .filter(|case| case.special.is_empty() && matches!(case.strategy.name, "shift" | "canary"))
            .cloned()
            .collect();
        let of = |case: &Case, name: &str, compute: Compute| Case {
            special: vec![name.into()],
            options: ShopOptions { compute, ..case.options.clone() },
            ..case.clone()
        };
        cases.extend(plain.iter().map(|case| of(case, "ecs", Compute::Services)));
        let mut cases: Vec<Case> = cases.iter().flat_map(|case| [case.clone(), case.clone().rejected()]).collect();
        // What steers is played back, too; what shares, forward: Spot takes many calls to be asked.
        cases.extend(
            plain
                .iter()
                .map(|case| of(case, "elastigroup", Compute::Elastigroups))
                .map(|case| if case.strategy.name == "shift" { case.rejected() } else { case }),
        );
        // And each thing that Spot leaves open, where groups are made, sized, put to rest and deleted.
        cases.extend(shift.iter().flat_map(|shift| {
            Quirk::ALL.into_iter().map(|quirk| {
                let mut case = of(shift, "elastigroup", Compute::Elastigroups).rejected();
                (case.options.quirk, case.only) = (Some(quirk), Some(SIZED_BY_SPOT));
                case.options.equipped =
                    matches!(quirk, Quirk::SuspensionsEndEarly | Quirk::FirstEndCounts | Quirk::LateTasks);
                case.special.push(quirk.name().into());
                case
            })
        }));
        // And what somebody has put to rest for a while, which ends meanwhile or long after it.
        cases.extend(plain.iter().map(|case| {
            let minutes = if case.strategy.name == "shift" { 4 } else { 600 };
            let mut case = of(case, "elastigroup", Compute::Elastigroups).rejected();
            (case.options.rests_minutes, case.only) = (Some(minutes), Some(RESTED_BY_SPOT));
            case.special.push("put to rest for a while".into());
            case
        }));
        cases.extend(shift.clone().map(|shift| Case { special: vec!["pruning".into()], prunes: true, ..shift }));
        // Somebody pauses it, and lets it go on: what is asked, and how it goes on.
        cases.extend(shift.clone().map(|shift| Case {
            special: vec!["paused".into()],
            only: Some(&["Publish"]),
            paused: true,
            ..shift
        }));
        // Looks at metrics are struck as well. Its checks find a shop good in which something goes wrong.
        cases.extend(shift.clone().map(|shift| Case {
            special: vec!["measured".into()],
            only: Some(&["GetMetricData"]),
            changes: vec![
                ("/verification".into(), measured()),
                (
                    "/strategy".into(),
                    json!({ "blueGreenShift": { "percents": [50, 100], "verify": { "minutes": 5, "checks": ["errors"] },
                    "verifyAfterPercents": [50], "approveAfterPercents": [50] } }),
                ),
            ],
            ..shift
        }));
        // And so are the calls of hooks, on the way forward and back.
        cases.extend(shift.clone().map(|shift| {
            let case = Case { special: vec!["hooked".into()], only: Some(&["Invoke"]), ..shift };
            let points = ["beforeTraffic", "afterShift", "beforeRollback", "afterRollback"];
            case.changed("/hooks", hooked(&points)).rejected()
        }));
        // What a name leads to, and how its records are read and changed: all else of services is in another case.
        cases.extend(shift.clone().into_iter().flat_map(|shift| {
            let options = ShopOptions { compute: Compute::Services, layout: Layout::Named, ..shift.options.clone() };
            let dns = Case { special: vec!["dns".into()], options, only: Some(&BY_NAME), ..shift };
            [dns.clone(), dns.rejected()]
        }));
        // And two load balancers of groups behind a name.
        cases.extend(shift.clone().into_iter().flat_map(|shift| {
            let options = ShopOptions { layout: Layout::Stacks, ..shift.options.clone() };
            let stacks = Case { special: vec!["stacks".into()], options, only: Some(&BY_STACKS), ..shift };
            [stacks.clone(), stacks.rejected()]
        }));
        cases.extend(shift.map(|shift| {
            let options = ShopOptions { balancer: Balancer::Network, ..shift.options };
            Case { special: vec!["network".into()], options, ..shift }.rejected()
        }));
        cases
    }

    /// The same, with a place of its document changed.
    pub fn changed(mut self, pointer: &str, value: Value) -> Self {
        self.changes.push((pointer.into(), value));
        self
    }

    /// The same, with an operator who says no. A swap asks them when it has swapped, so that there is something to take back.
    pub fn rejected(mut self) -> Self {
        self.rejected = true;
        if self.strategy.layout == Layout::Staged {
            let all = json!({ "percent": 100 });
            let stages = json!([{ "upscale": all }, { "swap": {} }, { "approve": {} }, { "downsize": all }]);
            self.changes.push(("/strategy".into(), json!({ "stages": stages })));
        }
        self
    }

    /// What a person calls it: `canary`, `shift, equipped, rejected`.
    pub fn name(&self) -> String {
        let special = self.special.iter().map(String::as_str);
        let words = std::iter::once(self.strategy.name).chain(special).chain(self.rejected.then_some("rejected"));
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether only the operator's answer tells it from this one, which they approve.
    pub fn is_rejected_twin_of(&self, other: &Case) -> bool {
        let alike = self.strategy.name == other.strategy.name && self.special == other.special;
        alike && self.rejected && !other.rejected
    }

    /// Its document.
    pub fn document(&self, scene: &Scene) -> Value {
        let mut document = self.strategy.document(scene);
        if !self.prunes {
            let compute = document["compute"].as_object_mut().and_then(|compute| compute.values_mut().next());
            compute.expect("there is one")["keepRevisions"] = json!(10);
        }
        for (pointer, value) in &self.changes {
            match pointer.rsplit_once('/').and_then(|(parent, key)| Some((document.pointer_mut(parent)?, key))) {
                Some((parent, key)) => parent[key] = value.clone(),
                None => panic!("the document has no place {pointer}"),
            }
        }
        document
    }

    /// Whether the account may still change by itself when the deployment is over: what is ill is replaced, what leaves is held.
    pub fn settles(&self) -> bool {
        self.options.ill > 0 || self.options.held_seconds.is_some()
    }

    /// Whether instances may be ill, or dead, and nobody replaces them: then their targets say so.
    pub fn ails(&self) -> bool {
        let suspended = ["HealthCheck", "ReplaceUnhealthy", "Terminate", "Launch"];
        self.options.ill > 0 || self.options.suspended_on_running.iter().any(|it| suspended.contains(&it.as_str()))
    }

    /// What it is refused for, in the words of the message, if it is to be: what stands in its account would lose requests.
    pub fn refusal(&self) -> Option<&'static str> {
        let moves = matches!(self.strategy.name, "shift" | "listener swap");
        if self.options.also_behind.is_some() {
            Some("stands behind")
        } else if self.options.also_forwards.is_some() && moves {
            Some("routing does not name it")
        } else if self.options.deregistration_seconds == 0 && !moves {
            Some("deregistration delay of 0 s")
        } else if self.options.unserved_zone {
            Some("Enable the zone with `aws elbv2 set-subnets`")
        } else {
            None
        }
    }

    /// The instances that serve before.
    pub fn instances(&self) -> u32 {
        self.options.instances + self.options.also_running.iter().map(|(_, instances)| instances).sum::<u32>()
    }

    /// The healthy instances that production never has fewer of. Behind what the running fleet alone stands behind, there are its own.
    pub fn guard(&self) -> f64 {
        let everywhere = match self.options.also_behind {
            Some(AlsoBehind::TargetGroup) => self.options.instances,
            Some(AlsoBehind::Lattice | AlsoBehind::Classic) | None => self.instances(),
        };
        f64::from(everywhere - self.options.ill)
    }
}
