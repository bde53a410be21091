//! `hobnob serve`: a built-in service on one or more addresses.

mod banner;
mod watch;

use hobnob::codec::text::Rule;
use hobnob::endpoint::{Endpoint, Host};
use hobnob::engine::{self, Running, Server};
use hobnob::error::{Error, Kind, Result};
use hobnob::service::Row;
use hobnob::socket::Family;
use hobnob::spec::{OptionSpec, ValueKind};

use crate::args;
use crate::command::{Scene, VERBS, help, runtime, say};
use watch::Teller;

/// How many ports after the default one are tried.
const NEXT_PORTS: u16 = 100;
/// Bytes of a chunk, where nobody says otherwise.
const RECV: usize = 65_536;

/// Runs the verb.
pub(crate) fn run(scene: &Scene) -> Result<u8> {
    let words = scene.words();
    let Some(service) = words.first() else { return say(&help::catalogue(scene.out)) };
    let mut server = Server::new(service)?;
    let row = server.row().expect("it is one of the table");
    set_options(scene, &mut server, row)?;
    set_limits(scene, &mut server)?;
    let endpoints = endpoints(scene, row)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let signals = watch::signals()?;
        let (running, teller) = match endpoints {
            Some(endpoints) => {
                endpoints.iter().try_for_each(|endpoint| server.on(endpoint))?;
                start(scene, server, row)?
            }
            None => start_on_default(scene, row)?,
        };
        watch::watch(scene, running, teller, signals).await
    });
    runtime.shutdown_background();
    result
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

/// `--lan`: every interface, where the endpoint is a port of this machine.
fn on_lan(scene: &Scene, endpoint: Endpoint) -> Endpoint {
    if !scene.is_on("lan") || !matches!(endpoint.host(), Some(Host::Loopback)) {
        return endpoint;
    }
    let is_v6 = matches!(scene.family(), Ok(Some(Family::V6)));
    endpoint.with_host(if is_v6 {
        Host::V6 { address: std::net::Ipv6Addr::UNSPECIFIED, zone: None }
    } else {
        Host::V4(std::net::Ipv4Addr::UNSPECIFIED)
    })
}

/// The default port, or the next one that is free: nobody asked for that very port.
fn start_on_default(scene: &Scene, row: &'static Row) -> Result<(Running, Teller)> {
    let mut first = None;
    for port in row.port..row.port.saturating_add(NEXT_PORTS) {
        let endpoint = on_lan(scene, engine::parse(&format!(":{port}"))?);
        let mut server = Server::new(row.spec.name)?;
        set_options(scene, &mut server, row)?;
        set_limits(scene, &mut server)?;
        server.on(&endpoint)?;
        match start(scene, server, row) {
            Ok((running, mut teller)) => {
                if port != row.port {
                    let text = format!("port {} is in use, so this is {port}", row.port);
                    teller.say(&text);
                }
                return Ok((running, teller));
            }
            Err(error) if error.kind() == Kind::PortInUse => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or_else(|| Error::new(Kind::PortInUse, "no port is free")))
}

fn start(scene: &Scene, server: Server, row: &Row) -> Result<(Running, Teller)> {
    let name = scene.text("name").unwrap_or(row.spec.name).to_owned();
    let mut teller = Teller::new(scene, &server, &name, row.spec.name);
    let running = server.start()?;
    teller.banner(scene, &running);
    Ok((running, teller))
}

/// The service's own flags. One that only other services have is told as that.
fn set_options(scene: &Scene, server: &mut Server, row: &'static Row) -> Result<()> {
    let verb = VERBS.iter().find(|verb| verb.takes_service_options).expect("it is this one");
    for option in args::service_options(verb) {
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

/// What was given of an option: its name, or `no-` its name, with its value.
fn given(scene: &Scene, option: &OptionSpec) -> Vec<(String, Option<String>)> {
    if option.kind == ValueKind::Flag {
        let names = [option.name.to_owned(), format!("no-{}", option.name)];
        return names
            .into_iter()
            .filter(|name| scene.is_on(name))
            .map(|name| (name, None))
            .collect();
    }
    let value = scene.text(option.name).map(str::to_owned);
    value.into_iter().map(|value| (option.name.to_owned(), Some(value))).collect()
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

fn set_limits(scene: &Scene, server: &mut Server) -> Result<()> {
    let matches = &scene.matches;
    let count = |name| args::number(matches, name, 1);
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    server.limits.max_conns = count("max-conns")?.map(whole);
    server.limits.idle = args::duration(matches, "idle")?;
    if let Some(timeout) = args::duration(matches, "timeout")?.or(scene.environment.timeout) {
        server.limits.handshake = timeout;
    }
    for network in matches.get_many::<String>("allow").into_iter().flatten() {
        let network = engine::Network::parse(network)
            .map_err(|error| error.try_command("hobnob help serve", "its flags"))?;
        server.limits.allow.push(network);
    }
    let most = count("max")?;
    server.stop.sessions = if scene.is_on("once") { Some(1) } else { most };
    server.stop.after = args::duration(matches, "for")?;
    server.family = scene.family()?;
    let recv = count("recv")?.map(whole);
    server.cutting.rule = match args::choice(matches, "framing", &["auto", "lines", "chunks"])? {
        Some("chunks") => Rule::Chunks { recv: recv.unwrap_or(RECV) },
        _ if recv.is_some() => {
            let text = "--recv is the size of a chunk, and messages are not chunks here";
            return Err(Error::new(Kind::Usage, text).try_flag("--framing chunks", ""));
        }
        Some("lines") => Rule::Lines,
        _ => Rule::Auto,
    };
    Ok(())
}
