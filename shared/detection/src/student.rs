//! From Student's t to the normal distribution and back.
//!
//! Source: D. L. Wallace, "Bounds on Normal Approximations to Student's and the Chi-Square Distributions", Annals of
//! Mathematical Statistics 30 (1959). The approximation is good to a hundredth far into the tails from nine degrees of
//! freedom on, and to three hundredths from three on.

/// The normal score that is as unlikely as `t` with so many degrees of freedom, which must be above zero.
pub fn normal_of_t(t: f64, freedom: f64) -> f64 {
    let size = (freedom * (t * t / freedom).ln_1p()).sqrt();
    (factor(freedom) * size).copysign(t)
}

/// The t that is as unlikely as a normal score. At most the largest number.
pub fn t_of_normal(score: f64, freedom: f64) -> f64 {
    let size = score / factor(freedom);
    let t = (freedom * (size * size / freedom).exp_m1()).sqrt();
    t.min(f64::MAX).copysign(score)
}

fn factor(freedom: f64) -> f64 {
    (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        freedom: f64,
        t: f64,
        normal: f64,
    }

    #[test]
    fn close_to_the_exact_distributions() {
        // Recorded by tools/vectors/seasonal.py.
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("student/vectors.json")).unwrap();
        assert!(vectors.len() > 25);
        for Vector { freedom, t, normal } in vectors {
            let score = normal_of_t(t, freedom);
            let tolerance = if freedom < 6.0 { 0.03 } else { 0.01 };
            assert!(
                (score - normal).abs() <= tolerance * normal.abs(),
                "{t} of {freedom}: {score}, {normal}"
            );
        }
    }

    #[test]
    fn back_and_forth() {
        for freedom in [1.0, 3.0, 20.5, 1e6] {
            for score in [-8.0, -1.0, 0.0, 0.3, 5.0, 10.0] {
                let back = normal_of_t(t_of_normal(score, freedom), freedom);
                assert!((back - score).abs() < 1e-6, "{score} of {freedom}: {back}");
            }
            assert!(t_of_normal(100.0, freedom).is_finite());
            assert!(normal_of_t(f64::INFINITY, freedom) > 1e2 || freedom < 1e6);
        }
    }
}
