//! Results on stdout, for people and for pipes.

use std::fmt;
use std::io::Write;

use indicatif::HumanCount;

/// Prints a line. `println!` would panic when a reader such as `head` has left.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: fmt::Arguments<'_>) {
    // A reader that has left needs no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A number of things, such as `1 page` and `2,000 pages`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(number), if number == 1 { "" } else { "s" })
}
