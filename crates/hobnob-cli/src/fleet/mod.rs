//! Servers that are started together: all of them or none, told about and stopped as one.

mod circle;
mod overlap;
mod plan;
mod started;

use std::time::Duration;

use hobnob::engine::{Crew, Running};
use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::args::{self, Flag, value};
use crate::config::source::Placed;
use crate::config::{Config, Section};
use crate::control;
use crate::job::Job;
use crate::process::signals::{Quit, Signals};
use crate::serving::teller::{Names, Teller};
use crate::serving::watch::watch;
use crate::serving::{open_control, until_over};
use plan::PlannedServer;
pub(crate) use started::StartedFleet;

/// Flags of what starts several servers.
pub(crate) const STARTING: &[Flag] = &[value("for", "DUR", "stop after a time")];
/// How many ports after the usual one are tried.
const NEXT_PORTS: u16 = 99;

/// What happens when a port is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortTaken {
    /// It was asked for by name: nothing is started.
    Fails,
    /// Nobody asked for that very port: the next free one is as good.
    MovesOn,
}

/// Servers that can be started, as far as can be known without opening anything.
pub(crate) struct Fleet<'c> {
    config: &'c Config,
    all: Vec<PlannedServer<'c>>,
}

/// One that has been started.
struct Afloat {
    running: Running,
    /// The port that it usually has, where that one was taken.
    usual: Option<u16>,
}

impl<'c> Fleet<'c> {
    /// Checks everything that can be checked.
    pub(crate) fn plan(config: &'c Config, parts: &[&'c Section]) -> Result<Self> {
        let all: Vec<_> =
            parts.iter().map(|part| PlannedServer::of(config, part)).collect::<Result<_>>()?;
        overlap::check(config, &all)?;
        circle::check(config, &all)?;
        Ok(Fleet { config, all })
    }

    /// Starts them, says so with this page, and sees them to their end. What stands before the page is shown to people
    /// alone, and answers what asked for the end meanwhile.
    pub(crate) fn run(
        &self,
        job: &Job,
        verb: &'static str,
        taken: PortTaken,
        before: impl AsyncFnOnce(&StartedFleet<'_>, &mut Teller, &mut Signals) -> Option<Quit>,
        page: impl Fn(&StartedFleet<'_>) -> String,
    ) -> Result<u8> {
        let after = args::duration(&job.matches, "for")?;
        until_over(async |mut signals| {
            let crew = Crew::start()?;
            let mut teller = Teller::new(job, crew.clock(), verb)?;
            let starting = self.start(after, &crew, &mut teller, taken);
            let afloat = match signals.unless_asked(starting).await {
                Ok(afloat) => afloat?,
                Err(asked) => {
                    teller.give_up(asked).await;
                    return Ok(asked.code());
                }
            };
            // The threads end with the last server.
            drop(crew);
            let host = open_control(job, &mut teller, self.consoles(&afloat));
            let (all, usual): (Vec<_>, Vec<_>) =
                afloat.into_iter().map(|one| (one.running, one.usual)).unzip();
            let mut asked = None;
            if !teller.listening(&all) {
                let parts = self.all.iter().map(|planned| planned.part);
                let parts = parts.zip(&all).zip(usual);
                let all = parts.map(|((part, running), usual)| (part, running, usual)).collect();
                let started = StartedFleet { all };
                asked = before(&started, &mut teller, &mut signals).await;
                if asked.is_none() {
                    teller.say(page(&started).trim_end());
                }
            }
            watch(&all, teller, host, signals, asked).await
        })
    }

    /// All or none: with an error, what was started already is dropped, and so closed.
    async fn start(
        &self,
        after: Option<Duration>,
        crew: &Crew,
        teller: &mut Teller,
        taken: PortTaken,
    ) -> Result<Vec<Afloat>> {
        let mut found: Vec<Option<(Afloat, _)>> = Vec::new();
        for planned in &self.all {
            if self.leads(planned).any(|(to, _)| matches!(found.get(to), Some(None))) {
                found.push(None);
                continue;
            }
            match start(after, planned, crew, teller, 0).await {
                Ok(started) => found.push(Some(started)),
                Err(error) if error.kind() == Kind::PortInUse && taken == PortTaken::MovesOn => {
                    found.push(None);
                }
                Err(error) => return Err(self.failed(planned, error, taken)),
            }
        }
        // Only now, when each of the others has the port that it usually has.
        for at in (0..found.len()).filter(|at| found[*at].is_none()).collect::<Vec<_>>() {
            let planned = self.following(&self.all[at], &found);
            let moved = start(after, &planned, crew, teller, NEXT_PORTS).await;
            found[at] = Some(moved.map_err(|error| self.failed(&planned, error, taken))?);
        }
        let mut afloat = Vec::new();
        for (planned, (one, heard)) in self.all.iter().zip(found.into_iter().flatten()) {
            let name = planned.part.name.text.as_str();
            let service = planned.part.service.text.as_str();
            teller.add(heard, Names { name, title: name, service }, &one.running);
            afloat.push(one);
        }
        Ok(afloat)
    }

    /// The parts that this one passes on to, each with the word that says so.
    fn leads(&self, from: &PlannedServer<'c>) -> impl Iterator<Item = (usize, Placed)> {
        let leads = circle::leads(from, &self.all).into_iter();
        leads.map(|(to, place)| (to, place.clone())).collect::<Vec<_>>().into_iter()
    }

    /// The part as it passes on to others where they are now. One follows those that stand before it in the file.
    fn following(
        &self,
        planned: &PlannedServer<'c>,
        found: &[Option<(Afloat, Heard)>],
    ) -> PlannedServer<'c> {
        let port = |at: usize| found[at].as_ref().and_then(|(one, _)| one.running.port());
        self.leads(planned).fold(planned.clone(), |planned, (to, place)| match port(to) {
            Some(port) => planned.following(&place, port),
            None => planned,
        })
    }

    /// All of them, as consoles see them.
    fn consoles(&self, afloat: &[Afloat]) -> Vec<control::SteeredServer> {
        let parts = self.all.iter().map(|planned| planned.part).zip(afloat);
        parts
            .map(|(part, one)| {
                control::SteeredServer::new(&part.name.text, &part.service.text, &one.running)
            })
            .collect()
    }

    fn failed(&self, planned: &PlannedServer<'_>, error: Error, taken: PortTaken) -> Error {
        let name = &planned.part.name;
        let text = format!("{} cannot start: {}", name.text, error.message());
        if taken == PortTaken::MovesOn {
            return error.with_message(text);
        }
        let place = match planned.endpoints.as_slice() {
            [(_, place)] => place,
            _ => name,
        };
        let error = self.config.source.place(&error.with_message(text), place);
        let others = self.all.iter().map(|planned| planned.part.name.text.as_str());
        let others: Vec<_> = others.filter(|other| *other != name.text).collect();
        let error = error.why("nothing was started");
        if others.is_empty() {
            return error.try_command("hobnob help up", "");
        }
        let file = &self.config.source.name;
        let file = if file == crate::config::FILE { String::new() } else { format!(" {file}") };
        error.try_command(format!("hobnob up{file} {}", others.join(" ")), "the others")
    }
}

type Heard = hobnob::bus::Subscription;

/// Starts one. Where a port is taken that it names, it may move up to so many ports further on.
async fn start(
    after: Option<Duration>,
    planned: &PlannedServer<'_>,
    crew: &Crew,
    teller: &Teller,
    next_ports: u16,
) -> Result<(Afloat, Heard)> {
    let mut server = planned.server()?;
    server.on_crew(crew);
    server.stop.after = after.or(server.stop.after);
    server.next_ports = next_ports;
    let heard = teller.hear(&server);
    let running = server.open().await.map_err(|error| planned.redacted(error))?;
    let usual = planned.endpoints.first().and_then(|(endpoint, _)| endpoint.port());
    Ok((Afloat { running, usual: usual.filter(|_| next_ports > 0) }, heard))
}
