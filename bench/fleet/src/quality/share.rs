//! How many of the judged were flagged.

use std::ops::AddAssign;

/// A number of flagged ones among all that were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub flagged: usize,
    pub judged: usize,
}

impl Share {
    pub fn of(flags: impl IntoIterator<Item = bool>) -> Self {
        let mut share = Self::default();
        for is_flagged in flags {
            share.flagged += usize::from(is_flagged);
            share.judged += 1;
        }
        share
    }

    /// `None` if nothing was judged.
    pub fn percent(self) -> Option<f64> {
        (self.judged > 0).then(|| 100.0 * self.flagged as f64 / self.judged as f64)
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.flagged += other.flagged;
        self.judged += other.judged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_all_that_were_judged() {
        let mut share = Share::of([true, false, false, false]);
        assert_eq!((share.flagged, share.judged, share.percent()), (1, 4, Some(25.0)));
        share += Share::of([true; 4]);
        assert_eq!(share.percent(), Some(62.5));
        assert_eq!(Share::of([]).percent(), None);
    }
}
