//! What the flags of a conversation say, and the conn that they led to.

use std::io::IsTerminal as _;
use std::time::Duration;

use hobnob::conn::Conn;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::Shape;

use crate::advice::Propose as _;
use crate::args;
use crate::job::Job;

/// How long a datagram's answer is waited for, where nobody says otherwise.
const DATAGRAM_WAIT: Duration = Duration::from_secs(1);

/// What a line or a message has at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eol {
    Lf,
    Crlf,
    None,
}

impl Eol {
    /// Its bytes.
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            Eol::Lf => b"\n",
            Eol::Crlf => b"\r\n",
            Eol::None => b"",
        }
    }

    /// Reads `lf`, `crlf`, `none`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "lf" => Some(Eol::Lf),
            "crlf" => Some(Eol::Crlf),
            "none" => Some(Eol::None),
            _ => None,
        }
    }
}

/// What of standard input is one message, where that is neither a line nor left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StdinFraming {
    /// It has none: what one read gives goes out as it came.
    None,
    /// All of it, to its end.
    Whole,
}

impl StdinFraming {
    /// Reads `--framing`. What is sent as it stands has no lines that could be given ends, and a MESSAGE is one already.
    fn read(job: &Job, messages: &[String]) -> Result<Option<Self>> {
        let framing = match args::choice(&job.matches, "framing", &["none", "whole"])? {
            None => return Ok(None),
            Some("whole") => StdinFraming::Whole,
            Some(_) => StdinFraming::None,
        };
        let text = if !messages.is_empty() {
            "--framing is about standard input, and each MESSAGE is a message already"
        } else if job.text("eol").is_some() {
            "--framing sends standard input as it stands, and --eol ends its lines: one of them"
        } else {
            return Ok(Some(framing));
        };
        Err(Error::new(Kind::Usage, text).try_command("hobnob help talk", "what is one message"))
    }
}

/// What the flags say.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct TalkFlags {
    pub(crate) messages: Vec<String>,
    pub(crate) eol: Option<Eol>,
    pub(crate) framing: Option<StdinFraming>,
    pub(crate) wait: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) half_close: bool,
    pub(crate) is_verbose: bool,
    pub(crate) is_quiet: bool,
    pub(crate) is_json: bool,
}

/// A conn and how long it took to have it.
pub(crate) struct Connected {
    pub(crate) conn: Conn,
    pub(crate) took: Duration,
    /// Whether nobody types but the protocol there wants `\r\n`.
    pub(crate) wants_crlf: Option<u16>,
}

impl TalkFlags {
    pub(super) fn read(job: &Job, messages: Vec<String>) -> Result<Self> {
        let eol = args::choice(&job.matches, "eol", &["lf", "crlf", "none"])?;
        if job.is_on("half-close") && job.is_on("no-half-close") {
            let text = "--half-close and --no-half-close exclude each other";
            return Err(Error::new(Kind::Usage, text).try_command("hobnob help eof", ""));
        }
        Ok(TalkFlags {
            framing: StdinFraming::read(job, &messages)?,
            messages,
            eol: eol.and_then(Eol::parse),
            wait: args::duration(&job.matches, "wait")?,
            idle: args::duration(&job.matches, "idle")?,
            half_close: !job.is_on("no-half-close"),
            is_verbose: job.is_on("verbose"),
            is_quiet: job.is_on("quiet"),
            is_json: job.is_on("json"),
        })
    }

    /// Whether a person types, and sees what comes.
    pub(super) fn is_personal(&self) -> bool {
        self.messages.is_empty()
            && !self.is_json
            && std::io::stdin().is_terminal()
            && std::io::stdout().is_terminal()
    }

    /// Whether what the person types is edited and sent a line at a time.
    pub(super) fn has_lines(&self) -> bool {
        self.is_personal() && self.framing.is_none()
    }

    /// The silence that is allowed after our side has ended.
    pub(crate) fn patience(&self, shape: Shape) -> Option<Duration> {
        self.wait.or((shape == Shape::Packets).then_some(DATAGRAM_WAIT))
    }

    /// What a line or message has at its end.
    pub(crate) fn eol(&self, shape: Shape) -> Eol {
        self.eol.unwrap_or(if shape == Shape::Bytes { Eol::Lf } else { Eol::None })
    }
}
