//! How customers are divided into shares.

use super::*;

const MOST: u64 = 600_000;

/// A fit of each of these buckets with so many customers.
fn fits(buckets: impl IntoIterator<Item = u8>, customers: u64) -> Vec<Fit> {
    buckets.into_iter().map(|bucket| Fit { bucket, customers, ..Fit::default() }).collect()
}

/// The buckets of each share, and whether they are screened. Each bucket of `part` must be in one share.
fn divided(part: Shard, fits: &[Fit]) -> Vec<(Vec<u8>, bool)> {
    let mut shares = VecDeque::new();
    divide(part, fits, MOST, &mut shares);
    let shares: Vec<_> = shares
        .into_iter()
        .map(|share| match share {
            Share::Full(part) => (part.buckets().collect(), false),
            Share::Fitted(part, fits) => {
                let buckets: Vec<u8> = fits.iter().map(|fit| fit.bucket).collect();
                assert_eq!(buckets, part.buckets().collect::<Vec<_>>());
                (buckets, true)
            }
        })
        .collect();
    let mut all: Vec<u8> = shares.iter().flat_map(|(buckets, _)| buckets.clone()).collect();
    all.sort_unstable();
    assert_eq!(all, part.buckets().collect::<Vec<_>>());
    shares
}

#[test]
fn customers_without_any_fit_are_one_share() {
    for part in [Shard::WHOLE, Shard::new(1, 2).unwrap(), Shard::new(7, 8).unwrap()] {
        assert_eq!(divided(part, &[]), [(part.buckets().collect(), false)]);
    }
}

#[test]
fn fitted_customers_are_one_share_up_to_so_many() {
    let shares = |customers: u64| divided(Shard::WHOLE, &fits(0..24, customers.div_ceil(24))).len();
    assert_eq!([1_000, MOST].map(shares), [1, 1]);
    assert_eq!([1_000_000, 2_000_000, 100_000_000].map(shares), [2, 4, 24]);
    let shard = Shard::new(3, 8).unwrap();
    assert_eq!(
        divided(shard, &fits(0..24, 1_000_000)),
        [(vec![3], true), (vec![11], true), (vec![19], true)]
    );
}

#[test]
fn a_bucket_without_a_fit_divides_no_more_than_it_must() {
    let shares = divided(Shard::WHOLE, &fits((0..24).filter(|bucket| *bucket != 5), 1_000));
    let full: Vec<_> = shares.iter().filter(|(_, is_fitted)| !is_fitted).collect();
    assert_eq!(full, [&(vec![5], false)]);
    // Halves, quarters and eighths, and the two other buckets of the last eighth.
    let mut sizes: Vec<_> = shares.iter().map(|(buckets, _)| buckets.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 1, 3, 6, 12]);
    let shares = divided(Shard::WHOLE, &fits([2], 1_000));
    assert_eq!(shares.iter().filter(|(_, is_fitted)| *is_fitted).count(), 1);
}

#[test]
fn a_share_that_lacks_rows_is_divided_down_to_hours() {
    let mut waiting = vec![Share::Fitted(Shard::WHOLE, fits(0..24, 10))];
    let mut full = Vec::new();
    while let Some(share) = waiting.pop() {
        match share {
            Share::Full(part) => full.extend(part.buckets()),
            Share::Fitted(part, fits) => waiting.extend(parts_of_fits(part, &fits)),
        }
    }
    full.sort_unstable();
    assert_eq!(full, (0..24).collect::<Vec<_>>());
}
