//! The value column. The text goes into the event digit by digit, and never through a binary fraction.

/// The most events that one line may stand for. More is probably a mistake, such as bytes under a count.
pub(crate) const MAX_COUNT: u64 = 10_000_000;

/// The number as JSON writes it. JSON numbers stay unchanged. Other spellings (`+5`, `.5`, `5.`, `007`) are rewritten.
/// `Err` names the allowed values.
pub(crate) fn json_number(text: &str) -> Result<String, String> {
    let allowed = || "a decimal number such as 12, -3.25 or 1.5e9, without separators".to_owned();
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(allowed());
    }
    let mut json = String::with_capacity(text.len() + 1);
    if negative {
        json.push('-');
    }
    let whole = whole.trim_start_matches('0');
    json.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        json.push('.');
        json.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if power.is_empty() || !digits(power) {
            return Err(allowed());
        }
        json.push('e');
        json.push_str(exponent);
    }
    match json.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(json),
        _ => Err("a number of at most 1.8e308".to_owned()),
    }
}

/// A number of events. `12`, `12.0` and `1.2e1` are the same, because other programs write counts in all three ways.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let allowed = || format!("a whole number of events from 0 to {MAX_COUNT}");
    let number = json_number(text).map_err(|_| allowed())?;
    // Whole numbers up to 2^53 are exact, and the limit is far below.
    let value: f64 = number.parse().map_err(|_| allowed())?;
    if value < 0.0 || value > MAX_COUNT as f64 || value.fract() != 0.0 || has_fraction_digits(&number) {
        return Err(allowed());
    }
    Ok(value as u64)
}

/// Whether the text says something after the decimal point that a binary fraction might not keep.
fn has_fraction_digits(number: &str) -> bool {
    !number.contains('e')
        && number.split_once('.').is_some_and(|(_, fraction)| fraction.bytes().any(|digit| digit != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for (text, expected) in [
            ("0", "0"),
            ("12", "12"),
            ("-3.25", "-3.25"),
            ("0.1", "0.1"),
            ("1.10", "1.10"),
            ("12345678901234567890.123456789", "12345678901234567890.123456789"),
            ("1.5e9", "1.5e9"),
            ("5E+05", "5e+05"),
            ("1e-7", "1e-7"),
            ("+5", "5"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("007", "7"),
            ("000", "0"),
        ] {
            assert_eq!(json_number(text).as_deref(), Ok(expected), "{text}");
            assert!(serde_json::from_str::<serde_json::Number>(expected).is_ok(), "{expected} is not JSON");
        }
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "e5",
            "1e",
            "1e+",
            "NaN",
            "nan",
            "inf",
            "-Infinity",
            "1e999",
            "1,000",
            "1_000",
            "1 000",
            "0x10",
            "12a",
            "--1",
            "1.2.3",
            "١",
            "1e5.0",
            "null",
            "\"1\"",
        ] {
            assert!(json_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1),
            ("1500", 1500),
            ("12.0", 12),
            ("1e3", 1000),
            ("1.5e1", 15),
            ("10000000", MAX_COUNT),
        ] {
            assert_eq!(count(text), Ok(expected), "{text}");
        }
        for text in ["-1", "1.5", "10000001", "1e300", "NaN", "1e-1", "1.00000000000000000001", ""] {
            assert!(count(text).unwrap_err().contains("whole number"), "{text}");
        }
    }
}
