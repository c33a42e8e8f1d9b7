//! When a source is judged: the length of its window, how long its rows take, and what they are compared with.

use detection::BaselineDays;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::Deserialize;

/// The time that a source's rules judge, and the time that they compare it with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    pub window: SourceWindow,
    /// How often a run of the schedule checks within a window. Without it a run checks once.
    pub every: Option<Every>,
    /// How long rows take to arrive, after the time that they carry. Without it that of the deployment.
    pub delay: Option<SignedDuration>,
    /// The days before the window. Without them those of the deployment.
    pub baseline: Option<BaselineDays>,
}

/// The length of the window that rules judge. Windows begin at multiples of their length since 1970, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum SourceWindow {
    #[serde(rename = "24h")]
    Day,
    #[default]
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "1m")]
    Minute,
}

impl SourceWindow {
    pub fn length(self) -> SignedDuration {
        SignedDuration::from_mins(match self {
            Self::Day => 24 * 60,
            Self::Hour => 60,
            Self::FiveMinutes => 5,
            Self::Minute => 1,
        })
    }

    /// Whether the hourly rollup does not hold it, so that the source has one of minutes.
    pub fn needs_minutes(self) -> bool {
        matches!(self, Self::FiveMinutes | Self::Minute)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Hour => "1h",
            Self::FiveMinutes => "5m",
            Self::Minute => "1m",
        }
    }
}

/// The time from one check to the next within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub enum Every {
    #[serde(rename = "10s")]
    TenSeconds,
}

impl Every {
    pub fn length(self) -> SignedDuration {
        match self {
            Self::TenSeconds => SignedDuration::from_secs(10),
        }
    }
}

impl Pace {
    /// The time from one window to the next one that closes: the length of a window, or less where it is checked more often.
    pub fn step(&self) -> SignedDuration {
        self.every.map_or_else(|| self.window.length(), Every::length)
    }

    /// The time that a row of the rollup of minutes is of.
    pub fn slot(&self) -> SignedDuration {
        self.every.map_or(SignedDuration::from_mins(1), Every::length)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.every.is_some() && self.window != SourceWindow::Minute {
            return Err(format!(
                "`every` needs `window = \"1m\"`: a window of {} is checked once",
                self.window.as_str()
            ));
        }
        Ok(())
    }
}

/// The longest delay: the rollup of minutes keeps three days.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_hours(48);

/// The delay that a file writes, such as `10m` or `24h`.
pub(super) fn delay(text: &str) -> Result<SignedDuration, String> {
    let delay = duration(text);
    delay.filter(|delay| !delay.is_negative() && *delay <= LONGEST_DELAY).ok_or_else(|| {
        format!("`delay` is `{text}`, but it must be a time from 0s to 48h, such as `10m` or `24h`")
    })
}

/// The days that a file writes, such as `30d`.
pub(super) fn baseline(text: &str) -> Result<BaselineDays, String> {
    let days = duration(text).filter(|time| time.as_secs() % 86_400 == 0).map(|time| time.as_secs() / 86_400);
    let days = days.and_then(|days| BaselineDays::new(u16::try_from(days).ok()?));
    days.ok_or_else(|| {
        format!(
            "`baseline` is `{text}`, but it must be a number of whole days from {} to {}, such as `30d`",
            BaselineDays::MIN,
            BaselineDays::MAX
        )
    })
}

fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_their_unit() {
        for (text, minutes) in [("0s", 0), ("10m", 10), ("90 min", 90), ("24h", 1_440), ("2d", 2_880)] {
            assert_eq!(delay(text), Ok(SignedDuration::from_mins(minutes)), "{text}");
        }
        for text in ["", "10", "-1m", "3d", "49h", "soon", "1mo"] {
            assert!(delay(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_baseline_is_of_whole_days() {
        assert_eq!(baseline("30d").unwrap().get(), 30);
        assert_eq!(baseline("2w").unwrap().get(), 14);
        for text in ["", "30", "36h", "0d", "10000d", "-7d"] {
            assert!(baseline(text).is_err(), "{text}");
        }
    }

    #[test]
    fn short_windows_need_minutes() {
        for (text, window, needs) in [
            ("24h", SourceWindow::Day, false),
            ("1h", SourceWindow::Hour, false),
            ("5m", SourceWindow::FiveMinutes, true),
            ("1m", SourceWindow::Minute, true),
        ] {
            assert_eq!((window.as_str(), window.needs_minutes()), (text, needs));
        }
    }
}
