//! Times and ranges of time in requests.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::{Problem, quoted};

/// Longest range of time that one request may ask for.
pub(crate) const MAX_RANGE: SignedDuration = SignedDuration::from_hours(92 * 24);

const TIME_FORMS: &str =
    "Unix milliseconds (1795266000000), RFC 3339 (2026-11-21T13:00:00Z), or relative to now (now-24h)";

/// Unix milliseconds, RFC 3339, or relative to now such as `now-24h`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = Time)]
#[serde(untagged, expecting = "a time: Unix milliseconds, RFC 3339, or relative to now")]
pub(crate) enum TimeInBody {
    Milliseconds(i64),
    Text(String),
}

impl TimeInBody {
    pub(crate) fn read(&self, name: &str, now: Timestamp) -> Result<Timestamp, Problem> {
        match self {
            Self::Milliseconds(number) => read(&number.to_string(), name, now),
            Self::Text(text) => read(text, name, now),
        }
    }
}

/// Reads a time. `name` is the name of its parameter or field.
pub(crate) fn read(text: &str, name: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let time = match text.parse::<i64>() {
        Ok(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
        // In a query that was not encoded, the `+` of an offset has become a space.
        Err(_) => {
            relative(text, now).or_else(|| text.parse().or_else(|_| text.replace(' ', "+").parse()).ok())
        }
    };
    // The hourly rollup holds 1970 to 2106, and a baseline begins some months earlier.
    let within = |time: &Timestamp| (31_536_000..=i64::from(u32::MAX)).contains(&time.as_second());
    time.filter(within).ok_or_else(|| {
        Problem::invalid(
            name,
            format!("{name} must be a time from 1971 to 2106, not {}: {TIME_FORMS}", quoted(text)),
        )
    })
}

/// `now`, `now-24h`, `now+30m`. In a query, `+` may have become a space.
fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let rest = text.strip_prefix("now")?;
    if rest.is_empty() {
        return Some(now);
    }
    let sign = match rest.chars().next()? {
        '-' => -1,
        '+' | ' ' => 1,
        _ => return None,
    };
    let unit = match rest.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: i64 = rest[1..rest.len() - 1].parse().ok().filter(|number| *number >= 0)?;
    let seconds = number.checked_mul(unit)?.checked_mul(sign)?;
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// Checks the bounds of a list. A list without an end goes on until now.
pub(crate) fn in_range(
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    now: Timestamp,
    names: (&str, &str),
) -> Result<(), Problem> {
    in_order(from, until.or(from.map(|from| now.max(from + SignedDuration::from_millis(1)))), names)
}

/// Checks the bounds of a range, if both are given.
pub(crate) fn in_order(
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    names: (&str, &str),
) -> Result<(), Problem> {
    let Some((from, until)) = from.zip(until) else { return Ok(()) };
    let (from_name, until_name) = names;
    if from >= until {
        return Err(Problem::invalid(from_name, format!("`{from_name}` must be before `{until_name}`")));
    }
    if until.duration_since(from) > MAX_RANGE {
        let days = MAX_RANGE.as_hours() / 24;
        let detail = format!("`{from_name}` to `{until_name}` must be at most {days} days");
        return Err(Problem::invalid(from_name, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T13:30:00Z";

    #[test]
    fn times_in_all_their_forms() {
        for (text, expected) in [
            ("1795266000000", "2026-11-21T13:00:00Z"),
            ("2026-11-21T13:00:00Z", "2026-11-21T13:00:00Z"),
            ("2026-11-21T14:00:00+01:00", "2026-11-21T13:00:00Z"),
            ("now", NOW),
            ("2026-11-21T14:00:00 01:00", "2026-11-21T13:00:00Z"),
            ("now 1h", "2026-11-21T14:30:00Z"),
            ("now-1h", "2026-11-21T12:30:00Z"),
            ("now+1h", "2026-11-21T14:30:00Z"),
            ("now+90m", "2026-11-21T15:00:00Z"),
            ("now-30d", "2026-10-22T13:30:00Z"),
        ] {
            let time = read(text, "time", NOW.parse().unwrap()).ok();
            assert_eq!(time, Some(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ranges_have_an_order_and_an_end() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let of = |from, until| {
            in_order(from, until, ("from", "to")).map_err(|problem| problem.detail().to_owned())
        };
        let (start, end) = (at("2026-08-21T00:00:00Z"), at("2026-11-21T00:00:00Z"));
        assert_eq!(of(start, end), Ok(()));
        assert_eq!(of(start, None), Ok(()));
        let until_now = |from: &str, until| {
            in_range(at(from), until, NOW.parse().unwrap(), ("from", "to")).map_err(|p| p.detail().to_owned())
        };
        assert_eq!(until_now("2026-08-22T00:00:00Z", None), Ok(()));
        assert_eq!(until_now("2027-08-22T00:00:00Z", None), Ok(()), "nothing is there yet");
        let too_long = Err("`from` to `to` must be at most 92 days".to_owned());
        assert_eq!(until_now("2026-08-20T00:00:00Z", None), too_long);
        assert_eq!(until_now("2026-08-20T00:00:00Z", at(NOW)), too_long, "one rule for both");
        assert_eq!(until_now("2026-08-20T00:00:00Z", at("2026-08-21T00:00:00Z")), Ok(()));
        assert_eq!(of(end, start), Err("`from` must be before `to`".to_owned()));
        assert_eq!(of(end, end), Err("`from` must be before `to`".to_owned()));
        assert_eq!(
            of(at("2026-08-20T23:59:59Z"), end),
            Err("`from` to `to` must be at most 92 days".to_owned())
        );
    }
}
