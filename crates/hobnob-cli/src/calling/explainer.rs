//! `--explain`: the calls of a verb that has no server, as they come over its dialler's bus.

use std::time::Duration;

use hobnob::bus::{Bus, Subscription, Wish};
use hobnob::error::Result;
use hobnob::event::{Event, Fact};

use crate::args::EXPLAIN;
use crate::job::Job;
use crate::report::calls::CallLines;
use crate::report::json::Json;
use crate::report::writer::Writer;

/// Calls that wait to be told; more are counted.
const HELD: usize = 4_096;
/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Tells calls: to a person on stderr, to a program as events on stdout.
pub(crate) struct Explainer {
    subscription: Subscription,
    lines: CallLines,
    /// Of stderr; of stdout where it tells events.
    writer: Writer,
    json: Option<Json>,
    /// How far the program's clock is ahead of the bus's.
    ahead: Duration,
}

impl Explainer {
    /// Where `--explain` was given: from now on it hears each call of who dials with this bus.
    pub(crate) fn of(job: &Job, bus: &Bus) -> Result<Option<Self>> {
        let Some(lines) = CallLines::of(job.text(EXPLAIN), job.err)? else { return Ok(None) };
        let is_json = job.is_on("json");
        let wish = Wish { capacity: HELD, ..Wish::default() };
        Ok(Some(Explainer {
            subscription: bus.subscribe(wish).with_calls(),
            lines,
            writer: if is_json { Writer::stdout()? } else { Writer::stderr()? },
            json: is_json.then(|| Json::new(job.clock)),
            ahead: job.clock.now().saturating_sub(bus.clock().now()),
        }))
    }

    /// The calls since the last time as events, for who writes them itself.
    pub(crate) fn write(&mut self, json: &mut Json, out: &mut Vec<u8>) {
        let (events, missed) = self.events();
        for event in &events {
            json.event(out, event);
        }
        if missed > 0 {
            json.missed(out, missed);
        }
    }

    /// The calls since the last time, and how many were too many.
    fn events(&mut self) -> (Vec<Event>, u64) {
        let mut events = Vec::new();
        let missed = self.subscription.pull(&mut events);
        events.retain(|event| matches!(event.fact, Fact::Called(_)));
        for event in &mut events {
            event.at += self.ahead;
        }
        (events, missed)
    }

    /// Lines of the calls since the last time, for who writes them itself.
    pub(crate) fn text(&mut self) -> String {
        let (events, missed) = self.events();
        let mut text = String::new();
        for event in &events {
            let Fact::Called(call) = &event.fact else { continue };
            for line in self.lines.lines(call) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        if missed > 0 {
            text.push_str(&self.lines.missed(missed));
            text.push('\n');
        }
        text
    }

    /// Writes what there is. A slow reader holds up nobody: calls wait meanwhile, and are counted where they are too many.
    pub(crate) fn pump(&mut self) {
        // Without a reader nothing is left to be told.
        let _ = self.writer.reap();
        if !self.writer.has_room() {
            return;
        }
        let mut out = self.writer.take();
        if let Some(mut json) = self.json.take() {
            self.write(&mut json, &mut out);
            self.json = Some(json);
        } else {
            out.extend_from_slice(self.text().as_bytes());
        }
        self.writer.give(out);
    }

    /// Writes the last of it.
    pub(crate) async fn finish(&mut self) {
        let _ = self.writer.finish(LAST_LINES).await;
        self.pump();
        let _ = self.writer.finish(LAST_LINES).await;
    }
}
