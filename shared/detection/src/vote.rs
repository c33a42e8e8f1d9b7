//! The judgement of a machine: several series of one entity together, by a vote of detectors.
//!
//! ```text
//! samples of all metrics ─┬─ isolation forests, by metric and of all ──┐
//!                         ├─ autoencoder, metric by metric ────────────┤
//!                         ├─ rolling z, metric by metric ──────────────┼─ weight x confidence ── score ── level
//!                         └─ seasonal ESD, metric by metric ───────────┘
//! ```
//!
//! A detector flags the entity if it flags one of its metrics. Its confidence is that of its largest score on a metric that it
//! flags. The score of the entity is the sum of weight times confidence over the detectors that flag. The metric that most
//! detectors flag is told.
//!
//! Beside the vote stands the mean: the same sum over all detectors, whether they flag or not. It loses nothing at the limits of the
//! detectors.
//!
//! **A detector without a say.** No network was trained, or too few samples are known: then the weight of the detector is shared
//! among the others in proportion to their weights. At least half of the weight must have a say. Otherwise there is no judgement.
//!
//! **Floors and peaks.** A metric counts as usual, whatever a detector says of it, if its change from its rolling mean is below the
//! floors. The same holds for a value within the peaks of earlier days, where these are given.

mod forest;
mod look;
pub mod models;
mod parameters;
mod peaks;
pub mod season;
mod voters;

pub use parameters::{Parameters, Weights};
pub use peaks::{DAYS as DAYS_OF_PEAKS, Peaks};
pub use voters::Voter;

use crate::detectors::autoencoder::{self, Autoencoder};
use crate::floors::Floors;
use crate::opinion::SecondOpinion;
use crate::{
    Baseline, Comparison, Detail, Direction, Expected, Finding, Opinion, Reason, Severity, Verdict,
    confidence,
};

use look::Look;

/// Samples that are looked at, with the judged one: nearly five hours of minutes, or a day of five minutes.
pub const SAMPLES: usize = 288;

/// Samples right before the judged one, for the rolling z.
pub const ROLLING: usize = 100;

/// The share of the weight that must have a say.
const LEAST_SAY: f64 = 0.5;

/// The evenly spaced samples of one metric of an entity.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Oldest first, NaN for a gap. The last one is judged. Older ones than [`SAMPLES`] are not looked at.
    pub values: &'a [f64],
    /// What is usual at the time of day of each of them, or nothing.
    pub season: &'a [f64],
    pub floors: Floors,
    /// Whether a negative value makes no sense.
    pub never_negative: bool,
    /// What the metric reaches on many days, if it is known.
    pub peaks: Option<Peaks>,
    /// The network that was trained on normal samples of this metric.
    pub network: Option<&'a Autoencoder>,
}

/// The judgement of an entity at the time of its newest samples. Every number in it is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The sum of weight times confidence over the detectors that flag, from 0 to 1.
    pub score: f64,
    /// The same over all detectors.
    pub mean: f64,
    /// `None`: below the threshold.
    pub level: Option<Level>,
    /// The place of the metric that most detectors flag. Where none flags, that of the largest mean.
    pub metric: usize,
    /// Its newest sample.
    pub value: f64,
    /// Of its samples right before.
    pub baseline: Baseline,
    /// Its usual range by the rolling mean.
    pub expected: Expected,
    pub direction: Direction,
    /// Of the detectors that have a say.
    pub voices: Vec<Voice>,
    sights: Vec<Option<Sight>>,
    rebuilt: Vec<Option<SecondOpinion>>,
}

/// How much a judgement matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only logged.
    Info,
    Warning,
    Critical,
}

/// What one detector says of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    pub voter: Voter,
    /// The own weight, and what it has of the weights of those without a say.
    pub weight: f64,
    /// Of the largest score on a flagged metric. 0 if it flags none.
    pub confidence: f64,
    /// Of the largest score on any metric.
    pub continuous: f64,
    /// The places of the metrics that it flags.
    pub flagged: Vec<usize>,
}

/// Judges the newest samples of all metrics of an entity. Total: any input gives a judgement or none.
///
/// * `series`: all metrics of the entity, always in the same order, sampled at the same times.
/// * `seed`: of the entity and the day, so that a run and a check on demand grow the same trees.
///
/// `None` if no metric has a newest sample with a past, or the detectors of less than half of the weight have a say.
pub fn judge(series: &[Samples<'_>], seed: u64, parameters: &Parameters) -> Option<Judgement> {
    let series: Vec<Samples<'_>> = series.iter().map(Samples::newest).collect();
    let sights: Vec<Option<Sight>> = series.iter().map(|one| Sight::of(one, parameters)).collect();
    let rebuilt: Vec<Option<SecondOpinion>> = series.iter().map(Samples::rebuilt).collect();
    let looks: Vec<(Voter, Look)> = Voter::ALL
        .into_iter()
        .filter_map(|voter| Some((voter, voter.look(&series, &sights, &rebuilt, seed)?)))
        .collect();
    let weight = |voter: Voter| parameters.weights().of(voter);
    let say: f64 = looks.iter().map(|(voter, _)| weight(*voter)).sum();
    if say < LEAST_SAY {
        return None;
    }
    let voices: Vec<Voice> =
        looks.iter().map(|(voter, look)| look.voice(*voter, weight(*voter) / say)).collect();
    let metric = told(&looks, &voices, &sights)?;
    let Sight { value, baseline, expected, .. } = sights[metric]?;
    let sum =
        |of: fn(&Voice) -> f64| voices.iter().map(|voice| voice.weight * of(voice)).sum::<f64>().min(1.0);
    let score = sum(|voice| voice.confidence);
    Some(Judgement {
        score,
        mean: sum(|voice| voice.continuous),
        level: (score >= parameters.threshold()).then(|| Level::of(score)),
        metric,
        value,
        baseline,
        expected,
        direction: Direction::of(baseline.deviation(value)),
        voices,
        sights,
        rebuilt,
    })
}

impl Judgement {
    /// The verdict on the metric at a place. Only the told one can be an anomaly, and an info is none.
    pub fn verdict(&self, place: usize) -> Verdict {
        let Some(Sight { value, baseline, z, expected, .. }) = self.sights.get(place).copied().flatten()
        else {
            return Verdict::Undetermined(Reason::NoData);
        };
        let flags = self.voices.iter().filter(|voice| voice.flagged.contains(&place)).count();
        let (score, mean) = (self.score, self.mean);
        let detail = Detail::Vote { score, mean, flags: flags as u8, detectors: self.voices.len() as u8 };
        let opinion = Opinion { score: z, expected, detail };
        if !(opinion.is_finite() && baseline.is_finite()) {
            return Verdict::Undetermined(Reason::OutOfRange);
        }
        let comparison = Comparison { current: value, baseline, z_score: z, excluded_windows: 0, opinion };
        let severity = match self.level.filter(|_| place == self.metric) {
            Some(Level::Critical) => Severity::Critical,
            Some(Level::Warning) => Severity::Warning,
            Some(Level::Info) | None => return Verdict::Normal(comparison),
        };
        Verdict::Anomalous(Finding { comparison, severity, direction: self.direction })
    }

    /// The mean squared error of the network of the metric at a place. `None` without a network, or if it cannot tell.
    pub fn reconstruction_error(&self, place: usize) -> Option<f64> {
        match self.rebuilt.get(place)?.as_ref()?.opinion.detail {
            Detail::Autoencoder { error } => Some(error),
            _ => None,
        }
    }
}

/// The metric that most detectors flag. Among several it is the one with the largest sum of weight times confidence.
fn told(looks: &[(Voter, Look)], voices: &[Voice], sights: &[Option<Sight>]) -> Option<usize> {
    let rank = |place: usize| {
        let flags = voices.iter().filter(|voice| voice.flagged.contains(&place)).count();
        let sum =
            looks.iter().zip(voices).map(|((_, look), voice)| voice.weight * look.confidence(place)).sum();
        (flags, sum)
    };
    let known = (0..sights.len()).filter(|place| sights[*place].is_some());
    let ranked = known.map(|place| (place, rank(place)));
    let best = ranked.reduce(|best, next| {
        let ((flags, sum), (other_flags, other_sum)): ((usize, f64), (usize, f64)) = (best.1, next.1);
        if (other_flags, other_sum) > (flags, sum) { next } else { best }
    });
    best.map(|(place, _)| place)
}

/// The newest sample of a metric beside those right before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sight {
    value: f64,
    baseline: Baseline,
    z: f64,
    expected: Expected,
    /// Whether the rolling z flags it.
    flags: bool,
    /// Whether the change passes the floors, and lies beyond the peaks.
    matters: bool,
}

impl Sight {
    /// `None` without a newest sample, or if half of the rolling past is unknown.
    fn of(samples: &Samples<'_>, parameters: &Parameters) -> Option<Self> {
        let (newest, before) = samples.values.split_last().filter(|(newest, _)| newest.is_finite())?;
        let rolling = &before[before.len().saturating_sub(ROLLING)..];
        let known: Vec<f64> = rolling.iter().copied().filter(|value| value.is_finite()).collect();
        let baseline = Baseline::of_slice(&known).filter(|_| known.len() >= ROLLING / 2)?;
        let (opinion, severity) = crate::detectors::z_score::judge(
            *newest,
            &baseline,
            samples.never_negative,
            parameters.z_score(),
            &samples.floors,
        )?;
        Some(Self {
            value: *newest,
            baseline,
            z: opinion.score,
            expected: opinion.expected,
            flags: severity.is_some(),
            matters: samples.floors.pass(baseline.deviation(*newest), baseline.mean())
                && samples.peaks.is_none_or(|peaks| peaks.is_news(*newest)),
        })
    }
}

impl Samples<'_> {
    /// What the network says of the newest of them.
    fn rebuilt(&self) -> Option<SecondOpinion> {
        autoencoder::judge_samples(self.values, self.network?, &autoencoder::Parameters::default())
    }

    /// The newest of them, and their season if it is known for each.
    fn newest(&self) -> Self {
        let from = |all: usize| all.saturating_sub(SAMPLES);
        let has_season = self.season.len() == self.values.len();
        Self {
            values: &self.values[from(self.values.len())..],
            season: if has_season { &self.season[from(self.season.len())..] } else { &[] },
            ..*self
        }
    }
}

impl Level {
    pub const WARNING_FROM: f64 = 0.7;
    pub const CRITICAL_FROM: f64 = 0.9;

    /// The level of a score that is at least the threshold.
    pub fn of(score: f64) -> Self {
        match score {
            score if score >= Self::CRITICAL_FROM => Self::Critical,
            score if score >= Self::WARNING_FROM => Self::Warning,
            _ => Self::Info,
        }
    }
}

/// What a network learns from: the stretches of normal samples, as the vote gives them to the network.
pub fn training_inputs(samples: &[f64]) -> Vec<[f32; autoencoder::DAY]> {
    training_inputs_at(samples).map(|(_, input)| input).collect()
}

/// The same, each with the place of its newest sample.
pub fn training_inputs_at(samples: &[f64]) -> impl Iterator<Item = (usize, [f32; autoencoder::DAY])> {
    let length = SAMPLES.min(samples.len().max(1));
    let input = move |(number, stretch): (usize, &[f64])| {
        let (before, day) = stretch.split_last_chunk()?;
        Some((number + length - 1, autoencoder::input(before, day)?))
    };
    samples.windows(length).enumerate().filter_map(input)
}

/// The confidence of a detector that knows no other side than above.
fn confidence_above(score: f64) -> f64 {
    confidence(score.max(0.0))
}

#[cfg(test)]
mod tests;
