//! Turns a customer's plan into events, which add up to the plan exactly.

use std::fmt::Write;

use super::calendar::{WINDOW_HOURS, share_out};
use super::draw::Draw;
use super::plan::{CustomerPlan, World};

const HOUR_MS: i64 = 3_600_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EventType {
    ApiRequest,
    Compute,
    Storage,
}

/// An event without its texts. The texts are written last, into buffers that are used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) event_type: EventType,
    /// Unix milliseconds.
    pub(crate) timestamp: i64,
    /// Bytes, CPU milliseconds, or thousandths of a GB.
    pub(crate) amount: u64,
}

impl EventType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            EventType::ApiRequest => "api_request",
            EventType::Compute => "compute",
            EventType::Storage => "storage",
        }
    }
}

impl Event {
    /// Appends the event's properties as JSON.
    pub(crate) fn write_properties(&self, text: &mut String) {
        let amount = self.amount;
        // Writing into a String cannot fail.
        let _ = match self.event_type {
            EventType::ApiRequest => write!(text, "{{\"bytes\":{amount}}}"),
            EventType::Compute => write!(text, "{{\"cpu_ms\":{amount}}}"),
            EventType::Storage => write!(text, "{{\"gb_stored\":{}.{:03}}}", amount / 1000, amount % 1000),
        };
    }
}

/// The events in the table's own order, so that the server has little to sort.
pub(crate) fn events(world: World, plan: CustomerPlan) -> Vec<Event> {
    let CustomerPlan { calendar, usage, first_hour, is_shifted, mut draw, .. } = plan;
    let mut events = Vec::with_capacity(usage.event_count() as usize);
    let oldest_used = usage.api.events.iter().rposition(|&count| count > 0).unwrap_or(0);
    for (event_type, series) in [
        (EventType::ApiRequest, &usage.api),
        (EventType::Compute, &usage.compute),
        (EventType::Storage, &usage.storage),
    ] {
        for window in (0..world.days).rev() {
            let start = world.end_hour - (WINDOW_HOURS * (window + 1)) as i64;
            let mut hours = match event_type {
                // Readings are spread evenly over all hours.
                EventType::Storage => [1.0; WINDOW_HOURS],
                EventType::ApiRequest | EventType::Compute => {
                    calendar.window(start).map(|usual| usual * weight(window, 0.7, 1.3, &mut draw))
                }
            };
            if window == oldest_used {
                hours[..first_hour].fill(0.0);
            }
            if window == 0 && is_shifted {
                hours.rotate_left(WINDOW_HOURS / 2);
            }
            let burst = series.bursts.iter().find(|burst| burst.hours_ago / WINDOW_HOURS == window);
            let (more, more_amount) = burst.map_or((0, 0), |burst| (burst.events, burst.amount));
            let (count, amount) = (series.events[window] - more, series.amounts[window] - more_amount);
            let amounts = match event_type {
                EventType::Storage => readings(amount, count, &mut draw),
                EventType::ApiRequest | EventType::Compute => {
                    let weights: Vec<f64> = (0..count).map(|_| weight(window, 0.3, 1.7, &mut draw)).collect();
                    share_out(amount, &weights)
                }
            };
            let timestamps = timestamps(start, count, &hours, &mut draw);
            events.extend(timestamps.into_iter().zip(amounts).map(|(timestamp, amount)| Event {
                event_type,
                timestamp,
                amount,
            }));
            let hour = world.end_hour - 1 - burst.map_or(0, |burst| burst.hours_ago as i64);
            let shares = share_out(more_amount, &vec![1.0; more as usize]);
            events.extend(shares.into_iter().enumerate().map(|(number, amount)| Event {
                event_type,
                timestamp: hour * HOUR_MS + number as i64 * HOUR_MS / more.max(1) as i64,
                amount,
            }));
        }
    }
    events
}

/// A weight from `low` to `high` around 1. The current window draws it from the inner quarter of that range, as it draws its noise.
/// A customer with a few jobs a day would otherwise have hours that look extraordinary by chance.
fn weight(window: usize, low: f64, high: f64, draw: &mut Draw) -> f64 {
    match window {
        0 => 1.0 + draw.between(low - 1.0, high - 1.0) / 4.0,
        _ => draw.between(low, high),
    }
}

/// `count` readings of at most `peak`, one of which is the peak.
fn readings(peak: u64, count: u64, draw: &mut Draw) -> Vec<u64> {
    let mut readings: Vec<u64> = (0..count).map(|_| (peak as f64 * draw.between(0.97, 1.0)) as u64).collect();
    if count > 0 {
        readings[draw.whole(0, count - 1) as usize] = peak;
    }
    readings
}

fn timestamps(start_hour: i64, count: u64, hours: &[f64; WINDOW_HOURS], draw: &mut Draw) -> Vec<i64> {
    let mut timestamps = Vec::with_capacity(count as usize);
    for (offset, in_hour) in share_out(count, hours).into_iter().enumerate() {
        let hour_start = (start_hour + offset as i64) * HOUR_MS;
        let from = timestamps.len();
        timestamps.extend((0..in_hour).map(|_| hour_start + draw.whole(0, HOUR_MS as u64 - 1) as i64));
        timestamps[from..].sort_unstable();
    }
    timestamps
}
