//! How long a fit and a check of one series take on one core, and the isolation forest of an entity: `cargo run --release -p detection --example speed`.

use std::hint::black_box;
use std::time::Instant;

use detection::model::Profile;
use detection::{Aggregate, Calendar, Hour, Hours, Model, Settings, Thresholds, TimeZone, ensemble, entity};

const SERIES: usize = 500;
const ROUNDS: usize = 20;

/// Series of an entity.
const METRICS: usize = 4;

fn main() {
    let day = Hour::holding(jiff::Timestamp::from_second(1_795_478_400).unwrap_or_default());
    let started = Instant::now();
    let calendar = TimeZone::named("Europe/Berlin").map(|zone| Calendar::new(&zone, day));
    let Ok(calendar) = calendar else { return };
    println!("calendar: {:.0} us", started.elapsed().as_secs_f64() * 1e6);

    let mut noise = 1_u64;
    let series: Vec<Hours> = (0..SERIES).map(|_| hours(&calendar, &mut noise)).collect();
    let started = Instant::now();
    for _ in 0..ROUNDS {
        for hours in &series {
            black_box(Model::fit(black_box(hours), &calendar, &Profile::FLAT));
        }
    }
    println!("fit: {:.1} us a series", started.elapsed().as_secs_f64() * 1e6 / (SERIES * ROUNDS) as f64);

    let Ok(settings) = Settings::new(Thresholds::default()) else { return };
    let models: Vec<_> = series.iter().map(|hours| Model::fit(hours, &calendar, &Profile::FLAT)).collect();
    let recent: Vec<_> = series.iter().map(|hours| hours.recent(day.plus(12))).collect();
    let started = Instant::now();
    for _ in 0..ROUNDS {
        for (recent, model) in recent.iter().zip(&models) {
            black_box(ensemble::judge(black_box(recent), &model.rows[12], &settings));
        }
    }
    println!("check: {:.3} us a series", started.elapsed().as_secs_f64() * 1e6 / (SERIES * ROUNDS) as f64);

    let started = Instant::now();
    for all in series.chunks(METRICS) {
        let all: Vec<&Hours> = all.iter().collect();
        black_box(entity::isolation(black_box(&all), day.plus(12), "acme", day));
    }
    let entities = SERIES.div_ceil(METRICS) as f64;
    println!("isolation forest: {:.0} us an entity", started.elapsed().as_secs_f64() * 1e6 / entities);
}

/// Counts with a day and a week, from a linear congruential generator.
fn hours(calendar: &Calendar, noise: &mut u64) -> Hours {
    let mut value = |place: usize| {
        *noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (*noise >> 33) as f64 / f64::from(1_u32 << 31);
        let weekend = if place / 24 % 7 < 2 { 0.3 } else { 1.0 };
        let hour = 1.0 + (place as f64 / 24.0 * std::f64::consts::TAU).sin();
        Some((500.0 * weekend * hour * (0.8 + 0.4 * random)).round())
    };
    let values: Vec<_> = (0..Calendar::SPAN + 24).map(&mut value).collect();
    Hours::new(Aggregate::Count, true, calendar.begin(), &values)
}
