//! What is noted of a build of a baseline.

/// End of the window that is compared with it, bucket, id, when it was begun in Unix milliseconds, its rows, and the age of
/// its oldest window.
pub(super) type Build = (u32, u8, u64, i64, u64, u8);

/// Noted in place of a build where there was one that is not to be read any more. Of two notes of the same time, the larger
/// number counts.
pub(super) const NO_BUILD: u64 = u64::MAX;
