//! Fitting on all processors. Customers go in as they are read, and their models come out in the same order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context;
use detection::model::Profile;
use detection::{Calendar, CustomerId, Hours, Model};
use tokio::task::{JoinHandle, spawn_blocking};

/// Customers of one task: milliseconds of work, and less than a megabyte of models.
const CUSTOMERS_OF_A_TASK: usize = 16;

/// A customer whose models are due.
pub(super) struct Due {
    pub(super) id: CustomerId,
    /// The name of the declared time zone. Empty without one.
    pub(super) zone: String,
    pub(super) calendar: Arc<Calendar>,
    /// By metric, in the order of the catalog.
    pub(super) series: Vec<Series>,
}

/// A series whose model is due.
pub(super) struct Series {
    pub(super) hours: Hours,
    /// The shape of a day of all customers.
    pub(super) peers: Profile,
}

/// A customer's models, by metric.
pub(super) struct Fitted {
    pub(super) id: CustomerId,
    pub(super) zone: String,
    pub(super) models: Vec<Model>,
}

/// The customers that are being fitted. Their number is bounded, and so is the memory of their hours.
pub(super) struct Threads {
    waiting: Vec<Due>,
    tasks: VecDeque<JoinHandle<Vec<Fitted>>>,
    processors: usize,
}

impl Threads {
    pub(super) fn of_this_machine() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self { waiting: Vec::new(), tasks: VecDeque::new(), processors }
    }

    /// Adds a customer. Returns customers that are fitted: none while a processor may have nothing to do.
    pub(super) async fn push(&mut self, due: Due) -> anyhow::Result<Vec<Fitted>> {
        self.waiting.push(due);
        if self.waiting.len() >= CUSTOMERS_OF_A_TASK {
            self.start();
        }
        if self.tasks.len() > self.processors { self.oldest().await } else { Ok(Vec::new()) }
    }

    /// The customers that have not come out yet.
    pub(super) async fn rest(mut self) -> anyhow::Result<Vec<Fitted>> {
        self.start();
        let mut rest = Vec::new();
        while !self.tasks.is_empty() {
            rest.extend(self.oldest().await?);
        }
        Ok(rest)
    }

    fn start(&mut self) {
        let due = std::mem::take(&mut self.waiting);
        self.tasks.push_back(spawn_blocking(|| due.into_iter().map(Due::fit).collect()));
    }

    async fn oldest(&mut self) -> anyhow::Result<Vec<Fitted>> {
        match self.tasks.pop_front() {
            Some(task) => task.await.context("a thread that fits models ended early"),
            None => Ok(Vec::new()),
        }
    }
}

impl Due {
    fn fit(self) -> Fitted {
        let Self { id, zone, calendar, series } = self;
        let models =
            series.iter().map(|Series { hours, peers }| Model::fit(hours, &calendar, peers)).collect();
        Fitted { id, zone, models }
    }
}

#[cfg(test)]
mod tests {
    use detection::{Aggregate, Hour};

    use super::*;

    #[tokio::test]
    async fn all_customers_come_out_in_their_order_with_their_own_models() {
        let calendar = Arc::new(Calendar::undeclared(Hour::holding("2026-11-24T00:00:00Z".parse().unwrap())));
        let due = |number: usize| {
            let values: Vec<_> = (0..Calendar::SPAN).map(|hour| Some((number + hour % 24) as f64)).collect();
            let hours = Hours::new(Aggregate::Sum, true, calendar.begin(), &values);
            let series = vec![Series { hours, peers: Profile::FLAT }];
            let id = CustomerId::new(format!("customer {number}")).unwrap();
            Due { id, zone: format!("zone {number}"), calendar: Arc::clone(&calendar), series }
        };
        // No customer, less than a task has, a task, and more tasks than processors.
        for count in [0, 3, CUSTOMERS_OF_A_TASK, 40 * CUSTOMERS_OF_A_TASK + 5] {
            let (mut threads, mut fitted) = (Threads::of_this_machine(), Vec::new());
            for number in 0..count {
                fitted.extend(threads.push(due(number)).await.unwrap());
                let under_way = number + 1 - fitted.len();
                assert!(under_way <= (threads.processors + 1) * CUSTOMERS_OF_A_TASK, "{under_way}");
            }
            fitted.extend(threads.rest().await.unwrap());
            assert_eq!(fitted.len(), count);
            for (number, Fitted { id, zone, models }) in fitted.iter().enumerate() {
                let expected = due(number);
                assert_eq!((id, zone), (&expected.id, &expected.zone));
                assert_eq!(*models, expected.fit().models, "{number}");
            }
        }
    }
}
