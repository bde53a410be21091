//! What becomes of each packet: it is shown, followed, kept, or told as an event.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::time::Duration;

use hobnob::capture::{
    CaptureCounts, CapturedFrame, StreamEvent, StreamFollower, StreamWay, decode,
};
use hobnob::clock::Clock;
use hobnob::error::Result;
use hobnob::streams;

use super::keep::KeptFile;
use super::wishes::SniffFlags;
use crate::job::Job;
use crate::process::output_failed;
use crate::report::captured::{CaptureSummary, CapturedPacket};
use crate::report::json::Json;
use crate::report::look::{Look, Paint, View};
use crate::report::packet::PacketWords;
use crate::report::show::{count, grouped, hex_into, safe, span};
use crate::report::stream::StreamWords;
use crate::report::writer::Writer;

/// How long the last lines may take once all is over; a signal is served meanwhile.
pub(super) const LAST_WORDS: Duration = Duration::from_hours(1);
/// How long a signal bears with a reader of stdout that takes nothing: for what has passed, and then for the last words.
pub(super) const PARTING: Duration = Duration::from_millis(500);

/// Tells about packets.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct PacketTeller {
    look: Look,
    clock: Clock,
    name: String,
    filter: String,
    is_quiet: bool,
    has_lines: bool,
    has_hex: bool,
    follows: bool,
    words: PacketWords,
    json: Option<Json>,
    follower: Option<StreamFollower>,
    stream_words: StreamWords,
    /// How often something was said in each way of the streams that are open.
    ordinals: HashMap<(u64, bool), u64>,
    kept: Option<KeptFile>,
    writer: Writer,
    failure: Option<hobnob::Error>,
    shown: u64,
    /// Packets that were to be followed, and are of no TCP stream.
    others: u64,
    /// Packets that the kernel was last heard to have dropped.
    dropped: u64,
    most: Option<u64>,
}

impl PacketTeller {
    pub(super) fn new(job: &Job, wishes: &SniffFlags, kept: Option<KeptFile>) -> Result<Self> {
        let is_on = |flag| job.is_on(flag);
        let has_hex = job.view == View::Hex;
        let is_kept_alone = kept.is_some() && !is_on("verbose") && !has_hex && !is_on("json");
        let is_stdout = kept.as_ref().is_some_and(KeptFile::is_stdout);
        let mut words = PacketWords::new();
        words.names_interface = wishes.interface.is_none();
        words.is_verbose = is_on("verbose");
        Ok(PacketTeller {
            look: job.out,
            clock: job.clock,
            name: wishes.name().to_owned(),
            filter: wishes.filter.text().to_owned(),
            is_quiet: is_on("quiet"),
            has_lines: !wishes.follows && !is_kept_alone && !is_stdout,
            has_hex,
            follows: wishes.follows,
            words,
            json: is_on("json").then(|| Json::new(job.clock).called(wishes.name())),
            follower: wishes.follows.then(StreamFollower::default),
            stream_words: StreamWords::new(job.out, job.view, is_on("verbose")),
            ordinals: HashMap::new(),
            kept,
            writer: Writer::stdout()?,
            failure: None,
            shown: 0,
            others: 0,
            dropped: 0,
            most: wishes.count,
        })
    }

    /// What is about to happen.
    pub(super) fn begin(&mut self) {
        let what = if self.follower.is_some() { "following streams on" } else { "capturing on" };
        let filter = match self.filter.as_str() {
            "" => String::new(),
            filter => format!(", filter: {}", safe(filter)),
        };
        let text = format!("{what} {}{filter}", safe(&self.name));
        let mut out = self.writer.take();
        match &mut self.json {
            Some(json) => json.remark(&mut out, self.clock.now(), &text),
            None => self.say(&format!("{text}        Ctrl-C stops")),
        }
        self.writer.give(out);
    }

    /// A sentence on stderr.
    fn say(&self, text: &str) {
        if !self.is_quiet {
            let _ = writeln!(streams::stderr(), "{text}");
        }
    }

    /// Whether as many packets were shown as somebody asked for, or no more can be.
    pub(super) fn is_enough(&self) -> bool {
        self.failure.is_some() || self.most.is_some_and(|most| self.shown >= most)
    }

    /// Whether no packet was taken yet.
    pub(super) fn has_nothing(&self) -> bool {
        self.shown == 0
    }

    /// An empty buffer for what is to be written.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.writer.take()
    }

    /// Takes one packet; those behind the last that was asked for are left out.
    pub(super) fn frame(&mut self, out: &mut Vec<u8>, frame: &CapturedFrame<'_>) {
        if self.is_enough() {
            return;
        }
        self.shown += 1;
        if let Some(kept) = &mut self.kept {
            self.failure = kept.frame(frame).err();
        }
        if self.follower.is_some() {
            self.follow(out, frame);
        } else if self.has_lines {
            self.line(out, frame);
        }
    }

    fn line(&mut self, out: &mut Vec<u8>, frame: &CapturedFrame<'_>) {
        let decoded = decode(frame);
        let numbers = self.words.numbers(&decoded);
        let line = self.words.line(frame, &decoded, numbers);
        let at = self.clock.now();
        if let Some(json) = &mut self.json {
            let (number, has_bytes) = (self.shown, self.has_hex);
            let packet = CapturedPacket {
                number,
                frame,
                decoded: &decoded,
                numbers,
                line: &line,
                has_bytes,
            };
            return json.packet(out, at, &packet);
        }
        let mut text = self.look.paint(Paint::Dim, &self.words.time(frame.at));
        let _ = writeln!(text, " {line}");
        if self.has_hex {
            hex_into(&mut text, frame.bytes, "    ", self.look.cells.unwrap_or(usize::MAX));
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn follow(&mut self, out: &mut Vec<u8>, frame: &CapturedFrame<'_>) {
        let Some(mut follower) = self.follower.take() else { return };
        let decoded = decode(frame);
        let is_of_one = follower.packet(frame.at, &decoded, |event| self.event(out, &event));
        self.others += u64::from(!is_of_one);
        self.follower = Some(follower);
    }

    fn event(&mut self, out: &mut Vec<u8>, event: &StreamEvent<'_>) {
        let Some(json) = &mut self.json else {
            let (words, mut text) = (&mut self.words, String::new());
            self.stream_words.event(&mut text, event, &mut |at| words.time(at));
            return out.extend_from_slice(text.as_bytes());
        };
        let ordinal = match event {
            StreamEvent::Said { id, way, .. } => {
                let count = self.ordinals.entry((*id, *way == StreamWay::Up)).or_insert(0);
                *count += 1;
                *count
            }
            StreamEvent::Closed(closed) => {
                self.ordinals.remove(&(closed.id, true));
                self.ordinals.remove(&(closed.id, false));
                0
            }
            _ => 0,
        };
        json.stream(out, self.clock.now(), event, ordinal);
    }

    /// Writes what was gathered.
    pub(super) fn give(&mut self, mut out: Vec<u8>) {
        if let Some(kept) = &mut self.kept
            && let Err(error) = kept.flush(&mut out)
        {
            self.failure.get_or_insert(error);
        }
        self.writer.give(out);
    }

    /// What the kernel has counted by now: drops are told.
    pub(super) fn counted(&mut self, counts: CaptureCounts) {
        let news = counts.dropped - self.dropped;
        if news == 0 {
            return;
        }
        self.dropped = counts.dropped;
        let Some(json) = &mut self.json else {
            let packets = count(news, "packet");
            let text = format!("{packets} dropped by the kernel: too many at once");
            return self.say(&self.look.paint(Paint::RedBold, &text));
        };
        let mut out = self.writer.take();
        json.packets_dropped(&mut out, self.clock.now(), news);
        self.writer.give(out);
    }

    /// Ready when there is room for more; the error of a write.
    pub(super) async fn room(&mut self) -> io::Result<()> {
        self.writer.reap()?;
        while !self.writer.has_room() {
            poll_fn(|cx| self.writer.poll_back(cx)).await?;
        }
        Ok(())
    }

    /// Ready with the error of a write that fails while nothing else is to be written.
    pub(super) async fn broken(&mut self) -> io::Error {
        loop {
            if let Err(error) = poll_fn(|cx| self.writer.poll_back(cx)).await {
                return error;
            }
        }
    }

    /// All is over: tells what is left to be told. The error is the one of a file that could not be written.
    pub(super) async fn finish(
        &mut self,
        counts: Option<CaptureCounts>,
        left: u64,
        within: Duration,
    ) -> Result<Option<u8>> {
        let mut out = self.writer.take();
        let mut streams = 0;
        if let Some(mut follower) = self.follower.take() {
            follower.finish(|event| self.event(&mut out, &event));
            streams = follower.streams();
        }
        if let Some(counts) = counts {
            self.counted(counts);
            if let Some(Err(error)) =
                self.kept.as_mut().map(|kept| kept.counts(counts.passed, counts.dropped))
            {
                self.failure.get_or_insert(error);
            }
        }
        let (shown, dropped, lasted) = (self.shown, self.dropped, self.clock.now());
        let summary = CaptureSummary { shown, dropped, left, streams, lasted };
        if let Some(json) = &mut self.json {
            json.captured(&mut out, lasted, &self.name, &summary);
        }
        self.give(out);
        let written = self.writer.finish(within).await;
        if let Err(error) = written {
            return output_failed(&error).map(Some);
        }
        if self.json.is_none() {
            self.say(&self.last_line(&summary, counts.is_some()));
        }
        self.failure.take().map_or(Ok(None), Err)
    }

    fn last_line(&self, summary: &CaptureSummary, is_live: bool) -> String {
        let packets = count(summary.shown, "packet");
        let mut text = match (&self.kept, self.follows) {
            (Some(kept), _) => {
                format!("{}: {packets} written to {}", safe(&self.name), safe(&kept.name))
            }
            (None, true) => {
                format!("{}: {} in {packets}", safe(&self.name), count(summary.streams, "stream"))
            }
            (None, false) => format!("{}: {packets} shown", safe(&self.name)),
        };
        if self.others > 0 {
            let _ = write!(text, ", {} of no TCP stream", grouped(self.others));
        }
        if is_live {
            let _ = write!(text, ", {} dropped by the kernel", grouped(summary.dropped));
        }
        if summary.left > 0 {
            let _ = write!(text, ", {} not shown any more", grouped(summary.left));
        }
        if is_live {
            let _ = write!(text, ", {}", span(summary.lasted));
        }
        text
    }
}
