//! What the account says of how well it is: alarms of CloudWatch, for metrics and composite. It only reads.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_types::SdkConfig;
use crossfade_core::Result;
use crossfade_core::verification::{Alarm, AlarmState};

use crate::clients::Lazy;
use crate::refusal::refusal;

/// The most alarms that one call names (CloudWatch API reference).
const AT_ONCE: usize = 100;

/// The alarms of the account.
#[derive(Clone, Debug)]
pub struct Signals {
    client: Lazy<Client>,
}

impl Signals {
    /// Those that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Lazy::new(config) }
    }

    /// How these alarms stand. What does not exist is left out.
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<Alarm>> {
        let mut found = Vec::new();
        for names in names.chunks(AT_ONCE) {
            let call = self.client.describe_alarms().set_alarm_names(Some(names.to_vec())).max_records(100);
            // Without them it tells of alarms for metrics alone.
            let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
            let mut pages = call.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|e| refusal("cloudwatch:DescribeAlarms", &names.join(", "), e))?;
                let of_metrics = page.metric_alarms.unwrap_or_default().into_iter().map(|alarm| {
                    let since = alarm.state_transitioned_timestamp.or(alarm.state_updated_timestamp);
                    (alarm.alarm_name, alarm.state_value, since, alarm.state_reason)
                });
                let composite = page.composite_alarms.unwrap_or_default().into_iter().map(|alarm| {
                    let since = alarm.state_transitioned_timestamp.or(alarm.state_updated_timestamp);
                    (alarm.alarm_name, alarm.state_value, since, alarm.state_reason)
                });
                found.extend(of_metrics.chain(composite).map(alarm));
            }
        }
        Ok(found)
    }
}

fn alarm(
    (name, state, since, reason): (Option<String>, Option<StateValue>, Option<DateTime>, Option<String>),
) -> Alarm {
    let since = since.and_then(|since| since.to_millis().ok());
    Alarm {
        name: name.unwrap_or_default(),
        state: match state {
            Some(StateValue::Ok) => AlarmState::Ok,
            Some(StateValue::Alarm) => AlarmState::Alarm,
            // A state that this version does not know is no health.
            _ => AlarmState::InsufficientData,
        },
        since_millis: since.and_then(|since| u64::try_from(since).ok()).unwrap_or(0),
        reason: reason.unwrap_or_default(),
    }
}
