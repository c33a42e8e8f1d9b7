//! Robust spreads: the median of distances, which a few odd values do not move.

/// The median of sizes, which are never negative nor NaN. 0 for none. The slice is put into another order.
pub(super) fn median_size(sizes: &mut [f64]) -> f64 {
    if sizes.is_empty() {
        return 0.0;
    }
    let (middle, is_even) = (sizes.len() / 2, sizes.len().is_multiple_of(2));
    let (below, upper, _) = sizes.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if is_even { below.iter().copied().fold(0.0, f64::max) } else { *upper };
    0.5 * lower + 0.5 * *upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        for (mut sizes, median) in [
            (vec![], 0.0),
            (vec![3.0], 3.0),
            (vec![4.0, 1.0], 2.5),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![7.0, 0.0, 1e300, 3.0], 5.0),
        ] {
            assert_eq!(median_size(&mut sizes), median);
        }
    }
}
