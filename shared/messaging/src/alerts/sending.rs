//! Sends one stored alert: claim, publish, mark.
//!
//! A crash between publish and mark sends the alert again, under the same id. The other order could lose it. A slow
//! claim may end before the alert is marked, and then another run sends the alert as well. So nothing is published on
//! such a claim.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use store::{AlertItem, AnomalyStore, Claim, StoreError, Writer};

use super::{AlertError, AlertPublisher, Pace};

/// The outbox and the topic, from the view of sending. The simulation implements it with a model.
#[allow(async_fn_in_trait)] // Nobody outside the workspace implements it.
pub trait Outlet {
    type Error;
    /// The time of day, for claims.
    fn now(&self) -> Result<Timestamp, Self::Error>;
    /// The times that sending goes by.
    fn pace(&self) -> Pace {
        Pace::default()
    }
    async fn claim(
        &self,
        alert: &AlertItem,
        hold: Duration,
        writer: Writer<'_>,
    ) -> Result<Claim, Self::Error>;
    async fn publish(&self, alert: &AlertItem) -> Result<(), Self::Error>;
    /// Whether a publish with this error fails for ever, so that its alert is parked.
    fn is_final(&self, error: &Self::Error) -> bool;
    async fn mark_sent(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), Self::Error>;
    /// Takes an alert that can never be published out of the outbox.
    async fn park(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), Self::Error>;
    async fn release(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), Self::Error>;
}

/// The result of sending one alert.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent<E> {
    Published,
    /// Published, but not marked. So it will be published again.
    Unmarked(E),
    /// Another run sent it.
    Done,
    /// SNS refuses it for good, so it is parked. Otherwise every run would fail on it.
    Parked(E),
    /// Another run has the claim.
    Held,
    /// Not published, because the deadline or the end of the claim was too near.
    NoTime,
    Failed(E),
}

impl<E> Sent<E> {
    /// Whether the next alert of the incident may be sent.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Published | Self::Unmarked(_) | Self::Parked(_) | Self::Done)
    }

    pub fn map_error<F>(self, map: impl FnOnce(E) -> F) -> Sent<F> {
        match self {
            Self::Published => Sent::Published,
            Self::Unmarked(error) => Sent::Unmarked(map(error)),
            Self::Done => Sent::Done,
            Self::Parked(error) => Sent::Parked(map(error)),
            Self::Held => Sent::Held,
            Self::NoTime => Sent::NoTime,
            Self::Failed(error) => Sent::Failed(map(error)),
        }
    }
}

/// Sends an alert, unless another run has sent or claimed it.
pub async fn send<O: Outlet>(
    outlet: &O,
    alert: &AlertItem,
    run_id: &str,
    deadline: Instant,
) -> Sent<O::Error> {
    let pace = outlet.pace();
    let is_late = || deadline.saturating_duration_since(Instant::now()) < pace.send();
    if is_late() {
        return Sent::NoTime;
    }
    let claimed_at = match outlet.now() {
        Ok(now) => now,
        Err(error) => return Sent::Failed(error),
    };
    match outlet.claim(alert, pace.claim, Writer { run_id, now: claimed_at }).await {
        Ok(Claim::Won) => {}
        Ok(Claim::Held) => return Sent::Held,
        Ok(Claim::Done) => return Sent::Done,
        Err(error) => return Sent::Failed(error),
    }
    let sent = match outlet.now() {
        Ok(now) if is_late() || !is_enough(pace, claimed_at, now) => Sent::NoTime,
        Ok(_) => match outlet.publish(alert).await {
            Ok(()) => return mark(outlet, alert, run_id).await,
            Err(error) => match outlet.is_final(&error) && park(outlet, alert, run_id).await {
                true => return Sent::Parked(error),
                false => Sent::Failed(error),
            },
        },
        Err(error) => Sent::Failed(error),
    };
    // A claim that cannot be given back ends by itself.
    outlet.release(alert, Writer { run_id, now: claimed_at }).await.ok();
    sent
}

/// Whether publish and mark fit into the rest of a claim. A clock that went back says nothing about it.
fn is_enough(pace: Pace, claimed_at: Timestamp, now: Timestamp) -> bool {
    let passed = Duration::try_from(now.duration_since(claimed_at));
    passed.is_ok_and(|passed| passed + pace.send() < pace.claim)
}

async fn mark<O: Outlet>(outlet: &O, alert: &AlertItem, run_id: &str) -> Sent<O::Error> {
    let marked = async { outlet.mark_sent(alert, Writer { run_id, now: outlet.now()? }).await };
    match marked.await {
        Ok(()) => Sent::Published,
        Err(error) => Sent::Unmarked(error),
    }
}

async fn park<O: Outlet>(outlet: &O, alert: &AlertItem, run_id: &str) -> bool {
    let parked = async { outlet.park(alert, Writer { run_id, now: outlet.now()? }).await };
    parked.await.is_ok()
}

/// The outlet of a function: its table and its topic.
#[derive(Clone, Copy)]
pub struct AwsOutlet<'a> {
    pub store: &'a AnomalyStore,
    pub alerts: &'a AlertPublisher,
    pub clock: fn() -> SystemTime,
    /// Whether this outlet parks an alert that SNS refuses for good. An alarm must report parked alerts.
    pub parks: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Publish(#[from] AlertError),
    #[error("the clock of this machine is out of range")]
    Clock(#[source] jiff::Error),
}

impl Outlet for AwsOutlet<'_> {
    type Error = SendError;

    fn now(&self) -> Result<Timestamp, SendError> {
        Timestamp::try_from((self.clock)()).map_err(SendError::Clock)
    }

    fn pace(&self) -> Pace {
        self.alerts.pace()
    }

    async fn claim(&self, alert: &AlertItem, hold: Duration, writer: Writer<'_>) -> Result<Claim, SendError> {
        Ok(self.store.claim(alert, hold, writer).await?)
    }

    async fn publish(&self, alert: &AlertItem) -> Result<(), SendError> {
        Ok(self.alerts.publish(alert).await?)
    }

    fn is_final(&self, error: &SendError) -> bool {
        self.parks && matches!(error, SendError::Publish(error) if error.is_final())
    }

    async fn mark_sent(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), SendError> {
        Ok(self.store.mark_sent(alert, writer).await?)
    }

    async fn park(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), SendError> {
        Ok(self.store.park(alert, writer).await?)
    }

    async fn release(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), SendError> {
        Ok(self.store.release(alert, writer).await?)
    }
}

#[cfg(test)]
mod tests;
