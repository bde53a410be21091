//! The file of `-w`. It is whole after every packet, so it needs no other name until it is done.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
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
    /// Opens a file of this name, which must not be there unless it `may_replace` it; a device or a pipe always may.
    pub(super) fn open(name: &str, may_replace: bool) -> Result<Self> {
        let mut to_stdout = None;
        let to: Box<dyn Write> = if name == STREAM {
            let shelf = Rc::new(RefCell::new(Vec::new()));
            to_stdout = Some(Rc::clone(&shelf));
            Box::new(Shelved(shelf))
        } else {
            let found = std::fs::metadata(name);
            let is_file = found.as_ref().map_or(true, std::fs::Metadata::is_file);
            let mut options = OpenOptions::new();
            options.write(true);
            match (is_file, may_replace) {
                (true, true) => options.create(true).truncate(true),
                // Unlike an ordinary one, it follows no link.
                (true, false) => options.create_new(true),
                (false, _) => &mut options,
            };
            let file = options.open(name).map_err(|error| unopened(name, &error))?;
            Box::new(BufWriter::new(file))
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
    error.with_message(text).why("every packet before this one is in it")
}
