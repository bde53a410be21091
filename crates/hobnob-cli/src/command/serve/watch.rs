//! Tells what happens while a server runs, and sees it to its end.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::clock::Clock;
use hobnob::engine::{Running, Server, Summary};
use hobnob::error::{Error, Result};
use hobnob::event::{Event, Fact};
use hobnob::service::Row;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::{Scene, output_failed};
use crate::report::json::Json;
use crate::report::show::{count, safe, size, span};
use crate::report::sink::Sink;
use crate::report::text::Transcript;

/// Bytes of a chunk that a person is shown.
const SNAP: usize = 1_024;
/// Between two pulls for a person, who cannot read faster.
const CALM: Duration = Duration::from_millis(25);
/// Between two pulls for a program.
const BRISK: Duration = Duration::from_millis(10);
/// Between two pulls while much comes.
const BUSY: Duration = Duration::from_millis(1);
/// As many events at once are much.
const MUCH: usize = 512;
/// Events held between two pulls.
const HELD: usize = 4_096;
/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// SIGINT and SIGTERM.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Signals are caught before anything is open, so that none is missed.
pub(super) fn signals() -> Result<Signals> {
    let open = |kind| signal(kind).map_err(|error| Error::from_io("sigaction", &error));
    Ok(Signals {
        interrupt: open(SignalKind::interrupt())?,
        terminate: open(SignalKind::terminate())?,
    })
}

enum Voice {
    /// For people, on stderr.
    Words(Transcript),
    /// For programs, on stdout.
    Json(Json),
}

/// Turns events into lines.
pub(crate) struct Teller {
    pub(super) name: String,
    voice: Voice,
    sink: Sink,
    subscription: Subscription,
    events: Vec<Event>,
    clock: Clock,
    is_quiet: bool,
    /// Sessions that were seen to open.
    opened: u64,
    /// What is served stands between two sides.
    is_between: bool,
    /// What became of writing.
    broken: Option<io::Error>,
}

impl Teller {
    /// A teller that sees everything of a server that is about to start.
    pub(super) fn new(scene: &Scene, server: &Server, name: &str, row: &Row) -> Self {
        let clock = server.clock();
        let (is_quiet, is_json) = (scene.is_on("quiet"), scene.is_on("json"));
        let snap = if is_json { usize::MAX } else { SNAP };
        let is_between = row.targets().next().is_some();
        let subscription = server.subscribe(Wish { data: !is_quiet, snap, capacity: HELD });
        let (voice, sink) = if is_json {
            let json = Json::new(clock, name, row.spec.name).between(is_between);
            (Voice::Json(json), Sink::stdout())
        } else {
            let is_verbose = scene.is_on("verbose");
            let transcript = Transcript::new(clock, scene.err, scene.view, is_verbose);
            (Voice::Words(transcript.between(is_between)), Sink::stderr())
        };
        let name = name.to_owned();
        let events = Vec::new();
        Teller {
            name,
            voice,
            sink,
            subscription,
            events,
            clock,
            is_quiet,
            opened: 0,
            is_between,
            broken: None,
        }
    }

    /// A line to people; programs have events.
    pub(super) fn say(&mut self, text: &str) {
        if matches!(self.voice, Voice::Words(_)) && !self.is_quiet {
            let mut out = self.sink.take();
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
            self.sink.give(out);
        }
    }

    /// What is bound, as events.
    pub(super) fn listening(&mut self, running: &Running) -> bool {
        let Voice::Json(json) = &mut self.voice else { return false };
        let mut out = self.sink.take();
        for bound in running.bound() {
            json.listening(&mut out, bound.transport, &bound.endpoint, &bound.address.to_string());
        }
        self.sink.give(out);
        true
    }

    fn interval(&self) -> Duration {
        match self.voice {
            _ if self.events.capacity() > MUCH && self.events.len() > MUCH => BUSY,
            Voice::Json(_) => BRISK,
            Voice::Words(_) => CALM,
        }
    }

    /// Tells what has happened since the last time, unless the reader is slow: then events wait, and are dropped and
    /// counted where they are too many. Answers how many there were.
    fn pump(&mut self) -> usize {
        if let Err(error) = self.sink.reap() {
            self.broken.get_or_insert(error);
        }
        if !self.sink.has_room() {
            return 0;
        }
        self.events.clear();
        let missed = self.subscription.pull(&mut self.events);
        let mut out = self.sink.take();
        match &mut self.voice {
            Voice::Json(json) => {
                for event in &self.events {
                    self.opened += u64::from(matches!(event.fact, Fact::Opened(_)));
                    json.event(&mut out, event);
                }
                if missed > 0 {
                    json.missed(&mut out, missed);
                }
            }
            Voice::Words(transcript) => {
                let mut text = String::from_utf8(out).expect("the sink clears its buffers");
                for event in &self.events {
                    self.opened += u64::from(matches!(event.fact, Fact::Opened(_)));
                    if !self.is_quiet || matches!(event.fact, Fact::Failed(_)) {
                        transcript.event(&mut text, event);
                    }
                }
                if missed > 0 && !self.is_quiet {
                    transcript.missed(&mut text, self.clock.now(), missed);
                }
                out = text.into_bytes();
            }
        }
        self.sink.give(out);
        self.events.len()
    }

    /// How it all went.
    fn sum_up(&mut self, summary: Summary) {
        // Without sessions it was packets that came.
        let noun = if self.opened == 0 { "packet" } else { "session" };
        let mut text = format!(
            "{}: {}, {} {}, {} {}, {}",
            safe(&self.name),
            count(summary.sessions, if summary.sessions == 0 { "session" } else { noun }),
            size(summary.bytes_in),
            if self.is_between { "up" } else { "in" },
            size(summary.bytes_out),
            if self.is_between { "down" } else { "out" },
            span(summary.lasted)
        );
        for (number, word) in [(summary.refused, "refused"), (summary.dropped, "dropped")] {
            if number > 0 {
                let _ = write!(text, ", {number} {word}");
            }
        }
        if let Voice::Json(json) = &mut self.voice {
            let numbers = [
                ("sessions", summary.sessions),
                ("in", summary.bytes_in),
                ("out", summary.bytes_out),
                ("refused", summary.refused),
                ("dropped", summary.dropped),
            ];
            let mut out = self.sink.take();
            json.summary(&mut out, "serve", &numbers, summary.lasted);
            self.sink.give(out);
        }
        self.say(&text);
    }

    /// Whether what is told reaches nobody, and nothing else is left to be done here.
    fn is_unheard(&self) -> bool {
        matches!(self.voice, Voice::Json(_)) && self.broken.is_some()
    }
}

/// Tells until the server is over; answers the exit code.
pub(crate) async fn watch(
    running: Running,
    mut teller: Teller,
    mut signals: Signals,
) -> Result<u8> {
    let mut asked = 0_u32;
    let summary = {
        let finished = running.finished();
        tokio::pin!(finished);
        loop {
            let busy = teller.pump() > MUCH;
            // The log's reader may leave, and the server lives on; the events' reader is who it all is for.
            if teller.is_unheard() && asked == 0 {
                asked = 1;
                running.drain();
            }
            let interval = if busy { BUSY } else { teller.interval() };
            tokio::select! {
                summary = &mut finished => break summary,
                () = tokio::time::sleep(interval) => {}
                _ = signals.interrupt.recv() => stop(&running, &mut teller, &mut asked, true),
                _ = signals.terminate.recv() => stop(&running, &mut teller, &mut asked, false),
            }
        }
    };
    let finish = async {
        let written = teller.sink.finish(LAST_LINES).await;
        teller.broken = teller.broken.take().or(written.err());
        while teller.pump() > 0 {
            let _ = teller.sink.finish(LAST_LINES).await;
        }
        teller.sum_up(summary);
        let written = teller.sink.finish(LAST_LINES).await;
        teller.broken = teller.broken.take().or(written.err());
    };
    tokio::select! {
        () = finish => {}
        _ = signals.interrupt.recv() => {}
        _ = signals.terminate.recv() => {}
    }
    match &teller.broken {
        Some(error) if teller.is_unheard() => output_failed(error),
        _ => Ok(0),
    }
}

/// The first signal lets sessions come to their ends, the second cuts them.
fn stop(running: &Running, teller: &mut Teller, asked: &mut u32, is_typed: bool) {
    *asked += 1;
    if *asked > 1 {
        running.cut();
        return;
    }
    let open = running.open();
    running.drain();
    if is_typed && io::stderr().is_terminal() {
        // The terminal has printed ^C, and no newline.
        teller.say("");
    }
    if open > 0 {
        let it = if open == 1 { "it" } else { "them" };
        let again = if is_typed { format!(" (Ctrl-C again to drop {it})") } else { String::new() };
        teller.say(&format!("closing {}{again}", count(open, "session")));
    }
}
