//! Numbers of incidents in the daily digest.

use detection::Severity;

/// Incidents by severity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    critical: u64,
    warning: u64,
}

impl Count {
    pub(super) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::Warning => self.warning += 1,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.critical + self.warning
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.total() {
            0 => f.write_str("0"),
            total => write!(f, "{total} ({} critical, {} warning)", self.critical, self.warning),
        }
    }
}
