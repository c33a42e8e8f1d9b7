//! Local hours and weekdays: which earlier hours an hour is compared with.
//!
//! People and their jobs live by local time. So an hour is compared with the same local hour of the days before, also
//! across a change of the clocks. A skipped local hour has no comparison on that day. A repeated one is compared by
//! its first pass. In zones with half hours, an hour of UTC belongs to the local hour in which it starts.
//!
//! The days of a model begin at any hour of UTC, so that the models of many series need not all begin at midnight.
//!
//! Of a customer without a declared zone nobody knows whether its clocks change. For about a month around a change in a
//! large region, its calendar carries that of the region too, and the fit finds out which of them explains the usage.

use std::fmt;
use std::ops::Range;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hour::Hour;
use crate::hours::{ByLength, LENGTHS};

/// A time zone by its IANA name. Its rules are those of the bundled database, the same on every machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(jiff::tz::TimeZone);

/// A name that is no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no time zone: give an IANA name such as `Europe/Berlin`", name = .0.escape_debug())]
pub struct UnknownTimeZone(pub String);

/// The earlier hours that belong to each hour of a model's day.
#[derive(Clone, Debug)]
pub struct Calendar {
    day: Hour,
    /// By [`Place`]: the local time of each hour of the span and of the day.
    local: Vec<Local>,
    /// The same local hour on earlier days, newest first: of the hour before the day, then of each hour of the day.
    earlier: Vec<Vec<Earlier>>,
    /// By length: the classes of the windows that end with these hours.
    classes: Vec<ByLength<Class>>,
    /// The hours about the same local hour of the same day a month before each hour of the day, as far as known.
    month_ago: Vec<Range<usize>>,
    /// What the calendar may be instead, for a customer whose zone nobody declared.
    others: Vec<Self>,
}

/// A local hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Days since the beginning of 1970 in local time.
    pub day: i64,
    /// 0 to 23.
    pub hour: u8,
}

/// An earlier hour with the same local hour of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// The place of the hour in the calendar's span.
    pub(crate) place: usize,
    /// How many local days ago: 1 to [`Calendar::COMPARED_DAYS`].
    pub(crate) age: usize,
    /// By length: the class of the window that ends with it.
    pub(crate) class: ByLength<Class>,
    pub(crate) same_weekday: bool,
}

/// Where a window lies in the week: 0 within working days from Monday to Friday, 1 from a working day into the weekend,
/// 2 from the weekend into a working day, 3 within the weekend.
pub(crate) type Class = u8;

/// How many classes there are.
pub(crate) const CLASSES: usize = 4;

/// Zones that change their clocks when their regions do.
const REGIONS: [&str; 3] = ["Europe/London", "America/Chicago", "Australia/Sydney"];

/// A job that began before the clocks changed may go on for so many hours.
const JUST_NOW: i64 = 6;

/// No clock moves by more hours.
const LARGEST_CHANGE: usize = 3;

impl TimeZone {
    /// # Errors
    ///
    /// When no zone has this name.
    pub fn named(name: &str) -> Result<Self, UnknownTimeZone> {
        let unknown = |_| UnknownTimeZone(name.to_owned());
        TimeZoneDatabase::bundled().get(name).map(Self).map_err(unknown)
    }

    pub fn utc() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    pub(crate) fn datetime(&self, time: Timestamp) -> DateTime {
        self.0.to_datetime(time)
    }

    /// The instant of a local time. Of a repeated time the first one, and a skipped time is that much later. `None` beyond
    /// the range of times.
    pub(crate) fn timestamp(&self, local: DateTime) -> Option<Timestamp> {
        self.0.to_timestamp(local).ok()
    }

    /// The local hour in which an hour of UTC starts.
    pub fn local(&self, hour: Hour) -> Local {
        let start = hour.start();
        let seconds = start.as_second() + i64::from(self.0.to_offset(start).seconds());
        Local { day: seconds.div_euclid(86_400), hour: (seconds.rem_euclid(86_400) / 3_600) as u8 }
    }

    /// Whole hours by which local time is ahead of UTC.
    fn offset_hours(&self, hour: Hour) -> i64 {
        i64::from(self.0.to_offset(hour.start()).seconds()).div_euclid(3_600)
    }

    /// The local time of day at which an hour of UTC starts, such as "18:30".
    pub(crate) fn clock(&self, hour: Hour) -> String {
        let start = hour.start();
        let minutes =
            (start.as_second() + i64::from(self.0.to_offset(start).seconds())).rem_euclid(86_400) / 60;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl TryFrom<String> for TimeZone {
    type Error = UnknownTimeZone;

    fn try_from(name: String) -> Result<Self, UnknownTimeZone> {
        Self::named(&name)
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.to_string()
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Local {
    /// 0 for Monday to 6 for Sunday.
    pub fn weekday(self) -> u8 {
        // The first day of 1970 was a Thursday.
        (self.day + 3).rem_euclid(7) as u8
    }

    pub fn is_weekend(self) -> bool {
        self.weekday() >= 5
    }

    /// 1 to 31. `None` for a day beyond the range of dates.
    pub fn day_of_month(self) -> Option<i8> {
        self.date().map(|date| date.day())
    }

    pub fn is_last_of_month(self) -> bool {
        self.date().is_some_and(|date| date.day() == date.days_in_month())
    }

    fn date(self) -> Option<Date> {
        Date::constant(1970, 1, 1).checked_add(SignedDuration::from_hours(24_i64.checked_mul(self.day)?)).ok()
    }
}

impl Calendar {
    /// Hours of a day.
    pub const HOURS: usize = 24;

    /// How many days before its own a model is made of.
    ///
    /// A month ago is at most 31 days ago, and the longest window begins a day before it ends.
    pub const SPAN_DAYS: usize = 32;

    /// How many earlier days an hour is compared with.
    pub const COMPARED_DAYS: usize = 30;

    /// Hours of the span.
    pub const SPAN: usize = Self::SPAN_DAYS * Self::HOURS;

    /// The calendar of the 24 hours from `day` on.
    pub fn new(zone: &TimeZone, day: Hour) -> Self {
        let calendar = Self::of_local(day, hours_around(day).map(|hour| zone.local(hour)).collect());
        let before = zone.offset_hours(day.plus(-JUST_NOW));
        let changes = zone.offset_hours(day.plus(Self::HOURS as i64 - 1)) != before;
        let unchanged = || hours_around(day).map(|hour| TimeZone::utc().local(hour.plus(before))).collect();
        Self { others: changes.then(|| Self::of_local(day, unchanged())).into_iter().collect(), ..calendar }
    }

    /// The calendar for a customer without a declared zone: UTC, or UTC with the changes of a region's clocks.
    pub fn undeclared(day: Hour) -> Self {
        let zones = REGIONS.iter().filter_map(|name| TimeZone::named(name).ok());
        let others = zones.filter_map(|zone| Self::changing(&zone, day)).collect();
        // Whether a region's clocks change today is one of these questions.
        Self { others, ..Self::new(&TimeZone::utc(), day) }
    }

    /// The calendar for a customer whose zone may be declared.
    pub fn declared(zone: Option<&TimeZone>, day: Hour) -> Self {
        zone.map_or_else(|| Self::undeclared(day), |zone| Self::new(zone, day))
    }

    /// The hours of UTC of the last hour, with the changes of the zone's clocks before. `None` if they do not change.
    fn changing(zone: &TimeZone, day: Hour) -> Option<Self> {
        let offsets: Vec<i64> = hours_around(day).map(|hour| zone.offset_hours(hour)).collect();
        let last = *offsets.last()?;
        let of_utc = |(hour, offset): (Hour, &i64)| TimeZone::utc().local(hour.plus(offset - last));
        let changes = offsets.iter().any(|offset| *offset != last);
        changes.then(|| Self::of_local(day, hours_around(day).zip(&offsets).map(of_utc).collect()))
    }

    fn of_local(day: Hour, local: Vec<Local>) -> Self {
        let rows = Self::SPAN - 1..local.len();
        let earlier = rows.clone().map(|place| same_hours(&local, place)).collect();
        let classes = rows.map(|place| classes(&local, place)).collect();
        let month_ago = (Self::SPAN..local.len()).map(|place| month_ago(&local, place)).collect();
        Self { day, local, earlier, classes, month_ago, others: Vec::new() }
    }

    /// The first hour of the day that a model of this calendar serves.
    pub fn day(&self) -> Hour {
        self.day
    }

    /// The first hour of the span, whose hours the model is made of.
    pub fn begin(&self) -> Hour {
        self.day.plus(-(Self::SPAN as i64))
    }

    /// What the calendar may be instead.
    pub(crate) fn others(&self) -> &[Self] {
        &self.others
    }

    /// The local hours of the span by place.
    pub(crate) fn span(&self) -> &[Local] {
        &self.local[..Self::SPAN]
    }

    /// The earlier hours of an hour of the day, newest first.
    pub(crate) fn earlier(&self, hour_of_day: usize) -> &[Earlier] {
        &self.earlier[hour_of_day + 1]
    }

    /// The places of the same local hour on the same day of the month before, with an hour on either side.
    pub(crate) fn month_ago(&self, hour_of_day: usize) -> Range<usize> {
        self.month_ago[hour_of_day].clone()
    }

    /// The class of the window of a length that ends with an hour of the day.
    pub(crate) fn class(&self, hour_of_day: usize, length: usize) -> Class {
        self.classes[hour_of_day + 1][length]
    }

    /// Whether the clocks change within the window of a length that ends with an hour of the day. Such a window has a local
    /// hour more or less than the windows before, which may be the hour of a job.
    pub(crate) fn is_torn(&self, hour_of_day: usize, length: usize) -> bool {
        let end = Self::SPAN + hour_of_day;
        let hours =
            |place: usize| self.local[place].day * Self::HOURS as i64 + i64::from(self.local[place].hour);
        hours(end) - hours(end + 1 - LENGTHS[length]) != LENGTHS[length] as i64 - 1
    }

    /// The class of the last hour before the day.
    pub(crate) fn class_before(&self) -> Class {
        self.classes[0][0]
    }

    /// The earlier hours of the last hour before the day.
    pub(crate) fn earlier_than_before(&self) -> &[Earlier] {
        &self.earlier[0]
    }
}

/// The hours of the span before a day, and of the day.
fn hours_around(day: Hour) -> impl Iterator<Item = Hour> {
    (-(Calendar::SPAN as i64)..Calendar::HOURS as i64).map(move |place| day.plus(place))
}

/// By length: the class of the window that ends with the hour at `place`.
fn classes(local: &[Local], place: usize) -> ByLength<Class> {
    let weekend = |place: usize| Class::from(local[place].is_weekend());
    LENGTHS.map(|length| 2 * weekend(place.saturating_sub(length - 1)) + weekend(place))
}

/// The places about the same local hour of the same day of the month before.
fn month_ago(local: &[Local], place: usize) -> Range<usize> {
    let days = || {
        let date = local[place].date()?;
        let before = date.checked_sub(jiff::Span::new().months(1)).ok()?;
        usize::try_from(before.until(date).ok()?.get_days()).ok()
    };
    let at = days().and_then(|days| place.checked_sub(days * Calendar::HOURS));
    at.map_or(0..0, |at| at.saturating_sub(1)..at + 2)
}

/// The places in the span with the same local hour as the one at `place`, newest first.
fn same_hours(local: &[Local], place: usize) -> Vec<Earlier> {
    let own = local[place];
    let of_age = |age: usize| {
        let day = own.day - age as i64;
        let oldest = place.saturating_sub(age * Calendar::HOURS + LARGEST_CHANGE);
        let newest = place.saturating_sub(age * Calendar::HOURS - LARGEST_CHANGE);
        let hour = Local { day, hour: own.hour };
        let found = (oldest..=newest.min(Calendar::SPAN - 1)).find(|&at| local[at] == hour)?;
        let then = local[found];
        Some(Earlier {
            place: found,
            age,
            class: classes(local, found),
            same_weekday: then.weekday() == own.weekday(),
        })
    };
    (1..=Calendar::COMPARED_DAYS).filter_map(of_age).collect()
}

#[cfg(test)]
mod tests;
