//! The planted changes of the current window, and their customers.
//!
//! The two metrics of `api_request` events are planted so that it is clear which of them moves: more calls with the
//! same bytes in all, more bytes in as many calls, or both. Each is labelled.

use super::draw::Draw;
use super::labels::{Kind, Metric, Planted, Severity};
use super::usage::{BASELINE_WINDOWS, Habit, Series, Usage, round};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scenario {
    CallsSpike,
    CallsSpikeMildly,
    CallsDrop,
    /// No more calls of the API, so bandwidth stops too.
    CallsStop,
    CallsStart,
    CallsStartFew,
    /// Calls and bytes rise together.
    TrafficSpike,
    BandwidthSpike,
    BandwidthSpikeMildly,
    BandwidthDrop,
    /// As many calls as ever, all answered without a body.
    BandwidthStops,
    BandwidthStarts,
    StorageSpike,
    StorageSpikeMildly,
    StorageDrop,
    /// The readings go on and say 0.
    StorageEmptied,
    StorageFilled,
    /// No more readings, which is not the same as 0.
    StorageSilent,
    ComputeSpike,
    ComputeDrop,
    ComputeDropMildly,
    ComputeStops,
    ComputeStarts,
    /// No event of any kind.
    Silence,
    /// A spike of a customer with too few windows to compare with.
    SpikeOfNewcomer,
    /// A spike in calls too few to matter.
    SmallSpike,
    /// A change far outside of the usual spread, but only a few percent of the mean.
    SlightRise,
}

const ALL: [Scenario; 27] = {
    use Scenario::*;
    [
        CallsSpike,
        CallsSpikeMildly,
        CallsDrop,
        CallsStop,
        CallsStart,
        CallsStartFew,
        TrafficSpike,
        BandwidthSpike,
        BandwidthSpikeMildly,
        BandwidthDrop,
        BandwidthStops,
        BandwidthStarts,
        StorageSpike,
        StorageSpikeMildly,
        StorageDrop,
        StorageEmptied,
        StorageFilled,
        StorageSilent,
        ComputeSpike,
        ComputeDrop,
        ComputeDropMildly,
        ComputeStops,
        ComputeStarts,
        Silence,
        SpikeOfNewcomer,
        SmallSpike,
        SlightRise,
    ]
};

/// Customers are dealt scenarios in hands of this many.
const HAND: u64 = 40;
/// In every hand but the first: 5 %.
const PLANTED_IN_A_HAND: usize = 2;

/// The scenario of a customer, or none. The first 40 customers have every scenario between them, the others one in
/// twenty. Only seed and number decide, so more customers never change the first ones.
pub(crate) fn of(seed: u64, number: u64) -> Option<Scenario> {
    let hand = (number - 1) / HAND;
    // Above every customer's own stream.
    let mut draw = Draw::stream(seed, (1 << 32) + hand);
    let mut dealt: Vec<Option<Scenario>> = if hand == 0 {
        ALL.into_iter().map(Some).collect()
    } else {
        (0..PLANTED_IN_A_HAND).map(|_| Some(*draw.pick(&ALL))).collect()
    };
    dealt.resize(HAND as usize, None);
    draw.shuffle(&mut dealt);
    dealt[((number - 1) % HAND) as usize]
}

impl Scenario {
    pub(crate) fn habit(self) -> Habit {
        match self {
            Scenario::SpikeOfNewcomer => Habit::New,
            Scenario::SmallSpike => Habit::Quiet,
            _ => Habit::Regular,
        }
    }

    /// The noise of calls and CPU time. A mild change is four standard deviations. The noise must make this more than
    /// the relative floor.
    pub(crate) fn noise(self, draw: &mut Draw) -> f64 {
        match self {
            Scenario::CallsSpikeMildly | Scenario::BandwidthSpikeMildly | Scenario::ComputeDropMildly => {
                draw.between(0.10, 0.12)
            }
            Scenario::SlightRise => 0.005,
            _ => draw.between(0.04, 0.08),
        }
    }

    pub(crate) fn bytes_noise(self) -> f64 {
        if self == Scenario::SlightRise { 0.005 } else { 0.02 }
    }

    pub(crate) fn stored_noise(self, draw: &mut Draw) -> f64 {
        match self {
            Scenario::StorageSpikeMildly => draw.between(0.09, 0.11),
            _ => draw.between(0.005, 0.02),
        }
    }

    pub(crate) fn growth(self, draw: &mut Draw) -> f64 {
        match self {
            Scenario::SlightRise => 0.0,
            _ => draw.between(0.0, 0.04),
        }
    }

    /// Changes the usage and returns the changes.
    pub(crate) fn apply(self, usage: &mut Usage, draw: &mut Draw) -> Vec<Planted> {
        use Kind::{Drop, DropToZero, FromZero, Spike};
        use Metric::{ApiCalls, Bandwidth, ComputeTime, StoragePeak};
        use Severity::{Critical, Warning};
        let Usage { api, storage, compute } = usage;
        match self {
            Scenario::CallsSpike => {
                scale(&mut api.events, draw.between(2.5, 5.0));
                vec![found(ApiCalls, Spike, Critical, "several times the usual calls, each of them smaller")]
            }
            Scenario::CallsSpikeMildly => {
                move_by_stddevs(&mut api.events, 4.0);
                vec![found(ApiCalls, Spike, Warning, "four standard deviations above the mean")]
            }
            Scenario::CallsDrop => {
                scale(&mut api.events, draw.between(0.2, 0.4));
                vec![found(ApiCalls, Drop, Critical, "a fraction of the usual calls, each of them larger")]
            }
            Scenario::CallsStop => {
                stop(api);
                vec![
                    found(ApiCalls, DropToZero, Critical, "the API is not called any more"),
                    found(Bandwidth, DropToZero, Critical, "the API is not called any more"),
                ]
            }
            Scenario::CallsStart => {
                silence_baseline(api);
                api.events[0] = draw.whole(1_500, 3_000);
                api.amounts[0] = draw.whole(20_000_000, 60_000_000);
                vec![
                    found(ApiCalls, FromZero, Warning, "new_usage: the first calls in a month"),
                    found(Bandwidth, FromZero, Warning, "new_usage: the first calls in a month"),
                ]
            }
            Scenario::CallsStartFew => {
                silence_baseline(api);
                api.events[0] = draw.whole(300, 700);
                api.amounts[0] = api.events[0] * draw.whole(50_000, 80_000);
                vec![
                    missed(ApiCalls, FromZero, "a first use of less than ten times min_change"),
                    found(
                        Bandwidth,
                        FromZero,
                        Warning,
                        "new_usage: the first calls in a month, each of them large",
                    ),
                ]
            }
            Scenario::TrafficSpike => {
                let factor = draw.between(2.5, 5.0);
                scale(&mut api.events, factor);
                scale(&mut api.amounts, factor);
                vec![
                    found(ApiCalls, Spike, Critical, "several times the usual calls"),
                    found(Bandwidth, Spike, Critical, "several times the usual calls"),
                ]
            }
            Scenario::BandwidthSpike => {
                scale(&mut api.amounts, draw.between(2.5, 6.0));
                vec![found(Bandwidth, Spike, Critical, "several times the usual bytes in as many calls")]
            }
            Scenario::BandwidthSpikeMildly => {
                move_by_stddevs(&mut api.amounts, 4.0);
                vec![found(Bandwidth, Spike, Warning, "four standard deviations above the mean")]
            }
            Scenario::BandwidthDrop => {
                scale(&mut api.amounts, draw.between(0.2, 0.4));
                vec![found(Bandwidth, Drop, Critical, "a fraction of the usual bytes in as many calls")]
            }
            Scenario::BandwidthStops => {
                api.amounts[0] = 0;
                vec![found(Bandwidth, DropToZero, Critical, "as many calls, all of 0 bytes")]
            }
            Scenario::BandwidthStarts => {
                api.amounts[1..].fill(0);
                api.amounts[0] = draw.whole(20_000_000, 60_000_000);
                vec![found(Bandwidth, FromZero, Critical, "calls had 0 bytes until now")]
            }
            Scenario::StorageSpike => {
                scale(&mut storage.amounts, draw.between(1.8, 3.0));
                vec![found(StoragePeak, Spike, Critical, "about twice the usual storage, or more")]
            }
            Scenario::StorageSpikeMildly => {
                move_by_stddevs(&mut storage.amounts, 4.0);
                vec![found(StoragePeak, Spike, Warning, "four standard deviations above the mean")]
            }
            Scenario::StorageDrop => {
                scale(&mut storage.amounts, draw.between(0.2, 0.5));
                vec![found(StoragePeak, Drop, Critical, "half of the usual storage, or less")]
            }
            Scenario::StorageEmptied => {
                storage.amounts[0] = 0;
                vec![found(StoragePeak, DropToZero, Critical, "every reading is 0")]
            }
            Scenario::StorageFilled => {
                storage.amounts[1..].fill(0);
                storage.amounts[0] = draw.whole(50_000, 400_000);
                vec![found(StoragePeak, FromZero, Critical, "every reading was 0 until now")]
            }
            Scenario::StorageSilent => {
                stop(storage);
                vec![missed(StoragePeak, DropToZero, "no readings: a gap is no_data, not 0")]
            }
            Scenario::ComputeSpike => {
                scale(&mut compute.amounts, draw.between(2.5, 5.0));
                vec![found(ComputeTime, Spike, Critical, "several times the usual CPU time")]
            }
            Scenario::ComputeDrop => {
                scale(&mut compute.amounts, draw.between(0.2, 0.4));
                vec![found(ComputeTime, Drop, Critical, "a fraction of the usual CPU time")]
            }
            Scenario::ComputeDropMildly => {
                move_by_stddevs(&mut compute.amounts, -4.0);
                vec![found(ComputeTime, Drop, Warning, "four standard deviations below the mean")]
            }
            Scenario::ComputeStops => {
                stop(compute);
                vec![found(ComputeTime, DropToZero, Critical, "no job was run")]
            }
            Scenario::ComputeStarts => {
                silence_baseline(compute);
                compute.events[0] = draw.whole(20, 60);
                compute.amounts[0] = draw.whole(900_000, 3_600_000);
                vec![found(ComputeTime, FromZero, Warning, "new_usage: the first jobs in a month")]
            }
            Scenario::Silence => {
                stop(api);
                stop(storage);
                stop(compute);
                vec![
                    found(ApiCalls, DropToZero, Critical, "no event of any kind"),
                    found(Bandwidth, DropToZero, Critical, "no event of any kind"),
                    missed(StoragePeak, DropToZero, "no readings: a gap is no_data, not 0"),
                    found(ComputeTime, DropToZero, Critical, "no event of any kind"),
                ]
            }
            Scenario::SpikeOfNewcomer => {
                scale(&mut api.events, draw.between(2.5, 5.0));
                vec![missed(ApiCalls, Spike, "insufficient_data: a new customer with fewer than 7 windows")]
            }
            Scenario::SmallSpike => {
                api.events[0] += draw.whole(40, 60);
                vec![missed(ApiCalls, Spike, "below min_change: 60 calls more at most")]
            }
            Scenario::SlightRise => {
                scale(&mut api.amounts, 1.06);
                vec![missed(Bandwidth, Spike, "below min_relative_change: about 6 % more")]
            }
        }
    }
}

fn found(metric: Metric, kind: Kind, severity: Severity, why: &'static str) -> Planted {
    Planted { metric, kind, severity: Some(severity), why }
}

fn missed(metric: Metric, kind: Kind, why: &'static str) -> Planted {
    Planted { metric, kind, severity: None, why }
}

fn scale(values: &mut [u64], factor: f64) {
    values[0] = round(values[0] as f64 * factor);
}

fn stop(series: &mut Series) {
    series.events[0] = 0;
    series.amounts[0] = 0;
}

fn silence_baseline(series: &mut Series) {
    series.events[1..].fill(0);
    series.amounts[1..].fill(0);
}

/// Puts the current window at this z-score. Only basic arithmetic and the square root are used, and both are exact.
fn move_by_stddevs(values: &mut [u64], z_score: f64) {
    let baseline = &values[1..=BASELINE_WINDOWS];
    let count = baseline.len() as f64;
    let mean = baseline.iter().map(|&value| value as f64).sum::<f64>() / count;
    let squares: f64 = baseline.iter().map(|&value| (value as f64 - mean) * (value as f64 - mean)).sum();
    values[0] = round(mean + z_score * (squares / (count - 1.0)).sqrt());
}
