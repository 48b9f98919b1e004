//! Scaling policies, scheduled actions and alarms.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{list, only, text, without};
use crate::world::alarms::{ACTIONS, canonical};
use crate::world::policies::FRACTIONS;
use crate::world::{Alarm, POLICY_SETTINGS, Policy, ScheduledAction, State, Tree, World};

/// What `describe-alarms` adds to what an alarm was given.
const OF_ALARMS: [&str; 9] = [
    "AlarmName",
    "AlarmArn",
    "AlarmConfigurationUpdatedTimestamp",
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "EvaluationState",
];

impl World {
    /// A scaling policy of a group, as `describe-policies` shows it. Its alarms are restored by themselves, those that it has made
    /// included.
    pub fn restore_policy(&mut self, group: &str, described: &Value) {
        let name = text(described, "PolicyName").to_owned();
        let mut settings = only(described, POLICY_SETTINGS);
        canonical(&mut settings, &FRACTIONS);
        let arn = text(described, "PolicyARN").to_owned();
        let policy = Policy { arn, group: group.to_owned(), name: name.clone(), settings, cools_until: 0 };
        self.policies.insert((group.to_owned(), name), policy);
    }

    /// A scheduled action of a group, as `describe-scheduled-actions` shows it: of a recurring one the start time may be no more than
    /// when it runs next.
    pub fn restore_scheduled_action(&mut self, group: &str, described: &Value) {
        let names = ["ScheduledActionName", "ScheduledActionARN", "AutoScalingGroupName", "Time"];
        let mut settings = without(described, &names);
        let arn = text(described, "ScheduledActionARN").to_owned();
        let mut bare = settings.clone();
        if bare.take("StartTime").is_some_and(|start| self.is_due_by_itself(&bare, start.leaf().unwrap_or_default())) {
            settings = bare;
        }
        let Some(due) = self.due(&settings) else { return };
        let key = (group.to_owned(), text(described, "ScheduledActionName").to_owned());
        self.schedules.insert(key, ScheduledAction { arn, settings, due });
        self.expect_scheduled_action(group, due);
    }

    /// An alarm, as `describe-alarms` shows it, in the state that it is in. One that a target tracking policy has made is that
    /// policy's, which has to be there.
    pub fn restore_alarm(&mut self, described: &Value, tags: BTreeMap<String, String>) {
        let name = text(described, "AlarmName").to_owned();
        let mut settings = without(described, &OF_ALARMS);
        canonical(&mut settings, &["Threshold"]);
        if settings.get("AlarmRule").is_none() {
            for (_, actions) in ACTIONS {
                if settings.get(actions).is_none() {
                    settings.set(actions, Tree::List(Vec::new()));
                }
            }
            if settings.get("MetricName").is_some() && settings.get("Dimensions").is_none() {
                settings.set("Dimensions", Tree::List(Vec::new()));
            }
        }
        let tracks = |arn: &&Value| {
            let arn = arn.as_str().unwrap_or_default();
            let known = self.policy_by_arn(arn).is_some() || self.scaling_policy_by_arn(arn).is_some();
            known && name.starts_with("TargetTracking-")
        };
        let managed_by = list(described, "AlarmActions").iter().find(tracks).and_then(Value::as_str);
        let alarm = Alarm {
            arn: text(described, "AlarmArn").to_owned(),
            settings,
            tags,
            state: text(described, "StateValue").parse().unwrap_or(State::InsufficientData),
            reason: "Unchecked: it was in this state".into(),
            reason_data: None,
            configured_at: self.now,
            state_at: self.now,
            managed_by: managed_by.map(str::to_owned),
            name: name.clone(),
        };
        let metrics = alarm.metrics();
        self.alarms.insert(name, alarm);
        self.measure(metrics);
    }
}
