//! `hobnob demo`: a playground on this machine, which is a `hobnob.toml` of our own. In a terminal it plays by itself
//! first.

mod keys;
mod play;
#[cfg(feature = "nats")]
mod rooms;
mod script;

use std::time::Duration;

use hobnob::engine;
use hobnob::error::Result;
use hobnob::streams;

use crate::args::{COMMON, Flag, FlagGroup, SHOWING, Usage, value};
use crate::config::{Config, Section};
use crate::fleet::{Fleet, PortTaken, STARTING, StartedFleet};
use crate::job::{Job, Verb};
use crate::process::signals::{Quit, Signals};
use crate::serving::teller::Teller;
use keys::Keys;
use play::{Play, Stage};

/// What there is to play with.
const PLAYGROUND: &str = include_str!("../../playground.toml");
/// What stands above all else.
const HEAD: &str = "a playground on this machine only; Ctrl-C ends it";
/// How long a person may look at one thing that has happened.
const BEAT: Duration = Duration::from_millis(650);

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "demo",
        words: "",
        endpoints: 0..0,
        flags: &[
            FlagGroup::Own(CLUSTER),
            FlagGroup::Own(STARTING),
            FlagGroup::Own(SHOWING),
            FlagGroup::Own(COMMON),
        ],
        heeds_settings: true,
        page: include_str!("../../help/demo.md"),
    },
    run,
};

/// The flag of `demo`.
const CLUSTER: &[Flag] =
    &[value("cluster", "[=URL]", "one room at three nodes, on the NATS servers there")];

fn run(job: &Job) -> Result<u8> {
    if let Some(servers) = job.text("cluster") {
        return serve_rooms(job, servers);
    }
    let keys = Keys::of(job);
    let plays = keys.is_some();
    let before = async |started: &StartedFleet<'_>, teller: &mut Teller, signals: &mut Signals| {
        let mut keys = keys?;
        keys.listen();
        teller.say(&format!("{HEAD}\nit plays by itself for half a minute; any key skips that"));
        let stage = Stage { job, started, beat: BEAT };
        show(&stage, teller, signals, keys).await
    };
    let config = Config::of("playground.toml", PLAYGROUND)?;
    serve(job, &config, before, if plays { "\nyour turn, in a second terminal" } else { HEAD })
}

#[cfg(feature = "nats")]
fn serve_rooms(job: &Job, servers: &str) -> Result<u8> {
    let config = rooms::config(servers)?;
    serve(job, &config, async |_, _, _| None, rooms::HEAD)
}

#[cfg(not(feature = "nats"))]
fn serve_rooms(_job: &Job, _servers: &str) -> Result<u8> {
    Err(crate::advice::no_rooms())
}

/// Starts everything, with what comes before the list of what to try, and sees it to its end.
fn serve(
    job: &Job,
    config: &Config,
    before: impl AsyncFnOnce(&StartedFleet<'_>, &mut Teller, &mut Signals) -> Option<Quit>,
    head: &str,
) -> Result<u8> {
    // A lean build plays with what it has.
    let rows = || engine::services().iter().filter(|row| row.make.is_some());
    let is_here = |part: &&Section| rows().any(|row| row.spec.name == part.service.text);
    let parts: Vec<_> = config.parts.iter().filter(is_here).collect();
    let fleet = Fleet::plan(config, &parts)?;
    let columns = streams::columns(&std::io::stderr()).unwrap_or(usize::MAX);
    let page = |started: &StartedFleet<'_>| format!("{head}\n{}", started.hints(columns));
    fleet.run(job, "demo", PortTaken::MovesOn, before, page)
}

/// Plays, and tells what happens meanwhile, until it is over or a key or a signal comes; answers the signal.
async fn show(
    stage: &Stage<'_>,
    teller: &mut Teller,
    signals: &mut Signals,
    mut keys: Keys,
) -> Option<Quit> {
    let (play, mut said) = Play::on(stage);
    let playing = script::perform(&play);
    tokio::pin!(playing);
    let mut is_over = false;
    loop {
        teller.pump();
        while let Ok(text) = said.try_recv() {
            teller.say(&text);
        }
        if is_over {
            return None;
        }
        tokio::select! {
            biased;
            by = signals.next() => return Some(by),
            () = keys.pressed() => return None,
            played = &mut playing => {
                is_over = true;
                if let Err(error) = played {
                    play.say(&format!("the rest is not played: {error}"));
                }
            }
            () = play.has_spoken() => {}
            () = teller.rest(None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::command::usages;
    use crate::config::Settings;
    use crate::env::Environment;
    use crate::report::error::TypedCommand;
    use crate::report::show::width;
    use hobnob::clock::Clock;

    /// Cells of the narrowest terminal that it is made for.
    const NARROW: usize = 60;

    fn job() -> Job {
        let words = ["demo".to_owned(), "--quiet".to_owned()];
        let mut typed = TypedCommand { usages: usages(), ..TypedCommand::default() };
        let mut parsed = args::parse(&words, typed.usages).expect("it is right");
        let (_, matches) = parsed.remove_subcommand().expect("a verb");
        let (environment, settings) = (Environment::default(), Settings::default());
        Job::new(None, matches, &mut typed, environment, settings, Clock::start()).expect("a job")
    }

    /// All that is said while it plays without a rest, and the error that ended it.
    fn played(script: &impl AsyncFn(&Play<'_>) -> Result<()>) -> (String, Result<()>) {
        let mut told = String::new();
        let mut result = Ok(());
        let job = job();
        let before = async |started: &StartedFleet<'_>, _: &mut Teller, _: &mut Signals| {
            let stage = Stage { job: &job, started, beat: Duration::ZERO };
            let (play, mut said) = Play::on(&stage);
            result = script(&play).await;
            while let Ok(text) = said.try_recv() {
                told.push_str(&text);
                told.push('\n');
            }
            Some(Quit::Told)
        };
        let config = Config::of("playground.toml", PLAYGROUND).expect("it is right");
        assert_eq!(serve(&job, &config, before, HEAD).expect("it starts"), 0);
        (told, result)
    }

    #[test]
    fn each_step_is_a_conversation_over_the_sockets_of_the_demo() {
        let (told, result) = played(&script::perform);
        result.expect("nothing fails");
        for step in 1..=play::STEPS {
            assert!(told.contains(&format!("{step} of {}  ", play::STEPS)), "{told}");
        }
        for line in told.lines() {
            assert!(width(line) <= NARROW, "{line}");
        }
        let commands = told.lines().filter(|line| line.trim_start().starts_with("hobnob "));
        assert_eq!(commands.count(), play::STEPS, "a line to type for each: {told}");
        assert!(!told.contains("PORT"), "{told}");
    }

    #[test]
    fn a_step_that_is_skipped_leaves_no_fault_behind() {
        let (_, result) = played(&async |play: &Play<'_>| {
            let skipped = tokio::time::timeout(Duration::ZERO, async {
                let _bent = play.bend("bend", "latency=1h")?;
                std::future::pending::<Result<()>>().await
            });
            assert!(skipped.await.is_err(), "it was on when the key came");
            let faults = play.running("bend")?.faults().expect("it is a relay");
            assert!(faults.settings().is_empty(), "{:?}", faults.settings());
            Ok(())
        });
        result.expect("it is there");
    }

    #[test]
    fn what_is_told_of_time_and_loss_was_measured() {
        let (told, result) = played(&script::latency);
        result.expect("it plays");
        let took: Vec<_> =
            told.lines().filter_map(|line| line.split_once("the answer took ")).collect();
        assert_eq!(took.len(), 2, "{told}");
        let (held, free) = (took[0].1, took[1].1);
        let millis = |text: &str| text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
        let is_long = |text: &str| millis(text) >= Some(400.0) || !text.contains(" ms");
        assert!(is_long(held), "200 ms each way: {told}");
        assert!(free.contains("without"), "{told}");
        let (told, result) = played(&script::loss);
        result.expect("it plays");
        assert!(told.contains("of 5 answers came"), "{told}");
        let (told, result) = played(&script::handshake);
        result.expect("it plays");
        assert!(told.contains("handshake") || told.contains("no TLS here"), "{told}");
    }
}
