//! Turns the events of servers into lines: for people on stderr, for programs on stdout.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::clock::Clock;
use hobnob::engine::{self, Control, Running, Server, Summary};
use hobnob::error::Result;
use hobnob::event::{Event, Fact};
use hobnob::fault::Panel;
use hobnob::streams::{self, StdoutWatch};

use crate::args::EXPLAIN;
use crate::job::Job;
use crate::process::signals::Quit;
use crate::report::calls::CallLines;
use crate::report::json::Json;
use crate::report::show::{count, fold, pad, safe, size, span, width};
use crate::report::text::Transcript;
use crate::report::writer::Writer;

/// Bytes of a chunk that a person is shown.
const SNAP: usize = 1_024;
/// Time between two pulls for a person.
const CALM: Duration = Duration::from_millis(25);
/// Time between two pulls for a program.
const BRISK: Duration = Duration::from_millis(10);
/// Events held between two pulls.
const HELD: usize = 4_096;
/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How long the line may take that says that nothing was started.
const GIVEN_UP: Duration = Duration::from_millis(500);
/// Notes that are remembered, so as not to be told once a server.
const NOTES: usize = 64;
/// Sessions that are kept in mind without a look at whether they are over.
const MANY: usize = 4_096;

enum Voice {
    /// For people, on stderr.
    Words(Box<Transcript>),
    /// For programs, on stdout.
    Json(Json),
}

/// One server as it is told about.
struct ToldServer {
    name: String,
    /// What it is called to people where it is the only one.
    title: String,
    service: String,
    /// Whether it is a relay.
    is_between: bool,
    /// The knobs of its faults, where it has some.
    faults: Option<Panel>,
    /// The name before a line, where there are several.
    label: String,
    subscription: Subscription,
    control: Control,
    /// Sessions that were seen to open.
    opened: u64,
}

/// What a server is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'n> {
    /// To programs, and on the command line of others.
    pub(crate) name: &'n str,
    /// To people, where it is the only one.
    pub(crate) title: &'n str,
    /// What it serves.
    pub(crate) service: &'n str,
}

/// Turns events into lines.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag, or where it stands")]
pub(crate) struct Teller {
    verb: &'static str,
    parts: Vec<ToldServer>,
    voice: Voice,
    writer: Writer,
    /// What has come, and of which part.
    events: Vec<(usize, Event)>,
    noted: HashSet<String>,
    /// Whether ends of sessions may be among what was missed.
    has_missed: bool,
    /// Sessions that may be kept in mind before those are looked for.
    most_in_mind: usize,
    clock: Clock,
    is_quiet: bool,
    is_verbose: bool,
    /// Why writing failed, once it has.
    broken: Option<io::Error>,
    /// Tells when nobody reads the events any more, also where there is none to write.
    watch: StdoutWatch,
    /// Whether calls to the kernel are told.
    explains: bool,
}

impl Teller {
    /// A teller of servers whose events are by this clock.
    pub(crate) fn new(job: &Job, clock: Clock, verb: &'static str) -> Result<Self> {
        let is_verbose = job.is_on("verbose");
        let calls = CallLines::of(job.text(EXPLAIN), job.err)?;
        let explains = calls.is_some();
        let (voice, writer) = if job.is_on("json") {
            (Voice::Json(Json::new(clock)), Writer::stdout()?)
        } else {
            let transcript = Transcript::new(clock, job.err, job.view, is_verbose);
            (Voice::Words(Box::new(transcript.with_calls(calls))), Writer::stderr()?)
        };
        let watch = match voice {
            Voice::Json(_) => StdoutWatch::begin(),
            Voice::Words(_) => StdoutWatch::default(),
        };
        Ok(Teller {
            verb,
            parts: Vec::new(),
            voice,
            writer,
            events: Vec::new(),
            noted: HashSet::new(),
            has_missed: false,
            most_in_mind: MANY,
            clock,
            is_quiet: job.is_on("quiet"),
            is_verbose,
            broken: None,
            watch,
            explains,
        })
    }

    /// The verb of what is told.
    pub(super) fn verb(&self) -> &'static str {
        self.verb
    }

    /// Hears a server that is about to start, from its first event on.
    pub(crate) fn hear(&self, server: &Server) -> Subscription {
        let snap = if matches!(self.voice, Voice::Json(_)) { usize::MAX } else { SNAP };
        let wish = Wish { data: !self.is_quiet, upstream: false, snap, capacity: HELD };
        let heard = server.subscribe(wish);
        // Of all else it says nothing.
        let heard =
            if self.is_quiet && !self.tells_programs() { heard.of_failures() } else { heard };
        if self.explains { heard.with_calls() } else { heard }
    }

    /// A server that has started, as it was heard.
    pub(crate) fn add(&mut self, subscription: Subscription, names: Names<'_>, running: &Running) {
        let Names { name, title, service } = names;
        self.parts.push(ToldServer {
            faults: running.faults(),
            name: name.to_owned(),
            title: title.to_owned(),
            service: service.to_owned(),
            is_between: engine::services()
                .iter()
                .any(|row| row.spec.name == service && row.targets().next().is_some()),
            label: String::new(),
            subscription,
            control: running.control(),
            opened: 0,
        });
    }

    /// A line to people; programs have events.
    pub(crate) fn say(&mut self, text: &str) {
        if matches!(self.voice, Voice::Words(_)) && !self.is_quiet {
            let mut out = self.writer.take();
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
            self.writer.give(out);
        }
    }

    /// The same for a sentence, which is broken at words where the terminal is narrow.
    pub(crate) fn say_sentence(&mut self, text: &str) {
        let columns = streams::columns(&io::stderr()).unwrap_or(usize::MAX);
        self.say(&fold(text, columns).join("\n"));
    }

    /// A remark, for `--verbose` and for programs.
    pub(crate) fn remark(&mut self, text: &str) {
        let at = self.clock.now();
        let mut out = self.writer.take();
        match &mut self.voice {
            Voice::Json(json) => {
                let fact = Fact::Note(text.to_owned());
                json.speak_of("", "", false);
                json.event(&mut out, &Event { at, session: 0, fact });
            }
            Voice::Words(transcript) if self.is_verbose && !self.is_quiet => {
                let mut words = String::new();
                transcript.speak_of(0, "");
                transcript.event(
                    &mut words,
                    &Event { at, session: 0, fact: Fact::Note(text.to_owned()) },
                );
                out.extend_from_slice(words.as_bytes());
            }
            Voice::Words(_) => {}
        }
        self.writer.give(out);
    }

    /// Tells programs where each server listens, once all were added; false: people are to be told in words.
    pub(crate) fn listening(&mut self, all: &[Running]) -> bool {
        let cells = self.parts.iter().map(|part| width(&safe(&part.name))).max().unwrap_or(0);
        let is_several = self.parts.len() > 1;
        for part in self.parts.iter_mut().filter(|_| is_several) {
            part.label = pad(&safe(&part.name), cells + 2);
        }
        let Voice::Json(json) = &mut self.voice else { return false };
        let mut out = self.writer.take();
        for (part, running) in self.parts.iter().zip(all) {
            json.speak_of(&part.name, &part.service, self.parts.len() > 1);
            for bound in running.bound() {
                let address = bound.address.to_string();
                let bent = bent(running);
                json.listening(&mut out, bound, &address, bent.as_ref());
            }
        }
        self.writer.give(out);
        true
    }

    /// Whether it speaks in events.
    pub(super) fn tells_programs(&self) -> bool {
        matches!(self.voice, Voice::Json(_))
    }

    /// For how long events may wait before they are pulled.
    pub(super) fn interval(&self) -> Duration {
        match self.voice {
            Voice::Json(_) => BRISK,
            Voice::Words(_) => CALM,
        }
    }

    /// Tells what has happened since the last time, unless the reader is slow: then events wait, and are dropped and
    /// counted where they are too many. Answers how many there were.
    pub(crate) fn pump(&mut self) -> usize {
        if let Err(error) = self.writer.reap() {
            self.broken.get_or_insert(error);
        }
        if !self.writer.has_room() {
            return 0;
        }
        let missed = self.pull();
        match &self.voice {
            Voice::Json(_) => self.tell_programs(&missed),
            Voice::Words(_) => self.tell_people(&missed),
        }
        self.events.len()
    }

    /// Rests: after events for a rhythm, and then until there is something to tell.
    pub(crate) async fn rest(&mut self, rhythm: Option<Duration>) {
        if let Some(rhythm) = rhythm {
            tokio::time::sleep(rhythm).await;
            if self.has_missed {
                // The next pull shows whether this is a lull, in which what was missed is cleared up.
                return;
            }
        }
        poll_fn(|cx| self.poll_changed(cx)).await;
    }

    /// Ready when there are events and room for their lines, or when writing has failed.
    fn poll_changed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(written) = self.writer.poll_back(cx) {
            if let Err(error) = written {
                self.broken.get_or_insert(error);
                return Poll::Ready(());
            }
        }
        if self.watch.poll_deserted(cx).is_ready() {
            self.broken.get_or_insert(io::ErrorKind::BrokenPipe.into());
            return Poll::Ready(());
        }
        if !self.writer.has_room() {
            return Poll::Pending;
        }
        let changed =
            self.parts.iter().filter(|part| part.subscription.poll_changed(cx).is_ready());
        if changed.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes what has come, in the order of time; how much was dropped of each part.
    fn pull(&mut self) -> Vec<u64> {
        self.events.clear();
        let (mut missed, mut come) = (Vec::new(), Vec::new());
        for (at, part) in self.parts.iter_mut().enumerate() {
            missed.push(part.subscription.pull(&mut come));
            let is_opening = |event: &&Event| matches!(event.fact, Fact::Opened(_));
            part.opened += come.iter().filter(is_opening).count() as u64;
            self.events.extend(come.drain(..).map(|event| (at, event)));
        }
        if self.parts.len() > 1 {
            self.events.sort_by_key(|(_, event)| event.at);
        }
        missed
    }

    fn tell_programs(&mut self, missed: &[u64]) {
        let Voice::Json(json) = &mut self.voice else { return };
        let mut out = self.writer.take();
        let is_several = self.parts.len() > 1;
        for (at, event) in &self.events {
            let part = &self.parts[*at];
            json.speak_of(&part.name, &part.service, is_several);
            json.speak_between(part.is_between);
            json.event(&mut out, event);
        }
        for (part, missed) in self.parts.iter().zip(missed).filter(|(_, missed)| **missed > 0) {
            json.speak_of(&part.name, &part.service, is_several);
            json.missed(&mut out, *missed);
        }
        self.writer.give(out);
    }

    fn tell_people(&mut self, missed: &[u64]) {
        let Voice::Words(transcript) = &mut self.voice else { return };
        transcript.fit(streams::columns(&io::stderr()));
        let mut out = String::from_utf8(self.writer.take()).expect("the writer clears its buffers");
        for (at, event) in &self.events {
            // What a peer did wrong in its own session is no error of ours.
            let is_ours = matches!(event.fact, Fact::Failed(_)) && event.session == 0;
            let is_asked_for = matches!(event.fact, Fact::Called(_));
            if self.is_quiet && !is_ours && !is_asked_for {
                continue;
            }
            // What this machine lacks it lacks for each server alike.
            if let (true, Fact::Note(note)) = (self.parts.len() > 1, &event.fact)
                && self.noted.len() < NOTES
                && !self.noted.insert(note.clone())
            {
                continue;
            }
            transcript.speak_of(*at, &self.parts[*at].label);
            transcript.speak_between(self.parts[*at].is_between);
            transcript.event(&mut out, event);
        }
        let is_told = |missed: &u64| *missed > 0 && !self.is_quiet;
        for (at, missed) in missed.iter().enumerate().filter(|(_, missed)| is_told(missed)) {
            transcript.speak_of(at, &self.parts[at].label);
            transcript.missed(&mut out, self.clock.now(), *missed);
        }
        self.writer.give(out.into_bytes());
        self.forget(missed);
    }

    /// Forgets sessions whose ends may be among what was missed: once nothing comes any more, or there are many.
    fn forget(&mut self, missed: &[u64]) {
        let Voice::Words(transcript) = &mut self.voice else { return };
        self.has_missed |= missed.iter().any(|missed| *missed > 0);
        let is_time = self.events.is_empty() || transcript.in_mind() > self.most_in_mind;
        if !self.has_missed || !is_time {
            return;
        }
        for (at, part) in self.parts.iter().enumerate() {
            let open = part.control.sessions(0, usize::MAX);
            let open: HashSet<_> = open.iter().map(|session| session.id).collect();
            transcript.forget(at, |session| open.contains(&session));
        }
        self.has_missed = !self.events.is_empty();
        self.most_in_mind = MANY.max(2 * transcript.in_mind());
    }

    /// Says that a signal came before all was started.
    pub(crate) async fn give_up(&mut self, by: Quit) {
        if by == Quit::Typed {
            self.end_typed_line();
        }
        self.say_sentence("the start was given up, and nothing is left open");
        let _ = self.writer.finish(GIVEN_UP).await;
    }

    /// After Ctrl-C: the terminal has printed ^C, and no newline.
    pub(super) fn end_typed_line(&mut self) {
        if io::stderr().is_terminal() {
            self.say("");
        }
    }

    /// The last lines, and how it all went.
    pub(super) async fn finish(&mut self, summaries: &[Summary]) {
        // A reader that takes nothing would not take the rest either.
        if !self.flush().await {
            return;
        }
        while self.pump() > 0 {
            let _ = self.writer.finish(LAST_LINES).await;
        }
        for (at, summary) in summaries.iter().enumerate() {
            self.sum_up(at, *summary);
        }
        self.flush().await;
    }

    /// Whether everything was written in time.
    async fn flush(&mut self) -> bool {
        let written = self.writer.finish(LAST_LINES).await;
        self.broken = self.broken.take().or(written.err());
        self.writer.is_idle()
    }

    fn sum_up(&mut self, at: usize, summary: Summary) {
        let Some(part) = self.parts.get(at) else { return };
        if let Voice::Json(json) = &mut self.voice {
            let mut out = self.writer.take();
            json.speak_of(&part.name, &part.service, false);
            let hits = part.faults.as_ref().map(Panel::totals).unwrap_or_default();
            json.summary(&mut out, self.verb, &summary, &hits);
            self.writer.give(out);
            return;
        }
        // Without sessions it was packets that came.
        let noun = if part.opened == 0 { "packet" } else { "session" };
        let (came, went) = if part.is_between { ("up", "down") } else { ("in", "out") };
        let mut text = format!(
            "{}: {}, {} {came}, {} {went}, {}",
            safe(&part.title),
            count(summary.sessions, if summary.sessions == 0 { "session" } else { noun }),
            size(summary.bytes_in),
            size(summary.bytes_out),
            span(summary.lasted)
        );
        for (number, word) in [(summary.refused, "refused"), (summary.dropped, "dropped")] {
            if number > 0 {
                let _ = write!(text, ", {number} {word}");
            }
        }
        let hits = part.faults.as_ref().map(Panel::totals).unwrap_or_default();
        let hits: Vec<_> = hits.iter().map(|(kind, hits)| format!("{kind} {hits}")).collect();
        if !hits.is_empty() {
            let _ = write!(text, "\nfaults hit: {}", hits.join(", "));
        }
        self.say(&text);
    }

    /// Whether what is told reaches nobody, and nothing else is left to be done here.
    pub(super) fn is_unheard(&self) -> bool {
        self.tells_programs() && self.broken.is_some()
    }

    /// Why writing failed, where the events were for a program alone.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.broken.as_ref().filter(|_| self.is_unheard())
    }
}

/// The faults that are on, as they were typed, and the seed of their chance.
pub(crate) fn bent(running: &Running) -> Option<(Vec<String>, u64)> {
    let settings = running.faults()?.settings();
    let texts: Vec<_> = settings.iter().map(|setting| setting.text().to_owned()).collect();
    (!texts.is_empty()).then(|| (texts, running.seed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::command::usages;
    use crate::config::Settings;
    use crate::env::Environment;
    use crate::report::error::TypedCommand;
    use hobnob::bus::Bus;
    use hobnob::chunk::Direction;
    use hobnob::event::Bent;
    use hobnob::fault::Act;

    /// Events that are kept for the teller of the test.
    const ROOM: usize = 8;

    fn job() -> Job {
        let words = ["serve".to_owned(), "--quiet".to_owned()];
        let mut typed = TypedCommand { usages: usages(), ..TypedCommand::default() };
        let mut parsed = args::parse(&words, typed.usages).expect("it is right");
        let (_, matches) = parsed.remove_subcommand().expect("a verb");
        let (environment, settings) = (Environment::default(), Settings::default());
        Job::new(None, matches, &mut typed, environment, settings, Clock::start()).expect("a job")
    }

    /// A server without sessions, and a teller that hears a bus of the test in place of its own.
    fn scene() -> (Running, Bus, Teller) {
        let service = engine::services()[0].spec.name;
        let mut server = Server::new(service).expect("it is of the table");
        server.at("127.0.0.1:0").expect("an address");
        let running = server.start().expect("it starts");
        let job = job();
        let bus = Bus::new(job.clock, 1);
        let wish = Wish { data: false, upstream: false, snap: 0, capacity: ROOM };
        let mut teller = Teller::new(&job, job.clock, "serve").expect("a thread");
        teller.is_quiet = false;
        teller.writer = Writer::new("nowhere", |_| Ok(())).expect("a thread");
        let names = Names { name: "x", title: "x", service };
        teller.add(bus.subscribe(wish), names, &running);
        (running, bus, teller)
    }

    fn in_mind(teller: &Teller) -> usize {
        let Voice::Words(transcript) = &teller.voice else { panic!("it speaks to people") };
        transcript.in_mind()
    }

    fn hold(bus: &Bus, session: u64) {
        let act = Act::Held(Duration::from_millis(1));
        let bent = Bent { kind: "a", direction: Direction::Out, act };
        bus.emit(0, session, Fact::Bent(Box::new(bent)));
    }

    #[test]
    fn a_session_whose_end_was_missed_is_forgotten() {
        let (_running, bus, mut teller) = scene();
        hold(&bus, 7);
        teller.pump();
        assert_eq!(in_mind(&teller), 1);
        // Nothing was missed so far: its end may still come.
        teller.pump();
        assert_eq!(in_mind(&teller), 1);
        (0..=2 * ROOM).for_each(|_| bus.emit(0, 0, Fact::Draining { open: 0 }));
        teller.pump();
        assert!(teller.has_missed, "some of it had no room");
        assert_eq!(teller.pump(), 0, "nothing comes any more");
        assert_eq!(in_mind(&teller), 0);
    }

    #[test]
    fn after_something_was_missed_a_lull_is_looked_for_although_nothing_comes() {
        let (_running, bus, mut teller) = scene();
        hold(&bus, 7);
        (0..=2 * ROOM).for_each(|_| bus.emit(0, 0, Fact::Draining { open: 0 }));
        assert!(teller.pump() > 0);
        let rest = async {
            let rest = teller.rest(Some(Duration::from_millis(1)));
            tokio::time::timeout(Duration::from_secs(20), rest).await.expect("it does not wait");
        };
        crate::process::runtime().expect("a runtime").block_on(rest);
        assert_eq!((teller.pump(), in_mind(&teller)), (0, 0));
    }

    #[test]
    fn sessions_whose_ends_are_missed_are_forgotten_although_there_is_no_lull() {
        let (_running, bus, mut teller) = scene();
        for session in 1..3 * MANY as u64 {
            hold(&bus, session);
            if session == 1 {
                (0..=2 * ROOM).for_each(|_| bus.emit(0, 0, Fact::Draining { open: 0 }));
            }
            teller.pump();
        }
        assert!(in_mind(&teller) <= MANY, "{}", in_mind(&teller));
    }
}
