//! Results on stdout, for people and for pipes.

use std::fmt;
use std::io::Write;

/// Prints a line, like `println!`, which would panic when a reader such as `head` has seen enough and left.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: fmt::Arguments<'_>) {
    // Nobody is left to be told that nobody reads.
    let _ = writeln!(std::io::stdout(), "{text}");
}
