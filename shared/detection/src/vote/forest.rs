//! Isolation forests over the samples of an entity: a row for each time of sampling.
//!
//! A row has two numbers of each metric: the sample less its season, and the step from the sample before. Each metric has a forest of
//! its own, and all metrics together have one. The forest of all sees metrics that leave each other. Of a row that it flags it names
//! one metric: that without which the row would be isolated the least. It hardly sees a single metric among many, because a tree
//! splits by any of them. So each metric has its own.

use super::look::{Said, said_where_it_matters};
use super::{Samples, Sight, confidence_above};
use crate::detectors::isolation_forest::{self, Parameters};
use crate::opinion::{Detail, SecondOpinion};
use crate::sorted::median;

/// Numbers of a metric in a row.
const WIDTH: usize = 2;

/// What the forests say of each metric that matters. `None` if too few rows are known.
pub(super) fn judge(
    series: &[Samples<'_>],
    sights: &[Option<Sight>],
    seed: u64,
) -> Option<Vec<Option<Said>>> {
    let columns: Vec<Option<[Column; WIDTH]>> =
        series.iter().zip(sights).map(|(samples, sight)| sight.map(|_| columns(samples))).collect();
    let mut said = said_where_it_matters(sights, |place, _| {
        let second = Forest::of(columns[place].as_ref()?.iter(), seed)?.judge();
        second.map(|second| Said::new(confidence_above(second.opinion.score), second.flags))
    })?;
    let places: Vec<usize> = (0..series.len()).filter(|place| columns[*place].is_some()).collect();
    let matters = |place: usize| sights[place].is_some_and(|sight| sight.matters);
    if places.len() > 1 && places.iter().any(|place| matters(*place)) {
        let together = Forest::of(columns.iter().flatten().flatten(), seed)?;
        let whole = together.judge()?;
        if whole.flags
            && let Some(place) = together.named(&places).filter(|place| matters(*place))
        {
            let of_all = Said::new(confidence_above(whole.opinion.score), true);
            said[place] = Some(said[place].map_or(of_all, |own| own.or(of_all)));
        }
    }
    Some(said)
}

/// The newest row, and all rows.
///
/// The newest row is among the others, because a tree knows no distance beyond the rows that it has: without the newest row, all
/// values above the largest one would be alike.
struct Forest {
    newest: Vec<f32>,
    rows: Vec<Vec<f32>>,
    seed: u64,
}

impl Forest {
    fn of<'a>(columns: impl Iterator<Item = &'a Column> + Clone, seed: u64) -> Option<Self> {
        let length = columns.clone().map(Vec::len).min().filter(|length| *length > 1)?;
        let row = |age: usize| -> Vec<f32> {
            columns.clone().map(|column| column[column.len() - 1 - age] as f32).collect()
        };
        // The first row of all has no step. A row of usual numbers only may be a gap, and tells nothing.
        let is_known = |row: &Vec<f32>| row.iter().any(|number| *number != 0.0);
        let rows = (0..length - 1).map(row).filter(is_known).collect();
        Some(Self { newest: row(0), rows, seed })
    }

    fn judge(&self) -> Option<SecondOpinion> {
        self.judge_row(&self.newest)
    }

    fn judge_row(&self, row: &[f32]) -> Option<SecondOpinion> {
        let rows: Vec<&[f32]> = self.rows.iter().map(Vec::as_slice).collect();
        isolation_forest::judge_numbers(&rows, row, self.seed, &Parameters::default())
    }

    /// The metric that the newest row owes its isolation to. Zero is the usual value of each number.
    fn named(&self, places: &[usize]) -> Option<usize> {
        let without = |number: usize| {
            let mut row = self.newest.clone();
            row[number * WIDTH..][..WIDTH].fill(0.0);
            match self.judge_row(&row)?.opinion.detail {
                Detail::IsolationForest { isolation } => Some(isolation),
                _ => None,
            }
        };
        let ranked = places.iter().enumerate().filter_map(|(number, place)| Some((*place, without(number)?)));
        ranked.min_by(|one, other| one.1.total_cmp(&other.1)).map(|(place, _)| place)
    }
}

/// One number of each time of sampling, oldest first. NaN where it is not known.
type Column = Vec<f64>;

fn columns(samples: &Samples<'_>) -> [Column; WIDTH] {
    let season = |place: usize| samples.season.get(place).copied().unwrap_or(0.0);
    let levels: Column =
        samples.values.iter().enumerate().map(|(place, value)| value - season(place)).collect();
    let before = std::iter::once(&f64::NAN).chain(&levels);
    let steps = levels.iter().zip(before).map(|(level, before)| level - before).collect();
    [scaled(levels), scaled(steps)]
}

/// The same numbers from their median, so that the farthest one is 1 away. A forest asks for order and relative distances only.
/// Unknown and broken numbers are usual ones.
fn scaled(mut column: Column) -> Column {
    let mut sorted: Vec<f64> = column.iter().copied().filter(|number| number.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = median(&sorted).unwrap_or(0.0);
    let farthest = sorted.iter().fold(0.0_f64, |farthest, number| farthest.max((number - middle).abs()));
    for number in &mut column {
        let scaled = (*number - middle) / farthest;
        *number = if scaled.is_finite() { scaled } else { 0.0 };
    }
    column
}
