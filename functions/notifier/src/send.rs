//! One message to one channel, with further tries while they can succeed and time is left.
//!
//! - A receiver that is busy or broken (429, 5xx, no answer) is asked again. The pause is random and grows, or is the
//!   one that the receiver asks for.
//! - Any other refusal is final, because the receiver would repeat it.
//! - A secret that is not accepted is fetched again once, because it may have been rotated.
//!
//! A request without an answer may have arrived. Then the next try sends a second copy. Receivers that know ids
//! (PagerDuty, webhooks) count both as one.

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use messaging::buses::Buses;
use messaging::channels::{Channel, ChannelKind};
use messaging::outbound::{Answer, Outbound, OutboundError, OutboundRequest, redacted};
use messaging::topics::Topics;
use platform::secrets::Secrets;
use platform::telemetry::error_chain;
use tokio::time::Instant;

use crate::channels::{
    Verdict, amazon_q, discord, event_bus, google_chat, opsgenie, pagerduty, slack, teams, telegram, webhook,
};
use crate::message::Message;

mod below;

/// Sends messages.
pub struct Sender {
    pub outbound: Outbound,
    pub secrets: Secrets,
    pub topics: Topics,
    pub buses: Buses,
    /// The time of day, for signatures and dates in answers.
    pub clock: fn() -> SystemTime,
    /// Pause before the second try. Each further pause is about twice as long.
    pub first_pause: Duration,
}

/// A message that the receiver took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The thread of the message, in a channel with threads.
    pub thread: Option<String>,
    pub tries: u32,
}

/// A message that the receiver did not take, after all tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    pub reason: String,
    pub tries: u32,
    /// The receiver is gone for good.
    pub gone: bool,
    /// A later try may succeed, but not before `retry_after`.
    pub passing: bool,
    pub retry_after: Option<Duration>,
}

impl Unsent {
    /// A message that was never sent.
    pub(crate) fn refused(reason: &str) -> Self {
        Self { reason: reason.to_owned(), tries: 0, gone: false, passing: false, retry_after: None }
    }
}

/// Tries of one message.
const TRIES: usize = 4;

/// Longest pause that the receiver does not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Least time for a try. A shorter try would be cut off, perhaps after it arrived.
const TRY_TIME: Duration = Duration::from_secs(1);

/// A try that failed.
struct Failed {
    reason: String,
    passing: bool,
    retry_after: Option<Duration>,
    gone: bool,
}

/// Shared state of the tries of one message.
struct Tries<'a> {
    thread: Cell<Option<&'a str>>,
    renewed: Cell<bool>,
    count: Cell<u32>,
    last: RefCell<String>,
    /// The chart of the message, until it is sent or turns out to be refused.
    picture: RefCell<Option<Vec<u8>>>,
    /// The answer of a receiver that took the message.
    taken: RefCell<String>,
}

impl Sender {
    /// Sends a message and ends before `until`. The message goes into `thread` if the thread still exists.
    pub async fn send(
        &self,
        channel: &Channel,
        message: Message<'_>,
        thread: Option<&str>,
        until: Instant,
    ) -> Result<Sent, Unsent> {
        let tries = Tries {
            thread: Cell::new(thread),
            renewed: Cell::new(false),
            count: Cell::new(0),
            last: RefCell::new("no answer".to_owned()),
            picture: RefCell::new(if takes_picture(&channel.kind) { message.picture() } else { None }),
            taken: RefCell::default(),
        };
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(TRIES - 1);
        let sending = (|| self.try_once(channel, message, &tries))
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|failed| failed.passing)
            .adjust(|failed, pause| {
                tries.last.replace(failed.reason.clone());
                let pause = pause?.max(failed.retry_after.unwrap_or_default());
                (Instant::now() + pause + TRY_TIME < until).then_some(pause)
            });
        let tried = || tries.count.get();
        match tokio::time::timeout_at(until, sending).await {
            Ok(Ok(thread)) => {
                self.add_picture(channel, &tries).await;
                Ok(Sent { thread, tries: tries.count.get() })
            }
            Ok(Err(failed)) => {
                let retry_after = failed.retry_after.filter(|_| failed.passing);
                let asked = retry_after
                    .map(|time| format!(" (asks to wait {} s)", time.as_secs()))
                    .unwrap_or_default();
                Err(Unsent {
                    reason: format!("{}{asked}", failed.reason),
                    tries: tried(),
                    gone: failed.gone,
                    passing: failed.passing,
                    retry_after,
                })
            }
            Err(_) => Err(Unsent {
                passing: true,
                tries: tried(),
                ..Unsent::refused(&format!("time ran out; {}", tries.last.borrow()))
            }),
        }
    }

    /// One try. It makes two requests if the secret or the thread turns out to be old.
    async fn try_once(
        &self,
        channel: &Channel,
        message: Message<'_>,
        tries: &Tries<'_>,
    ) -> Result<Option<String>, Failed> {
        tries.count.set(tries.count.get() + 1);
        let Some(arn) = secret_arn(&channel.kind) else {
            return self.publish(channel, message).await;
        };
        let mut secret = self.secrets.get(arn).await.map_err(|error| of_aws(error.passes(), &error))?;
        loop {
            let answer = self.post(&channel.kind, message, &secret, tries).await?;
            tries.taken.replace(answer.body.clone());
            match self.verdict_without_secrets(&channel.kind, answer, &secret) {
                Verdict::Sent { thread } => return Ok(thread),
                Verdict::Passing { reason, retry_after } => {
                    return Err(Failed { reason, passing: true, retry_after, gone: false });
                }
                Verdict::ThreadGone { .. } if tries.thread.take().is_some() => {}
                Verdict::Unauthorized { reason } if !tries.renewed.replace(true) => {
                    let fresh = self
                        .secrets
                        .fetch(arn)
                        .await
                        .map_err(|error| permanent(format!("{reason}, and {}", error_chain(&error))))?;
                    if fresh == secret {
                        return Err(permanent(reason));
                    }
                    secret = fresh;
                }
                // The message goes without its picture.
                Verdict::Refused { .. }
                    if !is_picture_below(&channel.kind) && tries.picture.take().is_some() => {}
                Verdict::Gone { reason } => {
                    return Err(Failed { gone: true, ..permanent(reason) });
                }
                Verdict::Unauthorized { reason }
                | Verdict::Refused { reason }
                | Verdict::ThreadGone { reason } => return Err(permanent(reason)),
            }
        }
    }

    /// One request, with the picture in it where the channel takes it so.
    async fn post(
        &self,
        kind: &ChannelKind,
        message: Message<'_>,
        secret: &str,
        tries: &Tries<'_>,
    ) -> Result<Answer, Failed> {
        let picture = tries.picture.borrow().clone();
        let answer = match (kind, picture) {
            (ChannelKind::Discord { .. }, Some(png)) => {
                self.outbound.upload(&discord::with_picture(message, secret, png)).await
            }
            (ChannelKind::Teams { .. }, Some(png)) => {
                self.outbound.post(teams::with_picture(message, secret, &png)).await
            }
            _ => {
                let request = self.request(kind, message, secret, tries.thread.get()).map_err(permanent)?;
                self.outbound.post(request).await
            }
        };
        answer.map_err(unanswered)
    }

    /// Sends to a topic or a bus. The SDK has already repeated the call.
    async fn publish(&self, channel: &Channel, message: Message<'_>) -> Result<Option<String>, Failed> {
        let published = match &channel.kind {
            ChannelKind::AmazonQ { topic_arn } => {
                let published = self.topics.publish(topic_arn, None, &amazon_q::text(message)).await;
                published.map_err(|error| of_aws(error.passes(), &error))
            }
            ChannelKind::EventBus { bus_arn } => {
                let event = event_bus::event(message, self.now().map_err(permanent)?);
                let put = self.buses.put(bus_arn, &event).await;
                put.map_err(|error| of_aws(error.passes(), &error))
            }
            ChannelKind::Broken { reason } => Err(permanent(reason.clone())),
            _ => Err(permanent("the channel has no secret".to_owned())),
        };
        published.map(|()| None)
    }

    fn request(
        &self,
        kind: &ChannelKind,
        message: Message<'_>,
        secret: &str,
        thread: Option<&str>,
    ) -> Result<OutboundRequest, String> {
        match kind {
            ChannelKind::SlackWebhook { has_buttons, .. } => {
                Ok(slack::webhook_request(message, secret, *has_buttons))
            }
            ChannelKind::SlackBot { conversation, api_url, has_buttons, .. } => {
                slack::bot_request(message, api_url, secret, conversation, thread, *has_buttons)
            }
            ChannelKind::PagerDuty { api_url, .. } => Ok(pagerduty::request(message, api_url, secret)),
            ChannelKind::Telegram { chat_id, api_url, webhook_secret_arn, .. } => {
                telegram::request(message, api_url, secret, chat_id, webhook_secret_arn.is_some())
            }
            ChannelKind::Webhook { url, template, .. } => {
                webhook::request(message, url, template.as_deref(), secret, self.now()?)
            }
            ChannelKind::Teams { .. } => Ok(teams::request(message, secret)),
            ChannelKind::Discord { .. } => Ok(discord::request(message, secret)),
            ChannelKind::GoogleChat { .. } => Ok(google_chat::request(message, secret)),
            ChannelKind::Opsgenie { api_url, .. } => opsgenie::request(message, api_url, secret),
            ChannelKind::AmazonQ { .. } | ChannelKind::EventBus { .. } | ChannelKind::Broken { .. } => {
                Err("the channel takes no requests".to_owned())
            }
        }
    }

    fn now(&self) -> Result<Timestamp, String> {
        Timestamp::try_from((self.clock)()).map_err(|error| error.to_string())
    }

    /// The meaning of an answer. Its reason is logged and stored, so no part of a secret may be in it.
    fn verdict_without_secrets(&self, kind: &ChannelKind, mut answer: Answer, secret: &str) -> Verdict {
        let verdict = self.verdict(kind, &answer);
        let address = match kind {
            ChannelKind::Webhook { url, .. } => url,
            _ => secret,
        };
        answer.body = redacted(&answer.body, &[secret, address]);
        verdict.with_reason_of(self.verdict(kind, &answer))
    }

    fn verdict(&self, kind: &ChannelKind, answer: &Answer) -> Verdict {
        let now = (self.clock)();
        match kind {
            ChannelKind::SlackBot { .. } => slack::bot_verdict(answer, now),
            ChannelKind::PagerDuty { .. } => pagerduty::verdict(answer, now),
            ChannelKind::Telegram { .. } => telegram::verdict(answer, now),
            ChannelKind::Webhook { .. } => webhook::verdict(answer, now),
            ChannelKind::Teams { .. } => teams::verdict(answer, now),
            ChannelKind::Discord { .. } => discord::verdict(answer, now),
            ChannelKind::GoogleChat { .. } => google_chat::verdict(answer, now),
            ChannelKind::Opsgenie { .. } => opsgenie::verdict(answer, now),
            ChannelKind::SlackWebhook { .. }
            | ChannelKind::AmazonQ { .. }
            | ChannelKind::EventBus { .. }
            | ChannelKind::Broken { .. } => slack::webhook_verdict(answer, now),
        }
    }
}

/// Whether a channel shows pictures. The others show the chart in one line of text.
fn takes_picture(kind: &ChannelKind) -> bool {
    matches!(kind, ChannelKind::Discord { .. } | ChannelKind::Teams { .. }) || is_picture_below(kind)
}

/// Whether the picture is sent by itself, after the message was taken.
fn is_picture_below(kind: &ChannelKind) -> bool {
    matches!(kind, ChannelKind::SlackBot { .. } | ChannelKind::Telegram { .. })
}

fn secret_arn(kind: &ChannelKind) -> Option<&str> {
    match kind {
        ChannelKind::SlackWebhook { secret_arn, .. }
        | ChannelKind::SlackBot { secret_arn, .. }
        | ChannelKind::PagerDuty { secret_arn, .. }
        | ChannelKind::Telegram { secret_arn, .. }
        | ChannelKind::Teams { secret_arn }
        | ChannelKind::Discord { secret_arn }
        | ChannelKind::GoogleChat { secret_arn }
        | ChannelKind::Opsgenie { secret_arn, .. }
        | ChannelKind::Webhook { secret_arn, .. } => Some(secret_arn),
        ChannelKind::AmazonQ { .. } | ChannelKind::EventBus { .. } | ChannelKind::Broken { .. } => None,
    }
}

/// An error of AWS. The SDK has already repeated the call. The schedule repeats a passing failure later.
fn of_aws(passing: bool, error: &dyn std::error::Error) -> Failed {
    Failed { passing, ..permanent(error_chain(error)) }
}

fn permanent(reason: String) -> Failed {
    Failed { reason, passing: false, retry_after: None, gone: false }
}

fn unanswered(error: OutboundError) -> Failed {
    let passing = !matches!(error, OutboundError::Refused(_));
    Failed { passing, ..permanent(error_chain(&error)) }
}
