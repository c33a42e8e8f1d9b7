//! The middle and the spread of values in order, without a second sorting.

/// Factor that makes the median absolute deviation of normal values their standard deviation: 1 / quantile(3/4).
pub(crate) const MAD_TO_SPREAD: f64 = 1.482_602_218_505_602;

/// The median of values in ascending order. `None` without values.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let (below, above) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(below / 2.0 + above / 2.0)
}

/// The median absolute deviation from `middle`, of values in ascending order. `None` without values.
///
/// The deviations below and above the middle are two ordered lists already. Merging them up to the middle takes no
/// second sorting.
pub(crate) fn median_deviation(sorted: &[f64], middle: f64) -> Option<f64> {
    let half = sorted.len() / 2;
    let split = sorted.partition_point(|value| *value < middle);
    let (mut below, mut above) = (sorted[..split].iter().rev().peekable(), sorted[split..].iter().peekable());
    let (mut last, mut deviation) = (None, None);
    for _ in 0..=half {
        let (left, right) =
            (below.peek().map(|value| middle - **value), above.peek().map(|value| **value - middle));
        let next = match (left, right) {
            (Some(left), Some(right)) if left <= right => below.next().map(|_| left),
            (Some(left), None) => below.next().map(|_| left),
            _ => above.next().and(right),
        };
        (last, deviation) = (deviation, next);
    }
    let deviation = deviation?;
    if sorted.len() % 2 == 1 { Some(deviation) } else { last.map(|last: f64| last / 2.0 + deviation / 2.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn textbook_values() {
        let values = [1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0];
        assert_eq!((median(&values), median_deviation(&values, 2.0)), (Some(2.0), Some(1.0)));
        let even = [1.0, 2.0, 4.0, 8.0];
        assert_eq!((median(&even), median_deviation(&even, 3.0)), (Some(3.0), Some(1.5)));
        assert_eq!((median(&[]), median_deviation(&[], 0.0)), (None, None));
        assert_eq!((median(&[5.0]), median_deviation(&[5.0], 5.0)), (Some(5.0), Some(0.0)));
    }

    proptest! {
        #[test]
        fn sorting_the_deviations_gives_the_same(mut values in prop::collection::vec(-1e3..1e3, 1..60)) {
            values.sort_by(f64::total_cmp);
            let middle = median(&values).unwrap();
            let mut deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
            deviations.sort_by(f64::total_cmp);
            prop_assert_eq!(median_deviation(&values, middle), median(&deviations));
        }
    }
}
