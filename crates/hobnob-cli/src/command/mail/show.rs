//! `hobnob mail show`.

use std::path::{Path, PathBuf};

use hobnob::codec::mime::LetterView;
use hobnob::error::{Error, Kind, Result};
use hobnob::post::MAX_LETTER;
use hobnob::store::{LetterJourney, letter_of_number};
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
    let place = place(job, file)?;
    let bytes = match place.to_str() {
        Some("-") => files::read_from(streams::stdin(), "standard input", most),
        _ => files::read(&place, most).map_err(|error| elsewhere(file, error)),
    };
    let (view, way) = (LetterView::read(bytes?), LetterJourney::beside(&place));
    let mut out = Vec::new();
    if job.is_on("json") {
        let (view, way) = (Some(&view), way.as_ref());
        let letter = PickedLetter { did: "shown", view, way, ..PickedLetter::default() };
        Json::new(job.clock).picked(&mut out, &letter);
    } else {
        out = piece.of(&view, way.as_ref(), job)?;
    }
    write_out(&out)
}

/// The file of the letter: the one that is named, or the one of that number in the folder of a server.
fn place(job: &Job, word: &str) -> Result<PathBuf> {
    let Some(folder) = job.text("dir") else { return Ok(PathBuf::from(word)) };
    let Ok(number) = word.parse() else {
        let text = format!("with --dir a letter goes by its number, and {word:?} is none");
        return Err(Error::new(Kind::Usage, text)
            .try_command(format!("hobnob mail show 1 --dir {folder}"), ""));
    };
    match letter_of_number(Path::new(folder), number) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => {
            let text = format!("no letter {number} lies in {folder}");
            Err(Error::new(Kind::NotFound, text).try_command(format!("ls {folder}/new"), ""))
        }
        Err(error) => {
            let error = Error::from_io(&format!("read({folder}/new)"), &error);
            let text = format!("{folder} holds no letters: {}", error.message());
            Err(error
                .with_message(text)
                .try_command("hobnob help mail all", "where letters are kept"))
        }
    }
}

/// The number of a letter is a word of `mail fetch`.
fn elsewhere(file: &str, error: Error) -> Error {
    let is_number = file.bytes().all(|byte| byte.is_ascii_digit());
    if error.kind() != Kind::NotFound || !is_number {
        return error;
    }
    error
        .try_command(
            format!("hobnob mail fetch imap://:1143 {file}"),
            "the letter of a server that runs",
        )
        .try_command(format!("hobnob mail show {file} --dir DIR"), "that of serve mail --dir DIR")
}
