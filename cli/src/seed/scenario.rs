//! The planted changes of the current window, and their customers.
//!
//! The two metrics of `api_request` events are planted so that it is clear which of them moves: more calls with the
//! same bytes in all, more bytes in as many calls, or both. Each is labelled.

use super::calendar::WINDOW_HOURS;
use super::draw::Draw;
use super::labels::{Kind, Metric, Planted, Severity};
use super::usage::{Burst, Habit, Series, Usage, round};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scenario {
    CallsSpike,
    /// Many calls in the last hour, and a day as usual before.
    CallsBurst,
    CallsDrop,
    /// No more calls of the API, so bandwidth stops too.
    CallsStop,
    CallsStart,
    CallsStartFew,
    /// Calls and bytes rise together.
    TrafficSpike,
    BandwidthSpike,
    /// A customer who rests at the weekend, or on all other days, and stays away when usage is due.
    WeeklySilence,
    BandwidthDrop,
    /// As many calls as ever, all answered without a body.
    BandwidthStops,
    BandwidthStarts,
    StorageSpike,
    /// As many calls as ever, at night.
    NightShift,
    StorageDrop,
    /// The readings go on and say 0.
    StorageEmptied,
    StorageFilled,
    /// No more readings, which is not the same as 0.
    StorageSilent,
    ComputeSpike,
    ComputeDrop,
    /// Long jobs in the last hour.
    ComputeBurst,
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
    /// A few large downloads in the last hour, and an hour earlier a week and two weeks ago.
    WeeklyJob,
}

const ALL: [Scenario; 28] = {
    use Scenario::*;
    [
        CallsSpike,
        CallsBurst,
        CallsDrop,
        CallsStop,
        CallsStart,
        CallsStartFew,
        TrafficSpike,
        BandwidthSpike,
        WeeklySilence,
        BandwidthDrop,
        BandwidthStops,
        BandwidthStarts,
        StorageSpike,
        NightShift,
        StorageDrop,
        StorageEmptied,
        StorageFilled,
        StorageSilent,
        ComputeSpike,
        ComputeDrop,
        ComputeBurst,
        ComputeStops,
        ComputeStarts,
        Silence,
        SpikeOfNewcomer,
        SmallSpike,
        SlightRise,
        WeeklyJob,
    ]
};
/// The last one is dealt once.
const DEALT_AGAIN: usize = ALL.len() - 1;

/// When the weekly job ran before, as hours before the last hour. It began an hour earlier, so the models of the last
/// hour do not know it yet.
const WEEKS_BEFORE: [usize; 2] = [2 * 7 * WINDOW_HOURS + 1, 7 * WINDOW_HOURS + 1];

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
        (0..PLANTED_IN_A_HAND).map(|_| Some(*draw.pick(&ALL[..DEALT_AGAIN]))).collect()
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

    /// The noise of calls and CPU time.
    pub(crate) fn noise(self, draw: &mut Draw) -> f64 {
        match self {
            Scenario::SlightRise => 0.005,
            _ => draw.between(0.04, 0.08),
        }
    }

    pub(crate) fn bytes_noise(self) -> f64 {
        if self == Scenario::SlightRise { 0.005 } else { 0.02 }
    }

    pub(crate) fn stored_noise(self, draw: &mut Draw) -> f64 {
        draw.between(0.005, 0.02)
    }

    pub(crate) fn growth(self, draw: &mut Draw) -> f64 {
        match self {
            Scenario::SlightRise => 0.0,
            _ => draw.between(0.0, 0.04),
        }
    }

    /// Changes the usage and returns the changes.
    pub(crate) fn apply(self, usage: &mut Usage, draw: &mut Draw) -> Vec<Planted> {
        use Kind::{Drop, DropToZero, FromZero, Shape, Spike};
        use Metric::{ApiCalls, Bandwidth, ComputeTime, StoragePeak};
        use Severity::{Critical, Warning};
        let Usage { api, storage, compute } = usage;
        match self {
            Scenario::CallsSpike => {
                scale(&mut api.events, draw.between(2.5, 5.0));
                vec![found(ApiCalls, Spike, Critical, "several times the usual calls, each of them smaller")]
            }
            Scenario::CallsBurst => {
                burst(api, draw.between(10.0, 15.0));
                vec![
                    found(ApiCalls, Spike, Critical, "a burst in the last hour"),
                    found(Bandwidth, Spike, Critical, "a burst in the last hour"),
                ]
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
            Scenario::WeeklySilence => {
                *storage = Series::unused(storage.events.len());
                *compute = Series::unused(compute.events.len());
                api.events.iter_mut().chain(&mut api.amounts).for_each(|of_day| *of_day *= 4);
                stop(api);
                vec![
                    found(ApiCalls, DropToZero, Critical, "nothing on a day of the week when usage is due"),
                    found(Bandwidth, DropToZero, Critical, "nothing on a day of the week when usage is due"),
                ]
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
            Scenario::NightShift => {
                *compute = Series::unused(compute.events.len());
                vec![
                    found(ApiCalls, Shape, Critical, "as many calls as ever, at night instead of by day"),
                    found(Bandwidth, Shape, Critical, "as many bytes as ever, at night instead of by day"),
                ]
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
            Scenario::ComputeBurst => {
                burst(compute, draw.between(10.0, 15.0));
                vec![found(ComputeTime, Spike, Critical, "long jobs in the last hour")]
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
                scale(&mut api.events, draw.between(40.0, 60.0));
                vec![found(ApiCalls, Spike, Critical, "many times the calls of a customer of some days")]
            }
            Scenario::SmallSpike => {
                api.events[0] += draw.whole(40, 60);
                vec![missed(ApiCalls, Spike, "below min_change: 60 calls more at most")]
            }
            Scenario::SlightRise => {
                scale(&mut api.amounts, 1.06);
                vec![missed(Bandwidth, Spike, "below min_relative_change: about 6 % more")]
            }
            Scenario::WeeklyJob => {
                let times = draw.between(10.0, 15.0);
                for hours_ago in [0].into_iter().chain(WEEKS_BEFORE) {
                    let amount = times_the_hour(api.amounts[hours_ago / WINDOW_HOURS], times);
                    add(api, Burst { hours_ago, events: 4, amount });
                }
                vec![Planted {
                    earlier: &WEEKS_BEFORE,
                    ..found(Bandwidth, Spike, Critical, "large downloads each week, for the third time")
                }]
            }
        }
    }
}

fn found(metric: Metric, kind: Kind, severity: Severity, why: &'static str) -> Planted {
    Planted { metric, kind, severity: Some(severity), why, earlier: &[] }
}

fn missed(metric: Metric, kind: Kind, why: &'static str) -> Planted {
    Planted { metric, kind, severity: None, why, earlier: &[] }
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

/// Adds to the last hour so many times the usual share of an hour.
fn burst(series: &mut Series, times: f64) {
    let (events, amount) =
        (times_the_hour(series.events[0], times), times_the_hour(series.amounts[0], times));
    add(series, Burst { hours_ago: 0, events, amount });
}

/// So many times the usual share of an hour.
fn times_the_hour(of_day: u64, times: f64) -> u64 {
    round(times * of_day as f64 / WINDOW_HOURS as f64)
}

fn add(series: &mut Series, burst: Burst) {
    let window = burst.hours_ago / WINDOW_HOURS;
    series.events[window] += burst.events;
    series.amounts[window] += burst.amount;
    series.bursts.push(burst);
}
