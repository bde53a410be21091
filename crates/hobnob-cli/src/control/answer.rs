//! What a client is answered: one line of JSON.

use std::time::SystemTime;

use hobnob::clock::rfc3339;
use hobnob::engine::{Bound, SessionState};
use hobnob::error::{Error, Result};
use hobnob::fault::Panel;
use serde_json::Value;

use super::request::ASKS;
use super::steered::SteeredServer;
use crate::advice::{Remedy, spelt};
use crate::report::line::JsonLine;

/// What an answer says beside what it answers.
pub(super) struct AnswerFields(Vec<u8>);

impl AnswerFields {
    /// Nothing but that it was done.
    pub(super) fn none() -> Self {
        AnswerFields(Vec::new())
    }

    /// Whatever is written.
    pub(super) fn of(write: impl FnOnce(&mut JsonLine<'_>)) -> Self {
        let mut out = vec![b'{'];
        write(&mut JsonLine::within(&mut out));
        out.remove(0);
        AnswerFields(out)
    }
}

/// Writes an answer: what it says, or why there is none.
pub(super) fn write(
    out: &mut Vec<u8>,
    ask: Option<&str>,
    tag: Option<&Value>,
    answer: Result<AnswerFields>,
) {
    let mut line = JsonLine::begin(out, "answer");
    if let Some(ask) = ask {
        line.text("ask", ask);
    }
    match tag {
        Some(Value::String(tag)) => line.text("tag", tag),
        Some(tag) => line.raw("tag", &tag.to_string()),
        None => {}
    }
    line.raw("ok", if answer.is_ok() { "true" } else { "false" });
    match answer {
        Ok(AnswerFields(fields)) => line.fields(&fields),
        Err(error) => line.object("error", |line| wrong(line, &error)),
    }
    line.end();
}

/// That nothing was asked that could be answered.
pub(super) fn refusal(error: &Error) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, None, None, Err(error.clone()));
    out
}

fn wrong(line: &mut JsonLine<'_>, error: &Error) {
    line.text("slug", error.kind().slug());
    line.text("message", error.message());
    if let Some(limit) = error.limit_name() {
        line.text("limit", limit);
    }
    if let Some(span) = error.span() {
        line.object("at", |line| {
            line.text("text", &span.text);
            line.number("from", span.at.start as u64);
            line.number("to", span.at.end as u64);
            line.text("label", &span.label);
        });
    }
    line.texts("why", error.reasons().iter().map(String::as_str));
    line.number("exit", u64::from(error.kind().exit_code()));
    line.objects("try", spelt(error), |line, one| {
        match one.way {
            Remedy::Command(command) => line.text("command", &command),
            Remedy::Flag(added) => line.text("flag", &added.text()),
            Remedy::Endpoint(endpoint) => line.text("endpoint", &endpoint),
        }
        line.text("note", &one.note);
    });
}

/// What this process is and serves.
pub(super) fn hello(verb: &str, began: SystemTime, parts: &[SteeredServer]) -> AnswerFields {
    AnswerFields::of(|line| {
        line.text("program", "hobnob");
        line.text("version", env!("CARGO_PKG_VERSION"));
        line.number("pid", u64::from(std::process::id()));
        line.text("verb", verb);
        line.text("began", &rfc3339(began));
        line.texts("asks", ASKS.iter().copied());
        line.objects("servers", parts, server);
    })
}

fn server(line: &mut JsonLine<'_>, part: &SteeredServer) {
    line.text("name", &part.name);
    line.text("service", &part.service);
    line.text("state", if part.control.is_draining() { "draining" } else { "open" });
    line.number("sessions", part.control.open());
    line.objects("bound", &part.bound, bound);
    if let Some(panel) = part.control.faults() {
        line.text("knobs", panel.words().topic);
    }
    #[cfg(feature = "mail")]
    if let Some(letters) = part.letters() {
        line.text("letters", &letters);
    }
    let targets = part.control.targets();
    if !targets.is_empty() {
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        line.texts("targets", targets.iter().map(String::as_str));
    }
}

fn bound(line: &mut JsonLine<'_>, bound: &Bound) {
    if !bound.door.is_empty() {
        line.text("door", bound.door);
    }
    line.text("transport", bound.transport);
    line.text("endpoint", &bound.endpoint.to_string());
    line.text("addr", &bound.address.to_string());
}

/// What is on, fault by fault, and what each has hit.
pub(super) fn faults(part: &SteeredServer, panel: &Panel) -> AnswerFields {
    AnswerFields::of(|line| {
        line.text("name", &part.name);
        line.number("seed", part.control.seed());
        line.objects("faults", panel.state(), |line, state| {
            line.text("setting", &state.setting);
            line.text("kind", state.kind);
            for (way, hits) in [("up", state.up), ("down", state.down)] {
                if let Some(hits) = hits {
                    line.number(way, hits);
                }
            }
        });
    })
}

/// Open sessions, of each part those after `after`; and whether there are more.
pub(super) fn list(parts: &[&SteeredServer], after: u64, most: u64) -> AnswerFields {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut listed: Vec<(&str, SessionState)> = Vec::new();
    for part in parts {
        // One more than are told, to know whether there are.
        let sessions = part.control.sessions(after, most + 1 - listed.len());
        listed.extend(sessions.into_iter().map(|session| (part.name.as_str(), session)));
        if listed.len() > most {
            break;
        }
    }
    let is_cut = listed.len() > most;
    listed.truncate(most);
    AnswerFields::of(|line| {
        line.objects("sessions", &listed, |line, (name, state)| session(line, name, state));
        line.raw("more", if is_cut { "true" } else { "false" });
    })
}

fn session(line: &mut JsonLine<'_>, name: &str, session: &SessionState) {
    line.text("name", name);
    line.number("id", session.id);
    if session.parent != 0 {
        line.number("parent", session.parent);
    }
    if !session.door.is_empty() {
        line.text("door", session.door);
    }
    line.text("transport", session.transport);
    line.text("local", &session.local.to_string());
    line.text("peer", &session.peer.to_string());
    if let Some(upstream) = &session.upstream {
        line.text("upstream", &upstream.to_string());
    }
    line.seconds("age", session.age);
    line.number("in", session.bytes_in);
    line.number("out", session.bytes_out);
}
