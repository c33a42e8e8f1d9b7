//! The chart of an alert as a picture: the line of the last 24 hours, what is usual at these hours, and the window that was
//! judged. Pure.
//!
//! The picture has a light ground of its own, so it reads the same in light and dark chats. Its colours differ in lightness, for
//! people who do not tell red from green. It holds no text: the message has the figures.

use detection::ensemble::Chart;

use crate::alert::Alert;

pub const WIDTH: usize = 480;
pub const HEIGHT: usize = 120;

/// Free pixels around the lines.
const MARGIN: usize = 8;

/// Pixels on each side of the middle of a line.
const HALF_LINE: usize = 1;

/// Most hours of a chart. Ours have 24.
const MOST: usize = 96;

/// The colours, by their places in the palette.
pub const GROUND: u8 = 0;
pub const USUAL: u8 = 1;
pub const JUDGED: u8 = 2;
pub const USUAL_JUDGED: u8 = 3;
pub const LINE: u8 = 4;
pub const LINE_JUDGED: u8 = 5;

const PALETTE: [[u8; 3]; 6] = [
    [0xfa, 0xfb, 0xfc],
    [0xc4, 0xd7, 0xea],
    [0xff, 0xec, 0xd0],
    [0xd9, 0xcf, 0xc4],
    [0x1f, 0x4e, 0x79],
    [0xc0, 0x1f, 0x1f],
];

/// The picture of an alert as a PNG. `None` for an alert without a chart.
pub fn png(alert: &Alert) -> Option<Vec<u8>> {
    let chart = alert.chart.as_ref()?;
    let judged = alert.window.map_or(0, |(start, end)| end.duration_since(start).as_hours());
    encoded(&drawn(chart, usize::try_from(judged).unwrap_or(0))?)
}

/// The pixels row by row, as places in the palette.
///
/// * `judged`: the newest hours that were judged.
pub fn drawn(chart: &Chart, judged: usize) -> Option<Vec<u8>> {
    let count = chart.values.len();
    if !(2..=MOST).contains(&count) || chart.low.len() != count || chart.high.len() != count {
        return None;
    }
    let known = || chart.values.iter().chain(&chart.low).chain(&chart.high).flatten().copied();
    if !known().all(f64::is_finite) || chart.values.iter().flatten().next().is_none() {
        return None;
    }
    let (low, high) = (known().fold(0.0, f64::min), known().fold(0.0, f64::max));
    let mut canvas = Canvas { pixels: vec![GROUND; WIDTH * HEIGHT], low, high, count };
    canvas.mark(judged.min(count));
    canvas.band(&chart.low, &chart.high);
    canvas.line(&chart.values);
    Some(canvas.pixels)
}

struct Canvas {
    pixels: Vec<u8>,
    /// The range of all values, from zero on.
    low: f64,
    high: f64,
    /// The number of hours.
    count: usize,
}

impl Canvas {
    /// The column of an hour, which may lie between two.
    fn x(&self, hour: f64) -> usize {
        let share = hour / (self.count - 1) as f64;
        MARGIN + (share * (WIDTH - 1 - 2 * MARGIN) as f64).round() as usize
    }

    /// The hour of a column.
    fn hour(&self, x: usize) -> f64 {
        (x - MARGIN) as f64 / (WIDTH - 1 - 2 * MARGIN) as f64 * (self.count - 1) as f64
    }

    /// The row of a value.
    fn y(&self, value: f64) -> usize {
        // Halves, so that the widest range does not overflow.
        let range = self.high / 2.0 - self.low / 2.0;
        let share = if range > 0.0 { (value / 2.0 - self.low / 2.0) / range } else { 0.0 };
        let plot = (HEIGHT - 1 - 2 * MARGIN) as f64;
        HEIGHT - 1 - MARGIN - (share.clamp(0.0, 1.0) * plot).round() as usize
    }

    /// The ground of the newest hours.
    fn mark(&mut self, judged: usize) {
        if judged == 0 {
            return;
        }
        let from = self.x(((self.count - judged) as f64 - 0.5).max(0.0));
        for x in from..WIDTH - MARGIN {
            self.fill(x, 0, HEIGHT - 1, |_| JUDGED);
        }
    }

    fn band(&mut self, low: &[Option<f64>], high: &[Option<f64>]) {
        for x in MARGIN..WIDTH - MARGIN {
            let hour = self.hour(x);
            if let (Some(low), Some(high)) = (between(low, hour), between(high, hour)) {
                let (top, bottom) = (self.y(high), self.y(low));
                self.fill(x, top, bottom, |ground| if ground == JUDGED { USUAL_JUDGED } else { USUAL });
            }
        }
    }

    fn line(&mut self, values: &[Option<f64>]) {
        let is_judged = |ground: u8| matches!(ground, JUDGED | USUAL_JUDGED | LINE_JUDGED);
        let paint = |ground: u8| if is_judged(ground) { LINE_JUDGED } else { LINE };
        let mut before: Option<usize> = None;
        for x in MARGIN..WIDTH - MARGIN {
            let row = between(values, self.hour(x)).map(|value| self.y(value));
            if let Some(row) = row {
                let from = before.unwrap_or(row);
                let (top, bottom) = (row.min(from) - HALF_LINE, row.max(from) + HALF_LINE);
                self.fill(x, top, bottom, paint);
            }
            before = row;
        }
        // An hour between two gaps has no line, so each hour has a dot.
        for (hour, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let (x, y) = (self.x(hour as f64), self.y(*value));
            for x in x - HALF_LINE..=x + HALF_LINE {
                self.fill(x, y - HALF_LINE, y + HALF_LINE, paint);
            }
        }
    }

    fn fill(&mut self, x: usize, top: usize, bottom: usize, paint: impl Fn(u8) -> u8) {
        for y in top..=bottom {
            let pixel = &mut self.pixels[y * WIDTH + x];
            *pixel = paint(*pixel);
        }
    }
}

/// The value at an hour that may lie between two. `None` beside a gap.
fn between(values: &[Option<f64>], hour: f64) -> Option<f64> {
    let first = hour.floor();
    let (index, share) = (first as usize, hour - first);
    let before = values.get(index).copied().flatten()?;
    if share == 0.0 {
        return Some(before);
    }
    let after = values.get(index + 1).copied().flatten()?;
    Some(before * (1.0 - share) + after * share)
}

fn encoded(pixels: &[u8]) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let (width, height) = (u32::try_from(WIDTH).ok()?, u32::try_from(HEIGHT).ok()?);
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.concat());
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chart(values: Vec<Option<f64>>, low: f64, high: f64) -> Chart {
        let of = |value: f64| vec![Some(value); values.len()];
        Chart { low: of(low), high: of(high), values }
    }

    /// 23 hours at 100 and a burst.
    fn burst() -> Chart {
        let values = (0..24).map(|hour| Some(if hour == 23 { 1_000.0 } else { 100.0 })).collect();
        chart(values, 80.0, 120.0)
    }

    fn at(pixels: &[u8], x: usize, y: usize) -> u8 {
        pixels[y * WIDTH + x]
    }

    /// The colours of a column from top to bottom, each once.
    fn column(pixels: &[u8], x: usize) -> Vec<u8> {
        let mut colours: Vec<_> = (0..HEIGHT).map(|y| at(pixels, x, y)).collect();
        colours.dedup();
        colours
    }

    #[test]
    fn a_burst_above_what_is_usual() {
        let pixels = drawn(&burst(), 1).unwrap();
        assert_eq!(column(&pixels, 100), [GROUND, USUAL, LINE, USUAL, GROUND], "a line within the band");
        // The last column of the plot: the line begins at the top, far above the band.
        let newest = column(&pixels, WIDTH - MARGIN - 1);
        assert_eq!(newest, [JUDGED, LINE_JUDGED, JUDGED, USUAL_JUDGED, JUDGED]);
        assert_eq!(at(&pixels, WIDTH - MARGIN - 1, MARGIN), LINE_JUDGED);
        assert_eq!(column(&pixels, 2), [GROUND], "the margin is free");
    }

    #[test]
    fn the_judged_window_is_marked() {
        for (judged, share) in [(0, 0.0), (1, 0.02), (6, 0.24), (24, 1.0), (99, 1.0)] {
            let pixels = drawn(&burst(), judged).unwrap();
            let marked = (MARGIN..WIDTH - MARGIN).filter(|x| at(&pixels, *x, 0) == JUDGED).count();
            let found = marked as f64 / (WIDTH - 2 * MARGIN) as f64;
            assert!((found - share).abs() < 0.02, "{judged}: {found}");
        }
    }

    #[test]
    fn gaps_are_gaps_and_a_lone_hour_is_a_dot() {
        let mut values = vec![None; 24];
        values[12] = Some(5.0);
        let pixels = drawn(&chart(values, 0.0, 5.0), 0).unwrap();
        let line = pixels.iter().filter(|pixel| **pixel == LINE).count();
        assert_eq!(line, (2 * HALF_LINE + 1).pow(2));
    }

    #[test]
    fn what_cannot_be_drawn_has_no_picture() {
        let values = |count: usize| vec![Some(1.0); count];
        for chart in [
            Chart::default(),
            chart(values(1), 0.0, 1.0),
            chart(values(MOST + 1), 0.0, 1.0),
            chart(vec![None; 24], 0.0, 1.0),
            chart(vec![Some(f64::INFINITY); 24], 0.0, 1.0),
            Chart { low: vec![], ..chart(values(24), 0.0, 1.0) },
        ] {
            assert_eq!(drawn(&chart, 1), None, "{chart:?}");
        }
    }

    #[test]
    fn a_file_of_a_few_kilobytes_that_decodes() {
        let file = encoded(&drawn(&burst(), 1).unwrap()).unwrap();
        assert!(file.len() < 4_000, "{}", file.len());
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (480, 120));
        assert_eq!(pixels, drawn(&burst(), 1).unwrap());
    }

    proptest! {
        #[test]
        fn any_figures_give_a_whole_picture(
            values in prop::collection::vec(prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO), 2..30),
            low in -1e300..1e300,
            high in -1e300..1e300,
            judged in 0..40usize,
        ) {
            if let Some(pixels) = drawn(&chart(values, low, high), judged) {
                assert_eq!(pixels.len(), WIDTH * HEIGHT);
            }
        }
    }
}
