//! The judges of machines: the vote, the detectors that vote, and three more to compare with.

use anyhow::Result;
use detection::detectors::autoencoder::Autoencoder;
use detection::detectors::autoencoder::training::{Plan, train};
use detection::floors::Floors;
use detection::rules::UnseenShape;
use detection::vote::{self, Judgement, Parameters, Peaks, SAMPLES, Samples, Voter, Weights};
use detection::{Hour, Thresholds};

use super::{DAY, Machine, STEP};
use crate::judges::{Forest, LENGTH, Season, filled, unseen_shape};

/// Says how odd a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    Vote,
    /// The vote on values beyond the peaks of earlier days only.
    VoteBeyondPeaks,
    /// The mean of the scores of the same detectors.
    Mean,
    /// A detector of the vote alone.
    Alone(Voter),
    /// Seasonal hybrid ESD with a robust decomposition, as published.
    SeasonalHybrid,
    CutForest,
    /// The rule `unseen_shape`.
    UnseenShape,
}

impl Judge {
    pub const ALL: [Self; 10] = [
        Self::Vote,
        Self::VoteBeyondPeaks,
        Self::Mean,
        Self::Alone(Voter::IsolationForest),
        Self::Alone(Voter::Autoencoder),
        Self::Alone(Voter::RollingZ),
        Self::Alone(Voter::SeasonalEsd),
        Self::SeasonalHybrid,
        Self::CutForest,
        Self::UnseenShape,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Vote => "the vote",
            Self::VoteBeyondPeaks => "the vote, beyond the peaks of earlier days",
            Self::Mean => "the mean of the scores",
            Self::Alone(Voter::IsolationForest) => "isolation forest alone",
            Self::Alone(Voter::Autoencoder) => "autoencoder alone",
            Self::Alone(Voter::RollingZ) => "rolling z alone",
            Self::Alone(Voter::SeasonalEsd) => "seasonal ESD of the vote alone",
            Self::SeasonalHybrid => "S-H-ESD",
            Self::CutForest => "random cut forest",
            Self::UnseenShape => "the rule for unseen shapes",
        }
    }
}

/// Days that a decomposition needs, and takes at most.
const LEAST_DAYS: usize = 2;
const MOST_DAYS: usize = 14;

/// The scores of all judges in their order, from the first judged sample on.
pub fn scores(machine: &Machine) -> Result<[Vec<f64>; Judge::ALL.len()]> {
    let mut found: [Vec<f64>; Judge::ALL.len()] = Default::default();
    let network = network(machine);
    let hours = hours(machine);
    let days = days(machine);
    // The vote as stated has no floors.
    let plain = Thresholds { min_relative_change: 0.0, ..Thresholds::default() };
    let parameters = Parameters::new(Weights::default(), Parameters::THRESHOLD, &plain)?;
    let floors = Floors::try_from(&plain)?;
    let [hybrid, forest] = [seasonal_hybrid(machine), cut_forest(machine)];
    let shape = unseen_shape(&machine.values, machine.begin(), &UnseenShape::default());
    for (place, newest) in (machine.begin()..machine.values.len()).enumerate() {
        let first = (newest + 1).saturating_sub(SAMPLES);
        let values = &machine.values[first..=newest];
        let at = machine.start + STEP * first as i32;
        let past = usize::try_from(Hour::holding(at).since(Hour::holding(machine.start))).unwrap_or_default();
        let season = vote::season::daily(&hours[..past.min(hours.len())], at, STEP, values.len());
        let samples = Samples {
            values,
            season: &season,
            floors,
            never_negative: true,
            peaks: None,
            network: network.as_ref(),
        };
        let seed = (newest / DAY) as u64;
        let judgement = vote::judge(&[samples], seed, &parameters);
        let peaks = Peaks::of(&days[..newest / DAY]);
        let is_news = peaks.is_none_or(|peaks| peaks.is_news(machine.values[newest]));
        for (scores, judge) in found.iter_mut().zip(Judge::ALL) {
            scores.push(match judge {
                Judge::Vote => judgement.as_ref().map_or(0.0, |judgement| judgement.score),
                // A single metric within the peaks has no score.
                Judge::VoteBeyondPeaks if !is_news => 0.0,
                Judge::VoteBeyondPeaks => judgement.as_ref().map_or(0.0, |judgement| judgement.score),
                Judge::Mean => judgement.as_ref().map_or(0.0, |judgement| judgement.mean),
                Judge::Alone(voter) => judgement.as_ref().map_or(0.0, |judgement| alone(judgement, voter)),
                Judge::SeasonalHybrid => hybrid[place],
                Judge::CutForest => forest[place],
                Judge::UnseenShape => shape[newest],
            });
        }
    }
    Ok(found)
}

fn alone(judgement: &Judgement, voter: Voter) -> f64 {
    let voice = judgement.voices.iter().find(|voice| voice.voter == voter);
    voice.map_or(0.0, |voice| voice.continuous)
}

/// The network that the first part trains. `None` if that is too short.
fn network(machine: &Machine) -> Option<Autoencoder> {
    let stretches = vote::training_inputs(&machine.values[..machine.begin()]);
    let trained = train(&stretches, &Plan::default(), |_| {}).ok()?;
    Autoencoder::try_from(&trained.file).ok()
}

/// Means by hour of the clock, from that of the first sample on.
fn hours(machine: &Machine) -> Vec<f64> {
    let begin = Hour::holding(machine.start);
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for (place, value) in machine.values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let hour = Hour::holding(machine.start + STEP * place as i32).since(begin).max(0) as usize;
        sums.resize(sums.len().max(hour + 1), (0.0, 0.0));
        sums[hour] = (sums[hour].0 + value, sums[hour].1 + 1.0);
    }
    // An hour without a sample is NaN: zero by zero.
    sums.iter().map(|(sum, count)| sum / count).collect()
}

/// The least and the largest sample of each day.
fn days(machine: &Machine) -> Vec<(f64, f64)> {
    let ends = |day: &[f64]| {
        let known = || day.iter().copied().filter(|value| value.is_finite());
        (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max))
    };
    machine.values.chunks(DAY).map(ends).collect()
}

/// Distances from the season of the days before, made anew each day.
fn seasonal_hybrid(machine: &Machine) -> Vec<f64> {
    let values = filled(&machine.values);
    let mut of_day: Option<(usize, Option<Season>)> = None;
    let mut score = |newest: usize| {
        let day = newest / DAY;
        let season = |day: usize| {
            let days = day.min(MOST_DAYS);
            let past = &values[DAY * (day - days)..DAY * day];
            Season::of(past, DAY).filter(|_| days >= LEAST_DAYS)
        };
        let known = of_day.take().filter(|(of, _)| *of == day).unwrap_or_else(|| (day, season(day)));
        let distance = of_day.insert(known).1.as_ref()?.distance(newest % DAY, values[newest]).abs();
        distance.is_finite().then_some(distance)
    };
    (machine.begin()..values.len()).map(|newest| score(newest).unwrap_or(0.0)).collect()
}

/// Scores of the last 24 samples, by a forest of the days before that is grown anew each day.
fn cut_forest(machine: &Machine) -> Vec<f64> {
    let values = filled(&machine.values);
    let mut of_day: Option<(usize, Forest)> = None;
    let mut score = |newest: usize| {
        let day = newest / DAY;
        let grow = || {
            // On the first day the past is what was there before the first judged sample.
            let until = (DAY * day).max(machine.begin()).min(newest);
            let from = until.saturating_sub(MOST_DAYS * DAY).max(LENGTH);
            (from < until).then(|| (day, Forest::grow(&values, from..until, day as u64)))
        };
        let known = match of_day.take().filter(|(of, _)| *of == day) {
            Some(known) => known,
            None => grow()?,
        };
        of_day.insert(known).1.score(&values[..=newest])
    };
    (machine.begin()..values.len()).map(|newest| score(newest).unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::quality::machines::HOUR;

    /// Sixteen days with a wave, and a burst of an hour on the fifteenth.
    fn machine() -> Machine {
        let wave = |place: usize| (place as f64 * std::f64::consts::TAU / DAY as f64).sin();
        let noise = |place: usize| (place * 7_919 % 101) as f64 / 101.0;
        let value = |place: usize| 50.0 + 20.0 * wave(place) + 4.0 * noise(place);
        let fault = 14 * DAY + 100..14 * DAY + 100 + HOUR;
        let values = (0..16 * DAY).map(|place| if fault.contains(&place) { 190.0 } else { value(place) });
        Machine {
            name: String::from("made"),
            start: Timestamp::constant(1_795_478_400, 0),
            values: values.collect(),
            faults: vec![fault],
        }
    }

    #[test]
    fn each_judge_scores_a_burst_higher_than_the_rest() {
        let machine = machine();
        let begin = machine.begin();
        let first = machine.faults[0].start - begin;
        for (judge, scores) in Judge::ALL.into_iter().zip(scores(&machine).unwrap()) {
            assert_eq!(scores.len(), machine.values.len() - begin);
            let of = |places: std::ops::Range<usize>| scores[places].iter().copied().fold(0.0, f64::max);
            let (usual, odd) = (of(3 * DAY..first), of(first..first + HOUR));
            assert!(odd > usual, "{}: {odd} and {usual}", judge.name());
        }
    }

    #[test]
    fn gaps_have_no_hour() {
        let mut machine = machine();
        machine.values[HOUR..2 * HOUR].fill(f64::NAN);
        let hours = hours(&machine);
        assert_eq!(hours.len(), 16 * 24);
        assert!(hours[1].is_nan() && (50.0..60.0).contains(&hours[0]), "{:?}", &hours[..2]);
    }
}
