//! A chart of some values in one line of text.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

const GAP: char = '·';

/// A bar for each value, from zero to the largest. Negative values count from the smallest. A gap is a dot.
pub fn sparkline(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let low = known().fold(0.0, f64::min);
    let high = known().fold(0.0, f64::max);
    let bar = |value: f64| {
        // Halves, so that the widest range does not overflow.
        let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        // Only zero itself has the lowest bar.
        let steps = (share * (BARS.len() - 1) as f64).ceil();
        BARS[if share > 0.0 { steps as usize } else { 0 }.min(BARS.len() - 1)]
    };
    values.iter().map(|value| value.filter(|value| value.is_finite()).map_or(GAP, bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_each_hour() {
        for (values, expected) in [
            (vec![0.0, 1.0, 2.0, 3.5, 7.0], "▁▂▃▅█"),
            (vec![0.0, 0.0, 1e9, 1.0], "▁▁█▂"),
            (vec![0.0, 0.0], "▁▁"),
            (vec![5.0, 5.0], "██"),
            (vec![-7.0, 0.0, 7.0], "▁▅█"),
            (vec![f64::MAX, f64::MIN, f64::NAN], "█▁·"),
            (vec![], ""),
        ] {
            let values: Vec<_> = values.into_iter().map(Some).collect();
            assert_eq!(sparkline(&values), expected, "{values:?}");
        }
        assert_eq!(sparkline(&[Some(1.0), None, Some(2.0)]), "▅·█");
    }
}
