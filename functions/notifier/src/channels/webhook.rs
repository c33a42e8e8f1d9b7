//! Webhooks in the form of Standard Webhooks: the alert's own JSON, an id that is the same on every try, the time of
//! the try, and a signature of all three.

use std::time::SystemTime;

use jiff::Timestamp;
use messaging::outbound::{Answer, OutboundRequest};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

use super::{Verdict, by_status, envelope, id_within, reason, template};
use crate::message::Message;

/// Receivers keep the id to recognise repetitions, often in a column of this length.
const ID: usize = 255;

/// `now` is the time of this try. Receivers refuse an old time.
pub fn request(
    message: Message<'_>,
    url: &str,
    template: Option<&str>,
    secret: &str,
    now: Timestamp,
) -> Result<OutboundRequest, String> {
    let body = match template {
        None => envelope::event(message, now).to_string(),
        Some(template) => template::body(template, message, now)?,
    };
    let (id, seconds) = (id_within(&message.alert.id, ID), now.as_second());
    let signature = Webhook::new(secret)
        .and_then(|webhook| webhook.sign(&id, seconds, body.as_bytes()))
        // The decoder's reason would quote a part of the secret.
        .map_err(|_| "the signing secret is not base64 after `whsec_`".to_owned())?;
    Ok(OutboundRequest {
        url: url.to_owned(),
        headers: vec![
            (HEADER_WEBHOOK_ID, id),
            (HEADER_WEBHOOK_TIMESTAMP, seconds.to_string()),
            (HEADER_WEBHOOK_SIGNATURE, signature),
        ],
        body,
    })
}

pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    match answer.status {
        410 => Verdict::Gone { reason: reason(answer) },
        _ => by_status(answer, now),
    }
}
