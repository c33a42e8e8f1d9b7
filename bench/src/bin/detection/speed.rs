//! How long fit and check of a series take, by a program that prints it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use fleet::goal::{Goal, Measured};

/// How long fit and check of a series take.
pub(super) fn measure(program: &Path) -> Result<[Measured; 2]> {
    let output =
        Command::new(program).output().with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let of_line = |name: &str| {
        let words = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let number = words.split_whitespace().next().context("no number")?;
        number.parse::<f64>().context("no number")
    };
    let figure = |name: &str, line: &str, goal: f64| {
        let found =
            of_line(line).with_context(|| format!("{} printed no line {line:?}", program.display()))?;
        anyhow::Ok(Measured {
            name: name.to_owned(),
            value: Some(found),
            decimals: 2,
            goal: Goal::AtMost(goal),
            made_of: String::from("one core"),
        })
    };
    Ok([
        figure("fit of a series, 24 hours of windows of four lengths, in microseconds", "fit:", 120.0)?,
        figure("check of a series, in microseconds", "check:", 1.0)?,
    ])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_speed_is_read_from_what_a_program_prints() {
        let folder = std::env::temp_dir().join(format!("speed-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("speed");
        fs::write(&program, "#!/bin/sh\necho 'calendar: 9 us'\necho 'fit: 110.5 us a series'\necho 'check: 1.2 us a series'\n").unwrap();
        let mut permissions = fs::metadata(&program).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&program, permissions).unwrap();
        let [fit, check] = measure(&program).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((fit.value, fit.is_missed()), (Some(110.5), false));
        assert_eq!((check.value, check.is_missed()), (Some(1.2), true));
        assert!(measure(&program).is_err());
    }
}
