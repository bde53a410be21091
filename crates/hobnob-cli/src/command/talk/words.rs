//! What is said about a conversation to people, and its errors.

use std::time::Duration;

use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::command::talk::wishes::Connected;
use crate::process::BROKEN_PIPE;
use crate::report::show::{safe, span};
use crate::report::text::learnt_lines;

/// The error of a write to stdout.
pub(crate) fn write_failed(error: &std::io::Error) -> Error {
    Error::from_io("write(stdout)", error).with_kind(Kind::OutputFailed)
}

/// The exit code, or the error, of a write to stdout that failed.
pub(crate) fn broken_output(error: &std::io::Error) -> Result<u8> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Ok(BROKEN_PIPE);
    }
    Err(write_failed(error))
}

/// `connected to 127.0.0.1:9000 over tcp in 0.2 ms, from port 53142`.
pub(crate) fn greeting(line: &Connected, is_listening: bool) -> String {
    let facts = line.conn.facts();
    let peer = safe(&facts.peer.to_string());
    if is_listening {
        return format!("{peer} has come over {}", facts.transport);
    }
    let from = match (&facts.peer, facts.local.ip()) {
        (_, Some(local)) => format!(", from port {}", local.port()),
        _ => String::new(),
    };
    format!("connected to {peer} over {} in {}{from}", facts.transport, span(line.took))
}

/// What the layers learnt in their handshakes, for `-v`: a line each.
pub(crate) fn learnt(line: &Connected) -> Vec<String> {
    learnt_lines(line.conn.facts().learnt())
}

/// The error of silence, after our side had ended or at all.
pub(crate) fn silence(flag: &str, time: Duration, sent: u64, received: u64) -> Error {
    let time = span(time);
    let why = format!("sent {sent} B, received {received} B");
    match flag {
        "idle" => Error::new(
            Kind::IdleTimeout,
            format!("silence for {time}, so I closed the connection (--idle)"),
        )
        .why(if received == 0 && sent > 0 {
            format!("{why}: did the peer wait for CRLF?")
        } else {
            why
        })
        .try_flag("--eol crlf", "if it speaks a mail or web protocol"),
        _ => Error::new(Kind::TimedOut, format!("no answer within {time}"))
            .why(why)
            .try_flag("--wait 10s", "to wait longer"),
    }
}
