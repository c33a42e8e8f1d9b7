//! Models of customers, kept in ClickHouse between the fit of a day and the runs that judge by it.
//!
//! A fit is the work of one run for the customers of one bucket: the models of the 24 hours from the bucket's hour on. A
//! fit has an id of its own and counts once it is noted as complete, with its number of customers. So fits that broke off,
//! and two fits at a time, do no harm, and there is no lock. A note of forgetting ends all fits that began before it.
//!
//! Models only save time. Without a fit, a run fits the customers of the bucket on the way.

mod fits;
mod reading;
mod writing;

use catalog::Catalog;
use sha2::{Digest, Sha256};

pub use fits::Fit;
pub(super) use fits::seconds;
pub use reading::{CustomerModel, ModelsOfCustomers};
pub use writing::ModelWriter;
pub(super) use writing::{ModelRow, insert_of_models};

/// Seconds that a model is kept after its day has begun: until its day is over, and runs that are late have read it.
const KEPT: u32 = 52 * 3_600;

/// The digest of all that decides what the numbers of a row mean: the metrics in their order, and the layout.
fn definition(catalog: &Catalog) -> String {
    hex::encode(definition_number(catalog).to_be_bytes())
}

/// The same as a number.
pub(super) fn definition_number(catalog: &Catalog) -> u64 {
    let mut digest = Sha256::new();
    digest.update(detection::model::LAYOUT);
    if catalog.is_on_one_server() {
        // Its notes count the customers of one shard, and those of all shards are not among them.
        digest.update("one server;");
    }
    for metric in catalog.modelled() {
        digest.update(format!("{}={:?}/{:?};", metric.name, metric.aggregate, metric.missing));
    }
    let digest: [u8; 32] = digest.finalize().into();
    digest[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
