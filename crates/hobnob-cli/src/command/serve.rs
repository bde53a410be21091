//! `hobnob serve`: a built-in service on one or more addresses.

use hobnob::endpoint::Endpoint;
use hobnob::engine::{self, Server};
use hobnob::error::{Error, Kind, Result};
use hobnob::service::Row;
use hobnob::spec::OptionSpec;

use crate::advice::Propose as _;
use crate::args::{COMMON, Flag, Group, OPENING, SHOWING, Usage, value};
use crate::help;
use crate::process::say;
use crate::scene::{Scene, Verb};
use crate::serving::{SERVING, Started, given, on_lan, set_limits, start, until_over};

/// How many ports after the default one are tried.
const NEXT_PORTS: u16 = 100;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "serve",
        words: "SERVICE [ADDR...]",
        endpoints: 1..usize::MAX,
        flags: &[
            Group::Own(SERVING),
            Group::Own(CUTTING),
            Group::Own(SHOWING),
            Group::Own(OPENING),
            Group::Own(COMMON),
            Group::OfEveryService,
        ],
        heeds_settings: true,
        page: include_str!("../help/serve.md"),
    },
    run,
};

/// Flags of services that take text messages.
const CUTTING: &[Flag] = &[
    value("framing", "auto|lines|chunks", "how bytes become text messages"),
    value("recv", "N", "bytes of one receive"),
];

fn run(scene: &Scene) -> Result<u8> {
    let words = scene.words();
    let Some(service) = words.first() else { return say(&help::catalogue(scene.out)) };
    let mut server = Server::new(service)?;
    let row = server.row().expect("it is one of the table");
    set_options(scene, &mut server, row)?;
    set_limits(scene, &mut server)?;
    let endpoints = endpoints(scene, row)?;
    until_over(async |signals| {
        let started = match endpoints {
            Some(endpoints) => {
                endpoints.iter().try_for_each(|endpoint| server.on(endpoint))?;
                start(scene, server, row, "serve", None)?
            }
            None => start_on_default(scene, row)?,
        };
        started.watch(signals).await
    })
}

/// The endpoints that were named; none where there are none.
fn endpoints(scene: &Scene, row: &Row) -> Result<Option<Vec<Endpoint>>> {
    let (mut endpoints, loose) = scene.endpoints(1, usize::MAX)?;
    scene.check_stdout(&endpoints)?;
    if endpoints.is_empty() {
        if loose.is_empty() {
            return Ok(None);
        }
        // Options without an endpoint are for the default one.
        let mut endpoint = engine::parse(&format!(":{}", row.port))?;
        loose.iter().try_for_each(|option| endpoint.set(option))?;
        endpoints.push(endpoint);
    }
    if let Some(option) = loose.first().filter(|_| scene.words().len() > 1) {
        let text = format!("-O {option} is for the endpoint before it, and there is none");
        return Err(Error::new(Kind::Usage, text).try_command("hobnob help addresses", ""));
    }
    Ok(Some(endpoints.into_iter().map(|endpoint| on_lan(scene, endpoint)).collect()))
}

/// The default port, or the next one that is free: nobody asked for that very port.
fn start_on_default(scene: &Scene, row: &'static Row) -> Result<Started> {
    let mut first = None;
    for port in row.port..row.port.saturating_add(NEXT_PORTS) {
        let endpoint = on_lan(scene, engine::parse(&format!(":{port}"))?);
        let mut server = Server::new(row.spec.name)?;
        set_options(scene, &mut server, row)?;
        set_limits(scene, &mut server)?;
        server.on(&endpoint)?;
        match start(scene, server, row, "serve", None) {
            Ok(mut started) => {
                if port != row.port {
                    let text = format!("port {} is in use, so this is {port}", row.port);
                    started.say(&text);
                }
                return Ok(started);
            }
            Err(error) if error.kind() == Kind::PortInUse => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or_else(|| Error::new(Kind::PortInUse, "no port is free")))
}

/// The service's own flags. One that only other services have is told as that.
fn set_options(scene: &Scene, server: &mut Server, row: &'static Row) -> Result<()> {
    for option in VERB.usage.lent_options() {
        let is_own = row.spec.options.iter().any(|own| own.name == option.name);
        for (name, value) in given(scene, option) {
            if !is_own {
                return Err(elsewhere(row, option));
            }
            server.set(&name, value.as_deref())?;
        }
    }
    Ok(())
}

fn elsewhere(row: &Row, option: &OptionSpec) -> Error {
    let flag = option.name;
    let having: Vec<_> = engine::services()
        .iter()
        .filter(|row| row.spec.options.iter().any(|other| other.name == flag))
        .map(|row| row.spec.name)
        .collect();
    let verb = if having.len() == 1 { "has" } else { "have" };
    Error::new(Kind::UnknownOption, format!("{} has no flag --{flag}", row.spec.name))
        .why(format!("{} {verb} it", having.join(", ")))
        .try_command(format!("hobnob help {}", row.spec.name), "its flags")
}
