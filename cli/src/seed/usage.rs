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
    pub(crate) bursts: Vec<Burst>,
}

/// What falls into one hour beside that hour's usual share. It is part of its window's events and amounts.
#[derive(Clone, Copy)]
pub(crate) struct Burst {
    /// 0 is the last hour of the usage.
    pub(crate) hours_ago: usize,
    pub(crate) events: u64,
    pub(crate) amount: u64,
}

impl Series {
    /// Without any event.
    pub(crate) fn unused(windows: usize) -> Self {
        Self { events: vec![0; windows], amounts: vec![0; windows], bursts: Vec::new() }
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
