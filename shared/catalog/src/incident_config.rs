//! How patient incidents are, and which of them page.

use detection::Severity;
use detection::incident::{CALM_HOURS, Rules};
use environment::{ConfigError, Env};
use jiff::SignedDuration;

/// How patient incidents are, and which of them page.
#[derive(Clone, Copy, Debug)]
pub struct IncidentConfig {
    /// `RESOLVE_AFTER_RUNS`: windows in a row back inside until an incident is resolved; default 3.
    /// `REOPEN_WITHIN_HOURS`: time after its end in which a returning deviation is the same incident; default 6.
    /// `ACCEPT_AFTER_HOURS`: time until a level becomes the new normal; default 72. 0 means never.
    /// `REPEAT_INTERVAL_HOURS`: time between reminders; default 72. 0 means never.
    /// `ALERT_MIN_SEVERITY`: least severity that pages, `warning` or `critical`; default `critical`.
    pub rules: Rules,
}

impl IncidentConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let hours = |variable, default| -> Result<SignedDuration, ConfigError> {
            let hours: u16 = env.parsed(variable, default, "a whole number of hours, at most 8760")?;
            if hours > 8_760 {
                return Err(ConfigError::invalid(
                    variable,
                    hours.to_string(),
                    "at most 8760 hours, one year",
                ));
            }
            Ok(SignedDuration::from_hours(i64::from(hours)))
        };
        let resolve_after = env.parsed("RESOLVE_AFTER_RUNS", CALM_HOURS, "a whole number")?;
        if !(1..=168).contains(&resolve_after) {
            return Err(ConfigError::invalid(
                "RESOLVE_AFTER_RUNS",
                resolve_after.to_string(),
                "1 to 168 runs",
            ));
        }
        let min_severity = match env.get("ALERT_MIN_SEVERITY").as_deref() {
            None | Some("critical") => Severity::Critical,
            Some("warning") => Severity::Warning,
            Some(other) => {
                return Err(ConfigError::invalid(
                    "ALERT_MIN_SEVERITY",
                    other.to_owned(),
                    "warning or critical",
                ));
            }
        };
        let rules = Rules {
            resolve_after,
            reopen_within: hours("REOPEN_WITHIN_HOURS", 6)?,
            accept_after: hours("ACCEPT_AFTER_HOURS", 72)?,
            repeat_interval: hours("REPEAT_INTERVAL_HOURS", 72)?,
            min_severity,
        };
        Ok(Self { rules })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_are_as_patient_as_the_variables_say() {
        let of = |variables: &[(&str, &str)]| {
            IncidentConfig::from_env(&Env::of(variables)).map(|c| c.rules).map_err(|error| error.to_string())
        };
        let defaults = Rules {
            resolve_after: 3,
            reopen_within: SignedDuration::from_hours(6),
            accept_after: SignedDuration::from_hours(72),
            repeat_interval: SignedDuration::from_hours(72),
            min_severity: Severity::Critical,
        };
        assert_eq!(of(&[]), Ok(defaults));
        let others = [
            ("RESOLVE_AFTER_RUNS", "1"),
            ("REOPEN_WITHIN_HOURS", "2"),
            ("ACCEPT_AFTER_HOURS", "0"),
            ("REPEAT_INTERVAL_HOURS", "4"),
            ("ALERT_MIN_SEVERITY", "warning"),
        ];
        let expected = Rules {
            resolve_after: 1,
            reopen_within: SignedDuration::from_hours(2),
            accept_after: SignedDuration::ZERO,
            repeat_interval: SignedDuration::from_hours(4),
            min_severity: Severity::Warning,
        };
        assert_eq!(of(&others), Ok(expected));
        for (name, value, allowed) in [
            ("RESOLVE_AFTER_RUNS", "0", "1 to 168 runs"),
            ("REOPEN_WITHIN_HOURS", "-1", "a whole number of hours"),
            ("ACCEPT_AFTER_HOURS", "8761", "at most 8760 hours"),
            ("ALERT_MIN_SEVERITY", "info", "warning or critical"),
        ] {
            let refusal = of(&[(name, value)]).unwrap_err();
            assert!(refusal.contains(name) && refusal.contains(allowed), "{refusal}");
        }
    }
}
