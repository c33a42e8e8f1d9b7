//! The channels of an alert.

use messaging::channels::{Channel, ChannelKind, ChannelsConfig, Route};

use crate::alert::{Alert, Event, Severity};
use crate::plan::Style;

/// The channels of all matching routes, each once. Without routes, the defaults hold: a warning goes to the team's chat
/// (Slack, Teams, Discord, Google Chat, Amazon Q), and a critical alert goes to all channels. A confirmation goes to no pager.
pub fn channels_for<'a>(config: &'a ChannelsConfig, alert: &Alert) -> Vec<&'a Channel> {
    let wanted = |channel: &&Channel| {
        // The page of a confirmed incident stays as it is: only an acknowledgement or an end changes it.
        if alert.event == Event::Confirmed && Style::of(&channel.kind) == Style::Pager {
            return false;
        }
        if config.routes.is_empty() {
            return alert.severity == Severity::Critical || is_team_chat(&channel.kind);
        }
        config.routes.iter().any(|route| route.channels.contains(&channel.name) && matches(route, alert))
    };
    config.channels.iter().filter(wanted).collect()
}

fn is_team_chat(kind: &ChannelKind) -> bool {
    matches!(
        kind,
        ChannelKind::SlackWebhook { .. }
            | ChannelKind::SlackBot { .. }
            | ChannelKind::Teams { .. }
            | ChannelKind::Discord { .. }
            | ChannelKind::GoogleChat { .. }
            | ChannelKind::AmazonQ { .. }
    )
}

/// A storm concerns many metrics and customers. So a route for one of them matches.
fn matches(route: &Route, alert: &Alert) -> bool {
    let of = |list: &Option<Vec<String>>, value: Option<&str>| match list {
        None => true,
        Some(list) => value.is_some_and(|value| list.iter().any(|entry| entry == value)),
    };
    of(&route.severities, Some(alert.severity.as_str()))
        && (alert.storm.is_some()
            || of(&route.metrics, alert.metric.as_deref())
                && of(&route.customers, alert.customer_id.as_deref()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:x:1:secret:s";

    fn names(routes: Value, alert: Value) -> String {
        let config = json!({
            "channels": {
                "slack": { "type": "slack", "webhook_url_secret_arn": SECRET },
                "pagerduty": { "type": "pagerduty", "routing_key_secret_arn": SECRET },
                "telegram": { "type": "telegram", "bot_token_secret_arn": SECRET, "chat_id": "1" },
                "billing": { "type": "webhook", "url": "https://example.com", "signing_secret_arn": SECRET },
                "q": { "type": "amazon_q", "topic_arn": "arn:aws:sns:x:1:q" },
                "teams": { "type": "teams", "webhook_url_secret_arn": SECRET },
            },
            "routes": routes,
        });
        let config = ChannelsConfig::parse(&config.to_string(), "test", false).unwrap();
        let mut message = json!({ "alert_id": "1", "metric": "bandwidth", "customer_id": "c1" });
        message.as_object_mut().unwrap().extend(alert.as_object().unwrap().clone());
        let alert = Alert::parse(&message.to_string()).unwrap();
        let names: Vec<_> =
            channels_for(&config, &alert).iter().map(|channel| channel.name.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn defaults() {
        assert_eq!(names(json!([]), json!({ "severity": "warning" })), "q slack teams");
        assert_eq!(
            names(json!(null), json!({ "severity": "critical" })),
            "billing pagerduty q slack teams telegram"
        );
        assert_eq!(
            names(json!([]), json!({ "event": "digest" })),
            "billing pagerduty q slack teams telegram"
        );
        assert_eq!(
            names(json!([]), json!({ "event": "acknowledged" })),
            "billing pagerduty q slack teams telegram"
        );
        assert_eq!(names(json!([]), json!({ "event": "confirmed" })), "billing q slack teams telegram");
    }

    /// What a tracing system calls high is critical here.
    #[test]
    fn a_high_anomaly_of_traces_reaches_telegram_without_any_route() {
        let trace = |severity: &str| {
            json!({
                "severity": severity, "metric": "trace_error_rate", "source": "traces", "customer_id": "acme",
                "entity": "shop / POST /orders", "anomaly_type": "high_error_rate",
            })
        };
        let reached = |severity| names(json!([]), trace(severity)).contains("telegram");
        assert!(reached("critical") && !reached("warning"));
    }

    #[test]
    fn routes_add_up_and_replace_the_defaults() {
        let routes = json!([
            { "severities": ["critical"], "channels": ["pagerduty"] },
            { "metrics": ["bandwidth", "storage"], "channels": ["telegram", "pagerduty"] },
            { "customers": ["c2"], "channels": ["billing"] },
            { "severities": ["warning"], "metrics": ["bandwidth"], "customers": ["c1"], "channels": ["q"] },
        ]);
        for (alert, expected) in [
            (json!({ "severity": "critical" }), "pagerduty telegram"),
            (json!({ "severity": "critical", "event": "confirmed" }), "telegram"),
            (json!({ "severity": "warning" }), "pagerduty q telegram"),
            (json!({ "severity": "warning", "metric": "api_calls" }), ""),
            (
                json!({ "severity": "critical", "metric": "api_calls", "customer_id": "c2" }),
                "billing pagerduty",
            ),
            (
                json!({ "severity": "warning", "metric": "storage", "customer_id": "C1" }),
                "pagerduty telegram",
            ),
        ] {
            assert_eq!(names(routes.clone(), alert.clone()), expected, "{alert}");
        }
    }

    #[test]
    fn a_storm_reaches_whoever_waits_for_one_metric_or_customer() {
        let routes = json!([
            { "metrics": ["storage"], "channels": ["telegram"] },
            { "customers": ["c9"], "channels": ["billing"] },
            { "severities": ["warning"], "channels": ["q"] },
        ]);
        let digest = json!({ "event": "digest", "metric": null, "customer_id": null });
        assert_eq!(names(routes, digest), "billing telegram");
    }
}
