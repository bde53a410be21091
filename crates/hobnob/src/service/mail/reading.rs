//! Letters that are read, a piece at a time, off the threads of the sessions.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::session::Session;
use crate::store::MailStore;

/// Bytes of a piece.
const PIECE: usize = 64 * 1_024;

/// A letter that is being read.
pub(super) struct LetterPieces {
    file: Option<File>,
    /// The next piece, once it was read.
    piece: Vec<u8>,
}

impl LetterPieces {
    /// Opens a letter; none where it is gone. The inner error is one that another try may not have.
    pub(super) async fn open(
        session: &Session,
        store: &Arc<MailStore>,
        name: &str,
        uid: u32,
    ) -> Result<Result<Option<Self>>> {
        let (store, name) = (store.clone(), name.to_owned());
        let first = move || store.read(&name, uid)?.map(read).transpose();
        let first = session.work(first).await?.map_err(|error| unreadable(&error));
        Ok(first.map(|first| first.map(|(file, piece)| LetterPieces { file, piece })))
    }

    /// The next piece; an empty one behind the last.
    pub(super) async fn next(&mut self, session: &Session) -> Result<Vec<u8>> {
        let piece = std::mem::take(&mut self.piece);
        if !piece.is_empty() {
            return Ok(piece);
        }
        let Some(file) = self.file.take() else { return Ok(Vec::new()) };
        let next = session.work(move || read(file)).await?.map_err(|error| unreadable(&error))?;
        self.file = next.0;
        Ok(next.1)
    }
}

/// Reads a piece; no file is left behind the last.
fn read(file: File) -> io::Result<(Option<File>, Vec<u8>)> {
    let mut piece = Vec::new();
    let length = (&file).take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(((length == PIECE).then_some(file), piece))
}

fn unreadable(error: &io::Error) -> Error {
    Error::from_io("read(letter)", error)
}
