//! `hobnob mail show`.

use std::path::Path;

use hobnob::codec::mime::LetterView;
use hobnob::error::{Error, Kind, Result};
use hobnob::post::MAX_LETTER;
use hobnob::{files, streams};

use super::letter::LetterPiece;
use crate::advice::Propose as _;
use crate::job::Job;
use crate::process::write_out;
use crate::report::json::Json;
use crate::report::letters::PickedLetter;

pub(super) fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let (file, more) = (words.get(1), words.get(2));
    if let Some(more) = more {
        let text = format!("mail show takes one file, and {more:?} is one word too many");
        return Err(Error::new(Kind::Usage, text).try_command("hobnob mail -h", ""));
    }
    let Some(file) = file else {
        let error = Error::new(Kind::Usage, "show which letter? a file is missing");
        return Err(error
            .try_command("hobnob mail show letter.eml", "")
            .try_command("hobnob mail -h", ""));
    };
    let piece = LetterPiece::read(job)?;
    let most = MAX_LETTER as u64;
    let bytes = match file.as_str() {
        "-" => files::read_from(streams::stdin(), "standard input", most),
        file => files::read(Path::new(file), most).map_err(|error| elsewhere(file, error)),
    };
    let view = LetterView::read(bytes?);
    let mut out = Vec::new();
    if job.is_on("json") {
        let letter = PickedLetter { did: "shown", head: None, view: Some(&view), saved: None };
        Json::new(job.clock).picked(&mut out, &letter);
    } else {
        out = piece.of(&view, job)?;
    }
    write_out(&out)
}

/// The number of a letter is a word of `mail fetch`.
fn elsewhere(file: &str, error: Error) -> Error {
    let is_number = file.bytes().all(|byte| byte.is_ascii_digit());
    if error.kind() != Kind::NotFound || !is_number {
        return error;
    }
    error.try_command(
        format!("hobnob mail fetch imap://:1143 {file}"),
        "the letter of a server that runs",
    )
}
