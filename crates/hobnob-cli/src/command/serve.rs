//! `hobnob serve`: a built-in service on one or more addresses.

use hobnob::engine::{self, Server};
use hobnob::error::{Error, Kind, Result};
use hobnob::service::ServiceRow;
use hobnob::spec::OptionSpec;

use crate::advice::Propose as _;
use crate::args::{COMMON, EXPLAINING, Flag, FlagGroup, OPENING, SHOWING, Usage, value};
use crate::help;
use crate::job::{Job, Verb};
use crate::process::say;
use crate::serving::{SERVING, given, on_lan, set_limits, start, until_over, usual_endpoint};

/// How many ports after the default one are tried.
const NEXT_PORTS: u16 = 99;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "serve",
        words: "SERVICE [ADDR...]",
        endpoints: 1..usize::MAX,
        flags: &[
            FlagGroup::Own(SERVING),
            FlagGroup::Own(CUTTING),
            FlagGroup::Own(SHOWING),
            FlagGroup::Own(EXPLAINING),
            FlagGroup::Own(OPENING),
            FlagGroup::Own(COMMON),
            FlagGroup::OfEveryService,
        ],
        heeds_settings: true,
        page: include_str!("../help/serve.md"),
    },
    run,
};

/// Flags of services that answer messages.
const CUTTING: &[Flag] = &[
    value("framing", "auto|lines|chunks", "how bytes become text messages"),
    value("recv", "N", "bytes of one receive"),
    value("model", "async|threads|serial", "what runs the sessions: hobnob help models"),
];

fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let Some(service) = words.first() else { return say(&help::catalogue(job.out)) };
    let mut server = Server::new(service)?;
    let row = server.row().expect("it is one of the table");
    set_options(job, &mut server, row)?;
    set_limits(job, &mut server)?;
    listen(job, &mut server, row)?;
    until_over(async |mut signals| {
        start(job, &mut signals, server, "serve", None).await?.watch(signals).await
    })
}

/// Adds the endpoints that were named, each at its door; or those of all doors where there are none.
fn listen(job: &Job, server: &mut Server, row: &'static ServiceRow) -> Result<()> {
    let (mut endpoints, loose) = job.endpoints_of_doors(1, usize::MAX, row.doors)?;
    job.check_stdout(endpoints.iter().map(|(_, endpoint)| endpoint))?;
    if let Some(option) = loose.first().filter(|_| job.words().len() > 1) {
        let text = format!("-O {option} is for the endpoint before it, and there is none");
        return Err(Error::new(Kind::Usage, text).try_command("hobnob help addresses", ""));
    }
    if endpoints.is_empty() {
        for door in row.doors {
            let mut endpoint = usual_endpoint(door)?;
            loose.iter().try_for_each(|option| endpoint.set(option))?;
            endpoints.push((Some(door.name.to_owned()), endpoint));
        }
        // Nobody asked for these very ports. What is said of the one by -O may be about that port.
        server.next_ports = if loose.is_empty() { NEXT_PORTS } else { 0 };
    }
    for (door, endpoint) in endpoints {
        let endpoint = on_lan(job, endpoint);
        match door {
            Some(door) => server.door(&door, &endpoint)?,
            None => server.on(&endpoint)?,
        };
    }
    Ok(())
}

/// The service's own flags. One that only other services have is told as that.
fn set_options(job: &Job, server: &mut Server, row: &'static ServiceRow) -> Result<()> {
    for option in VERB.usage.lent_options() {
        let is_own = row.spec.options.iter().any(|own| own.name == option.name);
        for (name, value) in given(job, option) {
            if !is_own {
                return Err(elsewhere(row, option));
            }
            server.set(&name, value.as_deref())?;
        }
    }
    Ok(())
}

fn elsewhere(row: &ServiceRow, option: &OptionSpec) -> Error {
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
