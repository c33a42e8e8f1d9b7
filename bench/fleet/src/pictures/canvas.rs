//! A drawing area with axes, and its text as SVG.

use std::fmt::Write as _;

/// The inside of the axes, in pixels.
const LEFT: f64 = 64.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 44.0;

/// A picture on the way. Places are in the units of the axes.
pub(super) struct Canvas {
    width: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
    parts: String,
}

impl Canvas {
    /// * `x`, `y`: the least and the most value of an axis.
    pub(super) fn new(title: &str, size: (f64, f64), x: (f64, f64), y: (f64, f64)) -> Self {
        let mut canvas = Self { width: size.0, height: size.1, x, y, parts: String::new() };
        canvas.write(&format!(
            "<text x=\"{LEFT}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>",
            escaped(title)
        ));
        canvas
    }

    fn across(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (self.width - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        self.height - BOTTOM - (y - self.y.0) / (self.y.1 - self.y.0) * (self.height - TOP - BOTTOM)
    }

    fn write(&mut self, part: &str) {
        self.parts.push_str(part);
        self.parts.push('\n');
    }

    /// A mark on the lower axis with a line through the picture.
    pub(super) fn mark_x(&mut self, x: f64, label: &str) {
        let (at, top, low) = (self.across(x), TOP, self.height - BOTTOM);
        self.write(&format!(
            "<path d=\"M{at:.1} {top:.1}V{low:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            low + 16.0,
            escaped(label)
        ));
    }

    pub(super) fn mark_y(&mut self, y: f64, label: &str) {
        let (at, left, right) = (self.down(y), LEFT, self.width - RIGHT);
        self.write(&format!(
            "<path d=\"M{left:.1} {at:.1}H{right:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            escaped(label)
        ));
    }

    /// Names of the axes.
    pub(super) fn axes(&mut self, x: &str, y: &str) {
        let (middle, low) = (f64::midpoint(LEFT, self.width - RIGHT), self.height - 8.0);
        self.write(&format!(
            "<text x=\"{middle:.1}\" y=\"{low:.1}\" text-anchor=\"middle\">{}</text>",
            escaped(x)
        ));
        self.write(&format!("<text x=\"{LEFT}\" y=\"36\" fill=\"#555\">{}</text>", escaped(y)));
    }

    /// A rectangle over the whole height.
    pub(super) fn shade(&mut self, from: f64, to: f64, colour: &str) {
        let (left, right) = (self.across(from), self.across(to));
        let (width, height) = (right - left, self.height - TOP - BOTTOM);
        self.write(&format!(
            "<rect x=\"{left:.1}\" y=\"{TOP:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        ));
    }

    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let path = self.path(points.iter().copied());
        self.write(&format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    /// The area between two lines: each point is a place with its lower and upper value.
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)], colour: &str) {
        let upper = points.iter().map(|(x, _, high)| (*x, *high));
        let lower = points.iter().rev().map(|(x, low, _)| (*x, *low));
        let path = self.path(upper.chain(lower));
        self.write(&format!("<path d=\"{path}Z\" fill=\"{colour}\"/>"));
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, colour: &str) {
        let (x, y) = (self.across(x), self.down(y));
        self.write(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{colour}\"/>"));
    }

    /// Words at a place, so many pixels to the right and down.
    pub(super) fn label(&mut self, place: (f64, f64), shift: (f64, f64), text: &str, colour: &str) {
        let (x, y) = (self.across(place.0) + shift.0, self.down(place.1) + shift.1);
        self.write(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{}</text>", escaped(text)));
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (number, (x, y)) in points.enumerate() {
            let command = if number == 0 { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(path, "{command}{:.1} {:.1}", self.across(x), self.down(y));
        }
        path
    }

    pub(super) fn svg(self) -> String {
        let Self { width, height, parts, .. } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n{parts}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_units_of_the_axes() {
        let mut canvas = Canvas::new("a < b", (188.0, 184.0), (0.0, 10.0), (0.0, 100.0));
        canvas.line(&[(0.0, 0.0), (10.0, 100.0)], "black", 1.0);
        canvas.band(&[(0.0, 0.0, 100.0), (5.0, 50.0, 50.0)], "#eee");
        let svg = canvas.svg();
        assert!(svg.contains("d=\"M64.0 140.0L164.0 40.0\""), "{svg}");
        assert!(svg.contains("d=\"M64.0 40.0L114.0 90.0L114.0 90.0L64.0 140.0Z\""), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"));
    }
}
