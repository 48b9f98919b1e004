//! What EventBridge does for an installation: the rules of `template.yaml`, on what happens in the simulated account.
//!
//! What it owns: the events as AWS words them, which of the stack's functions is told of one, and how often a schedule comes.
//!
//! What it must never do: decide what follows from an event. The function that is told does.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crossfade_asl::Event as History;
use crossfade_sim::Sim;
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::State;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::installation::Installation;

/// How often the sweep looks for itself: the stack's SweepScheduleRule.
pub const SWEEP: Duration = Duration::from_secs(60);
/// How often is looked for what the account says of itself only when asked: alarms, images, parameters.
const LOOK: Duration = Duration::from_secs(5);
/// When an event reaches its function, and when Lambda tries one again whose function has failed, each after the time before.
const ATTEMPTS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(60), Duration::from_secs(120)];

impl Installation {
    /// Tells the stack's functions of what happens in the account, for as long as this is awaited: it has no end. With a schedule, the
    /// triggers that wait for one are told so often: the stack's parameter TriggerOnSchedule.
    pub async fn follow_rules(&self, schedule: Option<Duration>) -> Infallible {
        let sweeps = regularly(&self.sim, SWEEP, "sweep");
        let schedule = async {
            match schedule {
                Some(every) => regularly(&self.sim, every, "start").await,
                None => std::future::pending().await,
            }
        };
        let (never, ..) = tokio::join!(self.tell_of_executions(), self.tell_of_changes(), sweeps, schedule);
        never
    }

    /// The stack's ExecutionDiedRule.
    async fn tell_of_executions(&self) -> Infallible {
        let (tell, mut ended) = mpsc::unbounded_channel();
        let machines = [self.deploy_arn.clone(), self.rollback_arn.clone()];
        self.sim.step_functions().subscribe(Box::new(move |event| {
            let status = match &event.event.event {
                History::ExecutionAborted { .. } => "ABORTED",
                History::ExecutionFailed { .. } => "FAILED",
                History::ExecutionTimedOut => "TIMED_OUT",
                _ => return,
            };
            if machines.iter().any(|machine| machine == event.state_machine_arn) {
                let names = [event.execution_arn, event.state_machine_arn, event.execution_name].map(str::to_owned);
                // The account holds its subscribers for ever, also when nobody listens any more.
                let _ = tell.send((names, status));
            }
        }));
        loop {
            match ended.recv().await {
                Some(([execution, machine, name], status)) => {
                    deliver(&self.sim, "sweep", execution_changed(&self.sim, &execution, &machine, &name, status));
                }
                None => std::future::pending().await,
            }
        }
    }

    /// The stack's AlarmRule, and those of new images and parameters.
    async fn tell_of_changes(&self) -> Infallible {
        let mut seen = Seen::default();
        seen.news(&self.sim);
        loop {
            self.sim.clock.sleep(LOOK).await;
            for (function, event) in seen.news(&self.sim) {
                deliver(&self.sim, function, event);
            }
        }
    }
}

/// The event that an execution has ended so.
pub fn execution_changed(sim: &Sim, execution: &str, machine: &str, name: &str, status: &str) -> Value {
    let detail = json!({ "executionArn": execution, "stateMachineArn": machine, "name": name, "status": status });
    event(sim, "aws.states", "Step Functions Execution Status Change", &[execution], &detail)
}

/// The event of a schedule.
pub fn scheduled(sim: &Sim) -> Value {
    event(sim, "aws.events", "Scheduled Event", &[], &json!({}))
}

/// An event as EventBridge passes it on.
fn event(sim: &Sim, source: &str, detail_type: &str, resources: &[&str], detail: &Value) -> Value {
    let time = i64::try_from(sim.clock.now_millis() / 1000).ok().and_then(|at| Timestamp::from_second(at).ok());
    let (region, account) = sim.world().home();
    json!({
        "version": "0",
        "source": source,
        "detail-type": detail_type,
        "account": account,
        "region": region,
        "time": time.unwrap_or_default().to_string(),
        "resources": resources,
        "detail": detail,
    })
}

/// Invokes a function as EventBridge and Lambda do: a moment later, and twice more should it fail.
fn deliver(sim: &Arc<Sim>, function: &'static str, event: Value) {
    let sim = sim.clone();
    tokio::spawn(async move {
        for after in ATTEMPTS {
            sim.clock.sleep(after).await;
            if matches!(sim.functions().invoke(function, event.clone()).await, Invocation::Returned(_)) {
                return;
            }
        }
    });
}

/// Invokes a function again and again.
async fn regularly(sim: &Arc<Sim>, every: Duration, function: &'static str) -> Infallible {
    loop {
        sim.clock.sleep(every).await;
        deliver(sim, function, scheduled(sim));
    }
}

/// What the account said of itself when it was last asked.
#[derive(Default)]
struct Seen {
    /// The alarms that had gone off.
    alarms: BTreeSet<String>,
    images: BTreeSet<String>,
    /// How many changes of parameters there had been.
    parameters: usize,
}

impl Seen {
    /// What has happened since, and which function is told.
    fn news(&mut self, sim: &Sim) -> Vec<(&'static str, Value)> {
        let mut news = Vec::new();
        let (alarms, images) = {
            let world = sim.world();
            let off = |name: &String| world.alarm(name).is_some_and(|alarm| alarm.state == State::Alarm);
            let alarms: BTreeSet<String> = world.alarm_names().into_iter().filter(off).collect();
            (alarms, world.available_images().into_iter().collect::<BTreeSet<String>>())
        };
        for name in alarms.difference(&self.alarms) {
            let detail = json!({ "alarmName": name, "state": { "value": "ALARM" } });
            news.push(("sweep", event(sim, "aws.cloudwatch", "CloudWatch Alarm State Change", &[], &detail)));
        }
        for image in images.difference(&self.images) {
            let detail = json!({ "ImageId": image, "State": "available", "ErrorMessage": "" });
            news.push(("start", event(sim, "aws.ec2", "EC2 AMI State Change", &[], &detail)));
        }
        let changes = sim.parameters().changes().get(self.parameters..).unwrap_or_default().to_vec();
        for change in &changes {
            let detail = json!({ "operation": change.operation, "name": change.name, "type": change.kind });
            news.push(("start", event(sim, "aws.ssm", "Parameter Store Change", &[], &detail)));
        }
        (self.alarms, self.images) = (alarms, images);
        self.parameters += changes.len();
        news
    }
}
