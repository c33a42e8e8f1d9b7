//! A channel's memory of incidents: the page on a pager, the thread of a chat, and a receiver that is gone.
//!
//! A fault here never keeps a message from being sent. The message then has a page or a thread of its own.

use messaging::channels::ChannelKind;
use platform::telemetry::error_chain;
use store::deliveries::{DeliveryError, Finished};

use super::Leader;
use crate::alert::Alert;
use crate::plan::{Entry, Style};

impl Leader<'_> {
    /// The key of the page on a pager. The outer `None` means that nothing is sent: the page stands for other incidents
    /// that are still open.
    pub(super) async fn page_key(&self, batch: &[Entry]) -> Option<Option<String>> {
        if self.style() != Style::Pager {
            return Some(None);
        }
        let (mut key, mut is_needed) = (None, true);
        for entry in batch {
            let Some(page) = entry.page() else { continue };
            let joins = !entry.alert.event.is_closing();
            let (Ok(now), incident) = (self.app.now(), &entry.alert.incident_id) else { continue };
            let changed = self.app.deliveries.page_of(&self.channel.name, &page, incident, joins, now).await;
            if let Some((page_key, open)) = self.or_without(changed, "the incident has a page of its own") {
                key = Some(page_key);
                is_needed = joins || open == 0;
            }
        }
        is_needed.then_some(key)
    }

    /// Whether the receiver is known to be gone.
    pub(super) async fn is_disabled(&self) -> bool {
        let ChannelKind::Webhook { url, .. } = &self.channel.kind else { return false };
        let known = self.app.deliveries.is_disabled(&self.channel.name, url).await;
        self.or_without(known, "it is not known whether the channel is disabled").unwrap_or(false)
    }

    /// The common thread of all incidents of a message, if the channel has threads.
    pub(super) async fn thread(&self, batch: &[Entry]) -> Option<String> {
        let ChannelKind::SlackBot { conversation, .. } = &self.channel.kind else { return None };
        let mut common = None;
        for entry in batch {
            if entry.alert.storm.is_some() {
                return None;
            }
            let found = self.app.deliveries.thread(&self.channel.name, &entry.alert.incident_id).await;
            let found = self.or_without(found, "the message begins a new thread").flatten()?;
            // A thread of another conversation does not count.
            if found.conversation != *conversation
                || common.as_ref().is_some_and(|other| *other != found.thread)
            {
                return None;
            }
            common = Some(found.thread);
        }
        common
    }

    /// After the end of an incident, its given-up pages are over. A redrive of their messages sends nothing, because it
    /// would page people about an ended incident.
    pub(super) async fn outdate(&self, entry: &Entry) {
        if !entry.alert.event.is_closing() {
            return;
        }
        let waiting = self.app.deliveries.waiting(&self.channel.name).await;
        let waiting = self.or_without(waiting, "a redrive may send a page that is over").unwrap_or_default();
        for waiting in waiting.into_iter().filter(|waiting| waiting.parked) {
            let Ok(alert) = Alert::parse(&waiting.message) else { continue };
            let parked = Entry { waiting, alert };
            if parked.is_page_before(entry) {
                let finished = self.finish(&parked, Finished::Over).await;
                finished
                    .inspect_err(|error| tracing::warn!(error = error_chain(error.as_ref()), "not over"))
                    .ok();
            }
        }
    }

    /// Logs a fault that must not fail the delivery.
    pub(super) fn or_without<T>(&self, result: Result<T, DeliveryError>, otherwise: &str) -> Option<T> {
        let warn = |error: &DeliveryError| {
            tracing::warn!(channel = self.channel.name, error = error_chain(error), "{otherwise}");
        };
        result.inspect_err(warn).ok()
    }
}
