//! `hobnob mail show`.

use std::path::{Path, PathBuf};

use hobnob::codec::mime::LetterView;
use hobnob::error::{Error, Kind, Result, quoted};
use hobnob::post::MAX_LETTER;
use hobnob::store::{LetterJourney, letter_of_number};
use hobnob::{files, streams};

use super::kept::KeptFolder;
use super::letter::LetterPiece;
use crate::advice::Propose as _;
use crate::job::Job;
use crate::process::write_out;
use crate::report::json::Json;
use crate::report::letters::PickedLetter;

pub(super) fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let (file, server) = (words.get(1), words.get(2).map(String::as_str));
    if let Some(more) = words.get(3) {
        let text = format!("mail show takes one letter, and {more:?} is one word too many");
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
    let place = place(job, file, server)?;
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

/// The file of the letter: the one that is named, or the one of that number in the folder of a server, which is named by
/// `--dir` or runs.
fn place(job: &Job, word: &str, server: Option<&str>) -> Result<PathBuf> {
    match (job.text("dir"), server, word.parse()) {
        (Some(_), Some(server), _) => {
            let text = format!("--dir says where the letter lies, and so does {server:?}");
            Err(Error::new(Kind::Usage, text).try_command("hobnob mail -h", ""))
        }
        (Some(folder), None, Ok(number)) => lying(folder, Path::new(folder), number),
        (Some(folder), None, Err(_)) => {
            let text = format!("with --dir a letter goes by its number, and {word:?} is none");
            Err(Error::new(Kind::Usage, text)
                .try_command(format!("hobnob mail show 1 --dir {folder}"), ""))
        }
        (None, Some(server), Err(_)) => {
            let text = format!("a letter of a server goes by its number, and {word:?} is none");
            Err(Error::new(Kind::Usage, text)
                .try_command(format!("hobnob mail show 1 {}", quoted(server)), ""))
        }
        // A file of that name is what was always meant.
        (None, None, Ok(_)) if Path::new(word).exists() => Ok(PathBuf::from(word)),
        (None, _, Ok(number)) => match KeptFolder::meant(job, server)? {
            Some(kept) => lying(&kept.name, &kept.path, number),
            None => Ok(PathBuf::from(word)),
        },
        (None, None, Err(_)) => Ok(PathBuf::from(word)),
    }
}

/// The file of the letter of this number in a folder, which goes by a name.
fn lying(folder: &str, at: &Path, number: u64) -> Result<PathBuf> {
    match letter_of_number(at, number) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => {
            let text = format!("no letter {number} lies in {folder}");
            let list = format!("ls {}", quoted(&at.join("new").display().to_string()));
            Err(Error::new(Kind::NotFound, text).try_command(list, ""))
        }
        Err(error) => {
            let error = Error::from_io(&format!("read({}/new)", at.display()), &error);
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
        .why("and no server of this user that keeps letters runs on this machine")
        .try_command(
            format!("hobnob mail fetch imap://:1143 {file}"),
            "the letter of a server elsewhere",
        )
        .try_command(format!("hobnob mail show {file} --dir DIR"), "that of serve mail --dir DIR")
}
