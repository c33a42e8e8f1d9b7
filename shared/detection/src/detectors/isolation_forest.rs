//! The detector of hours that are few and different: an isolation forest over the features of all metrics together.
//!
//! A tree splits a sample of earlier hours at random values of random features. A strange hour is alone after few
//! splits, a usual one after many. The score is `2^(-E(h) / c(n))`: h the number of splits on the way of the hour, c(n)
//! that of an unsuccessful search in a binary search tree of n values. A half is usual, and 1 is alone at once.
//!
//! Source: F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation Forest", ICDM 2008. A feature that is constant in a node is
//! not drawn, as in scikit-learn.
//!
//! One hour is judged at a time, so a tree is grown along the way of this hour only. The rest of the tree changes no
//! score. The same seed gives the same score on any machine.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::features::Features;
use crate::opinion::{Detail, Expected, Opinion, SecondOpinion};
use crate::thresholds::{SettingsError, require};

/// The size and the strictness of a forest. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    trees: u16,
    sample: u16,
    threshold: f64,
}

/// Euler's constant: what the harmonic numbers exceed the logarithm by.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Fewer hours have no usual.
const LEAST_ROWS: usize = 168;

/// Score of usual hours, and how much of it is one spread.
const USUAL: f64 = 0.465;
const SPREAD: f64 = 0.062;

impl Parameters {
    /// * `trees`: 1 to 1,000.
    /// * `sample`: hours of a tree, 2 to 4,096.
    /// * `threshold`: the isolation that is flagged, from 0.5 to 1.
    ///
    /// # Errors
    ///
    /// When a number is out of its range.
    pub fn new(trees: u16, sample: u16, threshold: f64) -> Result<Self, SettingsError> {
        require((1..=1_000).contains(&trees), "trees", trees.into(), "a number from 1 to 1000")?;
        require((2..=4_096).contains(&sample), "sample", sample.into(), "a number from 2 to 4096")?;
        require((0.5..=1.0).contains(&threshold), "isolation", threshold, "a score from 0.5 to 1")?;
        Ok(Self { trees, sample, threshold })
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self { trees: 100, sample: 256, threshold: 0.65 }
    }
}

/// The opinion on the newest hour of an entity beside its earlier hours. It tells the isolation, from 0 to 1.
///
/// * `earlier`: at least a week of hours, without the newest.
/// * `seed`: of the entity and the day, so that a run and a check on demand grow the same trees.
///
/// `None` if there are too few hours, or the hours do not have the same features.
pub fn judge(
    earlier: &[Features],
    newest: &Features,
    seed: u64,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let rows: Vec<Vec<f32>> = earlier.iter().map(|row| row.numbers_seen_from(newest)).collect();
    let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
    judge_numbers(&rows, &newest.numbers_seen_from(newest), seed, parameters)
}

/// The same on rows of numbers, each as wide as the newest one.
pub(crate) fn judge_numbers(
    earlier: &[&[f32]],
    newest: &[f32],
    seed: u64,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let isolation = isolation(earlier, newest, seed, parameters).filter(|_| earlier.len() >= LEAST_ROWS)?;
    let opinion = Opinion {
        score: ((isolation - USUAL) / SPREAD).clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected { low: 0.0, high: parameters.threshold },
        detail: Detail::IsolationForest { isolation },
    };
    Some(SecondOpinion { opinion, flags: isolation > parameters.threshold })
}

/// The isolation of a value among rows. `None` without rows, or when their widths differ.
fn isolation(rows: &[&[f32]], value: &[f32], seed: u64, parameters: &Parameters) -> Option<f64> {
    let size = rows.len().min(parameters.sample.into());
    if size < 2 || value.is_empty() || rows.iter().any(|row| row.len() != value.len()) {
        return None;
    }
    // Feature by feature, since a split looks at one feature of many rows.
    let columns: Vec<Vec<f32>> =
        (0..value.len()).map(|feature| rows.iter().map(|row| row[feature]).collect()).collect();
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let mut features: Vec<usize> = (0..value.len()).collect();
    let mut walk = Walk { columns: &columns, value, features: &mut features };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let splits: f64 =
        (0..parameters.trees).map(|_| walk.depth(sample(&mut order, size, &mut random), &mut random)).sum();
    let mean = splits / f64::from(parameters.trees);
    Some((-mean / mean_depth(size)).exp2())
}

/// The way of a value through trees.
struct Walk<'a> {
    columns: &'a [Vec<f32>],
    value: &'a [f32],
    /// All features in any order.
    features: &'a mut [usize],
}

impl Walk<'_> {
    /// The number of splits until the value is alone, in a tree of these rows.
    fn depth(&mut self, rows: &mut [u32], random: &mut impl Rng) -> f64 {
        // Deeper nodes hold usual values only, and the mean depth of as many values stands for them.
        let deepest = rows.len().next_power_of_two().ilog2();
        let mut left = rows;
        for depth in 0..deepest {
            let Some((feature, at)) = self.split(left, random).filter(|_| left.len() > 1) else {
                return f64::from(depth) + mean_depth(left.len());
            };
            let (column, goes_left) = (&self.columns[feature], self.value[feature] <= at);
            let mut kept = 0;
            for place in 0..left.len() {
                let stays = (column[left[place] as usize] <= at) == goes_left;
                left.swap(kept, place);
                kept += usize::from(stays);
            }
            left = &mut left[..kept];
        }
        f64::from(deepest) + mean_depth(left.len())
    }

    /// A random feature that is not constant in these rows, and a random value between its extremes.
    fn split(&mut self, rows: &[u32], random: &mut impl Rng) -> Option<(usize, f32)> {
        for drawn in 0..self.features.len() {
            let other = drawn + below(random.next_u32(), self.features.len() - drawn);
            self.features.swap(drawn, other);
            let feature = self.features[drawn];
            let column = &self.columns[feature];
            let (low, high) = rows.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), row| {
                let value = column[*row as usize];
                (low.min(value), high.max(value))
            });
            if low < high {
                let share = random.next_u32() as f32 / 2.0_f32.powi(32);
                // Rounding must not put all rows on one side.
                let at = low + share * (high - low);
                return Some((feature, if at < high { at } else { low }));
            }
        }
        None
    }
}

/// A random sample without repetition: the first `size` of the order after so many steps of a Fisher-Yates shuffle.
fn sample<'a>(order: &'a mut [u32], size: usize, random: &mut impl Rng) -> &'a mut [u32] {
    for place in 0..size {
        let other = place + below(random.next_u32(), order.len() - place);
        order.swap(place, other);
    }
    &mut order[..size]
}

/// A number below `limit` from 32 random bits. The bias is below a millionth for the few rows here.
fn below(random: u32, limit: usize) -> usize {
    ((u64::from(random) * limit as u64) >> 32) as usize
}

/// The mean number of splits that isolate one of so many values: 2 H(n - 1) - 2 (n - 1) / n, with the harmonic number
/// as logarithm and Euler's constant.
fn mean_depth(count: usize) -> f64 {
    match count {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let less = (count - 1) as f64;
            2.0 * (less.ln() + EULER) - 2.0 * less / count as f64
        }
    }
}

#[cfg(test)]
mod tests;
