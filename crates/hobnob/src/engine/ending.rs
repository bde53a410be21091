//! How a session came to its end, and what is told of that.

use crate::chunk::Direction;
use crate::conn::Vitals;
use crate::engine::limits::Limits;
use crate::error::{Error, Kind, Result};
use crate::event::{By, Closed, End, How, Reason};
use crate::session::{Cut, Session};
use crate::spec::show_duration;

/// What is said of a session that seems to have ended in order, but for whose end nobody vouches.
const TRUNCATED: &str = "the connection ended, and TLS had not: the end may be missing";

/// How a session came to its end, when nothing failed.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub reason: Option<Reason>,
    pub detail: Option<String>,
}

/// How a session ended, as its task says.
pub(super) struct Ended {
    pub result: Result<Ending>,
    /// Why the session was cut, if it was.
    pub cut: Option<Cut>,
    pub vitals: Option<Vitals>,
}

/// Why a session did not end well, for whoever runs a program for this one session. What was asked for on purpose is no
/// such reason: a fault, a drain, a console.
pub(super) fn spoilt(session: &Session, end: Option<&Ended>, limits: &Limits) -> Option<Error> {
    let Ended { result, cut, .. } = end?;
    match (cut, result) {
        (Some(Cut::Idle), _) => {
            let time = show_duration(limits.idle.unwrap_or_default());
            let text = format!("silence for {time}, so the session was closed");
            let [came, went] = [Direction::In, Direction::Out].map(|way| session.bytes(way));
            let why = format!("{came} B had come from standard input, and {went} B had gone out");
            let error = Error::limit("idle", text).with_kind(Kind::IdleTimeout).why(why);
            Some(error.hint_option("idle", "60s", "to wait longer"))
        }
        (Some(Cut::Stall), _) => {
            let time = show_duration(limits.stall);
            let text = format!("nobody took what was sent for {time}");
            let error = Error::limit("stall", text).with_kind(Kind::TimedOut);
            Some(error.hint_topic("eof", "what waits for what"))
        }
        (Some(Cut::Memory), _) => {
            let text = "all sessions together filled the budget of buffers";
            Some(Error::limit("memory", text).hint_topic("faults", "hold= bounds what each holds"))
        }
        (Some(Cut::Stopped | Cut::Killed), _) | (None, Ok(_)) => None,
        (None, Err(error)) if error.kind() == Kind::Fault => None,
        (None, Err(error)) if error.errno() == Some(libc::ENOSPC) => {
            Some(error.clone().hint_shell("df -h", "shows which disk is full"))
        }
        (None, Err(error)) => Some(error.clone()),
    }
}

pub(super) fn closed(session: &Session, end: Option<Box<Ended>>) -> Closed {
    let Ended { result, cut, vitals } = match end {
        Some(end) => *end,
        // The task has not said how the session ended: it panicked, or its runtime is gone.
        None => Ended {
            result: if std::thread::panicking() {
                Err(Error::new(Kind::Bug, "the session panicked: this is a bug in hobnob"))
            } else {
                Ok(Ending { reason: Some(Reason::Stopped), detail: None })
            },
            cut: session.cut_by(),
            vitals: None,
        },
    };
    let (reason, detail) = match (cut, result) {
        (Some(Cut::Idle), _) => (Reason::Timeout("idle"), None),
        (Some(Cut::Stall), _) => (Reason::Timeout("stall"), None),
        (Some(Cut::Memory), _) => (Reason::Limit("memory"), None),
        (Some(Cut::Stopped), _) => (Reason::Stopped, None),
        (Some(Cut::Killed), _) => (Reason::Stopped, Some("killed".to_owned())),
        (None, Ok(ending)) => (ending.reason.unwrap_or(Reason::Eof), ending.detail),
        (None, Err(error)) => {
            let fault = session.conclusion().and_then(|conclusion| conclusion.fault);
            let reason = match (error.kind(), error.limit_name()) {
                (Kind::Fault, _) => Reason::Fault(fault.unwrap_or_default()),
                (Kind::ConnectionReset | Kind::ConnectionBroken, _) => Reason::Reset,
                (Kind::TimedOut, limit) => Reason::Timeout(limit.unwrap_or("kernel")),
                (_, Some(limit)) => Reason::Limit(limit),
                _ => Reason::Error,
            };
            (reason, Some(error.message().to_owned()))
        }
    };
    let end_of =
        |direction| session.end_of(direction).unwrap_or(End { by: By::Us, how: How::None });
    let (inward, outward) = (end_of(Direction::In), end_of(Direction::Out));
    let is_truncated = inward.how == How::Truncated || outward.how == How::Truncated;
    let (reason, detail) = match (reason, is_truncated) {
        (Reason::Eof, true) => (Reason::Error, Some(TRUNCATED.to_owned())),
        both => (both.0, detail),
    };
    Closed {
        inward,
        outward,
        reason,
        detail,
        bytes_in: session.bytes(Direction::In),
        bytes_out: session.bytes(Direction::Out),
        lasted: session.clock().now().saturating_sub(session.opened()),
        round_trip: vitals.map(|vitals| vitals.round_trip),
        resent: vitals.map(|vitals| vitals.resent),
        upstream: session.conclusion().and_then(|conclusion| conclusion.upstream.clone()),
    }
}
