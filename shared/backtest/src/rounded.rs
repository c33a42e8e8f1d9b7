//! Numbers of two digits, as people choose them.

/// The nearest number of two digits. Zero of a number that is not positive and finite.
pub(crate) fn nearest(value: f64) -> f64 {
    if value > 0.0 && value.is_finite() { format!("{value:.1e}").parse().unwrap_or(0.0) } else { 0.0 }
}

/// The next number of two digits that is larger.
pub(crate) fn above(value: f64) -> f64 {
    let step = 10_f64.powf(value.log10().floor() - 1.0);
    if !step.is_normal() {
        return nearest(value);
    }
    let next = nearest(((value / step).floor() + 1.0) * step);
    if next > value { next } else { nearest(next + step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits() {
        for (value, expected) in [
            (2_412.0, 2_400.0),
            (0.29001, 0.29),
            (1.0, 1.0),
            (99.6, 100.0),
            (1e100, 1e100),
            (5e-324, 5e-324),
            (0.0, 0.0),
            (-1.0, 0.0),
            (f64::NAN, 0.0),
            (f64::INFINITY, 0.0),
        ] {
            assert_eq!(nearest(value), expected, "{value}");
        }
        for (value, expected) in
            [(2_400.0, 2_500.0), (2_412.0, 2_500.0), (0.29, 0.3), (99.0, 100.0), (0.0, 0.0)]
        {
            assert!((above(value) - expected).abs() <= 1e-12 * expected, "{value} {}", above(value));
        }
    }
}
