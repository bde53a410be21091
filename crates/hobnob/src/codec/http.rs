//! HTTP/1.1 on the wire (RFC 9112). Requests are read strictly: where a head ends, where its body does, and what neither
//! may hold. A reader that lets more pass than its neighbour is how requests are smuggled, so whatever can be read in two
//! ways is refused here. [`Request`] is one to send, and [`AnswerReader`] reads what comes back.

mod answer;
mod chunked;
mod fault;
mod field;
mod framing;
mod request;

pub use self::answer::{AnswerPart, AnswerReader, Head, Length, Missing, Unreadable};
pub use self::fault::RequestFault;
pub use self::framing::{RequestFraming, RequestPlace};
pub use self::request::{Request, is_name, is_value};

/// Bytes of a head at most: request line and fields. Of the trailers of a body too.
pub const MAX_HEAD: usize = 16 * 1_024;

/// Fields of a head at most, and of trailers.
pub const MAX_FIELDS: usize = 100;

/// What is spoken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `HTTP/1.0`: an answer ends with its conn, or has a length.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}

impl Version {
    /// As it stands on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}
