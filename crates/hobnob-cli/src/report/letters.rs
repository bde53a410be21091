//! The events of letters that we send, fetch and show.

use std::time::Duration;

use hobnob::codec::findings;
use hobnob::codec::mime::{LetterView, PartView, ShownHead, field_of};
use hobnob::codec::smtp::{SmtpAnswer, SmtpOutcome};
use hobnob::post::PickedHead;
use hobnob::store::LetterJourney;

use crate::report::json::Json;
use crate::report::line::JsonLine;

/// The verb that they are of.
const VERB: &str = "mail";

/// A letter that was sent, or refused.
pub(crate) struct SentLetter<'a> {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) subject: &'a str,
    pub(crate) size: u64,
    pub(crate) outcome: &'a SmtpOutcome,
    pub(crate) took: Duration,
}

/// What a letter that was sent many times came to.
pub(crate) struct SendSummary<'a> {
    /// The server.
    pub(crate) name: &'a str,
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// Not begun when it was cut.
    pub(crate) left: u64,
    pub(crate) conns: u64,
    pub(crate) lasted: Duration,
}

/// A letter that was fetched, or looked at.
#[derive(Default)]
pub(crate) struct PickedLetter<'a> {
    /// `listed`, `fetched`, `saved`, `shown`.
    pub(crate) did: &'static str,
    /// As it lies in its mailbox; none: it is from a file.
    pub(crate) head: Option<&'a PickedHead>,
    /// The whole letter, where it was fetched.
    pub(crate) view: Option<&'a LetterView>,
    /// The file that it was written to.
    pub(crate) saved: Option<&'a str>,
    /// How it came and what was done with it, where a server of ours has noted that.
    pub(crate) way: Option<&'a LetterJourney>,
}

impl Json {
    /// A letter was sent, or refused.
    pub(crate) fn sent(&mut self, out: &mut Vec<u8>, letter: &SentLetter<'_>) {
        let at = self.now();
        let mut line = self.line(out, "mail", at);
        let (did, answer) = match &letter.outcome.answer {
            Ok(answer) => ("sent", answer),
            Err((_, answer)) => ("refused", answer),
        };
        line.text("did", did);
        line.text("from", &letter.from);
        line.texts("to", letter.to.iter().map(String::as_str));
        line.text("subject", letter.subject);
        line.number("size", letter.size);
        line.number("taken", letter.outcome.taken as u64);
        line.text("answer", &said(answer));
        line.objects("refused", &letter.outcome.refused, |line, (to, answer)| {
            line.text("to", to);
            line.text("answer", &said(answer));
        });
        line.seconds("took", letter.took);
        line.end();
    }

    /// A letter was sent many times.
    pub(crate) fn sent_all(&mut self, out: &mut Vec<u8>, summary: &SendSummary<'_>) {
        let at = self.now();
        let mut line = self.line(out, "summary", at);
        line.text("verb", VERB);
        line.text("name", summary.name);
        for (name, number) in [
            ("sent", summary.sent),
            ("refused", summary.refused),
            ("failed", summary.failed),
            ("left", summary.left),
            ("conns", summary.conns),
        ] {
            line.number(name, number);
        }
        line.seconds("lasted", summary.lasted);
        line.end();
    }

    /// A letter was listed, fetched, saved or shown.
    pub(crate) fn picked(&mut self, out: &mut Vec<u8>, letter: &PickedLetter<'_>) {
        let at = self.now();
        let mut line = self.line(out, "mail", at);
        line.text("did", letter.did);
        if let Some(head) = letter.head {
            line.number("number", u64::from(head.number));
            line.text("uid", &head.uid);
        }
        let raw = letter.view.map(LetterView::head);
        let raw = raw.or(letter.head.map(|head| head.head.as_slice())).unwrap_or_default();
        let head = ShownHead::of(raw);
        for (name, list) in [("to", &head.to), ("cc", &head.cc)] {
            let list: Vec<_> = list.iter().map(ToString::to_string).collect();
            line.texts(name, list.iter().map(String::as_str));
        }
        for name in ["from", "subject", "date", "message-id"] {
            if let Some(value) = field_of(raw, name) {
                line.text(name, &value);
            }
        }
        match letter.view {
            Some(view) => {
                line.number("size", view.raw().len() as u64);
                if let Some(text) = view.text() {
                    line.text("text", &text);
                }
                line.texts("links", view.links().iter().map(String::as_str));
                line.number("parts", view.parts().len() as u64);
                line.objects("tree", view.parts(), part);
            }
            None => line.number("size", letter.head.map_or(0, |head| head.size)),
        }
        if let Some(saved) = letter.saved {
            line.text("saved", saved);
        }
        if let Some(way) = letter.way {
            journey(&mut line, way);
        }
        line.end();
    }
}

/// How a letter came, in the words of the event that told of it, and what was done with it since.
fn journey(line: &mut JsonLine<'_>, way: &LetterJourney) {
    for name in ["client", "with", "login"] {
        match way.arrival.text(name) {
            "" => {}
            text => line.text(name, text),
        }
    }
    for name in ["findings", "dialogue"] {
        line.texts(name, way.arrival.texts(name).into_iter());
    }
    let found = way.arrival.texts("findings").into_iter().filter_map(findings::named);
    line.objects("found", found, |line, found| {
        line.text("slug", found.slug);
        line.text("text", found.text);
        line.text("source", found.source);
        line.raw("wrong", if found.is_wrong() { "true" } else { "false" });
    });
    line.objects("steps", &way.steps, |line, step| {
        for name in ["at", "did", "by", "login", "peer", "detail"] {
            match step.text(name) {
                "" => {}
                text => line.text(name, text),
            }
        }
        line.texts("to", step.texts("to").into_iter());
    });
}

fn part(line: &mut JsonLine<'_>, part: &PartView) {
    line.text("part", &part.path);
    line.text("kind", &part.kind);
    line.number("size", part.size);
    if let Some(name) = &part.name {
        line.text("name", name);
    }
    line.raw("attached", if part.is_attached { "true" } else { "false" });
}

fn said(answer: &SmtpAnswer) -> String {
    format!("{} {}", answer.code, answer.lines.join(" / ").trim()).trim_end().to_owned()
}
