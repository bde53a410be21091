//! `hobnob bench`: load on any socket, and how long its rounds take.

mod condition;
mod flags;
mod machine;
mod notes;
mod panel;
mod plot;
mod remote;
mod rival;
mod run;
mod saved;
mod show;
mod table;
mod told;

use hobnob::endpoint::Endpoint;
use hobnob::engine::Crew;
use hobnob::error::{Error, Kind, Result};
use hobnob::socket;

use crate::advice::Propose as _;
use crate::args::{COMMON, Flag, FlagGroup, OPENING, Usage, switch, value};
use crate::job::{Job, Verb};
use crate::process::runtime;
use crate::process::signals::{Quit, Signals};
use crate::report::benched::Benched;

use self::condition::Condition;
use self::flags::BenchFlags;
use self::run::{BenchRun, Halt};
use self::saved::SavedRun;

/// Descriptors that are open beside the conns.
const OTHER_FILES: u64 = 64;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "bench",
        words: "ADDR...",
        endpoints: 0..flags::MOST_ENDPOINTS,
        flags: &[FlagGroup::Own(BENCHING), FlagGroup::Own(OPENING), FlagGroup::Own(COMMON)],
        heeds_settings: true,
        page: include_str!("../../help/bench.md"),
    },
    run,
};

/// Flags of a load.
const BENCHING: &[Flag] = &[
    Flag { short: Some('c'), ..value("connections", "N", "so many at once (50)") },
    Flag { short: Some('d'), ..value("duration", "DUR", "how long it is measured (10s)") },
    Flag { short: Some('n'), ..value("count", "N", "so many messages in all, in place of a time") },
    value("mode", "WORD", "pingpong, connect, stream or http (pingpong; http where ADDR says so)"),
    value("way", "up|down|both", "which way a stream goes (both: to an echo and back)"),
    value("size", "N", "bytes of a message (64), or of a piece of a stream (128k)"),
    value("pipeline", "N", "messages of a connection that are under way at once (1)"),
    value("rate", "N/s", "open loop: so many messages a second, counted from when they were due"),
    value("warmup", "DUR", "so long before what is measured (0s)"),
    value("data", "TEXT|@FILE", "what is sent, or the body of a request; @- is standard input"),
    value("expect", "REGEX", "what comes back, where it is no echo"),
    Flag {
        short: Some('X'),
        ..value("method", "METHOD", "of a request: GET, or POST with --data")
    },
    Flag {
        short: Some('H'),
        repeats: true,
        ..value("header", "K:V", "a field of a request; without a value it is left out (repeat)")
    },
    value("timeout", "DUR", "when a datagram is lost, and how long replies are waited for (1s)"),
    value("rounds", "N", "of several addresses: how often they take turns (10)"),
    Flag {
        repeats: true,
        ..value("fail-if", "COND", "exit 1 where this holds: p99>5ms, rate<9000")
    },
    value("save", "FILE", "what was measured, to compare with later"),
    value("against", "FILE", "compares with what was saved"),
    value("plot", "FILE.svg", "latency by percentile, and the rate over time"),
    switch("force", None, "overwrite the files of --save and --plot"),
    switch("csv", None, "a table for programs"),
    switch("markdown", None, "a table for a document"),
    switch("yes-remote", None, "the server is on another machine, and may be loaded"),
    switch("quiet", Some('q'), "no panel and no notes"),
];

fn run(job: &Job) -> Result<u8> {
    let endpoints = endpoints(job)?;
    let flags = BenchFlags::read(job, &endpoints)?;
    let conditions = conditions(job)?;
    let against = job.text("against").map(SavedRun::read).transpose()?;
    saved::check_room(job)?;
    let loads = flags.plans(job, &endpoints)?;
    remote::check(job, &endpoints)?;
    make_room(flags.connections)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        // Before any other thread is started.
        let signals = Signals::catch()?;
        signals.are_for_a_measurement();
        let crew = Crew::start()?;
        let mut bench = BenchRun::new(job, &flags, crew, signals)?;
        let halt = if loads.len() == 1 {
            bench.alone(&loads[0]).await
        } else {
            bench.in_turn(&loads).await
        };
        bench.clear().await;
        let (halt, ended) = match halt {
            Ok(halt) => (halt, None),
            Err(error) if bench.has_results() => (Halt::Done, Some(error)),
            Err(error) => return Err(error),
        };
        let results = bench.results();
        let is_empty = results.iter().all(|result| result.figures().done() == 0);
        if let Halt::Asked(by) = halt
            && is_empty
        {
            return Ok(by.code());
        }
        let code = tell(job, &flags, &results, &conditions, against.as_ref())?;
        match (ended, halt) {
            (Some(error), _) => Err(error),
            (None, Halt::Asked(by @ (Quit::Told | Quit::HungUp))) => Ok(by.code()),
            // Cut short with results, it is done.
            (None, Halt::Asked(Quit::Typed) | Halt::Done) => Ok(code),
        }
    });
    // The resolver may still be blocked on its thread.
    runtime.shutdown_background();
    result
}

/// The addresses, with the options that stand before them.
fn endpoints(job: &Job) -> Result<Vec<Endpoint>> {
    let (mut endpoints, loose) = job.endpoints(0, usize::MAX)?;
    if endpoints.is_empty() {
        let error = Error::new(Kind::Usage, "bench whom? an address is missing");
        return Err(error.try_command("hobnob bench :9000", "an echo on this machine"));
    }
    if endpoints.len() > flags::MOST_ENDPOINTS {
        let text = format!("bench compares at most {} addresses", flags::MOST_ENDPOINTS);
        return Err(Error::new(Kind::Usage, text).try_command("hobnob bench -h", ""));
    }
    for option in &loose {
        endpoints.iter_mut().try_for_each(|endpoint| endpoint.set(option))?;
    }
    Ok(endpoints)
}

fn conditions(job: &Job) -> Result<Vec<Condition>> {
    let texts = job.texts("fail-if");
    texts.iter().flat_map(|text| text.split(',')).map(Condition::read).collect()
}

/// Raises the limit of open files where so many connections need that.
fn make_room(connections: usize) -> Result<()> {
    let wanted = connections as u64 + OTHER_FILES;
    if socket::open_files()?.0 >= wanted {
        return Ok(());
    }
    let most = socket::raise_open_files()?;
    if most >= wanted {
        return Ok(());
    }
    let fits = most.saturating_sub(OTHER_FILES);
    let text =
        format!("{connections} connections need {wanted} open files, and {most} may be open here");
    Err(Error::new(Kind::TooManyFiles, text)
        .why("it is a limit of this process (ulimit -n), and not of the server")
        .try_flag(format!("--connections {fits}"), "as many as fit")
        .try_command(format!("ulimit -n {wanted}"), "before, where the hard limit allows it"))
}

/// Tells what came of it all, and says whether it is good.
fn tell(
    job: &Job,
    flags: &BenchFlags,
    results: &[Benched],
    conditions: &[Condition],
    against: Option<&SavedRun>,
) -> Result<u8> {
    if let Some(code) = told::tell(job, flags, results, against)? {
        return Ok(code);
    }
    saved::save(job, results)?;
    plot::save(job, results)?;
    let mut code = results.iter().map(told::exit_code).max().unwrap_or(0);
    for result in results {
        for condition in conditions {
            if let Some(failed) = condition.check(result, results.len() > 1) {
                told::say_failed(&failed);
                code = code.max(1);
            }
        }
    }
    Ok(code)
}
