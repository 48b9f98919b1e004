//! When scheduled actions run: `cron(…)`, `at(…)` and `rate(…)`.

use jiff::tz::TimeZone;

use crate::world::cron::Cron;

/// How many occurrences are looked through for one in a given year.
const TRIES: usize = 400;

/// A schedule.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    /// Once.
    At(u64),
    /// Every so many milliseconds, from its start on.
    Rate(u64),
    /// By minute, hour, day, month, day of the week and year.
    Cron(Cron, Option<Vec<i16>>),
}

impl Expression {
    /// Reads a schedule. `at` is a time in the zone.
    pub(super) fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let (kind, inner) = text.strip_suffix(')')?.split_once('(')?;
        match kind {
            "at" => {
                let time: jiff::civil::DateTime = inner.parse().ok()?;
                u64::try_from(time.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond()).ok().map(Self::At)
            }
            "rate" => {
                let (count, unit) = inner.split_once(' ')?;
                let unit = match unit.trim_end_matches('s') {
                    "minute" => 60_000,
                    "hour" => 3_600_000,
                    "day" => 86_400_000,
                    _ => return None,
                };
                count.parse::<u64>().ok().filter(|count| *count > 0).map(|count| Self::Rate(count * unit))
            }
            "cron" => Self::cron(inner),
            _ => None,
        }
    }

    fn cron(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields[..] else { return None };
        let any = |field: &str| if field == "?" { "*".to_owned() } else { field.to_owned() };
        // Sunday is 1 here, and 0 in a crontab.
        let weekday = |part: &str| match part.parse::<u8>() {
            Ok(number) => number.checked_sub(1).filter(|number| *number < 7).map(|number| number.to_string()),
            Err(_) => Some(part.to_owned()),
        };
        let shifted = |range: &str| {
            let ends: Option<Vec<String>> = range.split('-').map(weekday).collect();
            ends.map(|ends| ends.join("-"))
        };
        let weekdays: Option<Vec<String>> = any(weekdays).split(',').map(shifted).collect();
        let crontab = format!("{minutes} {hours} {} {months} {}", any(days), weekdays?.join(","));
        let years = match years {
            "*" => None,
            years => Some(years.split(',').map(|year| year.parse().ok()).collect::<Option<Vec<i16>>>()?),
        };
        Some(Self::Cron(crontab.parse().ok()?, years))
    }

    /// The first time after an instant, for a schedule that begins at `start`.
    pub(super) fn next_after(&self, millis: u64, start: u64, zone: &TimeZone) -> Option<u64> {
        match self {
            Self::At(at) => Some(*at).filter(|at| *at > millis),
            Self::Rate(every) if millis < start => Some(start.max(1)).filter(|_| *every > 0),
            Self::Rate(every) => Some(start + ((millis - start) / every + 1) * every),
            Self::Cron(cron, years) => {
                let mut at = millis.max(start.saturating_sub(1));
                for _ in 0..TRIES {
                    at = cron.next_after(at, zone)?;
                    let year = |at: u64| {
                        let at = jiff::Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
                        Some(at.to_zoned(zone.clone()).year())
                    };
                    if years.as_ref().is_none_or(|years| year(at).is_some_and(|year| years.contains(&year))) {
                        return Some(at);
                    }
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times after the first moment of 2026-03-28 in Berlin, where summer time begins the day after.
    fn next(text: &str, count: usize) -> Vec<String> {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let expression = Expression::parse(text, &zone).unwrap_or_else(|| panic!("{text}"));
        let mut at = "2026-03-27T23:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
        let start = at;
        let mut found = Vec::new();
        while let Some(next) = expression.next_after(at, start, &zone).filter(|_| found.len() < count) {
            at = next;
            found.push(crate::world::timestamp_seconds(at));
        }
        found
    }

    #[test]
    fn the_three_kinds_of_schedules() {
        assert_eq!(next("cron(0 7 ? * MON-FRI *)", 2), ["2026-03-30T05:00:00Z", "2026-03-31T05:00:00Z"]);
        assert_eq!(next("cron(0 7 ? * 2-6 *)", 1), ["2026-03-30T05:00:00Z"], "2 is Monday");
        assert_eq!(next("cron(30 22 1 1 ? 2028)", 3), ["2028-01-01T21:30:00Z"]);
        assert_eq!(next("at(2026-04-01T06:00:00)", 2), ["2026-04-01T04:00:00Z"]);
        assert_eq!(next("rate(12 hours)", 2), ["2026-03-28T11:00:00Z", "2026-03-28T23:00:00Z"]);
        let zone = TimeZone::UTC;
        for text in
            ["0 7 * * *", "cron(0 7 * * *)", "cron(0 7 ? * 0 *)", "rate(0 hours)", "at(tomorrow)", "rate(2 weeks)"]
        {
            assert!(Expression::parse(text, &zone).is_none(), "{text}");
        }
    }
}
