//! SMTP on the wire (RFC 5321), both sides: commands and letters as a server reads them, answers as a client does.
//!
//! A server that lets more pass than its neighbour is how letters are smuggled, so only CR LF ends a line here, and only
//! CR LF, a dot and CR LF end a letter. What a letter holds beside that is kept as it is, and noted.

mod answer;
mod breaking;
mod client;
mod command;
mod fault;
mod parameter;
mod path;
mod reader;
mod reply;
mod stuffing;
mod text;

pub use self::answer::{AnswerFault, SmtpAnswer, SmtpAnswerReader, SmtpOffers};
pub use self::breaking::{SmtpBreak, SmtpText};
pub use self::client::{
    SmtpClient, SmtpEnvelope, SmtpFailure, SmtpLine, SmtpManner, SmtpOutcome, SmtpTurn,
};
pub use self::command::SmtpCommand;
pub use self::fault::SmtpFault;
pub use self::parameter::{MailParameters, Notify, RcptParameters, TextKind};
pub use self::path::Mailbox;
pub use self::reader::{SmtpInput, SmtpReader};
pub use self::reply::SmtpReply;
pub use self::stuffing::Stuffer;
pub use self::text::TextNotes;

/// Bytes of a command at most, without its CR LF; one that logs in may be as long as a
/// [response](crate::codec::sasl::MAX_RESPONSE). RFC 5321 section 4.5.3.1.4 asks for 512, and the extensions for more.
pub const MAX_COMMAND: usize = 4_096;

/// Bytes of a line of a letter, with its CR LF, that nobody minds (RFC 5321 section 4.5.3.1.6). Longer ones are noted.
pub const MAX_TEXT_LINE: u64 = 1_000;
