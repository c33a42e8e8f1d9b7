//! What a program asks a backtest: the body of a request, and the limits of its work.

use catalog::{Catalog, Said};
use detection::calendar::UnknownTimeZone;
use detection::{CustomerId, Feedback, FeedbackKind, Policy, Sensitivity, TimeZone};
use serde::{Deserialize, Serialize};

use crate::budget::{Budget, BudgetError};
use crate::configuration::{Configuration, ConfigurationError, Deployment};

/// A backtest that somebody waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Days to judge, the last ones that have usage.
    pub days: u16,
    /// Only these customers. An empty list means all.
    #[serde(default)]
    pub customer_ids: Vec<CustomerId>,
    /// In place of the policy for all customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// In place of the policy of the only customer of `customer_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_policy: Option<Policy>,
    /// The policy for all customers that the answer is compared with. Without one, a question with a policy or a
    /// sensitivity is compared with the present settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Policy>,
    /// A feedback that nobody gave yet. The answer is compared with the present feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// Name of the time zone of the customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// A [`Budget`], such as "1 page a customer-year".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
}

/// What a question is judged by.
#[derive(Clone, Debug)]
pub struct Sides {
    pub changed: Configuration,
    /// What the answer is compared with.
    pub against: Option<Configuration>,
    pub budget: Option<Budget>,
}

/// A part of a question that cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    #[error("policy: {0}")]
    Policy(ConfigurationError),
    #[error("customer_policy: {0}")]
    CustomerPolicy(ConfigurationError),
    #[error("customer_policy: name exactly one customer in customer_ids, not {0}")]
    Customers(usize),
    #[error("against: {0}")]
    Against(ConfigurationError),
    #[error("time_zone: {0}")]
    TimeZone(UnknownTimeZone),
    #[error("budget: {0}")]
    Budget(BudgetError),
}

impl Question {
    pub const MAX_DAYS: u16 = 90;

    /// Days times customers that one question may judge, all passes together.
    pub const MAX_CUSTOMER_DAYS: u64 = 20_000;

    /// Passes in which a budget is looked for, about.
    const PASSES_OF_A_BUDGET: u64 = 6;

    /// How often a question judges its usage, about.
    pub fn passes(&self) -> u64 {
        let of_budget = if self.budget.is_some() { Self::PASSES_OF_A_BUDGET } else { 0 };
        1 + u64::from(self.is_compared()) + of_budget
    }

    /// Whether the answer has a difference.
    fn is_compared(&self) -> bool {
        self.against.is_some()
            || self.policy.is_some()
            || self.customer_policy.is_some()
            || self.sensitivity.is_some()
            || self.feedback.is_some()
    }

    /// The refusal of a question about so many customers. `None` if it may be answered.
    pub fn too_much(&self, customers: u64) -> Option<String> {
        let passes = self.passes();
        let asked = customers.saturating_mul(u64::from(self.days)).saturating_mul(passes);
        (asked > Self::MAX_CUSTOMER_DAYS).then(|| {
            let times = if passes == 1 { String::new() } else { format!(", judged {passes} times,") };
            format!(
                "{customers} customers times {} days{times} are {asked} customer-days, and {} are allowed: name fewer days, \
                 or some customers in customer_ids; `meterflow backtest` has no such limit",
                self.days,
                Self::MAX_CUSTOMER_DAYS
            )
        })
    }

    /// The present feedback. The feedback of the question replaces an earlier one about the same incident. A feedback
    /// `expected` holds in the days of the past, too.
    fn said(&self, present: &Said) -> Said {
        let Some(own) = &self.feedback else { return present.clone() };
        let own = match own.kind {
            FeedbackKind::Expected => own.clone().weeks_earlier(i64::from(self.days) / 7 + 1),
            _ => own.clone(),
        };
        let mut feedback = present.feedback.clone();
        feedback.retain(|other| other.about != own.about);
        feedback.push(own);
        Said { feedback, at: present.at }
    }

    /// The configurations of a question in a deployment.
    ///
    /// # Errors
    ///
    /// When a policy contradicts the catalog, nobody knows the time zone, or the budget cannot be read.
    pub fn sides(&self, catalog: &Catalog, deployment: &Deployment) -> Result<Sides, QuestionError> {
        let zone =
            self.time_zone.as_deref().map(TimeZone::named).transpose().map_err(QuestionError::TimeZone)?;
        let configuration = |policy: Option<Policy>, said: Said| {
            let deployment = Deployment { said, ..deployment.clone() };
            Configuration::new(catalog.clone(), policy, deployment, zone.clone())
        };
        let mut changed =
            configuration(self.policy.clone(), self.said(&deployment.said)).map_err(QuestionError::Policy)?;
        if let Some(policy) = &self.customer_policy {
            let [customer] = self.customer_ids.as_slice() else {
                return Err(QuestionError::Customers(self.customer_ids.len()));
            };
            changed =
                changed.with_customer(customer, policy.clone()).map_err(QuestionError::CustomerPolicy)?;
        }
        if let Some(sensitivity) = self.sensitivity {
            changed = changed.with_sensitivity(sensitivity);
        }
        let against =
            self.is_compared().then(|| configuration(self.against.clone(), deployment.said.clone()));
        let budget = self.budget.as_deref().map(str::parse).transpose().map_err(QuestionError::Budget)?;
        Ok(Sides { changed, against: against.transpose().map_err(QuestionError::Against)?, budget })
    }
}
