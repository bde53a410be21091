//! What is wrong with a request.

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFault {
    /// The status that says so.
    pub status: u16,
    /// In plain words.
    pub what: &'static str,
}

/// The fields of a head, or of trailers, are too many or too long.
pub(super) const TOO_LARGE: RequestFault =
    RequestFault { status: 431, what: "the fields are too large" };

/// A request that can be read in two ways, or in none.
pub(super) const fn bad(what: &'static str) -> RequestFault {
    RequestFault { status: 400, what }
}
