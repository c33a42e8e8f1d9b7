//! A month of a customer who works on weekends: hourly calls, the range that the model of the week expects, and a silence.

use anyhow::Context;

use super::canvas::Canvas;
use crate::judges::{Models, assess};
use crate::pager::{Scores, Usage};
use crate::usage::{Cause, Month};

const USAGE: &str = "#2471a3";
const BAND: &str = "#aed6f1";
const CAUSE: &str = "#fadbd8";
const PAGE: &str = "#c0392b";

/// Days before the cause that are drawn, and days in all.
const BEFORE: usize = 16;
const DAYS: usize = 28;
const DAY: usize = 24;

/// The picture as SVG.
///
/// # Errors
///
/// When the month has no such customer.
pub fn month_with_band(month: &Month) -> anyhow::Result<String> {
    let is_wanted =
        |cause: &&Cause| cause.kind == "silence from a day off on" && kind(month, cause) == "weekend";
    let cause =
        month.causes.iter().find(is_wanted).context("no weekend customer falls silent in this month")?;
    let place = cause.subject.customer().context("a silence of all customers")?;
    let values = &month.customers[place].usage[0];
    let start =
        (cause.visible / DAY - BEFORE).clamp(month.history / DAY - DAYS / 2, month.hours / DAY - DAYS) * DAY;
    let hours = start..start + DAYS * DAY;
    let usage = Usage { month, subject: cause.subject, metric: 0, values, first_end: hours.start + 1 };
    let (mut band, mut end) = (Vec::new(), hours.start);
    assess(&usage, |assessment| {
        let hour = assessment.and_then(|of| of.views.into_iter().find(|view| view.hours() == 1));
        if let Some(hour) = hour.filter(|_| end < hours.end) {
            band.push((end as f64, hour.opinion.expected.low, hour.opinion.expected.high));
        }
        end += 1;
    });
    let highest = hours.clone().map(|hour| values[hour]).fold(0.0, f64::max);
    let most = band.iter().map(|(.., high)| *high).fold(highest, f64::max);
    let (from, to) = (hours.start as f64, hours.end as f64);
    let title = "Calls an hour of a customer who works on weekends";
    let mut canvas = Canvas::new(title, (1_000.0, 380.0), (from, to), (0.0, 1.05 * most));
    canvas.shade(cause.hours.start as f64, cause.hours.end.min(hours.end) as f64, CAUSE);
    for hour in hours.clone().step_by(7 * DAY) {
        canvas.mark_x(hour as f64, &month.at(hour).strftime("%a %d %b").to_string());
    }
    let step = 10_f64.powf((most / 2.0).log10().floor());
    for number in 0..=(most / step) as usize {
        if number % (most / step / 5.0).ceil() as usize == 0 {
            canvas.mark_y(step * number as f64, &format!("{:.0}", step * number as f64));
        }
    }
    canvas.axes("", "calls; the band is what the model expects of an hour");
    canvas.band(&band, BAND);
    let line: Vec<(f64, f64)> = hours.clone().map(|hour| (hour as f64, values[hour])).collect();
    canvas.line(&line, USAGE, 1.2);
    let record = Scores::of(&Models, month).record(month, 1.0);
    let mut pages = record.notifications.iter().filter(|of| of.is_page());
    let page = pages.find(|of| cause.explains(of.incident.series, of.end));
    if let Some(page) = page {
        let place = (page.end as f64, values[page.end - 1]);
        canvas.dot(place.0, place.1, PAGE);
        let time = month.at(page.end).strftime("page on %a, %H:%M").to_string();
        canvas.label(place, (8.0, -10.0), &time, PAGE);
    }
    let place = (cause.hours.start as f64, 1.0 * most);
    canvas.label(place, (4.0, 0.0), "no calls", PAGE);
    Ok(canvas.svg())
}

fn kind<'a>(month: &'a Month, cause: &Cause) -> &'a str {
    cause.subject.customer().map_or("", |place| &month.customers[place].kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::generate;

    #[test]
    fn usage_band_silence_and_page_are_drawn() {
        let month = generate(1).unwrap();
        let svg = month_with_band(&month).unwrap();
        for part in [USAGE, BAND, CAUSE, "no calls", "page on ", " Oct"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
