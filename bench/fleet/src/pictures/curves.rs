//! Precision against recall: a line for each rule over its thresholds, and a dot where the rule stands.

use super::canvas::Canvas;
use crate::compare::Point;

/// A rule's line, and the point of the threshold that it is compared at.
pub struct Curve {
    pub name: String,
    pub points: Vec<Point>,
    pub stands: Option<Point>,
}

const COLOURS: [&str; 7] = ["#c0392b", "#2471a3", "#1e8449", "#b9770e", "#7d3c98", "#5d6d7e", "#117a65"];

/// The picture as SVG. The first rule is drawn last and thickest.
pub fn precision_against_recall(curves: &[Curve]) -> String {
    let mut canvas = Canvas::new(
        "Precision of pages against the share of causes found",
        (760.0, 460.0),
        (0.0, 1.0),
        (0.0, 1.0),
    );
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        canvas.mark_x(share, &format!("{share:.1}"));
        canvas.mark_y(share, &format!("{share:.1}"));
    }
    canvas.axes("share of causes found", "precision of pages");
    for (number, curve) in curves.iter().enumerate().rev() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<(f64, f64)> = curve.points.iter().map(|of| (of.recall, of.precision)).collect();
        canvas.line(&points, colour, if number == 0 { 3.0 } else { 1.5 });
        if let Some(Point { recall, precision, .. }) = curve.stands {
            canvas.dot(recall, precision, colour);
        }
        let place = (0.02, 0.02 + 0.055 * (curves.len() - 1 - number) as f64);
        canvas.label(place, (0.0, 0.0), &format!("\u{25cf} {}", curve.name), colour);
    }
    canvas.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_line_a_dot_and_its_name() {
        let point = |recall, precision| Point { threshold: 1.0, recall, precision };
        let curve = |name: &str| Curve {
            name: name.to_owned(),
            points: vec![point(0.2, 0.9), point(0.8, 0.4)],
            stands: Some(point(0.5, 0.5)),
        };
        let svg = precision_against_recall(&[curve("ours"), curve("z")]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("fill=\"none\"").count(), 2);
        assert!(svg.contains("ours") && svg.contains(COLOURS[1]));
    }
}
