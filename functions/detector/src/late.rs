//! Customers whose usage arrives late. Each is judged some hours later than the others, by a window of its own.
//!
//! A run makes one more pass for each delay, for exactly these customers. The pass of all others leaves them out. So a
//! customer's hours are judged in their order, and its anomalies, incidents and pages carry the window that was judged.
//! When a delay changes, hours are judged twice or not at all. A window that is judged twice changes nothing twice.

use detection::{CustomerId, Window};
use jiff::SignedDuration;

use crate::pass::Pass;

/// The customers of one more pass.
#[derive(Debug, PartialEq)]
pub(crate) struct Late {
    window: Window,
    delay_hours: u8,
    /// Among the passes of this delay.
    number: usize,
    customers: Vec<CustomerId>,
}

/// Customers that one query reads.
const CUSTOMERS_A_PASS: usize = 500;

impl Late {
    /// The passes of a run beside the pass of customers without a delay.
    pub(crate) fn of(pass: Pass<'_>) -> Vec<Self> {
        let asked = &pass.request.customers;
        let is_asked = |customer: &&CustomerId| asked.is_empty() || asked.contains(customer);
        let mut passes = Vec::new();
        for (delay_hours, customers) in pass.policies.delayed() {
            let Some(window) = earlier(&pass.window, *delay_hours) else { continue };
            let customers: Vec<CustomerId> = customers.iter().filter(is_asked).cloned().collect();
            passes.extend(customers.chunks(CUSTOMERS_A_PASS).enumerate().map(|(number, some)| Self {
                window,
                delay_hours: *delay_hours,
                number,
                customers: some.to_vec(),
            }));
        }
        passes
    }

    pub(crate) fn pass<'a>(&'a self, pass: Pass<'a>) -> Pass<'a> {
        let Self { window, delay_hours, number, customers } = self;
        Pass { window: *window, delay_hours: *delay_hours, number: *number, customers, ..pass }
    }
}

/// The window of a day that closed so many hours earlier. `None` out of the range of windows.
fn earlier(window: &Window, hours: u8) -> Option<Window> {
    let end = window.end().checked_sub(SignedDuration::from_hours(i64::from(hours))).ok()?;
    Window::closing_at(end).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_window_is_a_day_too() {
        let window = |end: &str| Window::closing_at(end.parse().unwrap()).unwrap();
        assert_eq!(earlier(&window("2026-11-24T05:00:00Z"), 6), Some(window("2026-11-23T23:00:00Z")));
        assert_eq!(earlier(&window("1971-01-01T05:00:00Z"), 6), None);
    }
}
