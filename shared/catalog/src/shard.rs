//! A part of the customers. A run of all customers would take too long in a large deployment.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Number of buckets. A hash of its id puts each customer into one: ClickHouse's `cityHash64(customer_id) % 24`. So the
/// query itself leaves out the customers of other shards. The models of a bucket begin at the hour of the day of its
/// number.
pub const BUCKETS: u8 = 24;

/// One of 1, 2, 4 or 8 equal parts. Bucket `b` belongs to shard `b % of`, so each customer is in exactly one shard.
/// Nothing about shards is stored between runs. Each request names its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Shard {
    number: u8,
    of: u8,
}

/// A shard as a request writes it. It may be invalid.
#[derive(Deserialize)]
struct Parts {
    number: u8,
    of: u8,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    #[error("`shards` is {0}: it must be 1, 2, 4 or 8")]
    Shards(u8),
    #[error("`shard` is {number}: of {of} shards it must be from 0 to {}", of - 1)]
    Shard { number: u8, of: u8 },
}

impl Shard {
    /// All customers.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// # Errors
    ///
    /// When the customers cannot be divided into so many parts, or the part does not exist.
    pub fn new(number: u8, of: u8) -> Result<Self, ShardError> {
        match of {
            1 | 2 | 4 | 8 if number < of => Ok(Self { number, of }),
            1 | 2 | 4 | 8 => Err(ShardError::Shard { number, of }),
            _ => Err(ShardError::Shards(of)),
        }
    }

    /// The customers of one bucket. No request names such a part.
    pub fn of_bucket(bucket: u8) -> Self {
        Self { number: bucket % BUCKETS, of: BUCKETS }
    }

    /// The number of the part, from 0.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// How many parts there are.
    pub fn of(&self) -> u8 {
        self.of
    }

    /// Whether it is all customers.
    pub fn is_whole(&self) -> bool {
        self.of == 1
    }

    /// The name in metrics, such as `3-of-8`. None for all customers.
    pub fn name(self) -> Option<String> {
        (!self.is_whole()).then(|| self.to_string())
    }

    /// Its customers in two or three equal parts. `None` for those of one bucket.
    pub fn parts(&self) -> Option<impl Iterator<Item = Self> + use<>> {
        let Self { number, of } = *self;
        let parts = match of {
            BUCKETS => return None,
            8 => 3,
            _ => 2,
        };
        Some((0..parts).map(move |part| Self { number: number + part * of, of: parts * of }))
    }

    /// Whether the customers of a bucket are among its own.
    pub fn has(&self, bucket: u8) -> bool {
        bucket % self.of == self.number
    }

    /// The buckets of its customers.
    pub fn buckets(&self) -> impl Iterator<Item = u8> + use<> {
        (self.number..BUCKETS).step_by(usize::from(self.of))
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// The form in logs, metrics and keys: `3-of-8`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.number, self.of)
    }
}

impl TryFrom<Parts> for Shard {
    type Error = ShardError;

    fn try_from(parts: Parts) -> Result<Self, ShardError> {
        Self::new(parts.number, parts.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_is_in_exactly_one_shard_and_all_shards_have_as_many() {
        for of in [1, 2, 4, 8] {
            let mut all = Vec::new();
            for number in 0..of {
                let buckets: Vec<_> = Shard::new(number, of).unwrap().buckets().collect();
                assert_eq!(buckets.len(), usize::from(BUCKETS / of), "{number} of {of}");
                assert!(buckets.iter().all(|bucket| bucket % of == number), "{number} of {of}: {buckets:?}");
                all.extend(buckets);
            }
            all.sort_unstable();
            assert_eq!(all, (0..BUCKETS).collect::<Vec<_>>(), "{of}");
        }
    }

    #[test]
    fn the_parts_of_a_shard_have_its_customers_down_to_single_buckets() {
        fn divided(shard: Shard) -> Vec<u8> {
            let buckets: Vec<_> = shard.buckets().collect();
            assert!((0..BUCKETS).all(|bucket| shard.has(bucket) == buckets.contains(&bucket)));
            let Some(parts) = shard.parts() else { return buckets };
            let parts: Vec<_> = parts.collect();
            assert!(
                parts.iter().all(|part| part.buckets().count() * parts.len() == buckets.len()),
                "{shard}"
            );
            parts.into_iter().flat_map(divided).collect()
        }
        for (number, of) in [(0, 1), (1, 2), (3, 4), (7, 8)] {
            let shard = Shard::new(number, of).unwrap();
            let mut single = divided(shard);
            single.sort_unstable();
            assert_eq!(single, shard.buckets().collect::<Vec<_>>(), "{shard}");
        }
    }

    #[test]
    fn there_is_no_other_division_and_no_part_beyond_the_last() {
        for of in [0, 3, 5, 6, 7, 9, 16, 255] {
            assert_eq!(Shard::new(0, of), Err(ShardError::Shards(of)));
        }
        for (number, of) in [(1, 1), (2, 2), (4, 4), (8, 8), (255, 8)] {
            assert_eq!(Shard::new(number, of), Err(ShardError::Shard { number, of }));
        }
        let text = Shard::new(8, 8).unwrap_err().to_string();
        assert_eq!(text, "`shard` is 8: of 8 shards it must be from 0 to 7");
    }

    #[test]
    fn all_customers_are_the_only_whole() {
        assert_eq!((Shard::default(), Shard::new(0, 1)), (Shard::WHOLE, Ok(Shard::WHOLE)));
        assert!(Shard::WHOLE.is_whole());
        assert!([2, 4, 8].iter().all(|of| !Shard::new(0, *of).unwrap().is_whole()));
    }

    #[test]
    fn a_valid_text_gives_a_shard() {
        let shard = Shard::new(3, 8).unwrap();
        let text = serde_json::to_string(&shard).unwrap();
        assert_eq!((text.as_str(), shard.to_string().as_str()), (r#"{"number":3,"of":8}"#, "3-of-8"));
        assert_eq!(serde_json::from_str::<Shard>(&text).unwrap(), shard);
        assert!(serde_json::from_str::<Shard>(r#"{"number":3,"of":3}"#).is_err());
    }
}
