//! How likely at least so many bad events of all are by chance: the upper tail of the binomial distribution.
//!
//! Source of the probability of one number: C. Loader, "Fast and Accurate Computation of Binomial Probabilities" (2000).
//! It has no difference of large numbers, so it is exact to a few last digits for any number of events. The tail is that
//! probability times the sum of the ratios of its followers to it. Near the mean of millions of events that sum has too
//! many terms. There the normal tail of the modified signed root is exact to a millionth: H. E. Daniels, "Tail
//! Probability Approximations", International Statistical Review 55 (1987).

use std::f64::consts::TAU;

use super::normal;

/// The logarithm of the probability of at least `bad` of `events`, each of which is bad with a probability of `rate`.
/// Zero, which is certainty, if none is bad or the rate is one. Never NaN for a rate that is a number.
pub(crate) fn ln_upper_tail(events: u64, bad: u64, rate: f64) -> f64 {
    if bad == 0 || rate >= 1.0 {
        return 0.0;
    }
    if bad > events || rate <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let (n, k) = (events as f64, bad as f64);
    let at_least = if k > n * rate {
        of_far_end(n, k, rate, 1.0 - rate)
    } else {
        // The complement: at most `bad - 1`, seen from the other end.
        (-of_far_end(n, n - k + 1.0, 1.0 - rate, rate).exp()).ln_1p()
    };
    at_least.min(0.0)
}

/// The same for at most `bad` of `events`.
pub(crate) fn ln_lower_tail(events: u64, bad: u64, rate: f64) -> f64 {
    ln_upper_tail(events, events.saturating_sub(bad), 1.0 - rate)
}

/// The terms of a sum reach nine standard deviations far, so these go with each other.
const MOST_VARIANCE: f64 = 1e6;
const MOST_TERMS: u32 = 10_000;

/// The tail from `k` on, which is above the mean.
fn of_far_end(n: f64, k: f64, p: f64, q: f64) -> f64 {
    if k >= n {
        return n * p.ln();
    }
    if n * p * q > MOST_VARIANCE {
        return of_many(n, k, p, q);
    }
    let (mut sum, mut term) = (1.0, 1.0);
    for step in 0..MOST_TERMS {
        let at = k + f64::from(step);
        term *= (n - at) / (at + 1.0) * (p / q);
        sum += term;
        if at >= n || term <= sum * f64::EPSILON {
            break;
        }
    }
    ln_probability(n, k, p, q) + sum.ln()
}

fn of_many(n: f64, k: f64, p: f64, q: f64) -> f64 {
    let root = (2.0 * (deviance(k, n * p) + deviance(n - k, n * q))).sqrt();
    let tilt = (k * q / ((n - k) * p)).ln();
    let lattice = -(-tilt).exp_m1() * (k * (n - k) / n).sqrt();
    let correction = (lattice / root).ln() / root;
    // At the mean itself it is nothing over nothing.
    normal::ln_tail_of(if root > 1e-4 && correction.is_finite() { root + correction } else { root })
}

/// The logarithm of the probability of exactly `k`, which is neither none nor all.
fn ln_probability(n: f64, k: f64, p: f64, q: f64) -> f64 {
    let rest = n - k;
    stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * p)
        - deviance(rest, n * q)
        - 0.5 * (TAU * k * rest / n).ln()
}

/// `ln n!` minus Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let factorial: f64 = (2..=n as u32).map(f64::from).product();
        return factorial.ln() - ((n + 0.5) * n.ln() - n + 0.5 * TAU.ln());
    }
    let square = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1_260.0 - 1.0 / 1_680.0 / square) / square) / square) / n
}

/// `x ln(x / mean) + mean - x`, without loss of digits where both are close.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() - difference;
    }
    let share = difference / (x + mean);
    let (mut sum, mut power) = (difference * share, 2.0 * x * share);
    for step in 1..=20 {
        power *= share * share;
        sum += power / f64::from(2 * step + 1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exact_tails() {
        // Computed with fractions of whole numbers.
        for (events, bad, rate, expected) in [
            (20, 3, 0.01, -6.904_185_490_166_755),
            (20, 4, 0.01, -10.063_165_166_105_042),
            (100, 6, 0.01, -7.534_114_350_638_594),
            (100, 7, 0.01, -9.551_653_045_435_407),
            (20, 7, 0.05, -10.290_734_661_695_938),
            (100, 16, 0.05, -10.203_132_193_985_347),
            (1_000, 77, 0.05, -8.743_750_239_940_59),
            (1_000, 78, 0.05, -9.237_327_088_400_803),
            (40, 14, 0.02, -31.389_991_774_425_67),
            (10, 5, 0.5, -0.473_133_522_254_663_2),
            (10, 10, 0.5, -6.931_471_805_599_453),
            (1_000, 900, 0.9, -0.641_315_776_518_553_7),
            (1_000, 901, 0.9, -0.724_468_015_976_359_7),
            (1_000, 1_000, 0.001, -6_907.755_278_982_137),
        ] {
            let tail = ln_upper_tail(events, bad, rate);
            assert!((tail - expected).abs() < 1e-12 * expected.abs().max(1.0), "{bad} of {events}: {tail}");
        }
    }

    #[test]
    fn tails_of_many_events() {
        // By mpmath with 40 digits.
        for (events, bad, rate, expected) in [
            (1_000_000, 51_000, 0.05, -12.935_304_441_779_873),
            (1_000_000_000, 50_000_100, 0.05, -0.704_750_247_596_786_1),
            (1_000_000_000, 50_020_000, 0.05, -6.289_390_472_534_534),
            (1_000_000_000, 50_050_000, 0.05, -29.225_725_015_977_05),
            (1_000_000_000, 100_000_000, 0.05, -20_654_228.347_491_117),
        ] {
            let tail = ln_upper_tail(events, bad, rate);
            assert!((tail - expected).abs() < 1e-6 * expected.abs().max(1.0), "{bad} of {events}: {tail}");
        }
    }

    #[test]
    fn certain_and_impossible() {
        assert_eq!(ln_upper_tail(10, 0, 0.5), 0.0);
        assert_eq!(ln_upper_tail(10, 3, 1.0), 0.0);
        assert_eq!(ln_upper_tail(10, 3, 0.0), f64::NEG_INFINITY);
        assert_eq!(ln_upper_tail(10, 11, 0.5), f64::NEG_INFINITY);
        assert!((ln_lower_tail(10, 0, 0.5) - 10.0 * 0.5_f64.ln()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn both_tails_add_up(events in 1..5_000_u64, share in 0.0..=1.0_f64, rate in 0.001..0.999_f64) {
            let bad = ((events as f64 * share) as u64).max(1);
            let sum = ln_upper_tail(events, bad, rate).exp() + ln_lower_tail(events, bad - 1, rate).exp();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
        }

        #[test]
        fn any_numbers_give_a_probability(events: u64, bad: u64, rate in 0.0..=1.0_f64) {
            let tail = ln_upper_tail(events, bad.min(events), rate);
            prop_assert!(tail <= 0.0, "{}", tail);
            prop_assert!(ln_lower_tail(events, bad.min(events), rate) <= 0.0);
        }
    }
}
