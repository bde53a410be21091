//! Where the body goes: stdout, a file, or nowhere where events tell it.

use std::future::poll_fn;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use hobnob::error::{Error, Kind, Result};
use hobnob::exchange::Head;
use hobnob::{streams, thread};

use crate::advice::Propose as _;
use crate::job::Job;
use crate::process::output_failed;
use crate::report::file::{BodyFile, failed};
use crate::report::look::View;
use crate::report::show::{SafeStream, hex_into, size};
use crate::report::writer::Writer;

/// How long the last bytes may take once all is over; a signal is served meanwhile.
const LAST_WORDS: Duration = Duration::from_hours(1);

/// The body as it is written.
pub(super) struct WrittenBody {
    to: To,
    writer: Option<Writer>,
    /// Bytes of the body so far.
    pub(super) bytes: u64,
}

enum To {
    /// Events tell it.
    Nowhere,
    /// As it is.
    Exact,
    /// A terminal: escaped.
    Terminal(SafeStream),
    /// A hex dump of each piece.
    Hex,
    File(BodyFile),
}

impl WrittenBody {
    /// Opens what the flags name: a file now, so that what is wrong with it is said before anybody is asked.
    pub(super) async fn open(job: &Job) -> Result<Self> {
        if let Some(name) = job.text("output").filter(|name| *name != "-") {
            let (name, may_replace) = (name.to_owned(), job.is_on("force"));
            // A FIFO is open once somebody reads it, which may be never.
            let opened =
                thread::run("open", move || BodyFile::open(&name, may_replace, "-o")).await?;
            let (place, mut file) = opened?;
            let writer = Writer::new("page", move |bytes| file.write_all(bytes))?;
            return Ok(WrittenBody { to: To::File(place), writer: Some(writer), bytes: 0 });
        }
        if streams::was_stdout_closed() {
            let text = "standard output is closed, and what is got would be lost";
            let error = Error::new(Kind::OutputFailed, text);
            return Err(error.try_flag("-o page.html", "a file of its own"));
        }
        let to = match job.view {
            _ if job.is_on("json") => To::Nowhere,
            View::Hex => To::Hex,
            View::Text if io::stdout().is_terminal() => To::Terminal(SafeStream::default()),
            View::Text | View::Raw => To::Exact,
        };
        let writer = (!job.is_on("json")).then(Writer::stdout).transpose()?;
        Ok(WrittenBody { to, writer, bytes: 0 })
    }

    /// Whether it goes to a file.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.to, To::File(_))
    }

    /// The file that it is saved to, as it was typed.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.to {
            To::File(place) => Some(&place.name),
            _ => None,
        }
    }

    /// The head, where it is all that was asked for or was asked for with the body. A terminal has it already.
    pub(super) fn head(&mut self, head: &Head) {
        if !matches!(self.to, To::Terminal(_)) {
            self.put(&head.raw);
        }
    }

    /// A piece of the body.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.put(bytes);
    }

    fn put(&mut self, bytes: &[u8]) {
        let Some(writer) = &mut self.writer else { return };
        let mut out = writer.take();
        let mut text = String::new();
        match &mut self.to {
            To::Nowhere => {}
            To::Exact | To::File(_) => out.extend_from_slice(bytes),
            To::Terminal(stream) => stream.push(&mut text, bytes),
            To::Hex => hex_into(&mut text, bytes, "", usize::MAX),
        }
        out.extend_from_slice(text.as_bytes());
        writer.give(out);
    }

    /// Waits until more may be written. The exit code, where the reader has left.
    pub(super) async fn room(&mut self) -> Result<Option<u8>> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        while !writer.has_room() {
            let written = poll_fn(|cx| writer.poll_back(cx)).await;
            if let Err(error) = written {
                return self.unwritten(&error).map(Some);
            }
        }
        match writer.reap() {
            Ok(()) => Ok(None),
            Err(error) => self.unwritten(&error).map(Some),
        }
    }

    fn unwritten(&self, error: &io::Error) -> Result<u8> {
        match &self.to {
            To::File(place) => Err(failed("write", &place.name, error)),
            _ => output_failed(error),
        }
    }

    /// The body is whole: writes what is left and gives a file its name. The exit code, where the reader has left.
    pub(super) async fn finish(&mut self) -> Result<Option<u8>> {
        if let Err(error) = self.flush().await {
            return self.unwritten(&error).map(Some);
        }
        if let To::File(place) = &mut self.to {
            place.finish()?;
        }
        Ok(None)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if let To::Terminal(stream) = &mut self.to {
            let (mut out, mut text) = (writer.take(), String::new());
            stream.end_line(&mut text);
            out.extend_from_slice(text.as_bytes());
            writer.give(out);
        }
        writer.finish(LAST_WORDS).await
    }

    /// It is over: writes what came, and says where a part of a file is kept.
    pub(super) async fn keep(&mut self) -> Option<String> {
        // Whatever is wrong with the writing was said, or something worse is about to be.
        let _ = self.flush().await;
        let To::File(place) = &mut self.to else { return None };
        let part = place.keep()?;
        Some(format!("what came of it, {}, is in {}", size(self.bytes), part.display()))
    }
}
