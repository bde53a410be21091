//! Letters as they are made (RFC 5322, RFC 2045 to 2047): head and body, parts within parts, and where each lies. Nothing
//! is decoded there: what IMAP says of a letter are its bytes as they are. For people there is [`LetterView`], in which all is
//! decoded, and [`Composition`], which makes a letter.

mod address;
mod compose;
mod decode;
mod envelope;
mod field;
mod letter_view;
mod part;
mod plain;
mod query;
mod reader;
mod shown;

pub use self::address::EnvelopeAddress;
pub use self::compose::{Attached, Composition, kind_of_file};
pub use self::decode::{decode_body, decode_parameter, decode_text, decode_words};
pub use self::envelope::Envelope;
pub use self::field::{ContentType, HeadField, fields, unfold};
pub use self::letter_view::{LetterView, PartView, field_of};
pub use self::part::{MimePart, PartBody, PartPlace};
pub use self::query::LetterQuery;
pub use self::reader::MimeReader;
pub use self::shown::{Attachment, ShownAddress, ShownHead, ShownLetter, shown_subject};

/// Parts of a letter at most; what is beyond belongs to the part before.
pub const MAX_PARTS: usize = 1_000;

/// Parts within parts at most; what is deeper is not taken apart.
pub const MAX_DEPTH: usize = 64;

/// Bytes of heads that are held at most, all those of a letter together.
pub const MAX_HEADS: usize = 256 * 1_024;
