//! The one door to the kernel: sockets as the field knows them, public and safe.

use std::fmt;
use std::time::Duration;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
    /// `AF_UNIX`.
    Unix,
}

/// Sees each call that is made of the kernel, with its real arguments and result.
pub trait Observer: Send + Sync {
    /// A call was made.
    fn saw(&self, call: &Call<'_>);
}

/// One call, as it was made.
pub struct Call<'a> {
    /// The descriptor; none before there is one.
    pub descriptor: Option<i32>,
    /// The call's name: `connect`.
    pub name: &'static str,
    /// Its arguments, in Python's notation: `('127.0.0.1', 9000)`.
    pub arguments: &'a dyn fmt::Display,
    /// What came back, or the errno.
    pub result: Result<&'a dyn fmt::Display, i32>,
    /// How long it took, waiting included.
    pub took: Duration,
}
