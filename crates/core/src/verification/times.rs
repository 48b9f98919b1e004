//! Which minutes are judged: those that are over and old enough, after what moved has warmed up.

use crate::document::Verification;

/// From one moment until another, in milliseconds since 1970, in whole periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from_millis: u64,
    /// Its end; not before its beginning.
    pub to_millis: u64,
}

impl Span {
    /// The periods in it, each by its beginning.
    pub fn periods(self, period_millis: u64) -> impl Iterator<Item = u64> {
        (self.from_millis..self.to_millis).step_by(usize::try_from(period_millis).unwrap_or(usize::MAX))
    }
}

/// Which minutes of either side are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long a value represents, in milliseconds.
    pub period_millis: u64,
    /// The candidate's.
    pub candidate: Span,
    /// The stable fleet's: the same ones, or, where it has no traffic any more, the last hour before that, of which the last ones
    /// with some count.
    pub stable: Span,
}

/// What the minutes that are judged follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now, in milliseconds since 1970.
    pub now_millis: u64,
    /// When traffic or sizes moved last.
    pub moved_millis: u64,
    /// When the looking begins, if not at once after that.
    pub since_millis: u64,
    /// Whether the stable fleet has no traffic any more.
    pub alone: bool,
    /// How many periods at most, the last ones.
    pub last: Option<u64>,
}

/// How far the past of a fleet that has lost its traffic is looked at, in periods.
const PAST: u64 = 60;

impl Times {
    /// Those at a moment.
    pub fn at(verification: &Verification, moment: Moment) -> Self {
        let period = u64::from(verification.period) * 1000;
        let floor = |millis: u64| millis / period * period;
        let ceil = |millis: u64| millis.div_ceil(period) * period;
        let to = floor(moment.now_millis.saturating_sub(u64::from(verification.ingestion_delay_seconds) * 1000));
        let warm = moment.moved_millis + u64::from(verification.warm_up_minutes) * 60_000;
        let mut from = ceil(warm.max(moment.since_millis)).min(to);
        if let Some(last) = moment.last {
            from = from.max(to.saturating_sub(last * period));
        }
        let candidate = Span { from_millis: from, to_millis: to };
        let stable = if moment.alone {
            let end = floor(moment.moved_millis);
            Span { from_millis: end.saturating_sub(PAST * period), to_millis: end }
        } else {
            candidate
        };
        Self { period_millis: period, candidate, stable }
    }

    /// From when until when CloudWatch has to be asked; nothing when no minute is old enough.
    pub fn asked(&self) -> Option<Span> {
        let from_millis = self.candidate.from_millis.min(self.stable.from_millis);
        let to_millis = self.candidate.to_millis.max(self.stable.to_millis);
        (self.candidate.from_millis < self.candidate.to_millis).then_some(Span { from_millis, to_millis })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(moment: Moment) -> ((u64, u64), (u64, u64)) {
        let times = Times::at(&Verification::default(), moment);
        let minutes = |span: Span| (span.from_millis / 60_000, span.to_millis / 60_000);
        (minutes(times.candidate), minutes(times.stable))
    }

    #[test]
    fn only_minutes_that_are_over_and_old_enough_are_judged_after_the_warm_up() {
        let moment = Moment { now_millis: 0, moved_millis: 600_500, since_millis: 0, alone: false, last: None };
        // Moved at 10:00.5: from minute 13 on, and each two minutes after its end.
        assert_eq!(at(Moment { now_millis: 900_000, ..moment }).0, (13, 13));
        assert_eq!(at(Moment { now_millis: 959_999, ..moment }).0, (13, 13));
        assert_eq!(at(Moment { now_millis: 960_000, ..moment }).0, (13, 14));
        let late = Moment { now_millis: 3_000_000, ..moment };
        assert_eq!(at(late), ((13, 48), (13, 48)));
        assert_eq!(at(Moment { last: Some(5), ..late }).0, (43, 48));
        assert_eq!(at(Moment { since_millis: 1_200_000, ..late }).0, (20, 48));
    }

    #[test]
    fn a_fleet_without_traffic_is_judged_by_its_last_minutes_with_some() {
        let moment =
            Moment { now_millis: 7_500_000, moved_millis: 6_600_500, since_millis: 0, alone: true, last: None };
        assert_eq!(at(moment), ((113, 123), (50, 110)));
        let none = Times::at(&Verification::default(), Moment { now_millis: 6_700_000, ..moment });
        assert_eq!(none.asked(), None);
    }
}
