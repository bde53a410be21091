//! `hobnob serve`: a built-in service on one or more addresses.

mod banner;
pub(crate) mod limits;
pub(crate) mod teller;
pub(crate) mod watch;

use hobnob::endpoint::{Endpoint, Host};
use hobnob::engine::{self, Running, Server};
use hobnob::error::{Error, Kind, Result};
use hobnob::service::Row;
use hobnob::socket::Family;
use hobnob::spec::{OptionSpec, ValueKind};

use crate::args;
use crate::command::signals::Signals;
use crate::command::{Scene, VERBS, brief, help, runtime, say};
use crate::control;
use crate::report::advice::Propose as _;
use limits::Limits;
use teller::{Names, Teller};

/// How many ports after the default one are tried.
const NEXT_PORTS: u16 = 100;

/// Runs the verb.
pub(crate) fn run(scene: &Scene) -> Result<u8> {
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

/// Runs servers' lives in a runtime of its own, with the signals caught before anything is open.
pub(crate) fn until_over(life: impl AsyncFnOnce(Signals) -> Result<u8>) -> Result<u8> {
    let runtime = runtime()?;
    let result = runtime.block_on(async { life(Signals::catch()?).await });
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
pub(crate) fn on_lan(scene: &Scene, endpoint: Endpoint) -> Endpoint {
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
                    started.teller.say(&text);
                }
                return Ok(started);
            }
            Err(error) if error.kind() == Kind::PortInUse => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(first.unwrap_or_else(|| Error::new(Kind::PortInUse, "no port is free")))
}

/// A server that runs, with who tells of it and where it can be spoken to.
pub(crate) struct Started {
    running: Running,
    teller: Teller,
    host: Option<control::Host>,
}

impl Started {
    /// Sees it to its end.
    pub(crate) async fn watch(self, signals: Signals) -> Result<u8> {
        watch::watch(&[self.running], self.teller, self.host, signals).await
    }
}

/// Starts it and says so. `target` is whom it passes on to, where it stands between two sides.
pub(crate) fn start(
    scene: &Scene,
    server: Server,
    row: &Row,
    verb: &'static str,
    target: Option<&str>,
) -> Result<Started> {
    let mut teller = Teller::new(scene, server.clock(), verb);
    let heard = teller.hear(&server);
    let running = server.start()?;
    let service = row.spec.name;
    let title = scene.text("name").unwrap_or(service);
    let name = scene.text("name").map_or_else(|| default_name(service, &running), str::to_owned);
    teller.add(heard, Names { name: &name, title, service }, &running);
    // Before anything is said: who reads it may ask at once.
    let host = open_control(scene, &mut teller, vec![control::Part::new(&name, service, &running)]);
    let steered_as = host.is_some().then_some(name.as_str());
    banner::tell(scene, &mut teller, title, &running, target, steered_as);
    Ok(Started { running, teller, host })
}

/// The service; or where to, of what passes everything on.
fn default_name(service: &str, running: &Running) -> String {
    let targets = running.control().targets();
    targets.first().map_or_else(|| service.to_owned(), |target| brief(target))
}

/// Opens the control socket. A server does its work without, where it cannot be opened.
pub(crate) fn open_control(
    scene: &Scene,
    teller: &mut Teller,
    parts: Vec<control::Part>,
) -> Option<control::Host> {
    control::Host::open(scene, teller.verb(), parts)
        .map_err(|error| {
            let why = error.reasons().first().map(|why| format!(": {why}")).unwrap_or_default();
            let text =
                format!("no control socket, so that hobnob fault cannot find this: {error}{why}");
            teller.remark(&text);
        })
        .ok()
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
    let values = scene.texts(option.name).into_iter();
    values.map(|value| (option.name.to_owned(), Some(value))).collect()
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

pub(crate) fn set_limits(scene: &Scene, server: &mut Server) -> Result<()> {
    let mut limits = Limits::default();
    for name in limits::NAMES {
        let values =
            scene.matches.try_get_many::<String>(name).ok().flatten().into_iter().flatten();
        for value in values {
            limits.set(server, name, value, &format!("--{name}"))?;
        }
    }
    let timeout = args::duration(&scene.matches, "timeout")?.or(scene.environment.timeout);
    server.limits.handshake = timeout.unwrap_or(server.limits.handshake);
    if scene.is_on("once") {
        server.stop.sessions = Some(1);
    }
    server.family = scene.family()?;
    limits.finish(server)
}
