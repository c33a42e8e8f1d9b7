//! CloudWatch metrics of the alerts on their way to channels.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::SystemTime;

use metrique::emf::flags::NoMetric;
use metrique::unit::Count;
use metrique::unit_of_work::metrics;

use super::{MetricsConfig, above_zero, line};

/// The figures of one channel in one invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelFigures {
    pub sent: u64,
    /// Alerts that the channel did not take. They went to the queue of the channel, if the queue took them.
    pub failed: u64,
    pub held_back: u64,
    /// Alerts that were refused because the receiver said that it is gone.
    pub disabled: u64,
}

/// One line gives both series: that of the stack and that of the channel.
#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack"], ["Stack", "Channel"]])]
struct Deliveries {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    channel: String,
    #[metrics(unit = Count, flags(NoMetric))]
    deliveries_sent: u64,
    #[metrics(unit = Count, flags(NoMetric))]
    deliveries_failed: u64,
    #[metrics(unit = Count)]
    deliveries_held_back: Option<u64>,
    #[metrics(unit = Count)]
    channel_disabled: Option<u64>,
}

/// Writes the figures of an event by channel.
pub fn write_deliveries(
    config: &MetricsConfig,
    channels: &BTreeMap<String, ChannelFigures>,
    now: SystemTime,
    output: &mut impl Write,
) -> std::io::Result<()> {
    for (channel, figures) in channels {
        let entry = Deliveries {
            timestamp: now,
            stack: config.stack.clone(),
            channel: channel.clone(),
            deliveries_sent: figures.sent,
            deliveries_failed: figures.failed,
            deliveries_held_back: above_zero(figures.held_back),
            channel_disabled: above_zero(figures.disabled),
        };
        line(config, vec![], entry, output)?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_line_a_channel() {
        let config = MetricsConfig { namespace: "MeterFlow".to_owned(), stack: "test".to_owned() };
        let figures = ChannelFigures { sent: 2, failed: 1, held_back: 3, disabled: 0 };
        let channels =
            BTreeMap::from([("slack".to_owned(), figures), ("x".to_owned(), ChannelFigures::default())]);
        let mut output = Vec::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_266_000);
        write_deliveries(&config, &channels, now, &mut output).unwrap();
        let lines: Vec<serde_json::Value> = output
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        insta::assert_json_snapshot!(lines[0]);
    }
}
