//! The steps that a metric gives to people: their number and their length.

use detection::Direction;

use super::MetricSpec;

/// Most steps of one direction. Messages have room for these and for the general steps.
const STEPS: usize = 5;
/// Most characters of a step.
const STEP: usize = 200;

impl MetricSpec {
    pub(super) fn validate_steps(&self) -> Result<(), String> {
        for (key, steps) in
            [("steps", &self.steps), ("spike_steps", &self.spike_steps), ("drop_steps", &self.drop_steps)]
        {
            for (number, step) in (1..).zip(steps) {
                let length = step.chars().count();
                if step.trim().is_empty() || length > STEP || step.chars().any(char::is_control) {
                    return Err(format!(
                        "text {number} of `{key}` must be one line of 1 to {STEP} characters, and has {length}"
                    ));
                }
            }
        }
        for (key, direction) in [("spike_steps", Direction::Spike), ("drop_steps", Direction::Drop)] {
            let number = self.steps_for(direction).len();
            if number > STEPS {
                return Err(format!(
                    "`steps` and `{key}` have {number} texts together, and {STEPS} are allowed"
                ));
            }
        }
        Ok(())
    }
}
