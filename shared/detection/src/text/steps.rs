//! What to look at first: the metric's own steps of the catalog, then the steps that hold for any metric.

use crate::Direction;

/// Instructions for the person on call, the most likely cause first: those of the metric, then the general ones.
pub fn with_general(own: Vec<String>, direction: Direction) -> Vec<String> {
    let general: &[&str] = match direction {
        Direction::Spike => &[
            "Ask the customer whether the increase is planned (launch, migration, load test).",
            "If it is not, limit or pause the source, and hold the affected invoice lines.",
        ],
        Direction::Drop => &[
            "Make sure that usage events still arrive: compare with other customers and with the ingestion lag.",
            "Contact the customer: a silent drop is an outage or the first sign of leaving.",
        ],
    };
    own.into_iter().chain(general.iter().map(|step| (*step).to_owned())).collect()
}

/// Instructions for operators whose customers dropped all at once.
pub fn of_stopped_data() -> Vec<String> {
    [
        "Look at what brings the events to ClickHouse: queue, consumers, credentials, disk.",
        "Run `meterflow doctor`: it tells the newest event of each metric, and whether the views feed the rollup.",
        "Pages about drops of single customers are held back until the data are back. Events that come late count.",
    ]
    .map(str::to_owned)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_the_metric_come_before_those_of_any_metric() {
        for direction in [Direction::Spike, Direction::Drop] {
            let general = with_general(Vec::new(), direction);
            assert_eq!(general.len(), 2);
            let all = with_general(vec!["Look.".to_owned(), "Ask.".to_owned()], direction);
            assert_eq!(all, [&["Look.".to_owned(), "Ask.".to_owned()], &general[..]].concat());
        }
        assert_ne!(with_general(Vec::new(), Direction::Spike), with_general(Vec::new(), Direction::Drop));
    }
}
