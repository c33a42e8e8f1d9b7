//! The usage of one customer by window, and its habit.

pub(crate) struct Usage {
    /// Requests and their bytes.
    pub(crate) api: Series,
    /// Readings and the highest of them, in thousandths of a GB.
    pub(crate) storage: Series,
    /// Jobs and their CPU milliseconds.
    pub(crate) compute: Series,
}

/// Index 0 is the current window.
pub(crate) struct Series {
    pub(crate) events: Vec<u64>,
    pub(crate) amounts: Vec<u64>,
    /// What of the current window's events and amounts falls into its last hour, beside that hour's usual share.
    pub(crate) burst: (u64, u64),
}

impl Series {
    /// Without any event.
    pub(crate) fn unused(windows: usize) -> Self {
        Self { events: vec![0; windows], amounts: vec![0; windows], burst: (0, 0) }
    }
}

impl Usage {
    pub(crate) fn event_count(&self) -> u64 {
        [&self.api, &self.storage, &self.compute].iter().flat_map(|series| &series.events).sum()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Habit {
    Regular,
    /// A few calls a day, below the floor of every metric.
    Quiet,
    /// Nothing on most days, and below the floors on the others.
    Sparse,
    /// Regular, but for some weeks only.
    New,
}

/// How many windows the check compares with.
pub(crate) const BASELINE_WINDOWS: usize = 30;

/// To the nearest whole number, never below 0.
pub(crate) fn round(value: f64) -> u64 {
    (value + 0.5) as u64
}
