//! What is told, in lines: a label, and what is said of it.

use std::fmt::Write as _;

use crate::help::narrow;
use crate::report::look::Look;
use crate::report::show::pad;

/// Columns before a value.
const LABEL: usize = 12;

/// Adds a line; the label is empty where the line goes on with the one before.
pub(super) fn line(out: &mut String, label: &str, text: &str) {
    let _ = writeln!(out, "  {}{text}", pad(label, LABEL));
}

/// The lines in the columns of the terminal.
pub(super) fn fitted(text: String, look: Look) -> String {
    if look.is_narrow() { narrow::listed(&text, look.columns()) } else { text }
}
