//! The incidents that open in one window, for the messages of a run.
//!
//! A run has no seven days of hours in memory. So a message tells of what opened in the same window: the other incidents of
//! the customer, and those of other customers in the same metric and direction. These are the links by the hour of
//! [`super::related`]. Which series moved before another, only the page of the incident tells.
//!
//! A storm can open a hundred thousand incidents. So memory holds the incidents of paged customers, and a few names for each
//! metric.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::incident::Subject;
use crate::{CustomerId, Direction, MetricName};

/// Names of customers, and of metrics, in a message.
const NAMED: usize = 3;

/// Longest name of a customer in a message, in characters.
const NAME_CHARACTERS: usize = 40;

/// The openings of a window.
#[derive(Debug, Default)]
pub struct Openings {
    of_customers: BTreeMap<CustomerId, BTreeMap<Series, u64>>,
    of_series: BTreeMap<Series, OfSeries>,
}

type Series = (MetricName, Direction);

/// The openings of a metric and direction.
#[derive(Debug, Default)]
struct OfSeries {
    incidents: u64,
    /// The first customers of the alphabet, so that the order of the openings does not matter. There are two more than a
    /// message names: one may be the customer of the message, and one shows that there are others.
    customers: BTreeSet<CustomerId>,
}

/// The incidents that opened beside the one of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneCause {
    /// How many other incidents opened in the window.
    pub incidents: u64,
    /// Other customers with the same metric and direction, at most three.
    pub customers: Vec<CustomerId>,
    /// Whether there are others of them.
    pub more_customers: bool,
    /// The metrics of the customer's other incidents, at most three.
    pub metrics: Vec<MetricName>,
    /// Whether there are others of them.
    pub more_metrics: bool,
    /// The incident of the customer that opened first, if one opened a few hours before and goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
}

/// An incident of the customer that opened before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    pub metric: MetricName,
    pub opened_at: Timestamp,
}

impl Openings {
    /// Notes an incident.
    ///
    /// * `is_paged`: whether a page about the customer goes out.
    pub fn note(&mut self, subject: &Subject, is_paged: bool) {
        let series = series(subject);
        let of_series = self.of_series.entry(series.clone()).or_default();
        of_series.incidents += 1;
        of_series.customers.insert(subject.customer_id.clone());
        if of_series.customers.len() > NAMED + 2 {
            of_series.customers.pop_last();
        }
        if is_paged {
            *self.of_customers.entry(subject.customer_id.clone()).or_default().entry(series).or_default() +=
                1;
        }
    }

    /// What opened beside an incident that was noted, of a paged customer. `None` if it opened alone.
    pub fn beside(&self, subject: &Subject) -> Option<OneCause> {
        let series = series(subject);
        let (own, same) = (self.of_customers.get(&subject.customer_id)?, self.of_series.get(&series)?);
        let own_same = own.get(&series).copied()?;
        let incidents = own.values().sum::<u64>() + same.incidents - own_same - 1;
        let mut customers: Vec<_> =
            same.customers.iter().filter(|customer| **customer != subject.customer_id).cloned().collect();
        let of_others =
            |(other, count): (&Series, &u64)| (*other != series || *count > 1).then(|| other.0.clone());
        let mut metrics: Vec<_> = own.iter().filter_map(of_others).collect();
        // A metric can both rise and fall, each for a while of the window.
        metrics.dedup();
        let (more_customers, more_metrics) = (customers.len() > NAMED, metrics.len() > NAMED);
        customers.truncate(NAMED);
        metrics.truncate(NAMED);
        (incidents > 0).then_some(OneCause {
            incidents,
            customers,
            more_customers,
            metrics,
            more_metrics,
            first: None,
        })
    }
}

impl OneCause {
    /// The same with the incident of the customer that opened before.
    pub fn after(self, first: Option<First>) -> Self {
        Self { first, ..self }
    }

    /// A sentence for people. Customers' names are cut, and nothing in them is escaped.
    pub fn sentence(&self) -> String {
        let incidents = if self.incidents == 1 { "incident" } else { "incidents" };
        let customers = self.customers.iter().map(|customer| cut(customer.as_str())).collect::<Vec<_>>();
        let metrics = self.metrics.iter().map(ToString::to_string).collect::<Vec<_>>();
        let parts: Vec<_> = [
            listed("customer", &customers, self.more_customers),
            listed("metric", &metrics, self.more_metrics),
        ]
        .into_iter()
        .flatten()
        .collect();
        let first = self.first.as_ref().map(|First { metric, opened_at }| {
            format!(". {metric} of this customer opened first, at {opened_at}")
        });
        format!(
            "Probably one cause: {} more {incidents} opened at the same time ({}){}",
            self.incidents,
            parts.join("; "),
            first.unwrap_or_default()
        )
    }
}

fn series(subject: &Subject) -> Series {
    (subject.metric.clone(), subject.direction)
}

fn listed(noun: &str, names: &[String], has_more: bool) -> Option<String> {
    let plural = if names.len() > 1 { "s" } else { "" };
    let others = if has_more { " and others" } else { "" };
    (!names.is_empty()).then(|| format!("{noun}{plural} {}{others}", names.join(", ")))
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARACTERS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntityPath;

    fn subject(customer: &str, metric: &str, direction: Direction) -> Subject {
        Subject {
            customer_id: CustomerId::new(customer).unwrap(),
            entity: None,
            metric: MetricName::new(metric).unwrap(),
            direction,
        }
    }

    fn spike(customer: &str, metric: &str) -> Subject {
        subject(customer, metric, Direction::Spike)
    }

    /// The sentence about the first of these, if all open together and their customers are paged.
    fn sentence(of: &[Subject]) -> Option<String> {
        let mut openings = Openings::default();
        of.iter().for_each(|subject| openings.note(subject, true));
        openings.beside(&of[0]).map(|cause| cause.sentence())
    }

    #[test]
    fn what_opens_alone_has_no_line() {
        for others in [
            vec![],
            vec![spike("b", "bandwidth")],
            vec![subject("b", "api_calls", Direction::Drop), spike("c", "storage")],
        ] {
            assert_eq!(sentence(&[vec![spike("a", "api_calls")], others].concat()), None);
        }
    }

    #[test]
    fn one_cause_of_several_customers_in_one_metric() {
        let of = |others: &[&str]| {
            let all = [&["m"], others].concat();
            sentence(&all.iter().map(|customer| spike(customer, "api_calls")).collect::<Vec<_>>()).unwrap()
        };
        let begin = "Probably one cause: ";
        assert_eq!(of(&["b"]), format!("{begin}1 more incident opened at the same time (customer b)"));
        assert_eq!(
            of(&["z", "b", "c"]),
            format!("{begin}3 more incidents opened at the same time (customers b, c, z)")
        );
        // The order does not matter, and the customer itself is never named.
        for others in [["n", "l", "z", "o", "p", "q"], ["q", "z", "p", "n", "o", "l"]] {
            let expected =
                format!("{begin}6 more incidents opened at the same time (customers l, n, o and others)");
            assert_eq!(of(&others), expected);
        }
    }

    #[test]
    fn one_cause_of_several_metrics_of_one_customer() {
        let all: Vec<_> = ["m0", "m1", "m2", "m3", "m4"].map(|metric| spike("a", metric)).into();
        let of = |count: usize| sentence(&all[..count]).unwrap();
        assert!(of(2).ends_with("1 more incident opened at the same time (metric m1)"), "{}", of(2));
        assert!(
            of(5).ends_with("4 more incidents opened at the same time (metrics m1, m2, m3 and others)"),
            "{}",
            of(5)
        );
        let both = [spike("a", "m0"), subject("a", "m1", Direction::Drop), spike("b", "m0")];
        let both = sentence(&both).unwrap();
        assert!(both.ends_with("2 more incidents opened at the same time (customer b; metric m1)"), "{both}");
        let entity = |name: &str| Subject {
            entity: Some(EntityPath::new(vec![name.to_owned()]).unwrap()),
            ..spike("a", "m0")
        };
        let entities = sentence(&[entity("nightly"), entity("hourly")]).unwrap();
        assert!(entities.ends_with("1 more incident opened at the same time (metric m0)"), "{entities}");
    }

    #[test]
    fn long_names_are_cut_and_the_first_is_told() {
        let mut openings = Openings::default();
        for customer in ["a".to_owned(), "é".repeat(500)] {
            openings.note(&spike(&customer, "api_calls"), true);
        }
        let first = First { metric: MetricName::new("bandwidth").unwrap(), opened_at: Timestamp::UNIX_EPOCH };
        let cause = openings.beside(&spike("a", "api_calls")).unwrap().after(Some(first));
        let expected = format!(
            "Probably one cause: 1 more incident opened at the same time (customer {}…). bandwidth of this customer opened \
             first, at 1970-01-01T00:00:00Z",
            "é".repeat(40)
        );
        assert_eq!(cause.sentence(), expected);
    }

    #[test]
    fn memory_holds_paged_customers_and_a_few_names() {
        let mut openings = Openings::default();
        for number in 0..1_000 {
            openings.note(&spike(&format!("c{number:04}"), "api_calls"), number == 7);
        }
        assert_eq!((openings.of_customers.len(), openings.of_series.len()), (1, 1));
        assert!(openings.of_series.values().all(|of| of.customers.len() <= NAMED + 2));
        assert_eq!(openings.beside(&spike("c0007", "api_calls")).unwrap().incidents, 999);
        assert_eq!(openings.beside(&spike("c0008", "api_calls")), None);
    }
}
