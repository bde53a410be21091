//! What a server's answers mean for the person who sent a letter.

use hobnob::codec::smtp::SmtpAnswer;
use hobnob::error::{Error, Kind};

use crate::advice::Propose as _;
use crate::report::show::one_line;

/// The answer is no: somebody does not get the letter.
pub(super) const REFUSED: u8 = 1;

/// An answer on one line.
pub(super) fn said(answer: &SmtpAnswer) -> String {
    let text = answer.lines.join(" / ");
    one_line(format!("{} {}", answer.code, text.trim()).trim_end().as_bytes())
}

/// The error of a letter that nobody gets.
pub(super) fn not_sent(what: &str, answer: &SmtpAnswer) -> Error {
    let text =
        format!("the server refuses {what}: {} {}", answer.code, answer.lines.join(" / ").trim());
    let error = Error::new(Kind::Rejected, text.trim_end());
    if answer.is_for_now() {
        return error
            .why("a code that begins with 4 may be another one later")
            .try_flag("-v", "the whole dialogue");
    }
    error.try_flag("-v", "the whole dialogue")
}
