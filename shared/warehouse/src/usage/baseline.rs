//! Decides which baseline a run reads, and which one is built next. Pure.

use std::collections::BTreeMap;

use catalog::{BUCKETS, Catalog};
use clickhouse::Row;
use detection::{Age, Window};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::note::{Build, NO_BUILD};
use super::request::SweepRequest;

/// Seconds until an insert that was under way can surely be read.
const SETTLING: i64 = 3_600;

pub(super) const DAY: u32 = 86_400;

/// Windows that are read from the hours beside a baseline, or built by one statement. They cover a week and a day,
/// which lie in two or three partitions of the rollup. Finished windows stay if time runs out.
pub(super) const MOST_FRESH: usize = 8;

/// A complete baseline, and the windows to read beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// The hour that the baseline was built for, in Unix seconds.
    pub(super) closes: u32,
    /// Days between that hour and the run that reads the baseline. Its windows are this much older now.
    pub(super) shift: u8,
    pub(super) builds: Vec<u64>,
    /// Rows of each bucket.
    pub(super) rows: BTreeMap<u8, u64>,
    /// Ages of the windows that are read from the hours. The newest is always one of them.
    pub(super) fresh: Vec<u8>,
    /// The time when the baseline was found, in Unix milliseconds. If a clock was ahead, the beginning of its last
    /// part.
    pub(super) found_ms: i64,
}

/// ClickHouse's knowledge of the windows of a sweep. Times are in Unix seconds by ClickHouse's clock, unless stated
/// otherwise.
#[derive(Clone, Debug, Default, Row, Deserialize)]
pub(super) struct State {
    pub(super) now_ms: i64,
    /// Hours, and the time of the last arrival for each.
    arrivals: Vec<(u32, u32)>,
    /// Each complete build.
    builds: Vec<Build>,
}

/// One statement that builds a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Ages of the windows to compute from hours.
    pub(super) ages: Vec<u8>,
    /// The oldest window of the new baseline.
    pub(super) oldest: u8,
    /// The baseline that the other windows come from.
    pub(super) former: Option<Baseline>,
}

impl Baseline {
    /// Ages of the windows that are read from the hours.
    pub fn fresh(&self) -> &[u8] {
        &self.fresh
    }

    /// All rows of it.
    pub(super) fn rows(&self) -> u64 {
        self.rows.values().sum()
    }
}

impl State {
    /// The newest baseline that is complete for all customers of a sweep, and the windows in which the rollup has
    /// changed since.
    pub(super) fn baseline(&self, request: &SweepRequest<'_>) -> Option<Baseline> {
        let end = seconds(request.window.end());
        // The newest note of each bucket, by hour.
        let mut hours: BTreeMap<u32, BTreeMap<u8, Build>> = BTreeMap::new();
        for note in &self.builds {
            let (closes, bucket, id, begun, ..) = *note;
            let newest = hours.entry(closes).or_default().entry(bucket).or_insert(*note);
            if (newest.3, newest.2) < (begun, id) {
                *newest = *note;
            }
        }
        let of_sweep = |of_hour: &BTreeMap<u8, Build>| -> Option<Vec<Build>> {
            let of_bucket = |bucket| of_hour.get(&bucket).copied().filter(|(_, _, id, ..)| *id != NO_BUILD);
            request.shard.buckets().map(of_bucket).collect()
        };
        let (closes, notes) =
            hours.iter().rev().find_map(|(closes, of_hour)| Some((*closes, of_sweep(of_hour)?)))?;
        let shift = u8::try_from(end.checked_sub(closes)? / DAY).ok()?;
        let begun = notes.iter().map(|(_, _, _, begun, ..)| *begun).min()?;
        let oldest = notes.iter().map(|(.., oldest)| *oldest).min()?;
        let holds = |age: &u8| {
            *age > shift && age - shift <= oldest && self.settled_ms(&request.window, *age) <= begun
        };
        Some(Baseline {
            closes,
            shift,
            builds: notes.iter().map(|(_, _, id, ..)| *id).collect(),
            rows: notes.iter().map(|(_, bucket, _, _, rows, _)| (*bucket, *rows)).collect(),
            fresh: ages(request).filter(|age| !holds(age)).collect(),
            found_ms: notes.iter().map(|(_, _, _, begun, ..)| *begun).fold(self.now_ms, i64::max),
        })
    }

    /// The next step of building. `None` if all possible windows are built.
    pub(super) fn step(&self, request: &SweepRequest<'_>) -> Option<Step> {
        let former = self.baseline(request);
        let fresh: Vec<u8> = match &former {
            Some(former) => former.fresh.clone(),
            None => ages(request).collect(),
        };
        // The compared window is not part of its baseline. Windows that still change are read from the hours.
        let to_build = |age: &u8| *age > 0 && self.settled_ms(&request.window, *age) <= self.now_ms;
        let mut to_build = fresh.into_iter().filter(to_build);
        let ages: Vec<u8> = to_build.by_ref().take(MOST_FRESH).collect();
        if ages.is_empty() {
            return None;
        }
        // A window that is out of date and not built now must not be taken over. A window that still changes may be:
        // something arrived for it less than an hour before this build begins, so every reader treats it as fresh.
        let oldest = to_build.next().map_or_else(|| oldest(request), |left| left - 1);
        Some(Step { ages, oldest, former })
    }

    /// The time from which a build holds all arrivals of a window. Never for a window beyond every baseline.
    fn settled_ms(&self, window: &Window, age: u8) -> i64 {
        let Some(age) = Age::new(age.into()) else { return i64::MAX };
        let start = seconds(window.earlier(age).start());
        let of_window =
            self.arrivals.iter().filter(|(hour, _)| (start..start.saturating_add(DAY)).contains(hour));
        of_window.map(|(_, arrived)| (i64::from(*arrived) + SETTLING) * 1_000).max().unwrap_or_default()
    }
}

impl Step {
    /// Whether this state equals the one of the step before, on the same former builds.
    pub(super) fn repeats(&self, last: Option<&Self>) -> bool {
        let builds = |step: &Self| step.former.as_ref().map(|former| former.builds.clone());
        last.is_some_and(|last| self.ages == last.ages && builds(self) == builds(last))
    }
}

/// The ages of all windows of a sweep.
fn ages(request: &SweepRequest<'_>) -> impl Iterator<Item = u8> + use<> {
    0..=oldest(request)
}

pub(super) fn oldest(request: &SweepRequest<'_>) -> u8 {
    u8::try_from(request.window.baseline_windows(request.baseline_days)).unwrap_or(u8::MAX)
}

pub(super) fn seconds(at: jiff::Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

/// The meaning of the values of a window: the metric of each value, and how it is made of events. And how customers are
/// divided.
pub(super) fn definition(catalog: &Catalog) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{BUCKETS};"));
    for metric in catalog.metrics() {
        digest.update(format!("{}={:?};", metric.name, metric.aggregate));
    }
    hex::encode(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use catalog::Shard;

    const END: u32 = 1_795_266_000;
    const NOW: u32 = END + 60;
    const HOUR: u32 = 3_600;
    const HOUR_AGO_MS: i64 = (NOW - HOUR) as i64 * 1_000;

    /// A sweep of twelve windows, of an eighth of the customers: three buckets.
    fn request(catalog: &Catalog) -> SweepRequest<'_> {
        SweepRequest {
            window: Window::closing_at(jiff::Timestamp::from_second(i64::from(END)).unwrap()).unwrap(),
            baseline_days: detection::BaselineDays::new(11).unwrap(),
            catalog,
            customers: &[],
            shard: Shard::new(1, 8).unwrap(),
            query_id: "q",
            deadline: Instant::now(),
        }
    }

    /// Builds of a time when nothing had arrived for an hour.
    fn built(closes: u32, oldest: u8) -> Vec<Build> {
        [1, 9, 17]
            .map(|bucket| (closes, bucket, u64::from(closes) + u64::from(bucket), HOUR_AGO_MS, 100, oldest))
            .to_vec()
    }

    fn state(builds: Vec<Build>) -> State {
        State { now_ms: i64::from(NOW) * 1_000, arrivals: Vec::new(), builds }
    }

    /// The baseline that is read, and the fresh windows.
    fn read(state: &State) -> Option<(u32, u8, Vec<u8>)> {
        let baseline = state.baseline(&request(&Catalog::built_in().unwrap()))?;
        assert_eq!((baseline.builds.len(), baseline.rows()), (3, 300));
        Some((baseline.closes, baseline.shift, baseline.fresh))
    }

    /// The windows that are built, up to which one, and on which baseline.
    fn step(state: &State) -> Option<(Vec<u8>, u8, Option<u32>)> {
        let step = state.step(&request(&Catalog::built_in().unwrap()))?;
        Some((step.ages, step.oldest, step.former.map(|former| former.closes)))
    }

    #[test]
    fn beside_a_baseline_of_its_hour_only_the_newest_window_is_fresh() {
        let state = state(built(END, 11));
        assert_eq!((read(&state), step(&state)), (Some((END, 0, vec![0])), None));
    }

    #[test]
    fn yesterdays_baseline_is_a_day_older_and_the_next_one_is_made_of_it() {
        let yesterday = END - DAY;
        let state = state([built(yesterday, 11), built(END - 2 * DAY, 11)].concat());
        assert_eq!(read(&state), Some((yesterday, 1, vec![0, 1])));
        assert_eq!(step(&state), Some((vec![1], 11, Some(yesterday))));
    }

    #[test]
    fn without_a_baseline_the_newest_windows_are_built_first() {
        assert_eq!(read(&state(Vec::new())), None);
        assert_eq!(step(&state(Vec::new())), Some(((1..=8).collect(), 8, None)));
        let begun = state(built(END, 8));
        assert_eq!(read(&begun), Some((END, 0, vec![0, 9, 10, 11])));
        assert_eq!(step(&begun), Some((vec![9, 10, 11], 11, Some(END))));
    }

    #[test]
    fn what_arrived_after_a_build_or_shortly_before_makes_a_window_fresh() {
        let first_hour = END - 3 * DAY;
        for (hour, arrived, fresh, built_now) in [
            (first_hour, NOW - 2 * HOUR, None, None),
            (first_hour, NOW - 2 * HOUR + 1, Some(2), Some(2)),
            (first_hour + 23 * HOUR, NOW - HOUR, Some(2), Some(2)),
            (first_hour + 23 * HOUR, NOW - HOUR + 1, Some(2), None),
            (first_hour + 24 * HOUR, NOW, Some(1), None),
            (first_hour - HOUR, NOW, Some(3), None),
            (first_hour - 25 * HOUR, NOW - HOUR, Some(4), Some(4)),
            (first_hour - 20 * DAY, NOW, None, None),
        ] {
            let state = State { arrivals: vec![(hour, arrived)], ..state(built(END, 11)) };
            let expected = [0].into_iter().chain(fresh).collect();
            assert_eq!(read(&state), Some((END, 0, expected)), "{hour} {arrived}");
            assert_eq!(step(&state), built_now.map(|age| (vec![age], 11, Some(END))), "{hour} {arrived}");
        }
    }

    #[test]
    fn nothing_that_is_out_of_date_is_taken_over() {
        // Hours of the windows of the ages 2 to 11 arrived after the build, an hour ago.
        let arrivals: Vec<_> = (2..12).map(|age| (END - age * DAY - HOUR, NOW - HOUR)).collect();
        let state = State { arrivals, ..state(built(END, 11)) };
        assert_eq!(step(&state), Some(((2..=9).collect(), 9, Some(END))));
    }

    #[test]
    fn a_baseline_without_one_of_its_buckets_is_none() {
        let mut state = state([built(END, 11), built(END - DAY, 11)].concat());
        state.builds.remove(1);
        assert_eq!(read(&state), Some((END - DAY, 1, vec![0, 1])));
    }

    #[test]
    fn of_two_builds_the_newest_is_read_and_none_that_was_taken_back() {
        let mut state = state([built(END, 11), built(END - DAY, 11)].concat());
        let at = |begun, id| [1, 9, 17].map(|bucket| (END, bucket, id, begun, 100, 11));
        state.builds.extend(at(HOUR_AGO_MS - 1, 7));
        state.builds.extend(at(HOUR_AGO_MS + 1, 8));
        assert_eq!(state.baseline(&request(&Catalog::built_in().unwrap())).unwrap().builds, [8, 8, 8]);
        state.builds.extend(at(HOUR_AGO_MS + 1, NO_BUILD));
        assert_eq!(read(&state), Some((END - DAY, 1, vec![0, 1])));
    }

    #[test]
    fn shards_that_built_apart_are_read_together_as_far_as_both_go() {
        let mut state = state(built(END, 11));
        state.builds[1] = (END, 9, 7, HOUR_AGO_MS - 3_600_000, 50, 9);
        state.arrivals = vec![(END - 3 * DAY, NOW - 3 * HOUR + 1)];
        let baseline = state.baseline(&request(&Catalog::built_in().unwrap())).unwrap();
        assert_eq!((baseline.rows(), baseline.fresh), (250, vec![0, 2, 10, 11]));
        assert_eq!(baseline.builds, [u64::from(END) + 1, 7, u64::from(END) + 17]);
    }

    #[test]
    fn another_order_of_the_metrics_is_another_definition() {
        let text = |first: &str, second: &str| {
            let metric = |name: &str| {
                format!(
                    "[[metric]]\nname = \"{name}\"\ntable = \"events\"\naggregate = \"count\"\nunit = \"calls\"\nmissing = \"zero\"\nmin_change = 1\n"
                )
            };
            metric(first) + &metric(second)
        };
        let of = |text: String| definition(&Catalog::parse(&text, "a").unwrap());
        assert_eq!(of(text("a", "b")), of(text("a", "b")));
        assert_ne!(of(text("a", "b")), of(text("b", "a")));
    }
}
