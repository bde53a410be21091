//! Tells of rounds on stdout: lines for people, which in a terminal have one below them that counts, or JSON Lines.
//!
//! What cannot be written yet waits here, so that a slow reader delays the next round and falsifies none.

use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::task::{Context, Poll};

use hobnob::error::Result;
use hobnob::ping::{Ping, PingEvent, Pinging};

use super::show::{self, RoundLook};
use crate::calling::Explainer;
use crate::job::Job;
use crate::process::output_failed;
use crate::process::signals::Signals;
use crate::report::json::Json;
use crate::report::rounds::PingNames;
use crate::report::writer::Writer;

/// Bytes that wait to be written before no further round begins.
const MOST: usize = 64 << 10;
/// Erases the line that counts.
const ERASE: &str = "\r\x1b[K";

pub(super) struct PingTeller<'a> {
    job: &'a Job,
    ping: Ping,
    look: RoundLook,
    json: Option<Json>,
    writer: Writer,
    waiting: Vec<u8>,
    is_live: bool,
    is_quiet: bool,
}

impl<'a> PingTeller<'a> {
    pub(super) fn new(job: &'a Job, ping: &Ping) -> Result<Self> {
        let is_json = job.is_on("json");
        let is_quiet = job.is_on("quiet");
        let is_live = !is_json && !job.environment.is_dumb && io::stdout().is_terminal();
        Ok(PingTeller {
            job,
            ping: ping.clone(),
            look: RoundLook::of(job.out),
            json: is_json.then(|| Json::new(job.clock)),
            writer: Writer::stdout()?,
            waiting: Vec::new(),
            is_live,
            is_quiet,
        })
    }

    /// Whether its reader is slow.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    pub(super) fn begin(&mut self, pinging: &Pinging) {
        if self.json.is_none() {
            let heading = show::heading(&self.ping, pinging);
            self.say(&heading, pinging);
        }
    }

    /// Tells the calls since the last time, where they are asked for: before what they led to.
    pub(super) fn calls(&mut self, calls: &mut Option<Explainer>, pinging: &Pinging) {
        match (calls, &mut self.json) {
            (Some(calls), Some(json)) => calls.write(json, &mut self.waiting),
            // On one terminal with the line that counts, they stand above that.
            (Some(calls), None) if self.is_live && io::stderr().is_terminal() => {
                let text = calls.text();
                if !text.is_empty() {
                    self.say(text.trim_end_matches('\n'), pinging);
                }
            }
            (Some(calls), None) => calls.pump(),
            (None, _) => {}
        }
    }

    pub(super) fn event(&mut self, event: &PingEvent, pinging: &Pinging) {
        if let Some(json) = &mut self.json {
            if !self.is_quiet {
                json.round(&mut self.waiting, event);
            }
        } else if self.is_quiet {
            self.count(pinging);
        } else {
            let line = self.look.line(event);
            self.say(&line, pinging);
        }
        self.pump();
    }

    pub(super) fn summary(&mut self, pinging: &Pinging) {
        let summary = pinging.summary();
        if let Some(json) = &mut self.json {
            let to = self.ping.endpoint().to_string();
            let peer = pinging.peer().map(ToString::to_string);
            let names = PingNames { to: &to, peer: peer.as_deref() };
            json.rounds(&mut self.waiting, &names, summary, self.job.clock.now());
        } else {
            if self.is_live {
                self.waiting.extend(ERASE.as_bytes());
            }
            let text = show::summary(self.ping.way(), summary);
            self.waiting.extend(text.as_bytes());
        }
        self.pump();
    }

    /// A line, above the one that counts.
    fn say(&mut self, line: &str, pinging: &Pinging) {
        if self.is_live {
            self.waiting.extend(ERASE.as_bytes());
        }
        self.waiting.extend(line.as_bytes());
        self.waiting.push(b'\n');
        self.count(pinging);
        self.pump();
    }

    fn count(&mut self, pinging: &Pinging) {
        if self.is_live {
            let status = show::status(pinging.summary());
            self.waiting.extend(ERASE.as_bytes());
            self.waiting.extend(status.as_bytes());
        }
    }

    /// Hands on what waits, if the one before is written.
    pub(super) fn pump(&mut self) {
        if self.writer.is_idle() && !self.waiting.is_empty() {
            let mut buffer = self.writer.take();
            std::mem::swap(&mut buffer, &mut self.waiting);
            self.writer.give(buffer);
        }
    }

    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_back(cx)
    }

    /// Waits until all is written, or somebody asks for an end; the exit code where that is no longer of use.
    pub(super) async fn finish(&mut self, signals: &mut Signals) -> Result<Option<u8>> {
        loop {
            self.pump();
            if self.writer.is_idle() {
                return Ok(None);
            }
            let written = signals.unless_asked(poll_fn(|cx| self.writer.poll_back(cx))).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return output_failed(&error).map(Some),
                Err(by) => return Ok(Some(by.code())),
            }
        }
    }
}
