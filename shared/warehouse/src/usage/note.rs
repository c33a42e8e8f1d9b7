//! The note of a build of a baseline.

/// A build: the end of the window that is compared with it, its bucket, its id, its begin in Unix milliseconds, its
/// number of rows, and the age of its oldest window.
pub(super) type Build = (u32, u8, u64, i64, u64, u8);

/// Noted instead of a build that nobody may read any more. Of two notes of the same time, the larger number counts.
pub(super) const NO_BUILD: u64 = u64::MAX;
