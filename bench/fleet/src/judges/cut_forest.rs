//! A random cut forest over the last 24 hours.
//!
//! Source: Guha, Mishra, Roy, Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on Streams" (ICML 2016), with
//! the score of the public implementation of its authors: along the path of a point, the chance that a cut separates the
//! point from all others, times the inverse of the depth, times the logarithm of the number of points of the tree.
//!
//! A tree has a random sample of the days' ends of the four weeks before. The forest is grown anew each week, from a seed.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng as Random;

use super::{DAYS, LEAST_DAYS, before_first_use, median};
use crate::pager::{Score, Scorer, Usage};

pub struct CutForest;

const TREES: usize = 20;
const SAMPLE: usize = 128;
const WEEK: usize = 7 * 24;
/// Hours of a point.
pub(crate) const LENGTH: usize = 24;

type Point<'a> = &'a [f64];

/// Trees whose scores make one.
pub(crate) struct Forest {
    trees: Vec<Tree>,
}

enum Tree {
    Leaf { point: Vec<f64>, mass: usize },
    Node { least: Vec<f64>, most: Vec<f64>, dimension: usize, cut: f64, mass: usize, below: Box<[Tree; 2]> },
}

impl Scorer for CutForest {
    fn name(&self) -> &str {
        "random cut forest"
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let first = before_first_use(series.values);
        let mut of_day: Option<(usize, Forest)> = None;
        let mut score = |end: usize| {
            let day = (end - 1) / WEEK * 7;
            let known = of_day.take().filter(|(of, _)| *of == day);
            let known = known.unwrap_or_else(|| (day, forest(series.values, first, day)));
            let forest = &of_day.insert(known).1;
            let Some(score) = forest.score(&series.values[..end]) else { return Score::default() };
            let same_hours = (1..=LEAST_DAYS).map(|age| series.values[end - 1 - 24 * age]);
            let (found, usual) = (series.values[end - 1], median(&mut same_hours.collect::<Vec<_>>()));
            Score::of(series, 1, score.copysign(found - usual), found, usual)
        };
        (series.first_end..=series.values.len()).map(&mut score).collect()
    }
}

/// The forest of the days before this one, without trees for a customer who is too new.
fn forest(values: &[f64], first: usize, day: usize) -> Forest {
    let ends = (24 * day.saturating_sub(DAYS)).max(first + LENGTH)..24 * day + 1;
    if ends.len() < 24 * LEAST_DAYS {
        return Forest { trees: Vec::new() };
    }
    Forest::grow(values, ends, day as u64)
}

impl Forest {
    /// Each tree has a random sample of the stretches of 24 values with these ends. None begins before the first value.
    pub(crate) fn grow(values: &[f64], ends: Range<usize>, seed: u64) -> Self {
        let mut random = Random::seed_from_u64(seed);
        let tree = |_| {
            let mut sample: Vec<Point<'_>> = (0..SAMPLE)
                .map(|_| random.random_range(ends.clone()))
                .map(|end| &values[end - LENGTH..end])
                .collect();
            Tree::grow(&mut sample, &mut random)
        };
        Self { trees: (0..TREES).map(tree).collect() }
    }

    /// The mean score of the last 24 values. `None` without trees, or if there are fewer values.
    pub(crate) fn score(&self, values: &[f64]) -> Option<f64> {
        let point = values.last_chunk::<LENGTH>().filter(|_| !self.trees.is_empty())?;
        Some(self.trees.iter().map(|tree| tree.score(point)).sum::<f64>() / self.trees.len() as f64)
    }
}

impl Tree {
    fn grow(points: &mut [Point<'_>], random: &mut Random) -> Self {
        let mass = points.len();
        let bound = |pick: fn(f64, f64) -> f64| -> Vec<f64> {
            let of =
                |dimension: usize| points.iter().map(|point| point[dimension]).reduce(pick).unwrap_or(0.0);
            (0..LENGTH).map(of).collect()
        };
        let (least, most) = (bound(f64::min), bound(f64::max));
        let width: f64 = most.iter().zip(&least).map(|(most, least)| most - least).sum();
        if mass == 1 || width <= 0.0 {
            return Self::Leaf { point: points[0].to_vec(), mass };
        }
        // A dimension is as likely as it is wide.
        let mut at = random.random_range(0.0..width);
        let widths = most.iter().zip(&least).map(|(most, least)| most - least);
        let (mut dimension, mut cut) = (0, least[0]);
        for (number, width) in widths.enumerate().filter(|(_, width)| *width > 0.0) {
            (dimension, cut) = (number, least[number] + at.min(width * (1.0 - f64::EPSILON)));
            if at < width {
                break;
            }
            at -= width;
        }
        points.sort_by(|one, other| one[dimension].total_cmp(&other[dimension]));
        let middle = points.partition_point(|point| point[dimension] <= cut).clamp(1, mass - 1);
        let (lower, upper) = points.split_at_mut(middle);
        let below = Box::new([Self::grow(lower, random), Self::grow(upper, random)]);
        Self::Node { least, most, dimension, cut, mass, below }
    }

    fn mass(&self) -> usize {
        match self {
            Self::Leaf { mass, .. } | Self::Node { mass, .. } => *mass,
        }
    }

    fn score(&self, point: Point<'_>) -> f64 {
        let mass = self.mass() as f64;
        self.score_from(point, 0.0, mass) * (mass + 1.0).log2()
    }

    fn score_from(&self, point: Point<'_>, depth: f64, all: f64) -> f64 {
        match self {
            Self::Leaf { point: known, mass } if known == point => {
                let mass = *mass as f64;
                (1.0 - mass / (2.0 * all)) / (depth + (mass + 1.0).log2())
            }
            Self::Leaf { .. } => 1.0 / (depth + 1.0),
            Self::Node { least, most, dimension, cut, below, .. } => {
                let (mut outside, mut width) = (0.0, 0.0);
                for ((value, least), most) in point.iter().zip(least).zip(most) {
                    outside += (least - value).max(0.0) + (value - most).max(0.0);
                    width += most - least;
                }
                let apart = outside / (outside + width);
                let here = if apart > 0.0 { apart / (depth + 1.0) } else { 0.0 };
                if apart >= 1.0 {
                    return here;
                }
                let side = usize::from(point[*dimension] > *cut);
                here + (1.0 - apart) * below[side].score_from(point, depth + 1.0, all)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_far_away_scores_more_than_one_inside() {
        let mut random = Random::seed_from_u64(1);
        let points: Vec<Vec<f64>> =
            (0..SAMPLE).map(|_| (0..LENGTH).map(|_| random.random_range(0.0..1.0)).collect()).collect();
        let mut sample: Vec<Point<'_>> = points.iter().map(Vec::as_slice).collect();
        let tree = Tree::grow(&mut sample, &mut random);
        assert_eq!(tree.mass(), SAMPLE);
        let (inside, near, far) = (vec![0.5; LENGTH], vec![1.2; LENGTH], vec![9.0; LENGTH]);
        let score = |point: &Vec<f64>| tree.score(point);
        assert!(score(&points[7]) < score(&near) && score(&inside) < score(&near), "{}", score(&inside));
        assert!(score(&near) < score(&far), "{} {}", score(&near), score(&far));
    }

    #[test]
    fn equal_points_are_one_leaf() {
        let point = vec![2.0; LENGTH];
        let tree = Tree::grow(&mut [&point[..]; 5], &mut Random::seed_from_u64(1));
        // Known: (1 - 5 / 10) / log2(6), times log2(6).
        assert!((tree.score(&point) - 0.5).abs() < 1e-12);
        assert!((tree.score(&[3.0; LENGTH]) - 6_f64.log2()).abs() < 1e-12);
    }
}
