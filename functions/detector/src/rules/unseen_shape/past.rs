//! The samples of a metric that are known, and their distances.
//!
//! The rollup of minutes gets values that are up to two hours late. So the newest samples are compared with what was kept. From the
//! first one that differs on, all distances are computed anew, because the stretches of the later samples hold that sample.

use std::ops::Range;

use detection::rules::unseen_shape::{DAY, DAYS, SAMPLES, STEP};
use detection::rules::{DayOfShapes, Nearest, Shapes, UnseenShape};
use detection::{Direction, Verdict};
use warehouse::usage::{BLOCK, KeptBlock};

/// The place of the judged sample.
const LAST: usize = SAMPLES - 1;

/// Share of a value by which the rollup may differ from itself: it adds the same numbers in another order.
const ROUNDING: f32 = 1e-6;

/// By length of stretch. NaN for a sample whose own distances are not known.
type Distances = [f32; 2];

/// The samples of a metric until the judged one.
pub(super) struct Past {
    /// The number of the block with the judged sample, counted since 1970, and the place of the first sample of that block.
    judged: (i64, i64),
    /// Oldest first, NaN for gaps. The last one is judged.
    values: Vec<f32>,
    distances: Vec<Distances>,
    /// The largest distances of samples whose own are not known.
    largest: Vec<(Range<usize>, Distances)>,
    /// What the search for the judged sample found.
    newest: Option<(Shapes, [Option<Nearest>; 2])>,
    /// The place of the first sample that differs from what was kept.
    changed: Option<usize>,
}

/// A block whose samples differ from what was kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Changed {
    /// Its first instant, in seconds since 1970.
    pub(super) first: u32,
    pub(super) means: Vec<f32>,
    pub(super) two_hours: Vec<f32>,
    pub(super) four_hours: Vec<f32>,
}

impl Past {
    /// * `end`: that of the judged sample, in seconds since 1970.
    pub(super) fn of<'a>(end: i64, kept: impl Iterator<Item = &'a KeptBlock>) -> Self {
        let judged = end.div_euclid(STEP) - 1;
        let block = judged.div_euclid(BLOCK as i64);
        let mut past = Self {
            judged: (block, LAST as i64 - judged.rem_euclid(BLOCK as i64)),
            values: vec![f32::NAN; SAMPLES],
            distances: vec![[f32::NAN; 2]; SAMPLES],
            largest: Vec::new(),
            newest: None,
            changed: None,
        };
        kept.for_each(|block| past.see(block));
        past
    }

    fn see(&mut self, block: &KeptBlock) {
        let KeptBlock { first, is_recent, means, two_hours, four_hours, .. } = block;
        let (judged, of_judged) = self.judged;
        let first = of_judged + (i64::from(*first).div_euclid(STEP * BLOCK as i64) - judged) * BLOCK as i64;
        let place =
            |number: usize| usize::try_from(first + number as i64).ok().filter(|place| *place <= LAST);
        for (number, value) in means.iter().enumerate() {
            let Some(place) = place(number) else { continue };
            self.values[place] = *value;
            if let (true, Some(two), Some(four)) = (is_recent, two_hours.get(number), four_hours.get(number))
            {
                self.distances[place] = [*two, *four];
            }
        }
        if let (false, [two, two_since], [four, four_since]) = (is_recent, &two_hours[..], &four_hours[..]) {
            let begins = (LAST as i64 - of_judged) as usize;
            for (numbers, distances) in
                [(0..begins, [*two, *four]), (begins..BLOCK, [*two_since, *four_since])]
            {
                let [start, end] =
                    [numbers.start, numbers.end].map(|number| (first + number as i64).max(0) as usize);
                self.largest.extend((start < end).then_some((start..end, distances)));
            }
        }
    }

    /// Whether one of so many newest samples is known.
    pub(super) fn is_recent(&self, samples: usize) -> bool {
        self.values[SAMPLES.saturating_sub(samples)..].iter().any(|value| value.is_finite())
    }

    /// Adds the newest samples as the rollup has them, oldest first.
    pub(super) fn add(&mut self, newest: &[f32]) {
        let newest = &newest[newest.len().saturating_sub(SAMPLES)..];
        let first = SAMPLES - newest.len();
        let known = || (first..).zip(newest).filter(|(_, value)| value.is_finite());
        let Some((changed, _)) = known().find(|(place, value)| !is_same(self.values[*place], **value)) else {
            return;
        };
        for (place, value) in known().filter(|(place, _)| *place >= changed) {
            self.values[place] = *value;
        }
        self.changed = Some(changed);
        // The block is written as a whole, so the distances of its earlier samples are needed, too.
        let block = usize::try_from(self.block_of(changed)).unwrap_or(0);
        self.largest.retain(|(places, _)| places.end <= block);
        for place in block..SAMPLES {
            if self.values[place].is_finite() && (place >= changed || self.distances[place][0].is_nan()) {
                self.search(place);
            }
        }
    }

    /// The place of the first sample of the block with this one. It is below zero if a part of the block is too old.
    fn block_of(&self, place: usize) -> i64 {
        place as i64 - (place as i64 - self.judged.1).rem_euclid(BLOCK as i64)
    }

    fn search(&mut self, place: usize) {
        let found = Shapes::of(&self.values[..=place]).map(|shapes| (shapes.nearest(), shapes));
        let nearest = found.as_ref().map(|(nearest, _)| *nearest).unwrap_or_default();
        self.distances[place] = nearest.map(|nearest| nearest.map_or(0.0, |nearest| nearest.distance));
        if place == LAST {
            self.newest = found.map(|(nearest, shapes)| (shapes, nearest));
        }
    }

    /// The blocks to keep.
    pub(super) fn changed(&self) -> Vec<Changed> {
        let Some(changed) = self.changed else { return Vec::new() };
        let (judged, of_judged) = self.judged;
        let blocks = (self.block_of(changed)..=of_judged).step_by(BLOCK);
        let block = |start: i64| {
            let places = start.max(0) as usize..SAMPLES.min((start + BLOCK as i64) as usize);
            let count =
                places.clone().rev().find(|place| self.values[*place].is_finite())? + 1 - places.start;
            let places = places.start..places.start + count;
            // What is older than two weeks is missing.
            let missing = vec![f32::NAN; (places.start as i64 - start) as usize];
            let of = |length: usize| {
                let known =
                    |distances: &Distances| if distances[length].is_nan() { 0.0 } else { distances[length] };
                let own = self.distances[places.clone()].iter().map(known);
                missing.iter().map(|_| 0.0).chain(own).collect()
            };
            let number = judged + (start - of_judged) / BLOCK as i64;
            Some(Changed {
                first: u32::try_from(number * STEP * BLOCK as i64).ok()?,
                means: missing.iter().chain(&self.values[places.clone()]).copied().collect(),
                two_hours: of(0),
                four_hours: of(1),
            })
        };
        blocks.filter_map(block).collect()
    }

    /// `None` without a judged sample.
    pub(super) fn verdict(
        &self,
        rule: &UnseenShape,
        active: Option<Direction>,
        never_negative: bool,
    ) -> Option<Verdict> {
        let days = self.days();
        let judge = |shapes: &Shapes, nearest: &[Option<Nearest>; 2]| {
            rule.judge((shapes, nearest), &days, active, never_negative)
        };
        match &self.newest {
            Some((shapes, nearest)) => Some(judge(shapes, nearest)),
            // The sample was kept by an earlier run.
            None => {
                let shapes = Shapes::of(&self.values)?;
                Some(judge(&shapes, &shapes.nearest()))
            }
        }
    }

    /// The days before the judged sample, the newest first.
    fn days(&self) -> [DayOfShapes; DAYS] {
        std::array::from_fn(|day| {
            let until = LAST - day * DAY;
            let places = until - DAY..until;
            let of_samples = self.distances[places.clone()].iter();
            let of_blocks = self.largest.iter().filter(|(block, _)| places.contains(&block.start));
            let all = of_samples.chain(of_blocks.map(|(_, distances)| distances));
            // The larger one of a number and NaN is the number.
            let larger = |one: Distances, other: &Distances| [one[0].max(other[0]), one[1].max(other[1])];
            DayOfShapes {
                samples: self.values[places.clone()].iter().filter(|value| value.is_finite()).count(),
                largest: all.fold([0.0; 2], larger),
            }
        })
    }
}

/// Whether a sample has the value that was kept.
fn is_same(kept: f32, value: f32) -> bool {
    (kept - value).abs() <= ROUNDING * kept.abs().max(value.abs())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The end of the judged sample: the fifth of its block.
    const END: i64 = 86_400 * 20_000 + 5 * STEP;

    const NEWEST: usize = 24;

    /// Three days of a pattern of a day, with noise. The last hour is that much higher.
    pub(in crate::rules::unseen_shape) fn samples(by: f32) -> Vec<f32> {
        let sample = |place: usize| {
            let usual = (place % DAY) as f32 / 10.0 + (place * 7_919 % 101) as f32 / 50.0;
            if place < 3 * DAY - 12 { usual } else { usual + by }
        };
        (0..3 * DAY).map(sample).collect()
    }

    fn new(end: i64, samples: &[f32]) -> Past {
        let mut past = Past::of(end, [].iter());
        past.add(samples);
        past
    }

    /// What the table says of these blocks to a run that judges the sample that ends then.
    fn kept(blocks: &[Changed], end: i64) -> Vec<KeptBlock> {
        let length = BLOCK as i64 * STEP;
        let recent = (end - NEWEST as i64 * STEP).div_euclid(length) * length;
        let before = (end / STEP - 1) as usize % BLOCK;
        let block = |Changed { first, means, two_hours, four_hours }: &Changed| {
            let largest = |all: &[f32]| {
                let (before, since) = all.split_at(before.min(all.len()));
                [before, since].map(|part| part.iter().copied().fold(0.0, f32::max)).to_vec()
            };
            let is_recent = i64::from(*first) >= recent;
            let of = |all: &[f32]| if is_recent { all.to_vec() } else { largest(all) };
            let (two_hours, four_hours) = (of(two_hours), of(four_hours));
            KeptBlock { place: 0, first: *first, is_recent, means: means.clone(), two_hours, four_hours }
        };
        blocks.iter().filter(|block| i64::from(block.first) < end).map(block).collect()
    }

    fn verdict(past: &Past) -> Option<Verdict> {
        past.verdict(&UnseenShape::default(), None, true)
    }

    #[test]
    fn samples_that_were_kept_give_the_same_verdict_as_those_of_the_rollup() {
        let samples = samples(90.0);
        // The judged sample is in each place of a block, and so is the end of each day.
        for end in (0..BLOCK as i64).map(|number| END + number * STEP) {
            let whole = new(end, &samples);
            assert!(verdict(&whole).unwrap().finding().is_some());
            // The run before kept all but the newest one.
            let before = new(end - STEP, &samples[..samples.len() - 1]);
            let blocks = before.changed();
            let known = blocks.iter().flat_map(|block| &block.means).filter(|mean| mean.is_finite());
            assert_eq!(known.count(), samples.len() - 1);
            let mut next = Past::of(end, kept(&before.changed(), end).iter());
            assert!(next.is_recent(NEWEST));
            next.add(&samples[samples.len() - NEWEST..]);
            assert_eq!((next.days(), verdict(&next)), (whole.days(), verdict(&whole)), "until {end}");
            assert_eq!(
                next.changed(),
                whole.changed()[whole.changed().len() - 1..],
                "one block is written anew"
            );
        }
    }

    #[test]
    fn a_sample_that_was_late_is_corrected_with_all_distances_since() {
        let right = samples(0.0);
        let mut wrong = right[..right.len() - 1].to_vec();
        let late = right.len() - 18;
        wrong[late] = 500.0;
        wrong[late + 3] = f32::NAN;
        let before = new(END - STEP, &wrong);
        let whole = new(END, &right);
        assert_ne!(before.days()[0].largest, whole.days()[0].largest);
        let mut next = Past::of(END, kept(&before.changed(), END).iter());
        next.add(&right[right.len() - NEWEST..]);
        assert_eq!((next.days(), verdict(&next)), (whole.days(), verdict(&whole)));
        assert_eq!(next.changed(), whole.changed()[whole.changed().len() - 2..], "the blocks since then");
        // The same numbers in another order are no news.
        let mut again = Past::of(END, kept(&whole.changed(), END).iter());
        let rounded = |value: &f32| value * (1.0 + f32::EPSILON);
        again.add(&right[right.len() - NEWEST..].iter().map(rounded).collect::<Vec<_>>());
        assert_eq!((again.changed(), verdict(&again)), (Vec::new(), verdict(&whole)));
    }

    #[test]
    fn a_series_that_comes_back_is_known_from_before_and_its_blocks_stay_whole() {
        let right = samples(0.0);
        let gap = right.len() - 40..right.len() - 30;
        let mut without = right.clone();
        without[gap.clone()].fill(f32::NAN);
        // Nobody judged since the gap began.
        let before = new(END - 40 * STEP, &right[..gap.start]);
        let mut next = Past::of(END, kept(&before.changed(), END).iter());
        assert!(!next.is_recent(NEWEST));
        next.add(&without);
        let whole = new(END, &without);
        assert_eq!((next.days(), verdict(&next)), (whole.days(), verdict(&whole)));
        let changed = next.changed();
        // NaN is not equal to itself.
        let same = whole.changed()[whole.changed().len() - changed.len()..].to_vec();
        assert_eq!(format!("{changed:?}"), format!("{same:?}"));
        assert!(changed[0].means[0].is_finite(), "also what was kept of the first block: {changed:?}");
    }

    #[test]
    fn gaps_give_no_verdict_and_what_was_kept_stays() {
        let past = new(END, &[1.0, f32::NAN, 2.0, f32::NAN]);
        assert_eq!(verdict(&past), None);
        let changed = past.changed();
        assert_eq!(changed.len(), 1);
        assert!(changed[0].means[1] == 1.0 && changed[0].means[2].is_nan() && changed[0].means.len() == 4);
        assert_eq!(changed[0].two_hours, [0.0; 4]);
        let mut next = Past::of(END, kept(&changed, END).iter());
        next.add(&[f32::NAN; NEWEST]);
        assert_eq!(next.changed(), []);
        // A later run knows samples that are no past of an earlier window.
        let earlier = Past::of(END - 3 * STEP, kept(&changed, END - 3 * STEP).iter());
        assert_eq!(earlier.values[LAST], 1.0);
        assert_eq!(earlier.values.iter().filter(|value| value.is_finite()).count(), 1);
    }
}
