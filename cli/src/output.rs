//! Results on stdout, for people and for pipes.

use std::fmt;
use std::io::Write;

/// Prints a line. `println!` would panic when a reader such as `head` has left.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: fmt::Arguments<'_>) {
    // A reader that has left needs no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}
