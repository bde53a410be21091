//! What is said about a conversation to people, and its errors.

use std::time::Duration;

use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::command::talk::wishes::Connected;
use crate::process::BROKEN_PIPE;
use crate::report::show::{one_line, safe, span};
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

/// What a person who waits may want to know after some silence: that our input is over, and the peer is not.
pub(crate) const STILL_READING: &str = "our input has ended; reading on until the peer closes, \
                                        or Ctrl-C (--wait DUR leaves after so much silence)";
/// Told once when our newline came back in the middle of an answer.
pub(crate) const NEWLINE_INSIDE: &str =
    "the newline that we sent came back inside the answer; --eol none sends without one";

/// Told once when a message had no answer in its time.
pub(crate) fn no_answer(message: &[u8], time: Duration) -> String {
    let message = one_line(message.trim_ascii_end());
    format!("no answer to {message} within {}, so the next goes out (--wait DUR)", span(time))
}

/// The error of an input that says nothing for so long after the peer has ended.
pub(crate) fn input_is_silent(time: Duration, sent: u64, received: u64) -> Error {
    let time = span(time);
    let text = format!("the peer ended its side, and standard input said nothing for {time} since");
    Error::new(Kind::TimedOut, text)
        .why(format!("sent {sent} B, received {received} B; standard input is still open"))
        .try_flag("--wait 10s", "to wait longer")
        .try_command("hobnob help eof", "how a conversation ends")
}

/// The error of a peer that had ended, and does not take what still came.
pub(crate) fn refused(error: Error) -> Error {
    if error.kind().exit_code() != Kind::ConnectionReset.exit_code() {
        return error;
    }
    error.with_message("the peer had ended, and did not take the rest of the input")
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
