//! A row of a model as plain numbers, for a table.
//!
//! A run looks through all series by these, so they are of single precision. A series that looks odd is judged again by a
//! model of full precision.

use super::{HourModel, Memory, Transform, WindowModel};
use crate::Baseline;
use crate::hours::ByLength;

/// Numbers of the row itself, before those of its windows.
const OF_ROW: usize = 6;

/// Numbers of a window.
const OF_WINDOW: usize = 5;

/// The classical figures of the window of a day: mean, deviation and number of values. No other window needs them to be
/// judged.
const OF_DAY: usize = 3;

/// Numbers of a row.
pub const NUMBERS: usize = OF_ROW + 4 * OF_WINDOW + OF_DAY;

/// The places of the numbers that say what is usual in an hour.
pub const USUAL: [usize; 3] = [1, 2, OF_ROW];

/// The name of the layout. It changes with the meaning of any number.
pub const LAYOUT: &str = "2";

/// Stands for an absent number.
const NONE: f32 = f32::NAN;

impl HourModel {
    /// The numbers of the row. Of the classical figures those of a day are there.
    pub fn to_numbers(&self) -> [f32; NUMBERS] {
        // Every field is named here, so that none can be forgotten.
        let Self { days, transform, windows, before, memory: Memory { carried, spread } } = self;
        let (kind, scale) = match transform {
            Transform::Plain => (0.0, NONE),
            Transform::Root => (1.0, NONE),
            Transform::Asinh { scale } => (2.0, *scale as f32),
        };
        let mut numbers = [NONE; NUMBERS];
        let of_row: [f32; OF_ROW] = [
            f32::from(*days),
            kind,
            scale,
            before.map_or(NONE, |x| x as f32),
            *carried as f32,
            *spread as f32,
        ];
        numbers[..OF_ROW].copy_from_slice(&of_row);
        for (window, numbers) in windows.iter().zip(numbers[OF_ROW..].chunks_exact_mut(OF_WINDOW)) {
            let Some(window) = window else { continue };
            let WindowModel { expected, spread, samples, freedom, gate, classical: _, excluded: _ } = window;
            let of_window: [f32; OF_WINDOW] = [
                *expected as f32,
                *spread as f32,
                *samples as f32,
                *freedom as f32,
                gate.map_or(NONE, |gate| gate as f32),
            ];
            numbers.copy_from_slice(&of_window);
        }
        if let [.., Some(WindowModel { classical: Some(baseline), .. })] = windows {
            let of_day: [f32; OF_DAY] =
                [baseline.mean() as f32, baseline.stddev() as f32, baseline.sample_count() as f32];
            numbers[NUMBERS - OF_DAY..].copy_from_slice(&of_day);
        }
        numbers
    }

    /// The row of these numbers. `None` if they are no row, also where a number was too large for single precision.
    pub fn of_numbers(numbers: &[f32]) -> Option<Self> {
        let [days, kind, scale, before, carried, spread, windows @ .., mean, deviation, count] = numbers
        else {
            return None;
        };
        if numbers.len() != NUMBERS {
            return None;
        }
        let transform = transform(*kind, *scale)?;
        let windows = windows.chunks_exact(OF_WINDOW).map(window).collect::<Option<Vec<_>>>()?;
        let mut windows: ByLength<Option<WindowModel>> = windows.try_into().ok()?;
        if !mean.is_nan() {
            let count = present(*count).filter(|count| (0.0..=f64::from(u16::MAX)).contains(count))? as usize;
            let of_day = Baseline::of_figures(f64::from(*mean), f64::from(*deviation), count)?;
            windows.last_mut()?.as_mut()?.classical = Some(of_day);
        }
        Some(Self {
            days: present(*days).filter(|days| (0.0..=f64::from(u16::MAX)).contains(days))? as u16,
            transform,
            windows,
            before: optional(*before)?,
            memory: Memory { carried: present(*carried)?, spread: present(*spread)? },
        })
    }
}

/// The usual value of an hour, from the numbers at [`USUAL`]. `None` if they are broken, and an inner `None` where too little
/// is known.
pub fn usual_of([kind, scale, expected]: [f32; 3]) -> Option<Option<f64>> {
    let transform = transform(kind, scale)?;
    Some(optional(expected)?.map(|expected| transform.inverse(expected)))
}

fn transform(kind: f32, scale: f32) -> Option<Transform> {
    Some(match kind {
        0.0 => Transform::Plain,
        1.0 => Transform::Root,
        2.0 => Transform::Asinh { scale: present(scale).filter(|scale| *scale > 0.0)? },
        _ => return None,
    })
}

/// The window of these numbers, or its absence. `None` if they are neither.
fn window(numbers: &[f32]) -> Option<Option<WindowModel>> {
    let [expected, spread, samples, freedom, gate] = numbers else { return None };
    if expected.is_nan() {
        return Some(None);
    }
    Some(Some(WindowModel {
        expected: present(*expected)?,
        spread: present(*spread).filter(|spread| *spread >= 0.0)?,
        samples: present(*samples).filter(|samples| *samples > 0.0)?,
        freedom: present(*freedom).filter(|freedom| *freedom > 0.0)?,
        gate: optional(*gate)?,
        classical: None,
        excluded: 0,
    }))
}

/// A number that must be there.
fn present(number: f32) -> Option<f64> {
    number.is_finite().then_some(f64::from(number))
}

/// A number that may be absent. `None` if it is broken.
fn optional(number: f32) -> Option<Option<f64>> {
    if number.is_nan() { Some(None) } else { present(number).map(Some) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Baseline;

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), -1e6..1e6, -1e30..1e30, (-20_i32..20).prop_map(|power| 3.7_f64.powi(power))]
    }

    fn any_window() -> impl Strategy<Value = WindowModel> {
        let gate = prop::option::of(any_number());
        (any_number(), 0.0..1e9, 0.01..60.0, 0.5..1e6, gate).prop_map(
            |(expected, spread, samples, freedom, gate)| WindowModel {
                expected,
                spread,
                samples,
                freedom,
                gate,
                classical: Baseline::of([expected, samples]),
                excluded: 2,
            },
        )
    }

    prop_compose! {
        fn any_row()(
            days in 0_u16..=31,
            transform in prop_oneof![
                Just(Transform::Plain),
                Just(Transform::Root),
                (1e-3..1e9).prop_map(|scale| Transform::Asinh { scale }),
            ],
            windows in prop::collection::vec(prop::option::of(any_window()), 4),
            before in prop::option::of(any_number()),
            carried in 0.0..0.98,
            spread in 0.0..1e9,
        ) -> HourModel {
            let windows = windows.try_into().unwrap();
            HourModel { days, transform, windows, before, memory: Memory { carried, spread } }
        }
    }

    /// A row as single precision knows it.
    fn rounded(row: HourModel) -> HourModel {
        let round = |number: f64| f64::from(number as f32);
        let HourModel { days, transform, windows, before, memory } = row;
        let transform = match transform {
            Transform::Asinh { scale } => Transform::Asinh { scale: round(scale) },
            other => other,
        };
        let window = |window: WindowModel| WindowModel {
            expected: round(window.expected),
            spread: round(window.spread),
            samples: round(window.samples),
            freedom: round(window.freedom),
            gate: window.gate.map(round),
            classical: None,
            excluded: 0,
        };
        let of_day = windows[3].and_then(|window| window.classical);
        let mut by_length = windows.map(|of_length| of_length.map(window));
        if let Some(window) = &mut by_length[3] {
            window.classical = of_day.and_then(|day| {
                Baseline::of_figures(round(day.mean()), round(day.stddev()), day.sample_count())
            });
        }
        HourModel {
            days,
            transform,
            windows: by_length,
            before: before.map(round),
            memory: Memory { carried: round(memory.carried), spread: round(memory.spread) },
        }
    }

    proptest! {
        #[test]
        fn a_row_is_read_back_but_for_its_precision(row in any_row()) {
            let numbers = row.to_numbers();
            prop_assert_eq!(HourModel::of_numbers(&numbers), Some(rounded(row)));
            prop_assert_eq!(usual_of(USUAL.map(|place| numbers[place])), Some(rounded(row).usual()));
        }

        #[test]
        fn any_numbers_are_a_row_or_none(
            mut numbers in prop::collection::vec(prop_oneof![50 => 0.1_f32..1e6, 1 => any::<f32>()], NUMBERS),
            kind in 0_u8..4,
        ) {
            numbers[0] %= 31.0;
            numbers[1] = f32::from(kind);
            if let Some(row) = HourModel::of_numbers(&numbers) {
                prop_assert_eq!(HourModel::of_numbers(&row.to_numbers()), Some(row));
            }
        }
    }

    #[test]
    fn other_numbers_are_no_row() {
        let mut row = [2.0; NUMBERS];
        assert!(HourModel::of_numbers(&row).is_some());
        assert_eq!(HourModel::of_numbers(&row[1..]), None);
        assert_eq!(HourModel::of_numbers(&[row, row].concat()), None);
        assert_eq!(HourModel::of_numbers(&[]), None);
        // Days, kind, carried, the spread of a window, and the classical figures.
        for place in [0, 1, 4, OF_ROW + 1, NUMBERS - 2, NUMBERS - 1] {
            for broken in [f32::INFINITY, -1.0, f32::NAN].into_iter().filter(|n| place != 4 || *n != -1.0) {
                let former = std::mem::replace(&mut row[place], broken);
                assert_eq!(HourModel::of_numbers(&row), None, "{broken} at {place}");
                row[place] = former;
            }
        }
    }

    #[test]
    fn what_is_too_large_for_single_precision_is_no_row() {
        let numbers = |spread: f64| {
            let memory = Memory { carried: 0.5, spread };
            let row =
                HourModel { days: 31, transform: Transform::Plain, windows: [None; 4], before: None, memory };
            row.to_numbers()
        };
        assert!(HourModel::of_numbers(&numbers(1e30)).is_some());
        assert_eq!(HourModel::of_numbers(&numbers(1e50)), None);
    }
}
