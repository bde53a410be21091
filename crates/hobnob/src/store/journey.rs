//! The way of a letter, as it stands beside it: how it came, and a line for each step since.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder;
use super::name;
use super::place::{BOXES, NOTES};
use crate::codec::json::JsonValue;

/// Bytes of what stands beside a letter that are read at most.
const MOST: u64 = 1 << 20;

/// What is known of a letter beside its bytes. Both are JSON objects whose members `serve mail` has chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterJourney {
    /// How it came; `null` where that is not known.
    pub arrival: JsonValue,
    /// What was done with it since, in its order: fetched, forwarded, deleted in one of its boxes.
    pub steps: Vec<JsonValue>,
}

impl LetterJourney {
    /// Reads what stands beside a letter. A line that was not written to its end is passed over.
    pub fn read(note: &[u8]) -> Self {
        let note = String::from_utf8_lossy(note);
        let mut lines = note.lines();
        let arrival = lines.next().and_then(JsonValue::read).unwrap_or(JsonValue::Null);
        LetterJourney { arrival, steps: lines.filter_map(JsonValue::read).collect() }
    }

    /// What stands beside the letter in this file, where that lies in a folder of a store. This blocks.
    pub fn beside(letter: &Path) -> Option<Self> {
        let (base, _) = name::split(letter.file_name()?.to_str()?)?;
        let note = format!("{}.json", name::serial(base)?);
        // A box lies in the store itself, or in the folder of boxes there.
        let own = letter.parent()?.parent()?;
        let store = own.parent().filter(|above| above.ends_with(BOXES)).and_then(Path::parent);
        let file = store.unwrap_or(own).join(NOTES).join(note);
        let is_small = fs::metadata(&file).is_ok_and(|found| found.len() <= MOST);
        is_small.then(|| fs::read(file).ok().map(|note| LetterJourney::read(&note)))?
    }
}

/// The file of the letter of this number in the folder of a store; none where it has none. This blocks.
///
/// # Errors
///
/// The folder cannot be read.
pub fn letter_of_number(store: &Path, number: u64) -> std::io::Result<Option<PathBuf>> {
    let mut boxes = vec![store.to_owned()];
    if let Ok(names) = folder::names(&store.join(BOXES)) {
        boxes.extend(names.into_iter().map(|name| store.join(BOXES).join(name)));
    }
    for (at, own) in boxes.iter().enumerate() {
        for place in ["new", "cur"] {
            let files = match folder::names(&own.join(place)) {
                Ok(files) => files,
                Err(error) if at == 0 => return Err(error),
                Err(_) => continue, // a box that has just gone
            };
            let is_it = |file: &String| {
                name::split(file).is_some_and(|(base, _)| name::serial(base) == Some(number))
            };
            if let Some(file) = files.into_iter().find(is_it) {
                return Ok(Some(own.join(place).join(file)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_is_read_line_by_line_as_far_as_it_was_written() {
        let read = LetterJourney::read(
            b"{\"v\":1,\"client\":\"me\"}\n{\"did\":\"fetched\"}\n{\"did\":\"for",
        );
        assert_eq!((read.arrival.text("client"), read.steps.len()), ("me", 1));
        assert_eq!(read.steps[0].text("did"), "fetched");
        let nothing = LetterJourney::read(b"");
        assert_eq!((nothing.arrival, nothing.steps.len()), (JsonValue::Null, 0));
    }
}
