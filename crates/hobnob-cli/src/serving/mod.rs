//! Servers, from their start to their end: what every verb that serves has in common.

mod banner;
pub(crate) mod limits;
pub(crate) mod teller;
pub(crate) mod watch;

use hobnob::endpoint::{Endpoint, Host};
use hobnob::engine::{self, Running, Server};
use hobnob::error::Result;
use hobnob::service::Door;
use hobnob::socket::Family;
use hobnob::spec::{OptionSpec, ValueKind};

use crate::args::{self, Flag, switch, value};
use crate::control;
use crate::job::Job;
use crate::process::runtime;
use crate::process::signals::Signals;
use crate::report::brief::brief;
use limits::LimitReader;
use teller::{Names, Teller};

/// Flags of a server.
pub(crate) const SERVING: &[Flag] = &[
    switch("lan", None, "listen on every interface, and say the addresses"),
    Flag {
        long: "allow",
        short: None,
        value: "CIDR",
        repeats: true,
        help: "only peers from there, as 10.0.0.0/8 (repeat)",
    },
    value("max-conns", "N", "most peers at once; at the limit accepting pauses"),
    value("idle", "DUR", "close a session after so much silence"),
    value("timeout", "DUR", "how long the layers of a session may take (10s)"),
    switch("once", None, "stop after one session"),
    value("max", "N", "stop after so many sessions"),
    value("for", "DUR", "stop after a time"),
    value("seed", "N", "where all chance comes from: the same seed, the same run"),
    value("name", "NAME", "what it is called in events and by fault; default: service or target"),
];

/// Runs servers' lives in a runtime of its own, with the signals caught before anything is open.
pub(crate) fn until_over(life: impl AsyncFnOnce(Signals) -> Result<u8>) -> Result<u8> {
    let runtime = runtime()?;
    let result = runtime.block_on(async { life(Signals::catch()?).await });
    runtime.shutdown_background();
    result
}

/// `--lan`: every interface, where the endpoint is a port of this machine.
pub(crate) fn on_lan(job: &Job, endpoint: Endpoint) -> Endpoint {
    if !job.is_on("lan") || !matches!(endpoint.host(), Some(Host::Loopback)) {
        return endpoint;
    }
    let is_v6 = matches!(job.family(), Ok(Some(Family::V6)));
    endpoint.with_host(if is_v6 {
        Host::V6 { address: std::net::Ipv6Addr::UNSPECIFIED, zone: None }
    } else {
        Host::V4(std::net::Ipv4Addr::UNSPECIFIED)
    })
}

/// What came of a start: a server that runs, or the exit code of the signal that stopped the start.
pub(crate) enum Begun {
    Running(Box<StartedServer>),
    GivenUp(u8),
}

impl Begun {
    /// Sees it to its end.
    pub(crate) async fn watch(self, signals: Signals) -> Result<u8> {
        match self {
            Begun::Running(started) => started.watch(signals).await,
            Begun::GivenUp(code) => Ok(code),
        }
    }
}

/// A server that runs, with its teller and its control socket.
pub(crate) struct StartedServer {
    running: Running,
    teller: Teller,
    host: Option<control::ControlSocket>,
}

impl StartedServer {
    /// Says that ports are not those that they usually are.
    fn say_moved(&mut self, usual: &[u16]) {
        let ports = self.running.bound().iter().filter_map(|bound| bound.endpoint.port());
        let mut ports: Vec<_> = ports.collect();
        ports.dedup();
        for (usual, port) in usual.iter().zip(ports).filter(|(usual, port)| *usual != port) {
            self.teller.say_sentence(&format!("port {usual} is in use, so this is {port}"));
        }
    }

    /// Sees it to its end.
    async fn watch(self, signals: Signals) -> Result<u8> {
        watch::watch(&[self.running], self.teller, self.host, signals, None).await
    }
}

/// Starts it and says so, unless a signal comes first. `target` is where a relay passes on to.
pub(crate) async fn start(
    job: &Job,
    signals: &mut Signals,
    mut server: Server,
    verb: &'static str,
    target: Option<&Endpoint>,
) -> Result<Begun> {
    let row = server.row().expect("it is one of the table");
    let mut teller = Teller::new(job, server.clock(), verb)?;
    let heard = teller.hear(&server);
    let usual = usual_ports(&server);
    let running = match signals.unless_asked(server.open()).await {
        Ok(running) => running?,
        Err(asked) => {
            teller.give_up(asked).await;
            return Ok(Begun::GivenUp(asked.code()));
        }
    };
    // Whoever reads the banner may ask it to drain at once.
    signals.are_for_a_server();
    let service = row.spec.name;
    let title = job.text("name").unwrap_or(service);
    let name = job.text("name").map_or_else(|| default_name(service, &running), str::to_owned);
    teller.add(heard, Names { name: &name, title, service }, &running);
    // The control socket is open before the banner: a reader of the banner may ask at once.
    let host =
        open_control(job, &mut teller, vec![control::SteeredServer::new(&name, service, &running)]);
    let steered_as = host.is_some().then_some(name.as_str());
    banner::tell(job, &mut teller, title, &running, target, steered_as);
    let mut started = StartedServer { running, teller, host };
    started.say_moved(&usual);
    Ok(Begun::Running(Box::new(started)))
}

/// The ports that it has where nobody asked for others.
fn usual_ports(server: &Server) -> Vec<u16> {
    let doors = server.doors().iter().map(|door| door.port);
    if server.next_ports > 0 { doors.collect() } else { Vec::new() }
}

/// Where a door is where nobody says otherwise.
pub(crate) fn usual_endpoint(door: &Door) -> Result<Endpoint> {
    engine::parse(&format!(":{}", door.port))
}

/// The service; or where to, of what passes everything on.
fn default_name(service: &str, running: &Running) -> String {
    let targets = running.control().targets();
    targets.first().map_or_else(|| service.to_owned(), brief)
}

/// Opens the control socket. A server does its work without, where it cannot be opened.
pub(crate) fn open_control(
    job: &Job,
    teller: &mut Teller,
    parts: Vec<control::SteeredServer>,
) -> Option<control::ControlSocket> {
    control::ControlSocket::open(&job.environment, job.clock, teller.verb(), parts)
        .map_err(|error| {
            let why = error.reasons().first().map(|why| format!(": {why}")).unwrap_or_default();
            let text =
                format!("no control socket, so that hobnob fault cannot find this: {error}{why}");
            teller.remark(&text);
        })
        .ok()
}

/// What was given of an option: its name, or `no-` its name, with its value.
pub(crate) fn given(job: &Job, option: &OptionSpec) -> Vec<(String, Option<String>)> {
    if option.kind == ValueKind::Flag {
        let names = [option.name.to_owned(), format!("no-{}", option.name)];
        return names.into_iter().filter(|name| job.is_on(name)).map(|name| (name, None)).collect();
    }
    let values = job.texts(option.name).into_iter();
    values.map(|value| (option.name.to_owned(), Some(value))).collect()
}

/// The limits that flags set.
pub(crate) fn set_limits(job: &Job, server: &mut Server) -> Result<()> {
    let mut limits = LimitReader::default();
    for name in limits::NAMES {
        let values = job.matches.try_get_many::<String>(name).ok().flatten().into_iter().flatten();
        for value in values {
            limits.set(server, name, value, &format!("--{name}"))?;
        }
    }
    let timeout = args::duration(&job.matches, "timeout")?.or(job.environment.timeout);
    server.limits.handshake = timeout.unwrap_or(server.limits.handshake);
    if job.is_on("once") {
        server.stop.sessions = Some(1);
    }
    server.family = job.family()?;
    limits.finish(server)
}
