//! What a run sees before it judges: the age of the newest event, and entities beyond the limit.

use std::io::Write;
use std::time::{Duration, SystemTime};

use metrique::emf::flags::NoMetric;
use metrique::unit::{Count, Second};
use metrique::unit_of_work::metrics;

use super::{MetricsConfig, RunFigures, line};

/// A younger newest event is usual, and no metric. A run judges the hour before it, so an hour is over in any case.
const USUAL_AGE: Duration = Duration::from_secs(3_600);

#[metrics(rename_all = "PascalCase")]
struct Events {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Second)]
    newest_event_age: Duration,
}

#[metrics(rename_all = "PascalCase")]
struct Overflow {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Count, flags(NoMetric))]
    entities_in_other: u64,
}

pub(super) fn write(
    config: &MetricsConfig,
    figures: &RunFigures,
    timestamp: SystemTime,
    output: &mut impl Write,
) -> std::io::Result<()> {
    if let Some(newest_event_age) = figures.newest_event_age.filter(|age| *age > USUAL_AGE) {
        let events = Events { timestamp, stack: config.stack.clone(), newest_event_age };
        line(config, vec!["Stack"], events, output)?;
    }
    if figures.entities_in_other > 0 {
        let (stack, entities_in_other) = (config.stack.clone(), figures.entities_in_other);
        line(config, vec!["Stack"], Overflow { timestamp, stack, entities_in_other }, output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::lines_of;
    use super::*;

    #[test]
    fn the_age_of_the_newest_event_is_told_when_it_is_unusual() {
        let lines = |age: u64| {
            let newest_event_age = Some(Duration::from_secs(age));
            let lines = lines_of(&RunFigures { newest_event_age, ..RunFigures::default() });
            lines.into_iter().find(|line| line.get("NewestEventAge").is_some())
        };
        assert_eq!((lines(0), lines(3_600)), (None, None));
        let line = lines(7_320).expect("a line");
        assert_eq!(line["NewestEventAge"], 7_320);
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0],
            json!({ "Name": "NewestEventAge", "Unit": "Seconds" })
        );
    }

    #[test]
    fn entities_beyond_the_limit_are_counted_in_any_run() {
        let lines = lines_of(&RunFigures { entities_in_other: 7, ..RunFigures::default() });
        assert_eq!(lines[1]["EntitiesInOther"], 7);
    }
}
