//! Slack's buttons: requests that Slack signs, and answers to the address that Slack names in them.

use std::time::Duration;

use axum::http::HeaderMap;
use jiff::Timestamp;
use messaging::outbound::{Outbound, OutboundRequest};
use platform::secrets::Secrets;
use platform::telemetry::error_chain;
use serde_json::Value;

use crate::chat;
use crate::config::ApiConfig;
use crate::error::{Code, Problem};

mod click;
mod reply;
mod signature;

pub(crate) use click::Click;
pub(crate) use reply::{done, only_for_the_person};
pub(crate) use signature::Signed;

/// Everything that the buttons need.
pub struct Slack {
    /// One for each app. A stack may have channels of several apps.
    secret_arns: Vec<String>,
    secrets: Secrets,
    outbound: Outbound,
    allow_loopback: bool,
}

/// Longest time for the answer. Slack waits three seconds for everything.
const REPLY_TIME: Duration = Duration::from_millis(800);

/// The hosts of the addresses that Slack names.
const HOSTS: [&str; 2] = ["https://hooks.slack.com/", "https://hooks.slack-gov.com/"];

impl Slack {
    /// `None` in a deployment without buttons.
    pub(crate) fn new(config: &ApiConfig, aws: &platform::aws::SdkConfig) -> anyhow::Result<Option<Self>> {
        if config.slack_signing_secret_arns.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            secret_arns: config.slack_signing_secret_arns.clone(),
            secrets: Secrets::new(aws),
            outbound: Outbound::new(config.allow_loopback)?,
            allow_loopback: config.allow_loopback,
        }))
    }

    /// Refuses a request that Slack did not sign, or signed more than five minutes ago.
    pub(crate) async fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Signed, Problem> {
        let signed = Signed::read(headers, now)?;
        for arn in &self.secret_arns {
            let secret = self.secrets.get(arn).await.map_err(|error| {
                tracing::error!(error = error_chain(&error), "a signing secret of Slack cannot be read");
                Problem::of(Code::StoreUnavailable, "the signing secret cannot be read just now; try again")
            })?;
            if signed.is_by(&secret, body) {
                return Ok(signed);
            }
        }
        Err(signature::refused())
    }

    /// Answers a click. The action is done already, so a failure is only logged.
    pub(crate) async fn reply(&self, click: &Click, message: &Value) {
        let Some(url) = click.response_url.as_deref().filter(|url| is_of_slack(url, self.allow_loopback))
        else {
            tracing::warn!("a click has no address of Slack to answer to");
            return;
        };
        let request = OutboundRequest { url: url.to_owned(), headers: Vec::new(), body: message.to_string() };
        if let Err(error) = chat::send(&self.outbound, request, REPLY_TIME).await {
            tracing::warn!(error, "the message in Slack is not updated");
        }
    }
}

/// Whether an address is one of Slack. Tests answer to this machine.
fn is_of_slack(url: &str, allow_loopback: bool) -> bool {
    HOSTS.iter().any(|host| url.starts_with(host)) || (allow_loopback && url.starts_with("http://127.0.0.1:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_slack() {
        for (url, expected) in [
            ("https://hooks.slack.com/actions/T1/2/3", true),
            ("https://hooks.slack-gov.com/actions/T1/2/3", true),
            ("http://hooks.slack.com/actions", false),
            ("https://hooks.slack.com.evil.example/", false),
            ("https://hooks.slack.com@evil.example/", false),
            ("https://evil.example/?https://hooks.slack.com/", false),
            ("http://127.0.0.1:9/", false),
            ("", false),
        ] {
            assert_eq!(is_of_slack(url, false), expected, "{url}");
        }
        assert!(is_of_slack("http://127.0.0.1:9/", true));
    }
}
