//! Between the probability of a tail and its place on the normal distribution, for tails that no double holds.
//!
//! A failure rate can be as unlikely as 1e-2000. So probabilities are kept as natural logarithms here.

use std::f64::consts::TAU;

use distrs::Normal;

use crate::Opinion;

/// The normal score whose upper tail has this logarithm: 1.64 for ln 0.05. Never below zero, and at most
/// [`Opinion::CAP`].
pub(crate) fn score_of(ln_tail: f64) -> f64 {
    // The quantile of the library takes doubles, and the smallest of them is 1e-308.
    let score = if ln_tail > -700.0 { -Normal::ppf(ln_tail.exp(), 0.0, 1.0) } else { far_score_of(ln_tail) };
    score.clamp(0.0, Opinion::CAP)
}

/// Turns the tail of [`ln_tail_of`] around by repeated substitution. It converges fast far from the middle.
fn far_score_of(ln_tail: f64) -> f64 {
    if ln_tail < ln_tail_of(Opinion::CAP) {
        return Opinion::CAP;
    }
    let mut score = (-2.0 * ln_tail).sqrt();
    for _ in 0..8 {
        score = (-2.0 * (ln_tail - ln_mills(score)) - TAU.ln()).sqrt();
    }
    score
}

/// The logarithm of the upper tail of a score.
pub(crate) fn ln_tail_of(score: f64) -> f64 {
    // Nearer to the middle, one minus the distribution function keeps nine digits.
    if score < 5.0 {
        Normal::cdf(-score, 0.0, 1.0).ln()
    } else {
        -0.5 * (score * score + TAU.ln()) + ln_mills(score)
    }
}

/// The logarithm of the tail's ratio to the density, by Laplace's continued fraction: M. Abramowitz and I. A. Stegun,
/// "Handbook of Mathematical Functions" (1964), 26.2.14. For scores of 5 and more.
fn ln_mills(score: f64) -> f64 {
    let fraction = (1..=30).rev().fold(score, |rest, step| score + f64::from(step) / rest);
    -fraction.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores with the logarithm of their tail, by mpmath with 40 digits.
    const TAILS: [(f64, f64); 7] = [
        (1.0, -1.841_021_645_009_263_5),
        (4.9, -14.551_182_689_355_313),
        (5.0, -15.064_998_393_988_726),
        (10.0, -53.231_285_150_512_47),
        (38.0, -726.557_216_018_820_1),
        (60.0, -1_805.013_560_680_567),
        (100.0, -5_005.524_208_694_205),
    ];

    #[test]
    fn tails_and_scores_as_tables_have_them() {
        for (score, ln_tail) in TAILS {
            assert!((ln_tail_of(score) / ln_tail - 1.0).abs() < 1e-9, "{score}: {}", ln_tail_of(score));
            assert!((score_of(ln_tail) / score - 1.0).abs() < 1e-9, "{ln_tail}: {}", score_of(ln_tail));
        }
        assert!((score_of(0.05_f64.ln()) - 1.644_853_626_951_472_7).abs() < 1e-12);
    }

    #[test]
    fn a_score_is_within_its_range() {
        for (ln_tail, score) in [(0.0, 0.0), (0.5_f64.ln(), 0.0), (0.9_f64.ln(), 0.0), (-1e9, 100.0)] {
            assert_eq!(score_of(ln_tail), score, "{ln_tail}");
        }
        assert_eq!(score_of(f64::NEG_INFINITY), 100.0);
    }
}
