//! The working hours of a customer, by hour of the day and day of the week, in the customer's own time zone.

use super::draw::Draw;

/// Hours in one window of the check.
pub(crate) const WINDOW_HOURS: usize = 24;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rhythm {
    /// Machines calling machines: day and night, every day.
    Steady,
    /// Offices: much less at night and at the weekend.
    Business,
    /// People at leisure: evenings, and more at the weekend.
    Consumer,
}

/// The weight of each hour of a week.
pub(crate) struct Calendar {
    hours_east_of_utc: i64,
    by_hour: [f64; 24],
    /// Monday first.
    by_weekday: [f64; 7],
}

impl Calendar {
    pub(crate) fn draw(rhythm: Rhythm, draw: &mut Draw) -> Self {
        let hours_east_of_utc = *draw.pick(&[-8, -5, -5, 0, 1, 1, 2, 5, 8, 9]);
        let (by_weekday, busy_hours, night) = match rhythm {
            Rhythm::Steady => ([1.0; 7], 6..22, draw.between(0.6, 1.0)),
            Rhythm::Business => {
                let weekend = draw.between(0.1, 0.6);
                ([1.0, 1.0, 1.0, 1.0, 0.95, weekend, weekend], 8..18, draw.between(0.05, 0.2))
            }
            Rhythm::Consumer => {
                let weekend = draw.between(1.2, 1.6);
                ([1.0, 1.0, 1.0, 1.0, 1.05, weekend, weekend], 16..23, draw.between(0.2, 0.5))
            }
        };
        let mut by_hour = [night; 24];
        by_hour[busy_hours].fill(1.0);
        Self { hours_east_of_utc, by_hour, by_weekday }
    }

    /// Of people who work each day, and for whom this hour is one of the night.
    pub(crate) fn asleep_at(hour: i64) -> Self {
        let mut by_hour = [0.05; 24];
        by_hour[9..19].fill(1.0);
        Self { hours_east_of_utc: (3 - hour).rem_euclid(24), by_hour, by_weekday: [1.0; 7] }
    }

    /// Of customers who rest at the weekend, or of customers of the weekend: this hour is one of theirs.
    pub(crate) fn due_at(hour: i64) -> Self {
        let rest = 0.02;
        let by_weekday = match weekday(hour) {
            0..=4 => [1.0, 1.0, 1.0, 1.0, 1.0, rest, rest],
            _ => [rest, rest, rest, rest, rest, 1.0, 1.0],
        };
        Self { hours_east_of_utc: 0, by_hour: [1.0; 24], by_weekday }
    }

    /// How far a Sunday is from a plain day, relative to the plain day.
    pub(crate) fn weekend_depth(&self) -> f64 {
        (self.by_weekday[6] - 1.0).abs()
    }

    /// The weights of the 24 hours that begin at `first_hour` (hours since 1970-01-01T00:00Z), in units of a
    /// plain day: an ordinary Tuesday adds up to 1.
    pub(crate) fn window(&self, first_hour: i64) -> [f64; WINDOW_HOURS] {
        let plain_day: f64 = self.by_hour.iter().sum();
        std::array::from_fn(|offset| {
            let local = first_hour + offset as i64 + self.hours_east_of_utc;
            self.by_hour[local.rem_euclid(24) as usize] * self.by_weekday[weekday(local)] / plain_day
        })
    }
}

/// The day of the week of an hour, 0 for Monday.
fn weekday(hour: i64) -> usize {
    // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
    (hour.div_euclid(24) + 3).rem_euclid(7) as usize
}

/// Shares `total` out in proportion to `weights`, in whole numbers with the exact sum `total`.
pub(crate) fn share_out(total: u64, weights: &[f64]) -> Vec<u64> {
    let sum: f64 = weights.iter().sum();
    if total == 0 || sum <= 0.0 {
        return vec![0; weights.len()];
    }
    let mut reached = 0.0;
    let mut given = 0;
    let last_used = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    weights
        .iter()
        .enumerate()
        .map(|(index, weight)| {
            reached += weight;
            // The last share takes the rest, so that rounding cannot lose or add anything.
            let upto =
                if index >= last_used { total } else { ((total as f64 * (reached / sum)) as u64).min(total) };
            let share = upto - given;
            given = upto;
            share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_total() {
        let mut draw = Draw::stream(1, 1);
        for _ in 0..1000 {
            let doublings = draw.whole(0, 50);
            let total = draw.whole(0, 1 << doublings);
            let weights: Vec<f64> =
                (0..draw.whole(1, 50)).map(|_| if draw.chance(0.3) { 0.0 } else { draw.unit() }).collect();
            let shares = share_out(total, &weights);
            if weights.iter().sum::<f64>() > 0.0 {
                assert_eq!(shares.iter().sum::<u64>(), total, "{weights:?}");
            }
            assert!(weights.iter().zip(&shares).all(|(weight, share)| *weight > 0.0 || *share == 0));
        }
    }

    #[test]
    fn a_business_rests_at_the_weekend() {
        let calendar =
            Calendar { hours_east_of_utc: 0, by_hour: [1.0; 24], by_weekday: [1., 1., 1., 1., 1., 0.5, 0.5] };
        let day = |first_hour: i64| calendar.window(first_hour).iter().sum::<f64>();
        // 1970-01-01 was a Thursday.
        assert!((day(0) - 1.0).abs() < 1e-9);
        assert!((day(24) - 1.0).abs() < 1e-9);
        assert!((day(48) - 0.5).abs() < 1e-9);
        assert!((day(72) - 0.5).abs() < 1e-9);
        assert!((day(96) - 1.0).abs() < 1e-9);
        assert!((day(36) - 0.75).abs() < 1e-9);
    }
}
