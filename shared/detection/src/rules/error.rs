//! Parameters of a rule that are not allowed.

/// A parameter of a rule that makes no sense. The message names the rule, the parameter, its range and the reason.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleError {
    #[error("`{field}` of a rule of type {rule} is {value}, but it must be {allowed}: {reason}")]
    OutOfRange {
        rule: &'static str,
        field: &'static str,
        value: f64,
        allowed: &'static str,
        reason: &'static str,
    },
    #[error("a rule of type {rule} needs {needed}: {reason}")]
    Missing { rule: &'static str, needed: &'static str, reason: &'static str },
    #[error(
        "`for` is `{text}`, but it must be `K of N` with 1 <= K <= N <= 100, as in `3 of 3`: K of the last N \
         windows must be anomalous",
        text = text.escape_debug(),
    )]
    Persistence { text: String },
}

/// Checks the parameters of the rule of this name.
#[derive(Clone, Copy)]
pub(super) struct Parameters(pub(super) &'static str);

impl Parameters {
    /// Refuses a parameter unless the condition holds.
    pub(super) fn require(
        self,
        holds: bool,
        field: &'static str,
        value: f64,
        allowed: &'static str,
        reason: &'static str,
    ) -> Result<(), RuleError> {
        if holds {
            Ok(())
        } else {
            Err(RuleError::OutOfRange { rule: self.0, field, value, allowed, reason })
        }
    }

    /// Refuses a probability unless it is above 0 and at most `most`.
    pub(super) fn probability(self, field: &'static str, value: f64) -> Result<(), RuleError> {
        let holds = value > 0.0 && value <= 0.5;
        self.require(
            holds,
            field,
            value,
            "above 0 and at most 0.5",
            "it is how likely chance may do the same",
        )
    }

    /// Refuses a share unless it is above 0 and at most 1.
    pub(super) fn share(self, field: &'static str, value: f64) -> Result<(), RuleError> {
        let holds = value > 0.0 && value <= 1.0;
        self.require(holds, field, value, "above 0 and at most 1", "it is a share of all events")
    }

    /// Refuses a factor unless it is from 1 to 1,000.
    pub(super) fn factor(self, field: &'static str, value: f64) -> Result<(), RuleError> {
        let holds = (1.0..=1_000.0).contains(&value);
        self.require(
            holds,
            field,
            value,
            "from 1 to 1000",
            "it is how many times as much as usual is too much",
        )
    }

    /// Refuses a number of events, runs or days unless it is 1 or more.
    pub(super) fn number(self, field: &'static str, value: u64) -> Result<(), RuleError> {
        self.require(value >= 1, field, value as f64, "1 or more", "nothing cannot be judged")
    }

    /// Refuses a change unless it is finite and not negative.
    pub(super) fn change(self, field: &'static str, value: f64) -> Result<(), RuleError> {
        let holds = value.is_finite() && value >= 0.0;
        self.require(
            holds,
            field,
            value,
            "a finite number that is not negative",
            "it is the least change that matters",
        )
    }
}
