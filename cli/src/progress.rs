//! Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere (a log, CI).

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    /// The time of the last plain line since the start. `None` on a terminal.
    plain: Option<Duration>,
}

impl Progress {
    /// `what` is the name of the counted things in the plural: "events".
    pub(crate) fn new(total: u64, what: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = format!(
            "{{bar:32}} {{percent:>3}} %  {{human_pos}} of {{human_len}} {what}  {{per_sec}}  {{eta}} left"
        );
        // If the template were wrong, indicatif's own would do.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Self { bar, what, plain: (!terminal).then_some(Duration::ZERO) }
    }

    pub(crate) fn add(&mut self, count: u64) {
        self.bar.inc(count);
        let elapsed = self.bar.elapsed();
        if let Some(last) = self.plain.as_mut()
            && elapsed >= *last + PLAIN_INTERVAL
        {
            *last = elapsed;
            eprintln!(
                "{} of {} {} ({}/s)",
                HumanCount(self.bar.position()),
                HumanCount(self.bar.length().unwrap_or(0)),
                self.what,
                HumanCount(rate(self.bar.position(), elapsed)),
            );
        }
    }

    /// Clears the bar and returns "1,234 events in 5 seconds (246/s)".
    pub(crate) fn finish(self) -> String {
        let (count, elapsed) = (self.bar.position(), self.bar.elapsed());
        self.bar.finish_and_clear();
        let duration = if elapsed < Duration::from_secs(60) {
            format!("{:.1} s", elapsed.as_secs_f64())
        } else {
            HumanDuration(elapsed).to_string()
        };
        format!("{} {} in {duration} ({}/s)", HumanCount(count), self.what, HumanCount(rate(count, elapsed)))
    }
}

fn rate(count: u64, elapsed: Duration) -> u64 {
    (count as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}
