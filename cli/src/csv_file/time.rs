//! The timestamp column.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub(crate) const ALLOWED: &str = "RFC 3339 (2026-11-21T13:00:00Z), `YYYY-MM-DD HH:MM:SS` in UTC, or Unix \
                                  milliseconds (13 digits), from 1970 to 2105";

/// 2106-01-01T00:00Z. The hours of the rollup are 32-bit seconds, which end a few weeks later.
const END_MS: i64 = 4_291_747_200_000;

/// Unix milliseconds. Finer parts are cut off, because the table keeps none. `Err` names the allowed values.
pub(crate) fn milliseconds(text: &str) -> Result<i64, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match (text.len(), text.parse()) {
            (13, Ok(milliseconds)) if milliseconds < END_MS => Ok(milliseconds),
            (10, _) => Err(format!("{ALLOWED}; for Unix seconds append 000")),
            _ => Err(ALLOWED.to_owned()),
        };
    }
    let timestamp = text.parse::<Timestamp>().or_else(|_| utc(text)).map_err(|()| ALLOWED.to_owned())?;
    let milliseconds = timestamp.as_millisecond();
    if (0..END_MS).contains(&milliseconds) { Ok(milliseconds) } else { Err(ALLOWED.to_owned()) }
}

/// A date with a time and no offset.
fn utc(text: &str) -> Result<Timestamp, ()> {
    // A date alone would pass for its midnight, and a zone in brackets would be read and then ignored.
    if !text.contains(':') || text.contains('[') {
        return Err(());
    }
    let civil: DateTime = text.parse().map_err(|_| ())?;
    civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_mean_the_same_instant() {
        for text in [
            "2026-11-21T13:00:00Z",
            "2026-11-21t13:00:00z",
            "2026-11-21T13:00:00.000Z",
            "2026-11-21T14:00:00+01:00",
            "2026-11-21 13:00:00Z",
            "2026-11-21 13:00:00",
            "2026-11-21T13:00:00",
            "1795266000000",
        ] {
            assert_eq!(milliseconds(text), Ok(1_795_266_000_000), "{text}");
        }
        assert_eq!(milliseconds("2026-11-21 13:00:00.0129"), Ok(1_795_266_000_012));
        assert_eq!(milliseconds("1970-01-01T00:00:00Z"), Ok(0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-13-01 00:00:00",
            "2026-02-29 00:00:00",
            "21/11/2026 13:00",
            "0",
            "179526600000",
            "17952660000000",
            "-1795266000000",
            "1795266000.5",
            "1969-12-31T23:59:59Z",
            "2106-01-01T00:00:00Z",
            "4291747200000",
            "2026-11-21 25:00:00",
            "13:00:00",
            "2026-11-21 13:00:00 PM",
        ] {
            assert!(milliseconds(text).unwrap_err().contains("RFC 3339"), "{text}");
        }
        assert!(milliseconds("1795266000").unwrap_err().contains("append 000"));
    }
}
