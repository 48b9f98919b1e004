//! The alarms behind step and simple policies.
//!
//! Those behind target tracking are AWS's own and never touched (P25).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricAlarm, Tag};
use aws_types::SdkConfig;
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_INFRASTRUCTURE, TAG_REVISION, series_of};
use crossfade_core::observed::Fleet;
use crossfade_core::{Kind, Result, text, unless_refused};
use serde_json::{Value, json};

use super::names::Names;
use crate::clients::Lazy;
use crate::refusal::refusal;

/// The most alarms that one call names (CloudWatch API reference).
const AT_ONCE: usize = 100;
/// The most tags that an alarm may have (CloudWatch API reference).
const TAGS: usize = 50;
/// The longest name that an alarm may have (CloudWatch API reference).
const NAME: usize = 255;

/// The tags by which an alarm is ours.
const OURS: [&str; 3] = [TAG_INFRASTRUCTURE, TAG_REVISION, TAG_DEPLOYMENT];

/// Whether a tag is neither AWS's nor ours.
fn is_foreign(tag: &Tag) -> bool {
    tag.key.as_deref().is_some_and(|key| !key.starts_with("aws:") && !OURS.contains(&key))
}

/// Which policies were made of which, by their ARNs.
pub(crate) type Made = BTreeMap<String, String>;

/// Whose an alarm is, as tags.
#[derive(Clone, Debug)]
pub(crate) struct Owner(Vec<(&'static str, String)>);

impl Owner {
    /// As the tags of a fleet have it.
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let revision = fleet.revision.map(|revision| revision.to_string());
        let tags = [
            (TAG_INFRASTRUCTURE, fleet.infrastructure.clone()),
            (TAG_REVISION, revision),
            (TAG_DEPLOYMENT, fleet.deployment.clone()),
        ];
        Self(tags.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect())
    }
}

/// The alarms of the account, and the load balancers whose names stand in them.
#[derive(Clone, Debug)]
pub(crate) struct Alarms {
    cloudwatch: Lazy<Client>,
    balancing: Lazy<aws_sdk_elasticloadbalancingv2::Client>,
}

impl Alarms {
    /// Those that this configuration reaches.
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { cloudwatch: Lazy::new(config), balancing: Lazy::new(config) }
    }

    /// For whoever reads names.
    pub(crate) fn balancing(&self) -> &aws_sdk_elasticloadbalancingv2::Client {
        &self.balancing
    }

    /// Gives the fleet's policies the alarms of these names, which the base's have.
    pub(crate) async fn carry(
        &self,
        wanted: &BTreeSet<String>,
        made: &Made,
        names: &Names<'_>,
        owner: &Owner,
        lines: &mut Vec<String>,
    ) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let theirs = self.alarms(wanted.iter().cloned().collect()).await?;
        let found = |name: &&String| theirs.iter().any(|alarm| alarm.alarm_name.as_ref() == Some(*name));
        for name in wanted.iter().filter(|name| !found(name)) {
            lines.push(format!("Left alarm {name} out: CloudWatch shows no metric alarm of that name"));
        }
        self.give(&theirs, made, names, owner, lines).await
    }

    /// Why copies of these alarms have no room for our tags beside their own, each in a sentence or two. What nobody lets us see is not
    /// known.
    pub(crate) async fn crowded(&self, names: BTreeSet<String>, whose: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        if names.is_empty() {
            return Ok(found);
        }
        for alarm in self.alarms(names.into_iter().collect()).await? {
            let tags = match self.tags_of(&alarm).await {
                Err(failure) if failure.kind == Kind::AccessDenied => continue,
                tags => tags?,
            };
            let (there, most) = (tags.iter().filter(|tag| is_foreign(tag)).count(), TAGS - OURS.len());
            if there > most {
                found.push(format!(
                    "The alarm {} of a policy of {} has {there} tags. A copy has {} of crossfade's beside them, and an alarm may have \
                     {TAGS}. Take {} off the alarm.",
                    alarm.alarm_name.as_deref().unwrap_or_default(),
                    whose,
                    OURS.len(),
                    there - most
                ));
            }
        }
        Ok(found)
    }

    /// What the alarms of these names are set to, for whoever compares fleets: each fleet with its alarms, which are called as the base
    /// calls them.
    pub(crate) async fn told<'f>(&self, of: &[(&'f str, BTreeSet<String>)]) -> Result<Vec<(&'f str, Vec<Value>)>> {
        let names: BTreeSet<String> = of.iter().flat_map(|(_, names)| names.iter().cloned()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let alarms = self.alarms(names.into_iter().collect()).await?;
        let is = |alarm: &&MetricAlarm, names: &BTreeSet<String>| {
            alarm.alarm_name.as_ref().is_some_and(|name| names.contains(name))
        };
        let theirs = |(fleet, names): &(&'f str, BTreeSet<String>)| {
            let alarms = alarms.iter().filter(|alarm| is(alarm, names));
            (*fleet, alarms.map(|alarm| settings(alarm, fleet)).collect())
        };
        Ok(of.iter().map(theirs).collect())
    }

    /// Gives the fleet's policies these alarms, under names of its own.
    pub(crate) async fn give(
        &self,
        alarms: &[MetricAlarm],
        made: &Made,
        names: &Names<'_>,
        owner: &Owner,
        lines: &mut Vec<String>,
    ) -> Result<()> {
        let of =
            |alarm: &MetricAlarm| own_name((names.base, names.fleet), alarm.alarm_name.as_deref().unwrap_or_default());
        let own = self.alarms(alarms.iter().map(of).collect()).await?;
        for alarm in alarms {
            let name = alarm.alarm_name.as_deref().unwrap_or_default();
            if let Some(reason) = too_long((names.base, names.fleet), name) {
                lines.push(format!("Left alarm {name} out: {reason}"));
                continue;
            }
            let own_name = of(alarm);
            let own = own.iter().find(|alarm| alarm.alarm_name.as_ref() == Some(&own_name));
            let mut fitting = own.unwrap_or(alarm).clone();
            let doubt = fit(&mut fitting, names);
            match own {
                Some(own) if *own == fitting => {}
                Some(_) => {
                    self.put_alarm(fitting, vec![]).await?;
                    lines.push(format!("Adapted alarm {own_name}{doubt}"));
                }
                None => {
                    let (tags, too_many) = self.tags(alarm, owner).await?;
                    fitting.alarm_name = Some(own_name.clone());
                    aim(&mut fitting, made);
                    if let Some(refused) = unless_refused(self.put_alarm(fitting, tags).await)? {
                        lines.push(format!("Left alarm {name} out: {refused}"));
                        continue;
                    }
                    lines.push(format!("Carried alarm {name} as {own_name}{doubt}"));
                    if !too_many.is_empty() {
                        let left = text::some(&too_many, ", ", text::COMMENT);
                        lines.push(format!("Left tags of alarm {name} out, since one may have {TAGS}: {left}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Lets the alarms of a fleet's own policies follow it to another target group.
    pub(crate) async fn adapt(
        &self,
        wanted: BTreeSet<String>,
        names: &Names<'_>,
        lines: &mut Vec<String>,
    ) -> Result<()> {
        for alarm in self.alarms(wanted.into_iter().collect()).await? {
            let mut fitting = alarm.clone();
            let doubt = fit(&mut fitting, names);
            if fitting == alarm {
                continue;
            }
            let ours = self.tags_of(&alarm).await?.iter().any(|tag| tag.key.as_deref() == Some(TAG_INFRASTRUCTURE));
            let name = alarm.alarm_name.unwrap_or_default();
            if ours && name.starts_with(&prefix(names.fleet)) {
                self.put_alarm(fitting, vec![]).await?;
                lines.push(format!("Adapted alarm {name}{doubt}"));
            } else {
                lines.push(format!(
                    "Left alarm {name} as it is: somebody else made it. It looks at another target group"
                ));
            }
        }
        Ok(())
    }

    /// Deletes the alarms that were made for a fleet. Deleting the fleet would leave those that also notify somebody (P72).
    pub(crate) async fn unload(&self, fleet: &Fleet) -> Result<()> {
        if fleet.infrastructure.is_none() {
            return Ok(());
        }
        let prefix = prefix(&fleet.name);
        let mut pages = self.cloudwatch.describe_alarms().alarm_name_prefix(&prefix).into_paginator().send();
        let mut ours = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| refusal("cloudwatch:DescribeAlarms", &prefix, e))?;
            for alarm in page.metric_alarms.unwrap_or_default() {
                let tags = self.tags_of(&alarm).await?;
                let tag = |key: &str| tags.iter().find(|tag| tag.key.as_deref() == Some(key)).map(|tag| &tag.value);
                let is = |key: &str, value: &Option<String>| tag(key).cloned().flatten() == *value;
                if is(TAG_INFRASTRUCTURE, &fleet.infrastructure) && is(TAG_DEPLOYMENT, &fleet.deployment) {
                    ours.extend(alarm.alarm_name);
                }
            }
        }
        for names in ours.chunks(AT_ONCE) {
            let Err(error) = self.cloudwatch.delete_alarms().set_alarm_names(Some(names.to_vec())).send().await else {
                continue;
            };
            // Those that are there are deleted nonetheless (CloudWatch API reference). A role that allows it by a tag does not
            // allow it on what is gone.
            let not_found = error.as_service_error().is_some_and(|error| error.is_resource_not_found());
            if !not_found && !self.alarms(names.to_vec()).await?.is_empty() {
                return Err(refusal("cloudwatch:DeleteAlarms", &names.join(", "), error));
            }
        }
        Ok(())
    }

    /// The metric alarms of these names that there are.
    async fn alarms(&self, names: Vec<String>) -> Result<Vec<MetricAlarm>> {
        let mut alarms = Vec::new();
        for names in names.chunks(AT_ONCE) {
            let call = self.cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec()));
            let mut pages = call.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|e| refusal("cloudwatch:DescribeAlarms", &names.join(", "), e))?;
                alarms.extend(page.metric_alarms.unwrap_or_default());
            }
        }
        Ok(alarms)
    }

    async fn tags_of(&self, alarm: &MetricAlarm) -> Result<Vec<Tag>> {
        // One that only the document knows has none.
        let Some(arn) = alarm.alarm_arn.as_deref() else { return Ok(Vec::new()) };
        let answer = self.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await;
        match answer {
            // Deleted since it was seen.
            Err(e) if e.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(Vec::new()),
            answer => {
                let answer = answer.map_err(|e| refusal("cloudwatch:ListTagsForResource", arn, e))?;
                Ok(answer.tags.unwrap_or_default())
            }
        }
    }

    /// The tags of an alarm without AWS's own and without ours, then those that say whose fleet it scales; and the keys of those
    /// that there is no room for.
    async fn tags(&self, alarm: &MetricAlarm, owner: &Owner) -> Result<(Vec<Tag>, Vec<String>)> {
        let mut tags = self.tags_of(alarm).await?;
        tags.retain(is_foreign);
        let room = tags.len().min(TAGS - OURS.len());
        let too_many = tags.split_off(room).into_iter().filter_map(|tag| tag.key).collect();
        tags.extend(owner.0.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build()));
        Ok((tags, too_many))
    }

    /// Makes or changes an alarm, with everything that there is to say about one.
    async fn put_alarm(&self, alarm: MetricAlarm, tags: Vec<Tag>) -> Result<()> {
        let on = alarm.alarm_name.clone().unwrap_or_default();
        let call = self
            .cloudwatch
            .put_metric_alarm()
            .set_alarm_name(alarm.alarm_name)
            .set_alarm_description(alarm.alarm_description)
            .set_actions_enabled(alarm.actions_enabled)
            .set_ok_actions(some(alarm.ok_actions))
            .set_alarm_actions(some(alarm.alarm_actions))
            .set_insufficient_data_actions(some(alarm.insufficient_data_actions))
            .set_metric_name(alarm.metric_name)
            .set_namespace(alarm.namespace)
            .set_statistic(alarm.statistic)
            .set_extended_statistic(alarm.extended_statistic)
            .set_dimensions(some(alarm.dimensions))
            .set_period(alarm.period)
            .set_unit(alarm.unit)
            .set_evaluation_periods(alarm.evaluation_periods)
            .set_datapoints_to_alarm(alarm.datapoints_to_alarm)
            .set_threshold(alarm.threshold)
            .set_comparison_operator(alarm.comparison_operator)
            .set_treat_missing_data(alarm.treat_missing_data)
            .set_evaluate_low_sample_count_percentile(alarm.evaluate_low_sample_count_percentile)
            .set_metrics(some(alarm.metrics))
            .set_threshold_metric_id(alarm.threshold_metric_id)
            .set_evaluation_window(alarm.evaluation_window)
            .set_warm_up_configuration(alarm.warm_up_configuration)
            .set_evaluation_criteria(alarm.evaluation_criteria)
            .set_evaluation_interval(alarm.evaluation_interval)
            .set_action_configuration(alarm.action_configuration)
            .set_tags(some(Some(tags)));
        call.send().await.map_err(|e| refusal("cloudwatch:PutMetricAlarm", &on, e))?;
        Ok(())
    }
}

/// Which alarms of these names a fleet will not get that another one has, each in a sentence.
pub(crate) fn left_out<'a>(names: impl Iterator<Item = &'a String>, from: &str, fleet: &str) -> Vec<String> {
    let too_long = names.filter_map(|name| too_long((from, fleet), name).map(|reason| (name, reason)));
    too_long.map(|(name, reason)| format!("Alarm {name} will be left out: {reason}")).collect()
}

/// Why a fleet cannot have an alarm of another one, when its own would be called too long.
fn too_long(fleets: (&str, &str), name: &str) -> Option<String> {
    let own_name = own_name(fleets, name);
    let long = own_name.chars().count() > NAME;
    long.then(|| format!("{own_name} is longer than the {NAME} characters of a name"))
}

/// What an alarm of a fleet is called which is a copy of another fleet's. Of an earlier revision's the name of that goes: otherwise the
/// names would grow with each deployment.
fn own_name((from, fleet): (&str, &str), name: &str) -> String {
    let series = series_of(fleet);
    let earlier = series_of(from) == series && from != series;
    let bare = name.strip_prefix(&prefix(from)).filter(|_| earlier).unwrap_or(name);
    format!("{}{bare}", prefix(fleet))
}

/// How the names of a fleet's alarms begin.
fn prefix(fleet: &str) -> String {
    format!("{fleet}-")
}

/// What an alarm of a fleet is set to.
fn settings(alarm: &MetricAlarm, fleet: &str) -> Value {
    let name = alarm.alarm_name.as_deref().unwrap_or_default();
    let dimensions = alarm.dimensions.iter().flatten();
    let dimensions = dimensions.map(|it| json!({ "name": it.name, "value": it.value })).collect::<Vec<_>>();
    json!({
        "alarmName": name.strip_prefix(&prefix(fleet)).filter(|_| series_of(fleet) != fleet).unwrap_or(name),
        "metricName": alarm.metric_name,
        "namespace": alarm.namespace,
        "statistic": alarm.statistic.as_ref().map(|it| it.as_str()),
        "extendedStatistic": alarm.extended_statistic,
        "dimensions": dimensions,
        "periodSeconds": alarm.period,
        "evaluationPeriods": alarm.evaluation_periods,
        "datapointsToAlarm": alarm.datapoints_to_alarm,
        "threshold": alarm.threshold.map(|threshold| threshold.to_string()),
        "comparisonOperator": alarm.comparison_operator.as_ref().map(|it| it.as_str()),
        "treatMissingData": alarm.treat_missing_data,
        "actionsEnabled": alarm.actions_enabled,
    })
}

/// Makes an alarm watch the fleet, and answers what is doubtful about it.
fn fit(alarm: &mut MetricAlarm, names: &Names<'_>) -> &'static str {
    dimensions(&mut alarm.dimensions, names);
    for query in alarm.metrics.iter_mut().flatten() {
        if let Some(metric) = query.metric_stat.as_mut().and_then(|stat| stat.metric.as_mut()) {
            dimensions(&mut metric.dimensions, names);
        }
    }
    names.doubt(alarm.metrics.iter().flatten().map(|query| query.expression.clone()))
}

/// Makes an alarm trigger the fleet's policies instead of the base's. Policies of others would be triggered twice, and go.
fn aim(alarm: &mut MetricAlarm, made: &Made) {
    for actions in [&mut alarm.ok_actions, &mut alarm.alarm_actions, &mut alarm.insufficient_data_actions] {
        let aimed = actions.take().unwrap_or_default().into_iter().filter_map(|action| match made.get(&action) {
            Some(own) => Some(own.clone()),
            None if action.contains(":scalingPolicy:") => None,
            None => Some(action),
        });
        *actions = Some(aimed.collect());
    }
}

fn dimensions(dimensions: &mut Option<Vec<Dimension>>, names: &Names<'_>) {
    let each = dimensions.iter_mut().flatten();
    names.dimensions(each.map(|Dimension { name, value, .. }| (&*name, value)));
}

/// A list, unless it is empty.
fn some<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|list| !list.is_empty())
}
