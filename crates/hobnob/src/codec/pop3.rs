//! POP3 on the wire (RFC 1939, RFC 2449), both sides: commands as a server reads them, answers as a client does.

mod answer;
mod command;
mod reader;
mod top;

pub use self::answer::{Pop3Answer, Pop3AnswerFault, Pop3AnswerReader};
pub use self::command::Pop3Command;
pub use self::reader::{ENDLESS, Pop3Input, Pop3Reader};
pub use self::top::Top;
