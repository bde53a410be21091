//! `hobnob talk`: type to any socket; pipe in, pipe out.

mod chunk;
mod converse;
mod echoed;
mod editor;
mod event;
mod input;
mod orders;
mod pacing;
mod pipe;
mod show;
mod source;
mod terminal;
mod wishes;
mod words;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::endpoint::Endpoint;
use hobnob::engine::{self, Dialer};
use hobnob::error::Result;
use hobnob::event::Fact;
use hobnob::streams;

use crate::args::{
    self, COMMON, EXPLAINING, Flag, FlagGroup, OPENING, SCRIPTING, SHOWING, Usage, switch, value,
};
use crate::calling::{Explainer, PythonScript};
use crate::job::{Job, Verb};
use crate::process::signals::Signals;
use crate::process::{INTERRUPTED, runtime};
use crate::report::json::Json;
use crate::report::look::Paint;
use crate::report::show::safe;
use wishes::{Connected, TalkFlags};
use words::write_failed;

/// How long connecting may take, where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Notes that are kept until a conn is there.
const NOTES: usize = 16;
/// Ports whose protocols want `\r\n` from a person who types.
const CRLF_PORTS: [u16; 10] = [21, 25, 70, 79, 80, 110, 119, 143, 587, 6667];

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "talk",
        words: "ADDR [MESSAGE...]",
        endpoints: 0..1,
        flags: &[
            FlagGroup::Own(TALKING),
            FlagGroup::Own(SHOWING),
            FlagGroup::Own(EXPLAINING),
            FlagGroup::Own(SCRIPTING),
            FlagGroup::Own(OPENING),
            FlagGroup::Own(COMMON),
        ],
        heeds_settings: true,
        page: include_str!("../../help/talk.md"),
    },
    run,
};

/// Flags of a conversation.
const TALKING: &[Flag] = &[
    switch("listen", None, "accept one peer there instead of dialling"),
    value(
        "eol",
        "lf|crlf|none",
        "what Enter and each MESSAGE send at their end; piped lines too, if said",
    ),
    value(
        "framing",
        "none|whole",
        "send standard input as it comes, or all of it as one message; not by lines",
    ),
    value("wait", "DUR", "silence allowed after one side has ended, and before the next MESSAGE"),
    value("idle", "DUR", "give up after so much silence"),
    value("timeout", "DUR", "how long connecting may take (10s)"),
    switch("retry", None, "while nobody listens there yet, try again with growing pauses"),
    switch("half-close", None, "end our side when the input ends (the default)"),
    switch("no-half-close", None, "keep our side open when the input ends"),
    switch("force", None, "overwrite the file of --as-python"),
];

fn run(job: &Job) -> Result<u8> {
    let endpoint = job.endpoint("talk to whom? an address is missing", ":9000")?;
    job.check_stdout(std::slice::from_ref(&endpoint))?;
    let messages = job.words().into_iter().skip(1).collect();
    let wishes = TalkFlags::read(job, messages)?;
    let runtime = runtime()?;
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, converse(job, &wishes, &endpoint));
    // A read of stdin may still be blocked on its thread.
    runtime.shutdown_background();
    result
}

async fn converse(job: &Job, wishes: &TalkFlags, endpoint: &Endpoint) -> Result<u8> {
    let mut signals = Signals::catch()?;
    let script = match signals.unless_asked(PythonScript::open(job, endpoint)).await {
        Ok(script) => script?,
        Err(asked) => return Ok(interrupted(asked.code())),
    };
    let dialer = dialer(job)?;
    let dialer = script.iter().fold(dialer, |dialer, script| dialer.observer(script.observer()));
    let mut calls = Explainer::of(job, dialer.bus())?;
    let line = tokio::select! {
        line = connect(job, wishes, endpoint, dialer) => line,
        asked = signals.next() => return Ok(interrupted(asked.code())),
    };
    let talked = match line {
        Ok(line) if wishes.has_lines() && !job.environment.is_dumb => {
            terminal::run(job, wishes, line, &mut calls, &mut signals).await
        }
        Ok(line) => pipe::run(job, wishes, line, &mut calls, &mut signals).await.map(interrupted),
        Err(error) => Err(error),
    };
    let ended = tokio::select! {
        biased;
        asked = signals.next() => Err(asked),
        written = last_words(calls, script) => Ok(written),
    };
    match (talked, ended) {
        (Err(error), _) => Err(error),
        (Ok(code), Ok(written)) => written.map(|()| code),
        (Ok(_), Err(asked)) => Ok(interrupted(asked.code())),
    }
}

/// What is told once the conn is closed: the last calls, and the script.
async fn last_words(calls: Option<Explainer>, script: Option<PythonScript>) -> Result<()> {
    if let Some(mut calls) = calls {
        calls.finish().await;
    }
    match script {
        Some(script) => script.finish().await,
        None => Ok(()),
    }
}

/// A terminal that is not in the editor's hands has printed ^C, and no newline.
fn interrupted(code: u8) -> u8 {
    if code == INTERRUPTED && std::io::stderr().is_terminal() {
        let _ = streams::stderr().write_all(b"\n");
    }
    code
}

fn dialer(job: &Job) -> Result<Dialer> {
    let timeout = args::duration(&job.matches, "timeout")?.or(job.environment.timeout);
    Ok(Dialer::default().family(job.family()?).timeout(timeout.unwrap_or(TIMEOUT)))
}

async fn connect(
    job: &Job,
    wishes: &TalkFlags,
    endpoint: &Endpoint,
    dialer: Dialer,
) -> Result<Connected> {
    let notes =
        dialer.bus().subscribe(Wish { data: false, upstream: false, snap: 0, capacity: NOTES });
    if job.is_on("listen") {
        let began = job.clock.now();
        let waiting = dialer.listen(endpoint).await;
        tell_notes(job, wishes, &notes);
        let waiting = waiting?;
        announce(job, wishes, &waiting)?;
        let (conn, pump) = waiting.accept().await?;
        // Packets of a shared socket come through the pump, for as long as we talk.
        tokio::task::spawn_local(pump.run());
        let took = job.clock.now().saturating_sub(began);
        return Ok(Connected { conn, took, wants_crlf: None });
    }
    let open = dialer.retry(job.is_on("retry")).dial(endpoint).await;
    tell_notes(job, wishes, &notes);
    let open = open?;
    let wants_crlf = endpoint.port().filter(|port| CRLF_PORTS.contains(port));
    Ok(Connected { conn: open.conn, took: open.took, wants_crlf })
}

/// What a person wants to know before anything is said: that nobody checks who the peer is.
fn tell_notes(job: &Job, wishes: &TalkFlags, notes: &Subscription) {
    let mut events = Vec::new();
    notes.pull(&mut events);
    for event in events {
        let text = match event.fact {
            Fact::Note(text) => job.err.broken(&safe(&text)),
            Fact::Warning(text) => job.err.paint(Paint::RedBold, &job.err.broken(&safe(&text))),
            _ => continue,
        };
        if !wishes.is_quiet {
            let _ = writeln!(streams::stderr(), "{text}");
        }
    }
}

/// Says where a peer is waited for.
fn announce(job: &Job, wishes: &TalkFlags, waiting: &engine::Waiting) -> Result<()> {
    let mut lines = Vec::new();
    let mut json = Json::new(job.clock).called("talk");
    let mut text = String::new();
    for bound in waiting.bound() {
        let address = bound.address.to_string();
        json.listening(&mut lines, &bound, &address, None);
        let _ = writeln!(text, "waiting for one peer on {}, {}", bound.transport, safe(&address));
    }
    if wishes.is_json {
        let mut out = streams::stdout();
        out.write_all(&lines).and_then(|()| out.flush()).map_err(|error| write_failed(&error))?;
    } else if !wishes.is_quiet {
        let _ = writeln!(streams::stderr(), "{}", job.err.broken(&text));
    }
    Ok(())
}
