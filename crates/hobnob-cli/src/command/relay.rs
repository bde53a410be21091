//! `hobnob relay`: any address to any other. It is `serve` of the service of the same name, with its target as a word.

use std::time::Duration;

use hobnob::endpoint::Endpoint;
use hobnob::engine::Server;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::show_duration;

use crate::advice::Propose as _;
use crate::args::{
    self, COMMON, EXPLAINING, Flag, FlagGroup, OPENING, SHOWING, Usage, switch, value,
};
use crate::job::{Job, Verb};
use crate::serving::{self, SERVING, given, on_lan, set_limits, until_over};

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "relay",
        words: "LISTEN TARGET",
        endpoints: 0..1,
        flags: &[
            FlagGroup::Own(RELAYING),
            FlagGroup::OfNamesake,
            FlagGroup::Own(SERVING),
            FlagGroup::Own(SHOWING),
            FlagGroup::Own(EXPLAINING),
            FlagGroup::Own(OPENING),
            FlagGroup::Own(COMMON),
        ],
        heeds_settings: true,
        page: include_str!("../help/relay.md"),
    },
    run,
};

/// The flags of a relay that are the program's own: which side listens.
const RELAYING: &[Flag] = &[
    switch("both-listen", None, "wait at both addresses, and join who comes"),
    switch("both-dial", None, "dial both addresses, and join them"),
    switch("retry", None, "while nobody is there yet, try again with growing pauses"),
    value("wait", "DUR", "with -: silence allowed once one side has ended (stdin: 2s)"),
];

fn run(job: &Job) -> Result<u8> {
    let (listen, target) = sides(job)?;
    let mut server = Server::new(VERB.usage.name)?;
    let row = server.row().expect("it is one of the table");
    let to = row.targets().next().expect("a relay has a target");
    server.target(to.name, target.clone())?;
    for (name, value) in VERB.usage.lent_options().into_iter().flat_map(|one| given(job, one)) {
        server.set(&name, value.as_deref())?;
    }
    set_limits(job, &mut server)?;
    server.on(&on_lan(job, listen))?;
    // Where it waits itself it says with where it listens.
    let is_waited_for = target.settings().iter().any(|setting| setting.key == "listen");
    let dialled = Some(target).filter(|_| !is_waited_for);
    until_over(async |mut signals| {
        let begun = serving::start(job, &mut signals, server, "relay", dialled.as_ref()).await?;
        begun.watch(signals).await
    })
}

/// Where it listens and where to, with what the flags say of them.
fn sides(job: &Job) -> Result<(Endpoint, Endpoint)> {
    let (mut endpoints, loose) = job.endpoints(0, 2)?;
    job.check_stdout(&endpoints)?;
    let words = job.words().len();
    let (Some(mut target), Some(mut listen), true) = (endpoints.pop(), endpoints.pop(), words == 2)
    else {
        let text = "a relay needs two addresses: where it listens, and where to";
        let example = "hobnob relay :9001 example.com:80";
        return Err(Error::new(Kind::Usage, text).try_command(example, ""));
    };
    if let Some(option) = loose.first() {
        let text = format!("-O {option} is for the endpoint before it, and there is none");
        return Err(Error::new(Kind::Usage, text).try_command("hobnob help addresses", ""));
    }
    if job.is_on("both-listen") {
        target.set("listen")?;
    }
    if job.is_on("both-dial") {
        listen.set("dial")?;
    }
    if let Some(wait) = args::duration(&job.matches, "wait")? {
        wait_at(&mut [&mut listen, &mut target], wait)?;
    }
    if job.is_on("retry") {
        target.set("retry")?;
        listen.set("retry")?;
    }
    Ok((listen, target))
}

/// `--wait`: how long silence may last at the side that is standard input and output.
fn wait_at(sides: &mut [&mut Endpoint], wait: Duration) -> Result<()> {
    let mut streams = sides.iter_mut().filter(|side| side.is_stdio()).peekable();
    if streams.peek().is_none() {
        let text = "--wait is about standard input and output, and neither address is -";
        return Err(Error::new(Kind::Usage, text).try_command("hobnob help eof", ""));
    }
    streams.try_for_each(|side| side.set(&format!("wait={}", show_duration(wait))))
}
