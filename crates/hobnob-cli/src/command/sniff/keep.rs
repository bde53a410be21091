//! The file of `-w`. It is whole after every packet, so it needs no other name until it is done.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::fchown;
use std::rc::Rc;

use hobnob::capture::{CaptureWriter, CapturedFrame};
use hobnob::error::{Error, Kind, Result};

use super::wishes::STREAM;
use crate::advice::Propose as _;

/// What packets are written to.
pub(super) struct KeptFile {
    /// As it was typed.
    pub(super) name: String,
    writer: CaptureWriter<Box<dyn Write>>,
    /// What is to go to standard output, where that is the file.
    to_stdout: Option<Rc<RefCell<Vec<u8>>>>,
}

/// A writer whose bytes somebody else takes.
struct Shelved(Rc<RefCell<Vec<u8>>>);

impl Write for Shelved {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl KeptFile {
    /// Opens a file of this name, which must not be there unless it `may_replace` it; a device or a pipe may always be
    /// there. A new one belongs to the user and the group that called sudo.
    pub(super) fn open(name: &str, may_replace: bool, sudo: Option<(u32, u32)>) -> Result<Self> {
        let mut to_stdout = None;
        let to: Box<dyn Write> = if name == STREAM {
            let shelf = Rc::new(RefCell::new(Vec::new()));
            to_stdout = Some(Rc::clone(&shelf));
            Box::new(Shelved(shelf))
        } else {
            let file = opened(name, may_replace, sudo);
            Box::new(BufWriter::new(file.map_err(|error| unopened(name, &error))?))
        };
        let application = concat!("hobnob", " ", env!("CARGO_PKG_VERSION"));
        let writer = CaptureWriter::new(to, application);
        let writer = writer.map_err(|error| unwritten(name, error))?;
        Ok(KeptFile { name: name.to_owned(), writer, to_stdout })
    }

    pub(super) fn frame(&mut self, frame: &CapturedFrame<'_>) -> Result<()> {
        self.writer.frame(frame).map_err(|error| unwritten(&self.name, error))
    }

    /// Hands on what was written, some of it perhaps to standard output.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.flush().map_err(|error| unwritten(&self.name, error))?;
        if let Some(shelf) = &self.to_stdout {
            out.append(&mut shelf.borrow_mut());
        }
        Ok(())
    }

    /// Adds what the kernel counted.
    pub(super) fn counts(&mut self, received: u64, dropped: u64) -> Result<()> {
        self.writer.counts(received, dropped).map_err(|error| unwritten(&self.name, error))
    }

    /// Whether it is standard output.
    pub(super) fn is_stdout(&self) -> bool {
        self.to_stdout.is_some()
    }
}

/// The file, new or emptied.
fn opened(name: &str, may_replace: bool, sudo: Option<(u32, u32)>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    // Unlike the other way it follows no link, so that nothing but a file of ours is ever given away.
    let error = match options.clone().create_new(true).open(name) {
        Ok(file) => {
            if let Some((user, group)) = sudo {
                // Some file systems know no owners, and there it stays root's.
                let _ = fchown(&file, Some(user), Some(group));
            }
            return Ok(file);
        }
        Err(error) => error,
    };
    let is_there = error.kind() == io::ErrorKind::AlreadyExists;
    let is_file = std::fs::metadata(name).map_or(true, |found| found.is_file());
    if is_there && (may_replace || !is_file) {
        options.truncate(is_file).open(name)
    } else {
        Err(error)
    }
}

fn unopened(name: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        let text = format!("{name} is already there, and I will not overwrite it");
        return Error::new(Kind::FileExists, text)
            .try_flag("--force", "to overwrite it")
            .try_command("hobnob help file-exists", "");
    }
    let error = Error::from_io(&format!("open({name})"), error);
    let text = format!("{name} cannot be written: {}", error.message());
    error.with_message(text)
}

fn unwritten(name: &str, error: Error) -> Error {
    let text = format!("{name} cannot be written: {}", error.message());
    error.with_message(text).why("it has the packets that there was room for")
}
