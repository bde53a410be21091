//! Letters as they are made (RFC 5322, RFC 2045 to 2047): head and body, parts within parts, and where each lies. Nothing
//! is decoded here: what IMAP says of a letter are its bytes as they are.

mod address;
mod envelope;
mod field;
mod part;
mod reader;
mod shown;

pub use self::address::EnvelopeAddress;
pub use self::envelope::Envelope;
pub use self::field::{ContentType, HeadField, fields, unfold};
pub use self::part::{MimePart, PartBody, PartPlace};
pub use self::reader::MimeReader;
pub use self::shown::{Attachment, ShownLetter, shown_subject, shown_words};

/// Parts of a letter at most; what is beyond belongs to the part before.
pub const MAX_PARTS: usize = 1_000;

/// Parts within parts at most; what is deeper is not taken apart.
pub const MAX_DEPTH: usize = 64;

/// Bytes of heads that are held at most, all those of a letter together.
pub const MAX_HEADS: usize = 256 * 1_024;
