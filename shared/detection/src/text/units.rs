//! Amounts as people read them: three significant digits, in the largest unit that keeps them above one.

use std::borrow::Cow;

/// `value` with its unit, scaled: bytes to kB, MB, GB …, ms to seconds, minutes, hours. Any other unit stays, and the
/// number gets thousands separators or "million", "billion", "trillion".
///
/// A non-finite value, which no verdict holds, reads "unknown".
pub fn humanize(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    match unit {
        "bytes" => in_steps(
            value,
            &[("bytes", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("PB", 1e15)],
        ),
        "GB" => in_steps(value, &[("kB", 1e-6), ("MB", 1e-3), ("GB", 1.0), ("TB", 1e3), ("PB", 1e6)]),
        "ms" => in_steps(value, &[("ms", 1.0), ("s", 1e3), ("min", 6e4), ("h", 3.6e6), ("days", 8.64e7)]),
        _ => counted(&amount(value), unit),
    }
}

/// A number with its unit, which is singular after a one.
fn counted(number: &str, unit: &str) -> String {
    if number.trim_start_matches('-') == "1" {
        format!("{number} {}", singular(unit))
    } else {
        format!("{number} {unit}")
    }
}

/// One of an English plural. Words that are no regular plural stay.
fn singular(unit: &str) -> Cow<'_, str> {
    if let Some(stem) = unit.strip_suffix("ies") {
        return Cow::Owned(format!("{stem}y"));
    }
    let ends = |endings: &[&str]| endings.iter().any(|ending| unit.ends_with(ending));
    let stem = if ends(&["ss", "us", "is"]) {
        unit
    } else if ends(&["xes", "ches", "shes", "sses"]) {
        unit.trim_end_matches("es")
    } else {
        unit.strip_suffix('s').unwrap_or(unit)
    };
    // A symbol of one letter is no word.
    Cow::Borrowed(if stem.len() < 2 { unit } else { stem })
}

/// A number without a unit: "0", "12.3", "4,215", "8.4 million".
pub fn amount(value: f64) -> String {
    match value.abs() {
        size if size >= 1e15 => format!("{value:.2e}"),
        size if size >= 1e12 => format!("{} trillion", digits(value / 1e12)),
        size if size >= 1e9 => format!("{} billion", digits(value / 1e9)),
        size if size >= 1e6 => format!("{} million", digits(value / 1e6)),
        _ => digits(value),
    }
}

fn in_steps(value: f64, steps: &[(&str, f64)]) -> String {
    let fits = |(_, factor): &&(&str, f64)| value.abs() >= *factor;
    let (name, factor) = if value == 0.0 {
        steps.iter().find(|(_, factor)| *factor == 1.0).unwrap_or(&steps[0])
    } else {
        steps.iter().rev().find(fits).unwrap_or(&steps[0])
    };
    counted(&amount(value / factor), name)
}

/// Three significant digits below 100, whole numbers with thousands separators above.
fn digits(value: f64) -> String {
    let size = value.abs();
    let text = if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.01 || size == 0.0 {
        format!("{value:.2}")
    } else {
        return format!("{value:.1e}");
    };
    grouped(if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text })
}

fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, part)| (whole, Some(part)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_person_would_write_it() {
        for (value, unit, expected) in [
            (0.0, "bytes", "0 bytes"),
            (999.0, "bytes", "999 bytes"),
            (9.14e9, "bytes", "9.14 GB"),
            (2.2e15, "bytes", "2.2 PB"),
            (5e18, "bytes", "5,000 PB"),
            (0.0, "GB", "0 GB"),
            (0.25, "GB", "250 MB"),
            (1_500.0, "GB", "1.5 TB"),
            (90_000.0, "ms", "1.5 min"),
            (7.2e6, "ms", "2 h"),
            (4_215.0, "calls", "4,215 calls"),
            (123_456.0, "calls", "123,456 calls"),
            (8_400_000.0, "calls", "8.4 million calls"),
            (1.0, "calls", "1 call"),
            (-1.0, "queries", "-1 query"),
            (1.0, "boxes", "1 box"),
            (1.0, "bytes", "1 byte"),
            (1.0, "GB-hours", "1 GB-hour"),
            (8.64e7, "ms", "1 day"),
            (1_000.0, "ms", "1 s"),
            (1.0, "status", "1 status"),
            (1.0, "s", "1 s"),
            (1.0, "ms", "1 ms"),
            (1.5, "calls", "1.5 calls"),
            (-12.34, "credits", "-12.3 credits"),
            (-1_234.0, "credits", "-1,234 credits"),
            (0.000_2, "credits", "2.0e-4 credits"),
            (1e300, "credits", "1.00e300 credits"),
            (f64::NAN, "credits", "unknown"),
        ] {
            assert_eq!(humanize(value, unit), expected, "{value} {unit}");
        }
    }
}
