//! What one side did in each minute, from the series that were found: known, absent, or bad by being absent.

use crate::document::{Metric, Missing};

use super::ratio::Share;
use super::series::{Found, Query, Series, Wanted};
use super::times::Span;

/// A minute of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Minute {
    /// Its value, and for ratios what it is a share of.
    Known(f64, Share),
    /// There is none.
    Absent,
    /// There is none, which the document calls bad.
    Bad,
}

impl Minute {
    /// Its value.
    pub(super) fn value(self) -> Option<f64> {
        if let Self::Known(value, _) = self { Some(value) } else { None }
    }
}

/// What one side did.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Minute by minute.
    pub(super) minutes: Vec<Minute>,
    /// Its requests, where these are counted.
    pub(super) requests: Option<f64>,
    /// Whether CloudWatch could not tell some of it.
    pub(super) untold: bool,
    /// In how many minutes there were too few requests for this statistic.
    pub(super) too_few: usize,
}

/// With fewer of them a share of a minute says nothing.
const LEAST_IN_A_MINUTE: f64 = 10.0;

/// A percentile needs so many requests in a minute (the bar that CloudWatch itself has for alarms on percentiles): 10 beyond it.
fn least_requests(metric: &Metric) -> f64 {
    match metric {
        Metric::LatencyP50 => 20.0,
        Metric::LatencyP90 => 100.0,
        Metric::LatencyP99 => 1_000.0,
        _ => 1.0,
    }
}

/// What a side did in a span.
pub(super) fn measure(metric: &Metric, wanted: &Wanted, found: &Found, span: Span, period_millis: u64) -> Measured {
    let of = |queries: &[Query]| -> Vec<Series> {
        queries.iter().filter_map(|query| found.series.get(query).cloned()).collect()
    };
    let (counted, whole, requests) = (of(&wanted.of), of(&wanted.to), of(&wanted.requests));
    let mut measured = Measured {
        untold: wanted.all().any(|query| found.untold.contains(query)),
        requests: (!wanted.requests.is_empty()).then_some(0.0),
        ..Measured::default()
    };
    for at in span.periods(period_millis) {
        let sent = sum(&requests, at);
        if let (Some(all), Some(sent)) = (&mut measured.requests, sent) {
            *all += sent;
        }
        let minute = if metric.is_ratio() {
            let (of, to) = (sum(&counted, at), sum(&whole, at));
            let to = if wanted.beside { of.or(to).map(|_| of.unwrap_or(0.0) + to.unwrap_or(0.0)) } else { to };
            share(metric, of, to)
        } else {
            value(metric, greatest(&counted, at), sent, !wanted.requests.is_empty(), &mut measured.too_few)
        };
        measured.minutes.push(minute);
    }
    measured
}

fn share(metric: &Metric, of: Option<f64>, to: Option<f64>) -> Minute {
    let missing = match metric {
        Metric::Ratio(ratio) => (ratio.of.missing, ratio.to.missing),
        // Load balancers report errors only when there are some, and requests whenever there are.
        _ => (Missing::Zero, Missing::Skip),
    };
    match (of, to) {
        (_, None) if missing.1 == Missing::Bad => Minute::Bad,
        (_, None) => Minute::Absent,
        (None, Some(_)) if missing.0 == Missing::Bad => Minute::Bad,
        (None, Some(_)) if missing.0 == Missing::Skip => Minute::Absent,
        (of, Some(to)) if to > 0.0 => {
            let share = Share { of: of.unwrap_or(0.0).max(0.0), to };
            Minute::Known(share.rate() * 100.0, share)
        }
        _ => Minute::Absent,
    }
}

fn value(metric: &Metric, value: Option<f64>, sent: Option<f64>, counts: bool, too_few: &mut usize) -> Minute {
    let missing = match metric {
        Metric::CloudWatch(metric) => metric.missing,
        _ => Missing::Skip,
    };
    // Load balancers tell times in seconds.
    let scale = if metric.unit() == crate::document::Unit::Millis { 1000.0 } else { 1.0 };
    if counts && value.is_some() && sent.unwrap_or(0.0) < least_requests(metric) && metric.of_requests() {
        *too_few += 1;
        return Minute::Absent;
    }
    match (value, missing) {
        (Some(value), _) => Minute::Known(value * scale, Share::default()),
        (None, Missing::Bad) => Minute::Bad,
        // Only where it is known that there was something to report of.
        (None, Missing::Zero) if sent.is_some_and(|sent| sent > 0.0) => Minute::Known(0.0, Share::default()),
        (None, _) => Minute::Absent,
    }
}

fn at(series: &[Series], at: u64) -> impl Iterator<Item = f64> {
    series.iter().filter_map(move |series| series.get(&at).copied()).filter(|value| value.is_finite())
}

fn sum(series: &[Series], when: u64) -> Option<f64> {
    at(series, when).reduce(|one, other| one + other)
}

fn greatest(series: &[Series], when: u64) -> Option<f64> {
    at(series, when).reduce(f64::max)
}

impl Measured {
    /// The values that are known.
    pub(super) fn values(&self) -> Vec<f64> {
        self.minutes.iter().filter_map(|minute| minute.value()).collect()
    }

    /// How many minutes there is something to say of.
    pub(super) fn judged(&self) -> usize {
        self.minutes.iter().filter(|minute| **minute != Minute::Absent).count()
    }

    /// Each minute's value, for drawing.
    pub(super) fn series(&self) -> Vec<Option<f64>> {
        self.minutes.iter().map(|minute| minute.value()).collect()
    }

    /// All shares together.
    pub(super) fn share(&self) -> Share {
        let shares = self.minutes.iter().filter_map(|minute| match minute {
            Minute::Known(_, share) => Some(*share),
            _ => None,
        });
        shares.fold(Share::default(), |all, one| Share { of: all.of + one.of, to: all.to + one.to })
    }

    /// In how many minutes something was counted.
    pub(super) fn minutes_with_some(&self) -> usize {
        self.minutes.iter().filter(|minute| matches!(minute, Minute::Known(value, _) if *value > 0.0)).count()
    }

    /// Of what is known the last so many minutes.
    pub(super) fn latest(&self, minutes: usize) -> Self {
        let known = self.minutes.iter().filter(|minute| minute.value().is_some());
        let known: Vec<Minute> = known.copied().collect();
        Self { minutes: known[known.len().saturating_sub(minutes)..].to_vec(), ..self.clone() }
    }

    /// Only what is known in the same minutes of another one.
    pub(super) fn alongside(&self, other: &Self) -> Self {
        let pairs = self.minutes.iter().zip(&other.minutes);
        let both = pairs.map(|(one, other)| if other.value().is_some() { *one } else { Minute::Absent });
        Self { minutes: both.collect(), ..self.clone() }
    }

    /// Whether a minute is beyond a limit, as far as that can be said of it.
    pub(super) fn beyond(&self, beyond: impl Fn(f64) -> bool) -> Vec<bool> {
        let judged = self.minutes.iter().filter_map(|minute| match minute {
            Minute::Known(_, share) if share.to > 0.0 && share.to < LEAST_IN_A_MINUTE => None,
            Minute::Known(value, _) => Some(beyond(*value)),
            Minute::Bad => Some(true),
            Minute::Absent => None,
        });
        judged.collect()
    }
}
