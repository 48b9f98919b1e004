//! What the account says of how well it is: alarms of CloudWatch, for metrics and composite, and metrics themselves. It only reads.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StateValue, StatusCode,
};
use aws_types::SdkConfig;
use crossfade_core::Result;
use crossfade_core::verification::{Alarm, AlarmState, Found, Query, Span};

use crate::clients::Lazy;
use crate::refusal::refusal;

/// The most alarms that one call names (CloudWatch API reference).
const AT_ONCE: usize = 100;

/// The most metrics that one call asks for (CloudWatch API reference).
const QUERIES: usize = 500;

/// The alarms and metrics of the account.
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

    /// The values of metrics in a span, by periods of so many seconds. What CloudWatch could tell only in part counts as untold.
    pub async fn metrics(&self, queries: &BTreeSet<Query>, span: Span, period_seconds: u32) -> Result<Found> {
        let mut found = Found::default();
        let instant = |millis: u64| DateTime::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
        let queries: Vec<&Query> = queries.iter().collect();
        for queries in queries.chunks(QUERIES) {
            let asked = queries.iter().enumerate().map(|(i, query)| asked(i, query, period_seconds));
            let call = self.client.get_metric_data().set_metric_data_queries(Some(asked.collect()));
            let call = call.start_time(instant(span.from_millis)).end_time(instant(span.to_millis));
            let mut pages = call.scan_by(ScanBy::TimestampAscending).into_paginator().send();
            // How each of them ended: there may be more of one on the next page.
            let mut told = vec![false; queries.len()];
            while let Some(page) = pages.next().await {
                let page = page.map_err(|e| refusal("cloudwatch:GetMetricData", "the metrics of the checks", e))?;
                for result in page.metric_data_results.unwrap_or_default() {
                    let place = result.id.as_deref().and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok());
                    let Some((place, query)) = place.and_then(|place| Some((place, queries.get(place)?))) else {
                        continue;
                    };
                    told[place] = result.status_code == Some(StatusCode::Complete);
                    let series = found.series.entry((*query).clone()).or_default();
                    let times = result.timestamps.unwrap_or_default().into_iter();
                    for (time, value) in times.zip(result.values.unwrap_or_default()) {
                        let millis = time.to_millis().ok().and_then(|millis| u64::try_from(millis).ok());
                        series.extend(millis.map(|millis| (millis, value)));
                    }
                }
            }
            found.untold.extend(queries.iter().zip(told).filter(|(_, told)| !told).map(|(query, _)| (*query).clone()));
        }
        Ok(found)
    }
}

fn asked(place: usize, query: &Query, period_seconds: u32) -> MetricDataQuery {
    let dimensions = query.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = Metric::builder().namespace(&query.namespace).metric_name(&query.name);
    let stat = MetricStat::builder()
        .metric(metric.set_dimensions(Some(dimensions.collect())).build())
        .period(i32::try_from(period_seconds).unwrap_or(60))
        .stat(&query.stat);
    MetricDataQuery::builder().id(format!("q{place}")).metric_stat(stat.build()).build()
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
