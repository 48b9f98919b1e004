//! When alarms change their state, and what follows.
//!
//! What it owns: looking at each alarm once a minute, its state, and running its actions. Of actions, those that are
//! scaling policies run here; topics do not hear of alarms in this account.
//!
//! What it must never do: touch a group. Policies do.

use super::alarms::{ACTIONS, Alarm};
use super::metrics::MINUTE;
use super::{Refusal, World};

/// What an alarm thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its metric is as it should be.
    Ok,
    /// Its metric is not.
    Alarm,
    /// Nobody knows.
    InsufficientData,
}

impl State {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl std::str::FromStr for State {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        [Self::Ok, Self::Alarm, Self::InsufficientData]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Refusal::validation(&format!("'{text}' is not a state of alarms")))
    }
}

impl World {
    /// Every alarm looks at its metric. One that is in ALARM asks its policies again, every minute.
    pub(super) fn look_at_alarms(&mut self) {
        let names: Vec<String> = self.alarms.keys().cloned().collect();
        for name in names {
            let Some(alarm) = self.alarms.get(&name) else { continue };
            let Some((state, reason)) = self.judge(alarm) else { continue };
            let changes = state != alarm.state;
            if changes {
                self.enter(&name, state, reason, None);
            }
            if changes || state == State::Alarm {
                self.run_actions(&name);
            }
        }
    }

    /// Puts an alarm into a state until it next looks at its metric, as SetAlarmState does.
    pub(crate) fn set_alarm_state(
        &mut self,
        name: &str,
        state: State,
        reason: &str,
        data: Option<String>,
    ) -> Result<(), Refusal> {
        let before = self.alarms.get(name).map(|alarm| alarm.state);
        let before = before.ok_or_else(|| Refusal::new(404, "ResourceNotFound", &format!("Unknown alarm {name}")))?;
        self.enter(name, state, reason.to_owned(), data);
        if state != before {
            self.run_actions(name);
        }
        Ok(())
    }

    fn enter(&mut self, name: &str, state: State, reason: String, data: Option<String>) {
        let now = self.now;
        if let Some(alarm) = self.alarms.get_mut(name) {
            (alarm.state, alarm.reason, alarm.reason_data, alarm.state_at) = (state, reason, data, now);
        }
    }

    fn run_actions(&mut self, name: &str) {
        let Some(alarm) = self.alarms.get(name).filter(|alarm| alarm.settings.is_true("ActionsEnabled")) else {
            return;
        };
        let state = alarm.state;
        let list = ACTIONS.iter().find(|(of, _)| *of == state).map_or("", |(_, list)| list);
        for action in alarm.settings.strings(list) {
            self.trigger(&action, name);
        }
    }

    /// The state that an alarm should be in, and why; none when it stays as it is.
    fn judge(&self, alarm: &Alarm) -> Option<(State, String)> {
        let settings = &alarm.settings;
        // A composite one: what it looks at is not modelled.
        if alarm.metrics().is_empty() {
            return None;
        }
        let periods = usize::try_from(settings.num("EvaluationPeriods").unwrap_or(1)).unwrap_or(1);
        let needed = settings.num("DatapointsToAlarm").and_then(|it| usize::try_from(it).ok()).unwrap_or(periods);
        let values = self.values(alarm, periods);
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let breaching = known.iter().filter(|value| breaches(alarm, **value)).count();
        let missing = values.len() - known.len();
        let treatment = settings.str("TreatMissingData").unwrap_or("missing");
        let assumed = if treatment == "breaching" { missing } else { 0 };
        let threshold = settings.str("Threshold").unwrap_or_default();
        if known.is_empty() && treatment == "missing" {
            return Some((State::InsufficientData, "Insufficient Data: no datapoints were received".into()));
        }
        if known.is_empty() && treatment == "ignore" {
            return None;
        }
        let (state, count, verb) = match breaching + assumed >= needed {
            true => (State::Alarm, breaching + assumed, "were"),
            false => (State::Ok, values.len() - breaching - assumed, "were not"),
        };
        let latest = known.first().map_or_else(|| "none".to_owned(), f64::to_string);
        Some((
            state,
            format!(
                "Threshold Crossed: {count} out of the last {periods} datapoints (the latest: {latest}) {verb} beyond \
                 the threshold ({threshold})."
            ),
        ))
    }

    /// The last periods of the metric that an alarm compares, newest first.
    ///
    /// Of metric math only what needs none is understood: a single metric. For the rest there is no data.
    fn values(&self, alarm: &Alarm, periods: usize) -> Vec<Option<f64>> {
        let settings = &alarm.settings;
        let queries = settings.list("Metrics");
        let (key, of) = match (alarm.metrics().pop(), queries) {
            (Some(key), []) => (key, settings),
            (Some(key), [query]) => match query.get("MetricStat") {
                Some(stat) => (key, stat),
                None => return vec![None; periods],
            },
            _ => return vec![None; periods],
        };
        let minutes = usize::try_from(of.num("Period").unwrap_or(60) * 1000).unwrap_or(0) / MINUTE as usize;
        let minutes = minutes.max(1);
        let statistic = ["Statistic", "ExtendedStatistic", "Stat"].iter().find_map(|field| of.str(field));
        let values = self.metrics.last(&key, minutes * periods);
        let aggregate = |period: &[Option<f64>]| {
            let known: Vec<f64> = period.iter().flatten().copied().collect();
            (!known.is_empty()).then(|| aggregate(statistic.unwrap_or("Average"), known))
        };
        values.chunks(minutes).map(aggregate).collect()
    }

    /// The newest value of an alarm's metric.
    pub(super) fn latest_value(&self, alarm: &Alarm) -> Option<f64> {
        self.values(alarm, 1).first().copied().flatten()
    }
}

/// A period's value from its minutes' values.
fn aggregate(statistic: &str, mut values: Vec<f64>) -> f64 {
    let count = values.len() as f64;
    match statistic {
        "Sum" => values.iter().sum(),
        "SampleCount" => count,
        "Minimum" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "Maximum" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => match statistic.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok()) {
            Some(percent) => {
                values.sort_by(f64::total_cmp);
                let place = (percent / 100.0 * count).ceil() as usize;
                values[place.clamp(1, values.len()) - 1]
            }
            None => values.iter().sum::<f64>() / count,
        },
    }
}

/// Whether a value is on the wrong side of an alarm's threshold. A band for a threshold is never crossed here.
fn breaches(alarm: &Alarm, value: f64) -> bool {
    let Some(threshold) = alarm.settings.str("Threshold").and_then(|text| text.parse::<f64>().ok()) else {
        return false;
    };
    match alarm.settings.str("ComparisonOperator") {
        Some("GreaterThanThreshold") => value > threshold,
        Some("GreaterThanOrEqualToThreshold") => value >= threshold,
        Some("LessThanThreshold") => value < threshold,
        Some("LessThanOrEqualToThreshold") => value <= threshold,
        _ => false,
    }
}
