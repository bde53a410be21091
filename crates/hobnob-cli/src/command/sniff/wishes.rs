//! What the flags and words of `sniff` say.

use std::fs::File;
use std::time::Duration;

use hobnob::capture::{Filter, LiveCapture};
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::interfaces;

use crate::advice::Propose as _;
use crate::args;
use crate::job::Job;

/// The word for every interface.
const ANY: &str = "any";
/// The name of a standard stream.
pub(super) const STREAM: &str = "-";

/// What is to be captured, and what becomes of it.
pub(super) struct SniffFlags {
    /// None: every interface.
    pub(super) interface: Option<String>,
    pub(super) filter: Filter,
    pub(super) read: Option<String>,
    pub(super) write: Option<String>,
    pub(super) may_replace: bool,
    pub(super) follows: bool,
    pub(super) count: Option<u64>,
    pub(super) time: Option<Duration>,
}

/// Where packets come from.
pub(super) enum PacketSource {
    Live(Box<LiveCapture>),
    /// A file of which nothing was read yet.
    File(PacketFile),
}

/// A file of packets.
pub(super) enum PacketFile {
    /// Standard input.
    Stdin,
    /// Another.
    Opened(File),
}

impl SniffFlags {
    pub(super) fn read(job: &Job) -> Result<Self> {
        let read = job.text("read").map(str::to_owned);
        let write = job.text("write").map(str::to_owned);
        let (interface, words) = interface(job, read.is_some())?;
        let count = job.text("count");
        let count = count.map(|text| args::read_number("--count", text, 1)).transpose()?;
        let time = args::duration(&job.matches, "for")?;
        if read.is_some() && time.is_some() {
            let text = "--for is a time to capture, and a file is read to its end";
            return Err(Error::new(Kind::Usage, text).try_command("hobnob sniff -h", ""));
        }
        let follows = job.is_on("follow");
        if write.as_deref() == Some(STREAM) && (job.is_on("json") || follows) {
            let text = "-w - writes the packets to stdout, where nothing else has room";
            let error = Error::new(Kind::Usage, text);
            return Err(error.try_flag("-w packets.pcapng", "to have them in a file"));
        }
        let filter = Filter::parse(&words.join(" "))?;
        let may_replace = job.is_on("force");
        Ok(SniffFlags { interface, filter, read, write, may_replace, follows, count, time })
    }

    /// Opens what packets come from.
    pub(super) fn open(&self) -> Result<PacketSource> {
        let Some(name) = &self.read else {
            let opened = LiveCapture::open(self.interface.as_deref(), &self.filter);
            return opened.map(|live| PacketSource::Live(Box::new(live))).map_err(proposing);
        };
        if name == STREAM {
            return Ok(PacketSource::File(PacketFile::Stdin));
        }
        let file = File::open(name).map_err(|error| {
            let error = Error::from_io(&format!("open({name})"), &error);
            let text = format!("{name} cannot be read: {}", error.message());
            error.with_message(text)
        })?;
        Ok(PacketSource::File(PacketFile::Opened(file)))
    }

    /// An error of the file that is read, with its name.
    pub(super) fn of_file(&self, error: Error) -> Error {
        let name = self.read.as_deref().unwrap_or_default();
        let text = format!("{name}: {}", error.message());
        error.with_message(text)
    }

    /// What the packets are of, in one word.
    pub(super) fn name(&self) -> &str {
        self.read.as_deref().or(self.interface.as_deref()).unwrap_or(ANY)
    }
}

/// The interface, and the words of the filter. The first word is an interface where no filter begins with it.
fn interface(job: &Job, is_file: bool) -> Result<(Option<String>, Vec<String>)> {
    let mut words = job.words();
    let mut named = job.text("interface").map(str::to_owned);
    if is_file {
        if named.is_none() {
            return Ok((None, words));
        }
        let text = "-i names an interface, and the packets come from a file";
        return Err(Error::new(Kind::Usage, text).try_command("hobnob sniff -h", ""));
    }
    if let (None, Some(first)) = (&named, words.first()) {
        let first = first.split_whitespace().next().unwrap_or_default();
        let is_there = || interfaces().is_ok_and(|all| all.iter().any(|one| one.name == first));
        if first == ANY || is_there() || !is_filter_like(first) {
            named = Some(words.remove(0));
        }
    }
    Ok((named.filter(|name| name != ANY), words))
}

/// Whether a filter was meant: it begins with this word, or with one that is a letter away.
fn is_filter_like(word: &str) -> bool {
    Filter::begins_with(word) || !word.contains(|c: char| c.is_ascii_digit()) && is_misspelt(word)
}

fn is_misspelt(word: &str) -> bool {
    Filter::parse(word)
        .is_err_and(|error| error.span().is_some_and(|span| span.label.starts_with("did you mean")))
}

/// What to do without the right to capture, or without the interface.
fn proposing(error: Error) -> Error {
    match error.kind() {
        Kind::RawSocketDenied => error
            .try_command("sudo hobnob sniff lo", "just now")
            .try_command("hobnob relay :9001 :9000", "needs no rights"),
        Kind::InterfaceNotHere if error.hints().is_empty() => {
            error.try_command("hobnob sniff any", "every interface there is")
        }
        _ => error,
    }
}
