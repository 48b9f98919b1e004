//! Windows of a freeze: hours of the week, or of every day, that come again by the clock of a time zone.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// From a moment of the week, or of the day, until another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Window {
    from: Moment,
    to: Moment,
    /// The name of the time zone, as the tz database has it.
    zone: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    /// Nothing for every day.
    day: Option<Weekday>,
    hour: i8,
    minute: i8,
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];
const MINUTES_OF_DAY: i64 = 24 * 60;

impl Moment {
    /// As a number of minutes since the week or the day began.
    fn minutes(self) -> i64 {
        let day = self.day.map_or(0, |day| i64::from(day.to_monday_zero_offset()));
        day * MINUTES_OF_DAY + i64::from(self.hour) * 60 + i64::from(self.minute)
    }

    fn read(text: &str) -> Option<Self> {
        let (day, time) = match text.trim().split_once(' ') {
            Some((day, time)) => (Some(DAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(day))?.1), time.trim()),
            None => (None, text.trim()),
        };
        let (hour, minute) = time.split_once(':').filter(|(hour, minute)| hour.len() <= 2 && minute.len() == 2)?;
        let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
        let fits = hour < 24 && minute < 60;
        fits.then_some(Self { day, hour: hour.cast_signed(), minute: minute.cast_signed() })
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(day) = self.day {
            let name = DAYS.iter().find(|(_, of)| *of == day).map_or("", |(name, _)| name);
            write!(formatter, "{name} ")?;
        }
        write!(formatter, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl Window {
    /// A window such as `Fri 18:00-Mon 06:00` or `22:00-06:00` in a time zone such as `Europe/Berlin`.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub fn new(hours: &str, zone: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{hours}` is no window: write `Fri 18:00-Mon 06:00` for once a week, or `22:00-06:00` for every day"
            )
        };
        let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
        let (from, to) = Moment::read(from).zip(Moment::read(to)).ok_or_else(wrong)?;
        if from.day.is_some() != to.day.is_some() || from == to {
            return Err(wrong());
        }
        TimeZone::get(zone)
            .map_err(|_| format!("`{zone}` is no time zone: write its name, such as `Europe/Berlin` or `UTC`"))?;
        Ok(Self { from, to, zone: zone.into() })
    }

    /// Whether it is open then. Of a zone that nobody knows any more it always is: what is safe is not to deploy.
    pub fn is_open(&self, now_millis: u64) -> bool {
        self.local(now_millis).is_none_or(|local| self.left(&local).is_some())
    }

    /// When it closes, in milliseconds since 1970, if it is open then.
    pub fn closes(&self, now_millis: u64) -> Option<u64> {
        let local = self.local(now_millis)?;
        let days = (self.left(&local)? + minute_of_day(&local)).div_euclid(MINUTES_OF_DAY);
        let date = local.date().checked_add(Span::new().days(days)).ok()?;
        let end = date.at(self.to.hour, self.to.minute, 0, 0).to_zoned(local.time_zone().clone()).ok()?;
        u64::try_from(end.timestamp().as_millisecond()).ok()
    }

    /// When it opens next, in milliseconds since 1970; now, if it is open.
    pub fn opens(&self, now_millis: u64) -> Option<u64> {
        let local = self.local(now_millis)?;
        if self.left(&local).is_some() {
            return Some(now_millis);
        }
        let (day, period) = match self.from.day {
            Some(_) => (i64::from(local.weekday().to_monday_zero_offset()), 7 * MINUTES_OF_DAY),
            None => (0, MINUTES_OF_DAY),
        };
        let until = (self.from.minutes() - day * MINUTES_OF_DAY - minute_of_day(&local)).rem_euclid(period);
        let days = (until + minute_of_day(&local)).div_euclid(MINUTES_OF_DAY);
        let date = local.date().checked_add(Span::new().days(days)).ok()?;
        let start = date.at(self.from.hour, self.from.minute, 0, 0).to_zoned(local.time_zone().clone()).ok()?;
        u64::try_from(start.timestamp().as_millisecond()).ok()
    }

    fn local(&self, now_millis: u64) -> Option<Zoned> {
        let now = Timestamp::from_millisecond(i64::try_from(now_millis).ok()?).ok()?;
        Some(now.to_zoned(TimeZone::get(&self.zone).ok()?))
    }

    /// How many minutes of the clock are left of it; nothing while it is closed.
    fn left(&self, local: &Zoned) -> Option<i64> {
        let (day, period) = match self.from.day {
            Some(_) => (i64::from(local.weekday().to_monday_zero_offset()), 7 * MINUTES_OF_DAY),
            None => (0, MINUTES_OF_DAY),
        };
        let now = day * MINUTES_OF_DAY + minute_of_day(local);
        let lasts = (self.to.minutes() - self.from.minutes()).rem_euclid(period);
        let since = (now - self.from.minutes()).rem_euclid(period);
        (since < lasts).then_some(lasts - since)
    }
}

fn minute_of_day(local: &Zoned) -> i64 {
    i64::from(local.hour()) * 60 + i64::from(local.minute())
}

/// `Fri 18:00-Mon 06:00 Europe/Berlin`.
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.hours(), self.zone)
    }
}

impl Window {
    /// `Fri 18:00-Mon 06:00`.
    pub fn hours(&self) -> String {
        format!("{}-{}", self.from, self.to)
    }

    /// The name of its time zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (hours, zone) = text.rsplit_once(' ').unwrap_or((text, ""));
        Self::new(hours, zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(time: &str) -> u64 {
        u64::try_from(time.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    #[test]
    fn a_window_comes_again_by_the_clock_of_its_zone() {
        let weekend = Window::new("Fri 18:00-Mon 06:00", "Europe/Berlin").unwrap();
        for (time, closes) in [
            ("2026-11-27T16:59:59Z", None),
            ("2026-11-27T17:00:00Z", Some("2026-11-30T05:00:00Z")),
            ("2026-11-29T12:00:00Z", Some("2026-11-30T05:00:00Z")),
            ("2026-11-30T05:00:00Z", None),
            // Summer: an hour earlier in UTC; and over the night in which the clock goes back.
            ("2026-07-03T15:59:00Z", None),
            ("2026-07-03T16:00:00Z", Some("2026-07-06T04:00:00Z")),
            ("2026-10-23T20:00:00Z", Some("2026-10-26T05:00:00Z")),
        ] {
            assert_eq!(weekend.is_open(millis(time)), closes.is_some(), "{time}");
            assert_eq!(weekend.closes(millis(time)), closes.map(millis), "{time}");
        }
        let nights = Window::new("22:00-6:30", "UTC").unwrap();
        for (time, closes) in [
            ("2026-11-27T21:59:00Z", None),
            ("2026-11-27T22:00:00Z", Some("2026-11-28T06:30:00Z")),
            ("2026-11-28T06:29:00Z", Some("2026-11-28T06:30:00Z")),
            ("2026-11-28T06:30:00Z", None),
        ] {
            assert_eq!(nights.closes(millis(time)), closes.map(millis), "{time}");
        }
        for (window, time, opens) in [
            (&nights, "2026-11-27T21:59:30Z", "2026-11-27T22:00:00Z"),
            (&nights, "2026-11-28T06:30:00Z", "2026-11-28T22:00:00Z"),
            (&nights, "2026-11-28T01:00:00Z", "2026-11-28T01:00:00Z"),
            (&weekend, "2026-11-30T05:00:00Z", "2026-12-04T17:00:00Z"),
            (&weekend, "2026-11-27T16:00:00Z", "2026-11-27T17:00:00Z"),
        ] {
            assert_eq!(window.opens(millis(time)), Some(millis(opens)), "{time}");
        }
    }

    #[test]
    fn a_window_is_read_as_it_is_written_or_refused_with_its_form() {
        let window = Window::new("fri 9:05 - sun 10:00", "America/New_York").unwrap();
        assert_eq!(window.to_string(), "Fri 09:05-Sun 10:00 America/New_York");
        assert_eq!(window.to_string().parse(), Ok(window));
        for wrong in
            ["", "Fri", "Fri 18:00", "Fri 18:00-06:00", "25:00-06:00", "Fre 18:00-Mon 06:00", "9:00-9:00", "9-17"]
        {
            assert!(Window::new(wrong, "UTC").is_err_and(|why| why.contains("Fri 18:00-Mon 06:00")), "{wrong}");
        }
        assert!(Window::new("9:00-17:00", "Europe/Atlantis").is_err_and(|why| why.contains("Europe/Berlin")));
    }
}
