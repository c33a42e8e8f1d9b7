//! From Student's t to the normal distribution and back.
//!
//! Source: D. L. Wallace, "Bounds on Normal Approximations to Student's and the Chi-Square Distributions", Annals of
//! Mathematical Statistics 30 (1959). The approximation is good to some thousandths far into the tails.

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
