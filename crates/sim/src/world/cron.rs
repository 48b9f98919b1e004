//! Recurrences: five fields of a crontab, in a time zone.
//!
//! What it owns: which instants a recurrence names. What happens then is none of its business.

use std::str::FromStr;

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

/// How many days ahead an occurrence is looked for: 29 February may be eight years away.
const DAYS: u32 = 366 * 8 + 1;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A recurrence: minute, hour, day of the month, month, day of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether both kinds of days are restricted, so that either of them is enough.
    either_day: bool,
}

impl FromStr for Cron {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return Err(()) };
        // 0 and 7 are Sunday.
        let week = field(weekdays, 0, 7, &WEEKDAYS).ok_or(())?;
        Ok(Self {
            minutes: field(minutes, 0, 59, &[]).ok_or(())?,
            hours: field(hours, 0, 23, &[]).ok_or(())?,
            days: field(days, 1, 31, &[]).ok_or(())?,
            months: field(months, 1, 12, &MONTHS).ok_or(())?,
            weekdays: (week | week >> 7) & 0x7f,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }
}

/// The numbers of one field, as bits: `*`, `5`, `1-5`, `*/15`, `MON-FRI`, and lists of these.
fn field(text: &str, least: u64, greatest: u64, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|place| place as u64 + least);
        let number = named.or_else(|| text.parse().ok())?;
        (least..=greatest).contains(&number).then_some(number)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None if range == "*" => (least, greatest),
            None if part.contains('/') => (number(range)?, greatest),
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return None;
        }
        bits |= (first..=last).step_by(step).fold(0, |bits, number| bits | 1 << number);
    }
    Some(bits)
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits >> number & 1 == 1)
}

impl Cron {
    /// The first occurrence after an instant, in milliseconds since 1970, if there ever is one.
    ///
    /// A time that the clocks skip in spring happens after the gap; one that they repeat in autumn happens once.
    pub(super) fn next_after(&self, millis: u64, zone: &TimeZone) -> Option<u64> {
        let after = jiff::Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
        let mut day = after.to_zoned(zone.clone()).date();
        for _ in 0..DAYS {
            if self.falls_on(day) {
                let times = (0..24).flat_map(|hour| (0..60).map(move |minute| (hour, minute)));
                for (hour, minute) in
                    times.filter(|(hour, minute)| has(self.hours, *hour) && has(self.minutes, *minute))
                {
                    let at = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
                    if at > after {
                        return u64::try_from(at.as_millisecond()).ok();
                    }
                }
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }

    fn falls_on(&self, day: Date) -> bool {
        let by_month = has(self.days, day.day());
        let by_week = has(self.weekdays, Weekday::to_sunday_zero_offset(day.weekday()));
        has(self.months, day.month()) && if self.either_day { by_month || by_week } else { by_month && by_week }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next occurrences after an instant, in UTC.
    fn next(recurrence: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
        let cron: Cron = recurrence.parse().unwrap();
        let mut at = after.parse::<jiff::Timestamp>().unwrap().as_millisecond() as u64;
        let mut found = Vec::new();
        for _ in 0..count {
            at = cron.next_after(at, &zone).unwrap();
            found.push(super::super::timestamp_seconds(at));
        }
        found
    }

    #[test]
    fn the_clock_on_the_wall_decides() {
        let nights = next("0 22 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(nights, ["2026-03-28T21:00:00Z", "2026-03-29T20:00:00Z"], "summer time begins on the 29th");
        assert_eq!(next("0 22 * * *", "UTC", "2026-03-28T22:00:00Z", 1), ["2026-03-29T22:00:00Z"], "after, not at");
        let skipped = next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(
            skipped,
            ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"],
            "half past two does not exist on the 29th"
        );
        let repeated = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(repeated, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"], "and twice on 25 October");
    }

    #[test]
    fn fields_are_lists_ranges_steps_and_names() {
        let weekdays = next("*/30 9-10 * * MON-FRI", "UTC", "2026-01-09T10:00:00Z", 2);
        assert_eq!(weekdays, ["2026-01-09T10:30:00Z", "2026-01-12T09:00:00Z"]);
        assert_eq!(next("0 0 1 1,jul *", "UTC", "2026-01-05T00:00:00Z", 1), ["2026-07-01T00:00:00Z"]);
        assert_eq!(next("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
        assert_eq!(next("0 0 * * 7", "UTC", "2026-01-05T00:00:00Z", 1), ["2026-01-11T00:00:00Z"], "7 is Sunday");
        let either = next("0 0 13 * 5", "UTC", "2026-01-05T00:00:00Z", 2);
        assert_eq!(either, ["2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"], "a Friday, or a 13th");
    }

    #[test]
    fn what_is_no_recurrence_is_refused() {
        for text in
            ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *"]
        {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
        let never: Cron = "0 0 31 2 *".parse().unwrap();
        assert_eq!(never.next_after(0, &TimeZone::UTC), None);
    }
}
