//! A plan for serving, validated step by step.

use std::sync::Arc;

use crate::bus::sink::EventSink;
use crate::bus::{Bus, Subscription, Wish};
use crate::clock::{self, Clock};
use crate::codec::text::Cutting;
use crate::conn::demux::PeerLimits;
use crate::endpoint::Endpoint;
use crate::engine::fit;
use crate::engine::limits::Limits;
use crate::engine::model::{Hands, Model};
use crate::engine::plan::{self, Resolved};
use crate::engine::running::{self, Running, Stop};
use crate::engine::shards::{self, Crew};
use crate::error::{Error, Kind, Result};
use crate::service::{self, Door, Made, Responder, Service};
use crate::socket::{Family, Observer};
use crate::spec::{OptionSpec, Options, Shape, ValueKind};
use crate::{layer, thread, transport};

/// A plan for serving, validated step by step; nothing is open until [`open`](Server::open) or its blocking form
/// [`start`](Server::start).
pub struct Server {
    service: Plan,
    doors: Vec<Door>,
    endpoints: Vec<(Resolved, Door)>,
    bus: Bus,
    /// The limits.
    pub limits: Limits,
    /// How text services cut bytes into messages.
    pub cutting: Cutting,
    /// What runs the sessions.
    pub model: Model,
    /// When the server stops by itself.
    pub stop: Stop,
    /// One address family only (`-4`, `-6`).
    pub family: Option<Family>,
    /// The observer that is to see each call to the kernel.
    pub observer: Option<Arc<dyn Observer>>,
    /// The seed of all chance; none: a seed is drawn.
    pub seed: Option<u64>,
    /// How often all endpoints may move one port further on together where a port is in use: for ports that nobody
    /// asked for. 0: only the ports of the endpoints are tried.
    pub next_ports: u16,
    crew: Option<Crew>,
}

/// The service that is to be served, and what is known of it.
enum Plan {
    Table(&'static service::ServiceRow, Options, Vec<(&'static OptionSpec, Endpoint)>),
    Own(Made),
    /// The server was started, and the plan is used up.
    Spent,
}

impl Server {
    /// A server of a service of the table.
    pub fn new(service: &str) -> Result<Self> {
        let row = plan::find_service(service)?;
        let options = Options::of(row.spec.options);
        Ok(Server::from(Plan::Table(row, options, Vec::new()), row.doors))
    }

    /// A server of a service of one's own, on bytes and on packets.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use hobnob::conn::{Boxed, Conn};
    /// use hobnob::session::Session;
    /// use hobnob::{Server, Service};
    ///
    /// struct Motto;
    ///
    /// impl Service for Motto {
    ///     fn run<'a>(&'a self, _: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
    ///         Box::pin(conn.send(b"slow is smooth\n"))
    ///     }
    /// }
    ///
    /// let running = Server::with(Motto).at("127.0.0.1:0")?.at("memory:motto")?.start()?;
    /// # drop(running);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn with(service: impl Service + 'static) -> Self {
        Server::of(Made::Service(Box::new(service)), Shape::ALL)
    }

    /// The same for a service that answers messages: the engine does the rest.
    pub fn answering(responder: impl Responder + 'static) -> Self {
        Server::of(Made::Responder(Box::new(responder)), Shape::ALL)
    }

    /// A server of a service of one's own, for these shapes only.
    pub fn of(service: Made, shapes: &'static [Shape]) -> Self {
        Server::with_doors(service, &[Door::only(0, shapes)])
    }

    /// A server of a service of one's own that has these doors, each with a name and a port of its own.
    pub fn with_doors(service: Made, doors: &[Door]) -> Self {
        Server::from(Plan::Own(service), doors)
    }

    fn from(service: Plan, doors: &[Door]) -> Self {
        Server {
            service,
            doors: doors.to_vec(),
            endpoints: Vec::new(),
            bus: Bus::new(Clock::start(), shards::cores()),
            limits: Limits::default(),
            cutting: Cutting::default(),
            model: Model::default(),
            stop: Stop::default(),
            family: None,
            observer: None,
            seed: None,
            next_ports: 0,
            crew: None,
        }
    }

    /// Runs on these threads and by their clock, which other servers may share. A subscription from before hears
    /// nothing.
    pub fn on_crew(&mut self, crew: &Crew) -> &mut Self {
        self.bus = Bus::new(crew.clock(), crew.count());
        self.crew = Some(crew.clone());
        self
    }

    /// The row of the service, where it is in the table.
    pub fn row(&self) -> Option<&'static service::ServiceRow> {
        match &self.service {
            Plan::Table(row, ..) => Some(row),
            Plan::Own(_) | Plan::Spent => None,
        }
    }

    /// The doors of the service.
    pub fn doors(&self) -> &[Door] {
        &self.doors
    }

    fn name(&self) -> &'static str {
        self.row().map_or("this service", |row| row.spec.name)
    }

    /// Sets one of the service's own options.
    pub fn set(&mut self, option: &str, value: Option<&str>) -> Result<&mut Self> {
        let Plan::Table(row, options, targets) = &mut self.service else {
            return Options::default().set(&[], option, value).map(|()| self);
        };
        match (row.dialled().find(|known| known.name == option), value) {
            (Some(known), Some(text)) => {
                targets.push((known, plan::parse(text)?));
                note_next(known, options, text)?;
            }
            _ => plan::set_option(row, options, option, value)?,
        }
        Ok(self)
    }

    /// The same for an option that takes an endpoint to dial, such as `to` of a relay.
    pub fn target(&mut self, option: &str, endpoint: Endpoint) -> Result<&mut Self> {
        if let Plan::Table(row, options, targets) = &mut self.service
            && let Some(known) = row.dialled().find(|known| known.name == option)
        {
            note_next(known, options, &endpoint.to_string())?;
            targets.push((known, endpoint));
            return Ok(self);
        }
        // Any other option is set as text, and the error of an unknown one names those that exist.
        self.set(option, Some(&endpoint.to_string()))
    }

    /// Adds an endpoint, if the service fits it. Where the service has several doors, the endpoint leads to the one
    /// whose protocol it names.
    pub fn on(&mut self, endpoint: &Endpoint) -> Result<&mut Self> {
        self.add(None, endpoint)
    }

    /// Adds an endpoint that leads to the door of this name: `door("pop3", &endpoint)`.
    pub fn door(&mut self, name: &str, endpoint: &Endpoint) -> Result<&mut Self> {
        self.add(Some(name), endpoint)
    }

    /// The same as [`on`](Server::on) for an endpoint as a person types it, one after another:
    /// `Server::new("echo")?.at(":9000")?.start()`.
    pub fn at(&mut self, endpoint: &str) -> Result<&mut Self> {
        self.on(&plan::parse(endpoint)?)
    }

    fn add(&mut self, door: Option<&str>, endpoint: &Endpoint) -> Result<&mut Self> {
        let who = self.row().map_or("a server", |row| row.spec.name);
        self.add_resolved(door, plan::resolve(endpoint)?)?;
        fit::check_no_path(endpoint, who)?;
        Ok(self)
    }

    /// Adds an endpoint whose transport or layers need not be in the tables, but may be the caller's own.
    pub fn on_resolved(&mut self, resolved: Resolved) -> Result<&mut Self> {
        self.add_resolved(None, resolved)
    }

    /// The same for an endpoint that leads to the door of this name.
    pub fn door_resolved(&mut self, name: &str, resolved: Resolved) -> Result<&mut Self> {
        self.add_resolved(Some(name), resolved)
    }

    fn add_resolved(&mut self, door: Option<&str>, resolved: Resolved) -> Result<&mut Self> {
        let door = fit::door(self.row(), &self.doors, door, &resolved)?;
        self.endpoints.push((resolved, door));
        Ok(self)
    }

    /// A subscription to what happens from now on: before the server is open, to everything.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        self.bus.subscribe(wish)
    }

    /// A sink that gets everything of every session, and slows each that has `room` bytes waiting.
    pub fn sink(&self, room: usize) -> EventSink {
        self.bus.sink(room)
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.bus.clock()
    }

    /// Binds all endpoints or none, opens the service, and serves. A call that is given up leaves nothing behind. A
    /// plan is for one server, so a second call is an error.
    pub async fn open(&mut self) -> Result<Running> {
        let taken = self.take()?;
        // A file that a layer reads may be a FIFO that nobody writes.
        let start = thread::run("hobnob-plan", move || taken.prepare()).await??;
        running::open(start).await
    }

    /// The same, and blocks until it serves.
    pub fn start(&mut self) -> Result<Running> {
        running::start(self.take()?.prepare()?)
    }

    fn take(&mut self) -> Result<Self> {
        let taken = std::mem::replace(self, Server::from(Plan::Spent, &[]));
        if matches!(taken.service, Plan::Spent) {
            return Err(Error::new(Kind::Usage, "this server was started before"));
        }
        Ok(taken)
    }

    /// Checks all that can be known before anything is open. Layers read their files now.
    fn prepare(self) -> Result<running::Start> {
        let name = self.name();
        let doors = || self.endpoints.iter().map(|(resolved, _)| resolved);
        let (service, targets) = match self.service {
            Plan::Spent => return Err(Error::new(Kind::Bug, "a spent plan was taken")),
            Plan::Own(made) => (made, Vec::new()),
            Plan::Table(row, options, named) => {
                let targets = fit::targets(row, &named, &doors(), &self.bus)?;
                (plan::make(row, &options)?, targets)
            }
        };
        fit::check_lines(name, &service, doors())?;
        fit::check_model(self.model, name, &service, doors())?;
        if let (Some(panel), Some(at)) = (service.panel(), doors().next()) {
            panel.fit(at.shape)?;
        }
        let terms = transport::Terms {
            family: self.family,
            timeout: self.limits.handshake,
            observer: self.observer,
            bus: self.bus.clone(),
            peers: PeerLimits { must_prove: service.has_proofs(), ..self.limits.peers(0) },
            own: transport::Own::default(),
        };
        let ready = |(endpoint, door): (Resolved, Door)| {
            Ok((endpoint.ready(layer::Role::Server, &self.bus)?, door.name))
        };
        let endpoints = self.endpoints.into_iter().map(ready).collect::<Result<_>>()?;
        let crew = match self.crew {
            Some(crew) => crew,
            None => Crew::of(shards::cores(), self.bus.clock())?,
        };
        Ok(running::Start {
            crew,
            service,
            model: self.model,
            hands: Hands::of(self.model)?,
            targets,
            endpoints,
            next_ports: self.next_ports,
            scene: terms,
            bus: self.bus,
            limits: self.limits,
            cutting: self.cutting,
            stop: self.stop,
            seed: self.seed.unwrap_or_else(clock::draw_seed),
        })
    }
}

/// A service that may do without an endpoint is told that there is one.
fn note_next(option: &'static OptionSpec, options: &mut Options, text: &str) -> Result<()> {
    if option.kind != ValueKind::NextEndpoint {
        return Ok(());
    }
    options.set(std::slice::from_ref(option), option.name, Some(text))
}
