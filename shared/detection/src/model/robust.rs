//! Robust spreads: the median of distances, which a few odd values do not move.

/// A number in the place of the size of a value, never NaN: with the same order, and faster to compare.
pub(super) fn size_key(value: f64) -> u64 {
    value.abs().to_bits()
}

/// So few sizes are sorted faster than split.
const FEW: usize = 32;

/// The median of sizes. 0 for none. The slice is put into another order.
///
/// * `sizes`: their [`size_key`]s.
pub(super) fn median_size(sizes: &mut [u64]) -> f64 {
    if sizes.is_empty() {
        return 0.0;
    }
    let (middle, is_even) = (sizes.len() / 2, sizes.len().is_multiple_of(2));
    if sizes.len() <= FEW {
        sizes.sort_unstable();
        let lower = if is_even { sizes[middle - 1] } else { sizes[middle] };
        return 0.5 * f64::from_bits(lower) + 0.5 * f64::from_bits(sizes[middle]);
    }
    let (below, upper, _) = sizes.select_nth_unstable(middle);
    let upper = f64::from_bits(*upper);
    let lower = if is_even { below.iter().max().map_or(upper, |key| f64::from_bits(*key)) } else { upper };
    0.5 * lower + 0.5 * upper
}

/// The median of the sizes of values, NaN for gaps. 0 for none.
pub(super) fn median_of(values: &[f64]) -> f64 {
    let mut sizes: Vec<u64> =
        values.iter().filter(|value| !value.is_nan()).map(|value| size_key(*value)).collect();
    median_size(&mut sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        for (sizes, median) in [
            (vec![], 0.0),
            (vec![3.0], 3.0),
            (vec![4.0, 1.0], 2.5),
            (vec![9.0, 1.0, 2.0], 2.0),
            (vec![-7.0, 0.0, 1e300, 3.0], 5.0),
        ] {
            let mut keys: Vec<u64> = sizes.into_iter().map(size_key).collect();
            assert_eq!(median_size(&mut keys), median);
        }
    }

    #[test]
    fn many_sizes_have_the_median_of_a_sorted_list() {
        for count in [FEW, FEW + 1, 40, 41, 720] {
            let sizes: Vec<f64> = (0..count).map(|number| (number * 7919 % 1009) as f64).collect();
            let mut sorted = sizes.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(Some(median_of(&sizes)), crate::sorted::median(&sorted), "{count}");
        }
        assert_eq!(median_of(&[f64::NAN, -3.0, f64::NAN]), 3.0);
    }
}
