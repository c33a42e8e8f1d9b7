//! Judges customers with all processors.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ::backtest::{Customer, Judged, Replay};

use crate::progress::Progress;

/// What became of customers, in their order. The same on any number of processors.
pub(crate) fn judge(
    replay: &Replay<'_>,
    customers: &[Customer],
    progress: &Mutex<Progress>,
) -> Vec<Vec<Judged>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Vec::new();
        // Only the number itself matters, so no other memory needs an order.
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(customer) = customers.get(place) else { return judged };
            judged.push((place, replay.customer(customer)));
            if let Ok(mut progress) = progress.lock() {
                progress.add(1);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut judged: Vec<(usize, Vec<Judged>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.flatten().collect()
    });
    judged.sort_by_key(|(place, _)| *place);
    judged.into_iter().map(|(_, judged)| judged).collect()
}
