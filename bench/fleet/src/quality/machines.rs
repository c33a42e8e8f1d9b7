//! Metrics of machines with labelled faults: which of them a judge finds, at how many false alarms.
//!
//! Each sample is judged by those before it. A judge is a score of each sample, and what lies at or above a threshold is told.
//! Told samples that are at most an hour apart are one alarm. An alarm is false if none of its samples lies in a fault. It counts
//! once more for each whole day outside of faults. Otherwise a judge that always tells would have a single alarm.
//! A fault is found if one of its samples is told.

mod judges;

use std::ops::Range;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use crate::compare::in_parallel;

pub use judges::{Judge, scores};

/// One metric of a machine, and its faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    pub name: String,
    pub start: Timestamp,
    /// Every five minutes. NaN for gaps.
    pub values: Vec<f64>,
    /// The samples of each fault.
    pub faults: Vec<Range<usize>>,
}

/// From one sample to the next.
pub const STEP: SignedDuration = SignedDuration::from_mins(5);

/// Samples of an hour.
pub const HOUR: usize = 12;

/// Samples of a day.
pub const DAY: usize = 24 * HOUR;

const SAMPLES_OF_MONTH: f64 = 30.0 * DAY as f64;

/// The first part of a series is not judged, and the autoencoder learns from it: this share, and at most so many samples. NAB
/// counts in the same way.
const FIRST_PART: f64 = 0.15;
const MOST_OF_FIRST_PART: usize = 750;

/// What a judge does with all machines at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub threshold: f64,
    pub found: usize,
    pub faults: usize,
    pub false_alarms: usize,
    /// Judged time of all machines.
    pub months: f64,
}

/// The scores of one judge, machine by machine, from the first judged sample on.
pub type Scores = Vec<Vec<f64>>;

impl Machine {
    /// The first sample that is judged.
    pub fn begin(&self) -> usize {
        ((FIRST_PART * self.values.len() as f64) as usize).min(MOST_OF_FIRST_PART)
    }

    /// The faults after the first part.
    fn judged_faults(&self) -> impl Iterator<Item = Range<usize>> {
        let begin = self.begin();
        let judged = self.faults.iter().filter(move |fault| fault.end > begin);
        judged.map(move |fault| fault.start.max(begin) - begin..fault.end - begin)
    }
}

impl Outcome {
    pub fn recall(&self) -> Option<f64> {
        (self.faults > 0).then(|| self.found as f64 / self.faults as f64)
    }

    pub fn false_alarms_a_month(&self) -> f64 {
        self.false_alarms as f64 / self.months
    }

    /// At a threshold.
    pub fn at(threshold: f64, machines: &[Machine], scores: &Scores) -> Self {
        let mut outcome = Self { threshold, found: 0, faults: 0, false_alarms: 0, months: 0.0 };
        for (machine, scores) in machines.iter().zip(scores) {
            let faults: Vec<Range<usize>> = machine.judged_faults().collect();
            let told = |place: usize| scores.get(place).is_some_and(|score| *score >= threshold);
            outcome.faults += faults.len();
            outcome.found += faults.iter().filter(|fault| (*fault).clone().any(told)).count();
            let is_in_fault = |place: &usize| faults.iter().any(|fault| fault.contains(place));
            let false_alarms = |alarm: Range<usize>| {
                let is_false = !alarm.clone().any(|place| told(place) && is_in_fault(&place));
                usize::from(is_false) + alarm.filter(|place| !is_in_fault(place)).count() / DAY
            };
            outcome.false_alarms += alarms(scores.len(), told).into_iter().map(false_alarms).sum::<usize>();
            outcome.months += scores.len() as f64 / SAMPLES_OF_MONTH;
        }
        outcome
    }

    /// At the threshold that finds most with at most so many false alarms a month of a series. `None` if no threshold has so few.
    pub fn best(machines: &[Machine], scores: &Scores, most_a_month: f64) -> Option<Self> {
        // Only the largest score of a fault is worth a lower threshold.
        let largest = |(machine, scores): (&Machine, &Vec<f64>)| {
            let of_fault = |fault: Range<usize>| scores.get(fault)?.iter().copied().reduce(f64::max);
            machine.judged_faults().filter_map(of_fault).collect::<Vec<_>>()
        };
        let thresholds = machines.iter().zip(scores).flat_map(largest).filter(|threshold| *threshold > 0.0);
        thresholds
            .map(|threshold| Self::at(threshold, machines, scores))
            .filter(|outcome| outcome.false_alarms_a_month() <= most_a_month)
            .max_by(|one, other| one.found.cmp(&other.found).then(other.false_alarms.cmp(&one.false_alarms)))
    }
}

/// The alarms among so many samples: from the first told sample to the end of the last one.
fn alarms(samples: usize, told: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut alarms: Vec<Range<usize>> = Vec::new();
    for place in (0..samples).filter(|place| told(*place)) {
        match alarms.last_mut() {
            Some(alarm) if place - alarm.end < HOUR => alarm.end = place + 1,
            _ => alarms.push(place..place + 1),
        }
    }
    alarms
}

/// By judge: the scores of all machines.
///
/// # Errors
///
/// When the parameters of the vote are not valid.
pub fn judged(machines: &[Machine]) -> Result<Vec<(Judge, Scores)>> {
    let of_machines: Vec<[Vec<f64>; Judge::ALL.len()]> =
        in_parallel(machines, scores).into_iter().collect::<Result<_>>()?;
    let of_judge = |place: usize| of_machines.iter().map(|of| of[place].clone()).collect();
    Ok(Judge::ALL.into_iter().enumerate().map(|(place, judge)| (judge, of_judge(place))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(faults: &[(usize, usize)]) -> Machine {
        Machine {
            name: String::from("made"),
            start: Timestamp::constant(1_795_478_400, 0),
            values: vec![1.0; 1_000],
            faults: faults.iter().map(|(from, to)| *from..*to).collect(),
        }
    }

    /// Scores of 850 samples, of which some are odd.
    fn scores(odd: &[(usize, f64)]) -> Scores {
        let mut scores = vec![0.0; 850];
        odd.iter().for_each(|(place, score)| scores[*place] = *score);
        vec![scores]
    }

    #[test]
    fn alarms_are_an_hour_apart() {
        let told = [3, 5, 16, 17, 30, 31];
        assert_eq!(alarms(40, |place| told.contains(&place)), [3..18, 30..32]);
        assert!(alarms(40, |_| false).is_empty());
    }

    #[test]
    fn faults_and_false_alarms_are_counted() {
        // The first 150 samples are not judged. A fault in them is none, and one that lasts longer is.
        let machines = [machine(&[(20, 40), (140, 160), (400, 410), (700, 720)])];
        let scores = scores(&[(5, 2.0), (255, 3.0), (265, 4.0), (500, 2.0), (501, 2.0), (600, 1.0)]);
        let outcome = Outcome::at(2.0, &machines, &scores);
        assert_eq!((outcome.found, outcome.faults, outcome.false_alarms), (2, 3, 1));
        assert!((outcome.months - 850.0 / 8_640.0).abs() < 1e-12);
        assert_eq!(outcome.recall(), Some(2.0 / 3.0));
        // An alarm that ends in a fault is true.
        assert_eq!(Outcome::at(3.0, &machines, &scores).false_alarms, 0);
        assert_eq!(Outcome::at(1.0, &machines, &scores).false_alarms, 2);
    }

    #[test]
    fn an_alarm_counts_for_each_day_outside_of_faults() {
        let machines = [machine(&[(400, 410)])];
        let always = vec![vec![1.0; 850]];
        // The alarm holds a fault, and goes on for two whole days beside it.
        assert_eq!(Outcome::at(1.0, &machines, &always).false_alarms, 2);
        assert_eq!(Outcome::at(1.0, &[machine(&[])], &always).false_alarms, 3);
    }

    #[test]
    fn the_best_threshold_finds_most_within_the_false_alarms() {
        let machines = [machine(&[(200, 210), (400, 410), (700, 720)])];
        let scores = scores(&[(55, 9.0), (255, 6.0), (300, 8.0), (555, 2.0), (600, 3.0), (620, 4.0)]);
        let best = |alarms: f64| Outcome::best(&machines, &scores, alarms * 8_640.0 / 850.0).unwrap();
        assert_eq!((best(0.0).threshold, best(0.0).found), (9.0, 1));
        assert_eq!((best(1.0).threshold, best(1.0).found), (6.0, 2));
        assert_eq!((best(2.0).threshold, best(3.0).found), (6.0, 3));
        let never = [machine(&[(200, 210)])];
        assert_eq!(Outcome::best(&never, &vec![vec![0.0; 850]], 1.0), None);
    }
}
