//! CloudWatch alarms: what they are, and the rules that AWS has for them.
//!
//! What it owns: creating, changing and deleting alarms. Their settings are kept as they were given. When they change
//! their state is in `alarm_states`.

use std::collections::BTreeMap;

use super::alarm_states::State;
use super::metrics::MetricKey;
use super::{Refusal, Tree, World};

/// The lists of actions, by the state that runs them.
pub(super) const ACTIONS: [(State, &str); 3] =
    [(State::Ok, "OKActions"), (State::Alarm, "AlarmActions"), (State::InsufficientData, "InsufficientDataActions")];

/// What describes one metric, rather than the queries of `Metrics`.
const SINGLE: [&str; 7] = ["MetricName", "Namespace", "Dimensions", "Period", "Statistic", "ExtendedStatistic", "Unit"];

/// A metric alarm, or a composite one.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What it was given, as the API spells it, without name and tags.
    pub settings: Tree,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its state.
    pub state: State,
    /// Why it is in that state.
    pub reason: String,
    /// The same for machines, where somebody gave it.
    pub reason_data: Option<String>,
    /// When its settings were last changed.
    pub configured_at: u64,
    /// When its state was last changed or confirmed.
    pub state_at: u64,
    /// The ARN of the target tracking policy that made it and will remove it; nobody else should touch it.
    pub managed_by: Option<String>,
}

impl Alarm {
    /// The metrics that it looks at.
    pub(super) fn metrics(&self) -> Vec<MetricKey> {
        let queries = self.settings.list("Metrics").iter();
        let of_query = |query: &Tree| query.get("MetricStat.Metric").and_then(MetricKey::of);
        MetricKey::of(&self.settings).into_iter().chain(queries.filter_map(of_query)).collect()
    }

    /// Whether any of its lists names an action.
    pub(crate) fn has_action(&self, arn: &str) -> bool {
        ACTIONS.iter().any(|(_, list)| self.settings.strings(list).iter().any(|action| action == arn))
    }

    fn has_actions(&self) -> bool {
        ACTIONS.iter().any(|(_, list)| !self.settings.list(list).is_empty())
    }
}

impl World {
    /// An alarm.
    pub fn alarm(&self, name: &str) -> Option<&Alarm> {
        self.alarms.get(name)
    }

    /// Adds an alarm that looks at nothing of this account, in a state in which it stays until somebody sets another: for what is not
    /// modelled, such as an application's own metrics. A composite one looks at other alarms, and is as good as any to whoever reads it.
    pub fn add_alarm(&mut self, name: &str, composite: bool, state: State) {
        if composite {
            let rule = Tree::map([("AlarmRule", Tree::text("ALARM(\"elsewhere\")"))]);
            self.set_alarm(name, rule, BTreeMap::new(), None);
        } else {
            let elsewhere = Tree::map([
                ("Namespace", Tree::text("Elsewhere")),
                ("MetricName", Tree::text("Errors")),
                ("Statistic", Tree::text("Sum")),
                ("Period", Tree::text(60)),
                ("EvaluationPeriods", Tree::text(1)),
                ("Threshold", Tree::text(1)),
                ("ComparisonOperator", Tree::text("GreaterThanOrEqualToThreshold")),
                ("TreatMissingData", Tree::text("ignore")),
            ]);
            let _ = self.put_alarm(name, elsewhere, BTreeMap::new());
        }
        self.turn_alarm(name, state);
    }

    /// Puts an alarm into a state, as what it looks at would.
    pub fn turn_alarm(&mut self, name: &str, state: State) {
        let reason = match state {
            State::Alarm => "Threshold Crossed: 1 datapoint [7.0] was greater than or equal to the threshold (1.0).",
            State::Ok => "Threshold Crossed: 1 datapoint [0.0] was not greater than or equal to the threshold (1.0).",
            State::InsufficientData => "Insufficient Data: 1 datapoint was unknown.",
        };
        let _ = self.set_alarm_state(name, state, reason, None);
    }

    /// The names of all alarms.
    pub fn alarm_names(&self) -> Vec<String> {
        self.alarms.keys().cloned().collect()
    }

    /// Creates an alarm, or gives one its new settings, with everything that AWS checks. Its state stays; a new one has
    /// none. Tags count only when it is new.
    pub(crate) fn put_alarm(
        &mut self,
        name: &str,
        mut settings: Tree,
        tags: BTreeMap<String, String>,
    ) -> Result<(), Refusal> {
        if name.is_empty() || name.len() > 255 {
            return Err(Refusal::validation("The alarm's name must have between 1 and 255 characters"));
        }
        check(&settings)?;
        if tags.len() > 50 {
            return Err(Refusal::validation("An alarm can have at most 50 tags"));
        }
        canonical(&mut settings, &["Threshold"]);
        if settings.get("ActionsEnabled").is_none() {
            settings.set("ActionsEnabled", Tree::text(true));
        }
        for (_, list) in ACTIONS {
            if settings.get(list).is_none() {
                settings.set(list, Tree::List(Vec::new()));
            }
        }
        if settings.get("MetricName").is_some() && settings.get("Dimensions").is_none() {
            settings.set("Dimensions", Tree::List(Vec::new()));
        }
        self.set_alarm(name, settings, tags, None);
        Ok(())
    }

    /// Creates an alarm or changes one, unchecked.
    pub(super) fn set_alarm(
        &mut self,
        name: &str,
        settings: Tree,
        tags: BTreeMap<String, String>,
        managed_by: Option<String>,
    ) {
        let now = self.now;
        let arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", self.region, self.account);
        let alarm = self.alarms.entry(name.to_owned()).or_insert_with(|| Alarm {
            name: name.to_owned(),
            arn,
            settings: Tree::default(),
            tags,
            state: State::InsufficientData,
            reason: "Unchecked: Initial alarm creation".into(),
            reason_data: None,
            configured_at: now,
            state_at: now,
            managed_by,
        });
        alarm.settings = settings;
        alarm.configured_at = now;
        let metrics = alarm.metrics();
        self.measure(metrics);
    }

    /// Deletes alarms. AWS does not mind names that there are not.
    pub(crate) fn delete_alarms(&mut self, names: &[String]) {
        for name in names {
            self.alarms.remove(name);
        }
    }

    /// Takes an action out of every alarm. Answers the alarms that have none left because of it.
    pub(super) fn remove_action(&mut self, arn: &str) -> Vec<String> {
        let mut bare = Vec::new();
        for alarm in self.alarms.values_mut().filter(|alarm| alarm.has_action(arn)) {
            for (_, list) in ACTIONS {
                let kept = alarm.settings.strings(list).into_iter().filter(|action| action != arn);
                let kept = Tree::List(kept.map(Tree::Leaf).collect());
                alarm.settings.set(list, kept);
            }
            if !alarm.has_actions() {
                bare.push(alarm.name.clone());
            }
        }
        bare
    }

    /// The alarm with an ARN, to read or change its tags.
    pub(crate) fn alarm_by_arn(&mut self, arn: &str) -> Result<&mut Alarm, Refusal> {
        let unknown = || Refusal::new(404, "ResourceNotFoundException", &format!("Unknown resource {arn}"));
        self.alarms.values_mut().find(|alarm| alarm.arn == arn).ok_or_else(unknown)
    }
}

/// Numbers that two clients write differently (`60`, `60.0`), each written once and the same, wherever they occur.
pub(super) fn canonical(tree: &mut Tree, fields: &[&str]) {
    match tree {
        Tree::Map(members) => {
            for (name, member) in members {
                match member {
                    Tree::Leaf(text) if fields.contains(&name.as_str()) => {
                        if let Ok(number) = text.parse::<f64>() {
                            *text = number.to_string();
                        }
                    }
                    _ => canonical(member, fields),
                }
            }
        }
        Tree::List(items) => items.iter_mut().for_each(|item| canonical(item, fields)),
        Tree::Leaf(_) | Tree::Dict(_) => {}
    }
}

fn check(settings: &Tree) -> Result<(), Refusal> {
    let has = |field: &str| settings.get(field).is_some();
    let refuse = |message: &str| Err(Refusal::validation(message));
    for (_, list) in ACTIONS {
        if settings.list(list).len() > 5 {
            return refuse(&format!("{list} can have at most 5 actions"));
        }
    }
    // Alarms on PromQL queries have rules of their own.
    if has("EvaluationCriteria") {
        return Ok(());
    }
    if has("MetricName") == has("Metrics") {
        return refuse("Either MetricName or Metrics must be given, and not both");
    }
    if has("Metrics") {
        if let Some(field) = SINGLE.iter().find(|field| has(field)) {
            return refuse(&format!("{field} must not be given together with Metrics"));
        }
        check_queries(settings)?;
    } else {
        if let Some(field) = ["Namespace", "Period"].iter().find(|field| !has(field)) {
            return refuse(&format!("The parameter {field} is required"));
        }
        if has("Statistic") == has("ExtendedStatistic") {
            return refuse("Either Statistic or ExtendedStatistic must be given, and not both");
        }
        let period = settings.num("Period").unwrap_or(0);
        if period < 1 || (![10, 20, 30].contains(&period) && period % 60 != 0) {
            return refuse("The period must be 10, 20, 30 or a multiple of 60");
        }
        if period * settings.num("EvaluationPeriods").unwrap_or(0) > 7 * 86_400 {
            return refuse("Metrics cannot be checked across more than a week");
        }
    }
    if let Some(field) = ["ComparisonOperator", "EvaluationPeriods"].iter().find(|field| !has(field)) {
        return refuse(&format!("The parameter {field} is required"));
    }
    if has("Threshold") == has("ThresholdMetricId") {
        return refuse("Either Threshold or ThresholdMetricId must be given, and not both");
    }
    if settings.str("Threshold").is_some_and(|threshold| threshold.parse::<f64>().is_err()) {
        return refuse("The threshold must be a number");
    }
    let periods = settings.num("EvaluationPeriods").unwrap_or(0);
    if periods < 1 || settings.num("DatapointsToAlarm").is_some_and(|points| !(1..=periods).contains(&points)) {
        return refuse("EvaluationPeriods must be at least 1, and DatapointsToAlarm between 1 and that");
    }
    match settings.str("TreatMissingData").unwrap_or("missing") {
        "breaching" | "notBreaching" | "ignore" | "missing" => Ok(()),
        other => refuse(&format!("'{other}' is no way to treat missing data")),
    }
}

/// Exactly one query is the alarm's; one that gives a band for its threshold is not counted.
fn check_queries(settings: &Tree) -> Result<(), Refusal> {
    let queries = settings.list("Metrics");
    if queries.iter().any(|query| query.get("Expression").is_some() == query.get("MetricStat").is_some()) {
        return Err(Refusal::validation("A metric query must have either an Expression or a MetricStat"));
    }
    let band = settings.str("ThresholdMetricId");
    let returned = |query: &&Tree| query.str("ReturnData") != Some("false") && query.str("Id") != band;
    if queries.iter().filter(returned).count() != 1 {
        return Err(Refusal::validation("Exactly one element of the metrics list should return data."));
    }
    Ok(())
}
