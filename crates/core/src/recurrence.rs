//! When a schedule is due next, as ECS and Spot write schedules.
//!
//! It is for people who look at a plan. What it cannot read is not known, and nothing depends on it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// How many days ahead is looked: nobody looks at a plan for what happens later.
const DAYS: usize = 8;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The first time after `from_millis`, in milliseconds since 1970, within some days: of `at(2026-01-05T09:00:00)`, of
/// `rate(5 minutes)` counted from then, of `cron(0 9 ? * MON-FRI *)` as AWS writes it (Sunday is 1), or of `crontab(0 9 * * 1-5)` as
/// everybody else does (Sunday is 0); by the clock of a zone, UTC where none is given.
pub fn next(schedule: &str, zone: &str, from_millis: u64) -> Option<u64> {
    let zone = TimeZone::get(if zone.is_empty() { "UTC" } else { zone }).ok()?;
    let from = Timestamp::from_millisecond(i64::try_from(from_millis).ok()?).ok()?;
    let (kind, inner) = schedule.strip_suffix(')')?.split_once('(')?;
    let at = match kind {
        "at" => inner.parse::<DateTime>().ok()?.to_zoned(zone).ok()?.timestamp(),
        "rate" => {
            let (count, unit) = inner.split_once(' ')?;
            let minutes = match unit.trim_end_matches('s') {
                "minute" => 1,
                "hour" => 60,
                "day" => 24 * 60,
                _ => return None,
            };
            from.checked_add(Span::new().minutes(count.parse::<i64>().ok()?.checked_mul(minutes)?)).ok()?
        }
        "cron" => Fields::read(inner, 1)?.after(from, &zone)?,
        "crontab" => Fields::read(inner, 0)?.after(from, &zone)?,
        _ => return None,
    };
    (at > from).then_some(at)?;
    u64::try_from(at.as_millisecond()).ok()
}

/// The fields of a cron expression, as bits.
struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either kind of days is enough: both are restricted.
    either: bool,
}

impl Fields {
    fn read(text: &str, sunday: u64) -> Option<Self> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (minutes, hours, days, months, weekdays) = match fields.as_slice() {
            [minutes, hours, days, months, weekdays] => (minutes, hours, days, months, weekdays),
            // Of a year there is little to know.
            [minutes, hours, days, months, weekdays, "*"] => (minutes, hours, days, months, weekdays),
            _ => return None,
        };
        let week = field(weekdays, sunday, sunday + 7, &WEEKDAYS)? >> sunday;
        let any = |field: &str| field == "*" || field == "?";
        Some(Self {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            // Seven is Sunday, too.
            weekdays: week | week >> 7,
            either: !any(days) && !any(weekdays),
        })
    }

    fn after(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut day = from.to_zoned(zone.clone()).date();
        for _ in 0..DAYS {
            if self.falls_on(day) {
                let times = (0..24i8).flat_map(|hour| (0..60i8).map(move |minute| (hour, minute)));
                for (hour, minute) in
                    times.filter(|(hour, minute)| has(self.hours, *hour) && has(self.minutes, *minute))
                {
                    let at = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
                    if at > from {
                        return Some(at);
                    }
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn falls_on(&self, day: Date) -> bool {
        let (by_month, by_week) =
            (has(self.days, day.day()), has(self.weekdays, day.weekday().to_sunday_zero_offset()));
        has(self.months, day.month()) && if self.either { by_month || by_week } else { by_month && by_week }
    }
}

/// `*`, `?`, `5`, `1-5`, `*/15`, `MON-FRI`, and lists of these. What else AWS knows (`L`, `W`, `#`) nobody reads here.
fn field(text: &str, least: u64, most: u64, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|at| at as u64 + least);
        named.or_else(|| text.parse().ok()).filter(|number| (least..=most).contains(number))
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((first, last)) => (number(first)?, number(last)?),
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        bits |= (first..=last).step_by(step).fold(0, |bits, number| bits | 1 << number);
    }
    Some(bits)
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits >> number & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schedule: &str, zone: &str, from: &str) -> String {
        let from = from.parse::<Timestamp>().expect("a time").as_millisecond();
        let next = next(schedule, zone, from.cast_unsigned());
        next.map_or_else(String::new, |it| Timestamp::from_millisecond(it.cast_signed()).expect("a time").to_string())
    }

    #[test]
    fn schedules_are_due_by_the_clock_of_their_zone() {
        // A Monday.
        let monday = "2026-01-05T08:30:00Z";
        for (schedule, zone, due) in [
            ("cron(0 9 ? * MON-FRI *)", "", "2026-01-05T09:00:00Z"),
            ("cron(0 9 ? * MON-FRI *)", "Europe/Berlin", "2026-01-06T08:00:00Z"),
            ("cron(0/15 * * * ? *)", "UTC", "2026-01-05T08:45:00Z"),
            ("cron(0 0 ? * 1 *)", "UTC", "2026-01-11T00:00:00Z"),
            ("crontab(0 0 * * 0)", "UTC", "2026-01-11T00:00:00Z"),
            ("crontab(0 0 * * 7)", "UTC", "2026-01-11T00:00:00Z"),
            ("crontab(30 8 * * *)", "UTC", "2026-01-06T08:30:00Z"),
            ("at(2026-01-05T10:00:00)", "Europe/Berlin", "2026-01-05T09:00:00Z"),
            ("at(2026-01-05T09:00:00)", "Europe/Berlin", ""),
            ("rate(5 minutes)", "", "2026-01-05T08:35:00Z"),
            ("cron(0 9 L * ? *)", "", ""),
            ("cron(0 9 1 12 ? *)", "", ""),
            ("every monday", "", ""),
        ] {
            assert_eq!(told(schedule, zone, monday), due, "{schedule} {zone}");
        }
    }
}
