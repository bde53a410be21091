//! How what comes goes to stdout.

use std::io::IsTerminal as _;

use hobnob::spec::Shape;

use crate::command::talk::wishes::TalkFlags;
use crate::job::Job;
use crate::report::json::Json;
use crate::report::look::View;
use crate::report::show::{SafeStream, hex_into};

/// How received bytes go to stdout.
pub(super) enum Show {
    /// As they are.
    Exact,
    /// On a terminal: escaped.
    Safe(SafeStream),
    /// A hex dump of each receive.
    Hex,
    /// Events.
    Json(Box<Json>),
}

impl Show {
    /// As the flags say, and whether stdout is a terminal.
    pub(super) fn of(job: &Job, wishes: &TalkFlags) -> Self {
        if wishes.is_json {
            return Show::Json(Box::new(Json::new(job.clock).called("talk")));
        }
        match job.view {
            View::Hex => Show::Hex,
            View::Text if std::io::stdout().is_terminal() => Show::Safe(SafeStream::default()),
            View::Text | View::Raw => Show::Exact,
        }
    }

    /// Adds what was received to `out`; events are written where their numbers are known.
    pub(super) fn bytes(&mut self, out: &mut Vec<u8>, bytes: &[u8], shape: Shape) {
        match self {
            Show::Exact => out.extend_from_slice(bytes),
            Show::Safe(stream) => {
                let mut text = String::new();
                stream.push(&mut text, bytes);
                if shape == Shape::Packets {
                    stream.end_line(&mut text);
                    if bytes.is_empty() {
                        text.push('\n');
                    }
                }
                out.extend_from_slice(text.as_bytes());
            }
            Show::Hex => {
                let mut text = String::new();
                hex_into(&mut text, bytes, "", usize::MAX);
                out.extend_from_slice(text.as_bytes());
            }
            Show::Json(_) => {}
        }
    }

    /// Adds what ends the last line.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if let Show::Safe(stream) = self {
            let mut text = String::new();
            stream.end_line(&mut text);
            out.extend_from_slice(text.as_bytes());
        }
    }
}
