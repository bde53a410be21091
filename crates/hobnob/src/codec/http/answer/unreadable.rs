//! What keeps an answer from being read.

use std::fmt;

/// Why an answer cannot be read. Nothing behind it means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is none: it does not begin with `HTTP/1.`.
    NotHttp,
    /// A part of it is larger than we read.
    TooLarge(&'static str),
    /// It can be read in two ways, or in none.
    Bad(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NotHttp => f.write_str("it does not begin with HTTP/1"),
            Unreadable::TooLarge(what) | Unreadable::Bad(what) => f.write_str(what),
        }
    }
}
