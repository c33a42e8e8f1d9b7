//! Reading a rule from its text.

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;

use super::{Day, Frequency, Recurrence};

/// The fault of a rule. The message names the part and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    #[error("`{part}` is no part of a rule: give `FREQ=…` and, with semicolons between, BYDAY, BYMONTHDAY, BYHOUR or UNTIL",
        part = .0.escape_debug())]
    Part(String),
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error("FREQ is missing: give `FREQ=DAILY`, `FREQ=WEEKLY` or `FREQ=MONTHLY`")]
    NoFrequency,
    #[error("{name}={value}: {allowed}", value = .value.escape_debug())]
    Value { name: &'static str, value: String, allowed: &'static str },
    #[error("BYMONTHDAY does not go with FREQ=WEEKLY: take FREQ=DAILY or FREQ=MONTHLY")]
    MonthDayOfWeek,
    #[error("BYDAY with a number goes with FREQ=MONTHLY only")]
    NumberedDay,
}

const FREQUENCIES: &str = "DAILY, WEEKLY or MONTHLY";
const WEEKDAYS: &str =
    "MO, TU, WE, TH, FR, SA and SU, with commas between; with FREQ=MONTHLY also such as 1MO and -1FR";
const MONTH_DAYS: &str = "days from 1 to 31 or from -31 to -1, with commas between";
const HOURS: &str = "hours from 0 to 23, with commas between";
const TIMES: &str = "a time in UTC such as 20261231T235959Z";

impl TryFrom<String> for Recurrence {
    type Error = RecurrenceError;

    fn try_from(text: String) -> Result<Self, RecurrenceError> {
        let mut found: [(&'static str, Option<&str>); 5] =
            ["FREQ", "BYDAY", "BYMONTHDAY", "BYHOUR", "UNTIL"].map(|name| (name, None));
        for part in text.split(';') {
            let unknown = || RecurrenceError::Part(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(unknown)?;
            let (name, place) = found.iter_mut().find(|(known, _)| *known == name).ok_or_else(unknown)?;
            if place.replace(value).is_some() {
                return Err(RecurrenceError::Twice(name));
            }
        }
        let [frequency, weekdays, month_days, hours, until] = found.map(|(_, value)| value);
        let frequency = match frequency.ok_or(RecurrenceError::NoFrequency)? {
            "DAILY" => Frequency::Daily,
            "WEEKLY" => Frequency::Weekly,
            "MONTHLY" => Frequency::Monthly,
            other => return Err(wrong("FREQ", other, FREQUENCIES)),
        };
        let rule = Self {
            frequency,
            weekdays: list("BYDAY", weekdays, WEEKDAYS, day)?,
            month_days: list("BYMONTHDAY", month_days, MONTH_DAYS, |text| {
                number(text).filter(|day| (1..=31).contains(&day.abs()))
            })?,
            hours: list("BYHOUR", hours, HOURS, |text| number(text).filter(|hour| (0..24).contains(hour)))?,
            until: until.map(|text| time(text).ok_or_else(|| wrong("UNTIL", text, TIMES))).transpose()?,
            text: text.clone(),
        };
        if frequency == Frequency::Weekly && !rule.month_days.is_empty() {
            return Err(RecurrenceError::MonthDayOfWeek);
        }
        if frequency != Frequency::Monthly && rule.weekdays.iter().any(|day| day.number.is_some()) {
            return Err(RecurrenceError::NumberedDay);
        }
        Ok(rule)
    }
}

impl From<Recurrence> for String {
    fn from(rule: Recurrence) -> Self {
        rule.text
    }
}

fn wrong(name: &'static str, value: &str, allowed: &'static str) -> RecurrenceError {
    RecurrenceError::Value { name, value: value.to_owned(), allowed }
}

/// The values of a part. Empty without the part.
fn list<T>(
    name: &'static str,
    text: Option<&str>,
    allowed: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, RecurrenceError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    text.split(',').map(|value| read(value).ok_or_else(|| wrong(name, text, allowed))).collect()
}

fn number(text: &str) -> Option<i8> {
    text.parse().ok()
}

/// A weekday with or without a number from 1 to 5 or -5 to -1.
fn day(text: &str) -> Option<Day> {
    let (count, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let weekday = match name {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    };
    let count = if count.is_empty() {
        None
    } else {
        Some(number(count).filter(|count| (1..=5).contains(&count.abs()))?)
    };
    Some(Day { weekday, number: count })
}

/// A time of the basic format in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 15)?;
    let time = DateTime::strptime("%Y%m%dT%H%M%S", digits).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}
