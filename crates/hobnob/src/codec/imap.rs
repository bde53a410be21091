//! IMAP on the wire (RFC 3501), both sides: commands as a server reads them, answers as a client does.
//!
//! Whatever a peer sends is bounded before it is held: lines, literals, their number, and how deep things nest. The letter of
//! an APPEND is handed on as it comes.

mod answer;
mod command;
mod fault;
mod fetch;
mod mailbox;
mod quoting;
mod reader;
mod scan;
mod search;
mod set;
mod structure;

pub use self::answer::{ImapAnswer, ImapAnswerFault, ImapAnswerReader, ImapItem};
pub use self::command::{AppendHead, ImapCommand, ImapRequest, StatusItem, StoreMode};
pub use self::fault::ImapFault;
pub use self::fetch::{FetchItem, SectionText};
pub use self::mailbox::{decode_name, encode_name};
pub use self::quoting::{write_nstring, write_string};
pub use self::reader::{ImapInput, ImapReader};
pub use self::search::{SearchDate, SearchKey};
pub use self::set::SequenceSet;
pub use self::structure::{write_envelope, write_structure};

/// Bytes of a command at most, its lines and literals together, but for the letter of an APPEND.
pub const MAX_COMMAND: usize = 64 * 1_024;

/// Bytes of a command before somebody has logged in: as many as ID may have, 30 pairs of 30 and 1,024 bytes (RFC 2971).
pub const MAX_BEFORE_LOGIN: usize = 40 * 1_024;

/// Bytes of a literal before somebody has logged in: names and passwords are shorter.
pub const MAX_LITERAL_BEFORE_LOGIN: usize = 4 * 1_024;

/// Literals of a command at most.
pub const MAX_LITERALS: usize = 64;

/// Lists and searches within one another at most.
pub const MAX_NESTING: usize = 16;
